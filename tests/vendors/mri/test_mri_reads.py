"""What MRI's lists mean: links, errors inside them, leases of several properties, actions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.vendors.replay import ReplaySession, query_of, told

from frontdesk.vendors.contract import (
    Access,
    Answer,
    OutcomeKind,
    Page,
    ReadRefused,
    Request,
    Resident,
)
from frontdesk.vendors.declaration import EventClass, Model
from frontdesk.vendors.mri.connector import MriConnector

CONNECTOR = MriConnector()
ACCESS = Access(
    "https://farm.saas.mrisoftware.com",
    {
        "clientId": "C",
        "databaseName": "D",
        "username": "U",
        "partnerKey": "P",
        "password": "S",
    },
)
RESIDENT = Resident("r", "0000000001", "P1", None, ())
PLACES = ("P1", "P2")

ACTION = {
    "NameID": "0000000001",
    "ActionDate": "2026-03-02T00:00:00.0000000",
    "ActionTime": "09:31:00",
    "ActionCodeID": "PH",
    "ActionDescription": "About the rent",
    "LeasingAgentID": "AGENT01",
    "ActionStatus": "OPEN",
    "Id": 500001,
    "ExternalID": None,
}


def lease(**changes: Any) -> dict[str, Any]:
    return {
        "ResidentNameID": "0000000001",
        "PropertyID": "P1",
        "BuildingID": "01",
        "UnitID": "101",
        "LeaseID": "1",
        "Address": "1 Row",
        "City": "Golden",
        "State": "CO",
        "Zipcode": "80401",
        "FirstName": "Ada",
        "LastName": "Ash",
        "ResidentStatus": "Current",
        "Email": "ada@example.org",
        "Birthday": "1990-02-03T00:00:00",
        "LeaseStart": "2025-05-01T00:00:00",
        "OccupyDate": "2025-05-02T00:00:00",
        "LeaseEnd": "2026-04-30T00:00:00",
        "LeaseMoveOut": None,
        "IsCurrent": "Y",
        "DateNotified": None,
        "ResidentVacateDate": None,
        "PhoneNumber": "(303) 555-0100",
        "CellPhoneNumber": None,
        **changes,
    }


def session_of(
    answer: Callable[[Request], Answer], places: Sequence[str] = PLACES
) -> ReplaySession:
    return ReplaySession(ACCESS, answer, places)


def telling(
    leases: Sequence[Mapping[str, Any]] = (), **lists: Sequence[Mapping[str, Any]]
) -> Callable[[Request], Answer]:
    """MRI as it answers each API, the leases by property."""

    def answer(request: Request) -> Answer:
        query = query_of(request)
        name = query["$api"].removeprefix("MRI_S-PMRM_")
        here = [row for row in leases if row["PropertyID"] == query.get("RMPROPID")]
        if name == "ResidentLeaseDetailsByPropertyID":
            return told(200, {"value": here})
        if name == "ResidentsByPropertyID":
            ids = [{"ResidentNameID": row["ResidentNameID"]} for row in here]
            return told(200, {"value": ids})
        return told(200, {"value": list(lists[name])})

    return answer


async def every(session: ReplaySession, model: Model) -> list[Page]:
    pages = [await CONNECTOR.read(session, model, None, None)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(await CONNECTOR.read(session, model, cursor, None))
    return pages


async def refusal_of(answer: Answer, model: Model = Model.PROPERTIES) -> OutcomeKind:
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read(session_of(lambda _: answer), model, None, None)
    return refused.value.outcome.kind


# --- pages ------------------------------------------------------------------------------------


async def test_a_link_is_followed_for_its_place_and_never_for_its_host() -> None:
    def answer(request: Request) -> Answer:
        skip = int(query_of(request).get("$skip", "1"))
        rows = [{"PropertyID": f"P{skip + n}"} for n in range(2)]
        link = f"https://evil.example/x?%24api=Other&%24top=2&%24skip={skip + 2}"
        return told(200, {"value": rows, "nextLink": link} if skip < 5 else {"value": rows})

    session = session_of(answer)
    pages = await every(session, Model.PROPERTIES)
    assert [r.x_id for page in pages for r in page.records] == ["P1", "P2", "P3", "P4", "P5", "P6"]
    for request in session.calls:
        assert request.url.startswith("https://farm.saas.mrisoftware.com/")
        assert query_of(request)["$api"] == "MRI_S-PMRM_Properties"
        assert query_of(request)["$format"] == "json"


@pytest.mark.parametrize("skip", ["0", "1", "x", "", "-3", "9" * 12])
async def test_a_link_that_leads_nowhere_new_is_refused(skip: str) -> None:
    rows = [{"PropertyID": "P1"}]
    link = f"https://farm.saas.mrisoftware.com/?%24skip={skip}"
    session = session_of(lambda _: told(200, {"value": rows, "nextLink": link}))
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read(session, Model.PROPERTIES, "1", None)
    assert refused.value.outcome.kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b'{"value": {}}', b'{"value": [1]}', b"<html/>", b'{"val']
)
async def test_an_answer_without_its_list_is_never_an_empty_list(body: bytes) -> None:
    assert await refusal_of(told(200, body)) is OutcomeKind.UNKNOWN


async def test_an_error_inside_a_list_is_a_refusal_and_a_deadlock_passes() -> None:
    for shape in (
        lambda words: {"value": [{"Error": {"Message": words}}]},
        lambda words: {"value": [{"Error": [{"Message": words}]}]},
        lambda words: {"Error": {"Message": words}},
    ):
        assert await refusal_of(told(200, shape("No access"))) is OutcomeKind.REJECTED
        assert await refusal_of(told(200, shape("deadlock victim"))) is OutcomeKind.NOT_NOW


async def test_failing_reads_say_why() -> None:
    assert await refusal_of(told(401, b"")) is OutcomeKind.UNAUTHORISED
    assert await refusal_of(told(429, b"")) is OutcomeKind.NOT_NOW
    assert await refusal_of(told(500, b"deadlock victim")) is OutcomeKind.NOT_NOW
    assert await refusal_of(told(502, b"<html/>")) is OutcomeKind.UNKNOWN
    assert await refusal_of(told(400, b"No such API")) is OutcomeKind.REJECTED


# --- the catalog ------------------------------------------------------------------------------


async def test_a_property_tells_its_zone_only_where_it_is_one() -> None:
    rows = [
        {"PropertyID": "P1", "PropertyName": "One", "Active": "Y", "TimeZone": "America/Denver"},
        {"PropertyID": "P2", "PropertyName": "Two", "Active": "N", "TimeZone": "Mountain"},
        {"PropertyName": "Nameless"},
    ]
    (page,) = await every(session_of(telling(Properties=rows)), Model.PROPERTIES)
    one, two = page.records
    assert (one.fields["timezone"], one.fields["is_active"]) == ("America/Denver", True)
    assert (two.fields["timezone"], two.fields["is_active"]) == (None, False)


async def test_units_are_told_apart_by_property_and_building() -> None:
    rows: list[dict[str, Any]] = [
        {"PropertyID": "P1", "BuildingID": "01", "UnitID": "101", "IsCurrent": "N"},
        {"PropertyID": "P1", "BuildingID": "01", "UnitID": "101", "IsCurrent": "Y"},
        {"PropertyID": "P1", "BuildingID": "02", "UnitID": "101", "IsCurrent": "N"},
        {"PropertyID": "P1", "BuildingID": None, "UnitID": "103", "IsCurrent": "N"},
    ]
    session = session_of(telling(ResidentialRentRoll=rows), ["P1"])
    (page,) = await every(session, Model.UNITS)
    assert {r.x_id: r.fields["is_vacant"] for r in page.records} == {
        "P1/01/101": False,
        "P1/02/101": True,
    }
    assert query_of(session.calls[0])["PROPERTYID"] == "P1"


async def test_an_agent_of_two_properties_is_one_employee_at_both() -> None:
    rows = [
        {"LeasingAgentID": "A1", "Name": "Ada", "Active": "Y", "PropertyID": place}
        for place in PLACES
    ]
    (page,) = await every(session_of(telling(LeasingAgents=rows)), Model.EMPLOYEES)
    (agent,) = page.records
    assert agent.links == {"x_property_ids": ["P1", "P2"]}
    assert agent.fields["roles"] == ["LEASING_AGENT"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Note", EventClass.NOTE),
        ("Resident memo", EventClass.NOTE),
        ("Incoming call", EventClass.CALL_IN),
        ("Phone call - outbound", EventClass.CALL_OUT),
        ("Phone call", EventClass.OTHER),
        ("Email sent", EventClass.EMAIL_OUT),
        ("E-mail received", EventClass.EMAIL_IN),
        ("E-mail", EventClass.OTHER),
        ("Text message", EventClass.TEXT),
        ("Live chat", EventClass.CHAT),
        ("Office visit", EventClass.VISIT),
        ("Follow-up", EventClass.TASK),
        ("Appointment set", EventClass.APPOINTMENT),
        ("Noteworthy", EventClass.OTHER),
        (None, EventClass.OTHER),
    ],
)
async def test_an_action_code_is_classed_by_its_description(
    words: str | None, expected: EventClass
) -> None:
    rows = [{"ActionCodeID": "X", "Description": words}]
    (page,) = await every(session_of(telling(ActionCodes=rows)), Model.EVENT_TYPES)
    (record,) = page.records
    assert record.event_class is expected
    assert record.fields["name"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "current"),
        ({"DateNotified": "2026-01-01T00:00:00"}, "notice"),
        ({"ResidentStatus": "Old", "IsCurrent": "N"}, "past"),
        ({"ResidentStatus": "New", "IsCurrent": "N"}, "future"),
        ({"ResidentStatus": "Other Resident"}, "current"),
        ({"ResidentStatus": "Other Resident", "DateNotified": "2026-01-01T00:00:00"}, "notice"),
        (
            {
                "ResidentStatus": "Other Resident",
                "IsCurrent": "N",
                "LeaseMoveOut": "2026-01-01T00:00:00",
            },
            "past",
        ),
        ({"ResidentStatus": "Other Resident", "IsCurrent": "N"}, "future"),
        ({"ResidentStatus": "Old", "DateNotified": "2026-01-01T00:00:00"}, "past"),
    ],
)
async def test_where_a_lease_stands(changes: dict[str, Any], expected: str) -> None:
    pages = await every(session_of(telling([lease(**changes)]), ["P1"]), Model.RESIDENTS)
    ((found,),) = [record.leases for page in pages for record in page.records]
    assert found.status == expected
    assert found.x_id == "P1/01/101/1"
    assert found.x_unit_id == "P1/01/101"


async def test_a_resident_is_read_with_what_is_told_of_him() -> None:
    pages = await every(session_of(telling([lease()]), ["P1"]), Model.RESIDENTS)
    (record,) = pages[0].records
    assert record.x_property_id == "P1"
    assert record.fields["email_1"] == "ada@example.org"
    assert record.fields["date_of_birth"] == "1990-02-03"
    assert (record.fields["phone_1"], record.fields["phone_1_type"]) == ("(303) 555-0100", "HOME")
    (row,) = record.fields["leases_meta_data"]
    assert row["move_in_date"] == "2025-05-02"
    assert row["x_resident_type"] == "Current"


async def test_a_resident_of_two_properties_has_both_leases_in_each_reading() -> None:
    rows = [
        lease(),
        lease(PropertyID="P2", ResidentStatus="Old", IsCurrent="N"),
        lease(ResidentNameID="0000000002", PropertyID="P2"),
    ]
    session = session_of(telling(rows))
    first, second = await every(session, Model.RESIDENTS)
    (alone,) = first.records
    both = {record.x_id: record for record in second.records}
    assert [(x.x_property_id, x.status) for x in alone.leases] == [
        ("P1", "current"),
        ("P2", "past"),
    ]
    assert both["0000000001"] == alone
    assert [x.x_property_id for x in both["0000000002"].leases] == ["P2"]
    assert alone.x_property_id == "P1"


# --- actions ----------------------------------------------------------------------------------


async def test_an_action_is_read_whatever_the_case_of_its_names() -> None:
    drifted = {name.upper(): value for name, value in ACTION.items()}
    for row in (ACTION, drifted):
        session = session_of(telling(ResidentialInteractionsByNameID=[row]))
        (event,) = await CONNECTOR.read_events(session, RESIDENT)
        assert event.x_id == "500001"
        assert event.text == "About the rent"
        assert event.fields["x_leasing_agent_id"] == "AGENT01"
        assert event.fields["event_datetime"] == "2026-03-02"
        assert event.fields["status"] == "OPEN"
        assert event.stamped_at is None
        assert event.instants == ()
    assert query_of(session.calls[0])["NameID"] == RESIDENT.x_id


async def test_a_date_is_an_instant_only_in_a_known_calendar() -> None:
    session = session_of(telling(ResidentialInteractionsByNameID=[ACTION]))
    (event,) = await CONNECTOR.read_events(session, RESIDENT, {"timezone": "America/Denver"})
    assert event.instants == (datetime(2026, 3, 2, 7, tzinfo=UTC),)
    assert event.fields["event_datetime"] == date(2026, 3, 2).isoformat()


async def test_another_residents_action_is_not_taken_for_ours() -> None:
    rows = [ACTION, {**ACTION, "Id": 2, "NameID": "0000000002"}]
    session = session_of(telling(ResidentialInteractionsByNameID=rows))
    assert [e.x_id for e in await CONNECTOR.read_events(session, RESIDENT)] == ["500001"]


async def test_an_action_without_an_id_ends_the_read() -> None:
    session = session_of(telling(ResidentialInteractionsByNameID=[{**ACTION, "Id": None}]))
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read_events(session, RESIDENT)
    assert refused.value.outcome.kind is OutcomeKind.UNKNOWN


async def test_words_that_there_are_none_are_an_empty_list_and_other_words_are_not() -> None:
    none = told(400, b"NAMEID: The specified resident does not have any interactions.")
    assert await CONNECTOR.read_events(session_of(lambda _: none), RESIDENT) == ()
    gone = told(400, b"NAMEID: The specified resident does not exist.")
    with pytest.raises(ReadRefused):
        await CONNECTOR.read_events(session_of(lambda _: gone), RESIDENT)
    broken = told(500, b"The server does not have any memory left")
    with pytest.raises(ReadRefused):
        await CONNECTOR.read_events(session_of(lambda _: broken), RESIDENT)
