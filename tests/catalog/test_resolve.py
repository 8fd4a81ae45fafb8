"""Looking up what an event names: complete, in one look, and never across a wall."""

from uuid import UUID

import pytest

from frontdesk.catalog.known import Resolved
from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Record
from frontdesk.vendors.declaration import EventClass, Model
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
    store,
)

FIELDS = {
    "resident_id": ("residents", "r1"),
    "unit_id": ("units", "u1"),
    "employee_id": ("employees", "e1"),
    "event_type_id": ("event_types", "8"),
    "event_sub_type_id": ("event_sub_types", "s1"),
    "event_result_id": ("event_results", "o1"),
}


@pytest.fixture
async def full(database: Database) -> tuple[PaperIntegration, dict[str, UUID | None]]:
    """An integration with one record of everything, and their ids by field."""
    integration = await an_integration(database)
    await store(database, integration, a_property("p1", timezone="America/Denver"))
    await store(database, integration, a_unit())
    await store(database, integration, an_employee())
    await store(database, integration, a_type("8", "residents", "leads"))
    await store(database, integration, a_sub_type())
    await store(database, integration, a_result())
    await store(database, integration, a_resident(email_1="ada@example.com"))
    wanted: dict[str, UUID | None] = {
        name: await id_of(database, integration, table, x_id)
        for name, (table, x_id) in FIELDS.items()
    }
    return integration, wanted


async def test_everything_is_there_with_what_the_rules_need(
    database: Database, full: tuple[PaperIntegration, dict[str, UUID | None]]
) -> None:
    integration, wanted = full
    resolved = await CatalogService(database).resolve(
        integration.account_id, integration.id, wanted
    )
    assert resolved.first_sync_done is False
    assert resolved.resident is not None
    assert resolved.resident.resident.email == "ada@example.com"
    assert [lease.x_unit_id for lease in resolved.resident.resident.leases] == ["u1"]
    assert resolved.resident.unit_ids == (wanted["unit_id"],)
    assert resolved.event_type is not None
    assert resolved.event_type.models == ("residents", "leads")
    assert resolved.event_type.reference.event_class is EventClass.NOTE
    assert resolved.event_sub_type is not None
    assert resolved.event_sub_type.event_type_ids == (wanted["event_type_id"],)
    assert resolved.event_result is not None
    assert resolved.event_result.event_type_ids == (wanted["event_type_id"],)
    assert resolved.employee is not None
    assert resolved.employee.roles == ("LEASING_AGENT",)
    assert resolved.employee.reference.extra["x_property_ids"] == ("p1",)
    assert resolved.unit is not None
    assert resolved.unit.reference.name == "u1"
    state = resolved.property_of("p1")
    assert state is not None
    assert (state.enabled, state.timezone) == (True, "America/Denver")
    for name in FIELDS:
        record = resolved.by_field(name)
        assert record is not None
        assert record.id == wanted[name]


async def test_owner_decides_on_the_property_and_its_time_zone(
    database: Database, full: tuple[PaperIntegration, dict[str, UUID | None]]
) -> None:
    integration, wanted = full
    await database.execute(
        "UPDATE integration_properties SET enabled = false, timezone = 'America/Boise' "
        "WHERE integration_id = $1",
        integration.id,
    )
    await database.execute(
        "UPDATE integrations SET last_completed_sync = now() WHERE id = $1", integration.id
    )
    resolved = await CatalogService(database).resolve(
        integration.account_id, integration.id, wanted
    )
    assert resolved.first_sync_done is True
    state = resolved.property_of("p1")
    assert state is not None
    assert (state.enabled, state.timezone) == (False, "America/Boise")


async def test_nothing_of_another_integration_or_account_is_there(
    database: Database, full: tuple[PaperIntegration, dict[str, UUID | None]]
) -> None:
    integration, wanted = full
    sibling = await an_integration(database, integration.account_id)
    stranger = await an_integration(database)
    service = CatalogService(database)
    for account_id, integration_id in (
        (integration.account_id, sibling.id),
        (stranger.account_id, integration.id),
        (stranger.account_id, stranger.id),
        (integration.account_id, new_id()),
    ):
        resolved = await service.resolve(account_id, integration_id, wanted)
        assert [name for name in FIELDS if resolved.by_field(name) is not None] == []
        assert resolved.properties == {}


async def test_fields_that_were_not_given_cost_nothing(
    database: Database, full: tuple[PaperIntegration, dict[str, UUID | None]]
) -> None:
    integration, wanted = full
    resolved = await CatalogService(database).resolve(
        integration.account_id,
        integration.id,
        {"resident_id": wanted["resident_id"], "unit_id": None},
    )
    assert resolved.resident is not None
    assert resolved.unit is resolved.employee is resolved.event_type is None


