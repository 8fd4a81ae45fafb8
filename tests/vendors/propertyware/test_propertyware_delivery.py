"""What becomes of Propertyware's notes through a real worker, database and simulator: those on a
lease are looked for when an answer is lost, those on a contact cannot be."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.hazards.conftest import World, eventually, running_world

from frontdesk.integrations.schemas import IntegrationUpdate

VENDOR = "PROPERTYWARE"


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """An integration with all keys, with a worker, after its first sync."""
    async with running_world(VENDOR, database_url, tmp_path) as world:
        world.start_worker()
        await eventually(lambda: is_synced(world), seconds=60)
        yield world


async def is_synced(world: World) -> bool:
    return bool(
        await world.services.database.fetch_value(
            "SELECT last_completed_sync IS NOT NULL FROM integrations WHERE id = $1",
            world.integration_id,
        )
    )


async def resident(world: World, name: str) -> UUID:
    """The resident whom an example of the simulator names."""
    x_id = (await world.sandbox.overview())["vendors"][VENDOR]["examples"][name]
    found: UUID = await world.services.database.fetch_value(
        "SELECT id FROM residents WHERE integration_id = $1 AND x_id = $2",
        world.integration_id,
        x_id,
    )
    return found


async def change(world: World, **changes: Any) -> None:
    await world.services.integrations.change(
        world.account_id, world.integration_id, IntegrationUpdate.model_validate(changes)
    )


async def test_a_note_on_a_contact_whose_answer_was_lost_ends_uncertain_and_frees_its_lane(
    world: World,
) -> None:
    whose = await resident(world, "contact_without_lease")
    await world.fault(fault="reset_after_effect", n=1)
    lost = await world.write(whose, "on a contact, lost")
    end = await world.end_of(lost)
    assert end["state"] == "uncertain"
    (problem,) = end["errors"][-1:]
    assert problem["code"] == "outcome_unknown"
    assert "shows no note that is on a contact" in problem["message"]
    assert len(await world.arrived("on a contact, lost")) == 1
    after = await world.write(whose, "on a contact, after")
    assert (await world.end_of(after))["state"] == "succeeded"


async def test_its_owner_may_choose_to_have_it_sent_again(world: World) -> None:
    # A worker that holds the integration learns of a changed setting a little later.
    await world.stop_workers()
    await change(world, on_uncertain="resend")
    world.start_worker()
    whose = await resident(world, "contact_with_two_current_leases")
    await world.fault(fault="reset_before_effect", n=1)
    write = await world.write(whose, "sent again unasked")
    end = await world.end_of(write)
    assert (end["state"], end["resolution"]) == ("succeeded", "exact")
    assert len(await world.arrived("sent again unasked")) == 1


async def test_a_note_on_a_lease_whose_keys_were_taken_away_ends_uncertain(world: World) -> None:
    whose = await resident(world, "contact")
    await world.fault(fault="reset_after_effect", n=1)
    before = await world.write(whose, "on a lease, found")
    end = await world.end_of(before)
    assert (end["state"], end["resolution"]) == ("succeeded", "matched")

    soap_only = (await world.sandbox.overview())["vendors"][VENDOR]["examples"][
        "soap_only_credentials"
    ]
    await world.stop_workers()
    planned_on_the_lease = await world.write(whose, "on a lease, lost")
    await change(world, credentials=soap_only)
    await world.fault(fault="reset_after_effect", n=1)
    world.start_worker()
    end = await world.end_of(planned_on_the_lease)
    assert end["state"] == "uncertain"
    assert "no keys" in end["errors"][-1]["message"]
    assert len(await world.arrived("on a lease, lost")) == 1


async def test_two_tenants_of_one_lease_each_get_their_own_note(world: World) -> None:
    first, *_ = await world.residents()
    rows = await world.services.database.fetch(
        "SELECT id, x_id FROM residents WHERE integration_id = $1 ORDER BY x_id LIMIT 2",
        world.integration_id,
    )
    assert first == rows[0]["id"]
    await world.fault(fault="reset_after_effect", n=2)
    writes = [await world.write(row["id"], "to everybody on the lease") for row in rows]
    ends = [await world.end_of(write) for write in writes]
    assert [end["state"] for end in ends] == ["succeeded", "succeeded"]
    effects = await world.arrived("to everybody on the lease")
    of = {effect["x_id"]: effect["x_resident_id"] for effect in effects}
    assert [of[end["x_id"]] for end in ends] == [row["x_id"] for row in rows]


async def test_a_note_that_staff_wrote_before_is_not_taken_for_ours(world: World) -> None:
    whose = await resident(world, "contact")
    await world.fault(fault="twin", n=1, before=False)
    first = await world.write(whose, "said by both")
    assert (await world.end_of(first))["state"] == "succeeded"
    assert len(await world.arrived("said by both", origin="staff")) == 1
    await world.stop_workers()
    await world.fault(fault="reset_after_effect", n=1)
    # The reading of before is old: what is there is read again before the first attempt.
    await world.services.database.execute(
        "UPDATE residents SET baseline_read_at = baseline_read_at - interval '1 hour'"
    )
    world.start_worker()
    second = await world.write(whose, "said by both")
    end = await world.end_of(second)
    assert (end["state"], end["resolution"]) == ("succeeded", "matched")
    ours = {effect["x_id"] for effect in await world.arrived("said by both")}
    assert end["x_id"] in ours
    assert len(ours) == 2
