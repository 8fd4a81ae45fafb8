"""The lists and records of the catalog, through the real server."""

from typing import Any
from uuid import UUID

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from frontdesk.catalog.models import SPECS, ModelSpec
from frontdesk.catalog.schemas import schema_of
from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Record
from frontdesk.vendors.declaration import Model
from tests.catalog.world import (
    PaperIntegration,
    a_property,
    a_resident,
    a_result,
    a_sub_type,
    a_type,
    a_unit,
    an_employee,
    an_event,
    an_integration,
    id_of,
    store,
)
from tests.conftest import CallerAccount

HEAD = ["id", "created_at", "updated_at", "last_seen", "x_id", "x_property_id"]
TAIL = ["integration_id", "integration_vendor", "property_id"]
EVERY = pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.path)


@pytest.fixture
async def full(database: Database, account: CallerAccount) -> PaperIntegration:
    """An integration of the caller's with some of everything."""
    integration = await an_integration(database, account.id)
    await store(database, integration, a_property("p1"), a_property("p2"))
    await store(database, integration, a_unit("u1"), a_unit("u2", "p2"))
    await store(database, integration, an_employee("e1", "p1", "p2"))
    await store(database, integration, a_type("8"), a_type("17", "leads"))
    await store(database, integration, a_sub_type("s1", "8"))
    await store(database, integration, a_result("o1", "8", "17"))
    await store(
        database,
        integration,
        a_resident("r1", "u1", email_1="Ada@Example.com", phone_1="5551234"),
        a_resident("r2", "u2"),
    )
    await store(
        database, integration, Record(Model.TIMEZONES, "t1", {"offset": -7, "is_active": True})
    )
    resident_id = await id_of(database, integration, "residents", "r1")
    service = CatalogService(database)
    await service.store_found_events(integration.id, resident_id, [an_event("n1"), an_event("n2")])
    # Read just now: a list by resident has nothing to wait for.
    await database.execute("UPDATE residents SET events_read_at = now()")
    return integration


async def get(client: aiohttp.ClientSession, path: str, **query: Any) -> dict[str, Any]:
    async with client.get(path, params={name: str(v) for name, v in query.items()}) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def refused(client: aiohttp.ClientSession, path: str, **query: Any) -> list[list[str]]:
    async with client.get(path, params={name: str(v) for name, v in query.items()}) as answer:
        assert answer.status == 400, await answer.text()
        error = (await answer.json())["error"]
    assert error["code"] == "invalid_request"
    return [issue["path"] for issue in error["details"]["issues"]]


async def x_ids(client: aiohttp.ClientSession, path: str, **query: Any) -> list[str]:
    return sorted(record["x_id"] for record in (await get(client, path, **query))["results"])


@EVERY
async def test_record_has_head_fields_and_tail_in_order_and_fits_its_schema(
    client: aiohttp.ClientSession, full: PaperIntegration, spec: ModelSpec
) -> None:
    answer = await get(client, f"/v1/{spec.path}/")
    assert answer["results"]
    # Made once: `jsonschema.validate` would check the schema itself anew for each record.
    validator = Draft202012Validator(schema_of(spec))
    for record in answer["results"]:
        assert list(record) == HEAD + [field.name for field in spec.fields] + TAIL
        validator.validate(record)
        assert record["integration_id"] == str(full.id)
    assert answer["meta"] == {
        "offset": 0,
        "limit": 100,
        "orderBy": [{"field": "created_at", "direction": "desc"}],
        "hasMore": False,
        "total": len(answer["results"]),
        "nextCursor": None,
    }
    one = await get(client, f"/v1/{spec.path}/{answer['results'][0]['id']}")
    assert one["results"] == answer["results"][0]
    assert await get(client, f"/v1/{spec.path}") == answer


@EVERY
async def test_another_account_sees_nothing_and_cannot_tell_that_it_exists(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    full: PaperIntegration,
    spec: ModelSpec,
) -> None:
    record_id = (await get(client, f"/v1/{spec.path}"))["results"][0]["id"]
    assert (await get(strange_client, f"/v1/{spec.path}"))["results"] == []
    named = await get(strange_client, f"/v1/{spec.path}", integration_id=full.id)
    assert (named["results"], named["meta"]["total"]) == ([], 0)
    answers = []
    for unknown in (record_id, str(new_id()), "no-id", "%00"):
        async with strange_client.get(f"/v1/{spec.path}/{unknown}") as answer:
            assert answer.status == 404
            answers.append((await answer.json())["error"])
    assert all(answer == answers[0] for answer in answers)


@EVERY
async def test_every_parameter_is_known_or_named_in_a_400(
    client: aiohttp.ClientSession, full: PaperIntegration, spec: ModelSpec
) -> None:
    path = f"/v1/{spec.path}"
    assert await refused(client, path, colour="red", limit=0) == [["colour"], ["limit"]]
    assert await refused(client, path, x_id="1") == [["integration_id"]]
    assert await refused(client, path, x_property_id="p1") == [["integration_id"]]
    assert await refused(client, path, cursor="bm90IG91cnM") == [["cursor"]]
    assert await refused(client, path, **{"order-by": "data:asc"}) == [["order-by"]]
    for name, item in spec.all_filters.items():
        more = {"integration_id": full.id} if item.needs_integration else {}
        answer = await get(client, path, **({name: "nothing has this"} | more))
        assert (answer["results"], answer["meta"]["total"]) == ([], 0)


