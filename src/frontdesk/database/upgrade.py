"""Takes an embedded server's data to a newer major version of PostgreSQL.

A data directory belongs to the major version that made it. Here its server is started once more, with
the old programs; what it holds is dumped and restored into a new directory beside it, and compared; only
then does the new directory take the old one's place, which is kept as `postgres-<major>`. Whatever goes
wrong before leaves everything as it was.

It refuses to run beside a server, and touches none that is given by URL.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import asyncpg

from frontdesk.database.binaries import Binaries, find_binaries, inspect, usable_by
from frontdesk.database.cluster import DATABASE, ROLE, Cluster, initialise, sync_directory, tail
from frontdesk.database.leftovers import clear
from frontdesk.database.placement import EmbeddedServerError, Placement, make_run_dir, place

_START_PATIENCE = 120.0
_STOP_PATIENCE = 120.0
_LOCK_PATIENCE = 5.0
_WORKSHOP = "postgres.upgrade"
"""The folder in the data directory where the new one is made."""

_CONFIGURATION = ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf")

_TABLES = """
SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""

_SEQUENCES = """
SELECT format('%I.%I', schemaname, sequencename) AS name, coalesce(last_value, -1) AS value
FROM pg_sequences ORDER BY 1
"""

Said = Callable[[str], object]
"""Told of each step."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was done: versions, the folder where the old data is kept, tables and rows."""

    before: str
    after: str
    kept: Path
    tables: int
    rows: int


