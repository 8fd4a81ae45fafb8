"""A PMS lowers what it allows, and raises it again: for all processes at once, and only for so long."""

from pathlib import Path

import orjson
import pytest

from frontdesk.delivery import budgets as module
from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.delivery.budgets import Budgets
from frontdesk.vendors.contract import QuotaReport
from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import VENDORS, World, running_world

WINDOWED = next(code for code in VENDORS if connector_of(code).declaration.budget.windows)


class Process:
    """One worker's view of the budgets."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._budgets = Budgets(BudgetRepository(world.services.database), 1.0)
        self.declaration = connector_of(world.vendor).declaration
        self.window = self.declaration.budget.windows[0]

    async def hear(self, limit: int) -> None:
        """An answer of the PMS that tells this limit."""
        (integration,) = await self._world.services.integrations.load([self._world.integration_id])
        report = QuotaReport(((limit, self.window.seconds, limit, 0.0),))
        method = self.declaration.write_keys[0]
        await self._budgets.note_quota(integration, self.declaration, method, report)

    async def limits(self) -> dict[str, int]:
        """What is stored for all."""
        stored = await self._world.services.database.fetch("SELECT limits FROM budgets")
        return {key: value for row in stored for key, value in orjson.loads(row["limits"]).items()}


async def test_a_limit_that_was_lowered_is_raised_again_when_the_pms_says_so(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(WINDOWED, database_url, tmp_path) as world:
        process = Process(world)
        full = process.window.requests

        await process.hear(full // 2)
        assert await process.limits() == {str(process.window.seconds): full // 2}

        await process.hear(full)
        assert await process.limits() == {}


async def test_a_limit_that_another_process_has_stored_meanwhile_is_raised_too(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NOTED_FOR_SECONDS", 0.0)
    async with running_world(WINDOWED, database_url, tmp_path) as world:
        mine, other = Process(world), Process(world)
        full = mine.window.requests
        await mine.hear(full)

        await other.hear(full // 2)
        await mine.hear(full)

        assert await mine.limits() == {}
