"""What the database did though its answer was lost: a claim, a lease taken, a lease given back."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from frontdesk.database.pool import CommitUnknown
from frontdesk.delivery.finishing import Finisher
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.ids import new_id
from tests.hazards.conftest import VENDORS, World, eventually, running_world

PATIENCE_SECONDS = 1.0


def lose_an_answer(
    monkeypatch: pytest.MonkeyPatch, name: str, matters: Callable[[Any], object]
) -> list[Any]:
    """The first answer that `matters` is lost, after the database has done it. Gives what was lost."""
    inner: Callable[..., Awaitable[Any]] = getattr(DeliveryRepository, name)
    lost: list[Any] = []

    async def statement(*asked: Any) -> Any:
        answer = await inner(*asked)
        if not lost and matters(answer):
            lost.append(answer)
            raise CommitUnknown("the connection was lost")
        return answer

    monkeypatch.setattr(DeliveryRepository, name, statement)
    return lost


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_claim_whose_answer_was_lost_is_given_back_and_sent_once(
    vendor: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(
        vendor, database_url, tmp_path, database_patience_seconds=PATIENCE_SECONDS
    ) as world:
        world.start_worker()
        await world.synced()
        (resident, *_) = await world.residents()
        lost = lose_an_answer(monkeypatch, "claim", lambda answer: answer[0])
        write = await world.write(resident, "its claim was lost")
        end = await world.end_of(write)
        assert [claimed.id for claimed in lost[0][0]] == [write.id]
        assert end["state"] == "succeeded"
        assert len(await world.arrived("its claim was lost")) == 1


async def test_a_claimed_look_whose_answer_was_lost_is_made_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(
        "BUILDIUM", database_url, tmp_path, database_patience_seconds=PATIENCE_SECONDS
    ) as world:
        world.start_worker()
        await world.synced()
        (resident, *_) = await world.residents()
        lost = lose_an_answer(
            monkeypatch,
            "claim",
            lambda answer: any(claimed.state == "reconciling" for claimed in answer[0]),
        )
        await world.fault(fault="reset_after_effect", n=1)
        write = await world.write(resident, "looked for twice")
        end = await world.end_of(write)
        assert lost
        assert (end["state"], end["resolution"]) == ("succeeded", world.settled)
        assert len(await world.arrived("looked for twice")) == 1


async def test_what_is_carried_for_longer_than_an_answer_takes_is_not_taken_for_lost(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(
        VENDORS[0], database_url, tmp_path, database_patience_seconds=PATIENCE_SECONDS
    ) as world:
        world.start_worker()
        await world.synced()
        first, second, *_ = await world.residents()
        await world.fault(fault="delay", seconds=4 * PATIENCE_SECONDS, n=1)
        slow = await world.write(first, "the PMS is slow")

        async def is_out() -> bool:
            return bool((await world.row(slow))["state"] == "sending")

        await eventually(is_out)
        lose_an_answer(monkeypatch, "claim", lambda answer: answer[0])
        quick = await world.write(second, "its claim was lost")
        ends = [await world.end_of(write) for write in (slow, quick)]
        assert [(end["state"], end["attempts"]) for end in ends] == [
            ("succeeded", 1),
            ("succeeded", 2),
        ]


async def test_what_was_sent_and_could_not_be_recorded_is_not_taken_for_lost(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(
        VENDORS[0], database_url, tmp_path, database_patience_seconds=PATIENCE_SECONDS
    ) as world:
        world.start_worker()
        await world.synced()
        first, second, *_ = await world.residents()
        named, text = new_id(), "its end is not recorded"
        inner = Finisher.finish

        async def finish(finisher: Finisher, worker_id: UUID, row: Mapping[str, Any]) -> bool:
            if row["write_id"] == named:
                raise RuntimeError("a fault of ours")
            return await inner(finisher, worker_id, row)

        monkeypatch.setattr(Finisher, "finish", finish)
        sent = await world.write(first, text, id=named)

        async def has_arrived() -> bool:
            return bool(await world.arrived(text))

        await eventually(has_arrived)
        lose_an_answer(monkeypatch, "claim", lambda answer: answer[0])
        lost = await world.write(second, "its claim was lost")
        assert (await world.end_of(lost))["state"] == "succeeded"
        # It was there to be found for as long as the other: whoever takes the lease over looks for it.
        assert (await world.row(sent))["state"] == "sending"
        assert len(await world.arrived(text)) == 1


async def test_a_lease_whose_taking_was_answered_to_nobody_is_taken_up_all_the_same(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(VENDORS[0], database_url, tmp_path) as world:
        lost = lose_an_answer(monkeypatch, "acquire_leases", bool)
        world.start_worker()
        await world.synced()
        assert world.integration_id in lost[0]


async def test_a_lease_that_was_given_back_to_a_lost_answer_is_taken_up_anew(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(VENDORS[0], database_url, tmp_path) as world:
        worker = world.start_worker()
        await world.synced()
        before = await _lease(world)
        await world.services.database.execute(
            "UPDATE leases SET worker_id = NULL WHERE integration_id = $1", world.integration_id
        )

        async def is_taken_anew() -> bool:
            lease = await _lease(world)
            return lease[0] == before[0] and lease[1] > before[1]

        await eventually(is_taken_anew)

        async def is_known() -> bool:
            holding = worker._holdings.get(world.integration_id)
            return holding is not None and holding.epoch > before[1]

        await eventually(is_known)
        (resident, *_) = await world.residents()
        assert (await world.end_of(await world.write(resident, "goes on")))["state"] == "succeeded"


async def _lease(world: World) -> tuple[Any, int]:
    row = await world.services.database.fetch_row(
        "SELECT worker_id, epoch FROM leases WHERE integration_id = $1", world.integration_id
    )
    assert row is not None
    return row["worker_id"], row["epoch"]
