"""Connecting to whichever of several hosts serves now: a primary and the standbys that may follow it.

A URL may name several hosts (`postgresql://u@a:5432,b:5432/db?target_session_attrs=read-write`, or
`?host=/one,/two&port=5432,5432`). The driver would try them all under one timeout, so that a first
host which swallows packets would hide the second for ever: here each has a time of its own, and the
one that took us last is asked first.
"""

import socket
import sys
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

ALONE_PATIENCE = 5.0
"""Seconds that a connection may take where the URL names one host."""

EACH_PATIENCE = 3.0
"""Seconds for each host where it names several."""

# A peer that vanished is noticed by the kernel even under a statement that may take hours (a
# migration): after 30 s of silence three probes, 10 s apart.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Hosts:
    """The hosts of one URL. Raises nothing when made: a URL that cannot be read is refused by the
    driver, on connecting."""

    def __init__(self, url: str) -> None:
        self._urls = urls_of(url)
        self._first = 0

    async def connect(self, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to the first host that takes us. `options` as for `asyncpg.connect`; the
        timeout is ours. Raises the driver's errors: of several hosts a server's own words, else the
        last one's."""
        if len(self._urls) == 1:
            return await _connect(self._urls[0], ALONE_PATIENCE, options)
        told: Exception = OSError("the URL names no host")
        for step in range(len(self._urls)):
            place = (self._first + step) % len(self._urls)
            try:
                connection = await _connect(self._urls[place], EACH_PATIENCE, options)
            except asyncpg.ClientConfigurationError:
                raise
            except asyncpg.PostgresError as error:
                told = error
            except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                # The last of these: this one takes no writes.
                told = told if isinstance(told, asyncpg.PostgresError) else error
            else:
                self._first = place
                return connection
        raise told


def urls_of(url: str) -> list[str]:
    """A URL for each host that `url` names, in its order; all else stays as it was."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    login, at, netloc = parts.netloc.rpartition("@")
    named = netloc or given.get("host", "")
    hosts = named.split(",")
    if len(hosts) == 1:
        return [url]
    ports = given.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        # The driver has words for it.
        return [url]
    urls = []
    for host, port in zip(hosts, ports, strict=True):
        query = {**given, **({"port": port} if port else {})}
        if not netloc:
            query["host"] = host
        urls.append(
            urlunsplit(
                parts._replace(
                    netloc=f"{login}{at}{host if netloc else ''}", query=urlencode(query, safe="/")
                )
            )
        )
    return urls


async def _connect(
    url: str, patience: float, options: dict[str, Any]
) -> "asyncpg.Connection[asyncpg.Record]":
    connection: asyncpg.Connection[asyncpg.Record]
    connection = await asyncpg.connect(url, **{**options, "timeout": patience})
    _keep_alive(connection)
    return connection


def _keep_alive(connection: Any) -> None:
    # The driver has no option for it, and shows its transport to nobody.
    sock = connection._transport.get_extra_info("socket")  # noqa: SLF001
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform.startswith("linux"):
        for name, value in _KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
