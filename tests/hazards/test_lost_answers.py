"""What can happen to a send: each fault of the wire, at every vendor, and what must follow from it."""

import asyncio

import pytest

from frontdesk.delivery.wire import Wire
from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import World, eventually

pytestmark = pytest.mark.second_half


async def test_a_note_arrives_once_and_its_record_is_known(world: World) -> None:
    (resident, *_) = await world.residents()
    write = await world.write(resident, "Wants to talk about the rent")
    end = await world.end_of(write)
    assert end["state"] == "succeeded"
    (effect,) = await world.arrived("Wants to talk about the rent")

    async def known() -> bool:
        return bool((await world.row(write))["x_id"] == effect["x_id"])

    await eventually(known)


async def test_notes_of_one_resident_arrive_in_the_order_of_their_acceptance(world: World) -> None:
    (resident, *_) = await world.residents()
    texts = [f"in order {n}" for n in range(6)]
    writes = [await world.write(resident, text) for text in texts]
    for write in writes:
        assert (await world.end_of(write))["state"] == "succeeded"
    effects = await world.sandbox.effects(f"?vendor={world.vendor}")
    assert [effect["text"] for effect in effects if "in order" in effect["text"]] == texts


@pytest.mark.parametrize("fault", ["hang_after_effect", "reset_after_effect", "truncate"])
async def test_a_write_whose_answer_was_lost_is_found_and_not_sent_again(
    world: World, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (resident, *_) = await world.residents()
    more = {"after_bytes": 40} if fault == "truncate" else {}
    await world.fault(fault=fault, n=1, **more)
    if fault == "hang_after_effect":
        send = Wire.send
        monkeypatch.setattr(
            Wire,
            "send",
            lambda self, request, **options: send(self, request, **{**options, "timeout_s": 2.0}),
        )
    write = await world.write(resident, f"lost by {fault}")
    end = await world.end_of(write)
    assert (end["state"], end["resolution"]) == ("succeeded", world.settled)
    assert end["attempts"] <= 2
    (effect,) = await world.arrived(f"lost by {fault}")
    assert effect["x_id"] == end["x_id"]


async def test_a_write_that_was_cut_before_its_effect_is_sent_again_after_it_settled(
    world: World,
) -> None:
    (resident, *_) = await world.residents()
    await world.fault(fault="reset_before_effect", n=1)
    write = await world.write(resident, "cut before")
    end = await world.end_of(write, seconds=90)
    assert end["state"] == "succeeded"
    assert len(await world.arrived("cut before")) == 1


async def test_a_server_error_without_the_vendors_form_is_looked_up(world: World) -> None:
    (resident, *_) = await world.residents()
    await world.fault(fault="status", status=502, effect=True, n=1)
    write = await world.write(resident, "bad gateway, but written")
    end = await world.end_of(write)
    assert (end["state"], end["resolution"]) == ("succeeded", world.settled)
    assert len(await world.arrived("bad gateway, but written")) == 1


async def test_two_intended_twins_become_two_records_when_both_answers_are_lost(
    world: World,
) -> None:
    (resident, *_) = await world.residents()
    await world.fault(fault="reset_after_effect", n=2)
    twins = [await world.write(resident, "said twice") for _ in range(2)]
    ends = [await world.end_of(write) for write in twins]
    assert [end["state"] for end in ends] == ["succeeded", "succeeded"]
    effects = await world.arrived("said twice")
    assert {end["x_id"] for end in ends} == {effect["x_id"] for effect in effects}
    assert len(effects) == 2


async def test_refused_credentials_stop_the_integration_and_burn_no_event(world: World) -> None:
    (resident, other, *_) = await world.residents()
    # One refusal may be an old token's: the call goes once more with a new one.
    has_token = connector_of(world.vendor).declaration.token is not None
    await world.fault(fault="unauthorised", n=2 if has_token else 1)
    first = await world.write(resident, "while refused 1")

    async def parked() -> bool:
        return bool(
            await world.services.database.fetch_value(
                "SELECT not_before_reason = 'authentication' FROM leases WHERE integration_id = $1",
                world.integration_id,
            )
        )

    await eventually(parked)
    second = await world.write(other, "while refused 2")
    await asyncio.sleep(0.5)
    assert (await world.row(second))["attempts"] == 0
    assert (await world.row(first))["finished_at"] is None


async def test_a_throttle_is_waited_for_and_counts_no_failure(world: World) -> None:
    (resident, *_) = await world.residents()
    await world.fault(fault="status", status=429, retry_after=1, n=1)
    write = await world.write(resident, "throttled")
    end = await world.end_of(write)
    assert (end["state"], end["failures"]) == ("succeeded", 0)
    assert len(await world.arrived("throttled")) == 1


async def test_a_worker_stopped_between_send_and_record_leaves_the_write_to_reconcile(
    world: World,
) -> None:
    (resident, *_) = await world.residents()
    # What was there before is read with the write in hand as well, and leaves nothing to reconcile.
    await world.end_of(await world.write(resident, "before it"))
    await world.fault(fault="delay", seconds=4, n=1)
    write = await world.write(resident, "drained away")

    async def sending() -> bool:
        return bool((await world.row(write))["state"] == "sending")

    await eventually(sending)
    await world.stop_workers()
    row = await world.row(write)
    assert row["state"] == "reconciling"
