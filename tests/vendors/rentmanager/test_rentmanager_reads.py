"""Rent Manager's lists and records as they are read: paging, shapes, what is not told."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.vendors.replay import ReplaySession, path_of, query_of, told

from frontdesk.vendors.contract import (
    Access,
    Answer,
    OutcomeKind,
    ReadRefused,
    Request,
    Resident,
)
from frontdesk.vendors.declaration import EventClass, Model
from frontdesk.vendors.rentmanager import client, guesses, records
from frontdesk.vendors.rentmanager.connector import RentManagerConnector

CONNECTOR = RentManagerConnector()
ACCESS = Access("https://acme.api.rentmanager.com", {})
TODAY = date(2026, 3, 2)
TENANT = Resident("r", "305", "11", None, (), timezone="America/Denver")


def session(answer: Callable[[Request], Answer]) -> ReplaySession:
    return ReplaySession(ACCESS, answer)


def rows(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [{"PropertyID": first + n, "Name": f"P{first + n}"} for n in range(count)]


# --- paging -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [told(204, b""), told(200, b""), told(200, [])])
async def test_no_rows_are_an_empty_page_however_they_are_told(answer: Answer) -> None:
    page = await CONNECTOR.read(session(lambda _: answer), Model.PROPERTIES, None, None)
    assert (page.records, page.next_cursor) == ((), None)


async def test_pages_are_read_to_the_end_that_the_total_tells() -> None:
    def answer(request: Request) -> Answer:
        page = int(query_of(request)["pagenumber"])
        found = rows(client.PAGE_SIZE if page == 1 else 3, 1 + (page - 1) * client.PAGE_SIZE)
        return told(200, found, {"x-total-results": str(client.PAGE_SIZE + 3)})

    told_by = session(answer)
    first = await CONNECTOR.read(told_by, Model.PROPERTIES, None, None)
    assert first.next_cursor == "2"
    assert first.total == client.PAGE_SIZE + 3
    last = await CONNECTOR.read(told_by, Model.PROPERTIES, "2", None)
    assert last.next_cursor is None
    assert len(first.records) + len(last.records) == first.total


async def test_a_next_link_goes_on_where_a_page_is_short() -> None:
    headers = {"link": '<https://elsewhere/x?PageNumber=2>;rel="next"'}
    told_by = session(lambda _: told(200, rows(2), headers))
    page = await CONNECTOR.read(told_by, Model.PROPERTIES, None, None)
    assert page.next_cursor == "2"
    assert "elsewhere" not in told_by.calls[0].url


async def test_without_total_and_link_a_full_page_goes_on() -> None:
    full = session(lambda _: told(200, rows(client.PAGE_SIZE)))
    assert (await CONNECTOR.read(full, Model.PROPERTIES, "7", None)).next_cursor == "8"


@pytest.mark.parametrize(
    "answer",
    [
        told(200, b"[{"),
        told(200, {"Message": "?"}),
        told(200, [None]),
        told(200, [{"Name": "no id"}]),
        told(204, b"", {"x-total-results": "3"}),
        told(200, b"<html>"),
        told(500, b""),
    ],
)
async def test_a_list_that_cannot_be_trusted_ends_the_read(answer: Answer) -> None:
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read(session(lambda _: answer), Model.PROPERTIES, None, None)
    assert refused.value.outcome.kind is OutcomeKind.UNKNOWN


async def test_a_history_that_changes_while_it_is_read_is_not_taken_for_the_whole() -> None:
    entry = {"HistoryID": 1, "Note": "n"}
    told_by = session(lambda _: told(200, [entry], {"x-total-results": "2"}))
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read_events(told_by, TENANT)
    assert refused.value.outcome.code == "unsteady_list"


async def test_embeds_are_named_among_the_fields_too() -> None:
    told_by = session(lambda _: told(204, b""))
    for model in CONNECTOR.declaration.reads - {Model.EVENTS}:
        await CONNECTOR.read(told_by, model, None, None)
    for request in told_by.calls:
        query = query_of(request)
        fields = query["fields"].split(",")
        for embed in filter(None, query.get("embeds", "").split(",")):
            assert embed.partition(".")[0] in fields, path_of(request)
        assert "embed" not in query
        assert "orderby" not in query


async def test_a_model_that_rent_manager_has_not_is_not_asked_for() -> None:
    told_by = session(lambda _: told(500, b""))
    assert (await CONNECTOR.read(told_by, Model.EVENT_RESULTS, None, None)).records == ()
    assert told_by.calls == []


# --- records ------------------------------------------------------------------------------------


def test_a_tenant_has_his_leases_in_order_and_his_contact() -> None:
    record = records.resident_record(
        {
            "TenantID": 305,
            "Name": "Ada B",
            "FirstName": "Ada",
            "LastName": "B",
            "PropertyID": 12,
            "Status": "Current",
            "Leases": [
                {"LeaseID": 1, "UnitID": 8, "PropertyID": 11, "MoveInDate": "2024-01-01T00:00:00",
                 "MoveOutDate": "2025-01-01T00:00:00"},
                {"LeaseID": 2, "UnitID": 9, "PropertyID": 12, "MoveInDate": "2025-01-01T00:00:00"},
                {"LeaseID": 3, "UnitID": 7, "PropertyID": 12, "MoveInDate": "2025-06-01T00:00:00"},
                {"UnitID": 7},
            ],
            "Contacts": [
                {"Email": "other@example.com"},
                {"Email": "ada@example.com", "IsPrimary": True, "MiddleName": "J.",
                 "DateOfBirth": "1990-02-03T00:00:00",
                 "PhoneNumbers": [{"PhoneNumber": "2"}, {"PhoneNumber": "1", "IsPrimary": True}]},
            ],
        },
        TODAY,
    )  # fmt: skip
    assert [lease.x_id for lease in record.leases] == ["3", "2", "1"]
    assert record.x_property_id == "12"
    assert record.links["x_unit_ids"] == ["7", "8", "9"]
    assert record.fields["email_1"] == "ada@example.com"
    assert (record.fields["phone_1"], record.fields["phone_2"]) == ("1", "2")
    assert record.fields["date_of_birth"] == "1990-02-03"
    assert record.fields["leases_meta_data"][2]["resident_type_normalized"] == "PAST"


def test_a_tenant_of_whom_little_is_told_is_read_all_the_same() -> None:
    record = records.resident_record({"TenantID": 1, "Name": "Company"}, TODAY)
    assert (record.fields["last_name"], record.fields["email_1"]) == ("Company", None)
    assert record.leases == ()


@pytest.mark.parametrize(
    ("dates", "status"),
    [
        ({}, "current"),
        ({"MoveInDate": "2026-03-02T00:00:00"}, "current"),
        ({"MoveInDate": "2026-03-03T00:00:00"}, "future"),
        ({"MoveOutDate": "2026-03-02T00:00:00"}, "past"),
        ({"MoveOutDate": "2026-03-03T00:00:00"}, "notice"),
        ({"NoticeDate": "2026-02-01T00:00:00"}, "notice"),
        ({"NoticeDate": "2026-02-01T00:00:00", "MoveOutDate": "2026-03-01T00:00:00"}, "past"),
    ],
)
def test_a_leases_dates_say_where_it_stands(dates: dict[str, str], status: str) -> None:
    assert guesses.lease_status(dates, TODAY) == status


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (None, ()),
        ([], ()),
        ([{"HistoryCategoryType": "Note"}, {"HistoryCategoryType": "Call"}], ("Note", "Call")),
        (["HistoryEmails", "visit"], ("Email", "Visit")),
        ("Note, Letter", ("Note", "Letter")),
        (7, ()),
        ([None, 3, {"x": 1}], ("3",)),
    ],
)
def test_what_a_category_is_for_is_read_in_any_spelling(value: object, kinds: object) -> None:
    assert guesses.category_kinds(value) == kinds


@pytest.mark.parametrize(
    ("name", "kinds", "event_class"),
    [
        ("General", ("Note", "Call"), EventClass.NOTE),
        (None, (), EventClass.NOTE),
        ("Phone call", ("Call",), EventClass.CALL_OUT),
        ("Incoming call", ("Call",), EventClass.CALL_IN),
        ("E-mail", ("Email",), EventClass.EMAIL_OUT),
        ("Inbound mail", ("Email", "Visit"), EventClass.EMAIL_IN),
        ("Showing", ("Visit",), EventClass.VISIT),
        ("Letter", ("Letter",), EventClass.OTHER),
    ],
)
def test_a_category_has_the_class_of_what_it_is_for(
    name: str | None, kinds: tuple[str, ...], event_class: EventClass
) -> None:
    assert guesses.category_class(name, kinds) is event_class


def test_a_category_for_letters_or_out_of_use_does_not_apply_to_residents() -> None:
    notes = [{"HistoryCategoryType": "Note"}]
    letters = [{"HistoryCategoryType": "Letter"}]
    for types, is_active, models in (
        (notes, True, ["residents"]),
        (notes, None, ["residents"]),
        (None, True, ["residents"]),
        (notes, False, ["history"]),
        (letters, True, ["history"]),
    ):
        item = {"HistoryCategoryID": 1, "IsActive": is_active, "HistoryCategoryTypes": types}
        assert records.event_type_record(item, TODAY).fields["models"] == models, item


def test_an_address_of_two_lines_is_read_as_two() -> None:
    record = records.unit_record(
        {
            "UnitID": 1,
            "PrimaryAddress": {"Street": "1 Main\r\nUnit 4", "City": "Hudson", "State": "NY"},
            "UnitType": {"Bedrooms": 2, "Bathrooms": 1.5},
        },
        TODAY,
    )
    assert record.fields["address_1"] == "1 Main"
    assert record.fields["address_2"] == "Unit 4"
    assert (record.fields["bedrooms"], record.fields["bathrooms"]) == (2, 1.5)


# --- events -------------------------------------------------------------------------------------


async def events(entry: dict[str, Any], where: dict[str, str] | None = None) -> Any:
    told_by = session(lambda _: told(200, [{"HistoryID": 1, **entry}]))
    (event,) = await CONNECTOR.read_events(told_by, TENANT, where)
    assert path_of(told_by.calls[0]) == "/Tenants/305/History"
    return event


async def test_an_event_is_read_in_the_zone_it_was_written_in() -> None:
    entry = {"HistoryDate": "2026-03-02T09:30:00", "Note": "n"}
    denver = await events(entry)
    assert denver.instants == (datetime(2026, 3, 2, 16, 30, tzinfo=UTC),)
    assert denver.fields["event_datetime"] == "2026-03-02T16:30:00Z"
    eastern = await events(entry, {"timezone": "America/New_York"})
    assert eastern.instants == (datetime(2026, 3, 2, 14, 30, tzinfo=UTC),)


async def test_a_date_with_an_offset_may_be_either_reading() -> None:
    event = await events({"HistoryDate": "2026-03-02T09:30:00.25-05:00"})
    assert event.instants == (
        datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
        datetime(2026, 3, 2, 16, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize("text", [None, "", "soon", 7, "9999-12-31T23:59:59", "0001-01-01"])
async def test_a_date_that_is_none_or_at_the_edge_is_no_error(text: object) -> None:
    event = await events({"HistoryDate": text})
    assert all(instant.utcoffset() is not None for instant in event.instants)


async def test_a_stamp_counts_only_with_its_offset() -> None:
    stamps = {"CreateDate": "2026-03-02T09:30:00-05:00", "UpdateDate": "2026-03-03T09:30:00-05:00"}
    assert (await events(stamps)).stamped_at == datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    changed = await events(stamps, {"stamp": "UpdateDate"})
    assert changed.stamped_at == datetime(2026, 3, 3, 14, 30, tzinfo=UTC)
    assert (await events({"CreateDate": "2026-03-02T09:30:00"})).stamped_at is None


async def test_an_entry_without_text_is_an_event_without_text() -> None:
    event = await events({"HistoryType": "Letter"})
    assert (event.text, event.fields["type_raw"]) == ("", "Letter")
