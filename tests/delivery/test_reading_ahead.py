"""Reading ahead while writes are out: by turns, and seldom."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest

from frontdesk.catalog.sync import BACKGROUND, SCHEDULED
from frontdesk.delivery import clock
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.syncing import AHEAD_EVERY_SECONDS, Syncer
from frontdesk.ids import new_id


class Runner:
    """Runs no step, and notes for whom one was asked for that may read ahead."""

    def __init__(self) -> None:
        self.ahead: list[UUID] = []
        self.others = 0

    async def schedule_due(self) -> None:
        """No sync is due."""

    async def due(self, idle: list[UUID]) -> list[UUID]:
        """All have something to read."""
        return idle

    async def run_step(self, integration: Any, *_: object, least: int) -> bool:
        if least == BACKGROUND:
            self.ahead.append(integration.id)
        else:
            assert least == SCHEDULED
            self.others += 1
        return False


async def test_integrations_whose_writes_are_out_read_ahead_by_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 1_000.0
    monkeypatch.setattr(clock, "now", lambda: moment)
    runner = Runner()
    catalog = Mock(sync_runner=Mock(return_value=runner))
    syncer = Syncer(catalog, Mock(), AsyncMock(), Mock())
    holdings = {
        integration_id: cast(
            "Holding",
            SimpleNamespace(
                integration=SimpleNamespace(id=integration_id),
                connector=None,
                may_read=True,
                writing=writing,
            ),
        )
        for integration_id, writing in [(new_id(), 1), (new_id(), 3), (new_id(), 1), (new_id(), 0)]
    }
    *busy, at_rest = holdings

    async def poll() -> None:
        begun: list[Awaitable[None]] = []
        start: Callable[[Awaitable[None]], None] = begun.append
        await syncer.start_due(holdings, start)
        for reading in begun:
            await reading

    for _ in range(4):
        await poll()
    assert runner.ahead.count(at_rest) == 4, "nothing of it is out"
    assert [runner.ahead.count(one) for one in busy] == [1, 1, 1]
    assert runner.others == 9, "syncs go on meanwhile"
    moment += AHEAD_EVERY_SECONDS
    await poll()
    assert [runner.ahead.count(one) for one in busy] == [1, 1, 1]
    moment += AHEAD_EVERY_SECONDS * 2
    await poll()
    assert [runner.ahead.count(one) for one in busy] == [2, 2, 2]
