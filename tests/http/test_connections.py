"""Whoever is slow, silent, too large or too many is cut off, and told why where that can be told."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from frontdesk.cli.api_server import ApiServer, configuration
from frontdesk.http import connections
from frontdesk.http.connections import (
    HEAD_BYTES,
    MOST_HEADERS,
    MOST_PIPELINED,
    Answering,
    Bounds,
)

pytestmark = pytest.mark.long

BOUNDS = Bounds(
    connections=8, head_seconds=0.6, body_seconds=0.6, idle_seconds=1.2, unread_seconds=0.6
)
SECONDS = 20
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Breaks(Response):
    """Promises five bytes, and brings none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise RuntimeError("broken")


class Pieces(asyncio.Transport):
    """A transport that keeps what it is given, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class App:
    """Answers with what it was sent; knows what became of each request."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.go_on = asyncio.Event()
        self.seen = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.seen += 1
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            self.ended.append("gone")
            return
        await response(scope, receive, send)
        # After the body: what was not there yet when the request came must not be there now.
        self.headers.append(dict(request.headers))
        self.ended.append("answered")

    async def _answer(self, request: Request) -> Response:
        if request.url.path == "/large":
            return PlainTextResponse("x" * (8 << 20))
        if request.url.path == "/unasked":
            return PlainTextResponse("no", status_code=401)
        if request.url.path == "/breaks":
            return Breaks()
        if request.url.path == "/waits":
            await self.go_on.wait()
        return PlainTextResponse(await request.body())


