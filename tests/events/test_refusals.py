"""What is refused, with which code and at which path; and that a refusal stores nothing."""

from typing import Any

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.events.fields import EVENT_FIELDS
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.declaration import EventClass, Model, TimeRule
from frontdesk.vendors.registry import vendors
from tests.conftest import LiveServer, MakeAccount, session
from tests.events.conftest import MakeWorld
from tests.events.test_accept import written_event
from tests.events.world import POST, SUPPORTING, World, changing, typed, with_, wrong_value
from tests.integrations.world import PATH, refused

NOWHERE = "0198c0de-0000-7000-8000-00000000dead"


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """Of the vendor with the most rules."""
    return await make_world(typed())


async def problems(
    client: aiohttp.ClientSession, body: Any, code: str = "invalid_request", **options: Any
) -> dict[str, str]:
    async with client.post(POST, json=body, **options) as answer:
        return await refused(answer, 400, code)


async def issues(client: aiohttp.ClientSession, body: Any) -> dict[str, dict[str, Any]]:
    async with client.post(POST, json=body) as answer:
        assert answer.status == 400
        found = (await answer.json())["error"]["details"]["issues"]
    return {".".join(issue["path"]): issue for issue in found}


@pytest.mark.parametrize("vendor", SUPPORTING, ids=lambda vendor: vendor.declaration.vendor)
async def test_each_required_field_is_named_when_it_is_missing_blank_or_all_are(
    vendor: Vendor, client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    operation = vendor.declaration.create
    assert operation is not None
    required = [name for name, taken in operation.fields.items() if taken.required]
    for name in required:
        for missing in ({}, {name: None}):
            body = {k: v for k, v in world.body().items() if k != name} | missing
            assert await problems(client, body) == {name: "required"}
    if operation.fields["notes"].required:
        assert await problems(client, world.body(notes=" \n")) == {"notes": "required"}
    found = await problems(client, {"integration_id": world.integration_id})
    assert found == dict.fromkeys(required, "required")


async def test_every_wrong_type_is_named_at_once(
    client: aiohttp.ClientSession, world: World
) -> None:
    names = [item.name for item in EVENT_FIELDS if item.name != "integration_id"]
    body = {"integration_id": world.integration_id} | {n: wrong_value(n) for n in names}
    async with client.post(POST, json=body) as answer:
        assert answer.status == 400
        found = (await answer.json())["error"]["details"]["issues"]
    wrong = {".".join(i["path"]) for i in found if i["code"] in ("wrong_type", "invalid_value")}
    assert wrong == set(names)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("event_datetime", "2026-03-02T16:30:00", "invalid_value"),
        ("event_datetime", "2026-02-30T16:30:00Z", "invalid_value"),
        ("event_datetime", "0001-01-01T00:00:00+14:00", "invalid_value"),
        ("event_datetime", "yesterday", "invalid_value"),
        ("event_datetime", 1767225600, "wrong_type"),
        ("appointment_datetime", "2026-03-02", "invalid_value"),
        ("call_duration", -1, "out_of_range"),
        ("call_duration", 86_401, "out_of_range"),
        ("call_duration", "60", "wrong_type"),
        ("call_duration", 60.5, "wrong_type"),
        ("call_duration", True, "wrong_type"),
        ("call_duration", 10**40, "wrong_type"),
        ("call_status", "answer", "invalid_value"),
        ("call_audio_link", "recordings/95", "invalid_value"),
        ("call_audio_link", "http://[bad/", "invalid_value"),
        ("email_from", "nobody", "invalid_value"),
        ("email_cc", "a@example.com, b@example.com", "invalid_value"),
        ("email_send", "true", "wrong_type"),
        ("time_from", "24:00", "invalid_value"),
        ("time_to", "9:00", "invalid_value"),
        ("time_to", "09:00\n", "invalid_value"),
        ("external_reference", "", "too_short"),
        ("external_reference", "x" * 256, "too_long"),
        ("event_type", "note", "invalid_value"),
        ("status", "DONE", "invalid_value"),
        ("notes", ["a"], "wrong_type"),
        ("resident_id", "", "unknown_reference"),
        ("resident_id", NOWHERE, "unknown_reference"),
    ],
)
async def test_a_value_that_no_pms_could_take_is_named(
    client: aiohttp.ClientSession, world: World, name: str, value: Any, code: str
) -> None:
    body = world.body() | {name: value}
    async with client.post(POST, json=body) as answer:
        assert answer.status == 400
        found = (await answer.json())["error"]["details"]["issues"]
    assert code in {issue["code"] for issue in found if issue["path"] == [name]}


