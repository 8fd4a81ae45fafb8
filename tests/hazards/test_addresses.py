"""A message must not reach somebody whom its address no longer belongs to."""

from frontdesk.writes.plans import dump_plan
from tests.hazards.conftest import World


async def test_an_address_that_changed_after_acceptance_stops_the_event_and_not_the_next(
    world: World,
) -> None:
    (resident, *_) = await world.residents()
    known = await world.services.catalog.resident(world.integration_id, resident)
    assert known is not None
    assert known.resident.email is not None
    plan = dump_plan(await world.plan(resident, "to whom it was"))
    stale = await world.write(
        resident, "to whom it was", plan={**plan, "email_to": "moved.out@example.com"}
    )
    end = await world.end_of(stale)
    assert (end["state"], end["error_code"]) == ("failed", "not_allowed")
    assert not end["errors"][0]["retryable"]
    assert await world.arrived("to whom it was") == []
    plan = dump_plan(await world.plan(resident, "to whom it is"))
    current = await world.write(
        resident, "to whom it is", plan={**plan, "email_to": f" {known.resident.email.upper()} "}
    )
    assert (await world.end_of(current))["state"] == "succeeded"
    assert len(await world.arrived("to whom it is")) == 1
