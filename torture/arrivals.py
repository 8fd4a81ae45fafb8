"""Whether a vendor's budget was ever overrun, by the simulators' own log of what arrived when.

A budget of n calls in s seconds is kept if no s seconds, wherever they begin, saw more than n calls
arrive; whoever made them and whatever came of them. A concurrency is kept if no call found more at
work. What a simulator enforces is asked of the sandbox, not of the product that is to keep it.

A call counts from when the machine had it, not from when a busy sandbox looked. Elsewhere than on Linux
nobody tells that, and a full machine may show overruns that were none.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torture.world import SetUp

COLLECT_EVERY_SECONDS = 5.0
PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` in any `seconds` (0: at work at the same time)."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as it came in. `budget`: what the vendor counts together; `at`: when the
    machine had it, seconds on the simulators' clock; `at_work`: the budget's calls under way, this
    one with them."""

    vendor: str
    budget: str
    at: float
    at_work: int


@dataclass(frozen=True, slots=True)
class Overrun:
    """More calls than a limit allows: the worst such moment of one budget, and how many calls came
    above the limit in all."""

    vendor: str
    budget: str
    limit: Limit
    worst: int
    began: float
    calls_above: int


class Arrivals:
    """Collects the sandbox's log while the run is on, because the sandbox keeps only the last."""

    def __init__(self, set_up: SetUp, sandbox_url: str, path: Path) -> None:
        self._set_up = set_up
        self._url = f"{sandbox_url}/_sandbox"
        self._path = path
        self._seen = 0
        self.found: list[Arrival] = []
        self.missed = False
        self.limits: dict[str, list[Limit]] = {}

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            await self.collect()
            await asyncio.sleep(COLLECT_EVERY_SECONDS)

    async def collect(self) -> None:
        """Everything that has come since the last time."""
        if not self.limits:
            self.limits = limits_of(await self._set_up.call("GET", f"{self._url}/limits"))
        while True:
            query = f"since={self._seen}&limit={PAGE}"
            page = await self._set_up.call("GET", f"{self._url}/arrivals?{query}")
            self.missed = self.missed or page["forgotten"] > self._seen
            if page["arrivals"]:
                self._keep(page["arrivals"])
            if len(page["arrivals"]) < PAGE:
                return

    def _keep(self, arrivals: Sequence[Mapping[str, Any]]) -> None:
        self._seen = arrivals[-1]["sequence"]
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(arrival) + "\n" for arrival in arrivals)
        self.found += [
            Arrival(
                each["vendor"],
                each["budget"],
                each["clock"],
                each["in_flight"],
            )
            for each in arrivals
            # Who proves no credential is counted by nobody.
            if each["budget"] is not None
        ]


def limits_of(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Limit]]:
    """The sandbox's limits by vendor."""
    found = {}
    for vendor, enforced in answer.items():
        found[vendor] = [Limit(window[0], window[1]) for window in enforced["windows"]]
        if enforced["concurrency"] is not None:
            found[vendor].append(Limit(enforced["concurrency"], 0.0))
    return found


def overruns(arrivals: Iterable[Arrival], limits: Mapping[str, Sequence[Limit]]) -> list[Overrun]:
    """Each budget's limit that was overrun, once, at its worst. `limits` by vendor."""
    budgets: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        budgets[arrival.vendor, arrival.budget].append(arrival)
    found = []
    for (vendor, budget), calls in budgets.items():
        calls.sort(key=lambda each: each.at)
        for limit in limits.get(vendor, ()):
            counts = _seen_in(calls, limit.seconds) if limit.seconds else _at_work(calls)
            worst, began = max(counts)
            if worst <= limit.calls:
                continue
            above = sum(count > limit.calls for count, _ in counts)
            found.append(Overrun(vendor, budget, limit, worst, -began, above))
    return found


def _seen_in(calls: Sequence[Arrival], seconds: float) -> list[tuple[int, float]]:
    """For each call: how many were seen in the stretch that ends with it, and minus when it began."""
    counts, first = [], 0
    for last, call in enumerate(calls):
        while calls[first].at <= call.at - seconds:
            first += 1
        counts.append((last - first + 1, -calls[first].at))
    return counts


def _at_work(calls: Sequence[Arrival]) -> list[tuple[int, float]]:
    return [(call.at_work, -call.at) for call in calls]
