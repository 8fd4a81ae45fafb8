"""Purge by age: what nobody needs any more goes, in small portions, while everything serves.

It never touches what has not ended, nor what reconcile, the 24 hours of an idempotency key or the
next sync rely on, however few days are asked for.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from uuid import UUID

import structlog

from frontdesk.audit.actor import SYSTEM, Actor, acting_as
from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database
from frontdesk.retention import repository
from frontdesk.settings import Settings

log = structlog.get_logger(__name__)

LEAST_DAYS: Mapping[str, int] = {
    # Ids of delivered records are looked for during a week, uncertain writes during a day.
    "writes": 8,
    "attempts": 8,
    "attempt_bodies": 1,
    "idempotency_keys": 1,
    "read_jobs": 1,
    "workers": 0,
    "budgets": 0,
}
"""The kinds, and the fewest days that each can be kept."""

PORTION = 1000
_PAUSE_SECONDS = 0.02
"""Between two portions: whoever accepts and delivers comes first."""
_BUSY_PAUSE_SECONDS = 1.0

Progress = Callable[[str, int], None]
"""Told of each portion: the kind, and how many rows went."""


def ages_of(settings: Settings) -> dict[str, int]:
    """How many days each kind is kept."""
    return {
        "attempt_bodies": settings.keep_attempt_bodies_days,
        "attempts": settings.keep_attempts_days,
        "writes": settings.keep_writes_days,
        "read_jobs": settings.keep_read_jobs_days,
        "idempotency_keys": settings.keep_idempotency_keys_days,
        "workers": 1,
        "budgets": 1,
    }


class RetentionService:
    """Purges for the whole database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._audit = AuditTrail()
        self._ages = ages_of(settings)
        self._every_hours = settings.purge_every_hours

    def ages(self, changes: Mapping[str, int] | None = None) -> dict[str, int]:
        """The days that each kind is kept, with these changes. Raises ValueError for a kind that
        does not exist, or fewer days than it must be kept."""
        ages = {**self._ages, **(changes or {})}
        for kind, days in ages.items():
            if kind not in LEAST_DAYS:
                raise ValueError(f"There is no kind {kind}; there are: {', '.join(LEAST_DAYS)}.")
            if days < LEAST_DAYS[kind]:
                raise ValueError(f"{kind} must be kept for at least {LEAST_DAYS[kind]} days.")
        return ages

    async def count(self, ages: Mapping[str, int]) -> dict[str, int]:
        """How many rows a purge with these ages would take, by kind. A row that goes with another
        (an attempt with its write) may be counted twice."""
        found = dict.fromkeys(ages, 0)
        for kind, days in ages.items():
            for account_id in await self._owners(kind):
                found[kind] += await repository.count(self._database, kind, account_id, days)
        return found

    async def purge(
        self,
        ages: Mapping[str, int],
        progress: Progress | None = None,
        stop: asyncio.Event | None = None,
    ) -> dict[str, int]:
        """Delete what is older; how many rows of each kind. `stop` ends it after a portion."""
        async with self._database.transaction() as transaction:
            # As it begins: broken off, it has deleted something as well.
            await self._audit.record(
                transaction, None, "database.purge", "database", after={"kept_days": dict(ages)}
            )
        gone = dict.fromkeys(ages, 0)
        stop = stop or asyncio.Event()
        for kind, days in ages.items():
            for account_id in await self._owners(kind):
                while portion := await self._portion(kind, account_id, days, stop):
                    gone[kind] += portion
                    if progress is not None:
                        progress(kind, portion)
                    await asyncio.sleep(_PAUSE_SECONDS)
        return gone

    async def purge_if_due(self, stop: asyncio.Event) -> None:
        """For a worker, now and again: purge, if the settings ask for it and no other worker has
        in the last `purge_every_hours`."""
        if self._every_hours is None:
            return
        if await repository.take_turn(self._database, self._every_hours * 3600):
            with acting_as(Actor(SYSTEM, f"worker@{socket.gethostname()}")):
                gone = await self.purge(self.ages(), stop=stop)
            log.info("purged", **{kind: count for kind, count in gone.items() if count})

    async def _owners(self, kind: str) -> list[UUID | None]:
        if not repository.is_by_account(kind):
            return [None]
        return [*await repository.accounts(self._database)]

    async def _portion(
        self, kind: str, account_id: UUID | None, days: int, stop: asyncio.Event
    ) -> int:
        while not stop.is_set():
            async with self._database.transaction() as connection:
                gone = await repository.purge_portion(connection, kind, account_id, days, PORTION)
            if gone is not None:
                return gone
            await asyncio.sleep(_BUSY_PAUSE_SECONDS)
        return 0
