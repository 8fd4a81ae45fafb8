"""No window is overrun, however the processes' calls fall among one another.

Several connections, each a process of its own as far as the database can tell, take, give back, sync, slow
down and note limits at the same time. Each granted call is made somewhere between its grant and the end of
its life. Time passes by moving the buckets into the past. In the end, every sliding window is looked at.
"""

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure

from frontdesk.database.pool import Database
from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.delivery.budgets import KEPT_FROM_SYNC, counted_life, granted_life
from frontdesk.ids import new_id

PROCESSES = 3
Windows = list[tuple[int, int]]

# Lengths of which a whole second is a whole number of buckets: so time can be moved exactly.
WINDOWS = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([1, 2, 5, 10, 60])),
    min_size=1,
    max_size=3,
    unique_by=lambda window: window[1],
)


@dataclass(frozen=True)
class Step:
    """What a process does: `take` so many calls and put `unused` of them back, `sync` (one call that
    leaves the last quarter), `slow_down` or `note_limits`. `when`: at which part of its life a call is
    made; `slow`: that life is a longer one, because connecting takes long."""

    what: str
    count: int
    unused: int
    when: float
    slow: bool


STEPS = st.builds(
    Step,
    what=st.sampled_from(["take", "take", "take", "sync", "slow_down", "note_limits"]),
    count=st.integers(1, 6),
    unused=st.integers(0, 6),
    when=st.sampled_from([0.0, 0.5, 1.0]),
    slow=st.booleans(),
)
ROUNDS = st.lists(
    st.tuples(
        st.lists(st.lists(STEPS, max_size=4), min_size=PROCESSES, max_size=PROCESSES),
        st.sampled_from([0, 1, 1, 2, 5, 11, 60]),
    ),
    min_size=1,
    max_size=5,
)


@dataclass(frozen=True)
class Call:
    """A call that was made. Times are seconds of the test's clock, which never goes back."""

    made: float
    asked: float
    answered: float
    sync: bool


@dataclass(frozen=True)
class Limits:
    """What the vendor said of its windows, noted between these two moments."""

    began: float
    ended: float
    by_seconds: dict[int, int]


@dataclass
class Vendor:
    """What the vendor would have seen, and what it said."""

    windows: Windows
    calls: list[Call] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    ahead: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def check(self) -> None:
        """Every window that begins with a call, and what was said since."""
        moments = sorted(call.made for call in self.calls)
        for requests, seconds in self.windows:
            for first in moments:
                within = sum(first <= moment < first + seconds for moment in moments)
                assert within <= requests, f"{within} calls in {seconds} s, {requests} are allowed"
        for call in self.calls:
            for requests, seconds in self.windows:
                before = self._before(call, seconds)
                if call.sync:
                    assert before <= math.ceil(requests * (1 - KEPT_FROM_SYNC)), "sync took it all"
                for said in self._in_force(call):
                    assert before <= said.by_seconds.get(seconds, requests), "a limit passed over"
            for began, ended in self.pauses:
                assert not began < call.asked < ended, "a call while the vendor had said slow down"

    def _in_force(self, call: Call) -> Iterator[Limits]:
        """What was said last before the call was asked for, and by nothing else since."""
        for said in self.limits:
            others = (other for other in self.limits if other is not said)
            if said.ended < call.asked and not any(
                other.ended > said.began and other.began < call.answered for other in others
            ):
                yield said

    def _before(self, call: Call, seconds: int) -> int:
        """This call, and those granted before it was asked for that its grant had to count."""
        return 1 + sum(
            other.answered <= call.asked and other.made > call.answered - seconds
            for other in self.calls
        )


@pytest.fixture(scope="module")
def processes(database_url: str) -> Iterator[tuple[asyncio.Runner, list[Database]]]:
    """A loop that lasts as long as its connections, and a pool of one for each process."""
    with asyncio.Runner() as runner:

        async def connect() -> list[Database]:
            return [
                await Database.connect(database_url, minimum=1, maximum=1) for _ in range(PROCESSES)
            ]

        databases = runner.run(connect())
        yield runner, databases
        for database in databases:
            runner.run(database.close())


def overrun_with(processes: tuple[asyncio.Runner, list[Database]], how: settings) -> None:
    """Look for an overrun; AssertionError where there is one."""
    runner, databases = processes

    @how
    @given(windows=WINDOWS, rounds=ROUNDS)
    def look(windows: Windows, rounds: list[tuple[list[list[Step]], int]]) -> None:
        runner.run(_all(databases, Vendor(windows), rounds))

    look()


def test_no_window_is_overrun_however_processes_interleave(
    processes: tuple[asyncio.Runner, list[Database]],
) -> None:
    # Not shrunk: no two runs interleave alike.
    overrun_with(processes, settings(max_examples=40, phases=[Phase.generate]))


async def _all(
    databases: Sequence[Database], vendor: Vendor, rounds: list[tuple[list[list[Step]], int]]
) -> None:
    scope = f"scope {new_id()}"
    for works, seconds in rounds:
        await asyncio.gather(
            *(_work(one, vendor, scope, steps) for one, steps in zip(databases, works, strict=True))
        )
        await _pass(databases[0], vendor, scope, seconds)
    vendor.check()
    # What was taken comes back: after a rest, and with no word of the vendor's, all of it is there.
    await databases[0].execute("UPDATE budgets SET limits = '{}' WHERE scope = $1", scope)
    await _pass(databases[0], vendor, scope, 200)
    fewest = min(requests for requests, _ in vendor.windows)
    row = await databases[0].fetch_row(*_taking(vendor, scope, fewest, 0.0))
    assert row is not None
    assert row["granted"] == fewest


