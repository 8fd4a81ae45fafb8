"""When each token was last used: noted in memory by every request, written in batches beside them.

A token's row is written at most once a minute, whatever the number of requests and processes; no
request waits for it. A process that is killed takes the last seconds' notes with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import Context
from time import monotonic
from uuid import UUID

import structlog

from frontdesk.database.pool import DatabaseUnavailable

_log = structlog.get_logger(__name__)

WriteUses = Callable[[Mapping[UUID, float]], Awaitable[None]]
"""Writes (token → seconds since its use)."""

EVERY_SECONDS = 60.0
"""A token is noted once in so long."""

_GATHERED_SECONDS = 1.0
_MOST_NOTED = 100_000


class LastUse:
    """The uses that this process has seen and not written yet."""

    def __init__(self, write: WriteUses) -> None:
        self._write = write
        self._seen: dict[UUID, float] = {}  # token → when it was noted last
        self._waiting: dict[UUID, float] = {}
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, token_id: UUID) -> None:
        """The token is in use now. Costs a look into a dictionary."""
        now = monotonic()
        seen = self._seen.get(token_id)
        if seen is not None and now - seen < EVERY_SECONDS:
            return
        if len(self._seen) >= _MOST_NOTED:
            # Forgetting costs writes that change nothing, and no more.
            self._seen.clear()
        self._seen[token_id] = now
        self._waiting[token_id] = now
        if self._writer is None or self._writer.done():
            # In a context of its own: it writes for many requests, not for the first.
            self._writer = asyncio.create_task(
                self._write_waiting(), name="last use of tokens", context=Context()
            )

    async def close(self) -> None:
        """Write what is noted, and end."""
        self._closing.set()
        if self._writer is not None:
            await self._writer

    async def _write_waiting(self) -> None:
        while self._waiting:
            with suppress(TimeoutError):  # the usual end of the wait
                await asyncio.wait_for(self._closing.wait(), _GATHERED_SECONDS)
            batch, self._waiting = self._waiting, {}
            now = monotonic()
            try:
                await self._write({token: now - used for token, used in batch.items()})
            except DatabaseUnavailable as error:
                # Who uses the token next is told by the next request; nobody waits for this.
                _log.warning("last use of tokens not written", reason=str(error))
                if self._closing.is_set():
                    return
                self._waiting = batch | self._waiting
