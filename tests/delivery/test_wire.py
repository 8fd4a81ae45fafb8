"""What leaves for a PMS: at most once, never late, and no answer without bounds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from frontdesk.delivery import clock, wire
from frontdesk.delivery.wire import NotSent, Wire
from frontdesk.outgoing.addresses import NOTHING, AllowedAddresses
from frontdesk.vendors.contract import NoAnswer, Request
from tests.outgoing.names import Names

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = AllowedAddresses.parse("127.0.0.0/8")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[str]:
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/notes"


@pytest.fixture
async def http() -> AsyncIterator[Wire]:
    client = Wire(connections=4, allowed=LOOPBACK)
    yield client
    await client.close()


def request(url: str, method: str = "POST") -> Request:
    return Request(method, url, {"content-type": "application/json"}, b"{}")


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_a_request_whose_connection_was_dropped_is_not_sent_a_second_time(
    http: Wire, method: str
) -> None:
    requests = 0

    async def answers_once_then_hangs_up(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal requests
        while await reader.readuntil(b"\r\n\r\n"):
            await reader.read(2)
            requests += 1
            if requests > 1:
                writer.transport.abort()
                return
            writer.write(OK)
            await writer.drain()

    async with listening(answers_once_then_hangs_up) as url:
        await http.send(request(url, method), timeout_s=5)
        with pytest.raises(NoAnswer) as caught:
            await http.send(request(url, method), timeout_s=5)
    assert caught.value.sent
    assert requests == 2


async def test_past_its_deadline_not_one_byte_leaves(http: Wire) -> None:
    received = b""

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received += await reader.read(100)
        writer.close()

    async with listening(listens) as url:
        with pytest.raises(NotSent):
            await http.send(request(url), timeout_s=5, send_before=clock.now())
    assert received == b""


async def test_a_refused_connection_is_known_not_to_have_been_sent(http: Wire) -> None:
    async with listening(lambda *_: asyncio.sleep(0)) as url:
        pass
    with pytest.raises(NoAnswer) as caught:
        await http.send(request(url), timeout_s=5)
    assert not caught.value.sent


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{",
        b"this is no HTTP at all\r\n\r\n",
    ],
)
async def test_a_cut_or_unreadable_answer_is_no_answer(http: Wire, answer: bytes) -> None:
    async def cuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with listening(cuts) as url:
        with pytest.raises(NoAnswer) as caught:
            await http.send(request(url), timeout_s=5)
    assert caught.value.sent


async def test_a_peer_that_never_answers_is_given_up(http: Wire) -> None:
    async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(is_silent) as url:
        with pytest.raises(NoAnswer) as caught:
            await http.send(request(url), timeout_s=0.3)
    assert caught.value.sent


async def test_a_redirect_is_an_answer_and_is_not_followed(http: Wire) -> None:
    requests = 0

    async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n{}")
        requests += 1
        writer.write(b"HTTP/1.1 307 Elsewhere\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with listening(redirects) as url:
        exchange = await http.send(request(url), timeout_s=5)
    assert (exchange.answer.status, requests) == (307, 1)


async def test_an_endless_answer_is_cut_off(http: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST_ANSWER", 100_000)

    async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()
        except ConnectionError:
            pass

    async with listening(never_ends) as url:
        with pytest.raises(NoAnswer) as caught:
            await http.send(request(url), timeout_s=5)
    assert caught.value.sent


@asynccontextmanager
async def wire_to(name: str, address: str, allowed: AllowedAddresses) -> AsyncIterator[Wire]:
    """A wire whose vendor's own host is `pms.test`, and whose name server knows one name."""
    client = Wire(
        connections=4,
        allowed=allowed,
        hosts=("pms.test",),
        resolver=Names({name: [[address]]}),
    )
    yield client
    await client.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_an_address_that_is_not_allowed_is_not_connected_to_and_nothing_is_sent(
    host: str,
) -> None:
    knocks = 0

    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal knocks
        knocks += 1
        writer.close()

    client = Wire(connections=4, allowed=NOTHING)
    async with listening(counts) as url:
        with pytest.raises(NoAnswer) as caught:
            await client.send(request(url.replace("127.0.0.1", host)), timeout_s=5)
    await client.close()
    assert not caught.value.sent
    assert "not allowed" in str(caught.value)
    assert knocks == 0


@pytest.mark.parametrize("url", ["http://pms.test:8080/x", "https://pms.test:8443/x"])
async def test_the_vendors_own_name_leads_outside_by_https_and_its_usual_port_only(
    url: str,
) -> None:
    async with wire_to("pms.test", "8.8.8.8", NOTHING) as client:
        with pytest.raises(NoAnswer) as caught:
            await client.send(request(url), timeout_s=5)
    assert not caught.value.sent
    assert "not allowed" in str(caught.value)


async def test_the_vendors_own_name_does_not_lead_inside() -> None:
    async with wire_to("pms.test", "127.0.0.1", NOTHING) as client:
        with pytest.raises(NoAnswer) as caught:
            await client.send(request("https://pms.test/x"), timeout_s=5)
    assert "not allowed" in str(caught.value)


async def test_a_sandboxs_name_that_turns_to_a_public_address_gets_no_credentials() -> None:
    """The name led into an allowed range when it was set; now it leads to somebody's server."""
    async with wire_to("sandbox.test", "8.8.8.8", LOOPBACK) as client:
        with pytest.raises(NoAnswer) as caught:
            await client.send(request("https://sandbox.test/x"), timeout_s=5)
    assert not caught.value.sent
    assert "not allowed" in str(caught.value)
