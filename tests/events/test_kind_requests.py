"""Kinds through the real server: what is stored, shown, replayed and documented."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest
from jsonschema import Draft202012Validator

from frontdesk.database.pool import Database
from frontdesk.events.kinds import takes_types
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.declaration import EVENT_KINDS, EventClass
from tests.events.conftest import MakeWorld
from tests.events.test_accept import post, row_of, written_event
from tests.events.world import POST, SUPPORTING, World, changing, typed, with_
from tests.integrations.world import PATH, refused

FALLBACK = {"kind_fallback": "note"}
CALL: dict[str, Any] = {
    "kind": "call_in",
    "event_datetime": "2026-03-02T16:30:00Z",
    "call_phone_number_from": "+1 303 555 0142",
    "call_phone_number_to": "+1 303 555 0100",
    "call_status": "ANSWER",
    "call_duration": 95,
    "notes": "Asked for a second key.",
}


def untyped() -> Vendor:
    """A vendor whose events are notes, whatever happened."""
    return with_(lambda declaration: not takes_types(declaration.create))


def named(world: World, **changes: Any) -> dict[str, Any]:
    """A call with its resident, by nothing but words."""
    return {"integration_id": world.integration_id, "resident_id": world.resident} | CALL | changes


@pytest.mark.parametrize("vendor", SUPPORTING, ids=lambda vendor: vendor.declaration.vendor)
async def test_a_note_by_kind_is_the_same_write_as_one_by_type(
    vendor: Vendor, client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    async with client.get(f"{PATH}/{world.integration_id}/event-type-map") as answer:
        kinds = {entry["kind"]: entry for entry in (await answer.json())["results"]["kinds"]}
    body = world.body(event_type_id=kinds["note"]["event_type_id"])
    by_kind = {**body, "kind": "note", "event_type_id": None}
    one, other = await post(client, body), await post(client, by_kind)
    assert other["data"] == one["data"] | {"kind": "note"}
    assert other["warnings"] == one["warnings"]
    rows = [await row_of(database, shown["job_id"]) for shown in (one, other)]
    assert rows[0]["plan"] == rows[1]["plan"]
    assert rows[0]["event"] == rows[1]["event"]
    assert orjson.loads(rows[1]["input"])["kind"] == "note"


@pytest.mark.parametrize("vendor", SUPPORTING, ids=lambda vendor: vendor.declaration.vendor)
async def test_one_note_body_fits_every_pms_when_unknown_fields_are_ignored(
    vendor: Vendor, client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    shown = await post(
        client,
        {**named(world), "kind": "note"},
        path=f"{POST}/{vendor.declaration.vendor.lower()}",
        params={"ignore_unknown_fields": "true"},
    )
    assert shown["data"]["notes"] == CALL["notes"]
    assert shown["data"]["call_status"] is None
    assert {w["code"] for w in shown["warnings"]} <= {"dropped", "time_of_day_dropped"}


@pytest.mark.parametrize("vendor", SUPPORTING, ids=lambda vendor: vendor.declaration.vendor)
async def test_one_call_body_fits_every_pms_with_the_fallback_and_a_dry_run_shows_how(
    vendor: Vendor, client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    shown = await post(client, named(world), params=FALLBACK)
    moved = [w["field"] for w in shown["warnings"] if w["code"] == "moved_to_notes"]
    lines = shown["data"]["notes"].split("\n\n")
    assert lines[-1] == CALL["notes"]
    assert (lines[0].splitlines()[0] == "Incoming call") is bool(moved)
    for name in moved:
        assert shown["data"][name] is None
        assert str(CALL[name]) in lines[0]
    kept = CALL.keys() - set(moved) - {"notes"}
    assert {name: shown["data"][name] for name in kept} == {name: CALL[name] for name in kept}
    row = await row_of(database, shown["job_id"])
    assert orjson.loads(row["event"])["data"]["notes"] == shown["data"]["notes"]
    assert orjson.loads(row["warnings"]) == shown["warnings"]
    dry = await post(client, named(world), params=FALLBACK | {"dry_run": "true"})
    assert dry["warnings"] == shown["warnings"]
    for name in moved:
        assert str(CALL[name]) in dry["request"]["body"]


async def test_a_kind_that_cannot_be_held_is_refused_with_what_can(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(untyped())
    for path in (POST, f"{POST}/{world.declaration.vendor.lower()}"):
        async with client.post(path, json=named(world), params={"dry_run": "true"}) as answer:
            assert answer.status == 400
            issues = (await answer.json())["error"]["details"]["issues"]
        (issue,) = [found for found in issues if found["path"] == ["kind"]]
        assert (issue["code"], issue["expected"], issue["received"]) == (
            "not_held",
            "note",
            "call_in",
        )


async def test_every_kind_of_a_pms_with_types_becomes_a_type_of_its_class(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    classes = world.declaration.classes
    for kind in set(classes.values()) - {EventClass.OTHER}:
        body = {**world.body(kind), "kind": str(kind)}
        body.pop("event_type_id")
        shown = await post(client, body)
        of_class = {x for x, found in classes.items() if found is kind}
        assert shown["data"]["event_type_id"] in {
            world.ids[f"event_types:{x_id}"] for x_id in of_class
        }


async def test_a_type_of_another_kind_beside_it_is_refused_and_the_same_is_not(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    shown = await post(client, named(world))
    same = shown["data"]["event_type_id"]
    await post(client, named(world, event_type_id=same))
    other = world.type_of(EventClass.CALL_OUT)
    async with client.post(POST, json=named(world, event_type_id=other)) as answer:
        assert await refused(answer, 400, "invalid_request") == {"kind": "not_allowed"}
    async with client.post(POST, json=named(world, event_type_id="nothing")) as answer:
        assert await refused(answer, 400, "unknown_reference") == {
            "event_type_id": "unknown_reference"
        }


async def test_before_the_first_sync_the_answer_says_why_no_kind_is_held(
    client: aiohttp.ClientSession, make_world: MakeWorld, database: Database
) -> None:
    world = await make_world(typed(), synced=False)
    await database.execute(
        "DELETE FROM event_types WHERE integration_id = $1", UUID(world.integration_id)
    )
    async with client.post(POST, json=named(world), params=FALLBACK) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert [(i["path"], i["code"], i["expected"]) for i in error["details"]["issues"]] == [
        (["kind"], "not_held", "none")
    ]
    assert "first sync" in error["message"]


async def test_what_is_wrong_with_a_kind_and_the_rest_comes_in_one_answer(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    async with client.post(
        POST, json=named(world, kind="phone", title=7, resident_id="nobody")
    ) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "kind": "invalid_value",
            "title": "wrong_type",
            "resident_id": "unknown_reference",
        }


async def test_an_update_has_no_kind_and_no_fallback(
    client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(changing())
    event_id = await written_event(client, database, world)
    async with client.put(f"{POST}/{event_id}", json={"notes": "x", "kind": "note"}) as answer:
        assert await refused(answer, 400, "invalid_request") == {"kind": "unknown_field"}
    async with client.put(f"{POST}/{event_id}", json={"notes": "x"}, params=FALLBACK) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "query.kind_fallback": "unknown_field"
        }


async def test_the_fallback_has_one_value_and_means_nothing_without_a_kind(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(SUPPORTING[0])
    async with client.post(POST, json=world.body(), params={"kind_fallback": "task"}) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "query.kind_fallback": "invalid_value"
        }
    plain = await post(client, world.body(), params=FALLBACK)
    assert plain["data"]["notes"] == world.body()["notes"]


async def test_kind_and_fallback_are_part_of_what_a_key_stands_for(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(untyped())
    headers = {"Idempotency-Key": str(new_id())}
    first = await post(client, named(world), headers=headers, params=FALLBACK)
    assert first == await post(client, named(world), headers=headers, params=FALLBACK)
    for body, params in (
        (named(world, kind="call_out"), FALLBACK),
        (named(world, kind=None), FALLBACK),
        (named(world), {}),
    ):
        async with client.post(POST, json=body, headers=headers, params=params) as answer:
            await refused(answer, 422, "idempotency_mismatch")


async def test_what_the_notes_only_name_is_on_no_record_as_its_author(
    client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(untyped())
    body = named(
        world,
        employee_id=world.ids["employees:21"],
        unit_id=world.ids["units:11"],
    )
    shown = await post(client, body, params=FALLBACK)
    assert "\nUnit: 1A\nEmployee: Agent\n" in shown["data"]["notes"]
    data = orjson.loads((await row_of(database, shown["job_id"]))["event"])["data"]
    assert not {"agent_name", "x_leasing_agent_id", "unit_id", "employee_id", "kind"} & set(data)


async def test_requests_that_come_together_get_each_the_type_of_their_own_kind(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world, other = await make_world(typed()), await make_world(untyped())
    kinds = ["note", "call_in", "visit", None] * 6
    bodies = [
        {**world.body(EventClass(kind or "note")), "kind": kind}
        | ({"event_type_id": None} if kind else {})
        for kind in kinds
    ]
    answers = await asyncio.gather(
        *(post(client, body) for body in bodies),
        *(post(client, named(other), params=FALLBACK) for _ in range(6)),
    )
    for kind, shown in zip(kinds, answers, strict=False):
        assert shown["data"]["event_type_id"] == world.type_of(EventClass(kind or "note"))
    assert {shown["data"]["event_type_id"] for shown in answers[len(kinds) :]} == {None}


async def test_the_documents_know_kinds_where_a_new_event_is_written_and_nowhere_else(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/openapi.json") as answer:
        document = await answer.json()
    for path, operations in document["paths"].items():
        if not path.startswith(POST):
            continue
        for method, operation in operations.items():
            if "requestBody" not in operation:
                continue
            content = operation["requestBody"]["content"]["application/json"]
            # What stands more than once is referred to, from a place in the document.
            schema = {**content["schema"], "components": document["components"]}
            if "$ref" in schema:
                schema |= document["components"]["schemas"][schema.pop("$ref").rpartition("/")[2]]
            fields = schema["properties"]
            if "events" in fields:
                # A call of many: its bodies are those of the single call.
                Draft202012Validator(schema).validate(content["example"])
                continue
            parameters = {parameter["name"] for parameter in operation["parameters"]}
            is_new = method == "post"
            assert ("kind" in fields) is is_new, path
            assert ("kind_fallback" in parameters) is is_new, path
            Draft202012Validator(schema).validate(content["example"])
            if is_new:
                assert fields["kind"]["enum"] == [*map(str, EVENT_KINDS), None]
