"""Entrata: which route an event takes, and what it becomes on the wire."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vendors.entrata.worlds import (
    ACCESS,
    CALL,
    CURRENT,
    WHEN,
    intent,
    issues_of,
    resident,
    the_issue,
)
from tests.vendors.replay import sent

from frontdesk.vendors.contract import Plan, Reference
from frontdesk.vendors.declaration import EventClass
from frontdesk.vendors.entrata.connector import EntrataConnector
from frontdesk.vendors.entrata.declaration import DECLARATION

CONNECTOR = EntrataConnector()
AGENT = Reference("e", "33", "Agent", None, extra={"x_property_ids": ["5001", "5002"]})
UNIT = Reference("u", "901", "901")
RESULT = Reference("x", "12", "Done")
SUB_TYPE = Reference("s", "454", "Tour")
DUE = datetime(2025, 11, 24, 17, 0, tzinfo=UTC)
WITHOUT_APPLICATION = replace(CURRENT, x_application_id=None)


def lead_event(plan: Plan) -> Any:
    assert plan.route == "lead"
    return plan.payload["prospects"]["prospect"]["events"]["event"][0]


# --- the wire ---------------------------------------------------------------------------------


def test_a_note_goes_by_lease_as_documented() -> None:
    plan = CONNECTOR.plan(intent())
    request = CONNECTOR.request(plan, ACCESS, "42")
    assert request.method == "POST"
    assert request.url == "https://sandbox.example/entrata/ext/orgs/acme/v1/leases"
    assert request.headers["x-api-key"] == "demo-key-1"
    assert "x-api-key" in request.secret_headers
    assert request.budget_key == "sendLeaseActivities"
    assert sent(request) == {
        "auth": {"type": "apikey"},
        "requestId": "42",
        "method": {
            "name": "sendLeaseActivities",
            "version": "r1",
            "params": {
                "propertyId": 5001,
                "leaseId": 88001,
                "eventTypeId": 8,
                "eventDateTime": "11/21/2025T09:30:00",
                "comment": "Left a letter",
                "customerIds": "61001",
            },
        },
    }


def test_an_appointment_goes_by_application_as_seen_in_public_code() -> None:
    fields = {
        "title": "Rent call",
        "reasons_for_event": "3",
        "appointment_datetime": DUE,
        "time_from": "17:00",
        "time_to": "17:30",
    }
    plan = CONNECTOR.plan(
        intent(
            "17", fields, event_sub_type=SUB_TYPE, event_result=RESULT, employee=AGENT, unit=UNIT
        )
    )
    request = CONNECTOR.request(plan, ACCESS, "41")
    assert request.url.endswith("/ext/orgs/acme/v1/leads")
    assert request.budget_key == "updateLeads"
    assert sent(request)["method"] == {
        "name": "updateLeads",
        "version": "r1",
        "params": {
            "propertyId": 5001,
            "prospects": {
                "prospect": {
                    "applicationId": 70001,
                    "events": {
                        "event": [
                            {
                                "typeId": 17,
                                "subtypeId": 454,
                                "eventResultId": 12,
                                "date": "11/21/2025T09:30:00",
                                "agentId": 33,
                                "unitId": 901,
                                "eventReasonId": 3,
                                "comments": "Left a letter",
                                "title": "Rent call",
                                "appointmentDate": "11/24/2025",
                                "timeFrom": "10:00",
                                "timeTo": "10:30",
                            }
                        ]
                    },
                }
            },
        },
    }


def test_a_call_carries_the_call_data_that_reads_show() -> None:
    event = lead_event(CONNECTOR.plan(intent("4", CALL | {"call_audio_link": "https://a.example"})))
    assert event["callData"] == {
        "callFrom": "+13035550101",
        "ringThrough": "+13035550102",
        "duration": 60,
        "callStatus": "ANSWER",
        "audioLink": "https://a.example",
    }


def test_an_email_carries_every_email_field() -> None:
    fields = {
        "email_from": "desk@example.com",
        "email_to": "a@example.com",
        "email_cc": "c@example.com",
        "email_bcc": "b@example.com",
        "email_subject": "Hello",
        "email_body": "Dear Ada",
        "email_send": False,
    }
    event = lead_event(CONNECTOR.plan(intent("2", fields)))
    assert set(event["emailData"].values()) == set(fields.values())


def test_a_hazard_note_has_its_text_in_both_places() -> None:
    payload = CONNECTOR.plan(intent("436")).payload
    assert payload["comment"] == payload["hazardNote"] == "Left a letter"
    assert "hazardNote" not in CONNECTOR.plan(intent("8")).payload


def test_a_follow_up_carries_agent_and_due_time_by_lease() -> None:
    plan = CONNECTOR.plan(intent("15", {"appointment_datetime": DUE}, employee=AGENT))
    assert plan.route == "lease"
    assert plan.payload["leasingAgentId"] == 33
    assert plan.payload["scheduleDateTime"] == "11/24/2025T10:00:00"


def test_a_text_message_goes_by_lease_only_with_its_result() -> None:
    event = replace(intent("6"), resident=resident(WITHOUT_APPLICATION))
    plan = CONNECTOR.plan(replace(event, event_result=RESULT))
    assert plan.route == "lease"
    assert plan.payload["eventResultId"] == 12
    assert issues_of(event) == [("required", ("event_result_id",))]
    assert CONNECTOR.plan(intent("6")).route == "lead"


def test_a_plan_survives_being_stored_as_json() -> None:
    plan = CONNECTOR.plan(intent("17", {"appointment_datetime": DUE}))
    stored = replace(plan, payload=json.loads(json.dumps(plan.payload)))
    assert CONNECTOR.request(stored, ACCESS, "a") == CONNECTOR.request(plan, ACCESS, "a")
    assert "demo-key-1" not in json.dumps(plan.payload)


def test_an_update_is_refused_because_entrata_has_none() -> None:
    event = replace(intent(), operation="update", x_event_id="9")
    assert the_issue(event).code == "not_supported"


# --- the route --------------------------------------------------------------------------------


@pytest.mark.parametrize("type_id", ["8", "56", "335", "436"])
def test_types_of_lease_activities_go_by_lease_and_need_no_application(type_id: str) -> None:
    assert CONNECTOR.plan(intent(type_id, of=resident(WITHOUT_APPLICATION))).route == "lease"


@pytest.mark.parametrize("type_id", ["1", "7", "9", "17", "59", "78", "173", "320"])
def test_other_types_go_by_application(type_id: str) -> None:
    assert CONNECTOR.plan(intent(type_id)).route == "lead"


@pytest.mark.parametrize(
    ("type_id", "fields", "references"),
    [
        ("8", {"title": "T"}, {}),
        ("8", {"reasons_for_event": "3"}, {}),
        ("8", {"appointment_datetime": DUE}, {}),
        ("15", {"appointment_datetime": DUE, "time_from": "17:00"}, {}),
        ("8", {}, {"event_sub_type": SUB_TYPE}),
        ("8", {}, {"event_result": RESULT}),
        ("8", {}, {"employee": AGENT}),
        ("4", CALL, {}),
        ("9", {}, {}),
    ],
)
def test_what_a_lease_activity_cannot_carry_goes_by_application_or_is_refused(
    type_id: str, fields: dict[str, Any], references: dict[str, Any]
) -> None:
    event = intent(type_id, fields, **references)
    assert CONNECTOR.plan(event).route == "lead"
    issue = the_issue(replace(event, resident=resident(WITHOUT_APPLICATION)))
    assert issue.code == "vendor_rule"
    assert "application" in issue.message


def test_a_follow_up_without_agent_or_due_time_goes_by_application_or_names_what_it_needs() -> None:
    assert CONNECTOR.plan(intent("15", employee=AGENT)).route == "lead"
    event = replace(intent("15"), resident=resident(WITHOUT_APPLICATION))
    assert issues_of(event) == [
        ("required", ("employee_id",)),
        ("required", ("appointment_datetime",)),
    ]


def test_a_unit_alone_picks_a_lease_and_forces_no_application() -> None:
    plan = CONNECTOR.plan(intent(of=resident(WITHOUT_APPLICATION), unit=UNIT))
    assert plan.route == "lease"


def test_a_reason_in_words_goes_before_the_comment_with_a_warning() -> None:
    plan = CONNECTOR.plan(intent(fields={"reasons_for_event": "Noise"}))
    assert plan.payload["comment"] == plan.trace.text == "Noise\nLeft a letter"
    assert [(n.field, n.code) for n in plan.notices] == [("reasons_for_event", "moved_to_notes")]


def test_every_guess_about_the_write_is_listed() -> None:
    listed = " ".join(guess.subject + guess.assumption for guess in DECLARATION.guesses)
    for word in ("subtypeId", "agentId", "callData", "emailData", "hazardNote", "reason"):
        assert word in listed


# --- refusals ----------------------------------------------------------------------------------


def test_an_agent_of_another_property_is_refused() -> None:
    elsewhere = Reference("e", "34", "Agent", "5009", extra={"x_property_ids": ["5009"]})
    assert issues_of(intent("17", employee=elsewhere)) == [("vendor_rule", ("employee_id",))]


def test_every_problem_is_named_at_once() -> None:
    elsewhere = Reference("e", "34", "Agent", "5009")
    event = intent(
        "17", {"time_from": "9 o'clock", "appointment_datetime": DUE}, employee=elsewhere
    )
    event = replace(event, fields={k: v for k, v in event.fields.items() if k != "event_datetime"})
    assert {path for _, path in issues_of(event)} == {
        ("employee_id",),
        ("time_from",),
        ("event_datetime",),
    }


# --- the time ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "wire"),
    [
        (datetime(2026, 3, 8, 8, 59, 59, tzinfo=UTC), "03/08/2026T01:59:59"),
        (datetime(2026, 3, 8, 9, 0, 0, tzinfo=UTC), "03/08/2026T03:00:00"),
        (datetime(2026, 11, 1, 6, 59, 59, tzinfo=UTC), "11/01/2026T00:59:59"),
        (datetime(2026, 11, 1, 9, 0, 0, tzinfo=UTC), "11/01/2026T02:00:00"),
        (datetime(2026, 1, 1, 3, 0, tzinfo=timezone(timedelta(hours=9))), "12/31/2025T11:00:00"),
    ],
)
def test_times_are_mountain_time_with_daylight_saving(instant: datetime, wire: str) -> None:
    plan = CONNECTOR.plan(intent(fields={"event_datetime": instant}))
    assert plan.payload["eventDateTime"] == wire
    assert plan.trace.instants == (instant.astimezone(UTC),)
    assert plan.notices == ()


def test_a_doubled_local_hour_is_warned_of_and_traced_as_both_instants() -> None:
    first = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
    later = first + timedelta(hours=1)
    for instant in (first, later):
        plan = CONNECTOR.plan(intent(fields={"event_datetime": instant}))
        assert plan.payload["eventDateTime"] == "11/01/2026T01:30:00"
        assert plan.trace.instants == (first, later)
        assert [(n.field, n.code) for n in plan.notices] == [
            ("event_datetime", "doubled_local_hour")
        ]


def test_a_fraction_of_a_second_is_dropped_with_a_warning() -> None:
    plan = CONNECTOR.plan(intent(fields={"event_datetime": WHEN.replace(microsecond=5)}))
    assert plan.trace.instants == (WHEN,)
    assert [n.code for n in plan.notices] == ["fraction_dropped"]


@pytest.mark.parametrize("year", [1, 9999])
def test_a_time_at_the_rim_of_the_calendar_is_planned_or_refused(year: int) -> None:
    edge = datetime(1, 1, 1, tzinfo=UTC) if year == 1 else datetime(9999, 12, 31, 23, tzinfo=UTC)
    event = intent(fields={"event_datetime": edge})
    if year == 1:
        assert issues_of(event) == [("vendor_rule", ("event_datetime",))]
    else:
        assert CONNECTOR.plan(event).trace.instants == (edge,)


@given(
    st.sampled_from([*DECLARATION.classes, "56", "335", "436", "999"]),
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 — bounds
    st.one_of(st.none(), st.text(min_size=1, max_size=20)),
    st.one_of(st.none(), st.text(min_size=1, max_size=20)),
)
def test_whatever_is_planned_can_be_sent_and_recognised(
    type_id: str, instant: datetime, notes: str | None, reasons: str | None
) -> None:
    fields: dict[str, Any] = {"event_datetime": instant}
    fields |= {"notes": notes} if notes else {}
    fields |= {"reasons_for_event": reasons} if reasons else {}
    event = replace(intent(type_id), fields=fields)
    plan = CONNECTOR.plan(event)
    assert instant.replace(microsecond=0) in plan.trace.instants
    assert plan.budget_key in DECLARATION.write_keys
    body = sent(CONNECTOR.request(plan, ACCESS, "1"))["method"]["params"]
    carried = body if plan.route == "lease" else lead_event(plan)
    assert (carried.get("comment") or carried.get("comments") or "") == plan.trace.text
    assert (notes or "") in plan.trace.text


def test_the_declared_rules_speak_about_calls_emails_and_texts() -> None:
    assert DECLARATION.create is not None

    def needed(event_class: EventClass, x_type_id: str, present: set[str]) -> set[str]:
        assert DECLARATION.create is not None
        return {
            name
            for rule in DECLARATION.create.rules
            if rule.applies(event_class, x_type_id, frozenset(present))
            for name in rule.require
        }

    assert needed(EventClass.CALL_IN, "3", set()) == set(CALL)
    assert needed(EventClass.EMAIL_OUT, "2", set()) == {"email_from"}
    assert needed(EventClass.TEXT, "5", set()) == {"notes"}
    assert needed(EventClass.NOTE, "8", {"time_to"}) == {"appointment_datetime"}
    assert needed(EventClass.NOTE, "8", set()) == set()
