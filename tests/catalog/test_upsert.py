"""Storing pages: what moves, what is found, and what the database would refuse."""

from typing import Any

from frontdesk.catalog.values import from_json
from frontdesk.database.pool import Database
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
    an_integration,
    id_of,
    rows,
    store,
)


async def test_second_sight_moves_last_seen_and_leaves_updated_at(database: Database) -> None:
    integration = await an_integration(database)
    await store(database, integration, a_property(city="Boise"))
    first = (await rows(database, integration, "properties"))["p1"]
    await store(database, integration, a_property(city="Boise"))
    second = (await rows(database, integration, "properties"))["p1"]
    assert second["id"] == first["id"]
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] == first["updated_at"]
    assert second["last_seen"] > first["last_seen"]


async def test_change_moves_updated_at_and_keeps_the_id(database: Database) -> None:
    integration = await an_integration(database)
    await store(database, integration, a_resident(email_1="old@example.com"))
    first = (await rows(database, integration, "residents"))["r1"]
    await store(database, integration, a_resident(email_1="new@example.com"))
    second = (await rows(database, integration, "residents"))["r1"]
    assert second["id"] == first["id"]
    assert second["updated_at"] > first["updated_at"]
    assert second["email_1"] == "new@example.com"


async def test_same_id_in_two_integrations_is_two_records(database: Database) -> None:
    here = await an_integration(database)
    there = await an_integration(database, here.account_id)
    await store(database, here, a_property(name="Here"))
    await store(database, there, a_property(name="There"))
    assert await id_of(database, here, "properties", "p1") != await id_of(
        database, there, "properties", "p1"
    )


async def test_record_twice_on_a_page_is_stored_once_the_last_wins(database: Database) -> None:
    integration = await an_integration(database)
    await store(database, integration, a_property(name="First"), a_property(name="Last"))
    kept = await rows(database, integration, "properties")
    assert list(kept) == ["p1"]
    assert from_json(kept["p1"]["data"])["name"] == "Last"


async def test_nul_and_half_characters_of_a_pms_are_stored_without_them(
    database: Database,
) -> None:
    integration = await an_integration(database)
    await store(
        database,
        integration,
        a_property("p\0", name="Na\0me \ud800!", city="back\\u0000slash"),
    )
    kept = await rows(database, integration, "properties")
    assert from_json(kept["p"]["data"]) == {"name": "Name ?!", "city": "back\\u0000slash"}


async def test_value_of_another_type_becomes_the_documented_one_or_null(
    database: Database,
) -> None:
    integration = await an_integration(database)
    fields: dict[str, Any] = {
        "bedrooms": "2",
        "bathrooms": "1.5",
        "is_vacant": "yes",
        "floor": 3,
        "colour": "red",
    }
    await store(database, integration, a_unit(**fields))
    data = from_json((await rows(database, integration, "units"))["u1"]["data"])
    assert data == {"number": "u1", "bedrooms": 2, "bathrooms": 1.5, "floor": "3"}


async def test_number_beyond_64_bits_does_not_lose_the_page(database: Database) -> None:
    integration = await an_integration(database)
    record = a_property(code=10**30)
    await store(
        database,
        integration,
        Record(Model.PROPERTIES, "p1", record.fields, extra={"huge": 10**30}),
    )
    row = (await rows(database, integration, "properties"))["p1"]
    assert from_json(row["data"])["code"] == str(10**30)


async def test_every_reference_is_resolved_within_the_integration(database: Database) -> None:
    integration = await an_integration(database)
    await _store_all(database, integration)
    await _check_all(database, integration)


async def test_references_that_arrive_late_are_resolved_when_they_come(
    database: Database,
) -> None:
    integration = await an_integration(database)
    # The other way round: every record before what it refers to.
    await store(database, integration, a_resident("r1", "u1", "u2"))
    await store(database, integration, a_sub_type())
    await store(database, integration, a_result())
    await store(database, integration, an_employee("e1", "p1", "p2"))
    await store(database, integration, a_unit("u1"), a_unit("u2"))
    before = (await rows(database, integration, "residents"))["r1"]
    assert before["property_id"] is None
    assert before["unresolved"]
    await store(database, integration, a_type())
    await store(database, integration, a_property("p1"))
    await store(database, integration, a_property("p2"))
    await _check_all(database, integration)
    after = (await rows(database, integration, "residents"))["r1"]
    assert after["updated_at"] > before["updated_at"]


async def test_reference_of_another_integration_is_not_taken(database: Database) -> None:
    here = await an_integration(database)
    there = await an_integration(database, here.account_id)
    await store(database, there, a_property("p1"))
    await store(database, here, a_unit("u1"))
    unit = (await rows(database, here, "units"))["u1"]
    assert unit["property_id"] is None
    assert unit["unresolved"]


async def test_new_property_takes_part_as_its_integration_says(database: Database) -> None:
    on = await an_integration(database)
    off = await an_integration(database, on.account_id, new_properties_are_enabled=False)
    for integration in (on, off):
        await store(database, integration, a_property("p1"))
    enabled = {
        row["integration_id"]: row["enabled"]
        for row in await database.fetch(
            "SELECT * FROM integration_properties WHERE integration_id = ANY ($1)",
            [on.id, off.id],
        )
    }
    assert enabled == {on.id: True, off.id: False}


async def test_switch_of_a_known_property_stays_as_its_owner_left_it(database: Database) -> None:
    integration = await an_integration(database)
    await store(database, integration, a_property("p1"))
    await database.execute(
        "UPDATE integration_properties SET enabled = false WHERE integration_id = $1",
        integration.id,
    )
    await store(database, integration, a_property("p1", name="New name"))
    switches = await database.fetch(
        "SELECT enabled FROM integration_properties WHERE integration_id = $1", integration.id
    )
    assert [row["enabled"] for row in switches] == [False]


async def _store_all(database: Database, integration: PaperIntegration) -> None:
    await store(database, integration, a_property("p1"), a_property("p2"))
    await store(database, integration, a_unit("u1"), a_unit("u2"))
    await store(database, integration, an_employee("e1", "p1", "p2"))
    await store(database, integration, a_type())
    await store(database, integration, a_sub_type())
    await store(database, integration, a_result())
    await store(database, integration, a_resident("r1", "u1", "u2"))


async def _check_all(database: Database, integration: PaperIntegration) -> None:
    p1 = await id_of(database, integration, "properties", "p1")
    p2 = await id_of(database, integration, "properties", "p2")
    units = [await id_of(database, integration, "units", x_id) for x_id in ("u1", "u2")]
    event_type = await id_of(database, integration, "event_types", "8")
    resident = (await rows(database, integration, "residents"))["r1"]
    assert (resident["property_id"], resident["unit_ids"]) == (p1, units)
    assert (await rows(database, integration, "units"))["u1"]["property_id"] == p1
    assert (await rows(database, integration, "properties"))["p1"]["property_id"] == p1
    assert (await rows(database, integration, "employees"))["e1"]["property_ids"] == [p1, p2]
    sub_type = (await rows(database, integration, "event_sub_types"))["s1"]
    assert sub_type["event_type_id"] == event_type
    result = (await rows(database, integration, "event_results"))["o1"]
    assert result["event_type_ids"] == [event_type]
    kept_type = (await rows(database, integration, "event_types"))["8"]
    assert (kept_type["class"], kept_type["models"]) == ("note", ["residents"])
    for table in ("residents", "units", "employees", "event_sub_types", "event_results"):
        assert not any(
            row["unresolved"] for row in (await rows(database, integration, table)).values()
        )
