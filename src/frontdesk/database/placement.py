"""Where an embedded server's files, socket and process live, and whose they are.

Everything follows from the data directory. Nothing here starts a process, and nothing is taken
over that belongs to somebody else: a directory of a foreign owner is refused.
"""

import hashlib
import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SOCKET_NAME = ".s.PGSQL.5432"
CONTROL_NAME = "control"
# sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
# In this order; a cluster that exists keeps the account that owns it.
UNPRIVILEGED_ACCOUNTS = ("frontdesk", "postgres", "nobody")


class EmbeddedServerError(Exception):
    """The embedded server cannot run here; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system account that postgres runs as."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True, slots=True)
class Placement:
    """The places of one data directory.

    `switch_to` is None where postgres runs as ourselves, which is always so unless we are root:
    postgres refuses to be root.
    """

    data_dir: Path
    run_dir: Path
    switch_to: Account | None

    @property
    def cluster(self) -> Path:
        """The directory that PostgreSQL itself calls its data directory."""
        return self.data_dir / "postgres"

    @property
    def start_lock(self) -> Path:
        """Held by the command that is deciding whether to attach or to start."""
        return self.data_dir / "postgres.starting"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor as long as it lives; says its pid and its run directory."""
        return self.data_dir / "postgres.supervisor"

    @property
    def log(self) -> Path:
        """What the supervisor, and postgres before its own log is open, had to say."""
        return self.data_dir / "postgres.log"

    def open_log(self) -> BinaryIO:
        """The log, to append to; for our eyes only, since statements may appear in it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        return os.fdopen(os.open(self.log, flags, 0o600), "ab")

    @property
    def uid(self) -> int:
        """The uid that postgres runs as."""
        return os.geteuid() if self.switch_to is None else self.switch_to.uid


def place(data_dir: Path) -> Placement:
    """Decide where the server of `data_dir` lives; makes the data directory, nothing else.

    Raises EmbeddedServerError where the directory cannot be made or is another account's.
    """
    try:
        # Others may pass through (never list) when we are root, or the unprivileged account that
        # postgres gets could not reach its own folder inside.
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        data_dir = data_dir.resolve(strict=True)
        owner = _cluster_owner(data_dir / "postgres")
    except OSError as error:
        raise EmbeddedServerError(
            f"The data directory {data_dir} cannot be used ({error.strerror}). "
            "Pass --data-dir with a directory that this user may write to."
        ) from error
    switch_to = _account(owner, data_dir)
    return Placement(data_dir, _run_dir(data_dir, switch_to), switch_to)


def reachable(path: Path, account: Account | None) -> bool:
    """Whether `account` may pass through every directory above `path`, and `path` itself.

    Goes by the permission bits, not by access(2), which would answer for ourselves.
    """
    if account is None:
        return True
    path = path.resolve()
    for directory in (path, *path.parents):
        try:
            status = directory.stat()
        except FileNotFoundError:
            continue
        if status.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def make_run_dir(placement: Placement) -> None:
    """Make the 0700 directory of the sockets, or take the one that is there if it is ours.

    Raises EmbeddedServerError where the name is taken by somebody else's directory, a link or a
    file: under /tmp anybody could have put it there, to be taken for our server.
    """
    run_dir, account = placement.run_dir, placement.switch_to
    run_dir.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        descriptor = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            # Still root's where we made it just now, or died before we could give it away.
            if os.fstat(descriptor).st_uid == os.geteuid():
                os.fchown(descriptor, account.uid, account.gid)
        finally:
            os.close(descriptor)
    check_run_dir(run_dir, placement.uid)


def check_run_dir(run_dir: Path, uid: int) -> None:
    """Refuse a run directory that is not a private directory of `uid` (EmbeddedServerError)."""
    status = run_dir.lstat()
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
    if not private or status.st_uid != uid:
        raise EmbeddedServerError(
            f"{run_dir} should be a directory with mode 0700 that belongs to uid {uid}, and is "
            "not. Somebody else made it: look at it, remove it, and start again."
        )


def _cluster_owner(cluster: Path) -> int | None:
    try:
        return cluster.lstat().st_uid
    except FileNotFoundError:
        return None


def _account(owner: int | None, data_dir: Path) -> Account | None:
    own = os.geteuid()
    if own != 0:
        if owner is not None and owner != own:
            raise EmbeddedServerError(
                f"The database in {data_dir} belongs to uid {owner}, and this is uid {own}. "
                "Run the command as that user (or as root), or pass another --data-dir."
            )
        return None
    # postgres would accept a bare number, but initdb looks its user up by name.
    if owner:
        try:
            return _of(pwd.getpwuid(owner))
        except KeyError:
            raise EmbeddedServerError(
                f"The database in {data_dir} belongs to uid {owner}, which has no name on this "
                "machine. Give the folder to an account that exists: chown -R postgres it."
            ) from None
    for name in UNPRIVILEGED_ACCOUNTS:
        try:
            return _of(pwd.getpwnam(name))
        except KeyError:
            continue
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, and this machine has none of the accounts "
        f"{', '.join(UNPRIVILEGED_ACCOUNTS)}. Make one (useradd --system frontdesk), "
        "or run this command as an ordinary user."
    )


def _of(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _run_dir(data_dir: Path, account: Account | None) -> Path:
    inside = data_dir / "run"
    if len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH and reachable(inside, account):
        return inside
    # XDG_RUNTIME_DIR is left alone: it differs between a login and a cron job of the same user,
    # and vanishes with the last logout, under a server that runs on.
    key = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    base = Path("/run")
    if os.geteuid() != 0 or not base.is_dir() or not reachable(base, account):
        base = Path("/tmp")  # noqa: S108 (0700, and refused unless it is ours: make_run_dir)
    uid = os.geteuid() if account is None else account.uid
    return base / f"frontdesk-{uid}-{key}"
