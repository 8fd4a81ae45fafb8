"""Which receivers may be called: by https, at public addresses, and where the operator allows more.

The one place of this room that judges addresses: a URL when somebody names it, and every address at
the moment a socket is made for it, so that a name which points elsewhere a moment later is judged by
where it points then.
"""

import errno
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
from aiohappyeyeballs import AddrInfoType

from frontdesk.integrations.addresses import LONGEST_URL, AllowedAddresses

KEPT_SECONDS = 5.0
"""How long an idle connection to a receiver is kept."""


class ReceiverRefused(Exception):  # noqa: N818 — the caller's mistake, not ours
    """The URL may not be called. `message` continues a sentence that begins with the field."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class AddressRefused(PermissionError):  # noqa: N818 — says what became of the call
    """A call would have reached an address that it may not. Not one byte left."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "its address is private or reserved, and not allowed")


def check_receiver(text: str, allowed: AllowedAddresses) -> None:
    """Whether a caller may name this URL. Names are not looked up: they are judged when they are
    called. Raises ReceiverRefused."""
    if len(text) > LONGEST_URL or any(ord(letter) <= 32 or ord(letter) >= 127 for letter in text):
        raise ReceiverRefused("must be a URL in ASCII, without blanks.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ReceiverRefused("is not a URL.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise ReceiverRefused("must be an https URL with a host.")
    if parts.username is not None or parts.password is not None:
        raise ReceiverRefused("must not hold a user name or password; send them as a header.")
    if "#" in text or "\\" in text:
        raise ReceiverRefused("must not have a fragment or a backslash.")
    host = parts.hostname.rstrip(".").lower()
    loopback = host == "localhost" or host.endswith(".localhost")
    try:
        address = ip_address("127.0.0.1" if loopback else host)
    except ValueError:
        address = None
    if parts.scheme == "http" and (
        address is None or not address.is_loopback or address not in allowed
    ):
        raise ReceiverRefused("must be https.")
    if address is not None and address not in allowed and not address.is_global:
        raise ReceiverRefused("must not point to a private or reserved address.")


def guarded_connector(allowed: AllowedAddresses, *, limit: int) -> aiohttp.TCPConnector:
    """A connector that reaches public and allowed addresses, and no others."""

    def make_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = info
        address = ip_address(str(place[0]).partition("%")[0])
        if address not in allowed and (not address.is_global or address.is_multicast):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        limit=limit, keepalive_timeout=KEPT_SECONDS, ttl_dns_cache=60, socket_factory=make_socket
    )


def is_refusal(error: BaseException) -> bool:
    """Whether a call failed because of the address, and not of the other side."""
    return isinstance(getattr(error, "os_error", error), AddressRefused)
