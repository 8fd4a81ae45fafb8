"""What the tests of the embedded server share: commands to kill, and what must be left of them."""

import asyncio
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from frontdesk.database.leftovers import processes_of
from frontdesk.database.placement import place

HOLDER = Path(__file__).with_name("holder.py")
LONGEST_WAIT = 30.0


@dataclass
class Command:
    """A running `holder.py`."""

    process: asyncio.subprocess.Process
    url: str
    supervisor: int
    postmaster: int

    async def committed(self, count: int) -> set[int]:
        """The numbers of the next `count` rows that it saw committed."""
        assert self.process.stdout is not None
        return {int(await self.process.stdout.readline()) for _ in range(count)}

    async def committed_until_the_end(self) -> set[int]:
        assert self.process.stdout is not None
        lines = (await self.process.stdout.read()).split(b"\n")
        # The last line may have been cut off by the kill.
        return {int(line) for line in lines[:-1] if line}

    async def leave(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), LONGEST_WAIT)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


async def command(data_dir: Path, *arguments: str) -> Command:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HOLDER), str(data_dir), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), LONGEST_WAIT)
    assert line, "the command ended instead of holding the server"
    return Command(process, **json.loads(line))


@contextmanager
def data_directory() -> Iterator[Path]:
    """A data directory with a short path; at the end nothing of its server may be left."""
    parent = Path(tempfile.mkdtemp(prefix="fd-", dir="/tmp"))
    data_dir = parent / "d"
    try:
        yield data_dir
        cluster = data_dir / "postgres"
        wait_until(lambda: processes_of(cluster) == [], "the server ended")
        if cluster.exists():
            inode = cluster.stat().st_ino
            wait_until(lambda: not shared_memory_of(inode), "its shared memory was removed")
    finally:
        run_dir = place(data_dir).run_dir
        shutil.rmtree(parent, ignore_errors=True)
        shutil.rmtree(run_dir, ignore_errors=True)


def shared_memory_of(inode: int) -> list[str]:
    """System V segments that a server made for the cluster with this inode."""
    table = Path("/proc/sysvipc/shm")
    rows = table.read_text().splitlines()[1:] if table.exists() else []
    return [row for row in rows if int(row.split()[0]) % 2**32 == inode % 2**32]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def program_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


def ids_of(pid: int) -> set[str]:
    """Every user and group id of a process, the supplementary groups included."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    wanted = ("Uid:", "Gid:", "Groups:")
    return {word for line in lines if line.startswith(wanted) for word in line.split()[1:]}


def wait_until(holds: Callable[[], bool], fact: str) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while not holds():
        assert time.monotonic() < deadline, f"never came true: {fact}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
