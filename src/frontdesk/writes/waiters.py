"""Those who wait for a write to move: one question to the database for all of them together.

While anybody waits, the process asks about every awaited write at once, some forty times a second;
while nobody does, it asks nothing. A waiter holds no connection, and its death undoes nothing. The
number of waiters is bounded; past it nobody waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.writes.status import Row

_log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.025
# A database that is away is asked more rarely; the waiters' own deadlines go on.
_PAUSE_WITHOUT_DATABASE = 0.5

Look = Callable[[Collection[UUID]], Awaitable[Sequence[Row]]]
"""Rows of `id`, `mark` and `ended` for these writes."""


@dataclass(slots=True, eq=False)
class _Waiter:
    job_id: UUID
    mark: str | None
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class Waiters:
    """The waiters of one process."""

    def __init__(self, look: Look, limit: int) -> None:
        self._look = look
        self._limit = limit
        self._waiting: set[_Waiter] = set()
        self._asking: asyncio.Task[None] | None = None
        self._draining = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether nobody more can wait here: the limit is reached, or the process is stopping."""
        return len(self._waiting) >= self._limit or self._draining.is_set()

    @property
    def draining(self) -> bool:
        """Whether the process is stopping."""
        return self._draining.is_set()

    async def until_ended(self, job_id: UUID, seconds: float) -> None:
        """Return once the write has ended, the seconds are over, or the process is stopping; at
        once where the limit is reached."""
        if not self.full:
            await self._wait(_Waiter(job_id, None), seconds)

    async def until_moved(self, job_id: UUID, mark: str, seconds: float) -> None:
        """As `until_ended`, but any step ends it (`mark` is what the database said before), and the
        limit does not: whoever follows a write was let in at the beginning (see `full`)."""
        await self._wait(_Waiter(job_id, mark), seconds)

    async def mark(self, job_id: UUID) -> str:
        """The present mark of a write; empty where there is none."""
        rows = await self._look([job_id])
        return str(rows[0]["mark"]) if rows else ""

    def drain(self) -> None:
        """Let everybody go, now and from now on. Must be called before the server waits for its
        open requests, or it would wait for the waiters' deadlines."""
        self._draining.set()
        for waiter in self._waiting:
            waiter.moved.set()

    async def _wait(self, waiter: _Waiter, seconds: float) -> None:
        if self.draining or seconds <= 0:
            return
        self._waiting.add(waiter)
        if self._asking is None:
            # In a context of its own: it looks for many requests, not for the first.
            self._asking = asyncio.create_task(self._ask(), name="waiters", context=Context())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(waiter.moved.wait(), seconds)
        finally:
            self._waiting.discard(waiter)

    async def _ask(self) -> None:
        try:
            # Others' commits cannot wake this process: it has to look.
            while self._waiting:  # noqa: ASYNC110 — see above
                await asyncio.sleep(await self._ask_once())
        finally:
            self._asking = None

    async def _ask_once(self) -> float:
        """Look once; returns the seconds to pause."""
        waiting = list(self._waiting)
        try:
            rows = await self._look({waiter.job_id for waiter in waiting})
        except DatabaseUnavailable as error:
            _log.warning("waiters_without_database", waiters=len(waiting), reason=str(error))
            return _PAUSE_WITHOUT_DATABASE
        found = {row["id"]: row for row in rows}
        for waiter in waiting:
            row = found.get(waiter.job_id)
            # A write that is not there cannot move: nobody is kept waiting for it.
            moved = row is None or row["ended"]
            if moved or (
                waiter.mark is not None and row is not None and row["mark"] != waiter.mark
            ):
                waiter.moved.set()
        return PAUSE_SECONDS