def major_of(cluster: Path) -> int | None:
    """The major version that made this directory; None where there is none."""
    try:
        return int((cluster / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return None


def upgrade(data_dir: Path, old_programs: Path | None, said: Said) -> Upgrade | None:
    """Bring the data to the newest PostgreSQL that is found here; None where it is there already.

    `old_programs`: the bin directory of the version that made the data; without it, it is looked for.
    Raises EmbeddedServerError, whose message says what to do.
    """
    placement = place(data_dir)
    with _alone(placement):
        _undo_half_a_swap(placement)
        major = major_of(placement.cluster)
        if major is None:
            raise EmbeddedServerError(f"There is no database in {placement.data_dir}.")
        newest = usable_by(find_binaries(), placement.switch_to)
        if newest.major == major:
            return None
        if newest.major < major:
            raise EmbeddedServerError(
                f"This data directory was made by PostgreSQL {major}, and the newest here is "
                f"{newest.version} in {newest.directory}: there is no way back to an older one."
            )
        old = Cluster(placement, _old_programs(major, old_programs, placement))
        kept = placement.data_dir / f"postgres-{major}"
        if kept.exists():
            raise EmbeddedServerError(
                f"{kept} is in the way: the old data is to be kept there. Move it away."
            )
        _check_room(placement)
        return _upgraded(old, newest, kept, said)


def _upgraded(old: Cluster, newest: Binaries, kept: Path, said: Said) -> Upgrade:
    placement = old.placement
    workshop = placement.data_dir / _WORKSHOP
    shutil.rmtree(workshop, ignore_errors=True)
    # Others may pass through, as through the data directory itself; what is in it is private.
    workshop.mkdir(mode=0o711 if placement.switch_to else 0o700)
    dump = workshop / "dump"
    new = Cluster(replace(placement, data_dir=workshop), newest)
    make_run_dir(placement)
    try:
        clear(placement)
        said(f"Dumping with PostgreSQL {old.binaries.version} …")
        with _running(old) as url:
            before = asyncio.run(_held(url))
            _client(newest, "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={url}")
        said(f"Restoring into PostgreSQL {newest.version} …")
        new.placement.open_log().close()
        initialise(new)
        for name in _CONFIGURATION:
            # What the operator changed holds from now on too.
            if (source := placement.cluster / name).exists():
                (new.placement.cluster / name).write_bytes(source.read_bytes())
        with _running(new) as url:
            _client(
                newest,
                "pg_restore",
                *("--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={url}"),
                str(dump),
            )
            said("Comparing …")
            after = asyncio.run(_held(url, analyze=True))
            if before != after:
                names = sorted(n for n in {*before, *after} if before.get(n) != after.get(n))
                raise EmbeddedServerError(
                    "What was restored is not what was dumped; they differ in "
                    f"{', '.join(names)}. Nothing was changed."
                )
    finally:
        with suppress(OSError):
            placement.run_dir.rmdir()
    # In between there is no directory of that name: a start refuses then, and the next upgrade puts
    # the old one back.
    placement.cluster.rename(kept)
    new.placement.cluster.rename(placement.cluster)
    sync_directory(placement.data_dir)
    shutil.rmtree(workshop, ignore_errors=True)
    tables = {name: rows for name, rows in before.items() if not name.startswith("sequence ")}
    return Upgrade(old.binaries.version, newest.version, kept, len(tables), sum(tables.values()))


def _old_programs(major: int, given: Path | None, placement: Placement) -> Binaries:
    if given is None:
        return usable_by(find_binaries(major, anywhere=True), placement.switch_to)
    found = inspect(given)
    if found is None or found.major != major:
        what = "no PostgreSQL" if found is None else f"PostgreSQL {found.version}"
        raise EmbeddedServerError(
            f"This data directory was made by PostgreSQL {major}; in {given} is {what}."
        )
    return usable_by(found, placement.switch_to)


def _undo_half_a_swap(placement: Placement) -> None:
    """After a crash between the two renames: the old directory is the database."""
    aside = {
        int(path.name.removeprefix("postgres-")): path
        for path in placement.data_dir.glob("postgres-*")
        if path.name.removeprefix("postgres-").isdecimal()
    }
    if not placement.cluster.exists() and aside:
        # Older ones may be kept from upgrades before.
        aside[max(aside)].rename(placement.cluster)


def _check_room(placement: Placement) -> None:
    size = sum(path.lstat().st_size for path in placement.cluster.rglob("*") if not path.is_dir())
    free = shutil.disk_usage(placement.data_dir).free
    # The dump, which is compressed, and the new directory, which is at most as large as the old one.
    needed = int(size * 1.5) + 200_000_000
    if free < needed:
        raise EmbeddedServerError(
            f"An upgrade needs room for a second copy: about {needed // 1_000_000} MB, and "
            f"{free // 1_000_000} MB are free in {placement.data_dir}."
        )


@contextmanager
def _alone(placement: Placement) -> Iterator[None]:
    """Keep every other command and its server away. The kernel frees the locks of a killed one."""
    held: list[int] = []
    try:
        for lock in (placement.start_lock, placement.supervisor_lock):
            held.append(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            _lock(held[-1], placement)
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _lock(descriptor: int, placement: Placement) -> None:
    # Whoever was the last may still be stopping its server.
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"Frontdesk runs on {placement.data_dir}. Stop it, and every command that uses "
                    "it, and say it again."
                ) from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def _running(cluster: Cluster) -> Iterator[str]:
    """The server of a cluster, alone on its socket; its URL."""
    begun = cluster.placement.log.stat().st_size
    postmaster = cluster.launch()
    try:
        _until_ready(cluster, postmaster, begun)
        host = quote(str(cluster.placement.run_dir), safe="/")
        yield f"postgresql://{ROLE}@/{DATABASE}?host={host}&port=5432"
    except BaseException:
        _stop(postmaster)
        raise
    # Its fast stop writes everything to disk; only then may its directory be trusted.
    _stop(postmaster)
    if postmaster.returncode != 0:
        raise EmbeddedServerError(f"PostgreSQL ended with code {postmaster.returncode}.")


def _until_ready(cluster: Cluster, postmaster: "subprocess.Popen[bytes]", begun: int) -> None:
    log = cluster.placement.log
    deadline = time.monotonic() + _START_PATIENCE
    while not cluster.is_ready():
        if postmaster.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedServerError(
                f"PostgreSQL {cluster.binaries.version} does not start: "
                f"{tail(log, begun) or 'see ' + str(log)}"
            )
        time.sleep(0.05)


def _stop(postmaster: "subprocess.Popen[bytes]") -> None:
    if postmaster.poll() is None:
        postmaster.send_signal(signal.SIGINT)
    try:
        postmaster.wait(_STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        postmaster.kill()
        postmaster.wait()


def _client(binaries: Binaries, program: str, *arguments: str) -> None:
    path = binaries.directory / program
    if not os.access(path, os.X_OK):
        raise EmbeddedServerError(
            f"{path} is missing: an upgrade needs pg_dump and pg_restore beside the new postgres."
        )
    # Another's PGHOST or PGOPTIONS must not reach into this.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    old_mask = os.umask(0o077)
    try:
        done = subprocess.run(  # noqa: S603 — a program found above
            [str(path), *arguments], capture_output=True, text=True, check=False, env=environment
        )
    finally:
        os.umask(old_mask)
    if done.returncode != 0:
        raise EmbeddedServerError(f"{program} failed: {done.stderr.strip()[-2000:]}")


async def _held(url: str, *, analyze: bool = False) -> dict[str, int]:
    """Rows of each table, and where each sequence stands (as `sequence …`)."""
    connection = await asyncpg.connect(url)
    try:
        found: dict[str, int] = {}
        for row in await connection.fetch(_TABLES):
            # A name that PostgreSQL itself has quoted.
            found[row["name"]] = await connection.fetchval(
                f"SELECT count(*) FROM {row['name']}"  # noqa: S608
            )
        found |= {f"sequence {r['name']}": r["value"] for r in await connection.fetch(_SEQUENCES)}
        if analyze:
            # Or the first plans would be made without knowing anything.
            await connection.execute("ANALYZE")
        return found
    finally:
        await connection.close()