@pytest.mark.parametrize("address", ["a@b.test", "x@host.local", "o'hara+1@example.invalid"])
async def test_addresses_are_judged_by_their_syntax_alone(
    client: aiohttp.ClientSession, world: World, address: str
) -> None:
    async with client.post(POST, json=world.body(EventClass.EMAIL_OUT, email_from=address)) as got:
        assert got.status == 200, await got.text()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b"[" * 10_000, b'{"a":' * 10_000],
    ids=["empty", "cut", "array", "string", "null", "bytes", "deep array", "deep object"],
)
async def test_what_is_no_json_object_is_a_clear_400(
    client: aiohttp.ClientSession, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    async with client.post(POST, data=body, headers=headers) as answer:
        await refused(answer, 400, "invalid_request")


async def test_two_megabytes_another_media_type_and_a_nul_are_refused(
    client: aiohttp.ClientSession, world: World
) -> None:
    async with client.post(POST, json=world.body(notes="x" * 2_000_000)) as answer:
        await refused(answer, 413, "too_large")
    async with client.post(POST, data="notes=x") as answer:
        await refused(answer, 415, "unsupported_media_type")
    assert "notes" in await problems(client, world.body(notes="a\0b"))


async def test_schema_reference_and_rule_problems_come_in_one_answer(
    client: aiohttp.ClientSession, world: World
) -> None:
    body = world.body(
        EventClass.CALL_IN,
        call_phone_number_from=None,
        call_duration="60",
        employee_id=NOWHERE,
        event_sub_type_id=world.id(Model.EVENT_SUB_TYPES, "foreign"),
        event_name="not taken",
        nonsense=1,
        time_from="10:00",
        time_to="09:00",
    )
    assert await problems(client, body) == {
        "call_duration": "wrong_type",
        "nonsense": "unknown_field",
        "event_name": "not_taken",
        "employee_id": "unknown_reference",
        "event_sub_type_id": "not_allowed",
        "call_phone_number_from": "required",
        "appointment_datetime": "required",
        "time_to": "invalid_value",
    }


async def test_only_unknown_references_are_told_on_top(
    client: aiohttp.ClientSession, make_world: MakeWorld, world: World
) -> None:
    other = await make_world(typed())
    body = world.body(
        resident_id=other.resident, employee_id=other.id(Model.EMPLOYEES, "21"), unit_id="nothing"
    )
    assert await problems(client, body, "unknown_reference") == dict.fromkeys(
        ("resident_id", "employee_id", "unit_id"), "unknown_reference"
    )


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("employee_id", (Model.EMPLOYEES, "22")),
        ("event_type_id", (Model.EVENT_TYPES, "elsewhere")),
        ("event_sub_type_id", (Model.EVENT_SUB_TYPES, "foreign")),
        ("event_result_id", (Model.EVENT_RESULTS, "foreign")),
    ],
)
async def test_a_reference_that_does_not_fit_tells_when_its_record_was_last_seen(
    client: aiohttp.ClientSession, world: World, name: str, record: tuple[Model, str]
) -> None:
    found = await issues(client, world.body() | {name: world.id(*record)})
    assert found[name]["code"] == "not_allowed"
    assert found[name]["last_seen"].endswith("Z")


async def test_a_rule_about_the_event_type_names_the_field_and_the_types_record(
    client: aiohttp.ClientSession, world: World
) -> None:
    found = await issues(client, world.body(EventClass.CALL_IN, call_status=None))
    assert found["call_status"]["code"] == "required"
    assert "last_seen" in found["call_status"]
    found = await issues(client, world.body(call_status="ANSWER"))
    assert found["call_status"]["code"] == "not_taken"


async def test_until_the_first_sync_has_ended_the_message_says_so(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed(), synced=False)
    async with client.post(POST, json=world.body(resident_id=NOWHERE)) as answer:
        assert "first sync" in (await answer.json())["error"]["message"]


