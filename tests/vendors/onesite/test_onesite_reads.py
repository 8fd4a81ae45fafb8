"""OneSite's lists and activity logs, from hand-written answers, by both routes."""

from datetime import date

import pytest
from tests.vendors.onesite.worlds import (
    CURRENT,
    ODE,
    PAST,
    RPX,
    called,
    fault,
    local,
    resident,
    rows,
    session_of,
    texts,
)
from tests.vendors.replay import ReplaySession

from frontdesk.vendors.contract import (
    Access,
    Answer,
    Connector,
    FoundEvent,
    Lease,
    OutcomeKind,
    ReadRefused,
    Record,
)
from frontdesk.vendors.declaration import EventClass, Model
from frontdesk.vendors.realpage.connector import RealPageConnector
from frontdesk.vendors.realpage_rpx.connector import RealPageRpxConnector

ROUTES: list[tuple[Connector, Access]] = [(RealPageConnector(), ODE), (RealPageRpxConnector(), RPX)]
NOT_LICENSED = fault("LicenseKey is not authorized to call the method")
RESIDENT = {
    "residentmemberid": "88",
    "residenthouseholdid": "9",
    "leaseid": "501",
    "unitid": "901",
    "unitnumber": "101",
    "firstname": "Ada",
    "lastname": "Byron",
    "email": "ada@example.com",
    "cellphone": "3035550101",
    "leasestatus": "Current",
    "moveindate": "2025-01-01T00:00:00",
    "moveoutdate": "",
}
ACTIVITY = {
    "activityid": "70001",
    "leaseid": "501",
    "residentmemberid": "88",
    "activitytypeid": "S000000015",
    "activitytype": "Note",
    "comments": "Quiet hours",
    "createdby": "Front office",
}
NO_LEASES = rows("Leases", "Lease")
Route = tuple[Connector, Access]


@pytest.fixture(params=ROUTES, ids=lambda route: route[0].declaration.vendor)
def route(request: pytest.FixtureRequest) -> Route:
    found: Route = request.param
    return found


async def records(route: Route, model: Model, **answers: str | Answer) -> tuple[Record, ...]:
    page = await route[0].read(session_of(route[1], ("77",), **answers), model, None, None)
    assert page.next_cursor is None
    return page.records


async def residents(route: Route, *found: dict[str, str], leases: str = NO_LEASES) -> list[Record]:
    listed = rows("residentlist", "resident", *found)
    answers = {"getresidentlistinfo": listed, "getleaseinfo": leases}
    return list(await records(route, Model.RESIDENTS, **answers))


async def events(route: Route, log: str | Answer, *leases: Lease) -> tuple[FoundEvent, ...]:
    session = session_of(route[1], getresidentactivitylog=log)
    return await route[0].read_events(session, resident(*(leases or (CURRENT,))))


async def the_refusal(route: Route, log: str | Answer) -> OutcomeKind:
    with pytest.raises(ReadRefused) as refused:
        await events(route, log)
    return refused.value.outcome.kind


# --- sites --------------------------------------------------------------------------------------


async def test_only_the_site_of_the_credentials_is_read(route: Route) -> None:
    sites = rows("SiteList", "Site", {"SiteID": "76"}, {"SiteID": "77", "SiteName": "Elm Court"})
    (site,) = await records(route, Model.PROPERTIES, getsitelist=sites)
    assert (site.x_id, site.fields["name"], site.fields["is_active"]) == ("77", "Elm Court", True)


async def test_a_site_that_the_licence_does_not_list_is_still_the_integrations(
    route: Route,
) -> None:
    for answer in (NOT_LICENSED, rows("SiteList", "Site", {"SiteID": "76"})):
        (site,) = await records(route, Model.PROPERTIES, getsitelist=answer)
        assert site.x_id == "77"


