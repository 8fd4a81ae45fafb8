"""AppFolio: the catalog and the notes as they are read, page by page."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vendors.replay import ReplaySession, path_of, query_of, told

from frontdesk.vendors.appfolio.connector import AppfolioConnector
from frontdesk.vendors.contract import (
    Access,
    Answer,
    FoundEvent,
    Lease,
    OutcomeKind,
    ReadRefused,
    Record,
    Request,
    Resident,
)
from frontdesk.vendors.declaration import Model

CONNECTOR = AppfolioConnector()
ACCESS = Access(
    "https://sandbox.example/appfolio",
    {"clientId": "demo-id", "clientSecret": "demo-secret", "developerId": "demo-developer"},
)
RESIDENT = Resident("r1", "tenant-1", "property-1", None, ())
EPOCH = "1970-01-01T00:00:00Z"

TENANT: dict[str, Any] = {
    "Id": "tenant-1",
    "FirstName": "Ada",
    "LastName": "Byron",
    "Email": "ada@example.com",
    "Phone": "(303) 555-0101",
    "MobilePhone": "(303) 555-0102",
    "PropertyId": "property-1",
    "UnitId": "unit-1",
    "OccupancyId": "occupancy-1",
    "Status": "Notice",
    "MoveInOn": "2021-01-01",
    "MoveOutOn": "2026-12-31",
    "PrimaryTenant": True,
    "HiddenAt": None,
    "LastUpdatedAt": "2026-01-02T03:04:05Z",
}


def list_of(items: list[dict[str, Any]]) -> Callable[[Request], Answer]:
    """A server that pages this list as AppFolio does."""

    def answer(request: Request) -> Answer:
        query = query_of(request)
        number, size = int(query["page[number]"]), int(query["page[size]"])
        page = items[(number - 1) * size : number * size]
        more = number * size < len(items)
        path = f"/api/v0/elsewhere?page[number]={number + 1}" if more else None
        return told(200, {"data": page, "next_page_path": path})

    return answer


async def read_whole(
    session: ReplaySession, model: Model, since: datetime | None = None
) -> list[Record]:
    found: list[Record] = []
    cursor: str | None = None
    while True:
        page = await CONNECTOR.read(session, model, cursor, since)
        found.extend(page.records)
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)])
async def test_every_unit_is_read_once_whatever_the_page_edges(count: int, calls: int) -> None:
    items = [{"Id": f"u{i}"} for i in range(count)]
    session = ReplaySession(ACCESS, list_of(items))
    records = await read_whole(session, Model.UNITS)
    assert [record.x_id for record in records] == [item["Id"] for item in items]
    assert len(session.calls) == calls
    assert {path_of(call) for call in session.calls} == {"/appfolio/api/v0/units"}


async def test_a_short_page_that_names_a_next_one_is_not_the_end() -> None:
    def answer(request: Request) -> Answer:
        number = int(query_of(request)["page[number]"])
        path = "/api/v0/units?page" if number < 3 else None
        return told(200, {"data": [{"Id": f"u{number}"}], "next_page_path": path})

    records = await read_whole(ReplaySession(ACCESS, answer), Model.UNITS)
    assert [record.x_id for record in records] == ["u1", "u2", "u3"]


async def test_the_path_that_a_page_names_is_never_called() -> None:
    def answer(request: Request) -> Answer:
        more = query_of(request)["page[number]"] == "1"
        path = "https://elsewhere.example/steal" if more else None
        return told(200, {"data": [{"Id": "u"}], "next_page_path": path})

    session = ReplaySession(ACCESS, answer)
    await read_whole(session, Model.UNITS)
    assert {path_of(call) for call in session.calls} == {"/appfolio/api/v0/units"}
    assert all(call.url.startswith(ACCESS.base_url) for call in session.calls)


async def test_every_list_is_filtered_and_an_incremental_one_by_its_time() -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
    for model in (Model.PROPERTIES, Model.UNITS, Model.EMPLOYEES, Model.RESIDENTS):
        session = ReplaySession(ACCESS, list_of([]))
        await read_whole(session, model)
        await read_whole(session, model, since)
        asked = [query_of(call)["filters[LastUpdatedAtFrom]"] for call in session.calls]
        assert asked == [EPOCH, "2026-01-02T03:04:05Z"]


async def test_a_tenant_brings_his_occupancy_as_lease_and_every_field_of_the_contract() -> None:
    (record,) = await read_whole(ReplaySession(ACCESS, list_of([TENANT])), Model.RESIDENTS)
    assert (record.x_id, record.x_property_id) == ("tenant-1", "property-1")
    assert record.links == {"x_unit_id": "unit-1", "x_unit_ids": ["unit-1"]}
    assert record.leases == (
        Lease(
            "occupancy-1", "notice", "property-1", "unit-1", None,
            date(2021, 1, 1), date(2026, 12, 31), "Notice",
        ),
    )  # fmt: skip
    assert record.fields == {
        "first_name": "Ada",
        "middle_name": None,
        "last_name": "Byron",
        "email_1": "ada@example.com",
        "email_2": None,
        "phone_1": "(303) 555-0102",
        "phone_1_type": "MOBILE",
        "phone_2": "(303) 555-0101",
        "phone_2_type": "HOME",
        "address_1": None,
        "address_2": None,
        "city": None,
        "state": None,
        "zip": None,
        "country": None,
        "date_of_birth": None,
        "leases_meta_data": [
            {
                "lease_id": "occupancy-1",
                "x_resident_type": "Notice",
                "resident_type_normalized": "NOTICE",
                "move_in_date": "2021-01-01",
                "move_out_date": "2026-12-31",
                "notice_date": None,
            }
        ],
        "custom_data": {},
    }


@pytest.mark.parametrize(
    ("changes", "statuses"),
    [
        ({"Status": "Current"}, ["current"]),
        ({"Status": "Evict"}, ["current"]),
        ({"Status": "Future"}, ["future"]),
        ({"Status": "Past"}, ["past"]),
        ({"Status": "Something new"}, []),
        ({"Status": None}, []),
        ({"OccupancyId": None}, []),
    ],
)
async def test_a_status_that_is_not_known_is_no_lease(
    changes: dict[str, Any], statuses: list[str]
) -> None:
    session = ReplaySession(ACCESS, list_of([{**TENANT, **changes}]))
    (record,) = await read_whole(session, Model.RESIDENTS)
    assert [lease.status for lease in record.leases] == statuses


async def test_units_tell_rooms_also_as_text_and_vacancy_only_where_it_is_told() -> None:
    unit: dict[str, Any] = {
        "Id": "u1", "PropertyId": "p1", "Name": "4B", "Bedrooms": 2, "Bathrooms": "1.5",
        "SquareFeet": "800", "CurrentOccupancyId": None,
    }  # fmt: skip
    items = [unit, {"Id": "u2"}, {"Id": "u3", "CurrentOccupancyId": "o"}]
    records = await read_whole(ReplaySession(ACCESS, list_of(items)), Model.UNITS)
    fields = records[0].fields
    assert records[0].x_property_id == "p1"
    assert (fields["number"], fields["bedrooms"], fields["bathrooms"]) == ("4B", 2, 1.5)
    assert fields["square_feet"] == 800
    assert [record.fields["is_vacant"] for record in records] == [True, None, False]


async def test_hidden_properties_and_users_are_not_active_and_roles_are_told() -> None:
    hidden = {"Id": "a", "HiddenAt": "2026-01-02T03:04:05Z", "Role": "Senior leasing agent"}
    items = [hidden, {"Id": "b", "Role": "Property-Manager"}, {"Id": "c"}]
    for model in (Model.PROPERTIES, Model.EMPLOYEES):
        records = await read_whole(ReplaySession(ACCESS, list_of(items)), model)
        assert [record.fields["is_active"] for record in records] == [False, True, True]
    roles = [record.fields["roles"] for record in records]
    assert roles == [["LEASING_AGENT"], ["PROPERTY_MANAGER"], []]


async def test_a_model_that_appfolio_lacks_is_empty_and_asks_nothing() -> None:
    session = ReplaySession(ACCESS, list_of([]))
    assert await read_whole(session, Model.EVENT_TYPES) == []
    assert session.calls == []


# --- notes --------------------------------------------------------------------------------------


def note(number: int, tenant: str = "tenant-1") -> dict[str, Any]:
    return {
        "Id": f"note-{number}",
        "Body": f"Note {number}",
        "EntityId": tenant,
        "LastUpdatedAt": "2026-01-02T03:04:05Z",
    }


async def notes_of(
    session: ReplaySession, where: dict[str, str] | None = None
) -> tuple[FoundEvent, ...]:
    return await CONNECTOR.read_events(session, RESIDENT, where)


async def test_all_notes_of_a_tenant_are_read_with_their_stamp() -> None:
    session = ReplaySession(ACCESS, list_of([note(number) for number in range(1201)]))
    events = await notes_of(session)
    assert len(events) == 1201
    assert (events[0].x_id, events[0].text, events[0].x_resident_id) == (
        "note-0", "Note 0", "tenant-1",
    )  # fmt: skip
    assert events[0].stamped_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert events[0].x_property_id == "property-1"
    assert events[0].instants == ()
    assert path_of(session.calls[0]) == "/appfolio/api/v0/tenants/notes"
    query = query_of(session.calls[0])
    assert query["filters[EntityId]"] == "tenant-1"
    assert query["filters[LastUpdatedAtFrom]"] == EPOCH


async def test_where_the_tenants_filter_is_ignored_other_tenants_notes_are_left_out() -> None:
    items = [note(1), note(2, "tenant-2"), note(3, "TENANT-1"), {"Id": "n", "Body": "nobody's"}]
    events = await notes_of(ReplaySession(ACCESS, list_of(items)))
    assert [event.x_id for event in events] == ["note-1", "note-3"]
    assert {event.x_resident_id for event in events} == {"tenant-1"}


async def test_where_the_tenants_filter_is_refused_everybodys_notes_are_asked_for() -> None:
    def answer(request: Request) -> Answer:
        if "filters[EntityId]" in query_of(request):
            return told(400, {"code": 400, "message": "Unknown filter EntityId"})
        return list_of([note(1), note(2, "tenant-2")])(request)

    assert [event.x_id for event in await notes_of(ReplaySession(ACCESS, answer))] == ["note-1"]


async def test_a_changed_note_is_looked_for_by_its_id() -> None:
    session = ReplaySession(ACCESS, list_of([note(7)]))
    (event,) = await notes_of(session, {"note_id": "note-7"})
    assert event.x_id == "note-7"
    query = query_of(session.calls[0])
    assert query["filters[Id]"] == "note-7"
    assert "filters[LastUpdatedAtFrom]" not in query


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (told(401, b""), OutcomeKind.UNAUTHORISED),
        (told(701, b""), OutcomeKind.UNAUTHORISED),
        (told(429, b""), OutcomeKind.NOT_NOW),
        (told(533, {"code": 533, "message": "Maintenance"}), OutcomeKind.NOT_NOW),
        (told(403, {"code": 403, "message": "No right"}), OutcomeKind.REJECTED),
        (told(400, {"code": 400, "message": "A filter is required"}), OutcomeKind.REJECTED),
        (told(500, b""), OutcomeKind.UNKNOWN),
        (told(200, b'{"data": [{"Id": "x"}'), OutcomeKind.UNKNOWN),
        (told(200, []), OutcomeKind.UNKNOWN),
        (told(200, {"next_page_path": None}), OutcomeKind.UNKNOWN),
        (told(200, {"data": [], "next_page_path": 7}), OutcomeKind.UNKNOWN),
        (told(200, {"data": [{"Body": "no id"}], "next_page_path": None}), OutcomeKind.UNKNOWN),
        (told(200, {"data": [7], "next_page_path": None}), OutcomeKind.UNKNOWN),
        (told(200, {"data": [], "next_page_path": "/more"}), OutcomeKind.UNKNOWN),
        (told(204, b""), OutcomeKind.UNKNOWN),
    ],
)
async def test_a_read_that_is_no_list_is_refused_never_taken_for_empty(
    answer: Answer, kind: OutcomeKind
) -> None:
    session = ReplaySession(ACCESS, lambda _: answer)
    for reading in (notes_of(session), CONNECTOR.read(session, Model.RESIDENTS, None, None)):
        with pytest.raises(ReadRefused) as refused:
            await reading
        assert refused.value.outcome.kind is kind


async def test_a_list_of_notes_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frontdesk.vendors.appfolio.client.MOST_PAGES", 20)
    endless = told(200, {"data": [note(1)], "next_page_path": "/more"})
    session = ReplaySession(ACCESS, lambda _: endless)
    with pytest.raises(ReadRefused):
        await notes_of(session)
    assert len(session.calls) == 20


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from([*TENANT, "Name", "Role", "Body"]), junk)))
async def test_any_json_in_a_list_is_read_or_refused(items: list[dict[str, Any]]) -> None:
    for model in (Model.PROPERTIES, Model.UNITS, Model.RESIDENTS, Model.EMPLOYEES):
        session = ReplaySession(ACCESS, lambda _: told(200, {"data": items}))
        try:
            page = await CONNECTOR.read(session, model, None, None)
        except ReadRefused as refused:
            assert refused.outcome.kind is OutcomeKind.UNKNOWN  # noqa: PT017 — either end is right
        else:
            assert all(record.x_id for record in page.records)
