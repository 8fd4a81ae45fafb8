"""The embedded server's own files: made once, in one step, and never upgraded behind one's back.

Everything here runs in the supervisor, which has one thread: `preexec_fn` is safe there, and
the parent-death signal is tied to the thread that lives as long as the process.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from frontdesk.database.binaries import Binaries, find_binaries, usable_by
from frontdesk.database.placement import EmbeddedServerError, Placement, reachable

ROLE = DATABASE = "frontdesk"
_PR_SET_PDEATHSIG = 1

SETTINGS = """\
# Written once, when Frontdesk made this data directory; yours to change from then on.
# What the server listens on is given on its command line and cannot be changed here.

# Durability. A write is answered with 2xx once it is here: turn neither of these off.
fsync = on
synchronous_commit = on

max_connections = 100
max_locks_per_transaction = 256
shared_buffers = 128MB
maintenance_work_mem = 64MB

# No more log than a start after a crash replays in a few seconds.
max_wal_size = 512MB
min_wal_size = 160MB
checkpoint_timeout = 5min

# Short statements only: compiling or spreading them costs more than it saves.
jit = off
max_parallel_workers_per_gather = 0
random_page_cost = 1.1

# A queue is rewritten all the time: look for dead rows often.
autovacuum_naptime = 15s

# Shared segments as files in here, or a killed server would leave them in /dev/shm for ever (and
# a container's /dev/shm is small). The reserve keeps them out of use, so the disk sees nothing.
dynamic_shared_memory_type = mmap
min_dynamic_shared_memory = 8MB

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
default_text_search_config = 'pg_catalog.simple'

# One file an hour, each overwritten a day later.
logging_collector = on
log_directory = 'log'
log_filename = 'postgres-%H.log'
log_truncate_on_rotation = on
log_rotation_age = 60
log_rotation_size = 0
log_checkpoints = off
log_min_duration_statement = 2000
log_line_prefix = '%m [%p] %a '
"""

# Whoever may enter the 0700 directory of the socket is the owner or root; there is no TCP.
HOST_RULES = """\
# TYPE  DATABASE     USER  METHOD
local   all          all   trust
local   replication  all   trust
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One initialised PostgreSQL data directory with the programs that fit it."""

    placement: Placement
    binaries: Binaries

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the postmaster as a child that dies with us (on Linux) and hears only us."""
        placement = self.placement
        with _path_for_postgres(placement.cluster, placement) as (path, descriptors):
            return _spawn(
                placement,
                [
                    str(self.binaries.postgres),
                    *("-D", path, "-k", str(placement.run_dir), "-h", "", "-p", "5432"),
                    *("-c", "unix_socket_permissions=0700"),
                ],
                descriptors,
            )

    def is_ready(self) -> bool:
        """Whether the postmaster says that it takes connections (its own pid file, line 8)."""
        lines = pid_file_lines(self.placement.cluster)
        return len(lines) > 7 and lines[7].strip() == "ready"


def open_cluster(placement: Placement) -> Cluster:
    """The cluster of this placement, made now if there is none.

    Raises EmbeddedServerError: no programs, another major version, initdb failed.
    """
    version_file = placement.cluster / "PG_VERSION"
    if version_file.exists():
        major = int(version_file.read_text().strip())
        return Cluster(placement, usable_by(find_binaries(major), placement.switch_to))
    if placement.cluster.exists() and any(placement.cluster.iterdir()):
        raise EmbeddedServerError(
            f"{placement.cluster} holds files but no PostgreSQL database. Move it away, "
            "or pass another --data-dir."
        )
    if aside := sorted(placement.data_dir.glob("postgres-*")):
        # An empty database in its place would pass for the real one.
        raise EmbeddedServerError(
            f"{placement.cluster} is not there, but {aside[-1]} is: an upgrade was broken off. Run "
            "`frontdesk upgrade-database` again."
        )
    cluster = Cluster(placement, usable_by(find_binaries(), placement.switch_to))
    initialise(cluster)
    return cluster


