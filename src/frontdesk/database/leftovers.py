"""Clears away what a killed embedded server left: processes, pid files, shared memory.

Only of the one data directory it is asked about, and only while the caller holds that
directory's supervisor lock. A process is ours if it is a postgres whose working directory *is*
the cluster (same device and inode): a pid in a file proves nothing, since pids are used again.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from frontdesk.database.cluster import pid_file_lines
from frontdesk.database.placement import SOCKET_NAME, EmbeddedServerError, Placement

# Fast shutdown, immediate shutdown, the end; seconds that each is given.
_ENDINGS = ((signal.SIGINT, 1.0), (signal.SIGQUIT, 0.7), (signal.SIGKILL, 2.0))
_IPC_RMID = 0


def clear(placement: Placement) -> None:
    """End this cluster's processes and remove what would stop a new server from starting.

    Raises EmbeddedServerError if a process survives SIGKILL (it hangs in the kernel).
    """
    cluster = placement.cluster
    _end_processes(cluster)
    lines = pid_file_lines(cluster)
    if lines:
        _remove_shared_memory(lines)
        # Its process is gone, or the number belongs to a stranger now, whom postgres would take
        # for a running server.
        (cluster / "postmaster.pid").unlink(missing_ok=True)
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (placement.run_dir / name).unlink(missing_ok=True)


def processes_of(cluster: Path) -> list[int]:
    """The pids of every postgres process that works in `cluster`, orphaned backends included."""
    if sys.platform.startswith("linux"):
        return _from_proc(cluster)
    return _from_ps(cluster)


def _end_processes(cluster: Path) -> None:
    for number, patience in _ENDINGS:
        for pid in processes_of(cluster):
            try:
                os.kill(pid, number)
                # One that is stopped would hear nothing until it goes on.
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while processes_of(cluster):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
    raise EmbeddedServerError(
        f"Processes {processes_of(cluster)} of an earlier server of {cluster} cannot be ended. "
        "They hang in the operating system: see to its disks, then start again."
    )


def _from_proc(cluster: Path) -> list[int]:
    try:
        ours = cluster.stat()
    except FileNotFoundError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            # A program that was replaced under the running server reads "postgres (deleted)".
            if not (entry / "exe").readlink().name.startswith("postgres"):
                continue
            where = (entry / "cwd").stat()
            # A zombie's links are gone, so that it does not count; nor could it be ended.
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
        if (where.st_dev, where.st_ino) == (ours.st_dev, ours.st_ino):
            found.append(int(entry.name))
    return found


def _from_ps(cluster: Path) -> list[int]:
    # Elsewhere the postmaster alone is known by its command line, its children by it; backends
    # that lost it end by themselves (they watch it through kqueue).
    listing = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,ppid=,command="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    masters = {
        int(row[0])
        for row in rows
        if len(row) == 3 and "postgres" in row[2] and f"-D {cluster} " in f"{row[2]} "
    }
    children = {int(row[0]) for row in rows if len(row) == 3 and int(row[1]) in masters}
    return sorted(masters | children)


def _remove_shared_memory(lines: list[str]) -> None:
    """Remove the small System V segment by which postmasters of a directory know each other.

    A new server in the same directory would take it over; but if the directory is deleted after
    a crash nobody ever would, and Linux has 4,096 of them. Elsewhere it is left.
    """
    words = lines[6].split() if len(lines) > 6 else []
    segments = Path("/proc/sysvipc/shm")
    if len(words) != 2 or not segments.exists():
        return
    key, identifier = int(words[0]), int(words[1])
    for row in segments.read_text().splitlines()[1:]:
        fields = row.split()
        # The key is made from the cluster's inode: the number alone may be a stranger's by now.
        same = int(fields[0]) % 2**32 == key % 2**32 and int(fields[1]) == identifier
        if same and int(fields[6]) == 0:
            ctypes.CDLL(None, use_errno=True).shmctl(identifier, _IPC_RMID, None)
