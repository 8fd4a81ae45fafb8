"""How an answer leaves, whole or broken: the only place that handles sockets by hand.

The broken ways write past aiohttp, straight to the transport, because a server that keeps the rules
cannot break them: a cut-off body under its full Content-Length, a reset, a body that drips.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus

from aiohttp import web

from frontdesk.sandbox.simulator import Reply

_POLL_SECONDS = 0.02


def whole(reply: Reply) -> web.Response:
    """The answer as it should be."""
    response = web.Response(status=reply.status, body=reply.body)
    for name, value in reply.headers:
        response.headers[name] = value
    return response


def reset(request: web.Request) -> None:
    """End the connection with a TCP reset: what was not sent yet is lost."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Zero linger turns the close into a reset; without it the peer sees an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def truncate(request: web.Request, reply: Reply, after_bytes: int | None) -> None:
    """Promise the whole body, send `after_bytes` of it (half without a number), and hang up."""
    transport = request.transport
    if transport is None:
        return
    count = len(reply.body) // 2 if after_bytes is None else after_bytes
    transport.write(_head(reply) + reply.body[:count])
    transport.close()


async def drip(request: web.Request, reply: Reply, seconds: float, stopping: asyncio.Event) -> None:
    """Send the head at once and the body byte by byte, spread over `seconds`."""
    transport = request.transport
    if transport is None:
        return
    transport.write(_head(reply))
    pause = seconds / max(1, len(reply.body))
    for position in range(len(reply.body)):
        if await _gone(request, pause, stopping):
            break
        transport.write(reply.body[position : position + 1])
    if request.transport is not None:
        request.transport.close()


async def hang(request: web.Request, seconds: float | None, stopping: asyncio.Event) -> None:
    """Answer nothing until the caller hangs up, the server stops, or `seconds` are over."""
    await _gone(request, seconds, stopping)
    if request.transport is not None:
        request.transport.close()


async def _gone(request: web.Request, seconds: float | None, stopping: asyncio.Event) -> bool:
    """Wait; True as soon as there is nobody left to answer."""
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    while not stopping.is_set():
        transport = request.transport
        if transport is None or transport.is_closing():
            return True
        left = _POLL_SECONDS if deadline is None else min(_POLL_SECONDS, deadline - loop.time())
        if left <= 0:
            return False
        await asyncio.sleep(left)
    return True


def _head(reply: Reply) -> bytes:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines += [f"Content-Length: {len(reply.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1")