async def _work(database: Database, vendor: Vendor, scope: str, steps: list[Step]) -> None:
    budgets = BudgetRepository(database)
    for step in steps:
        if step.what == "slow_down":
            asked = vendor.now()
            await budgets.slow_down(scope, "m", float(step.count))
            vendor.pauses.append((vendor.now(), asked + step.count))
        elif step.what == "note_limits":
            limits = {seconds: min(step.count, requests) for requests, seconds in vendor.windows}
            began = vendor.now()
            await budgets.note_limits(scope, "m", {str(key): n for key, n in limits.items()})
            vendor.limits.append(Limits(began, vendor.now(), limits))
        else:
            await _take(database, vendor, scope, step)


async def _take(database: Database, vendor: Vendor, scope: str, step: Step) -> None:
    keep = KEPT_FROM_SYNC if step.what == "sync" else 0.0
    count = 1 if step.what == "sync" else step.count
    asked = vendor.now()
    async with database.transaction() as transaction:
        row = await transaction.fetch_row(*_taking(vendor, scope, count, keep, slow=step.slow))
        assert row is not None
        granted = row["granted"]
        assert 0 <= granted <= count
        assert granted or row["wait"] > 0, "nothing granted, and no word of when to ask again"
        unused = min(step.unused, granted) if step.what == "take" else 0
        if unused:
            await transaction.execute(
                "SELECT return_budget($1, 'm', $2::jsonb, $3)",
                *(scope, orjson.dumps(vendor.windows).decode(), unused),
            )
    answered, void = vendor.now(), asked + _life(vendor, slow=step.slow)
    if answered >= void:
        return  # it came too late to be used
    made = answered + (void - answered) * step.when
    vendor.calls += [Call(made, asked, answered, step.what == "sync")] * (granted - unused)


def _life(vendor: Vendor, *, slow: bool) -> float:
    return counted_life(granted_life(vendor.windows, connects_slowly=slow))


def _taking(
    vendor: Vendor, scope: str, count: int, keep: float, *, slow: bool = False
) -> tuple[str, *tuple[object, ...]]:
    statement = "SELECT granted, wait FROM take_budget($1, 'm', $2::jsonb, $3, $4, $5)"
    windows = orjson.dumps(vendor.windows).decode()
    return statement, scope, windows, count, keep, _life(vendor, slow=slow)


async def _pass(database: Database, vendor: Vendor, scope: str, seconds: float) -> None:
    await database.execute(
        "UPDATE budgets SET blocked_until = blocked_until - make_interval(secs => $2), "
        "longest_life_until = longest_life_until - make_interval(secs => $2) WHERE scope = $1",
        *(scope, float(seconds)),
    )
    await database.execute(
        # Away and back, or one bucket would run into another on its way.
        "UPDATE budget_buckets SET bucket = -bucket WHERE scope = $1",
        scope,
    )
    await database.execute(
        "UPDATE budget_buckets SET bucket = -bucket - ($2::float8 * 60 / seconds)::bigint WHERE scope = $1",
        *(scope, float(seconds)),
    )
    vendor.ahead += seconds


async def test_a_grant_that_lives_longer_is_reckoned_with_by_whoever_asks_for_a_shorter_one(
    database: Database,
) -> None:
    vendor, scope = Vendor([(8, 1)]), f"scope {new_id()}"

    async def granted(*, slow: bool) -> int:
        return int(await database.fetch_value(*_taking(vendor, scope, 8, 0.0, slow=slow)))

    assert await granted(slow=True) == 8
    # Its calls may come 1.1 s after it: with those of 1.5 s, they would come within one second.
    await _pass(database, vendor, scope, 1.5)
    assert await granted(slow=False) == 0
    await _pass(database, vendor, scope, 1)
    assert await granted(slow=False) == 8
    # After a shorter one, a shorter time is enough.
    await _pass(database, vendor, scope, 60)
    assert await granted(slow=False) == 8
    await _pass(database, vendor, scope, 1.5)
    assert await granted(slow=False) == 8


BUGS = {
    "calls that may be made late are not counted for longer": (" - reach) / width", ") / width"),
    "two processes look at one budget at once": (" FOR UPDATE", ""),
    "what is put back was more than was taken": ("SET used = b.used - unused", "SET used = 0"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_these_calls_show_an_overrun_where_there_is_one(
    processes: tuple[asyncio.Runner, list[Database]], bug: str
) -> None:
    runner, (database, *_) = processes
    functions = {
        name: runner.run(
            database.fetch_value(
                "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1", name
            )
        )
        for name in ("take_budget", "return_budget")
    }
    right, wrong = BUGS[bug]
    assert any(right in sound for sound in functions.values()), "seed the bug anew"
    for sound in functions.values():
        runner.run(database.execute(sound.replace(right, wrong)))
    again = settings(max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
    try:
        with pytest.raises((AssertionError, FlakyFailure)):
            overrun_with(processes, again)
    finally:
        for sound in functions.values():
            runner.run(database.execute(sound))
