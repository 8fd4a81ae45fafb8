"""The one way out: connections to addresses that may be reached, and to no others.

The address is checked where its socket is made, so the address that was judged is the one that is
connected to: whatever a name server says the next time, whatever spelling a URL has, and whether
the name was looked up now or is remembered.
"""

import errno
import socket
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ClientResponse
from yarl import URL

from frontdesk.outgoing.addresses import AllowedAddresses, is_public, read_address
from frontdesk.outgoing.urls import may_use_port

REMEMBERED_SECONDS = 60
"""How long a name's addresses are remembered. They are checked at each connection all the same."""


class AddressRefusedError(PermissionError):
    """A call would have reached an address that it may not. Not one byte left."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "its address is private or reserved, and not allowed")


class AnswerTooLarge(ValueError):  # noqa: N818 — says what the answer is
    """The answer has more bytes than are taken in."""


def over_https(url: URL) -> bool:
    """The usual rule for who may be called at public addresses."""
    return url.scheme == "https"


_asked_for: ContextVar[URL | None] = ContextVar("asked_for", default=None)
"""What the socket that is being made is for; None where a proxy is asked instead."""


class GuardedConnector(aiohttp.TCPConnector):
    """Connects to the allowed ranges; to public addresses only for the URLs of `public`."""

    def __init__(
        self, allowed: AllowedAddresses, public: Callable[[URL], bool], **options: Any
    ) -> None:
        super().__init__(socket_factory=self._socket, **options)
        self._allowed = allowed
        self._public = public

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 — its signature
        """aiohttp's own, with the rule of this request in force for the sockets that it makes. A
        connection is only ever used again for the same scheme, host and port: by the same rule."""
        token = _asked_for.set(req.url if req.proxy is None else None)
        try:
            return await super().connect(req, traces, timeout)
        finally:
            _asked_for.reset(token)

    def _socket(self, info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = info
        address = read_address(str(place[0]))
        if address is None:
            raise AddressRefusedError
        url = _asked_for.get()
        may_go_out = url is not None and self._public(url)
        out = may_go_out and is_public(address) and may_use_port(int(place[1]))
        if not out and address not in self._allowed:
            raise AddressRefusedError
        return socket.socket(family, kind, protocol)


def guarded_connector(
    allowed: AllowedAddresses,
    *,
    limit: int,
    keepalive: float,
    public: Callable[[URL], bool] = over_https,
    resolver: AbstractResolver | None = None,
) -> aiohttp.TCPConnector:
    """A connector for `aiohttp.ClientSession` that reaches nothing inside.

    `limit` bounds all its connections, `keepalive` is how many seconds an idle one is kept.
    `public(url)`: whether this URL may go to public addresses; any other reaches only `allowed`
    ranges. Whoever sends must refuse redirects (`allow_redirects=False`) and set a total timeout.
    A refused address fails like a connection that cannot be made: `aiohttp.ClientConnectorError`.
    """
    return GuardedConnector(
        allowed,
        public,
        limit=limit,
        keepalive_timeout=keepalive,
        ttl_dns_cache=REMEMBERED_SECONDS,
        resolver=resolver,
    )


def is_refusal(error: BaseException) -> bool:
    """Whether a call failed because of the address, and not of the other side."""
    found = getattr(error, "os_error", error)
    return isinstance(found, AddressRefusedError)


async def bounded_body(response: ClientResponse, limit: int) -> bytes:
    """The whole body, unpacked, of at most `limit` bytes. Raises AnswerTooLarge. How long it takes
    is bounded by the total timeout of the request."""
    if (response.content_length or 0) > limit:
        raise AnswerTooLarge(f"the answer is larger than {limit:,} bytes")
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > limit:
            raise AnswerTooLarge(f"the answer is larger than {limit:,} bytes")
    return bytes(body)
