"""A write that ended uncertain and turns up at its PMS later has succeeded, and says so again."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from frontdesk.database.pool import Database
from frontdesk.delivery import reconcile, relooking
from frontdesk.ids import new_id
from frontdesk.vault import Vault
from frontdesk.vendors.registry import connector_of
from frontdesk.writes.intake import Intake
from frontdesk.writes.service import WritesService
from tests.delivery.stock import new_write, stock
from tests.hazards.conftest import VENDORS, World, eventually, running_world


@pytest.fixture
async def world(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A PMS that can be asked, and has no key of its own to send again under."""
    vendor = next(
        code
        for code in VENDORS
        if (declared := connector_of(code).declaration).read_back.possible
        and not declared.idempotency_key
    )
    connector = connector_of(vendor)
    soon = replace(connector.declaration.read_back, late_effect_s=0.5, visible_after_s=0.1)
    declared = replace(connector.declaration, read_back=soon)
    monkeypatch.setattr(type(connector), "declaration", property(lambda _: declared))
    monkeypatch.setattr(reconcile, "REFUSALS_TO_GIVE_UP", 2)
    monkeypatch.setattr(relooking, "FIRST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(relooking, "LONGEST_PAUSE_SECONDS", 1.0)
    async with running_world(vendor, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        yield world


async def test_a_write_that_its_pms_refused_to_be_asked_about_is_found_when_it_can_be(
    world: World,
) -> None:
    (resident, *_) = await world.residents()
    await world.fault(fault="status", status=404, n=1000, match={"operation": "read"})
    await world.fault(fault="reset_after_effect", n=1)
    lost = await world.write(resident, "seen much later")
    never = await world.write(resident, "this one is nowhere")
    end = await world.end_of(lost, seconds=60)
    assert end["state"] == "uncertain"
    assert (await world.end_of(never))["state"] == "succeeded"
    assert (await world.sandbox.call("DELETE", "/_sandbox/faults")).status < 300

    async def found() -> bool:
        return bool((await world.row(lost))["state"] == "succeeded")

    await eventually(found, seconds=30)
    row = await world.row(lost)
    (record,) = await world.arrived("seen much later")
    assert (row["resolution"], row["x_id"], row["errors"]) == ("matched", record["x_id"], [])
    # It has ended anew, so that whoever waits for ends is told again.
    assert row["finished_at"] > end["finished_at"]
    event = await world.services.catalog.event(world.account_id, row["event_id"])
    assert event is not None
    assert event.x_id == record["x_id"]
    cached = await world.services.database.fetch_value(
        "SELECT count(*) FROM events WHERE integration_id = $1 AND x_id = $2",
        world.integration_id,
        record["x_id"],
    )
    assert cached == 1


async def test_a_retry_of_a_write_that_has_been_found_meanwhile_sends_nothing(
    database: Database,
) -> None:
    the = await stock(database)
    intake = Intake(database, queue=10, batch=10)
    old = new_write(the, new_id())
    await intake.submit(old)
    await database.execute(
        "UPDATE writes SET state = 'uncertain', finished_at = now(), ready_at = NULL,"
        " first_sent_at = now() WHERE id = $1",
        old.id,
    )
    assert await database.fetch_value("SELECT settle_uncertain($1, 'x1', '{}', NULL)", old.id)
    # Once only, whoever finds it again.
    assert not await database.fetch_value("SELECT settle_uncertain($1, 'x2', '{}', NULL)", old.id)
    # The retry was asked for before, and is accepted after.
    retry, behind = (
        new_write(the, old.resident_id, retry_of=old.id),
        new_write(the, old.resident_id),
    )
    await intake.submit(retry)
    await intake.submit(behind)
    await intake.close()
    service = WritesService(database, intake, Vault(bytes(32)), waiters=1)
    shown = await service.status(the.account_id, retry.id)
    assert (shown["state"], shown["error_details"][0]["code"]) == ("cancelled", "found")
    assert await database.fetch_value(
        "SELECT ready_at IS NOT NULL FROM writes WHERE id = $1", behind.id
    )


async def test_one_that_was_sent_again_is_its_retrys_to_look_for(database: Database) -> None:
    the = await stock(database)
    intake = Intake(database, queue=10, batch=10)
    old = new_write(the, new_id())
    await intake.submit(old)
    await database.execute(
        "UPDATE writes SET state = 'uncertain', finished_at = now(), ready_at = NULL,"
        " first_sent_at = now() WHERE id = $1",
        old.id,
    )
    await intake.submit(new_write(the, old.resident_id, retry_of=old.id))
    await intake.close()
    assert not await database.fetch_value("SELECT settle_uncertain($1, 'x1', '{}', NULL)", old.id)
