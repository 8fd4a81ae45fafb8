"""How many calls may be made, for all processes at once: the budgets of the database, as the worker
asks for them, and the concurrency of a scope, which one worker holds whole."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from frontdesk.delivery import clock
from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.integrations.service import Integration
from frontdesk.vendors.contract import Outcome, OutcomeKind, QuotaReport, ReadRefused
from frontdesk.vendors.declaration import Declaration

Purpose = Literal["write", "single", "sync"]
"""What a call is for, in the order in which budgets are spent: writes and reconcile, single reads,
sync. Sync never takes the last quarter."""

KEPT_FROM_SYNC = 0.25
LONGEST_WAIT_SECONDS = 60.0
NOTED_FOR_SECONDS = 30.0
TRANSIT_SECONDS = 0.1
"""What a request may take from its first byte to the PMS's own count of it."""
SLOW_FOR_SECONDS = 60.0
_CADENCE_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}


def granted_life(windows: Sequence[Sequence[int]], *, connects_slowly: bool = False) -> float:
    """Seconds for which a granted call may wait before it is made: 1, or less where a window is so
    short that waiting calls would crowd the next one; unless connecting takes longer than that."""
    shortest = min((seconds for _, seconds in windows), default=60)
    return 1.0 if connects_slowly else min(1.0, max(0.25, shortest / 10))


def counted_life(life: float) -> float:
    """Seconds after its grant until which a call may arrive at the PMS, and is reckoned with."""
    return life + TRANSIT_SECONDS


class Connecting:
    """Whether connections to the PMSs of one scope stood too late for what was granted, of late. What
    is granted lives longer then: else a PMS that is far away would never be called."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_slow(self) -> bool:
        """Whether one was late within the last minute."""
        return clock.now() < self._until

    def was_late(self) -> None:
        """A call could not leave, because its connection stood too late."""
        self._until = clock.now() + SLOW_FOR_SECONDS


class Budgets:
    """The budgets that an integration's calls count against."""

    def __init__(self, repository: BudgetRepository, factor: float) -> None:
        self._repository = repository
        self._factor = factor
        self._noted: dict[tuple[str, str], tuple[dict[str, int], float]] = {}

    def of(
        self, integration: Integration, declaration: Declaration, method: str
    ) -> list[dict[str, Any]]:
        """Each budget as the database takes it: scope, method, windows `[[requests, seconds]]`."""
        vendor = declaration.budget
        budgets: list[dict[str, Any]] = [
            {
                "scope": integration.budget_scope,
                "method": method if vendor.per_method else "",
                "windows": [
                    [max(1, int(window.requests * self._factor)), window.seconds]
                    for window in vendor.windows
                ],
            }
        ]
        if integration.max_request_frequency is not None:
            seconds = _CADENCE_SECONDS[integration.max_request_cadence or "MINUTE"]
            own = {
                "scope": f"integration:{integration.id}",
                "method": "",
                "windows": [[integration.max_request_frequency, seconds]],
            }
            # Its owner's own, narrower budget first: what it refuses costs the vendor's none.
            budgets.insert(0, own)
        return budgets

    async def take(
        self,
        integration: Integration,
        declaration: Declaration,
        method: str,
        purpose: Purpose,
        connecting: Connecting,
    ) -> float:
        """Wait until a read may be made. Gives the moment, by `clock.now`, from which on it must not
        be any more. Raises `ReadRefused` (not_now) if its turn is too far away."""
        leave_before = math.inf
        for budget in self.of(integration, declaration, method):
            life = granted_life(budget["windows"], connects_slowly=connecting.is_slow)
            while True:
                asked_at = clock.now()
                granted, wait = await self._repository.take_budget(
                    budget["scope"],
                    budget["method"],
                    budget["windows"],
                    keep=KEPT_FROM_SYNC if purpose == "sync" else 0.0,
                    life=counted_life(life),
                )
                if granted:
                    leave_before = min(leave_before, asked_at + life)
                    break
                if wait > LONGEST_WAIT_SECONDS:
                    raise ReadRefused(
                        Outcome(
                            OutcomeKind.NOT_NOW,
                            code="rate_limit",
                            message="The PMS's request budget is used up.",
                            retry_after=wait,
                            throttled=True,
                        )
                    )
                await asyncio.sleep(max(wait, 0.01))
        return leave_before

    async def slow_down(
        self, integration: Integration, declaration: Declaration, method: str, seconds: float
    ) -> None:
        """The vendor said so: nobody in this scope calls for so long."""
        scoped = method if declaration.budget.per_method else ""
        await self._repository.slow_down(integration.budget_scope, scoped, seconds)

    async def note_quota(
        self,
        integration: Integration,
        declaration: Declaration,
        method: str,
        report: QuotaReport,
    ) -> None:
        """Follow upstream's own figures where they are lower than the declared ones, for as long as
        they are."""
        scoped = method if declaration.budget.per_method else ""
        declared: Mapping[int, int] = {
            window.seconds: window.requests for window in declaration.budget.windows
        }
        lowered = {
            str(seconds): limit
            for limit, seconds, _, _ in report.windows
            if 0 < limit < declared.get(seconds, 0) and self._factor <= 1
        }
        if report.windows:
            await self._note_limits(integration.budget_scope, scoped, lowered)
        waits = [reset for _, _, remaining, reset in report.windows if remaining <= 0 < reset]
        if waits:
            await self._repository.slow_down(integration.budget_scope, scoped, max(waits))

    async def _note_limits(self, scope: str, method: str, lowered: dict[str, int]) -> None:
        """Store them where they may be others than those that are stored. Every answer tells them,
        so what this process has stored a moment ago is not stored again; but another may have held
        the scope since, and have stored something else."""
        moment = clock.now()
        known = self._noted.get((scope, method))
        if known is not None and known[0] == lowered and moment < known[1]:
            return
        await self._repository.note_limits(scope, method, lowered)
        self._noted[scope, method] = (lowered, moment + NOTED_FOR_SECONDS)


