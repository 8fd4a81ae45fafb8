"""Where Prometheus reads a process's figures: an address of its own, apart from the API's.

Off unless a port is set, and then on this machine only unless a host is: figures tell how busy whose
PMS is. It serves one path and takes nothing in. A text is made at most once a second, by one thread
aside from the loop, so that no crowd of scrapers delays a request; a database that is slow or away costs
the gauges, never the counters.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from frontdesk.database.pool import Database, DatabaseUnavailable
from frontdesk.metrics.counts import REGISTRY
from frontdesk.metrics.gauges import Gauges, Held
from frontdesk.metrics.repository import FiguresRepository

PATH = "/metrics"
REMADE_SECONDS = 1.0
DATABASE_SECONDS = 2.0
"""A scrape waits so long for the figures; later ones find what the reading brought in the end."""

log = structlog.get_logger(__name__)


class Figures:
    """The text of one process's figures."""

    def __init__(self, database: Database, budget_factor: float) -> None:
        self._repository = FiguresRepository(database)
        self._held = Held(None, 0.0, answered=False)
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._text = b""
        self._made_at = -REMADE_SECONDS
        self._registry = CollectorRegistry()
        self._registry.register(Gauges(self._now, budget_factor))

    async def text(self) -> bytes:
        """Counters of this process, and gauges of what the database holds."""
        async with self._turn:
            if time.monotonic() - self._made_at >= REMADE_SECONDS:
                await self._look()
                self._text = await asyncio.to_thread(self._made)
                self._made_at = time.monotonic()
            return self._text

    async def close(self) -> None:
        """Leave no reading behind."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _made(self) -> bytes:
        return generate_latest(REGISTRY) + generate_latest(self._registry)

    def _now(self) -> Held:
        held = self._held
        return Held(held.figures, held.age + time.monotonic() - self._read_at, held.answered)

    async def _look(self) -> None:
        """Have the figures read, by one reading at a time, and wait a moment for it."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="figures")
        done, _ = await asyncio.wait({self._reading}, timeout=DATABASE_SECONDS)
        if not done:
            self._held = Held(self._held.figures, self._held.age, answered=False)

    async def _read(self) -> None:
        try:
            found = await self._repository.figures()
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", doing="figures", reason=str(error))
            self._held = Held(self._held.figures, self._held.age, answered=False)
            return
        if found is None:
            self._held = Held(None, 0.0, answered=True)
        else:
            self._held = Held(found[0], found[1], answered=True)
        self._read_at = time.monotonic()


@asynccontextmanager
async def serving(
    listener: socket.socket | None, database: Database, budget_factor: float
) -> AsyncIterator[None]:
    """Serve the figures on this socket in the block; None: nowhere."""
    if listener is None:
        yield
        return
    figures = Figures(database, budget_factor)

    async def metrics(request: web.Request) -> web.Response:
        del request
        return web.Response(
            body=await figures.text(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application(client_max_size=1024)
    app.router.add_get(PATH, metrics)
    # No signal is its business: whoever runs the process ends the block.
    runner = web.AppRunner(app, handle_signals=False, access_log=None, keepalive_timeout=30)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=16).start()
        yield
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await runner.cleanup()
        await figures.close()
