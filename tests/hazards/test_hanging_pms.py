"""A PMS that answers nothing costs its own integration only."""

from pathlib import Path

import pytest

from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import VENDORS, eventually, running_world

# Two that send without reading first, so that every write hangs at the very send.
SENDS_AT_ONCE = [
    code
    for code in VENDORS
    if (declared := connector_of(code).declaration).read_back.stamped and declared.token is None
]


@pytest.mark.parametrize("slots", [256, 8], ids=["slots to spare", "a slot for each that hangs"])
async def test_a_pms_that_answers_nothing_does_not_hold_back_another_integrations_event(
    slots: int, database_url: str, tmp_path: Path
) -> None:
    hanging, other = SENDS_AT_ONCE[:2]
    async with (
        running_world(hanging, database_url, tmp_path / "hanging") as stuck,
        running_world(other, database_url, tmp_path / "other", slots=slots) as free,
    ):
        await stuck.services.database.execute(
            "UPDATE integrations SET is_archived = false, active = true WHERE id = $1",
            stuck.integration_id,
        )
        # One worker process for both: what hangs, hangs in the very process that must go on.
        free.start_worker()
        await stuck.synced()
        await free.synced()
        await stuck.fault(fault="delay", seconds=60, n=1000)
        residents = await stuck.residents()
        writes = [await stuck.write(resident, "nobody answers") for resident in residents]

        async def all_out() -> bool:
            states = [(await stuck.row(write))["state"] for write in writes]
            most = connector_of(hanging).declaration.max_job_concurrency
            return states.count("sending") >= min(len(writes), most)

        await eventually(all_out)
        (resident, *_) = await free.residents()
        sent = await free.write(resident, "this one goes")
        assert (await free.end_of(sent))["state"] == "succeeded"
        assert await all_out(), "the other PMS has answered meanwhile: this shows nothing"


async def test_what_was_claimed_ahead_of_a_pms_that_begins_to_hang_waits_and_arrives_once(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(SENDS_AT_ONCE[0], database_url, tmp_path) as world:
        most = 2
        await world.services.database.execute(
            "UPDATE integrations SET max_job_concurrency = $2 WHERE id = $1",
            world.integration_id,
            most,
        )
        world.start_worker()
        await world.synced()
        residents = await world.residents()
        assert len(residents) > 2 * most
        # Only of a PMS that answers at once is anything claimed before its turn.
        for resident in residents[:3]:
            await world.end_of(await world.write(resident, "this one warms up"))
        await world.fault(fault="delay", seconds=4, n=most)
        writes = [await world.write(resident, "claimed ahead") for resident in residents]
        ends = [await world.end_of(write) for write in writes]
        assert {end["state"] for end in ends} == {"succeeded"}
        assert len(await world.arrived("claimed ahead")) == len(writes)
        waited = await world.services.database.fetch_value(
            "SELECT count(*) FROM attempts WHERE integration_id = $1 AND outcome = 'not_sent'",
            world.integration_id,
        )
        assert 0 < waited <= most, "nothing was claimed ahead, or again and again"
