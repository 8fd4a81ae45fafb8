"""Reading Propertyware: paging whose total drifts, leases that know their contacts, and notes that
name whom they are about. Answers are written by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vendors.replay import ReplaySession, path_of, query_of, told

from frontdesk.vendors.contract import (
    Access,
    Answer,
    Lease,
    LeaseStatus,
    NoAnswer,
    OutcomeKind,
    ReadRefused,
    Request,
    Resident,
    Unaskable,
)
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.propertyware import client
from frontdesk.vendors.propertyware.connector import PropertywareConnector
from frontdesk.vendors.propertyware.guesses import lease_status
from frontdesk.vendors.propertyware.records import employee_records, resident_record

CONNECTOR = PropertywareConnector()
SOAP = {"username": "u", "password": "p"}
REST = {**SOAP, "clientId": "c", "clientSecret": "s", "systemId": "9"}
TODAY = datetime.now(UTC).date()
EXAMPLES = settings(max_examples=100, deadline=None, database=None, derandomize=True)


def session(
    answer: Callable[[Request], Answer], keys: dict[str, str] | None = None
) -> ReplaySession:
    return ReplaySession(Access("http://127.0.0.1:1", keys or REST), answer)


def drifting(rows: list[dict[str, Any]]) -> Callable[[Request], Answer]:
    """A list as it was seen: the last page tells its own count as the total."""

    def answer(request: Request) -> Answer:
        query = query_of(request)
        offset, limit = int(query["offset"]), int(query["limit"])
        page = rows[offset : offset + limit]
        total = len(page) if offset + limit >= len(rows) else len(rows)
        return told(200, page, {"x-total-count": str(total)})

    return answer


async def everything(of: ReplaySession, model: Model) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await CONNECTOR.read(of, model, cursor, None)
        found += [record.x_id for record in page.records]
        cursor = page.next_cursor
        if cursor is None:
            return found


# --- paging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1000, 1730])
async def test_a_list_is_read_to_its_end_though_its_last_total_is_too_small(count: int) -> None:
    rows = [{"id": number} for number in range(1, count + 1)]
    of = session(drifting(rows))
    assert await everything(of, Model.UNITS) == [str(row["id"]) for row in rows]
    assert len(of.calls) <= count // client.PAGE_SIZE + 1 + (count % client.PAGE_SIZE == 0)


async def test_a_short_page_does_not_end_a_list_that_promises_more() -> None:
    rows = [{"id": number} for number in range(1, 8)]

    def answer(request: Request) -> Answer:
        offset = int(query_of(request)["offset"])
        page = rows[offset : offset + 3]
        return told(200, page, {"x-total-count": str(len(rows)) if len(page) == 3 else "1"})

    assert len(await everything(session(answer), Model.PROPERTIES)) == 7


async def test_lists_ask_for_the_largest_page_in_one_order() -> None:
    of = session(drifting([{"id": 1}]))
    await everything(of, Model.PROPERTIES)
    (request,) = of.calls
    assert path_of(request) == "/pw/api/rest/v1/buildings"
    assert query_of(request) == {"orderby": "id", "limit": "500", "offset": "0"}
    headers = {name for name in request.headers if name.startswith("x-propertyware")}
    assert len(headers) == 3


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"userMessage": "no"}, OutcomeKind.UNAUTHORISED, "unauthorised"),
        (400, {"userMessage": "no", "errorCode": "1001"}, OutcomeKind.REJECTED, "invalid"),
        (403, {"userMessage": "no", "errorCode": "1001"}, OutcomeKind.REJECTED, "forbidden"),
        (404, {"userMessage": "no", "errorCode": "1001"}, OutcomeKind.REJECTED, "not_found"),
        (404, b"<html>Not Found</html>", OutcomeKind.UNKNOWN, "unexpected_answer"),
        (400, b"", OutcomeKind.UNKNOWN, "unexpected_answer"),
        (406, b"", OutcomeKind.UNKNOWN, "unexpected_answer"),
        (429, b"", OutcomeKind.NOT_NOW, "rate_limited"),
        (500, {"userMessage": "oops"}, OutcomeKind.UNKNOWN, "server_error"),
        (503, b"<html/>", OutcomeKind.UNKNOWN, "server_error"),
        (200, b'[{"id": 1}', OutcomeKind.UNKNOWN, "unreadable_answer"),
        (200, {"id": 1}, OutcomeKind.UNKNOWN, "unreadable_answer"),
        (200, [{"name": "no id"}], OutcomeKind.UNKNOWN, "unreadable_answer"),
        (200, [7], OutcomeKind.UNKNOWN, "unreadable_answer"),
    ],
)
async def test_a_read_that_fails_says_why(
    status: int, body: object, kind: OutcomeKind, code: str
) -> None:
    for model in (Model.PROPERTIES, Model.UNITS, Model.EMPLOYEES, Model.RESIDENTS):
        with pytest.raises(ReadRefused) as refused:
            await CONNECTOR.read(session(lambda _: told(status, body)), model, None, None)
        outcome = refused.value.outcome
        assert (outcome.kind, outcome.code) == (kind, code)
        assert outcome.message


async def brought(of: ReplaySession, model: Model) -> object:
    """The records of a read, or the kind of its refusal."""
    try:
        return (await CONNECTOR.read(of, model, None, None)).records
    except ReadRefused as refused:
        return refused.outcome.kind


@EXAMPLES
@given(st.binary(max_size=200) | st.sampled_from([b"[" * 5_000, b"null", b"[[]]", b"[{}]"]))
async def test_no_bytes_are_an_error_of_ours(body: bytes) -> None:
    for keys in (REST, SOAP):
        of = session(lambda _: told(200, body), keys)
        for model in (Model.RESIDENTS, Model.UNITS):
            assert await brought(of, model) in (OutcomeKind.UNKNOWN, ())


async def test_a_lost_answer_is_passed_on() -> None:
    def cut(_: Request) -> Answer:
        raise NoAnswer("cut", sent=True)

    with pytest.raises(NoAnswer):
        await CONNECTOR.read(session(cut), Model.UNITS, None, None)


# --- residents ------------------------------------------------------------------------------------


def lease_row(x_id: int, *contacts: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": x_id,
        "buildingID": 61001,
        "unitID": 62001,
        "status": "Active",
        "active": True,
        "startDate": "2020-01-01",
        "endDate": "2099-01-01",
        "contacts": [{"id": number} for number in contacts],
        **changes,
    }


async def test_residents_get_their_leases_though_only_leases_know_of_them() -> None:
    lists = {
        "/contacts": [
            {"id": 1, "firstName": "Ada", "lastName": "Brightwater", "mobilePhone": "3035550101"},
            {"id": 2, "firstName": "Zoë"},
        ],
        "/leases": [
            lease_row(11, 1, 2),
            lease_row(12, 1, buildingID=61002, unitID=None, moveOutDate="2024-01-31"),
            lease_row(13, 999),
        ],
    }

    def answer(request: Request) -> Answer:
        if "contacts" in path_of(request):
            assert query_of(request)["type"] == "TENANT"
        return drifting(lists[path_of(request).removeprefix("/pw/api/rest/v1")])(request)

    page = await CONNECTOR.read(session(answer), Model.RESIDENTS, None, TODAY_AT_NOON)
    first, second = page.records
    assert [(lease.x_id, lease.status) for lease in first.leases] == [
        ("11", "current"),
        ("12", "past"),
    ]
    assert first.x_property_id == "61001"
    assert first.links == {"x_unit_id": "62001", "x_unit_ids": ["62001"]}
    assert first.extra == {"name": "Ada Brightwater"}
    assert (first.fields["phone_1"], first.fields["phone_1_type"]) == ("3035550101", "MOBILE")
    assert first.fields["leases_meta_data"][1]["move_out_date"] == "2024-01-31"
    assert [lease.x_id for lease in second.leases] == ["11"]
    assert page.next_cursor is None


TODAY_AT_NOON = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)


async def test_leases_are_read_once_for_many_contacts_and_never_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("frontdesk.vendors.propertyware.connector.CONTACTS_A_PAGE", 1_000)
    contacts = [{"id": number} for number in range(1, 2_001)]
    leases = [lease_row(number, number) for number in range(1, 1_201)]

    def answer(request: Request) -> Answer:
        return drifting(contacts if "contacts" in path_of(request) else leases)(request)

    of = session(answer)
    assert len(await everything(of, Model.RESIDENTS)) == 2_000
    lease_calls = [request for request in of.calls if path_of(request).endswith("/leases")]
    assert len(lease_calls) == 2 * 3
    nobody = session(lambda _: told(200, []))
    assert await everything(nobody, Model.RESIDENTS) == []
    assert len(nobody.calls) == 1


async def test_short_pages_that_promise_more_than_there_is_do_not_keep_one_step_for_ever() -> None:
    page = [{"id": 1}, {"id": 2}]

    def answer(request: Request) -> Answer:
        promised = "3000" if "contacts" in path_of(request) else "2"
        return replace(told(200, page), headers={"x-total-count": promised})

    of = session(answer)
    read = await CONNECTOR.read(of, Model.RESIDENTS, None, TODAY_AT_NOON)
    contact_calls = [request for request in of.calls if "contacts" in path_of(request)]
    assert len(contact_calls) == 10
    # The next step begins behind them, and whoever drives it sees that it brings the same again.
    assert read.next_cursor == "20"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "current"),
        ({"notice": TODAY}, "notice"),
        ({"starts": TODAY + timedelta(days=1), "active": False}, "future"),
        ({"starts": TODAY}, "current"),
        ({"active": False}, "past"),
        ({"ended": TODAY}, "past"),
        ({"ended": TODAY + timedelta(days=9), "notice": TODAY}, "notice"),
        ({"word": "Cancelled"}, "cancelled"),
        ({"word": "Pending approval"}, "applicant"),
        ({"word": None, "active": None, "starts": None}, "current"),
    ],
)
def test_the_status_of_a_lease_follows_from_its_dates(
    changes: dict[str, Any], status: LeaseStatus
) -> None:
    usual: dict[str, Any] = {
        "word": "Active", "active": True, "starts": date(2020, 1, 1), "ended": None, "notice": None,
    }  # fmt: skip
    assert lease_status(**{**usual, **changes}, today=TODAY) == status


def test_names_are_read_whatever_their_capitals() -> None:
    record = resident_record({"ID": 5, "FirstName": "Ada", "EMAIL": "a@example.com"}, ())
    assert (record.x_id, record.fields["first_name"]) == ("5", "Ada")
    assert record.fields["email_1"] == "a@example.com"


def test_somebody_who_manages_two_buildings_is_one_employee() -> None:
    def manager(x_id: int, role: str) -> dict[str, Any]:
        return {"id": x_id, "userID": 82001, "name": "Ada", "roleAsString": role}

    buildings: list[dict[str, Any]] = [
        {"id": 1, "propertyManagerList": [manager(7, "Leasing Agent")]},
        {"id": 2, "propertyManagerList": [manager(8, "Property Manager"), {"name": "nobody"}]},
        {"id": 3, "propertyManagerList": None},
    ]
    (found,) = employee_records(buildings)
    assert found.x_id == "82001"
    assert found.links == {"x_property_ids": ["1", "2"]}
    assert found.fields["roles"] == ["LEASING_AGENT", "PROPERTY_MANAGER"]


# --- without REST keys ----------------------------------------------------------------------------

CONTACTS = (
    b"<e:Envelope xmlns:e='urn:e'><e:Body><r:getContactsByTypeResponse xmlns:r='urn:r'>"
    b"<getContactsByTypeReturn><item href='#a'/><item><ID>2</ID></item></getContactsByTypeReturn>"
    b"</r:getContactsByTypeResponse><multiRef id='a'><ID href='#b'/><firstName>Ada</firstName>"
    b"</multiRef><multiRef id='b'>1</multiRef></e:Body></e:Envelope>"
)


async def test_without_rest_keys_tenants_are_read_over_soap_and_nothing_else_is() -> None:
    for keys in (SOAP, {**REST, "systemId": ""}):
        of = session(lambda _: told(200, CONTACTS), keys)
        page = await CONNECTOR.read(of, Model.RESIDENTS, None, None)
        assert [record.x_id for record in page.records] == ["1", "2"]
        assert page.records[0].fields["first_name"] == "Ada"
        assert all(record.leases == () for record in page.records)
        (request,) = of.calls
        assert b'<type xsi:type="xsd:string">TENANT</type>' in (request.body or b"")
        for model in (Model.PROPERTIES, Model.UNITS, Model.EMPLOYEES, Model.TIMEZONES):
            assert (await CONNECTOR.read(of, model, None, None)).records == ()
        assert await CONNECTOR.read_events(of, RESIDENT) == ()
        assert len(of.calls) == 1


async def test_a_soap_list_with_a_nameless_entry_is_not_trusted() -> None:
    body = CONTACTS.replace(b"<ID>2</ID>", b"")
    with pytest.raises(ReadRefused):
        await CONNECTOR.read(session(lambda _: told(200, body), SOAP), Model.RESIDENTS, None, None)


async def test_a_fault_of_a_soap_read_says_what_it_means() -> None:
    fault = (
        b"<e:Envelope xmlns:e='urn:e'><e:Body><e:Fault><faultcode>e:Server.userException"
        b"</faultcode><faultstring>User is not authenticated</faultstring></e:Fault></e:Body>"
        b"</e:Envelope>"
    )
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read(session(lambda _: told(500, fault), SOAP), Model.RESIDENTS, None, None)
    assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED


# --- notes ----------------------------------------------------------------------------------------

RESIDENT = Resident("r", "73001", "61001", None, (Lease("64001", "current", "61001"),))
PLACE = {"lease_id": "64001"}


def note(x_id: int, subject: str | None, body: str = "Keys") -> dict[str, Any]:
    return {"id": x_id, "subject": subject, "body": body, "date": "2026-05-04", "private": False}


NOTES = [
    note(1, "Rent (Ada, contact 73001)"),
    note(2, "Rent (Zoë, contact 73002)"),
    note(3, "Office"),
    note(4, None),
]


async def test_at_a_writes_place_only_notes_that_name_him_count() -> None:
    of = session(lambda _: told(200, NOTES))
    (event,) = await CONNECTOR.read_events(of, RESIDENT, PLACE)
    assert (event.x_id, event.text, event.x_resident_id) == ("1", "Keys", "73001")
    assert event.fields["event_name"] == "Rent"
    assert event.fields["event_datetime"] == "2026-05-04T00:00:00Z"
    assert (event.instants, event.stamped_at) == ((), None)
    assert path_of(of.calls[0]) == "/pw/api/rest/v1/leases/64001/notes"


async def test_of_all_his_events_those_of_his_neighbours_are_left_out() -> None:
    events = await CONNECTOR.read_events(session(lambda _: told(200, NOTES)), RESIDENT)
    assert [event.x_id for event in events] == ["1", "3", "4"]


async def test_notes_are_read_whole_whether_they_are_paged_or_not() -> None:
    many = [note(number, "x (contact 73001)") for number in range(1, 1_201)]
    paged = session(drifting(many))
    assert len(await CONNECTOR.read_events(paged, RESIDENT, PLACE)) == 1_200
    for count in (0, 3, 500, 501, 1_200):
        whole = session(lambda _, count=count: told(200, many[:count]))  # type: ignore[misc]
        assert len(await CONNECTOR.read_events(whole, RESIDENT, PLACE)) == count
        assert len(whole.calls) <= 2


async def test_a_note_on_a_contact_cannot_be_asked_for() -> None:
    of = session(lambda _: told(200, NOTES))
    with pytest.raises(Unaskable):
        await CONNECTOR.read_events(of, RESIDENT, {"contact_id": "73001"})
    assert of.calls == []


async def test_without_rest_keys_a_note_on_a_lease_cannot_be_asked_for_either() -> None:
    with pytest.raises(Unaskable):
        await CONNECTOR.read_events(session(lambda _: told(200, NOTES), SOAP), RESIDENT, PLACE)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_place_that_is_refused_for_good_cannot_be_asked(status: int) -> None:
    words = {"userMessage": "Not yours", "errorCode": "1001"}
    with pytest.raises(Unaskable, match="Not yours"):
        await CONNECTOR.read_events(session(lambda _: told(status, words)), RESIDENT, PLACE)
    with pytest.raises(ReadRefused):
        await CONNECTOR.read_events(session(lambda _: told(status, words)), RESIDENT)


@pytest.mark.parametrize("status", [401, 429, 500, 404])
async def test_a_place_that_is_out_of_reach_is_asked_again_later(status: int) -> None:
    with pytest.raises(ReadRefused):
        await CONNECTOR.read_events(session(lambda _: told(status, b"<html/>")), RESIDENT, PLACE)


async def test_a_cut_list_of_notes_is_never_taken_for_a_short_one() -> None:
    whole = json.dumps(NOTES).encode()
    for end in range(len(whole) - 1):
        of = session(lambda _, end=end: told(200, whole[:end]))  # type: ignore[misc]
        with pytest.raises(ReadRefused):
            await CONNECTOR.read_events(of, RESIDENT, PLACE)