async def test_cursor_of_another_kind_of_value_is_a_400(
    client: aiohttp.ClientSession, full: PaperIntegration
) -> None:
    from frontdesk.http.paging import Order, make_cursor

    order = (Order("created_at", "desc"), Order("id", "desc"))
    for values in (["soon", str(new_id())], ["9" * 40, str(new_id())], ["1", "no id"], [1.5, None]):
        assert await refused(client, "/v1/units", cursor=make_cursor(order, values)) == [["cursor"]]


async def test_filters_find_what_they_name(
    database: Database, client: aiohttp.ClientSession, full: PaperIntegration
) -> None:
    async def an_id(table: str, x_id: str) -> UUID:
        return await id_of(database, full, table, x_id)

    here = {"integration_id": full.id}
    p2, u2 = await an_id("properties", "p2"), await an_id("units", "u2")
    r1, t8 = await an_id("residents", "r1"), await an_id("event_types", "8")
    assert await x_ids(client, "/v1/units", property_id=p2) == ["u2"]
    assert await x_ids(client, "/v1/units", unit_number="u1") == ["u1"]
    assert await x_ids(client, "/v1/units", x_property_id="p2", **here) == ["u2"]
    assert await x_ids(client, "/v1/properties", property_id=p2) == ["p2"]
    assert await x_ids(client, "/v1/residents", email_1="ada@EXAMPLE.com") == ["r1"]
    assert await x_ids(client, "/v1/residents", phone_1="5551234") == ["r1"]
    assert await x_ids(client, "/v1/residents", unit_id=u2) == ["r2"]
    assert await x_ids(client, "/v1/residents", x_id="r2", **here) == ["r2"]
    assert await x_ids(client, "/v1/employees", roles="LEASING_AGENT") == ["e1"]
    assert await x_ids(client, "/v1/employees", roles="LEASING") == []
    # An employee belongs to every property that he serves.
    assert await x_ids(client, "/v1/employees", property_id=p2) == ["e1"]
    assert await x_ids(client, "/v1/employees", x_property_id="p2", **here) == ["e1"]
    assert await x_ids(client, "/v1/event-types", models="residents") == ["8"]
    assert await x_ids(client, "/v1/event-sub-types", event_type_id=t8) == ["s1"]
    assert await x_ids(client, "/v1/event-results", event_type_id=t8) == ["o1"]
    assert await x_ids(client, "/v1/events", resident_id=r1) == ["n1", "n2"]
    assert await x_ids(client, "/v1/events", integration_vendor="PAPER") == ["n1", "n2"]
    assert await x_ids(client, "/v1/events", integration_vendor="OTHER") == []


async def test_time_filters_find_what_changed_and_what_was_seen(
    database: Database, client: aiohttp.ClientSession, full: PaperIntegration
) -> None:
    moment = (await database.fetch_value("SELECT clock_timestamp()")).isoformat()
    await store(database, full, a_unit("u1", floor="2"), a_unit("u2", "p2"))
    assert await x_ids(client, "/v1/units", updated_at_gte=moment) == ["u1"]
    assert await x_ids(client, "/v1/units", updated_at_lte=moment) == ["u2"]
    assert await x_ids(client, "/v1/units", last_seen_gte=moment) == ["u1", "u2"]
    assert await x_ids(client, "/v1/units", last_seen_lte=moment) == []


async def test_order_offset_and_limit_cut_the_list_where_they_say(
    client: aiohttp.ClientSession, full: PaperIntegration
) -> None:
    by_name = {"order-by": "last_name:desc,created_at:asc"}
    first = await get(client, "/v1/residents", limit=1, **by_name)
    assert [record["x_id"] for record in first["results"]] == ["r2"]
    assert first["meta"]["hasMore"] is True
    assert first["meta"]["total"] == 2
    assert first["meta"]["orderBy"][0] == {"field": "last_name", "direction": "desc"}
    by_offset = await get(client, "/v1/residents", limit=1, offset=1, **by_name)
    by_cursor = await get(
        client, "/v1/residents", limit=1, cursor=first["meta"]["nextCursor"], **by_name
    )
    assert by_offset["results"] == by_cursor["results"]
    assert [record["x_id"] for record in by_cursor["results"]] == ["r1"]
    assert by_cursor["meta"]["hasMore"] is False
    assert (await get(client, "/v1/residents", offset=2**31 - 1))["results"] == []


async def test_leases_of_a_resident_are_shown_in_the_contracts_words(
    client: aiohttp.ClientSession, full: PaperIntegration
) -> None:
    found = await get(client, "/v1/residents", x_id="r1", integration_id=full.id)
    assert found["results"][0]["leases_meta_data"] == [
        {
            "lease_id": "lease-r1-u1",
            "x_resident_type": None,
            "resident_type_normalized": "CURRENT",
            "move_in_date": None,
            "move_out_date": None,
            "notice_date": None,
        }
    ]


async def test_event_names_its_resident(
    client: aiohttp.ClientSession, full: PaperIntegration, database: Database
) -> None:
    resident_id = str(await id_of(database, full, "residents", "r1"))
    for record in (await get(client, "/v1/events"))["results"]:
        assert record["resident_id"] == resident_id
        assert record["associated_resident_ids"] == [resident_id]
        assert record["origin_job_id"] is None


async def test_token_without_the_scope_is_refused(server: Any, make_account: Any) -> None:
    from tests.conftest import session

    narrow = await make_account(scopes=("admin:read",))
    async with session(server.url, narrow) as client, client.get("/v1/residents") as answer:
        assert answer.status == 403
