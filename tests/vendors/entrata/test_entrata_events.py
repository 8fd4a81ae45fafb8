"""Entrata: a resident's events, read back where they were written, and never believed too soon."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.vendors.entrata.worlds import (
    CURRENT,
    EVENT,
    RESIDENT,
    answering,
    error,
    intent,
    resident,
    session_of,
    success,
)
from tests.vendors.replay import sent, told

from frontdesk.vendors.contract import Answer, OutcomeKind, ReadRefused
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.entrata.connector import EntrataConnector

CONNECTOR = EntrataConnector()


def lead_events(*events: dict[str, Any]) -> dict[str, Any]:
    prospect = {"applicationId": "70001", "events": {"event": list(events)}}
    return {"prospects": {"prospect": prospect}}


async def test_events_of_leases_and_applications_are_read_once_each() -> None:
    other = {"eventId": "9002", "typeId": "17", "date": "11/21/2025T09:30:00", "comments": "Tour"}
    session = session_of(
        answering(getLeaseActivities={"events": EVENT}, getLeadEvents=lead_events(EVENT, other))
    )
    events = await CONNECTOR.read_events(session, resident(CURRENT))
    assert [event.x_id for event in events] == ["9001", "9002"]
    call, tour = events
    assert call.text == "About the rent"
    assert (call.x_type_id, call.x_property_id) == ("3", "5001")
    assert call.instants == (
        datetime(2026, 11, 1, 7, 30, tzinfo=UTC),
        datetime(2026, 11, 1, 8, 30, tzinfo=UTC),
    )
    assert call.fields["event_datetime"] == "2026-11-01T07:30:00Z"
    assert call.fields["call_duration"] == 65
    assert tour.instants == (datetime(2025, 11, 21, 16, 30, tzinfo=UTC),)


async def test_where_a_trace_points_only_that_place_is_read() -> None:
    session = session_of(answering(getLeadEvents=lead_events(EVENT)))
    plan = CONNECTOR.plan(intent("17"))
    await CONNECTOR.read_events(session, RESIDENT, plan.trace.where)
    (call,) = session.calls
    assert sent(call)["method"]["params"] == {"propertyId": 5001, "applicationId": 70001}


async def test_another_application_in_the_answer_is_not_taken_for_ours() -> None:
    result = lead_events(EVENT)
    result["prospects"]["prospect"]["applicationId"] = "79999"
    session = session_of(answering(getLeadEvents=result))
    where = CONNECTOR.plan(intent("17")).trace.where
    assert await CONNECTOR.read_events(session, RESIDENT, where) == ()


async def test_events_without_any_comment_cannot_say_that_ours_is_not_there() -> None:
    silent = {key: value for key, value in EVENT.items() if key != "Comments"}
    session = session_of(answering(getLeadEvents=lead_events(silent)))
    where = CONNECTOR.plan(intent("17")).trace.where
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read_events(session, RESIDENT, where)
    assert refused.value.outcome.kind is OutcomeKind.UNKNOWN


async def test_no_events_at_all_is_an_honest_empty_list() -> None:
    session = session_of(answering(getLeaseActivities={"events": []}))
    where = CONNECTOR.plan(intent("8")).trace.where
    assert await CONNECTOR.read_events(session, RESIDENT, where) == ()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (told(200, success({})), OutcomeKind.UNKNOWN),
        (told(200, b'{"response": {'), OutcomeKind.UNKNOWN),
        (told(500, b""), OutcomeKind.UNKNOWN),
        (told(200, error(310)), OutcomeKind.NOT_NOW),
        (told(429, b""), OutcomeKind.NOT_NOW),
        (told(400, error(401)), OutcomeKind.UNAUTHORISED),
        (told(200, error(403)), OutcomeKind.REJECTED),
    ],
)
async def test_a_read_that_brings_no_list_is_refused_never_taken_for_empty(
    answer: Answer, kind: OutcomeKind
) -> None:
    session = session_of(lambda _: answer)
    where = CONNECTOR.plan(intent("8")).trace.where
    with pytest.raises(ReadRefused) as refused:
        await CONNECTOR.read_events(session, RESIDENT, where)
    assert refused.value.outcome.kind is kind
    with pytest.raises(ReadRefused):
        await CONNECTOR.read(session, Model.RESIDENTS, None, None)
