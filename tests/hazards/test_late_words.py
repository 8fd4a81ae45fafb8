"""A worker that lost its lease hears from the PMS after all: its word moves nothing, and is believed."""

import pytest

from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import World, eventually

pytestmark = pytest.mark.second_half


async def test_a_late_word_settles_what_cannot_be_looked_up(world: World) -> None:
    (resident, *_) = await world.residents()
    # What was there before is read with the write in hand as well; that must be over.
    await world.end_of(await world.write(resident, "before it"))
    await world.fault(fault="delay", seconds=4, n=1)
    write = await world.write(resident, "heard too late")

    async def sending() -> bool:
        return bool((await world.row(write))["state"] == "sending")

    await eventually(sending)
    await world.fault(fault="status", status=500, n=100, match={"operation": "read"})
    # As if it had been asleep: its lease has run out, and another takes over.
    await world.services.database.execute(
        "UPDATE workers SET expires_at = clock_timestamp() - interval '1 second'"
    )
    world.start_worker()
    end = await world.end_of(write, seconds=60)

    assert (end["state"], end["resolution"]) == (
        "succeeded",
        "exact" if answers_id(world) else "pending",
    )
    (attempt, *_) = await world.services.database.fetch(
        "SELECT outcome, late FROM attempts WHERE job_id = $1 AND kind = 'send' ORDER BY number",
        write.id,
    )
    assert (attempt["outcome"], attempt["late"]) == ("delivered", True)
    assert len(await world.arrived("heard too late")) == 1


def answers_id(world: World) -> bool:
    """Whether the PMS names the record's id in its answer."""
    return connector_of(world.vendor).declaration.record_id.value == "answer"