def pid_file_lines(cluster: Path) -> list[str]:
    """postmaster.pid: pid, directory, start, port, socket, listen, shared memory, status."""
    try:
        return (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def initialise(cluster: Cluster) -> None:
    """Make its directory, with the empty database in it. Raises EmbeddedServerError."""
    # Beside its final place, and renamed when whole: a crash half-way leaves no half database.
    placement = cluster.placement
    unfinished = placement.data_dir / "postgres.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _give(unfinished, placement)
    initdb, postgres = str(cluster.binaries.initdb), str(cluster.binaries.postgres)
    options = (
        *(f"--username={ROLE}", "--encoding=UTF8", "--locale=C", "--locale-provider=libc"),
        *("--auth-local=trust", "--auth-host=reject", "--data-checksums"),
        # Synced once at the end instead, with everything in it.
        *("--no-sync", "--no-instructions"),
    )
    with _path_for_postgres(unfinished, placement) as (path, descriptors):

        def run(command: list[str], given: bytes = b"") -> None:
            _run(placement, command, given, descriptors)

        run([initdb, "-D", path, *options])
        for name, text in (("postgresql.conf", SETTINGS), ("pg_hba.conf", HOST_RULES)):
            (unfinished / name).write_text(text)
        # One user, no server: the database is there before anybody can connect.
        single = [postgres, "--single", "-D", path, "-c", "logging_collector=off", "postgres"]
        run(single, f"CREATE DATABASE {DATABASE}\n".encode())
        run([initdb, "-D", path, "--sync-only"])
    unfinished.rename(placement.cluster)
    sync_directory(placement.data_dir)


def _run(
    placement: Placement, command: list[str], given: bytes, descriptors: tuple[int, ...]
) -> None:
    begun = placement.log.stat().st_size
    process = _spawn(placement, command, descriptors, stdin=subprocess.PIPE)
    process.communicate(given)
    if process.returncode != 0:
        raise EmbeddedServerError(
            f"{Path(command[0]).name} failed (exit {process.returncode}): "
            f"{tail(placement.log, begun)}"
        )


def tail(log: Path, begun: int) -> str:
    """The last words written to `log` since offset `begun`, on one line."""
    with log.open("rb") as file:
        file.seek(begun)
        lines = file.read().decode(errors="replace").split("\n")
    return " / ".join([line.strip() for line in lines if line.strip()][-5:])


def _spawn(
    placement: Placement,
    command: list[str],
    descriptors: tuple[int, ...],
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    account = placement.switch_to
    with placement.open_log() as log:
        return subprocess.Popen(  # noqa: S603 (the programs that binaries.py found)
            command,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd="/",
            # No PG*, locale or time zone of the caller's may change what the server is.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            pass_fds=descriptors,
            # A session of its own, or Ctrl-C would stop the database under a drain.
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            # Safe with one thread: see the module.
            preexec_fn=_die_with(os.getpid()),
        )


def _die_with(parent: int) -> Callable[[], None] | None:
    """Between fork and exec, after the change of user (which would clear the signal)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def prepare() -> None:
        # The supervisor ignores it, and what is ignored stays so over exec until postgres has
        # installed its own handler.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # SIGINT is PostgreSQL's fast shutdown: sessions end, and the next start replays nothing.
        if prctl(_PR_SET_PDEATHSIG, signal.SIGINT) != 0 or os.getppid() != parent:
            # The parent had died before the signal was set, and nobody would ever send it.
            os._exit(1)

    return prepare


@contextmanager
def _path_for_postgres(
    directory: Path, placement: Placement
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A path under which postgres' account reaches `directory`, and descriptors it must inherit.

    As root the data directory may lie below folders that are closed to everybody else (/root, a
    temporary directory). A link in /proc to an open descriptor leads there without passing them,
    and leaves their permissions alone.
    """
    if reachable(directory, placement.switch_to):
        yield str(directory), ()
        return
    if not Path("/proc/self/fd").is_dir():
        raise EmbeddedServerError(
            f"PostgreSQL cannot run as root, and its account cannot reach {directory}. Pass a "
            "--data-dir whose parents anybody may pass through (chmod a+x)."
        )
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _give(path: Path, placement: Placement) -> None:
    if placement.switch_to is not None:
        os.chown(path, placement.switch_to.uid, placement.switch_to.gid)


def sync_directory(directory: Path) -> None:
    """Let what was renamed in it outlive a crash."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
