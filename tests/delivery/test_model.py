"""The promise against everything that can happen to a write, in any order.

A Hypothesis state machine drives the product's own statements, transitions and reconciler on the real
database, beside a small model of the promise (promise.py). What it may do stands in its rules; what must
hold after each of them stands in its invariants, and in `teardown`, where everything works again and
nothing may be left over.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from frontdesk.database.pool import Database
from tests.delivery.promise import Accepted
from tests.delivery.world import Hand, Site, World

pytestmark = pytest.mark.long

T = TypeVar("T")

EXAMPLES = 25
STEPS = 60


@dataclass(frozen=True)
class Chance:
    """What is left to chance in one step. All of it is drawn each time, whatever the step needs: what is
    drawn must not hang on rows, whose ids and times differ from run to run."""

    number: int
    second: int
    fate: str
    lag: float
    seconds: float
    mood: str
    texts: list[str]

    def of(self, choices: Sequence[T]) -> T:
        """One of these, the latest first."""
        return choices[-1 - self.number % len(choices)]


CHANCES = st.builds(
    Chance,
    number=st.integers(0, 7),
    second=st.integers(0, 5),
    fate=st.sampled_from(["delivered", "lost_after", "late", "lost_before", "rejected", "not_now"]),
    lag=st.sampled_from([0.0, 5.0, 29.0]),
    # Longer than a departure may wait; than a lease; than any effect and its showing.
    seconds=st.sampled_from([0.5, 3.0, 11.0, 45.0]),
    mood=st.sampled_from(["well", "silent", "unaskable"]),
    texts=st.lists(st.sampled_from(["hello", "hello again"]), min_size=1, max_size=3),
)
WEIGHTS = {
    "send": 16,
    "look": 16,
    "record": 12,
    "claim": 12,
    "start_worker": 6,
    "accept": 5,
    "time_passes": 4,
    "oversleep": 6,
    "look_again": 2,
    "retry": 3,
    "wake": 3,
    "stop": 2,
    "record_again": 2,
    "cancel": 3,
    "pms": 2,
    "go_on": 2,
    "crash": 1,
    "leave": 1,
    "give_back": 1,
    "expire": 1,
    "pause": 1,
    "circuit": 1,
}
WHAT = st.sampled_from([what for what, weight in WEIGHTS.items() for _ in range(weight)])


class Desk(RuleBasedStateMachine):
    """Whatever can happen to a write. `run` and `database` are set by whoever makes it.

    It has one rule, which draws what happens, by weight: with a rule for each, Hypothesis
    would leave some of them out of each run, and most of what is dangerous here takes seven of them.
    """

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self._paused: set[UUID] = set()

    @initialize()
    def open(self) -> None:
        self.world = World(self.database)
        self.run(self.world.open())
        self.run(self.world.start_worker())

    @rule(what=WHAT, chance=CHANCES)
    def happens(self, what: str, chance: Chance) -> None:
        if what in POSSIBLE and not POSSIBLE[what](self):
            what = next(
                (one for one, possible in POSSIBLE.items() if possible(self)), "time_passes"
            )
        note(what)
        getattr(self, what)(chance)

    # --- the caller -------------------------------------------------------------------------------

    def accept(self, chance: Chance) -> None:
        site, lane = chance.of(self._sites()), chance.second % 2
        for text in chance.texts:
            self.run(self.world.accept(site, lane, text))

    def cancel(self, chance: Chance) -> None:
        write_id = chance.of(self._unfinished())
        before = self.run(self.world.rows())[write_id]
        cancelled = self.run(self.world.cancel(write_id))
        assert cancelled == _is_not_out(before), before["state"]

    def expire(self, chance: Chance) -> None:
        write_id = chance.of(self._unfinished())
        before = self.run(self.world.rows())[write_id]
        self.run(self.world.expire(write_id))
        after = self.run(self.world.rows())[write_id]
        assert after["state"] == ("expired" if _is_not_out(before) else before["state"])

    def retry(self, chance: Chance) -> None:
        old = chance.of(self._failed())
        if old.lane[0] not in self._paused:
            self.run(self.world.retry(old))

    def pause(self, chance: Chance) -> None:
        site = chance.of(self._sites())
        self.run(self.world.set_active(site, active=False))
        self._paused.add(site.integration.id)

    def go_on(self, chance: Chance) -> None:
        for name in self._paused:
            self.run(self.world.set_active(self.world.sites[name], active=True))
        self._paused.clear()

    # --- workers ----------------------------------------------------------------------------------

    def start_worker(self, chance: Chance) -> None:
        self.run(self.world.start_worker())

    def claim(self, chance: Chance) -> None:
        """It takes over what nobody holds, as it does every second, and asks for writes."""
        worker, free = chance.of(self._running()), 1 + chance.second % 3
        self.run(self.world.repository.acquire_leases(worker))
        before = self.run(self.world.rows())
        held = self.run(self.world.repository.held(worker))
        for hand in self.run(self.world.claim(worker, free)):
            self._check_claim(hand, before[hand.write.id], held)

    def send(self, chance: Chance) -> None:
        hand = chance.of(self._unsent())
        self.run(self.world.send(hand, chance.fate, chance.lag))

    def look(self, chance: Chance) -> None:
        self.run(self.world.look(chance.of(self._unlooked())))

    def record(self, chance: Chance) -> None:
        self._record(chance.of(self._unrecorded()))

    def record_again(self, chance: Chance) -> None:
        """The commit's answer was lost, so the completion is recorded once more."""
        self._record(chance.of(self._recorded()))

    def look_again(self, chance: Chance) -> None:
        """What ended uncertain may have turned up since."""
        site = self._sites()[chance.second % 2]
        self.run(self.world.look_again(chance.of(self._running()), site))

    def give_back(self, chance: Chance) -> None:
        worker = chance.of(self._running())
        self.run(self.world.repository.release(worker, list(self.world.sites)))

    def crash(self, chance: Chance) -> None:
        self.world.kill(chance.of(self._running()))

    def leave(self, chance: Chance) -> None:
        self.run(self.world.leave(chance.of(self._running())))

    def stop(self, chance: Chance) -> None:
        """It is stopped, as by SIGSTOP or a machine that sleeps: what it has in hand, it keeps."""
        self.world.stopped.append(chance.of(self._running()))

    def oversleep(self, chance: Chance) -> None:
        """A worker with its hands full sleeps for longer than its lease; another takes over."""
        worker = chance.of(self._active_hands()).worker_id
        if worker in self.world.workers:
            self.world.stopped.append(worker)
            self.run(self.world.go_by(11.0))
            if not self._running():
                self.run(self.world.start_worker())
            self.claim(chance)
            self.run(self.world.wake(worker))

    def wake(self, chance: Chance) -> None:
        self.run(self.world.wake(chance.of(self.world.stopped)))

    # --- what surrounds them ----------------------------------------------------------------------

    def time_passes(self, chance: Chance) -> None:
        self.run(self.world.go_by(chance.seconds))

    def pms(self, chance: Chance) -> None:
        """It cannot be reached for reading, cannot show such records at all, or is well again."""
        name = chance.of(self._sites()).integration.id
        for mark, names in (
            ("silent", self.world.pms.silent),
            ("unaskable", self.world.pms.unaskable),
        ):
            (names.add if chance.mood == mark else names.discard)(name)

    def circuit(self, chance: Chance) -> None:
        worker = chance.of(self._running())
        name = chance.of(self._sites()).integration.id
        epoch = self.run(self.world.repository.held(worker)).get(name)
        if chance.second % 2:
            self.run(self.world.repository.open(name))
        elif epoch is not None:
            self.run(self.world.repository.close_until(name, epoch, 5.0, "circuit", "no answer"))

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def promised(self) -> None:
        if hasattr(self, "world"):
            self.world.promise.check_rows(self.run(self.world.rows()))
            self.world.promise.check_effects(self.world.pms)

    def teardown(self) -> None:
        """Everything works again: whatever was accepted must end, and be there as it was told."""
        if hasattr(self, "world"):
            try:
                self.run(self._drain())
            finally:
                self.run(self.world.close())

    async def _drain(self) -> None:
        world = self.world
        for worker in list(world.workers):
            world.kill(worker)
        world.pms.silent.clear()
        world.pms.unaskable.clear()
        for site in world.sites.values():
            await world.set_active(site, active=True)
        await world.go_by(60.0)
        worker = await world.start_worker()
        for _ in range(12 * len(world.promise.accepted) + 4):
            for hand in await world.claim(worker, 8):
                if hand.write.state == "reconciling":
                    await world.look(hand)
                else:
                    await world.send(hand, "delivered", 0.0)
                assert await world.record(hand), "its only worker cannot move it"
            await world.repository.expire()
            rows = await world.rows()
            if all(row["finished_at"] is not None for row in rows.values()):
                break
            await world.go_by(20.0)
        world.promise.check_end(world.pms, await world.rows())

    def _check_claim(self, hand: Hand, before: Any, held: dict[UUID, int]) -> None:
        write = hand.write
        assert held.get(write.integration_id) == write.epoch, "claimed without its lease"
        assert write.integration_id not in self._paused, "claimed while paused"
        assert before["ready_at"] is not None, "claimed before it was ready"
        assert before["finished_at"] is None, "claimed after its end"
        for other in self.world.hands:
            same = other is not hand and other.write.id == write.id
            if same and other.write.state == write.state == "sending":
                assert other.write.attempts != write.attempts, "one attempt in two hands"

    def _record(self, hand: Hand) -> None:
        """What is in the right hands moves its write; anything else changes nothing but evidence."""
        world = self.world
        in_hand = self.run(world.holds(hand))
        before = self.run(world.everything())
        moved = self.run(world.record(hand))
        assert moved == in_hand, (
            "a completion in the right hands was refused" if in_hand else "a late one moved it"
        )
        assert hand.row is not None
        if moved:
            if (hand.row["error"] or {}).get("code") == "outcome_unknown":
                names = world.promise.doubtful
                names.add(hand.write.id)
                if hand.row["state"] == "retrying":
                    world.promise.resent.add(hand.write.id)
            return
        after = self.run(world.everything())
        own = ("attempt", self.run(world.attempt_of(hand)))
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert changed <= {own}, f"a late completion changed {changed - {own}}"

    # --- picking ----------------------------------------------------------------------------------

    def _sites(self) -> list[Site]:
        return list(self.world.sites.values())

    def _unfinished(self) -> list[UUID]:
        promise = self.world.promise
        return [write_id for write_id in promise.accepted if write_id not in promise.ended]

    def _waiting(self) -> bool:
        in_hand = {hand.write.id for hand in self._active_hands() if not hand.recorded}
        return not in_hand.issuperset(self._unfinished())

    def _failed(self) -> list[Accepted]:
        promise = self.world.promise
        return [
            promise.accepted[write_id]
            for write_id, state in promise.ended.items()
            if state in ("failed", "uncertain", "cancelled", "expired")
        ]

    def _running(self) -> list[UUID]:
        return [worker for worker in self.world.workers if worker not in self.world.stopped]

    def _active_hands(self) -> list[Hand]:
        return [hand for hand in self.world.hands if hand.worker_id not in self.world.stopped]

    def _unsent(self) -> list[Hand]:
        return [h for h in self._active_hands() if h.row is None and h.write.state == "sending"]

    def _unlooked(self) -> list[Hand]:
        return [h for h in self._active_hands() if h.row is None and h.write.state != "sending"]

    def _unrecorded(self) -> list[Hand]:
        return [h for h in self._active_hands() if h.row is not None and not h.recorded]

    def _recorded(self) -> list[Hand]:
        return [h for h in self._active_hands() if h.recorded][-4:]


