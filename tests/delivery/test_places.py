"""Whose turn it is: places among an integration's calls, writes that are claimed ahead, and the slots
of a worker."""

import asyncio
from itertools import product
from unittest.mock import Mock
from uuid import UUID

import pytest

from frontdesk.delivery import clock, slots
from frontdesk.delivery.budgets import Budgets, ScopeGate
from frontdesk.delivery.claiming import Claims
from frontdesk.delivery.holding import Holding, Place, Scope
from frontdesk.delivery.slots import SLOW_TIMES, Slots
from frontdesk.ids import new_id
from frontdesk.vendors.registry import connector_of, vendors
from tests.delivery.stock import integration

VENDOR = next(code for code, vendor in vendors().items() if vendor.connector is not None)
CONCURRENCY = 4
FAST, SLOW = 0.01, 5.0


def holding(gate: ScopeGate, *, pace: float | None = None) -> Holding:
    one = integration(new_id(), max_job_concurrency=CONCURRENCY)
    made = Holding(new_id(), 1, one, connector_of(VENDOR), Scope(gate))
    if pace is not None:
        made.note_call(pace)
    return made


def places(of: Holding, most: int = 100) -> list[Place]:
    return of.places(most, lambda _: None)


def later(seconds: float = 20.0) -> float:
    return clock.now() + seconds


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_nothing_is_claimed_ahead_of_a_pms_that_has_not_answered_yet_or_is_slow() -> None:
    for pace in (None, SLOW):
        some = places(holding(ScopeGate(100), pace=pace))
        assert [place.held for place in some] == [True] * CONCURRENCY


def test_a_fast_pms_is_claimed_ahead_for_and_no_more_than_asked() -> None:
    fast = holding(ScopeGate(100), pace=FAST)
    some = places(fast, most=CONCURRENCY + 1)
    assert [place.held for place in some] == [True] * CONCURRENCY + [False]
    assert len(places(fast)) == CONCURRENCY - 1
    assert places(fast) == [], "it was asked for more while enough waited"
    assert (fast.writing, fast.ahead) == (CONCURRENCY, CONCURRENCY)


def test_nothing_is_claimed_ahead_while_the_circuit_is_open_or_probing() -> None:
    open_one, probing = holding(ScopeGate(100), pace=FAST), holding(ScopeGate(100), pace=FAST)
    open_one.closed_until = later()
    probing.circuit.openings = 1
    assert places(open_one) == []
    assert [place.held for place in places(probing)] == [True]


@pytest.mark.parametrize("state", ["at work", "leaving", "closed", "probing"])
def test_there_is_room_just_where_places_are_given(state: str) -> None:
    numbers = range(CONCURRENCY + 1)
    for pace, writing, ahead in product([None, FAST, SLOW], numbers, numbers):
        one = holding(ScopeGate(100), pace=pace)
        one.writing, one.ahead, one.leaving = writing, ahead, state == "leaving"
        one.closed_until = later() if state == "closed" else 0.0
        one.circuit.openings = int(state == "probing")
        assert one.has_room is bool(places(one)), (pace, writing, ahead)


async def test_a_place_given_back_goes_to_the_first_that_waits_and_to_one_only() -> None:
    fast = holding(ScopeGate(100), pace=FAST)
    some = places(fast)
    waiting = [asyncio.create_task(place.take(later())) for place in some[CONCURRENCY:]]
    await turns()
    some[0].give_back()
    some[0].give_back()
    await turns()
    assert [task.done() for task in waiting] == [True, False, False, False]
    assert some[CONCURRENCY].held
    assert fast.writing == CONCURRENCY
    for place in some[1:]:
        place.give_back()
        await turns()
    assert all(await asyncio.gather(*waiting))
    assert (fast.writing, fast.ahead, fast.scope.gate.free) == (0, 0, 100)


async def test_places_that_came_free_before_anybody_waited_for_them_are_taken_at_once() -> None:
    fast = holding(ScopeGate(100), pace=FAST)
    some = places(fast)
    for place in some[:CONCURRENCY]:
        place.give_back()
    assert [await place.take(later()) for place in some[CONCURRENCY:]] == [True] * CONCURRENCY
    assert (fast.writing, fast.ahead) == (CONCURRENCY, 0)


