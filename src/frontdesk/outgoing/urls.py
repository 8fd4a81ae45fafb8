"""URLs that somebody else names: how they must be written, and where they may point at first sight.

No name is looked up here. A name can point somewhere else a moment later, so what it points to is
judged when the connection is made (`guard.py`); what is refused here could never be called.
"""

import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address
from urllib.parse import SplitResult, urlsplit

from frontdesk.outgoing.addresses import Address, AllowedAddresses, is_public, read_address

LONGEST_URL = 2000
FIRST_FREE_PORT = 1024
_LOOPBACK = IPv4Address("127.0.0.1")


class UrlRefused(Exception):  # noqa: N818 — the caller's mistake, not ours
    """The URL may not be called. `message` continues a sentence that begins with the field."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def check_url(text: str, allowed: AllowedAddresses, *, schemes: Collection[str]) -> str:
    """The URL of a receiver that a caller names, as it may be stored and called.

    It may have a query. A host that is an address must be public or allowed; a name is judged when
    it is called. Raises UrlRefused.
    """
    parts = split_url(text, schemes=schemes)
    host = host_of(parts)
    address = _written_address(host)
    if address is None:
        if not may_use_port(parts.port):
            raise UrlRefused("must use port 443, 80, or one from 1024 on.")
    elif address not in allowed and not (is_public(address) and may_use_port(parts.port)):
        # One answer for every address inside: which of them exist is nobody's business.
        raise UrlRefused("must not point to a private or reserved address or port.")
    return text


def split_url(text: str, *, schemes: Collection[str]) -> SplitResult:
    """The parts of a URL that every program reads the same way. Raises UrlRefused."""
    if len(text) > LONGEST_URL or any(ord(letter) <= 32 or ord(letter) >= 127 for letter in text):
        # urlsplit drops line breaks and tabs silently; and a name in another script is written as
        # it goes over the wire (xn--).
        raise UrlRefused("must be a URL in ASCII, without blanks.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UrlRefused("is not a URL.") from None
    if parts.scheme not in schemes or not host_of(parts) or port == 0:
        raise UrlRefused(f"must be an {' or '.join(schemes)} URL with a host.")
    if parts.username is not None or parts.password is not None:
        raise UrlRefused("must not hold a user name or password.")
    if parts.fragment or "#" in text or "\\" in text:
        raise UrlRefused("must not have a fragment or a backslash.")
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        raise UrlRefused("must not have dots as a path segment.")
    host = host_of(parts)
    is_address = "[" in parts.netloc or _is_numeric(host)
    if "%" in host or (is_address and read_address(host) is None):
        # Programs differ in what such a host means: `0177.1` is 127.0.0.1 to some.
        raise UrlRefused("must write an IP address in full and without a zone.")
    return parts


def host_of(parts: SplitResult) -> str:
    """The host in lower case without the dot at its end; empty where there is none."""
    return (parts.hostname or "").rstrip(".").lower()


def matches(host: str, pattern: str) -> bool:
    """Whether a host name fits a declared one; a leading `*.` stands for one or more labels."""
    pattern = pattern.lower()
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def leads_to(hosts: Iterable[str], scheme: str, host: str | None, port: int | None) -> bool:
    """Whether a URL of these parts leads, by https and its usual port, to one of these hosts."""
    if scheme != "https" or port not in (None, 443):
        return False
    name = (host or "").rstrip(".").lower()
    return any(matches(name, pattern) for pattern in hosts)


def may_use_port(port: int | None) -> bool:
    """Whether a public address may be called at this port: the lower ones belong to mail, shells
    and the like, which a request must not be smuggled into."""
    return port in (None, 80, 443) or (port is not None and port >= FIRST_FREE_PORT)


def _written_address(host: str) -> Address | None:
    if host == "localhost" or host.endswith(".localhost"):
        return _LOOPBACK
    return read_address(host)


def _is_numeric(host: str) -> bool:
    """Whether the C library would read the host as an IPv4 address, in whatever spelling."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
