"""A message must not reach somebody whom its address no longer belongs to, nor go out where none is
allowed any more."""

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


async def test_a_message_that_is_forbidden_after_acceptance_is_not_sent_and_the_next_event_is(
    world: World,
) -> None:
    (resident, *_) = await world.residents()
    # No integration of a sandbox allows messages; the event was accepted as if this one had.
    plan = dump_plan(await world.plan(resident, "with a message"), email_send=True)
    late = await world.write(resident, "with a message", plan=plan)
    end = await world.end_of(late)
    assert (end["state"], end["error_code"]) == ("failed", "not_allowed")
    assert "allow" in end["errors"][0]["message"]
    assert not end["errors"][0]["retryable"]
    assert await world.arrived("with a message") == []
    silent = await world.write(resident, "with none")
    assert (await world.end_of(silent))["state"] == "succeeded"
