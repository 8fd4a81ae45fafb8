"""The one place from which requests leave for a PMS.

A request leaves at most once: aiohttp's silent resend on a dropped connection is refused, no
redirect is followed, and the deadline is checked when the connection stands, directly before the
first byte. Answers are bounded in size and time. Public addresses are reached only under the
vendors' own names; whatever else an integration names leads to the ranges that the operator allows.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from frontdesk.delivery import clock
from frontdesk.delivery.tracing import calling
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.outgoing.guard import AnswerTooLarge, bounded_body, guarded_connector, is_refusal
from frontdesk.outgoing.urls import leads_to
from frontdesk.tracing.spans import STATUS
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
    """A process's HTTP client. `connections` bounds all connections at once; `hosts` are the
    vendors' own. `resolver` looks names up (the system's where there is none)."""

    def __init__(
        self,
        *,
        connections: int,
        allowed: AllowedAddresses,
        hosts: Iterable[str] = (),
        resolver: AbstractResolver | None = None,
    ) -> None:
        own = tuple(hosts)
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(
                allowed,
                limit=connections,
                keepalive=IDLE_SECONDS,
                public=lambda url: leads_to(own, url.scheme, url.raw_host, url.port),
                resolver=resolver,
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
        # No `traceparent` goes along: a PMS may refuse headers that it does not know.
        with calling(request.method, request.url) as span:
            exchange = await self._send(request, timeout_s, send_before)
            span.tell({STATUS: exchange.answer.status})
        return exchange

    async def _send(
        self, request: Request, timeout_s: float, send_before: float | None
    ) -> Exchange:
        departure = _Departure(send_before)
        token = _departure.set(departure)
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=_limits(timeout_s),
            ) as response:
                body = await bounded_body(response, LARGEST_ANSWER)
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


@lru_cache
def _limits(timeout_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_SECONDS)


def _words(error: BaseException) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "the PMS could not be connected to in time"
    if isinstance(error, TimeoutError):
        return "the PMS did not answer in time"
    if is_refusal(error):
        return "the PMS was not called: its address is private or reserved, and not allowed"
    if isinstance(error, AnswerTooLarge):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"the PMS could not be connected to: {error.os_error.strerror or 'no reason given'}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the PMS's answer broke off"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the PMS closed the connection without an answer"
    return f"no readable answer came from the PMS ({type(error).__name__})"