async def test_text_longer_than_the_pms_takes_is_refused_and_never_cut(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    limited = with_(lambda declared: declared.create.fields["notes"].max_length)
    world = await make_world(limited)
    operation = limited.declaration.create
    longest = operation.fields["notes"].max_length if operation else None
    assert longest is not None
    async with client.post(POST, json=world.body(notes="ä" * longest)) as answer:
        assert answer.status == 200
    found = await issues(client, world.body(notes="ä" * (longest + 1)))
    assert found["notes"]["code"] == "too_long"
    assert found["notes"]["received"] == f"{longest + 1} characters"


async def test_a_bare_date_is_taken_only_by_a_clock_without_offset(
    client: aiohttp.ClientSession, world: World
) -> None:
    assert world.declaration.time is not TimeRule.PROPERTY_LOCAL
    assert await problems(client, world.body(event_datetime="2026-03-02")) == {
        "event_datetime": "invalid_value"
    }


async def test_times_of_an_appointment_need_their_date_and_their_order(
    client: aiohttp.ClientSession, world: World
) -> None:
    assert await problems(client, world.body(time_from="09:00", time_to="09:00")) == {
        "appointment_datetime": "required",
        "time_to": "invalid_value",
    }


async def test_email_to_must_be_the_residents_and_email_send_must_be_allowed(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(typed(), allow_email_send=False)
    body = world.body(EventClass.EMAIL_OUT, email_to="other@example.com", email_send=True)
    found = await issues(client, body)
    assert {name: issue["code"] for name, issue in found.items()} == {
        "email_to": "not_allowed",
        "email_send": "not_allowed",
    }
    assert "last_seen" in found["email_to"]
    body = world.body(EventClass.EMAIL_OUT, email_send=False)
    async with client.post(POST, json=body) as answer:
        assert answer.status == 200


async def test_the_connectors_own_refusal_comes_with_the_rules(
    client: aiohttp.ClientSession, world: World
) -> None:
    """Two current leases: which one is meant is the connector's question, a field that is not
    taken the rules'."""
    body = world.body(resident_id=world.id(Model.RESIDENTS, "42"), event_name="x")
    found = await problems(client, body)
    assert found.pop("event_name") == "not_taken"
    assert "ambiguous" in found.values()


async def test_an_inactive_or_archived_integration_takes_no_events(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    await database.execute("UPDATE integrations SET active = false")
    fresh = {**world.body(), "integration_id": await inactive(client, world)}
    async with client.post(POST, json=fresh) as answer:
        await refused(answer, 409, "conflict")
    async with client.delete(f"{PATH}/{fresh['integration_id']}") as answer:
        assert answer.status == 200
    async with client.post(POST, json=fresh) as answer:
        await refused(answer, 409, "conflict")


async def inactive(client: aiohttp.ClientSession, world: World) -> str:
    from tests.integrations.world import body_of

    async with client.post(PATH, json=body_of(world.vendor, active=False)) as answer:
        made: dict[str, Any] = await answer.json()
    integration_id: str = made["result"]["id"]
    return integration_id


async def test_a_disabled_property_takes_no_events(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    await database.execute(
        "UPDATE integration_properties SET enabled = false WHERE property_id = $1::uuid",
        world.id(Model.PROPERTIES, "1"),
    )
    async with client.post(POST, json=world.body()) as answer:
        await refused(answer, 409, "conflict")


async def test_a_vendors_path_refuses_an_integration_of_another_vendor(
    client: aiohttp.ClientSession, world: World
) -> None:
    other = next(v for v in SUPPORTING if v is not world.vendor).declaration
    async with client.post(f"{POST}/{other.vendor.lower()}", json=world.body()) as answer:
        found = await refused(answer, 400, "invalid_request")
    assert found["integration_id"] == "vendor_mismatch"


async def test_what_a_pms_cannot_do_is_refused_before_the_rest_is_looked_at(
    client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    fixed = with_(lambda declaration: declaration.update is None)
    world = await make_world(fixed)
    event_id = await written_event(client, database, world)
    async with client.put(f"{POST}/{event_id}", json={"nonsense": 1}) as answer:
        await refused(answer, 405, "not_supported")
    async with client.put(f"{POST}/{event_id}", json={"nonsense": 1}) as answer:
        message = (await answer.json())["error"]["message"]
    assert fixed.declaration.name in message
    for vendor in vendors().values():
        if vendor.declaration.create is None:
            path = f"{POST}/{vendor.declaration.vendor.lower()}"
            async with client.post(path, data=b"{") as answer:
                await refused(answer, 405, "not_supported")


async def test_paths_that_take_no_such_method_or_name_no_pms(
    client: aiohttp.ClientSession,
) -> None:
    for method, path, allowed in (
        ("GET", POST, "POST"),
        ("POST", f"{POST}/{new_id()}", "PUT"),
        ("PUT", f"{POST}/{SUPPORTING[0].declaration.vendor.lower()}", "POST"),
    ):
        async with client.request(method, path, json={}) as answer:
            await refused(answer, 405, "method_not_allowed")
            assert answer.headers["Allow"] == allowed
    async with client.post(f"{POST}/nobody", json={}) as answer:
        await refused(answer, 404, "not_found")


@pytest.mark.parametrize(
    "query", ["wait=31", "wait=-1", "wait=x", "dry_run=1", "dry_run=true&dry_run=true", "unknown=1"]
)
async def test_a_query_that_cannot_be_read_is_refused(
    client: aiohttp.ClientSession, world: World, query: str
) -> None:
    async with client.post(f"{POST}?{query}", json=world.body()) as answer:
        name = query.partition("=")[0]
        assert list(await refused(answer, 400, "invalid_request")) == [f"query.{name}"]


async def test_a_token_without_the_scope_writes_nothing(
    server: LiveServer, make_account: MakeAccount, world: World
) -> None:
    reader = await make_account(scopes=("events:read", "admin:read"))
    async with session(server.url, reader) as client:
        async with client.post(POST, json=world.body()) as answer:
            await refused(answer, 403, "forbidden")
        async with client.put(f"{POST}/{new_id()}", json={}) as answer:
            await refused(answer, 403, "forbidden")


async def test_a_refused_event_stores_nothing(
    client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(changing())
    before = await database.fetch_value("SELECT count(*) FROM writes")
    headers = {"Idempotency-Key": "a refused one"}
    await problems(client, world.body(notes=None), headers=headers)
    assert await database.fetch_value("SELECT count(*) FROM writes") == before
    kept = "SELECT count(*) FROM idempotency_keys WHERE key = 'a refused one'"
    assert await database.fetch_value(kept) == 0
