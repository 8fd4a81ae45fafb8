"""uvicorn as the API process runs it: it tells when it answers, and drains at once when asked."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Network
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from frontdesk.outgoing.addresses import networks_of

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def configuration(app: ASGIApp, drain_seconds: float, trusted_proxies: str = "") -> uvicorn.Config:
    """uvicorn's configuration; logs go the way that was configured already. `trusted_proxies` is
    the setting: without it nobody can say that he speaks for another."""
    trusted = _spellings(trusted_proxies)
    return uvicorn.Config(
        app,
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
        backlog=BACKLOG,
        # Both always: uvicorn would otherwise trust this machine, or a variable of its own.
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
    )


def _spellings(ranges: str) -> list[str]:
    """The ranges as a peer's address may be written: on a socket that takes both kinds of IP, an
    IPv4 peer has an IPv6 address."""
    spelled: list[str] = []
    for network in networks_of(ranges):
        spelled.append(str(network))
        if isinstance(network, IPv4Network):
            spelled.append(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return spelled


class ApiServer(uvicorn.Server):
    """uvicorn, which calls `on_ready` when it answers and `on_stop` when it is asked to stop.

    `on_stop` runs in a signal handler: it may only hand something to the loop.
    """

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Requests that wait for the end of a write would hold the drain up for half a minute.
        self._on_stop()
        super().handle_exit(sig, frame)