class Served:
    """A server with small bounds, and connections to it."""

    def __init__(self, app: App, server: ApiServer, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port

    async def connect(self, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await writer.drain()
        return reader, writer

    async def said(self, sent: bytes) -> bytes:
        """Everything that comes until the server closes."""
        reader, writer = await self.connect(sent)
        try:
            async with asyncio.timeout(SECONDS):
                return await reader.read()
        finally:
            writer.close()

    async def nobody(self) -> None:
        """Wait until no connection is left."""
        await until(lambda: not self.server.server_state.connections)


@asynccontextmanager
async def serving(bounds: Bounds = BOUNDS) -> AsyncIterator[Served]:
    app = App()
    ready = asyncio.Event()
    config = configuration(app, 1, bounds=bounds)
    config.lifespan = "off"
    server = ApiServer(config, ready.set, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Not `serve`: it would take this process's signal handlers.
        task = asyncio.create_task(server._serve([listener]))
        async with asyncio.timeout(SECONDS):
            await ready.wait()
        yield Served(app, server, listener.getsockname()[1])
        app.go_on.set()
        server.should_exit = True
        await task


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if check():
                return
            await asyncio.sleep(0.02)


async def drip(writer: asyncio.StreamWriter, sent: bytes, every: float = 0.1) -> None:
    """The same again and again, for as long as it is taken."""
    try:
        while True:
            writer.write(sent)
            await writer.drain()
            await asyncio.sleep(every)
    except OSError:
        pass


def refusal(answer: bytes, status: int, code: str) -> str:
    """The message of a refusal that no application gave."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"x-request-id: " in head
    assert b"connection: close" in head
    error = json.loads(body)["error"]
    assert error["code"] == code
    return str(error["message"])


async def test_who_asks_nothing_is_cut_off_without_a_word(served: Served) -> None:
    assert await served.said(b"") == b""
    await served.nobody()


async def test_half_a_head_is_told_that_it_came_too_late(served: Served) -> None:
    answer = await served.said(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
    refusal(answer, 408, "invalid_request")
    await served.nobody()


async def test_a_head_that_drips_is_cut_off(served: Served) -> None:
    _, writer = await served.connect(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
    async with asyncio.timeout(SECONDS):
        await drip(writer, b"a")
    assert served.app.seen == 0
    await served.nobody()


async def test_a_later_head_on_a_kept_connection_has_the_same_time(served: Served) -> None:
    reader, writer = await served.connect(GET)
    async with asyncio.timeout(SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET / HT")
        refusal(await reader.read(), 408, "invalid_request")
    writer.close()


async def test_half_a_body_is_told_that_it_came_too_late(served: Served) -> None:
    answer = await served.said(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
    refusal(answer, 408, "invalid_request")
    await until(lambda: served.app.ended == ["gone"])


async def test_a_body_that_drips_is_cut_off_and_its_reader_told(served: Served) -> None:
    _, writer = await served.connect(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    )
    async with asyncio.timeout(SECONDS):
        await drip(writer, b"a")
    await until(lambda: served.app.ended == ["gone"])
    await served.nobody()


async def test_a_body_that_comes_at_a_fair_pace_may_take_longer_than_one_period(
    served: Served,
) -> None:
    parts = 20
    reader, writer = await served.connect(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (parts * 400)
    )
    for _ in range(parts):
        writer.write(b"a" * 400)
        await asyncio.sleep(0.08)
    async with asyncio.timeout(SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert len(await reader.readexactly(parts * 400)) == parts * 400
    writer.close()


async def test_the_rest_of_a_body_after_its_answer_is_not_listened_to_for_ever(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.5)
    reader, writer = await served.connect(
        b"POST /unasked HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
    )
    dripping = asyncio.create_task(drip(writer, b"a"))
    async with asyncio.timeout(SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        await dripping
    writer.close()
    await served.nobody()


@pytest.mark.parametrize("ends", [b"", b"Connection: close\r\n"])
async def test_who_does_not_read_the_answer_is_cut_off(served: Served, ends: bytes) -> None:
    opened = await served.connect(b"GET /large HTTP/1.1\r\nHost: h\r\n" + ends + b"\r\n")
    # The stream holds a little, the kernel some megabytes, and then nothing moves any more.
    await until(lambda: served.app.seen)
    await served.nobody()
    opened[1].close()


async def test_who_waits_for_an_answer_is_not_hurried(served: Served) -> None:
    reader, writer = await served.connect(b"GET /waits HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.sleep(BOUNDS.idle_seconds + 1.5)
    # The beginning of a next request does not make him late either.
    writer.write(b"GET ")
    await asyncio.sleep(BOUNDS.head_seconds + 0.8)
    served.app.go_on.set()
    async with asyncio.timeout(SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        refusal(await reader.read(), 408, "invalid_request")
    writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(MOST_HEADERS + 1)),
        b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES + b"\r\n",
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\n",
    ],
    ids=["headers", "header", "url"],
)
async def test_a_head_that_is_too_large_is_told_so(served: Served, head: bytes) -> None:
    refusal(await served.said(head + b"\r\n"), 431, "too_large")
    assert served.app.seen == 0
    await served.nobody()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: ",
        b"GET /",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ",
    ],
    ids=["header", "url", "chunk extension", "trailer"],
)
async def test_what_has_no_end_is_cut_off_by_its_size(head: bytes) -> None:
    patient = Bounds(
        connections=8, head_seconds=99, body_seconds=99, idle_seconds=99, unread_seconds=99
    )
    async with serving(patient) as served:
        _, writer = await served.connect(head)
        async with asyncio.timeout(SECONDS):
            await drip(writer, b"a" * HEAD_BYTES, every=0)
        await served.nobody()
        assert "answered" not in served.app.ended


async def test_a_head_of_the_greatest_size_is_taken(served: Served) -> None:
    headers = b"".join(b"X-%02d: a\r\n" % n for n in range(MOST_HEADERS - 1))
    room = HEAD_BYTES - len(headers) - 200
    head = b"GET / HTTP/1.1\r\n" + headers + b"X: " + b"a" * room
    answer = await served.said(b"%b\r\n\r\nGET / HT" % head)
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_what_is_no_http_is_refused_in_the_contracts_shape(served: Served) -> None:
    refusal(
        await served.said(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400, "invalid_request"
    )


async def test_garbage_behind_a_request_does_not_take_its_answers_place(served: Served) -> None:
    reader, writer = await served.connect(
        b"POST /waits HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}" + b"\x00garbage" * 50
    )
    await until(lambda: served.app.seen)
    served.app.go_on.set()
    async with asyncio.timeout(SECONDS):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"{}")
    assert answer.count(b"HTTP/1.1") == 1
    writer.close()


async def test_only_so_many_requests_wait_behind_one_and_those_are_answered(served: Served) -> None:
    reader, writer = await served.connect(GET.replace(b"/ ", b"/waits ") * 1000)
    await until(lambda: served.app.seen)
    served.app.go_on.set()
    async with asyncio.timeout(SECONDS):
        answers = await reader.read()
    assert answers.count(b"HTTP/1.1 200 ") == MOST_PIPELINED + 1 == served.app.seen
    writer.close()


async def test_a_trailer_does_not_become_a_header(served: Served) -> None:
    reader, writer = await served.connect(
        b"POST /waits HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nAuthorization: Bearer late\r\n\r\n"
    )
    served.app.go_on.set()
    async with asyncio.timeout(SECONDS):
        await reader.readuntil(b"{}")
    await until(lambda: served.app.headers)
    assert "authorization" not in served.app.headers[0]
    writer.close()


async def test_the_one_that_waited_longest_makes_room(served: Served) -> None:
    opened = [await served.connect() for _ in range(BOUNDS.connections)]
    await until(lambda: len(served.server.server_state.connections) == BOUNDS.connections)
    reader, writer = await served.connect(GET)
    async with asyncio.timeout(SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await opened[0][0].read() == b""
    for _, other in [*opened, (reader, writer)]:
        other.close()


async def test_where_all_are_at_work_one_more_is_told_to_come_again(served: Served) -> None:
    asked = GET.replace(b"/ ", b"/waits ")
    opened = [await served.connect(asked) for _ in range(BOUNDS.connections)]
    await until(lambda: served.app.seen == BOUNDS.connections)
    answer = await served.said(b"")
    refusal(answer, 503, "unavailable")
    assert b"retry-after: 1\r\n" in answer
    served.app.go_on.set()
    async with asyncio.timeout(SECONDS):
        for reader, writer in opened:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            writer.close()


LONG = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("written", "pieces"),
    [
        ([LONG, b"{}"], [LONG + b"{}"]),
        ([LONG, b"{", b"}"], [LONG + b"{", b"}"]),
        # Nobody knows when the first piece of a stream comes.
        ([CHUNKED, b"2\r\n{}\r\n"], [CHUNKED, b"2\r\n{}\r\n"]),
        ([GO_ON, LONG, b"{}"], [GO_ON, LONG + b"{}"]),
        # A body is not taken for a head.
        ([CHUNKED, LONG, b"{}"], [CHUNKED, LONG, b"{}"]),
    ],
)
def test_a_head_goes_out_with_the_body_that_it_announces(
    written: list[bytes], pieces: list[bytes]
) -> None:
    transport = Pieces()
    answer = Answering(transport)
    for piece in written:
        answer.write(piece)
    answer.flush()
    assert transport.pieces == pieces


def test_a_head_without_its_body_goes_out_before_the_connection_is_closed() -> None:
    transport = Pieces()
    answer = Answering(transport)
    answer.write(LONG)
    assert transport.pieces == []
    answer.close()
    assert transport.pieces == [LONG]
    assert answer.is_closing()


async def test_a_head_that_was_asked_for_alone_comes_while_the_connection_stays(
    served: Served,
) -> None:
    reader, writer = await served.connect(b"HEAD /unasked HTTP/1.1\r\nHost: h\r\n\r\n")
    async with asyncio.timeout(SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 2\r\n" in head
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_an_answer_that_breaks_off_shows_that_it_is_not_whole(served: Served) -> None:
    answer = await served.said(GET.replace(b"/ ", b"/breaks "))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"content-length: 5\r\n\r\n")


async def test_who_asks_before_he_sends_a_body_is_told_to_go_on(served: Served) -> None:
    reader, writer = await served.connect(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    async with asyncio.timeout(SECONDS):
        assert await reader.readuntil(b"\r\n\r\n") == GO_ON
        writer.write(b"{}")
        assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200 ")
    writer.close()
