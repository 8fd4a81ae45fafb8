"""The one place from which requests leave for a PMS.

A request leaves at most once: aiohttp's silent resend on a dropped connection is refused, no
redirect is followed, and the deadline is checked when the connection stands, directly before the
first byte. Answers are bounded in size and time.
"""

import asyncio
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from aiohttp.client_reqrep import ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from frontdesk.delivery import clock
from frontdesk.vendors.contract import Answer, NoAnswer, Request

IDLE_SECONDS = 2.0
"""A connection idle for longer is not used again: the peer may have closed it unseen."""

CONNECT_SECONDS = 10.0
LARGEST_ANSWER = 32 * 1024 * 1024


class NotSent(Exception):  # noqa: N818 — an outcome, not a fault
    """The deadline passed before the connection stood: not one byte left."""


@dataclass(slots=True)
class _Departure:
    """What is known of one request's leaving. `before` is by `clock.now`."""

    before: float | None
    left_at: datetime | None = None


_departure: ContextVar[_Departure | None] = ContextVar("departure", default=None)


class _ClientRequest(aiohttp.ClientRequest):
    """A request that checks its deadline before its first byte, and never goes out twice."""

    async def send(self, conn: Connection) -> ClientResponse:
        departure = _departure.get()
        if departure is not None:
            if departure.left_at is not None:
                raise aiohttp.ServerDisconnectedError("the connection was lost; not sent again")
            if departure.before is not None and clock.now() >= departure.before:
                raise NotSent
            departure.left_at = datetime.now(UTC)
        return await super().send(conn)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that left and the answer that came; `sent_at` is when its first byte went out."""

    answer: Answer
    sent_at: datetime


class Wire:
    """A process's HTTP client. `connections` bounds all connections at once."""

    def __init__(self, *, connections: int) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=60
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_ClientRequest,
            trust_env=False,
            auto_decompress=True,
        )

    async def send(
        self, request: Request, *, timeout_s: float, send_before: float | None = None
    ) -> Exchange:
        """Send once and read the whole answer. `send_before` is by `clock.now`.

        Raises `NotSent` past it; `NoAnswer` where no complete answer came (`sent` False only where
        no byte left)."""
        departure = _Departure(send_before)
        token = _departure.set(departure)
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_SECONDS),
            ) as response:
                body = await _whole_body(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status, headers, body)
        except NotSent:
            raise
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError, ValueError) as error:
            raise NoAnswer(_words(error), sent=departure.left_at is not None) from error
        finally:
            _departure.reset(token)
        return Exchange(answer, departure.left_at or datetime.now(UTC))

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        # aiohttp closes TLS transports in the next turns of the loop.
        await asyncio.sleep(0)


async def _whole_body(response: ClientResponse) -> bytes:
    if (response.content_length or 0) > LARGEST_ANSWER:
        raise ValueError("the answer is larger than 32 MiB")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise ValueError("the answer is larger than 32 MiB")
    return bytes(body)


def _words(error: BaseException) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "the PMS could not be connected to in time"
    if isinstance(error, TimeoutError):
        return "the PMS did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"the PMS could not be connected to: {error.os_error.strerror or 'no reason given'}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the PMS's answer broke off"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the PMS closed the connection without an answer"
    return f"no readable answer came from the PMS ({type(error).__name__})"
