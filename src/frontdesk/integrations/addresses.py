"""Which addresses an integration may call: the vendor's own hosts, and what the operator allows.

A base URL is the one place where a caller tells this service whom to connect to, with credentials
in hand and from inside a network: everything that is not expressly allowed is refused.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any
from urllib.parse import SplitResult, urlsplit

from frontdesk.errors import Problem
from frontdesk.vendors.declaration import Declaration

LONGEST_URL = 2000

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """The address ranges of the setting `allowed_addresses`."""

    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def parse(cls, text: str) -> "AllowedAddresses":
        """Read the setting. Raises ValueError that names the part that is no range."""
        return cls(tuple(ip_network(part.strip()) for part in text.split(",") if part.strip()))

    def __contains__(self, address: Address) -> bool:
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A base URL that may be called. `sandbox`: it is not the vendor's own."""

    url: str
    sandbox: bool


class BaseUrlError(Exception):
    """The base URL may not be called."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def problem_at(self, *path: str) -> Problem:
        """The problem, where the address stands."""
        return Problem("invalid_value", path, f"{'.'.join(path)} {self.message}")


def base_url_of(declaration: Declaration, credentials: Mapping[str, Any]) -> str:
    """The vendor's address for the customer with these credentials: what they name, or the
    vendor's usual one with their values in it. To be checked like any other."""
    own = credentials.get(declaration.base_url_key) if declaration.base_url_key else None
    if isinstance(own, str) and own:
        return own
    texts = {name: value for name, value in credentials.items() if isinstance(value, str)}
    return declaration.base_url.format_map(_Blank(texts))


async def check_base_url(text: str, declaration: Declaration, allowed: AllowedAddresses) -> BaseUrl:
    """The URL without its trailing slash. Raises BaseUrlError.

    A name outside the vendor's hosts is looked up now, and every address that it has must be
    allowed; where none are allowed, nothing is looked up.
    """
    parts = _split(text)
    if _is_own(parts, declaration):
        return BaseUrl(text.rstrip("/"), sandbox=False)
    host, port = _host(parts), parts.port
    refused = BaseUrlError(
        f"must be https at {declaration.name}'s own hosts "
        f"({', '.join(declaration.hosts) or 'none'}), or an address that the operator allows with "
        "FRONTDESK_ALLOWED_ADDRESSES."
    )
    if not allowed.networks:
        raise refused
    addresses = await _addresses(host, port or (443 if parts.scheme == "https" else 80))
    if not addresses or any(address not in allowed for address in addresses):
        raise refused
    return BaseUrl(text.rstrip("/"), sandbox=True)


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def is_own(url: str, declaration: Declaration) -> bool:
    """Whether a stored base URL is at the vendor's own hosts (or there is none)."""
    return not url or _is_own(urlsplit(url), declaration)


def _is_own(parts: SplitResult, declaration: Declaration) -> bool:
    own = any(matches(_host(parts), pattern) for pattern in declaration.hosts)
    return own and parts.scheme == "https" and parts.port in (None, 443)


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").rstrip(".").lower()


def matches(host: str, pattern: str) -> bool:
    """Whether a host name fits a declared one; a leading `*.` stands for one or more labels."""
    pattern = pattern.lower()
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def _split(text: str) -> SplitResult:
    if len(text) > LONGEST_URL or any(ord(letter) <= 32 or ord(letter) >= 127 for letter in text):
        # urlsplit drops line breaks and tabs silently; and a name in another script is written as
        # it goes over the wire (xn--).
        raise BaseUrlError("must be a URL in ASCII, without blanks.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BaseUrlError("is not a URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise BaseUrlError("must be an http or https URL with a host.")
    if parts.username is not None or parts.password is not None:
        raise BaseUrlError("must not hold a user name or password: they belong in credentials.")
    if parts.query or parts.fragment or "?" in text or "#" in text or "\\" in text:
        raise BaseUrlError("must not have a query or a fragment.")
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        raise BaseUrlError("must not have dots as a path segment.")
    return parts


async def _addresses(host: str, port: int) -> list[Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass  # a name, then: it is looked up
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    # An IPv6 address may carry its interface after a percent sign.
    return [ip_address(str(item[4][0]).partition("%")[0]) for item in found]