POSSIBLE: dict[str, Callable[[Desk], object]] = {
    "send": Desk._unsent,
    "look": Desk._unlooked,
    "record": Desk._unrecorded,
    "claim": lambda desk: desk._running() and desk._waiting(),
    "start_worker": lambda desk: len(desk._running()) < 2,
    "accept": lambda desk: len(desk._unfinished()) < 6,
    "oversleep": lambda desk: desk._active_hands() and desk._running(),
    "retry": Desk._failed,
    "look_again": lambda desk: desk._running() and "uncertain" in desk.world.promise.ended.values(),
    "wake": lambda desk: desk.world.stopped,
    "stop": Desk._running,
    "record_again": Desk._recorded,
    "cancel": Desk._unfinished,
    "go_on": lambda desk: desk._paused,
    "crash": Desk._running,
    "leave": Desk._running,
    "give_back": Desk._running,
    "expire": Desk._unfinished,
    "circuit": Desk._running,
}
"""When a thing can happen; what is not here always can. Where it cannot, the first that can happens."""


def _is_not_out(row: Any) -> bool:
    """Whether a write may be cancelled or expire: it is nowhere, and never was."""
    return row["state"] in ("scheduled", "queued", "retrying") and not row["unsettled"]


async def _hurry(url: str) -> None:
    """Nothing here kills the server: its commits need not wait for the disk."""
    database = await Database.connect(url, maximum=1)
    try:
        name = await database.fetch_value("SELECT current_database()")
        await database.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    finally:
        await database.close()


@contextmanager
def desk(url: str) -> Iterator[type[Desk]]:
    """The machine on a database, with an event loop that lasts as long as its connections."""
    with asyncio.Runner() as runner:
        runner.run(_hurry(url))
        database = runner.run(Database.connect(url, minimum=0, maximum=2))
        try:
            yield type("Desk", (Desk,), {"run": staticmethod(runner.run), "database": database})
        finally:
            runner.run(database.close())


# It is not shrunk: the rows of a run differ from those of the next (ids, times, backoffs drawn at
# random), and each try costs a good part of a second. What happened is told by name, step by step.


@pytest.mark.timeout(600)
def test_every_write_arrives_once_in_order_or_its_owner_is_told(database_url: str) -> None:
    with desk(database_url) as machine:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES, stateful_step_count=STEPS, phases=[Phase.generate]
            ),
        )
