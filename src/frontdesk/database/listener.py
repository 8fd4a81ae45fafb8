"""LISTEN on a connection of its own, which is made again whenever it is lost.

A notification is a hint to look, never the message itself: some are missed while the connection
is away, so that every caller also polls, and is woken once after each reconnection.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import asyncpg

from frontdesk.database.errors import DatabaseUnavailable, unavailable

# How often a quiet connection is asked whether it still stands: a peer that vanished without a
# word (a failed machine, a firewall) sends no reset.
_HEARTBEAT = 15.0
_HEARTBEAT_PATIENCE = 5.0
_BACKOFF_FIRST, _BACKOFF_LONGEST = 0.05, 2.0


class Listener:
    """One channel and who is called. `Database.listen` makes it, `close` ends it."""

    def __init__(
        self,
        channel: str,
        callback: Callable[[str], None],
        connect: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]] | None,
    ) -> None:
        self._channel = channel
        self._callback = callback
        self._connect = connect
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    @property
    def is_listening(self) -> bool:
        """Whether the connection stands now, as far as is known."""
        return self._connected.is_set()

    async def start(self) -> None:
        """Connect; if the database is away, go on trying in the background."""
        if self._connect is None:
            return
        self._task = asyncio.create_task(self._run(self._connect))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), _HEARTBEAT_PATIENCE)

    async def close(self) -> None:
        """Stop listening. May be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(
        self, connect: Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]
    ) -> None:
        backoff = _BACKOFF_FIRST
        missed = False
        while True:
            try:
                with unavailable(commits=False):
                    await self._listen(await connect(), missed=missed)
            except DatabaseUnavailable:
                # Expected, whenever the database restarts; the pool's users report it.
                backoff = min(backoff * 2, _BACKOFF_LONGEST)
            if self._connected.is_set():
                self._connected.clear()
                backoff = _BACKOFF_FIRST
            missed = True
            await asyncio.sleep(backoff)

    async def _listen(
        self, connection: "asyncpg.Connection[asyncpg.Record]", *, missed: bool
    ) -> None:
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(self._channel, self._notified)
            self._connected.set()
            if missed:
                # By the loop, as the driver does it: a caller's error must not end the listener.
                asyncio.get_running_loop().call_soon(self._callback, "")
            while not lost.is_set():
                try:
                    await asyncio.wait_for(lost.wait(), _HEARTBEAT)
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=_HEARTBEAT_PATIENCE)
        finally:
            connection.terminate()

    def _notified(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        self._callback(str(payload))
