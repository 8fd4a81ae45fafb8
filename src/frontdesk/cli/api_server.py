"""uvicorn as the API process runs it: it tells when it answers, drains at once when asked, and bounds what
each connection may take."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Network
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from frontdesk.http.connections import BoundedConfig, Bounds, Connection, Crowd
from frontdesk.outgoing.addresses import networks_of
from frontdesk.settings import Settings

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def configuration(
    app: ASGIApp, drain_seconds: float, trusted_proxies: str = "", bounds: Bounds | None = None
) -> BoundedConfig:
    """uvicorn's configuration; logs go the way that was configured already. `trusted_proxies` is
    the setting: without it nobody can say that he speaks for another."""
    trusted = _spellings(trusted_proxies)
    crowd = Crowd(bounds or Bounds())
    config = BoundedConfig(
        app,
        http=Connection,
        # An upgrade would leave the bounds behind, and nothing here speaks anything else.
        ws="none",
        # Ours looks at all reasons to wait, this one knows only one of them.
        timeout_keep_alive=round(crowd.bounds.idle_seconds) + 1,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
        backlog=BACKLOG,
        # Both always: uvicorn would otherwise trust this machine, or a variable of its own.
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
    )
    config.crowd = crowd
    return config


def bounds_of(settings: Settings, connections: int) -> Bounds:
    """What the settings say of connections; there may be `connections` of them."""
    return Bounds(
        connections=connections,
        head_seconds=settings.connection_head_seconds,
        body_seconds=settings.connection_body_seconds,
        idle_seconds=settings.connection_idle_seconds,
        unread_seconds=settings.connection_unread_seconds,
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
        self, config: BoundedConfig, on_ready: Callable[[], None], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._crowd = config.crowd
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        self._crowd.tick(counter, self.server_state.connections)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Requests that wait for the end of a write would hold the drain up for half a minute.
        self._on_stop()
        super().handle_exit(sig, frame)
