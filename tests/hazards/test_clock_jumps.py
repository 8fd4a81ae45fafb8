"""A worker whose wall clock is wrong, or jumps: nothing is sent twice, early or never for it.

Deadlines within a process are by a clock that no one can set (`delivery.clock`); what is counted from
a moment of the database is counted to another one of its own.
"""

import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest

from frontdesk.delivery.holding import Holding
from frontdesk.delivery.repository import Claimed
from frontdesk.delivery.sending import KEY_KNOWN_FOR, is_keyed
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Plan, Trace
from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import VENDORS, hasten, running_world

PLAN = Plan("create", "note", {}, Trace("r1", {}, "hello"))
ASKABLE = next(
    code
    for code in VENDORS
    if (declared := connector_of(code).declaration).read_back.possible
    and not declared.idempotency_key
)


def jump(monkeypatch: pytest.MonkeyPatch, distance: timedelta) -> None:
    """Set the wall clock of everything that a worker runs; the database keeps its own."""

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cast("Self", datetime.now(tz) + distance)

    for name, module in list(sys.modules.items()):
        rooms = ("frontdesk.delivery.", "frontdesk.catalog.")
        if name.startswith(rooms) and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Jumped)


@pytest.mark.parametrize("hours", [-30, 30])
async def test_an_effect_that_comes_late_is_waited_for_whatever_the_wall_clock_says(
    hours: int, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(ASKABLE, monkeypatch)
    async with running_world(ASKABLE, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        (resident, *_) = await world.residents()
        jump(monkeypatch, timedelta(hours=hours))
        await world.fault(fault="late_effect", seconds=1.5)
        lost = await world.write(resident, "late, and once")
        after = await world.write(resident, "the next")
        end = await world.end_of(lost, seconds=60)
        assert (end["state"], end["resolution"]) == ("succeeded", "matched")
        assert (await world.end_of(after))["state"] == "succeeded"
        assert len(await world.arrived("late, and once")) == 1


async def test_what_is_not_there_is_sent_again_also_by_a_clock_that_is_behind(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(ASKABLE, monkeypatch)
    async with running_world(ASKABLE, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        (resident, *_) = await world.residents()
        jump(monkeypatch, timedelta(days=-2))
        await world.fault(fault="reset_before_effect")
        lost = await world.write(resident, "sent again in time")
        end = await world.end_of(lost, seconds=60)
        assert end["state"] == "succeeded"
        assert len(await world.arrived("sent again in time")) == 1


async def test_an_event_that_has_time_left_is_sent_by_a_worker_that_lives_in_the_future(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(ASKABLE, monkeypatch)
    jump(monkeypatch, timedelta(days=30))
    async with running_world(ASKABLE, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        (resident, *_) = await world.residents()
        scheduled = await world.write(
            resident, "not before its time", send_at=datetime.now(UTC) + timedelta(hours=1)
        )
        now = await world.write(
            resident, "in time", expires_at=datetime.now(UTC) + timedelta(hours=1)
        )
        assert (await world.end_of(now))["state"] == "succeeded"
        assert (await world.row(scheduled))["state"] == "scheduled"


@pytest.mark.parametrize("hours", [-30, 0, 30])
def test_a_key_is_forgotten_by_the_clock_that_counted_it(
    hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jump(monkeypatch, timedelta(hours=hours))
    holding = cast("Holding", SimpleNamespace(declaration=SimpleNamespace(idempotency_key=True)))
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    def claimed(age: timedelta) -> Claimed:
        values: dict[str, Any] = dict.fromkeys(Claimed.__dataclass_fields__)
        values |= {"id": new_id(), "first_sent_at": moment - age, "claimed_at": moment}
        return Claimed(**values)

    assert is_keyed(holding, claimed(KEY_KNOWN_FOR - timedelta(minutes=1)), PLAN)
    assert not is_keyed(holding, claimed(KEY_KNOWN_FOR + timedelta(minutes=1)), PLAN)
