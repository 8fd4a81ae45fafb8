"""What becomes of an event on its way to a Propertyware note, without a wire."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree

import pytest

from frontdesk.vendors.contract import (
    Access,
    EventIntent,
    Lease,
    LeaseStatus,
    Plan,
    Refused,
    Request,
    Resident,
)
from frontdesk.vendors.propertyware.connector import PropertywareConnector
from frontdesk.vendors.propertyware.plan import marked, unmarked

CONNECTOR = PropertywareConnector()
ACCESS = Access("http://127.0.0.1:1", {"username": "us:er", "password": "pässword"})
XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"


def lease(x_id: str, status: LeaseStatus, move_out: date | None = None) -> Lease:
    return Lease(x_id, status, "61001", "62001", move_out=move_out)


def resident(*leases: Lease, name: str | None = "Ada Brightwater") -> Resident:
    extra = {} if name is None else {"name": name}
    return Resident("r", "73001", "61001", None, leases, extra)


def plan(whose: Resident, **fields: Any) -> Plan:
    return CONNECTOR.plan(EventIntent("create", whose, {"notes": "Keys", **fields}))


def issues(whose: Resident, **fields: Any) -> list[tuple[str, tuple[str | int, ...]]]:
    with pytest.raises(Refused) as refused:
        plan(whose, **fields)
    return [(issue.code, issue.path) for issue in refused.value.issues]


def call(request: Request) -> ElementTree.Element:
    assert request.body is not None
    body = ElementTree.fromstring(request.body)[0]
    return body[0]


def arguments(of: Plan) -> dict[str, str]:
    """Every simple value of the call, by `argument.name`."""
    return {
        f"{argument.tag}.{field.tag}": field.text or ""
        for argument in call(CONNECTOR.request(of, ACCESS, "1"))
        for field in argument
    }


# --- where it goes --------------------------------------------------------------------------------


def test_a_resident_without_a_lease_gets_the_note_himself() -> None:
    found = plan(resident())
    assert found.route == "attachNoteToContact"
    assert found.trace.where == {"contact_id": "73001"}
    assert arguments(found) == {
        "note.subject": "Note",
        "note.body": "Keys",
        "note.private": "false",
        "contact.ID": "73001",
    }


def test_a_resident_with_a_lease_gets_it_on_the_lease_and_in_his_name() -> None:
    found = plan(resident(lease("64001", "current")), event_name="Rent")
    assert found.route == "attachNoteToLease"
    assert found.trace.where == {"lease_id": "64001"}
    assert found.trace.x_resident_id == "73001"
    assert found.trace.text == "Keys"
    assert arguments(found) == {
        "note.subject": "Rent (Ada Brightwater, contact 73001)",
        "note.body": "Keys",
        "note.private": "false",
        "lease.ID": "64001",
    }


@pytest.mark.parametrize(
    ("leases", "chosen"),
    [
        ([("1", "past"), ("2", "current")], "2"),
        ([("1", "future"), ("2", "notice")], "2"),
        ([("1", "past"), ("2", "future")], "2"),
        ([("1", "applicant"), ("2", "past")], "2"),
        ([("1", "cancelled"), ("2", "applicant")], None),
        ([("1", "current"), ("2", "current")], None),
        ([("1", "current"), ("2", "current"), ("3", "notice")], None),
    ],
)
def test_the_best_lease_is_chosen_and_no_tie_is_broken_by_luck(
    leases: list[tuple[str, LeaseStatus]], chosen: str | None
) -> None:
    found = plan(resident(*(lease(x_id, status) for x_id, status in leases)))
    assert found.trace.where.get("lease_id") == chosen
    assert ("contact_id" in found.trace.where) == (chosen is None)


def test_of_past_leases_the_latest_is_chosen() -> None:
    early, late = lease("1", "past", date(2020, 1, 1)), lease("2", "past", date(2024, 1, 1))
    assert plan(resident(late, early)).trace.where == {"lease_id": "2"}
    same = replace(early, move_out=date(2024, 1, 1))
    assert plan(resident(late, same)).route == "attachNoteToContact"


# --- the subject ----------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["Note", "Rent (late)", "a\nb", "x (contact 5)", "(", ""])
@pytest.mark.parametrize("name", ["Ada Brightwater", "Bob (Bobby) Smith", None, "", "x" * 101])
def test_a_marked_subject_reads_back_as_it_was(subject: str, name: str | None) -> None:
    whose = resident(name=name)
    assert unmarked(marked(subject, whose)) == (subject, "73001")


def test_a_name_that_xml_cannot_hold_is_left_out_of_the_subject() -> None:
    assert marked("Note", resident(name="A\x07da")) == "Note (contact 73001)"


@pytest.mark.parametrize("subject", ["Office", "", "Keys (Ada)", "contact 73001"])
def test_a_subject_of_somebody_elses_hand_names_nobody(subject: str) -> None:
    assert unmarked(subject) == (subject, None)


def test_a_blank_name_of_an_event_is_no_subject() -> None:
    assert arguments(plan(resident(), event_name="  "))["note.subject"] == "Note"


# --- the time -------------------------------------------------------------------------------------


def test_a_time_travels_in_utc_and_its_loss_is_warned_of() -> None:
    mountain = timezone(timedelta(hours=-7))
    moment = datetime(2026, 3, 2, 18, 31, 17, 999_000, tzinfo=mountain)
    found = plan(resident(), event_datetime=moment)
    assert arguments(found)["note.date"] == "2026-03-03T01:31:17Z"
    assert found.trace.instants == (datetime(2026, 3, 3, 1, 31, 17, tzinfo=UTC),)
    assert [(n.field, n.code) for n in found.notices] == [("event_datetime", "time_of_day_dropped")]
    assert plan(resident()).notices == ()
    assert plan(resident()).trace.instants == ()


def test_an_hour_that_a_wall_clock_shows_twice_stays_two_instants() -> None:
    first = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
    dates = {
        arguments(plan(resident(), event_datetime=first + timedelta(hours=n)))["note.date"]
        for n in range(2)
    }
    assert dates == {"2026-11-01T07:30:00Z", "2026-11-01T08:30:00Z"}


def test_a_time_out_of_the_calendar_is_refused_not_wrapped() -> None:
    late = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))
    assert issues(resident(), event_datetime=late) == [("invalid_value", ("event_datetime",))]
    early = datetime(1, 1, 1, 6, tzinfo=UTC)
    assert arguments(plan(resident(), event_datetime=early))["note.date"] == "0001-01-01T06:00:00Z"


# --- what is refused ------------------------------------------------------------------------------


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert issues(resident(), notes="a\x00b", event_name="\x0b") == [
        ("invalid_value", ("notes",)),
        ("invalid_value", ("event_name",)),
    ]
    assert issues(resident(), notes=" \n") == [("required", ("notes",))]


def test_a_change_is_refused() -> None:
    intent = EventIntent("update", resident(), {"notes": "n"}, x_event_id="9")
    with pytest.raises(Refused):
        CONNECTOR.plan(intent)


# --- the wire -------------------------------------------------------------------------------------


def test_the_call_is_rpc_encoded_with_an_empty_soap_action() -> None:
    request = CONNECTOR.request(plan(resident(lease("64001", "current"))), ACCESS, "1")
    assert (request.method, request.url) == (
        "POST",
        "http://127.0.0.1:1/pw/services/PWServices",
    )
    assert request.headers["soapaction"] == '""'
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    operation = call(request)
    assert operation.tag == "{http://service.web.propertyware.realpage.com}attachNoteToLease"
    assert [(argument.tag, argument.get(XSI)) for argument in operation] == [
        ("note", "t:Note"),
        ("lease", "t:Lease"),
    ]
    types = {field.tag: field.get(XSI) for argument in operation for field in argument}
    assert types == {
        "subject": "xsd:string",
        "body": "xsd:string",
        "private": "xsd:boolean",
        "ID": "xsd:long",
    }


def test_the_login_is_basic_and_masked_whole() -> None:
    request = CONNECTOR.request(plan(resident()), ACCESS, "1")
    assert request.headers["authorization"] == "Basic dXM6ZXI6cMOkc3N3b3Jk"
    assert request.secret_headers == {"authorization"}
