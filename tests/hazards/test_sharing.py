"""A worker that is added to a backlog takes its share of it, and nothing is lost or doubled by that."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from frontdesk.integrations.schemas import IntegrationCreate
from tests.hazards.conftest import World, eventually, running_world

VENDOR = "BUILDIUM"
NOTES = 96
CALL_SECONDS = 0.8
"""With eight at once a backlog of ten seconds, at which an integration is never at rest; reads of the
catalog wait for the vendor's budget meanwhile."""


async def _second(world: World) -> World:
    """Another customer of the same PMS, with a budget of his own."""
    offered = (await world.sandbox.overview())["vendors"][VENDOR]
    record = await world.services.integrations.create(
        world.account_id,
        IntegrationCreate.model_validate(
            {
                "integration_vendor": VENDOR,
                "name": "another",
                "credentials": offered["credential_sets"][-1],
                "base_url": offered["base_url"],
                "active": True,
            }
        ),
    )
    return replace(world, integration_id=UUID(str(record["id"])))


async def test_a_worker_that_is_added_to_a_backlog_takes_a_share_of_it(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(VENDOR, database_url, tmp_path) as world:
        both = [world, await _second(world)]
        first = world.start_worker()
        for one in both:
            await one.synced()
        await world.fault(fault="delay", n=1000, seconds=CALL_SECONDS)
        writes = []
        for one in both:
            residents = await one.residents()
            writes += [
                await one.write(
                    residents[number % len(residents)], f"{one.integration_id} {number}"
                )
                for number in range(NOTES)
            ]

        async def all_places_are_taken() -> bool:
            return all(holding.writing > 1 for holding in first._holdings.values())

        await eventually(all_places_are_taken)
        second = world.start_worker()

        async def shared() -> bool:
            return len(first._holdings) == len(second._holdings) == 1

        await eventually(shared)
        waiting = await world.services.database.fetch_value(
            "SELECT count(*) FROM writes WHERE finished_at IS NULL"
        )
        assert waiting, "it waited for the backlog's end"
        ends = await asyncio.gather(*(world.end_of(write, seconds=60) for write in writes))
        assert {end["state"] for end in ends} == {"succeeded"}
        texts = [effect["text"] for effect in await world.sandbox.effects()]
        assert sorted(texts) == sorted(write.input["notes"] for write in writes)