async def test_without_a_site_the_only_one_of_the_licence_is_taken() -> None:
    rpx = RealPageRpxConnector()
    access = Access(RPX.base_url, {**RPX.credentials, "siteId": ""})
    one, two = {"SiteID": "77"}, {"SiteID": "78"}
    session = session_of(access, (), getsitelist=rows("SiteList", "Site", one))
    page = await rpx.read(session, Model.PROPERTIES, None, None)
    assert [record.x_id for record in page.records] == ["77"]
    assert "siteid" not in texts(called(session.calls[0]))
    for ids, model in ((("77", "78"), Model.UNITS), ((), Model.PROPERTIES)):
        session = session_of(access, ids, getsitelist=rows("SiteList", "Site", one, two))
        with pytest.raises(ReadRefused) as refused:
            await rpx.read(session, model, None, None)
        assert refused.value.outcome.code == "several_sites"
    page = await rpx.read(session_of(access, ()), Model.UNITS, None, None)
    assert page.records == ()
    session = session_of(
        access, ("77",), unitlist=rows("UnitList", "Unit"), getbuildings=NOT_LICENSED
    )
    await rpx.read(session, Model.UNITS, None, None)
    assert texts(called(session.calls[0]))["siteid"] == "77"


# --- units, staff, types ------------------------------------------------------------------------


async def test_a_unit_is_completed_from_its_building(route: Route) -> None:
    unit = {
        "UnitID": "901",
        "UnitNumber": "101",
        "BuildingID": "4",
        "Floor": "1",
        "Bedrooms": "2",
        "Bathrooms": "1.5",
        "RentableSqft": "700",
        "Vacant": "F",
        "Available": "T",
    }
    building = {"BuildingID": "4", "BuildingName": "North", "Address": "1 Elm", "City": "Golden"}
    (record,) = await records(
        route,
        Model.UNITS,
        unitlist=rows("UnitList", "Unit", unit),
        getbuildings=rows("BuildingList", "Building", building),
    )
    fields = record.fields
    assert (fields["number"], fields["building_name"], fields["city"]) == ("101", "North", "Golden")
    assert (fields["bedrooms"], fields["bathrooms"], fields["square_feet"]) == (2, 1.5, 700)
    assert (fields["is_vacant"], fields["is_available"]) == (False, True)
    assert record.x_property_id == "77"


async def test_units_are_read_without_buildings_where_the_licence_lacks_them(route: Route) -> None:
    units = rows("UnitList", "Unit", {"UnitID": "901"}, {"UnitNumber": "no id"})
    (record,) = await records(route, Model.UNITS, unitlist=units, getbuildings=NOT_LICENSED)
    assert record.x_id == "901"
    with pytest.raises(ReadRefused):
        await records(route, Model.UNITS, unitlist=units, getbuildings=fault("Deadlock"))


async def test_everybody_on_the_list_of_agents_is_one_but_the_house(route: Route) -> None:
    items = rows(
        "Contents",
        "PicklistItem",
        {"Value": "0", "Text": "House"},
        {"Value": "6001", "Text": "Ida Roe"},
    )
    found = await records(
        route, Model.EMPLOYEES, getleasingagents=items, getleasingagentsbyproperty=items
    )
    assert {record.x_id: record.fields["roles"] for record in found} == {
        "0": [],
        "6001": ["LEASING_AGENT"],
    }


async def test_the_public_activity_types_have_their_class_and_others_have_none(
    route: Route,
) -> None:
    ids = ("S000000001", "S000000010", "S000000015", "S000000100", "S000000101", "1040")
    items = rows("Contents", "PicklistItem", *({"Value": x, "Text": f"Type {x}"} for x in ids))
    found = await records(route, Model.EVENT_TYPES, getactivitytypes=items)
    declared = route[0].declaration
    assert [declared.class_of(record.x_id) for record in found] == [
        EventClass.CALL_OUT,
        EventClass.EMAIL_OUT,
        EventClass.NOTE,
        EventClass.OTHER,
        EventClass.CHAT,
        EventClass.OTHER,
    ]
    assert all("residents" in record.fields["models"] for record in found)


