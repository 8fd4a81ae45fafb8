"""A receiver with a real socket, which behaves as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str] = field(repr=False)
    text: str

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.text)
        return body

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def sequence(self) -> int:
        return int(self.headers["frontdesk-sequence"])


@dataclass
class Receiver:
    """What has come; `answer` decides what is said to it."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    status: int = 200
    hangs: bool = False
    answer: Answer | None = None
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path_qs, headers, await request.text()))
        if self.hangs:
            await self._released.wait()
        if self.answer is not None:
            return await self.answer(request)
        return web.Response(status=self.status)

    async def has(self, many: int) -> bool:
        return len(self.received) >= many

    def of(self, trigger: str) -> list[Received]:
        return [one for one in self.received if one.body["trigger"] == trigger]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a loopback port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        receiver._released.set()
        await runner.cleanup()
