"""What a budget grants is for now: a call that cannot leave in time asks again, and is made once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from frontdesk.delivery import clock
from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.delivery.budgets import Budgets, counted_life, granted_life
from frontdesk.delivery.granted import call_granted
from frontdesk.delivery.wire import Wire
from frontdesk.vendors.contract import Request
from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import VENDORS, running_world
from tests.hazards.test_logins import LOOPBACK, holding_of

WINDOWED = next(code for code in VENDORS if connector_of(code).declaration.budget.windows)


class Sleepy(Budgets):
    """The process is stopped between its first grant and the call."""

    grants = 0

    async def take(self, *asked: Any) -> float:
        leave_before = await super().take(*asked)
        self.grants += 1
        if self.grants == 1:
            await asyncio.sleep(leave_before - clock.now() + 0.05)
        return leave_before


async def test_a_process_that_slept_after_its_grant_asks_again_and_calls_once(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(WINDOWED, database_url, tmp_path) as world:
        holding = await holding_of(world)
        budgets = Sleepy(BudgetRepository(world.services.database), 1.0)
        wire = Wire(connections=2, allowed=LOOPBACK)
        url = f"{holding.integration.base_url}/nowhere"

        async def arrivals() -> int:
            log = (await world.sandbox.call("GET", "/_sandbox/arrivals?limit=1000")).json
            return len(log["arrivals"])

        before = await arrivals()
        exchange, began = await call_granted(
            budgets, wire, holding, Request("GET", url, {}, None), "single"
        )
        await wire.close()
        assert exchange.answer.status >= 400
        assert await arrivals() - before == 1
        assert budgets.grants == 2
        assert clock.now() >= began
        assert not holding.scope.connecting.is_slow, "it slept; no connection was late"


@pytest.mark.parametrize("windows", [[(8, 1)], [(500, 60)], [(8, 1), (256, 60)], []])
def test_a_grant_lives_long_enough_for_a_distant_pms_once_one_was_too_late(
    windows: list[tuple[int, int]],
) -> None:
    at_first = granted_life(windows)
    assert 0.25 <= at_first <= granted_life(windows, connects_slowly=True) == 1.0
    assert counted_life(at_first) > at_first
