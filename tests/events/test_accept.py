"""An event is accepted: what is answered, and what is stored."""

from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.database.pool import Database
from frontdesk.events.fields import EVENT_FIELDS
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.declaration import EventClass, Model
from tests.events.conftest import MakeWorld
from tests.events.world import EMAIL, POST, SUPPORTING, changing, classes_of, takes, typed
from tests.integrations.world import refused

FIELDS = [item.name for item in EVENT_FIELDS]


def name_of(vendor: Vendor) -> str:
    return vendor.declaration.vendor


async def post(
    client: aiohttp.ClientSession, body: Any, path: str = POST, **options: Any
) -> dict[str, Any]:
    async with client.post(path, json=body, **options) as answer:
        assert answer.status == 200, await answer.text()
        shown: dict[str, Any] = await answer.json()
        return shown


async def row_of(database: Database, job_id: str) -> Any:
    return await database.fetch_row("SELECT * FROM writes WHERE id = $1", UUID(job_id))


@pytest.mark.parametrize("vendor", SUPPORTING, ids=name_of)
async def test_an_accepted_event_is_one_row_and_its_answer_has_every_field(
    vendor: Vendor, client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    body = world.body(external_reference="ticket-1")
    shown = await post(client, body)
    assert set(shown) == {"job_id", "data", "meta", "result", "warnings"}
    assert shown["meta"] == {"job_id": shown["job_id"]}
    assert shown["result"] == shown["data"]
    own = ["external_reference", "callback_url", "kind", "send_at", "expires_at"]
    assert list(shown["data"]) == [*FIELDS, *own]
    default = {"event_type": "Note"} if takes(vendor.declaration.create, "event_type") else {}
    given = {name: value for name, value in shown["data"].items() if value is not None}
    assert given == {**body, **default}
    row = await row_of(database, shown["job_id"])
    assert row["state"] == "queued"
    assert str(row["resident_id"]) == world.resident
    assert row["budget_key"] in vendor.declaration.write_keys
    assert row["external_reference"] == "ticket-1"
    assert orjson.loads(row["input"]) == given
    event = orjson.loads(row["event"])
    assert event["x_property_id"] == "1"
    assert event["property_id"] == world.id(Model.PROPERTIES, "1")
    assert event["data"]["notes"] == body["notes"]
    assert event["data"]["associated_resident_ids"] == [world.resident]


@pytest.mark.parametrize("vendor", SUPPORTING, ids=name_of)
async def test_every_declared_field_is_accepted_and_every_other_refused_by_name(
    vendor: Vendor, client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    operation = vendor.declaration.create
    assert operation is not None
    classes = classes_of(vendor.declaration)
    for event_class in set(classes.values()) or {EventClass.NOTE}:
        x_id = next((x for x, c in classes.items() if c is event_class), None)
        refused_here = {
            name
            for rule in operation.rules
            if rule.applies(event_class, x_id, frozenset(FIELDS))
            for name in rule.refuse
        }
        values = world.values(event_class) | {"email_send": False}
        taken = {n: values[n] for n in operation.fields if n not in refused_here}
        # Some texts have no room on some routes: those fields are tried one by one.
        for name in taken:
            body = world.body(event_class) | {name: values[name]}
            for need in ("appointment_datetime",) if name in ("time_from", "time_to") else ():
                body[need] = values[need]
            async with client.post(POST, json=body, params={"dry_run": "true"}) as answer:
                assert answer.status == 200, (event_class, name, await answer.text())
        foreign = [n for n in FIELDS if n not in operation.fields and n != "integration_id"]
        foreign = [n for n in foreign if n != "event_type"] + sorted(refused_here)
        body = world.body(event_class) | {name: values[name] for name in foreign}
        async with client.post(POST, json=body) as answer:
            problems = await refused(answer, 400, "invalid_request")
        assert problems == dict.fromkeys(foreign, "not_taken")


@pytest.mark.parametrize("vendor", SUPPORTING, ids=name_of)
async def test_fields_that_a_pms_does_not_take_are_dropped_with_a_warning_when_asked(
    vendor: Vendor, client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    operation = vendor.declaration.create
    assert operation is not None
    values = world.values()
    foreign = {
        n: values[n] for n in FIELDS if n not in operation.fields and n not in ("integration_id",)
    }
    body = world.body() | foreign
    shown = await post(client, body, params={"ignore_unknown_fields": "true"})
    dropped = {w["field"] for w in shown["warnings"] if w["code"] == "dropped"}
    assert dropped == set(foreign) - {"event_type"}
    assert all(shown["data"][name] is None for name in dropped)


async def test_a_key_of_no_pms_is_refused_even_when_unknown_fields_are_ignored(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(SUPPORTING[0])
    for key in ("nonsense", "sent_at"):
        body = world.body() | {key: "2030-01-01T00:00:00Z"}
        async with client.post(POST, json=body, params={"ignore_unknown_fields": "true"}) as answer:
            assert await refused(answer, 400, "invalid_request") == {key: "unknown_field"}


async def test_null_counts_as_absent_and_an_explicit_note_too(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    body = world.body(event_type="Note")
    shown = await post(client, body | dict.fromkeys(set(FIELDS) - set(body)))
    assert shown["data"]["event_type"] is None


async def test_the_slash_at_the_end_changes_nothing(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(SUPPORTING[0])
    await post(client, world.body(), path=f"{POST}/")
    await post(client, world.body(), path=f"{POST}/{name_of(world.vendor).lower()}/")
    await post(client, world.body(), path=f"{POST}/{name_of(world.vendor)}")


async def test_an_update_becomes_a_write_of_the_events_own_lane(
    client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(changing())
    event_id = await written_event(client, database, world)
    changes = {"notes": "Another text", "external_reference": "ticket-2"}
    async with client.put(f"{POST}/{event_id}/", json=changes) as answer:
        assert answer.status == 200, await answer.text()
        shown = await answer.json()
    assert shown["data"]["notes"] == "Another text"
    assert shown["data"]["integration_id"] == world.integration_id
    assert shown["data"]["resident_id"] == world.resident
    row = await row_of(database, shown["job_id"])
    assert (row["operation"], str(row["event_id"])) == ("update", event_id)
    assert orjson.loads(row["plan"])["x_event_id"] == "900"
    assert orjson.loads(row["event"])["data"]["notes"] == "Another text"
    path = f"{POST}/{name_of(world.vendor).lower()}/{event_id}"
    async with client.put(path, json={"notes": "By its own path"}) as answer:
        assert answer.status == 200, await answer.text()


async def test_an_update_that_changes_nothing_or_an_event_without_a_pms_id_is_refused(
    client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(changing())
    event_id = await written_event(client, database, world)
    async with client.put(f"{POST}/{event_id}", json={"title": "x"}) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "title": "unknown_field",
            "notes": "required",
        }
    await database.execute("UPDATE events SET x_id = NULL WHERE id = $1", UUID(event_id))
    async with client.put(f"{POST}/{event_id}", json={"notes": "x"}) as answer:
        await refused(answer, 409, "conflict")
    async with client.put(f"{POST}/nothing", json={"notes": "x"}) as answer:
        await refused(answer, 404, "not_found")


async def test_strangers_neither_change_an_event_nor_learn_that_it_exists(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    database: Database,
    make_world: MakeWorld,
) -> None:
    world = await make_world(changing())
    event_id = await written_event(client, database, world)
    async with strange_client.put(f"{POST}/{event_id}", json={"notes": "x"}) as answer:
        await refused(answer, 404, "not_found")
    async with strange_client.post(POST, json=world.body()) as answer:
        assert await refused(answer, 400, "unknown_reference") == {
            "integration_id": "unknown_reference"
        }


async def test_email_to_is_the_residents_address_whatever_its_case(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    body = world.body(EventClass.EMAIL_OUT, email_to=f" {EMAIL.upper()} ")
    await post(client, body)


async def test_a_number_that_is_none_goes_as_sent_with_a_warning(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    shown = await post(client, world.body(EventClass.CALL_IN, call_phone_number_from="front desk"))
    assert [(w["field"], w["code"]) for w in shown["warnings"]] == [
        ("call_phone_number_from", "unreadable_phone_number")
    ]
    assert shown["data"]["call_phone_number_from"] == "front desk"


async def written_event(client: aiohttp.ClientSession, database: Database, world: Any) -> str:
    """An event that the PMS knows as `900`."""
    shown = await post(client, world.body())
    row = await row_of(database, shown["job_id"])
    await database.execute(
        "INSERT INTO events (id, account_id, integration_id, vendor, x_id, x_property_id,"
        " property_id, data, resident_id, origin_job_id)"
        " SELECT event_id, account_id, integration_id, vendor, $2, '1',"
        " (event->>'property_id')::uuid, event->'data', resident_id, id FROM writes WHERE id = $1",
        UUID(shown["job_id"]),
        "900",
    )
    return str(row["event_id"])
