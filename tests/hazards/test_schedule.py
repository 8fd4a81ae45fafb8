"""A scheduled event through a real worker and simulator: not before its time, and then at once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.hazards.conftest import VENDORS, hasten, running_world


async def test_a_scheduled_event_reaches_the_pms_after_its_time_and_before_none_that_came_earlier(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = VENDORS[0]
    hasten(vendor, monkeypatch)
    async with running_world(vendor, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        (resident, *_) = await world.residents()
        send_at = datetime.now(UTC) + timedelta(seconds=2)
        scheduled = await world.write(resident, "when its time has come", send_at=send_at)
        now = await world.write(resident, "at once")
        assert (await world.end_of(now))["state"] == "succeeded"
        assert (await world.row(scheduled))["state"] == "scheduled"
        end = await world.end_of(scheduled)
        assert (end["state"], end["scheduled_for"]) == ("succeeded", None)
        assert end["started_at"] >= send_at
        assert len(await world.arrived("when its time has come")) == 1
