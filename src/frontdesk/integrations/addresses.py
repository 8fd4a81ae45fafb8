"""Which addresses an integration may call: the vendor's own hosts, and what the operator allows.

A base URL is the one place where a caller tells this service whom to connect to, with credentials
in hand and from inside a network: everything that is not expressly allowed is refused.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from frontdesk.errors import Problem
from frontdesk.integrations.credentials import urls_of
from frontdesk.outgoing.addresses import Address, AllowedAddresses, read_address
from frontdesk.outgoing.urls import UrlRefused, host_of, leads_to, split_url
from frontdesk.vendors.declaration import Declaration


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
    host, port = host_of(parts), parts.port
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


async def chosen_base_url(
    text: str | None,
    declaration: Declaration,
    credentials: Mapping[str, Any],
    allowed: AllowedAddresses,
    problems: list[Problem],
) -> BaseUrl:
    """The URL to use: the one that is named, else the one that follows from the credentials. A
    problem is added where an address is refused, also one inside the credentials."""

    async def checked(url: str, *path: str) -> BaseUrl:
        try:
            return await check_base_url(url, declaration, allowed)
        except BaseUrlError as error:
            problems.append(error.problem_at(*path))
            return BaseUrl("", sandbox=False)

    for path, url in urls_of(declaration.credentials, credentials):
        await checked(url, *path)
    if text is not None:
        return await checked(text, "base_url")
    if problems or (not declaration.base_url and not declaration.base_url_key):
        # What the credentials lack has been said; a vendor without address is never called.
        return BaseUrl("", sandbox=False)
    return await checked(base_url_of(declaration, credentials), "credentials")


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def is_own(url: str, declaration: Declaration) -> bool:
    """Whether a stored base URL is at the vendor's own hosts (or there is none)."""
    return not url or _is_own(urlsplit(url), declaration)


def _is_own(parts: SplitResult, declaration: Declaration) -> bool:
    return leads_to(declaration.hosts, parts.scheme, parts.hostname, parts.port)


def _split(text: str) -> SplitResult:
    try:
        parts = split_url(text, schemes=("http", "https"))
    except UrlRefused as refused:
        raise BaseUrlError(refused.message) from None
    if parts.query or "?" in text:
        raise BaseUrlError("must not have a query.")
    return parts


async def _addresses(host: str, port: int) -> list[Address]:
    written = read_address(host)
    if written is not None:
        return [written]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    addresses = [read_address(str(item[4][0])) for item in found]
    # One that cannot be read is as good as one that is not allowed: none is known then.
    known = [address for address in addresses if address is not None]
    return known if len(known) == len(addresses) else []
