"""A TCP proxy before the database that can be made to fail as networks do.

It can cut every connection, refuse new ones, swallow everything without closing anything (as when a
machine loses its power, or a firewall its memory), and lose exactly one commit: the request with a
marker in it, before the server has it or after the server has answered.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Literal, Self, TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

T = TypeVar("T")

_CHUNK = 65536

Moment = Literal["before", "after"]
"""Relative to the server's work on the request that is lost."""


class Proxy:
    """Between a client's TCP connections and the server's socket, of either kind. `with Proxy(url) as proxy:`
    gives `proxy.url`; it runs in a thread with a loop of its own."""

    def __init__(self, database_url: str) -> None:
        self._behind = urlsplit(database_url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._refusing = False
        self._marker: bytes | None = None
        self._moment: Moment = "before"
        self._keeps_away = False
        self.port = 0
        self.connections = 0
        self.cuts = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The database through the proxy."""
        login = self._behind.netloc.rpartition("@")[0]
        return urlunsplit(self._behind._replace(netloc=f"{login}@{self.host}", query=""))

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- what can go wrong ----------------------------------------------------------------------

    def cut(self) -> None:
        """Reset every connection."""
        self._do(self._cut())

    def refuse(self) -> None:
        """Reset every connection, and each new one at once."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """Let new connections through again."""
        self._refusing = False

    def swallow(self) -> None:
        """From now on nothing that arrives goes on, and nothing is closed; new connections too."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        """Let what was swallowed, and all else, go on."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def lose(self, marker: str, moment: Moment, *, keeps_away: bool = False) -> None:
        """Reset the connection on which `marker` is sent, once: before the server gets it, or when
        the server has answered, of which the client sees nothing. `keeps_away`: refuse everybody
        from then on."""
        self._marker, self._moment, self._keeps_away = marker.encode(), moment, keeps_away

    # --- how ------------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._flowing.set()
        self._server = await asyncio.start_server(self._admit, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self._writers.add(writer)
        behind: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            await self._flowing.wait()
            answers, behind = await self._connect()
            self._writers.add(behind)
            link = _Link(reader, writer, answers, behind)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(link))
                group.create_task(self._answers(link))
        except* (ConnectionError, OSError, _Closed):
            pass
        finally:
            for one in (writer, behind):
                if one is not None:
                    self._writers.discard(one)
                    one.transport.abort()
            self._links.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._behind.hostname and self._behind.port:
            return await asyncio.open_connection(self._behind.hostname, self._behind.port)
        query = parse_qs(self._behind.query)
        return await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")

    async def _requests(self, link: "_Link") -> None:
        while True:
            chunk = await link.requests.read(_CHUNK)
            await self._flowing.wait()
            if not chunk:
                raise _Closed
            if self._marker is not None and self._marker in link.seen(chunk, len(self._marker)):
                self._marker = None
                self.cuts += 1
                if self._keeps_away:
                    self._refusing = True
                if self._moment == "before":
                    raise _Closed
                link.is_lost = True
            link.server.write(chunk)
            await link.server.drain()

    async def _answers(self, link: "_Link") -> None:
        while True:
            chunk = await link.answers.read(_CHUNK)
            await self._flowing.wait()
            # An answer to what was lost: the server has done it, and only we know.
            if not chunk or link.is_lost:
                raise _Closed
            link.client.write(chunk)
            await link.client.drain()


class _Closed(Exception):  # noqa: N818 (a state, not an error)
    """One side has closed, or is to be closed."""


class _Link:
    """One connection through the proxy."""

    def __init__(
        self,
        requests: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        server: asyncio.StreamWriter,
    ) -> None:
        self.requests, self.client = requests, client
        self.answers, self.server = answers, server
        self.is_lost = False
        self._tail = b""

    def seen(self, chunk: bytes, length: int) -> bytes:
        """The chunk with the end of the one before: a marker may lie across both."""
        whole = self._tail + chunk
        self._tail = whole[-length:]
        return whole


__all__ = ["Moment", "Proxy"]
