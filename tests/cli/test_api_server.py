"""Whose word is taken for who the caller is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from pydantic import ValidationError
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from frontdesk.cli.api_server import ApiServer, configuration
from frontdesk.http.gate import client_address
from frontdesk.settings import Settings


async def tells_who_calls(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        told = {"client": client_address(scope), "scheme": scope["scheme"]}
        await JSONResponse(told)(scope, receive, send)


@asynccontextmanager
async def serving(trusted_proxies: str) -> AsyncIterator[str]:
    ready = asyncio.Event()
    config = configuration(tells_who_calls, 1, trusted_proxies)
    config.lifespan = "off"
    server = ApiServer(config, ready.set, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Not `serve`: it would take this process's signal handlers.
        task = asyncio.create_task(server._serve([listener]))
        async with asyncio.timeout(10):
            await ready.wait()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        await task


async def who(trusted: str, forwarded_for: str, proto: str = "https") -> tuple[str, str]:
    headers = {"x-forwarded-for": forwarded_for, "x-forwarded-proto": proto}
    async with (
        serving(trusted) as url,
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers) as answer,
    ):
        told = await answer.json()
    return told["client"], told["scheme"]


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8", "127.0.0.2/32"])
async def test_a_stranger_speaks_for_nobody_not_even_on_this_machine(
    trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert await who(trusted, "203.0.113.9") == ("127.0.0.1", "http")


async def test_a_trusted_proxy_is_believed() -> None:
    assert await who("127.0.0.0/8", "203.0.113.9") == ("203.0.113.9", "https")
    assert await who("127.0.0.1", "2001:db8::7") == ("2001:db8::7", "https")


async def test_what_a_caller_put_before_the_proxys_word_does_not_count() -> None:
    assert await who("127.0.0.0/8", "198.51.100.1, 203.0.113.9") == ("203.0.113.9", "https")
    chain = "198.51.100.1, 203.0.113.9, 10.1.1.1"
    assert (await who("127.0.0.0/8, 10.0.0.0/8", chain))[0] == "203.0.113.9"


async def test_what_is_no_address_does_not_pass_for_one() -> None:
    assert (await who("127.0.0.0/8", "<b>nobody</b>"))[0] == "unknown"


def test_an_ipv4_proxy_is_known_on_a_socket_for_both_kinds_of_address() -> None:
    assert client_address({"client": ("::ffff:10.1.1.1", 5)}) == "10.1.1.1"
    assert (
        "::ffff:10.0.0.0/104" in configuration(tells_who_calls, 1, "10.0.0.0/8").forwarded_allow_ips
    )
    assert client_address({}) == "unknown"


@pytest.mark.parametrize("name", ["trusted_proxies", "allowed_addresses"])
def test_ranges_that_cannot_be_read_keep_a_process_from_starting(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("*", "proxy.internal", "10.0.0.0/33", "10.0.0.1/8"):
        monkeypatch.setenv(f"FRONTDESK_{name.upper()}", text)
        with pytest.raises(ValidationError):
            Settings()
    monkeypatch.setenv(f"FRONTDESK_{name.upper()}", "10.0.0.0/8, ::1")
    assert Settings().model_dump()[name] == "10.0.0.0/8, ::1"
