"""Residents, references and answers of an invented Entrata customer, for Entrata's tests."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.vendors.replay import ReplaySession, sent, told

from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    Issue,
    Lease,
    Reference,
    Refused,
    Request,
    Resident,
)
from frontdesk.vendors.declaration import EventClass
from frontdesk.vendors.entrata.connector import EntrataConnector

ACCESS = Access("https://sandbox.example/entrata", {"apiKey": "demo-key-1", "companyId": "acme"})

CURRENT = Lease("88001", "current", "5001", "901", "70001", date(2025, 1, 1), date(2026, 1, 1))
PAST = Lease("88000", "past", "5001", "900", "70000", date(2023, 1, 1), date(2024, 1, 1))
RESIDENT = Resident("r1", "61001", "5001", "a@example.com", (PAST, CURRENT))

WHEN = datetime(2025, 11, 21, 16, 30, tzinfo=UTC)
"""09:30 in Denver."""

CALL = {
    "call_phone_number_from": "+13035550101",
    "call_phone_number_to": "+13035550102",
    "call_status": "ANSWER",
    "call_duration": 60,
}


def resident(*leases: Lease) -> Resident:
    return Resident("r1", "61001", "5001", "a@example.com", leases)


def event_type(x_id: str) -> Reference:
    return Reference("t", x_id, "Type", None, EventClass.OTHER)


def intent(
    type_id: str = "8",
    fields: Mapping[str, Any] | None = None,
    of: Resident = RESIDENT,
    *,
    event_sub_type: Reference | None = None,
    event_result: Reference | None = None,
    employee: Reference | None = None,
    unit: Reference | None = None,
) -> EventIntent:
    return EventIntent(
        "create",
        of,
        {"event_datetime": WHEN, "notes": "Left a letter", **(fields or {})},
        event_type=event_type(type_id),
        event_sub_type=event_sub_type,
        event_result=event_result,
        employee=employee,
        unit=unit,
    )


def success(result: Mapping[str, Any]) -> dict[str, Any]:
    return {"response": {"requestId": "1", "code": 200, "result": result}}


def error(code: object, message: str = "Upstream's own words") -> dict[str, Any]:
    return {"response": {"requestId": "1", "error": {"code": code, "message": message}}}


EVENT = {
    "eventId": 9001,
    "typeId": 3,
    "leaseId": 88001,
    "type": "Call - Incoming",
    "date": "11/01/2026T01:30:00",
    "Comments": "About the rent",
    "eventReasons": "Rent",
    "callData": {"callFrom": "1", "ringThrough": "2", "duration": "65", "callStatus": "ANSWER"},
}


def method_of(request: Request) -> str:
    return str(sent(request)["method"]["name"])


def answering(**results: Any) -> Callable[[Request], Answer]:
    """A gateway that answers each method with its result, all on one page."""

    def answer(request: Request) -> Answer:
        return told(200, success(results[method_of(request)]))

    return answer


def session_of(
    answer: Callable[[Request], Answer], x_property_ids: Sequence[str] = ("5001",)
) -> ReplaySession:
    return ReplaySession(ACCESS, answer, x_property_ids)


def issues_of(event: EventIntent) -> list[tuple[str, tuple[str | int, ...]]]:
    with pytest.raises(Refused) as refused:
        EntrataConnector().plan(event)
    return [(issue.code, issue.path) for issue in refused.value.issues]


def the_issue(event: EventIntent) -> Issue:
    with pytest.raises(Refused) as refused:
        EntrataConnector().plan(event)
    (issue,) = refused.value.issues
    return issue
