"""Children of `serve`: kept running, never for ever where they cannot run, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from frontdesk.cli import children
from frontdesk.cli.children import Child, Part
from frontdesk.cli.failure import CommandFailed
from tests.conftest import until
from tests.journeys.served import until as until_soon

SAY_READY = (
    "import os, sys\n"
    "ready = int(sys.argv[sys.argv.index('--ready-fd') + 1])\n"
    "os.write(ready, b'{\"pid\": %d}\\n' % os.getpid()); os.close(ready)\n"
)
Scripted = Callable[[str], Part]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Makes a part out of a Python script, in the place of a Frontdesk command."""
    monkeypatch.setattr(
        children, "frontdesk_command", lambda *arguments: (sys.executable, "-c", *arguments)
    )
    return lambda script: Part(name="scripted", arguments=(script,))


async def test_a_child_tells_its_parent_when_it_is_up_and_ends_when_asked(
    scripted: Scripted,
) -> None:
    child = Child(scripted(f"{SAY_READY}\nimport time; time.sleep(60)"))
    assert (await child.ready())["pid"] == child.pid
    await child.stop(10)
    assert child.pid is not None
    assert not _lives(child.pid)


async def test_a_child_that_dies_is_started_again(scripted: Scripted) -> None:
    child = Child(scripted(f"{SAY_READY}\nimport time; time.sleep(60)"))
    first = (await child.ready())["pid"]
    os.kill(first, signal.SIGKILL)

    async def another() -> int | None:
        return child.pid if child.pid != first else None

    second = await until(another)
    assert _lives(second)
    await child.stop(10)
    assert not _lives(second)


async def test_a_child_that_cannot_run_here_ends_the_start(scripted: Scripted) -> None:
    child = Child(scripted("raise SystemExit(2)"))
    with pytest.raises(CommandFailed, match="cannot run here"):
        await child.ready()
    await child.stop(1)


async def test_a_child_that_crashes_at_first_is_tried_again(
    scripted: Scripted, tmp_path: Path
) -> None:
    mark = tmp_path / "tried"
    child = Child(
        scripted(
            f"import pathlib, sys\nmark = pathlib.Path({str(mark)!r})\n"
            "if not mark.exists(): mark.touch(); sys.exit(1)\n"
            f"{SAY_READY}\nimport time; time.sleep(60)"
        )
    )
    await child.ready()
    await child.stop(10)


async def test_a_child_that_does_not_drain_in_time_is_ended(scripted: Scripted) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    child = Child(scripted(f"{deaf}{SAY_READY}\ntime.sleep(60)"))
    await child.ready()
    async with asyncio.timeout(10):
        await child.stop(0.2)
    assert child.pid is not None
    assert not _lives(child.pid)


def test_a_child_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    child = (
        "import os, sys, time\n"
        "from frontdesk.cli.lifeline import end_with\n"
        "end_with(int(sys.argv[1]))\n"
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', sys.argv[1], str(os.getpid())])"
    )
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen([sys.executable, "-c", parent, child], stdout=out)
    try:
        pid = int(until_soon(lambda: (tmp_path / "out").read_text().strip()))
        process.kill()
        process.wait(10)
        until_soon(lambda: not _lives(pid))
    finally:
        process.kill()


def test_a_child_whose_parent_is_gone_before_it_could_ask_ends_as_well() -> None:
    script = (
        "from frontdesk.cli.lifeline import end_with\n"
        "end_with(2**22 - 1)\n"  # Somebody who is not our parent: he was, and is gone.
        "print('still here')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == ""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
