"""Throttles, on the sandbox's own monotonic clock: sliding windows, and requests in flight.

The numbers are the vendors' real ones times a factor that benches may raise. A caller that is
refused uses nothing up.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from frontdesk.sandbox.simulator import Limits, Quota, Share


@dataclass(slots=True)
class _Caller:
    in_flight: int = 0
    arrivals: list[deque[float]] = field(default_factory=list)


class Throttle:
    """Counts the requests of every caller; `factor` multiplies every published number."""

    def __init__(self, factor: float, clock: Callable[[], float] = time.monotonic) -> None:
        if factor <= 0:
            raise ValueError("the throttle factor is a positive number")
        self._factor = factor
        self._clock = clock
        self._callers: dict[Hashable, _Caller] = {}

    def clear(self) -> None:
        """Forget what was counted; requests in flight keep counting until they end."""
        for caller in self._callers.values():
            caller.arrivals.clear()

    def scaled(self, amount: int) -> int:
        """What this sandbox makes of a published number."""
        return max(1, int(amount * self._factor))

    def enter(self, key: Hashable, limits: Limits) -> Quota:
        """Count a request in, if it may pass; each entered request must `leave` once."""
        caller = self._callers.setdefault(key, _Caller())
        while len(caller.arrivals) < len(limits.windows):
            caller.arrivals.append(deque())
        now = self._clock()
        allowed = limits.concurrency is None or caller.in_flight < self.scaled(limits.concurrency)
        for window, arrivals in zip(limits.windows, caller.arrivals, strict=True):
            while arrivals and arrivals[0] <= now - window.seconds:
                arrivals.popleft()
            allowed = allowed and len(arrivals) < self.scaled(window.amount)
        if allowed:
            caller.in_flight += 1
            for arrivals in caller.arrivals:
                arrivals.append(now)
        shares = tuple(
            Share(
                window.name,
                self.scaled(window.amount),
                # Below what was used already, where the vendor has just lowered its limit.
                max(0, self.scaled(window.amount) - len(arrivals)),
                math.ceil(window.seconds - (now - arrivals[0])) if arrivals else 0,
            )
            for window, arrivals in zip(limits.windows, caller.arrivals, strict=True)
        )
        return Quota(allowed, shares)

    def in_flight(self, key: Hashable) -> int:
        """How many requests that were let in have not left yet."""
        caller = self._callers.get(key)
        return 0 if caller is None else caller.in_flight

    def leave(self, key: Hashable) -> None:
        """The request's answer has left, or its connection is gone."""
        self._callers[key].in_flight -= 1
