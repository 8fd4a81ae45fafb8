"""Connections reach what may be reached, whatever a name server or a URL says."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from yarl import URL

from frontdesk.outgoing.addresses import NOTHING, AllowedAddresses
from frontdesk.outgoing.guard import (
    AnswerTooLarge,
    bounded_body,
    guarded_connector,
    is_refusal,
    over_https,
)
from tests.outgoing.names import Names

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = AllowedAddresses.parse("127.0.0.0/8")
ONE_LOOPBACK = AllowedAddresses.parse("127.0.0.1/32")
REMAINING = aiohttp.ClientTimeout(total=5, sock_connect=2)


class Listener:
    """A server inside. It counts connections: a refused call must not even knock."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") -> None:
        self.connections = 0
        self.requests = 0
        self.answer = answer
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def inside() -> AsyncIterator[Listener]:
    listener = Listener()
    async with listening(listener) as port:
        listener.port = port
        yield listener


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[int]:
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def client(
    allowed: AllowedAddresses = NOTHING,
    resolver: AbstractResolver | None = None,
    public: Callable[[URL], bool] = lambda url: True,
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that may go anywhere public by whatever scheme, unless a test says otherwise."""
    connector = guarded_connector(allowed, limit=4, keepalive=5.0, public=public, resolver=resolver)
    async with aiohttp.ClientSession(connector=connector, timeout=REMAINING) as session:
        yield session


async def refused(session: aiohttp.ClientSession, url: str) -> aiohttp.ClientConnectorError:
    """The error of a call that must be refused for its address."""
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await session.get(URL(url, encoded=True), allow_redirects=False)
    return caught.value


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[::1]",
        "[::]",
        "[fe80::1%25lo]",
        "public.example@127.0.0.1",
        "169.254.169.254",
    ],
)
async def test_no_spelling_of_an_inside_address_is_connected_to(
    inside: Listener, host: str
) -> None:
    async with client() as session:
        with pytest.raises((aiohttp.ClientError, ValueError)):
            await session.get(URL(f"http://{host}:{inside.port}/", encoded=True))
    assert inside.connections == 0


async def test_a_refusal_is_known_as_one_and_names_no_address(inside: Listener) -> None:
    async with client() as session:
        error = await refused(session, f"http://127.0.0.1:{inside.port}/")
    assert is_refusal(error)
    assert not is_refusal(OSError("unreachable"))
    assert "allowed" in str(error.os_error.strerror)


async def test_an_allowed_range_is_reached_and_its_neighbours_are_not(inside: Listener) -> None:
    async with client(ONE_LOOPBACK) as session:
        async with session.get(f"http://127.0.0.1:{inside.port}/") as answer:
            assert await answer.read() == b"ok"
        assert is_refusal(await refused(session, f"http://127.0.0.2:{inside.port}/"))
    assert inside.connections == 1


async def test_a_name_that_leads_inside_is_refused(inside: Listener) -> None:
    names = Names({"evil.example": [["127.0.0.1"]]})
    async with client(resolver=names) as session:
        assert is_refusal(await refused(session, f"http://evil.example:{inside.port}/"))
    assert names.asked == 1
    assert inside.connections == 0


async def test_a_name_that_turns_inside_after_it_was_good_is_refused(inside: Listener) -> None:
    """DNS rebinding: the first answer may be connected to, the second is an address inside."""
    inside.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    names = Names({"evil.example": [["127.0.0.1"], ["127.0.0.2"]]})
    async with client(ONE_LOOPBACK, names) as session:
        url = f"http://evil.example:{inside.port}/"
        async with session.get(url) as answer:
            assert answer.status == 200
        assert isinstance(session.connector, aiohttp.TCPConnector)
        session.connector.clear_dns_cache()
        assert is_refusal(await refused(session, url))
    assert names.asked == 2
    assert inside.connections == 1


async def test_a_remembered_name_is_checked_at_each_connection(inside: Listener) -> None:
    names = Names({"evil.example": [["127.0.0.1"]]})
    async with client(resolver=names) as session:
        for _ in range(3):
            assert is_refusal(await refused(session, f"http://evil.example:{inside.port}/"))
    assert names.asked == 1
    assert inside.connections == 0


async def test_of_several_addresses_only_those_outside_or_allowed_are_tried(
    inside: Listener,
) -> None:
    names = Names({"mixed.example": [["10.0.0.1", "::1", "127.0.0.2", "127.0.0.1"]]})
    async with (
        client(ONE_LOOPBACK, names) as session,
        session.get(f"http://mixed.example:{inside.port}/") as answer,
    ):
        assert answer.status == 200
    assert inside.connections == 1


async def test_a_name_server_that_answers_with_nonsense_reaches_nothing(inside: Listener) -> None:
    names = Names({"evil.example": [["localhost"]]})
    async with client(resolver=names) as session:
        assert is_refusal(await refused(session, f"http://evil.example:{inside.port}/"))
    assert inside.connections == 0


async def test_a_url_outside_the_rule_reaches_the_allowed_ranges_only(inside: Listener) -> None:
    """By `over_https` plain HTTP goes to no public address: not even a socket is made for it."""
    names = Names({"public.example": [["8.8.8.8"]], "sandbox.example": [["127.0.0.1"]]})
    assert over_https(URL("https://public.example"))
    async with client(LOOPBACK, names, over_https) as session:
        assert is_refusal(await refused(session, "http://public.example:8080/"))
        async with session.get(f"http://sandbox.example:{inside.port}/") as answer:
            assert answer.status == 200


async def test_a_low_port_is_refused_at_a_public_address() -> None:
    async with client() as session:
        for port in (22, 25, 445):
            assert is_refusal(await refused(session, f"http://8.8.8.8:{port}/"))


async def test_a_redirect_leads_nowhere_inside_even_when_it_is_followed() -> None:
    target = Listener()
    async with listening(target) as port:
        away = f"http://127.0.0.2:{port}/"
        redirect = f"HTTP/1.1 302 Found\r\nlocation: {away}\r\ncontent-length: 0\r\n\r\n"
        async with listening(Listener(redirect.encode())) as door, client(ONE_LOOPBACK) as session:
            url = f"http://127.0.0.1:{door}/"
            async with session.get(url, allow_redirects=False) as answer:
                assert answer.status == 302
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get(url)
            assert is_refusal(caught.value)
    assert target.connections == 0


async def test_an_answer_is_bounded_in_size_also_when_it_is_packed() -> None:
    packed = gzip.compress(b"\0" * 50_000_000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    async with (
        listening(Listener(head + packed)) as port,
        client(LOOPBACK) as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        with pytest.raises(AnswerTooLarge):
            await bounded_body(answer, 1_000_000)


async def test_an_answer_that_announces_too_much_is_not_even_begun() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000001\r\n\r\n"
    async with (
        listening(Listener(head)) as port,
        client(LOOPBACK) as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        with pytest.raises(AnswerTooLarge):
            await bounded_body(answer, 1_000_000)


async def test_an_answer_that_drips_is_given_up_in_the_end() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            writer.close()

    limit = aiohttp.ClientTimeout(total=0.4)
    async with listening(drips) as port, client(LOOPBACK) as session:
        with pytest.raises(TimeoutError):
            async with session.get(f"http://127.0.0.1:{port}/", timeout=limit) as answer:
                await bounded_body(answer, 1_000_000)
