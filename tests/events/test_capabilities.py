"""The capabilities say what the validator enforces: both come from the declaration."""

from typing import Any
from uuid import UUID

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from frontdesk.events.capabilities import capabilities_of
from frontdesk.events.documents import CAPABILITIES_LIST, CAPABILITIES_SCHEMA
from frontdesk.events.fields import EVENT_FIELDS
from frontdesk.events.json_schema import KnownType, event_schema, generic_schema
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.declaration import EventClass, Model
from frontdesk.vendors.registry import vendors
from tests.events.conftest import MakeWorld
from tests.events.world import POST, SUPPORTING, typed, wrong_value
from tests.integrations.world import PATH, refused

GIVEN = {"not": {"type": "null"}}


async def test_every_vendor_is_listed_in_the_documented_shape(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/v1/capabilities/") as answer:
        assert answer.status == 200
        shown = await answer.json()
    Draft202012Validator(CAPABILITIES_LIST).validate(shown)
    assert [entry["vendor"] for entry in shown["results"]] == list(vendors())
    for entry in shown["results"]:
        for operation in entry["operations"].values():
            assert operation["supported"] or operation["reason"]
            if operation["supported"]:
                Draft202012Validator.check_schema(operation["schema"])


async def test_an_integrations_schema_holds_its_own_type_ids_in_its_conditions(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed())
    async with client.get(f"{PATH}/{world.integration_id}/capabilities") as answer:
        assert answer.status == 200
        results = (await answer.json())["results"]
    Draft202012Validator(CAPABILITIES_SCHEMA).validate(results)
    schema = results["operations"]["create"]["schema"]
    call = world.body(EventClass.CALL_IN)
    cases: list[tuple[dict[str, Any], bool]] = [
        (call, True),
        ({**call, "call_status": None}, False),
        ({k: v for k, v in call.items() if k != "call_duration"}, False),
        (world.body(), True),
        (world.body(call_status="ANSWER"), False),
        (world.body(event_name="x"), False),
        (world.body(time_from="09:00"), False),
        (world.body(time_from="09:00", appointment_datetime="2026-03-05T09:00:00Z"), True),
        (call | {"event_type_id": None}, False),
        (call | {"event_type_id": None, "kind": "call_in"}, True),
        (call | {"event_type_id": None, "kind": "call_in", "call_status": None}, False),
        (call | {"event_type_id": None, "kind": "note"}, False),
        (world.body(event_type_id=None, kind="note"), True),
        (world.body(event_type_id=None, kind="nonsense"), False),
    ]
    for body, valid in cases:
        assert Draft202012Validator(schema).is_valid(body) is valid, body
        async with client.post(POST, json=body, params={"dry_run": "true"}) as answer:
            assert (answer.status == 200) is valid, await answer.text()
    shown = {kind["id"] for kind in results["event_types"]}
    assert world.type_of(EventClass.NOTE) in shown
    assert world.id(Model.EVENT_TYPES, "elsewhere") not in shown
    assert set(results["kinds"]) == set(world.declaration.classes.values()) - {EventClass.OTHER}


async def test_an_integration_of_another_account_is_not_there(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    make_world: MakeWorld,
) -> None:
    world = await make_world(SUPPORTING[0])
    for integration_id in (world.integration_id, str(UUID(int=0)), "nothing"):
        async with strange_client.get(f"{PATH}/{integration_id}/capabilities") as answer:
            await refused(answer, 404, "not_found")


@pytest.mark.parametrize("vendor", vendors().values(), ids=lambda v: v.declaration.vendor)
def test_the_schema_has_exactly_the_declared_fields(vendor: Vendor) -> None:
    declaration = vendor.declaration
    for name in ("create", "update"):
        operation = getattr(declaration, name)
        if operation is None:
            assert not capabilities_of(declaration)["operations"][name]["supported"]
            continue
        own = {"external_reference", "callback_url"}
        if name == "create":
            own |= {"integration_id", "kind", "send_at", "expires_at"}
        schema = event_schema(declaration, name)
        assert set(schema["properties"]) == set(operation.fields) | own
        required = {field for field, taken in operation.fields.items() if taken.required}
        # Of an event type, a kind takes the place.
        expected = required - {"event_type_id"} | (own & {"integration_id"})
        assert set(schema.get("required", ())) == expected
        if "event_type_id" in required:
            assert {"required": ["kind"], "properties": {"kind": GIVEN}} in schema["allOf"][-1][
                "anyOf"
            ]


def test_a_condition_on_types_that_are_not_known_holds_for_nothing() -> None:
    declaration = typed().declaration
    call = {"integration_id": "i", "event_type_id": "t", "call_status": "ANSWER"}
    conditions = event_schema(declaration, "create")["allOf"]
    assert Draft202012Validator({"allOf": conditions}).is_valid(call)
    known = [KnownType("t", "8", "Notes", EventClass.NOTE)]
    conditions = event_schema(declaration, "create", known)["allOf"]
    assert not Draft202012Validator({"allOf": conditions}).is_valid(call)


@pytest.mark.parametrize("name", [item.name for item in EVENT_FIELDS])
def test_the_generic_schema_takes_a_fields_example_and_no_wrong_type(name: str) -> None:
    validator = Draft202012Validator(generic_schema("create"))
    example = next(item.example for item in EVENT_FIELDS if item.name == name)
    body = {"integration_id": "i"} | {name: example}
    assert validator.is_valid(body)
    assert not validator.is_valid(body | {name: wrong_value(name)})


def test_a_document_tells_rules_about_types_in_words_and_others_as_conditions() -> None:
    declaration = typed().declaration
    assert declaration.create is not None
    schema = event_schema(declaration, "create", by_type=False)
    for rule in declaration.create.rules:
        told = bool(rule.classes or rule.x_type_ids)
        assert (rule.message in schema["description"]) is told
    body = dict.fromkeys(schema["required"], "x") | {"event_datetime": "2026-03-02T16:30:00Z"}
    validator = Draft202012Validator(schema)
    assert not validator.is_valid(body), "neither a type nor a kind"
    assert validator.is_valid(body | {"event_type_id": "x"})
    body["kind"] = "note"
    assert validator.is_valid(body | {"call_status": "ANSWER"})
    assert not validator.is_valid(body | {"time_from": "09:00"})
