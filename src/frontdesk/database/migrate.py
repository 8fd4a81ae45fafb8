"""Brings the schema up to date from the numbered files in `database/migrations/`.

Each file (`0001_accounts.sql`) runs once, whole, in one transaction of its own, however many
processes start at the same time. There is no way down: a migration must be safe for the program
before and after it, so that a deploy can be rolled back without touching the database. What
cannot run in a transaction (CREATE INDEX CONCURRENTLY) cannot be a migration.
"""

import asyncio
import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from time import monotonic

import asyncpg

from frontdesk.database.pool import Connection, Database

# Any number, the same in every version of the program: pg_advisory_xact_lock's own key space.
_LOCK = 0x66726F6E74
# Building an index over a big table takes as long as it takes, and so does waiting for the
# process that builds it.
_PATIENCE = 6 * 3600.0
# A file that locks several tables meets transactions that hold one of them and want another. It gives
# way before the server looks for deadlocks (after 1 s), which could end the other side; and while it
# waits for a lock, nobody who wants that table is held up for longer.
_GIVE_WAY = "SET LOCAL lock_timeout = '500ms'"
_LONGEST_PAUSE = 5.0
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

_SELECT_TABLE = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_SELECT_APPLIED = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version     int PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""
_INSERT = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)"


class MigrationError(Exception):
    """The files and the database disagree; the message says on what."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name without `.sql`, its statements, their SHA-256."""

    version: int
    name: str
    sql: str
    checksum: str


async def migrate(
    database: Database,
    progress: Callable[[int, int, str], None] | None = None,
    *,
    directory: Traversable | None = None,
) -> list[str]:
    """Apply what is pending; returns the names of the files that this call applied.

    `progress(done, total, name)` is called before each file and, with `done == total`, at the
    end. Raises MigrationError (nothing is applied then), and the driver's error if a file fails,
    which leaves the files before it applied.
    """
    migrations = _read(directory)
    applied_here: list[str] = []
    total = len(_pending(migrations, await _applied(database)))
    gave_way = 0
    give_up_at = monotonic() + _PATIENCE
    while True:
        try:
            applied = await _apply_next(database, migrations, total, progress)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            # Nothing of the file is applied. It was in the way of those who serve, or they in its.
            if monotonic() > give_up_at:
                raise
            gave_way += 1
            longest = min(_LONGEST_PAUSE, 0.1 * 2**gave_way)
            await asyncio.sleep(random.uniform(0.05, longest))  # noqa: S311 — no secret
            continue
        if applied is None:
            break
        gave_way = 0
        applied_here.append(applied)
    if progress is not None and total:
        progress(total, total, migrations[-1].name)
    return applied_here


async def _apply_next(
    database: Database,
    migrations: list[Migration],
    total: int,
    progress: Callable[[int, int, str], None] | None,
) -> str | None:
    """Apply the first file that is pending, in a transaction of its own; its name, or None."""
    async with database.transaction() as transaction:
        # Held until the commit. Two processes take turns, file by file; each looks again.
        await transaction.execute(f"SELECT pg_advisory_xact_lock({_LOCK})", patience=_PATIENCE)
        await transaction.execute(_CREATE_TABLE)
        pending = _pending(migrations, await _applied(transaction))
        if not pending:
            return None
        following = pending[0]
        if progress is not None:
            progress(total - len(pending), total, following.name)
        await transaction.execute(_GIVE_WAY)
        await transaction.execute(following.sql, patience=_PATIENCE)
        await transaction.execute(_INSERT, following.version, following.name, following.checksum)
    return following.name


async def pending(database: Database, *, directory: Traversable | None = None) -> list[str]:
    """The names of the files that `migrate` would apply. Raises MigrationError."""
    migrations = _read(directory)
    return [migration.name for migration in _pending(migrations, await _applied(database))]


async def current_version(database: Database) -> int:
    """The highest number applied; 0 for an empty database."""
    return max(await _applied(database), default=0)


async def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    if not await connection.fetch_value(_SELECT_TABLE):
        return {}
    rows = await connection.fetch(_SELECT_APPLIED)
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


def _read(directory: Traversable | None) -> list[Migration]:
    folder = directory or resources.files("frontdesk.database") / "migrations"
    found: dict[int, Migration] = {}
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise MigrationError(f"{file.name} is not named like 0001_what_it_does.sql.")
        version = int(match.group(1))
        if version in found:
            raise MigrationError(f"{file.name} and {found[version].name}.sql share a number.")
        # A checkout on another system may have other line ends; the statements are the same.
        sql = file.read_text(encoding="utf-8").replace("\r\n", "\n")
        checksum = hashlib.sha256(sql.encode()).hexdigest()
        found[version] = Migration(version, file.name.removesuffix(".sql"), sql, checksum)
    return [found[version] for version in sorted(found)]


def _pending(migrations: list[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    newest_file = migrations[-1].version if migrations else 0
    known = {migration.version for migration in migrations}
    for version, (name, _) in applied.items():
        # Numbers beyond our newest are a newer program's: we run beside it during a deploy.
        if version not in known and version <= newest_file:
            raise MigrationError(
                f"The database has migration {name}, which this program does not know. "
                "It was migrated by a different branch of the program: use that one."
            )
    waiting = []
    for migration in migrations:
        if migration.version not in applied:
            waiting.append(migration)
            continue
        name, checksum = applied[migration.version]
        if checksum != migration.checksum:
            raise MigrationError(
                f"Migration {migration.name} was changed after it had been applied to this "
                f"database (as {name}). Undo the change, and make a new file for it."
            )
    newest_applied = max(applied, default=0)
    if waiting and waiting[0].version < newest_applied:
        raise MigrationError(
            f"Migration {waiting[0].name} is numbered before {applied[newest_applied][0]}, which "
            "has been applied already. Give it the next free number."
        )
    return waiting
