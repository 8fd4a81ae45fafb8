"""Entrata: catalog and events, from answers in the shapes that public code shows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vendors.entrata.worlds import (
    CURRENT,
    EVENT,
    answering,
    resident,
    session_of,
    success,
)
from tests.vendors.replay import ReplaySession, query_of, sent, told

from frontdesk.vendors.contract import (
    Answer,
    Lease,
    OutcomeKind,
    ReadRefused,
    Record,
    Request,
)
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.entrata.connector import EntrataConnector

CONNECTOR = EntrataConnector()

CUSTOMER = {
    "@attributes": {"id": "61001"},
    "firstName": "Ada",
    "lastName": "Byron",
    "email": "ada@example.com",
    "phoneNumber": "303-555-0101",
    "address": "1 Main",
    "city": "Denver",
    "state": "CO",
    "postalCode": "80202",
}
LEASE = {
    "id": "88001",
    "leaseStatusTypeId": "4",
    "propertyId": "5001",
    "unitId": "901",
    "leaseIntervalId": "300002",
    "moveInDate": "01/01/2025",
    "customers": {
        "customer": {
            "id": 61001,
            "customerType": "Primary",
            "middleName": "K",
            "leaseCustomerStatus": "Notice",
            "moveInDate": "02/01/2025",
            "dateOfBirth": "12/10/1990",
            "phones": {"phone": {"phoneNumber": "303-555-0102", "phoneType": "Mobile"}},
        }
    },
    "leaseIntervals": {
        "leaseInterval": [
            {"id": "300001", "applicationId": "70000"},
            {"id": "300002", "applicationId": "70001"},
            {"id": "300003", "applicationId": "70002"},
        ]
    },
}
PICK_LISTS = {
    "eventTypes": {
        "eventType": [
            {"@attributes": {"id": "8", "name": "Notes", "entrataName": "Notes"}},
            {"@attributes": {"id": "17", "name": "Scheduled Appointment"}},
        ]
    },
    "eventSubTypes": {
        "eventSubType": {"@attributes": {"id": 454, "name": "Tour", "eventTypeId": 17}}
    },
    "eventResults": {
        "eventResult": [
            {"@attributes": {"id": "12", "name": "Done", "eventTypeId": "8"}},
            {"@attributes": {"id": "12", "name": "Done", "eventTypeId": "17"}},
        ]
    },
    "property": {"leasingAgents": {"leasingAgent": {"@attributes": {"id": "33", "name": "Lee"}}}},
}


async def read_whole(session: ReplaySession, model: Model) -> list[Record]:
    found: list[Record] = []
    cursor: str | None = None
    while True:
        page = await CONNECTOR.read(session, model, cursor, None)
        found.extend(page.records)
        cursor = page.next_cursor
        if cursor is None:
            return found


# --- paging -----------------------------------------------------------------------------------


def paged(count: int, total: bool, link: bool, own_size: int = 500) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        number, size = int(query_of(request)["page_no"]), int(query_of(request)["per_page"])
        size = min(size, own_size)
        ids = list(range(1, count + 1))[(number - 1) * size : number * size]
        headers = {"x-total-count": str(count)} if total else {}
        if link:
            more = number * size < count
            headers["link"] = '<https://x?page_no=9>; rel="next"' if more else '<x>; rel="first"'
        items = [{"PropertyID": i} for i in ids]
        result = {"PhysicalProperty": {"Property": items[0] if len(items) == 1 else items}}
        return told(200, success(result), headers)

    return answer


@pytest.mark.parametrize("count", [0, 1, 2, 499, 500, 501, 1000])
@pytest.mark.parametrize(("total", "link"), [(True, False), (False, True), (False, False)])
async def test_every_page_is_read_once_whatever_the_edges(
    count: int, total: bool, link: bool
) -> None:
    session = session_of(paged(count, total, link))
    records = await read_whole(session, Model.PROPERTIES)
    assert [record.x_id for record in records] == [str(i) for i in range(1, count + 1)]
    assert session.calls[0].headers["x-send-pagination-links"] == "1"


async def test_a_gateway_with_smaller_pages_of_its_own_loses_nothing() -> None:
    assert len(await read_whole(session_of(paged(250, True, False, 100)), Model.PROPERTIES)) == 250


async def test_a_method_that_does_not_page_is_read_once_even_at_the_size_of_a_page() -> None:
    items = [{"PropertyID": i} for i in range(500)]
    result = {"PhysicalProperty": {"Property": items}}
    session = session_of(lambda _: told(200, success(result)))
    assert len(await read_whole(session, Model.PROPERTIES)) == 500
    assert len(session.calls) == 2


async def test_pages_that_repeat_before_their_total_are_refused() -> None:
    result = {"events": [{**EVENT, "eventId": i} for i in range(500)]}
    session = session_of(lambda _: told(200, success(result), {"x-total-count": "900"}))
    with pytest.raises(ReadRefused):
        await CONNECTOR.read_events(session, resident(replace(CURRENT, x_application_id=None)))


async def test_a_walk_over_properties_resumes_at_its_cursor_and_skips_what_went_away() -> None:
    def answer(request: Request) -> Answer:
        unit = {"id": f"u{sent(request)['method']['params']['propertyIds']}"}
        return told(200, success({"properties": {"property": {"units": {"unit": unit}}}}))

    first = await CONNECTOR.read(session_of(answer, ["30", "4", "200"]), Model.UNITS, None, None)
    assert [record.x_id for record in first.records] == ["u4"]
    rest = await CONNECTOR.read(
        session_of(answer, ["200", "4"]), Model.UNITS, first.next_cursor, None
    )
    assert [record.x_id for record in rest.records] == ["u30"]
    last = await CONNECTOR.read(
        session_of(answer, ["200", "4"]), Model.UNITS, rest.next_cursor, None
    )
    assert [record.x_id for record in last.records] == ["u200"]
    assert last.next_cursor is None


async def test_without_properties_there_is_nothing_to_ask() -> None:
    session = session_of(answering(), ())
    for model in (Model.UNITS, Model.RESIDENTS, Model.EMPLOYEES, Model.EVENT_TYPES):
        assert await read_whole(session, model) == []
    assert session.calls == []


# --- records ----------------------------------------------------------------------------------


async def test_a_resident_is_merged_from_customers_and_leases() -> None:
    session = session_of(
        answering(
            getCustomers={"customers": {"customer": CUSTOMER}},
            getLeases={"leases": {"lease": [LEASE]}},
        )
    )
    (record,) = await read_whole(session, Model.RESIDENTS)
    assert [call.budget_key for call in session.calls] == ["getCustomers", "getLeases"]
    assert (record.x_id, record.x_property_id) == ("61001", "5001")
    assert record.links == {"x_unit_id": "901", "x_unit_ids": ["901"]}
    assert record.leases == (
        Lease("88001", "notice", "5001", "901", "70001", date(2025, 2, 1), None, "Primary"),
    )
    assert record.fields == {
        "first_name": "Ada",
        "middle_name": "K",
        "last_name": "Byron",
        "email_1": "ada@example.com",
        "email_2": None,
        "phone_1": "303-555-0101",
        "phone_1_type": None,
        "phone_2": "303-555-0102",
        "phone_2_type": "MOBILE",
        "address_1": "1 Main",
        "address_2": None,
        "city": "Denver",
        "state": "CO",
        "zip": "80202",
        "country": None,
        "date_of_birth": "1990-12-10",
        "leases_meta_data": [
            {
                "lease_id": "88001",
                "x_resident_type": "Primary",
                "resident_type_normalized": "NOTICE",
                "move_in_date": "2025-02-01",
                "move_out_date": None,
                "notice_date": None,
            }
        ],
        "custom_data": {},
    }


@pytest.mark.parametrize(
    ("status_id", "status"),
    [("3", "future"), ("4", "current"), (5, "notice"), ("6", "past"), ("1", "applicant")],
)
async def test_lease_status_ids_have_their_documented_meaning(status_id: Any, status: str) -> None:
    lease = {**LEASE, "leaseStatusTypeId": status_id, "customers": {"customer": {"id": 61001}}}
    session = session_of(
        answering(getCustomers={"customers": [CUSTOMER]}, getLeases={"leases": [lease]})
    )
    (record,) = await read_whole(session, Model.RESIDENTS)
    assert record.leases[0].status == status


async def test_an_agent_of_two_properties_comes_once_with_both() -> None:
    session = session_of(answering(getLeadPickLists=PICK_LISTS), ["5002", "5001"])
    (record,) = await read_whole(session, Model.EMPLOYEES)
    assert record.x_id == "33"
    assert record.fields["roles"] == ["LEASING_AGENT"]
    assert record.x_property_id is None
    assert record.links["x_property_ids"] == record.extra["x_property_ids"] == ["5001", "5002"]


async def test_pick_lists_tell_types_sub_types_and_results_with_their_types() -> None:
    session = session_of(answering(getLeadPickLists=PICK_LISTS), ["5001", "5002"])
    types = await read_whole(session, Model.EVENT_TYPES)
    assert [(t.x_id, t.fields["name"], t.fields["class"]) for t in types] == [
        ("8", "Notes", "note"),
        ("17", "Scheduled Appointment", "appointment"),
    ]
    assert "residents" in types[0].fields["models"]
    (sub_type,) = await read_whole(session, Model.EVENT_SUB_TYPES)
    assert (sub_type.x_id, sub_type.links) == ("454", {"x_event_type_id": "17"})
    (result,) = await read_whole(session, Model.EVENT_RESULTS)
    assert (result.x_id, result.links) == ("12", {"x_event_type_ids": ["8", "17"]})
    assert len(session.calls) == 3


async def test_units_and_properties_tell_what_the_contract_asks() -> None:
    unit = {
        "@attributes": {"id": 901, "unitNumber": "12B"},
        "noOfBedrooms": "2",
        "unitSpaces": {"unitSpace": {"availabilityStatus": "Vacant Unrented"}},
    }
    session = session_of(
        answering(
            getPropertyUnits={"properties": {"property": [{"units": {"unit": unit}}]}},
            getProperties={
                "PhysicalProperty": {
                    "Property": {
                        "PropertyID": "5001",
                        "MarketingName": "The Oaks",
                        "Type": "Apartment Homes",
                        "IsDisabled": "0",
                        "Address": {"Address": "1 Main", "City": "Denver", "PostalCode": "80202"},
                    }
                }
            },
        )
    )
    (found,) = await read_whole(session, Model.UNITS)
    assert (found.x_id, found.x_property_id, found.fields["number"]) == ("901", "5001", "12B")
    assert (found.fields["bedrooms"], found.fields["is_vacant"]) == (2, True)
    (place,) = await read_whole(session, Model.PROPERTIES)
    assert (place.x_id, place.fields["name"]) == ("5001", "The Oaks")
    assert (place.fields["is_active"], place.fields["address_1"]) == (True, "1 Main")
    assert place.fields["type_normalized"] == "APARTMENT_HOMES"


KEYS = [
    *CUSTOMER,
    *LEASE,
    *EVENT,
    *PICK_LISTS,
    "event",
    "lease",
    "unit",
    "units",
    "prospect",
    "prospects",
    "leases",
    "events",
    "properties",
    "PropertyID",
    "leasingAgents",
    "eventType",
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "1", "11/01/2026T01:30:00"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=15,
)


@settings(max_examples=80)
@given(st.dictionaries(st.sampled_from(KEYS), junk, max_size=4))
async def test_any_result_is_read_or_refused(result: dict[str, Any]) -> None:
    session = session_of(lambda _: told(200, success(result)))
    for model in Model:
        try:
            page = await CONNECTOR.read(session, model, None, None)
        except ReadRefused as refused:
            assert refused.outcome.kind is OutcomeKind.UNKNOWN  # noqa: PT017 — either end is right
        else:
            assert all(record.x_id for record in page.records)
    try:
        events = await CONNECTOR.read_events(session, resident(CURRENT))
    except ReadRefused as refused:
        assert refused.outcome.kind is OutcomeKind.UNKNOWN  # noqa: PT017 — either end is right
    else:
        assert all(event.x_id for event in events)
