"""The request limit of an account: so many a minute, over all processes together. Administration and
events are counted apart, each up to the limit: who follows his writes must not use up what sending
them needs, nor the other way round.

A process takes requests from the account's row in slices and spends them from memory, so that the
limit costs the hot path nothing. What a process has taken and not spent is lost to the others until
the minute ends: the limit is never exceeded, and `remaining` may be a slice off.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

TakeRequests = Callable[[UUID, str, int, int], Awaitable[tuple[int, int, float]]]
"""(account, purpose, limit, wanted) → (granted, left for others, seconds until the minute ends)."""

NO_LIMIT = 2**31 - 1
"""What the headers say where there is no limit: clients parse an integer there."""

_MINUTE = 60
_SLOW_FROM = 0.8
_SLICES = 20
_LARGEST_SLICE = 1000
_SLACK = 0.05


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request may go on, and what its answer says. `reset` in seconds; `slow`: 80 % of
    the limit are spent."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    slow: bool = False


_UNLIMITED = Allowance(allowed=True, limit=NO_LIMIT, remaining=NO_LIMIT, reset=_MINUTE)


class _Window:
    """What this process knows of one account's minute."""

    __slots__ = ("ends", "left_over", "limit", "lock", "mine")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.limit = 0
        self.mine = 0  # taken from the row, not spent
        self.left_over = 0  # in the row, when it was last asked
        self.ends = 0.0  # on the monotonic clock, no later than the minute of the row


class RequestLimits:
    """Hands out requests, a slice at a time."""

    def __init__(self, take: TakeRequests) -> None:
        self._take = take
        self._windows: dict[tuple[UUID, str], _Window] = {}

    async def take(
        self, account_id: UUID, per_minute: int | None, purpose: str = "events"
    ) -> Allowance:
        """One request of the account for this purpose. Raises what the repository raises."""
        if per_minute is None:
            return _UNLIMITED
        key = (account_id, purpose)
        window = self._windows.get(key)
        if window is None:
            window = self._windows.setdefault(key, _Window())
        if not self._usable(window, per_minute):
            async with window.lock:
                # Who waited for the lock finds what its holder has brought.
                if not self._usable(window, per_minute):
                    await self._refill(window, key, per_minute)
        # No await from here on: nobody else can spend what was just seen.
        allowed = window.mine > 0
        window.mine -= allowed
        remaining = window.mine + window.left_over
        return Allowance(
            allowed=allowed,
            limit=per_minute,
            remaining=remaining,
            # A little more than is left: who waits this long must find the row's minute over.
            reset=max(1, math.ceil(window.ends - monotonic() + _SLACK)),
            slow=per_minute - remaining >= per_minute * _SLOW_FROM,
        )

    @staticmethod
    def _usable(window: _Window, per_minute: int) -> bool:
        """Whether this minute's answer is known: some are in hand, or it is known that none are."""
        if window.limit != per_minute or monotonic() >= window.ends:
            return False
        return window.mine > 0 or window.left_over == 0

    async def _refill(self, window: _Window, key: tuple[UUID, str], per_minute: int) -> None:
        slice_size = min(max(per_minute // _SLICES, 1), _LARGEST_SLICE)
        # The clock is read before the question: so our minute ends no later than the row's, and
        # what was taken from one minute is never spent in the next.
        asked = monotonic()
        granted, left_over, reset = await self._take(*key, per_minute, slice_size)
        window.limit = per_minute
        window.mine = granted
        window.left_over = left_over
        window.ends = asked + reset
