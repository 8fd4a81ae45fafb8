"""One attempt: a signed POST to a receiver, and what its answer means.

Redirects are not followed, time is bounded, and of an answer no more is read than is thrown away.
Whether the receiver has it, its status alone decides.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.outgoing.guard import guarded_connector, is_refusal
from frontdesk.tracing import spans
from frontdesk.webhooks.signing import Secrets, signed_headers

CONNECT_SECONDS = 10.0
KEPT_SECONDS = 5.0
"""How long an idle connection to a receiver is kept."""
LARGEST_ANSWER = 64 * 1024
LONGEST_RETRY_AFTER_SECONDS = 86_400.0

SEQUENCE_HEADER = "frontdesk-sequence"
TEST_HEADER = "frontdesk-test"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be sent, and where to."""

    message_id: str
    url: str
    body: str
    sequence: int
    secrets: Secrets
    headers: Mapping[str, str]
    test: bool


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended. `error` None: the receiver has it. `retry_after`: seconds for which the
    receiver asked."""

    status: int | None
    error: str | None = None
    retry_after: float = 0.0


class Sender:
    """A process's HTTP client for receivers. `connections` bounds all of them at once."""

    def __init__(
        self,
        allowed: AllowedAddresses,
        *,
        connections: int,
        timeout_seconds: float,
        signature_header: str,
    ) -> None:
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(allowed, limit=connections, keepalive=KEPT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # What a receiver answers is not read for its words; a small archive that unpacks to
            # gigabytes stays small.
            auto_decompress=False,
        )
        self._timeout_seconds = timeout_seconds
        self._signature_header = signature_header

    async def send(self, parcel: Parcel) -> Result:
        """Send it once."""
        status: int | None = None
        try:
            async with self._session.post(
                URL(parcel.url, encoded=True),
                data=parcel.body.encode(),
                headers=self._headers(parcel),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=self._timeout_seconds, sock_connect=CONNECT_SECONDS
                ),
            ) as response:
                status = response.status
                retry_after = _seconds(response.headers.get("retry-after"))
                if not 200 <= status < 300:
                    error = "redirects are not followed" if 300 <= status < 400 else None
                    return Result(status, error or f"it answered {status}", retry_after)
                await _read_away(response)
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError, ValueError) as error:
            if status is None:
                return Result(None, _words(error))
            # It said that it has it; that it then stumbled over its own answer changes nothing.
        return Result(status)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        # aiohttp closes TLS transports in the next turns of the loop.
        await asyncio.sleep(0)

    def _headers(self, parcel: Parcel) -> dict[str, str]:
        headers = {
            **parcel.headers,
            "Content-Type": "application/json",
            "User-Agent": "Frontdesk",
            SEQUENCE_HEADER: str(parcel.sequence),
            **signed_headers(
                parcel.secrets,
                parcel.message_id,
                datetime.now(UTC),
                parcel.body,
                header=self._signature_header,
            ),
        }
        if (traceparent := spans.carried()) is not None:
            # In the place of one that was set for all deliveries, in whatever spelling.
            headers = {
                name: value for name, value in headers.items() if name.lower() != spans.HEADER
            }
            headers[spans.HEADER] = traceparent
        return {**headers, TEST_HEADER: "true"} if parcel.test else headers


async def _read_away(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end, so that the connection can be used again; leave a long one."""
    read = 0
    async for chunk in response.content.iter_any():
        read += len(chunk)
        if read > LARGEST_ANSWER:
            response.close()
            return


def _seconds(text: str | None) -> float:
    """`Retry-After` in its usual form, bounded; a date in it counts as none."""
    if text is None or not text.isdecimal() or len(text) > 9:
        return 0.0
    return min(float(text), LONGEST_RETRY_AFTER_SECONDS)


def _words(error: BaseException) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "it could not be connected to in time"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if is_refusal(error):
        return "it was not called: its address is private or reserved, and not allowed"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"it could not be connected to: {error.os_error.strerror or 'no reason given'}"
    return f"no readable answer came ({type(error).__name__})"
