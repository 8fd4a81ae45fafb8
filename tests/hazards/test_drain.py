"""A worker that stops must not wait for what leaves nothing behind."""

import asyncio
from pathlib import Path

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
