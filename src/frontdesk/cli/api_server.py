"""uvicorn as the API process runs it: it tells when it answers, and drains at once when asked."""

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def configuration(app: FastAPI, drain_seconds: float) -> uvicorn.Config:
    """uvicorn's configuration; logs go the way that was configured already."""
    return uvicorn.Config(
        app,
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
        backlog=BACKLOG,
    )


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
