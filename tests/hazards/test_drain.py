"""A worker that stops must not wait for what leaves nothing behind."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from frontdesk.catalog import job_repository, repository
from tests.hazards.conftest import VENDORS, eventually, running_world


async def test_a_read_that_waits_for_its_turn_holds_up_no_drain_and_is_handed_back(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(VENDORS[0], database_url, tmp_path, drain_seconds=120) as world:
        world.start_worker()
        await world.synced()
        database = world.services.database
        await database.execute(
            "UPDATE budgets SET blocked_until = clock_timestamp() + interval '50 seconds'"
        )
        await world.services.catalog.manual_sync(world.account_id, world.integration_id, [], [])

        async def reading() -> bool:
            return bool(
                await database.fetch_value(
                    "SELECT count(*) FROM read_jobs WHERE integration_id = $1 "
                    "AND state = 'running' AND job_type <> 'sync'",
                    world.integration_id,
                )
            )

        await eventually(reading)
        async with asyncio.timeout(30):
            await world.stop_workers()
        assert not await reading()


@pytest.mark.parametrize("moment", ["the database has answered", "the step is prepared"])
async def test_a_read_that_is_cut_off_right_after_its_claim_is_handed_back_too(
    moment: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(VENDORS[0], database_url, tmp_path, drain_seconds=20) as world:
        world.start_worker()
        await world.synced()
        await world.stop_workers()
        reached = asyncio.Event()

        def held(inner: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def work(*asked: Any) -> Any:
                found = await inner(*asked)
                if moment == "the step is prepared" or found is not None:
                    reached.set()
                    await asyncio.sleep(0.3)
                return found

            return work

        if moment == "the step is prepared":
            monkeypatch.setattr(
                repository, "enabled_properties", held(repository.enabled_properties)
            )
        else:
            monkeypatch.setattr(job_repository, "claim", held(job_repository.claim))
        await world.services.catalog.manual_sync(world.account_id, world.integration_id, [], [])
        world.start_worker()
        async with asyncio.timeout(30):
            await reached.wait()
            await world.stop_workers()
        running = await world.services.database.fetch_value(
            "SELECT count(*) FROM read_jobs WHERE integration_id = $1 "
            "AND state = 'running' AND job_type <> 'sync'",
            world.integration_id,
        )
        assert running == 0