async def typed(
    database: Database, *types: tuple[str, str, EventClass, list[str]]
) -> PaperIntegration:
    """An integration with these event types: PMS id, name, class, what they apply to."""
    integration = await an_integration(database)
    for x_id, name, event_class, models in types:
        fields = {"name": name, "models": models}
        await store(
            database,
            integration,
            Record(Model.EVENT_TYPES, x_id, fields, event_class=event_class),
        )
    return integration


NOTE, CALL, VISIT = EventClass.NOTE, EventClass.CALL_IN, EventClass.VISIT
R = ["residents"]


@pytest.mark.parametrize(
    ("types", "kind", "x_id"),
    [
        ([("100", "File", NOTE, R), ("59", "Late", NOTE, R), ("8", "Talk", NOTE, R)], "note", "8"),
        ([("8", "File", NOTE, R), ("59", "  NOTES!", NOTE, R)], "note", "59"),
        ([("8", "File", NOTE, R), ("59", "Unit notes", NOTE, R)], "note", "8"),
        ([("9", "Incoming", CALL, R), ("10", "Call (in)", CALL, R)], "call_in", "10"),
        ([("b", "", NOTE, R), ("a", "", NOTE, R), ("B", "", NOTE, R)], "note", "B"),
        ([("1", "Tour", VISIT, ["leads"]), ("2", "Tour", VISIT, [])], "visit", "2"),
        ([("1", "Tour", VISIT, ["leads"])], "visit", None),
        ([("1", "Task", EventClass.OTHER, R)], "task", None),
        ([], "note", None),
    ],
)
async def test_a_kind_is_the_type_called_like_it_or_the_one_with_the_lowest_id(
    database: Database,
    types: list[tuple[str, str, EventClass, list[str]]],
    kind: str,
    x_id: str | None,
) -> None:
    integration = await typed(database, *types)
    resolved = await CatalogService(database).resolve(
        integration.account_id, integration.id, {}, kind=kind
    )
    chosen = resolved.event_type
    assert (None if chosen is None else chosen.reference.x_id) == x_id
    assert resolved.kind_type_id == (None if chosen is None else chosen.id)
    assert resolved.note_type_id is None


async def test_a_note_stands_in_only_where_that_is_asked_for_and_the_kind_has_no_type(
    database: Database,
) -> None:
    integration = await typed(database, ("8", "Notes", NOTE, R), ("9", "Tour", VISIT, R))
    service = CatalogService(database)

    async def resolve(kind: str, *wanted: UUID | None, **more: bool) -> Resolved:
        ids = dict.fromkeys(("event_type_id",), wanted[0]) if wanted else {}
        return await service.resolve(integration.account_id, integration.id, ids, kind=kind, **more)

    plain = await resolve("task")
    assert (plain.event_type, plain.kind_type_id, plain.note_type_id) == (None, None, None)
    assert plain.mapped_kinds == ("note", "visit")
    instead = await resolve("task", or_note=True)
    assert instead.event_type is not None
    assert (instead.kind_type_id, instead.note_type_id) == (None, instead.event_type.id)
    held = await resolve("visit", or_note=True)
    assert held.event_type is not None
    assert (held.kind_type_id, held.note_type_id) == (held.event_type.id, None)
    assert held.mapped_kinds == ()
    # A type that is named comes first; what the kind stands for is told beside it.
    both = await resolve("note", held.event_type.id)
    assert both.event_type == held.event_type
    assert both.kind_type_id == instead.note_type_id
    assert (await resolve("note", None)).event_type is None


async def test_a_kind_finds_no_type_of_another_integration_or_account(database: Database) -> None:
    integration = await typed(database, ("8", "Notes", NOTE, R))
    sibling = await an_integration(database, integration.account_id)
    stranger = await an_integration(database)
    for account_id, integration_id in (
        (integration.account_id, sibling.id),
        (stranger.account_id, integration.id),
    ):
        resolved = await CatalogService(database).resolve(
            account_id, integration_id, {}, kind="note", or_note=True
        )
        found = (resolved.event_type, resolved.kind_type_id, resolved.note_type_id)
        assert found == (None, None, None)
        assert resolved.mapped_kinds == ()


async def test_a_resident_bears_the_zone_in_which_his_events_are_read(
    database: Database, full: tuple[PaperIntegration, dict[str, UUID | None]]
) -> None:
    integration, wanted = full
    catalog = CatalogService(database)
    resident_id = wanted["resident_id"]
    assert resident_id is not None

    async def zone() -> str | None:
        known = await catalog.resident(integration.id, resident_id)
        assert known is not None
        return known.resident.timezone

    assert await zone() == "America/Denver", "what the PMS tells of the property"
    await database.execute(
        "UPDATE integrations SET timezone = 'America/Chicago' WHERE id = $1", integration.id
    )
    assert await zone() == "America/Denver"
    await database.execute(
        "UPDATE properties SET data = data - 'timezone' WHERE integration_id = $1", integration.id
    )
    assert await zone() == "America/Chicago", "else the integration's"
