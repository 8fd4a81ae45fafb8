"""`mark_notes`: a reference at the end of each new note, by which it is told from every other."""

from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.database.pool import Database
from frontdesk.events.marks import MARK_LENGTH, mark_of, marked
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Vendor
from frontdesk.writes.plans import load_plan
from tests.events.conftest import MakeWorld
from tests.events.test_accept import name_of, post
from tests.events.world import POST, SUPPORTING
from tests.integrations.world import refused


def test_a_mark_is_the_jobs_own_and_has_its_length() -> None:
    job_id = new_id()
    assert mark_of(job_id) == mark_of(job_id) != mark_of(new_id())
    assert len(marked("", mark_of(job_id))) == MARK_LENGTH


@pytest.mark.parametrize("vendor", SUPPORTING, ids=name_of)
async def test_the_note_that_is_sent_bears_the_mark_and_the_answer_and_the_cache_do_not(
    vendor: Vendor, client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(vendor, mark_notes=True)
    shown = await post(client, world.body(notes="Asked for a key."))
    assert shown["data"]["notes"] == "Asked for a key."
    row = await database.fetch_row(
        "SELECT plan, event FROM writes WHERE id = $1", UUID(shown["job_id"])
    )
    assert row is not None
    plan = load_plan(orjson.loads(row["plan"]))
    mark = mark_of(UUID(shown["job_id"]))
    assert plan.trace.mark == mark
    assert marked("Asked for a key.", mark) in plan.trace.text
    assert mark in orjson.dumps(plan.payload).decode()
    assert mark not in row["event"]


async def test_without_it_nothing_is_added(
    client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(SUPPORTING[0])
    shown = await post(client, world.body())
    plan = await database.fetch_value(
        "SELECT plan FROM writes WHERE id = $1", UUID(shown["job_id"])
    )
    assert "[fd-" not in plan
    assert "mark" not in orjson.loads(plan)["trace"]


async def test_a_dry_run_shows_it_as_a_change(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(SUPPORTING[0], mark_notes=True)
    shown = await post(client, world.body(notes="A text"), params={"dry_run": "true"})
    assert "A text [fd-" in shown["request"]["body"]
    assert [(w["field"], w["code"]) for w in shown["warnings"]] == [("notes", "marked")]
    accepted = await post(client, world.body(notes="A text"))
    assert accepted["warnings"] == []


async def test_the_mark_counts_against_the_longest_note(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    def longest_of(vendor: Vendor) -> int | None:
        operation = vendor.declaration.create
        return None if operation is None else operation.fields["notes"].max_length

    vendor = next(vendor for vendor in SUPPORTING if longest_of(vendor))
    longest = longest_of(vendor)
    assert longest is not None
    world = await make_world(vendor, mark_notes=True)
    await post(client, world.body(notes="x" * (longest - MARK_LENGTH)))
    async with client.post(
        POST, json=world.body(notes="x" * (longest - MARK_LENGTH + 1))
    ) as answer:
        assert await refused(answer, 400, "invalid_request") == {"notes": "too_long"}
        assert "mark" in await answer.text()
