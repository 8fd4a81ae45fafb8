"""From an event to an activity: the lease, the site, the text, by either route."""

from datetime import date

import pytest
from tests.vendors.onesite.worlds import CURRENT, NOTE, PAST, intent, resident, the_issue

from frontdesk.vendors.contract import (
    Connector,
    EventIntent,
    Lease,
    LeaseStatus,
    Refused,
    Resident,
)
from frontdesk.vendors.realpage.connector import RealPageConnector
from frontdesk.vendors.realpage_rpx.connector import RealPageRpxConnector

ROUTES: list[Connector] = [RealPageConnector(), RealPageRpxConnector()]


@pytest.fixture(params=ROUTES, ids=lambda route: route.declaration.vendor)
def route(request: pytest.FixtureRequest) -> Connector:
    connector: Connector = request.param
    return connector


def lease(x_id: str, status: LeaseStatus, ended: int | None = 2024) -> Lease:
    return Lease(x_id, status, "77", f"u{x_id}", None, None, date(ended, 1, 1) if ended else None)


def test_the_plan_holds_site_lease_resident_type_and_text(route: Connector) -> None:
    plan = route.plan(intent())
    assert plan.payload == {
        "site_id": "77",
        "leaseid": "501",
        "residentmemberid": "88",
        "activitytypeid": "S000000015",
        "comments": "Quiet hours",
    }
    assert plan.trace.text == "Quiet hours"
    assert plan.trace.x_type_id == "S000000015"
    assert plan.trace.instants == ()
    assert plan.notices == ()


@pytest.mark.parametrize(
    ("leases", "chosen"),
    [
        ([lease("1", "past"), lease("2", "future"), lease("3", "notice"), CURRENT], "501"),
        ([lease("1", "past"), lease("2", "future"), lease("3", "notice")], "3"),
        ([lease("1", "past"), lease("2", "future")], "2"),
        ([lease("1", "past", 2020), lease("2", "past", 2023)], "2"),
        ([lease("1", "past", None), lease("2", "past", 2023)], "2"),
        ([lease("1", "applicant"), lease("3", "cancelled"), lease("2", "past")], "2"),
    ],
)
def test_the_lease_is_current_then_notice_then_future_then_latest_past(
    route: Connector, leases: list[Lease], chosen: str
) -> None:
    for order in (leases, leases[::-1]):
        assert route.plan(intent(resident(*order))).payload["leaseid"] == chosen


def test_a_tie_is_refused_and_names_the_leases(route: Connector) -> None:
    issue = the_issue(route, intent(resident(lease("1", "current"), lease("2", "current"))))
    assert (issue.code, issue.path) == ("ambiguous", ("resident_id",))
    assert "lease 1 of unit u1, lease 2 of unit u2" in issue.message


def test_past_leases_that_ended_together_are_a_tie(route: Connector) -> None:
    tied = resident(lease("1", "past"), lease("2", "past"))
    assert the_issue(route, intent(tied)).code == "ambiguous"


@pytest.mark.parametrize("leases", [[], [lease("1", "applicant")], [lease("1", "cancelled")]])
def test_a_resident_without_a_lease_is_refused(route: Connector, leases: list[Lease]) -> None:
    issue = the_issue(route, intent(resident(*leases)))
    assert (issue.code, issue.path) == ("vendor_rule", ("resident_id",))


def test_a_lease_whose_site_is_not_known_is_refused(route: Connector) -> None:
    nowhere = Resident("r", "88", None, None, (Lease("501", "current"),))
    assert "site" in the_issue(route, intent(nowhere)).message
    known = Resident("r", "88", "78", None, (Lease("501", "current"),))
    assert route.plan(intent(known)).payload["site_id"] == "78"


@pytest.mark.parametrize("text", ["a\0b", "a\x0bb", "a\ufffeb", "a\ud800b"])
def test_text_that_xml_cannot_carry_is_refused_not_changed(route: Connector, text: str) -> None:
    issue = the_issue(route, intent(notes=text))
    assert (issue.code, issue.path) == ("invalid_value", ("notes",))


def test_every_problem_is_named_at_once(route: Connector) -> None:
    with pytest.raises(Refused) as refused:
        route.plan(intent(resident(), event_type=None, notes=" "))
    assert [issue.path for issue in refused.value.issues] == [
        ("notes",),
        ("event_type_id",),
        ("resident_id",),
    ]


def test_an_update_is_refused_with_the_reason(route: Connector) -> None:
    change = EventIntent("update", resident(PAST, CURRENT), {}, event_type=NOTE, x_event_id="1")
    issue = the_issue(route, change)
    assert (issue.code, issue.message) == ("not_supported", route.declaration.unsupported_reason)


def test_those_who_share_a_lease_are_asked_for_apart(route: Connector) -> None:
    other = Resident("r2", "89", "77", None, (CURRENT,))
    one, two = route.plan(intent()).trace, route.plan(intent(other)).trace
    assert one.where["leaseid"] == two.where["leaseid"]
    assert one.where != two.where