async def test_one_that_waits_in_vain_or_is_cancelled_leaves_nothing_behind() -> None:
    fast = holding(ScopeGate(100), pace=FAST)
    some = places(fast)
    assert not await some[CONCURRENCY].take(later(0.01))
    cancelled = asyncio.create_task(some[CONCURRENCY + 1].take(later()))
    await turns()
    cancelled.cancel()
    await turns()
    for place in some:
        place.give_back()
    await turns()
    assert (fast.writing, fast.ahead, fast.scope.gate.free) == (0, 0, 100)


async def test_a_read_that_waits_comes_before_a_write_that_was_claimed_ahead() -> None:
    gate = ScopeGate(CONCURRENCY)
    fast = holding(gate, pace=FAST)
    some = places(fast)
    order: list[str] = []

    async def read() -> None:
        async with gate.reading("single"):
            order.append("read")
            await turns()

    async def write() -> None:
        assert await some[CONCURRENCY].take(later())
        order.append("write")

    both = [asyncio.create_task(write()), asyncio.create_task(read())]
    await turns()
    some[0].give_back()
    await asyncio.gather(*both)
    assert order == ["read", "write"]


async def test_two_integrations_of_one_scope_share_it_and_never_exceed_it() -> None:
    gate = ScopeGate(CONCURRENCY + 1)
    first, second = holding(gate, pace=FAST), holding(gate, pace=FAST)
    waiting: dict[UUID, list[Place]] = {}
    for one in (first, second):
        waiting[one.integration.id] = places(one)
    assert first.writing + second.writing == CONCURRENCY + 1
    assert second.writing == 1
    held = [place for some in waiting.values() for place in some if place.held]
    rest = [place for some in waiting.values() for place in some if not place.held]
    tasks = [asyncio.create_task(place.take(later())) for place in rest]
    await turns()
    for place in held:
        place.give_back()
        await turns()
        assert first.writing + second.writing == CONCURRENCY + 1
    assert first.writing <= CONCURRENCY
    assert second.writing <= CONCURRENCY
    for place in rest:
        place.give_back()
    for task in tasks:
        task.cancel()


def test_calls_that_hang_take_the_slots_of_nobody_else_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = Slots(CONCURRENCY)
    hanging = [places(holding(ScopeGate(100))) for _ in range(SLOW_TIMES + 1)]
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    for round_of_places in hanging[:-1]:
        for place in round_of_places:
            some.take(place)
        assert some.room == 0
        now += slots.SLOW_SECONDS + 0.1
    assert some.room == 0, "what hangs is bounded too"
    for place in hanging[0]:
        some.give_back(place)
    assert some.room == CONCURRENCY
    for place in hanging[-1]:
        some.take(place)
    assert some.room == 0
    for place in hanging[-1]:
        some.give_back(place)
    assert some.room == CONCURRENCY


async def test_integrations_with_nothing_to_send_do_not_keep_another_from_its_turn() -> None:
    # Each reserves room for what may come, and there is room for two of them only.
    held = {one.integration.id: one for one in (holding(ScopeGate(100)) for _ in range(7))}
    claims = Claims(Budgets(Mock(), 1.0), held, Slots(2 * CONCURRENCY), lambda _: None)
    wanted, rounds = set(held), []
    while wanted:
        asked = claims.ask(wanted)
        rounds.append(set(asked.places))
        claims.cancel(asked)
        wanted = set(claims.left_out())
    assert [len(served) for served in rounds] == [2, 2, 2, 1]
    assert set.union(*rounds) == held.keys()


async def test_whoever_found_no_room_is_asked_for_before_those_that_found_some() -> None:
    held = {one.integration.id: one for one in (holding(ScopeGate(100)) for _ in range(2))}
    claims = Claims(Budgets(Mock(), 1.0), held, Slots(CONCURRENCY), lambda _: None)
    served: list[UUID] = []
    # All are wanted every time, as by a poll, and the first to be served never has anything to send.
    for _ in range(4):
        asked = claims.ask(set(held))
        served += asked.places
        claims.cancel(asked)
    assert served[0] != served[1]
    assert served[:2] == served[2:]


async def test_while_there_is_no_room_nobody_is_asked_for() -> None:
    held = {one.integration.id: one for one in (holding(ScopeGate(100)) for _ in range(2))}
    claims = Claims(Budgets(Mock(), 1.0), held, Slots(CONCURRENCY), lambda _: None)
    asked = claims.ask(set(held))
    assert not claims.left_out()
    claims.cancel(asked)
    assert claims.left_out() == held.keys() - asked.places.keys()
