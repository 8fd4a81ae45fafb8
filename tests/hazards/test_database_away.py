"""The database goes away for a moment, between two steps of one write: what was known stays known."""

from collections.abc import Callable
from typing import Any

import pytest

from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.delivery.lookup_repository import LookupRepository
from frontdesk.delivery.reading import Reader
from frontdesk.delivery.sending import Sender
from frontdesk.vendors.declaration import RecordId
from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import World, eventually

pytestmark = pytest.mark.second_half


def away_once(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, *, after: bool = False
) -> list[str]:
    """The method finds no database the next time (`after`: when it has done its work); gives a list
    that tells whether that has happened."""
    real: Callable[..., Any] = getattr(owner, method)
    happened: list[str] = []

    async def away(self: Any, *arguments: Any, **named: Any) -> Any:
        if happened:
            return await real(self, *arguments, **named)
        happened.append(method)
        if after:
            await real(self, *arguments, **named)
        raise DatabaseUnavailable("away for a moment")

    monkeypatch.setattr(owner, method, away)
    return happened


async def outcomes(world: World, write_id: object) -> list[str]:
    rows = await world.services.database.fetch(
        "SELECT outcome FROM attempts WHERE job_id = $1 AND kind = 'send' ORDER BY number", write_id
    )
    return [row["outcome"] for row in rows]


async def test_what_the_pms_said_is_not_forgotten_while_the_database_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (resident, *_) = await world.residents()
    happened = away_once(monkeypatch, Sender, "_react")

    write = await world.write(resident, "said, and heard")
    end = await world.end_of(write)

    assert happened
    assert end["state"] == "succeeded"
    assert (await outcomes(world, write.id))[-1] == "delivered"
    assert "unknown" not in await outcomes(world, write.id)
    assert len(await world.arrived("said, and heard")) == 1


async def test_what_never_left_is_not_called_unknown_while_the_database_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (resident, *_) = await world.residents()
    happened = away_once(monkeypatch, Sender, "_may_go_to")

    write = await world.write(resident, "not yet out")
    end = await world.end_of(write)

    assert happened
    assert end["state"] == "succeeded"
    assert (await outcomes(world, write.id))[0] == "not_sent"
    assert "unknown" not in await outcomes(world, write.id)
    assert len(await world.arrived("not yet out")) == 1


async def test_an_id_is_learnt_although_the_database_was_away_when_it_was_looked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connector_of(world.vendor).declaration.record_id is not RecordId.READ_BACK:
        pytest.skip("its answers name the id")
    (resident, *_) = await world.residents()

    async def nothing(*_: Any) -> None:
        """The background reading of events, which may find it too, is not what is tried."""

    monkeypatch.setattr(Reader, "tie_found", nothing)
    happened = away_once(monkeypatch, LookupRepository, "without_x_id")

    write = await world.write(resident, "looked for again")
    assert (await world.end_of(write))["state"] == "succeeded"

    async def known() -> bool:
        return (await world.row(write))["x_id"] is not None

    await eventually(known, seconds=30)
    assert happened


async def test_a_look_that_the_database_broke_off_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (resident, *_) = await world.residents()
    happened = away_once(monkeypatch, Reader, "own_record", after=True)
    await world.fault(fault="reset_after_effect", n=1)

    write = await world.write(resident, "broken off")
    end = await world.end_of(write)

    assert (end["state"], end["resolution"]) == ("succeeded", world.settled)
    assert happened or world.settled == "exact"
    assert len(await world.arrived("broken off")) == 1