async def test_results_are_read_where_the_route_has_them() -> None:
    types = rows("Contents", "PicklistItem", {"Value": "S000000015", "Text": "Note"})
    codes = rows("Contents", "PicklistItem", {"Value": "1", "Text": "Resolved"})
    answers = {"getactivitytypes": types, "getactivityresultcodes": codes}
    (found,) = await records(ROUTES[0], Model.EVENT_RESULTS, **answers)
    assert found.links == {"x_event_type_ids": ["S000000015"]}
    assert await records(ROUTES[1], Model.EVENT_RESULTS) == ()


# --- residents ----------------------------------------------------------------------------------


async def test_a_resident_has_the_leases_of_all_his_rows_the_best_first(route: Route) -> None:
    former = {**RESIDENT, "leaseid": "400", "unitid": "900", "leasestatus": "Former"}
    (record,) = await residents(route, former, RESIDENT, RESIDENT)
    assert [(lease.x_id, lease.status) for lease in record.leases] == [
        ("501", "current"),
        ("400", "past"),
    ]
    assert record.links == {"x_unit_id": "901", "x_unit_ids": ["900", "901"]}
    assert record.fields["email_1"] == "ada@example.com"
    assert (record.fields["phone_1"], record.fields["phone_1_type"]) == ("3035550101", "MOBILE")
    assert record.leases[0].move_in == date(2025, 1, 1)
    assert record.x_property_id == "77"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Current", "current"),
        ("Future Lease", "future"),
        ("Applicant - Lease Signed", "future"),
        ("Applicant", "applicant"),
        ("Former", "past"),
        ("Former Applicant", "cancelled"),
        ("former  APPLICANT", "cancelled"),
    ],
)
async def test_every_lease_status_is_understood(route: Route, word: str, status: str) -> None:
    (record,) = await residents(route, {**RESIDENT, "leasestatus": word})
    assert [lease.status for lease in record.leases] == [status]


async def test_a_current_lease_on_which_notice_was_given_is_on_notice(route: Route) -> None:
    (record,) = await residents(route, {**RESIDENT, "noticegivendate": "2025-06-01T00:00:00"})
    assert record.leases[0].status == "notice"
    assert record.fields["leases_meta_data"][0]["notice_date"] == "2025-06-01"


async def test_a_status_that_nobody_knows_is_no_lease_to_write_to(route: Route) -> None:
    (record,) = await residents(route, {**RESIDENT, "leasestatus": "Pending Renewal"})
    assert record.leases == ()
    assert record.fields["first_name"] == "Ada"


async def test_dates_come_from_the_list_of_leases_where_residents_tell_none(route: Route) -> None:
    lease = {"LeaseID": "501", "LeaseBeginDate": "2024-03-01", "LeaseEndDate": "2025-02-28"}
    row = {**RESIDENT, "moveindate": ""}
    (record,) = await residents(route, row, leases=rows("Leases", "Lease", lease))
    assert (record.leases[0].move_in, record.leases[0].move_out) == (
        date(2024, 3, 1),
        date(2025, 2, 28),
    )
    listed = rows("residentlist", "resident", row)
    answers: dict[str, str | Answer] = {
        "getresidentlistinfo": listed,
        "getleaseinfo": NOT_LICENSED,
    }
    (record,) = await records(route, Model.RESIDENTS, **answers)
    assert record.leases[0].move_in is None