class ScopeGate:
    """Calls under way at once in one budget scope. Writes reserve what is free, and queue where they
    were claimed ahead; reads queue before them."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._used = 0
        self._syncing = 0
        self._freed = asyncio.Event()
        self._queue: list[Callable[[], bool]] = []

    @property
    def free(self) -> int:
        """Places that a claim may reserve at this moment."""
        return max(0, self.capacity - self._used)

    def reserve(self) -> None:
        """Take a place for a write; the caller has looked at `free` in the same turn."""
        self._used += 1

    def release(self) -> None:
        """Give a place back."""
        self._used -= 1
        self._freed.set()
        if self._queue:
            # In the next turn: a read that waits has been woken before.
            asyncio.get_running_loop().call_soon(self._offer)

    def queue(self, take: Callable[[], bool]) -> None:
        """Have `take` called, in the order of the queue, now and whenever a place is free: it reserves one,
        or says False, and stays."""
        self._queue.append(take)
        # What was free when it was claimed ahead may be given back by now.
        self._offer()

    def _offer(self) -> None:
        if self.free:
            self._queue = [take for take in self._queue if not (self.free and take())]

    @asynccontextmanager
    async def reading(self, purpose: Purpose) -> AsyncIterator[None]:
        """A place for one read; sync leaves a quarter (at least one, if there are two) to others."""
        sync = purpose == "sync"
        most_syncing = max(1, int(self.capacity * (1 - KEPT_FROM_SYNC)))
        while self._used >= self.capacity or (sync and self._syncing >= most_syncing):
            # Between the look and the wait no other task runs: no release can be missed.
            self._freed.clear()
            await self._freed.wait()
        self._used += 1
        self._syncing += sync
        try:
            yield
        finally:
            self._syncing -= sync
            self.release()
