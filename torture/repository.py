"""All SQL of the torture run: read-only looks at the product's tables, for the checker alone."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_LEASES = """
SELECT l.integration_id::text AS integration_id, l.worker_id::text AS worker_id,
    coalesce(w.expires_at > clock_timestamp(), false) AS alive
FROM leases AS l LEFT JOIN workers AS w ON w.id = l.worker_id
"""

_UNFINISHED = "SELECT count(*) FROM writes WHERE finished_at IS NULL"

_WRITES = """
SELECT id::text AS id, state, external_reference AS marker, attempts FROM writes
WHERE external_reference IS NOT NULL
"""

_TABLES = """
SELECT format('%I', tablename) AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1
"""

LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What the driver says of a server that died between two messages.
    asyncpg.InternalClientError,
)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as it stands: whose it is, and whether that worker lives."""

    integration_id: str
    worker_id: str | None
    alive: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A write as the database has it at the end."""

    id: str
    state: str
    marker: str
    attempts: int


class TortureRepository:
    """One connection of the checker's own, made again when it was lost; for one task alone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def leases(self, patience: float) -> list[Held]:
        """Every lease. Raises one of `LOST`."""
        return [Held(**dict(row)) for row in await self._fetch(_LEASES, patience)]

    async def unfinished(self) -> int:
        """Writes that have not ended."""
        (row,) = await self._fetch(_UNFINISHED, 30.0)
        return int(row["count"])

    async def writes(self) -> list[Written]:
        """Every write that bears a marker."""
        return [Written(**dict(row)) for row in await self._fetch(_WRITES, 120.0)]

    async def dump(self, folder: Path) -> None:
        """Every table as CSV, into a folder that is there."""
        for row in await self._fetch(_TABLES, 30.0):
            assert self._connection is not None
            await self._connection.copy_from_table(
                row["name"].strip('"'),
                output=folder / f"{row['name']}.csv",
                format="csv",
                header=True,
                timeout=300,
            )

    async def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _fetch(self, statement: str, patience: float) -> list[asyncpg.Record]:
        try:
            async with asyncio.timeout(patience):
                if self._connection is None:
                    self._connection = await asyncpg.connect(
                        self._url, server_settings={"application_name": "torture"}
                    )
                return await self._connection.fetch(statement)
        except LOST:
            with contextlib.suppress(*LOST):
                await self.close()
            raise
