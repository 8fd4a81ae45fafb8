"""A PMS that answers nothing costs its own integration only."""

from pathlib import Path

from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import VENDORS, eventually, running_world


async def test_a_pms_that_answers_nothing_does_not_hold_back_another_integrations_event(
    database_url: str, tmp_path: Path
) -> None:
    # Two that send without reading first, so that every write hangs at the very send.
    hanging, other = [
        code
        for code in VENDORS
        if (declared := connector_of(code).declaration).read_back.stamped and declared.token is None
    ][:2]
    async with (
        running_world(hanging, database_url, tmp_path / "hanging") as stuck,
        running_world(other, database_url, tmp_path / "other") as free,
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
