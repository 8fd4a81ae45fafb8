"""Entrata: the one lease that an event is written to, or a refusal that names them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.vendors.entrata.worlds import CURRENT, PAST, intent, issues_of, resident, the_issue

from frontdesk.vendors.contract import Lease, Reference
from frontdesk.vendors.entrata.connector import EntrataConnector

CONNECTOR = EntrataConnector()


def lease(x_id: str, status: Any, unit: str = "1", ended: int = 2024) -> Lease:
    return Lease(x_id, status, "5001", unit, None, None, datetime(ended, 1, 1, tzinfo=UTC).date())


@pytest.mark.parametrize(
    ("leases", "chosen"),
    [
        (
            [lease("1", "past"), lease("2", "future"), lease("3", "notice"), lease("4", "current")],
            "4",
        ),
        ([lease("1", "past"), lease("2", "future"), lease("3", "notice")], "3"),
        ([lease("1", "past"), lease("2", "future")], "2"),
        ([lease("1", "past", ended=2020), lease("2", "past", ended=2023)], "2"),
        ([lease("1", "applicant"), lease("2", "past")], "2"),
    ],
)
def test_the_lease_is_current_then_notice_then_future_then_latest_past(
    leases: list[Lease], chosen: str
) -> None:
    for order in (leases, leases[::-1]):
        assert CONNECTOR.plan(intent(of=resident(*order))).payload["leaseId"] == int(chosen)


def test_the_lease_of_the_named_unit_outranks_a_better_status() -> None:
    plan = CONNECTOR.plan(intent(of=resident(PAST, CURRENT), unit=Reference("u", "900")))
    assert plan.payload["leaseId"] == 88000


def test_a_tie_is_refused_and_names_the_leases() -> None:
    tied = resident(lease("1", "current", "A"), lease("2", "current", "B"))
    issue = the_issue(intent(of=tied))
    assert (issue.code, issue.path) == ("ambiguous", ("unit_id",))
    assert "lease 1 of unit A" in issue.message
    assert "lease 2 of unit B" in issue.message
    assert CONNECTOR.plan(intent(of=tied, unit=Reference("u", "B"))).payload["leaseId"] == 2


def test_past_leases_that_ended_together_are_a_tie() -> None:
    assert (
        the_issue(intent(of=resident(lease("1", "past"), lease("2", "past")))).code == "ambiguous"
    )


@pytest.mark.parametrize("leases", [[], [lease("1", "applicant")], [lease("1", "cancelled")]])
def test_a_resident_without_a_lease_is_refused(leases: list[Lease]) -> None:
    assert issues_of(intent(of=resident(*leases))) == [("vendor_rule", ("resident_id",))]


def test_a_unit_that_is_not_on_any_lease_is_refused() -> None:
    assert issues_of(intent(unit=Reference("u", "777"))) == [("vendor_rule", ("unit_id",))]
