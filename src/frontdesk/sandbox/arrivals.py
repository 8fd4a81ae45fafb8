"""The log of arrivals: every request that reached a simulator, on the sandbox's own clock.

It is what a checker counts a caller's pace by: not when a request was sent, but when it came, and
by the very key that the throttle counts it under. It is kept in memory and bounded; what it forgot
it says.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from frontdesk.sandbox.world import stamp

KEPT = 200_000
_TICKING_CLOCK = 6
"""Linux's `CLOCK_MONOTONIC_COARSE`, to which Python gives no name: it moves once a tick."""
_SINCE_RECEIVED = struct.Struct("=52xI")
"""The beginning of Linux's `tcp_info`, and `tcpi_last_data_recv` in milliseconds."""


def seconds_waited(transport: asyncio.BaseTransport | None) -> float:
    """For how long the request on this connection has been waiting to be looked at: a sandbox that
    the machine keeps from running finds in a heap what came one by one. Linux tells it, also of a
    connection that was not accepted yet; elsewhere it is taken for none. It is never more than it
    was, and up to two ticks of the kernel (of 1 to 10 ms) less."""
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is None or not hasattr(socket, "TCP_INFO"):
        return 0.0
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SINCE_RECEIVED.size)
        (milliseconds,) = _SINCE_RECEIVED.unpack(told)
        tick: float = time.clock_getres(_TICKING_CLOCK)
    except (OSError, struct.error):
        # Closed meanwhile, or a system that has something else under this name.
        return 0.0
    # Counted in whole ticks, of which the first may have begun long before: a request would else be
    # said to have come before it was sent.
    return max(0.0, int(milliseconds) / 1_000 - tick)


@dataclass(slots=True)
class Arrival:
    """One request as it came, and how it was answered.

    `at` is the time of day, `clock` the monotonic clock in seconds when the machine had the request,
    however late the sandbox looked. `budget` names what the request is counted in: equal for two
    requests exactly if they share a budget; None for a caller who proved no credential.
    `is_counted`: it took a place in the vendor's windows; a request that is throttled takes none.
    `in_flight` are the requests of the budget at work, this one with them. `status` is None until,
    and unless, an answer leaves whole or cut; `faults` is what was done to the request. `is_over`:
    its connection is done with, and nothing here changes any more but for an effect that comes late,
    and what is done to that.
    """

    sequence: int
    at: str
    clock: float
    vendor: str
    customer: int
    credential: str | None
    scope: str
    budget: str | None
    operation: str
    label: str
    x_resident_ids: list[str]
    method: str
    path: str
    is_counted: bool = False
    in_flight: int = 0
    status: int | None = None
    faults: list[str] = field(default_factory=list)
    is_over: bool = False

    def as_json(self) -> dict[str, Any]:
        """The arrival as `GET /_sandbox/arrivals` shows it."""
        return asdict(self)


class ArrivalLog:
    """The last arrivals, oldest first; `kept` at most."""

    def __init__(self, kept: int = KEPT) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=kept)
        self._sequences = itertools.count(1)
        self.forgotten = 0
        """The sequence of the youngest arrival that is no longer kept; 0 if none was dropped."""

    def note(
        self,
        *,
        vendor: str,
        customer: int,
        credential: str | None,
        scope: str,
        operation: str,
        label: str,
        x_resident_ids: frozenset[str],
        method: str,
        path: str,
        arrived_at: datetime,
        clock: float,
    ) -> Arrival:
        """Take up a request that has come; what becomes of it is written on what this returns."""
        if len(self._arrivals) == self._arrivals.maxlen:
            self.forgotten = self._arrivals[0].sequence
        arrival = Arrival(
            sequence=next(self._sequences),
            at=stamp(arrived_at.astimezone(UTC)),
            clock=clock,
            vendor=vendor,
            customer=customer,
            credential=credential,
            scope=scope,
            budget=None if credential is None else "|".join((vendor, credential, scope)),
            operation=operation,
            label=label,
            x_resident_ids=sorted(x_resident_ids),
            method=method,
            path=path,
        )
        self._arrivals.append(arrival)
        return arrival

    def clear(self) -> None:
        """Forget all; sequences go on, so that no old one comes again."""
        if self._arrivals:
            self.forgotten = self._arrivals[-1].sequence
        self._arrivals.clear()

    def after(self, sequence: int, *, vendor: str | None, limit: int) -> list[Arrival]:
        """At most `limit` arrivals with a greater sequence, oldest first."""
        if not self._arrivals:
            return []
        # Sequences have no gaps, so the place of the first one is known without looking.
        first = max(0, sequence + 1 - self._arrivals[0].sequence)
        found = (
            arrival
            for arrival in itertools.islice(self._arrivals, first, None)
            if vendor is None or arrival.vendor == vendor
        )
        return list(itertools.islice(found, limit))