async def test_rows_without_a_person_are_left_out(route: Route) -> None:
    assert await residents(route, {**RESIDENT, "residentmemberid": ""}) == []
    assert await residents(route) == []


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (Model.PROPERTIES, "getsitelist"),
        (Model.UNITS, "unitlist"),
        (Model.EVENT_TYPES, "getactivitytypes"),
        (Model.RESIDENTS, "getresidentlistinfo"),
    ],
)
async def test_a_list_that_is_not_there_is_no_empty_list(
    route: Route, model: Model, answer: str
) -> None:
    for body in ("", "<Other/>", Answer(200, {}, b"<html/>"), fault("Deadlock"), fault("Odd")):
        with pytest.raises(ReadRefused) as refused:
            await records(route, model, **{answer: body})
        assert refused.value.outcome.kind is OutcomeKind.UNKNOWN


async def test_a_read_that_the_licence_lacks_is_refused_for_good(route: Route) -> None:
    with pytest.raises(ReadRefused) as refused:
        await records(route, Model.RESIDENTS, getresidentlistinfo=NOT_LICENSED)
    assert refused.value.outcome.kind is OutcomeKind.REJECTED


# --- activity logs ------------------------------------------------------------------------------


async def test_an_activity_is_read_as_it_stands_in_the_log(route: Route) -> None:
    (event,) = await events(route, rows("ResidentActivityLog", "activity", ACTIVITY))
    assert (event.x_id, event.x_resident_id, event.text) == ("70001", "88", "Quiet hours")
    assert (event.x_type_id, event.x_property_id) == ("S000000015", "77")
    assert (event.instants, event.stamped_at, event.author) == ((), None, None)
    assert event.fields["agent_name"] == "Front office"


async def test_activities_of_others_on_the_lease_are_not_the_residents(route: Route) -> None:
    other = {**ACTIVITY, "activityid": "70002", "residentmemberid": "89"}
    elsewhere = {**ACTIVITY, "activityid": "70003", "leaseid": "502"}
    log = rows("ResidentActivityLog", "activity", other, elsewhere, ACTIVITY)
    assert [event.x_id for event in await events(route, log)] == ["70001"]


async def test_an_activity_that_names_no_member_may_be_the_residents(route: Route) -> None:
    nameless = {name: value for name, value in ACTIVITY.items() if name != "residentmemberid"}
    log = rows("ResidentActivityLog", "activity", nameless)
    assert [event.x_id for event in await events(route, log)] == ["70001"]


async def test_each_lease_is_asked_for_and_each_activity_told_once(route: Route) -> None:
    log = rows("x", "activity", {**ACTIVITY, "leaseid": ""})
    session: ReplaySession = session_of(route[1], getresidentactivitylog=log)
    found = await route[0].read_events(session, resident(PAST, CURRENT))
    assert [event.x_id for event in found] == ["70001"]
    asked = [texts(called(call)) for call in session.calls]
    assert [{k.lower(): v for k, v in one.items()}["leaseid"] for one in asked] == ["400", "501"]
    assert {local(called(call)).lower() for call in session.calls} == {"getresidentactivitylog"}


@pytest.mark.parametrize(
    "log", ["", "<ResidentActivityLog/>", "<x><leaseid>501</leaseid><Status>Success</Status></x>"]
)
async def test_an_empty_log_is_empty(route: Route, log: str) -> None:
    assert await events(route, log) == ()


@pytest.mark.parametrize(
    "log",
    [
        rows("ResidentActivityLog", "entry", ACTIVITY),
        rows("ResidentActivityLog", "activity", {**ACTIVITY, "activityid": ""}),
        rows("ResidentActivityLog", "activity", {"activityid": "1", "note": "Quiet hours"}),
    ],
    ids=["other names", "no id", "no text"],
)
async def test_a_log_that_could_hide_an_activity_is_no_empty_log(route: Route, log: str) -> None:
    assert await the_refusal(route, log) is OutcomeKind.UNKNOWN


async def test_text_is_read_to_the_letter(route: Route) -> None:
    text = " two\nlines&#13;\n &lt;b&gt; "
    (event,) = await events(route, rows("x", "activity", {**ACTIVITY, "comments": text}))
    assert event.text == " two\nlines\r\n <b> "
