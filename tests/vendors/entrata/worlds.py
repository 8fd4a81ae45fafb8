"""Residents, references and answers of an invented Entrata customer, for Entrata's tests."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from frontdesk.vendors.contract import Access, EventIntent, Lease, Reference, Resident
from frontdesk.vendors.declaration import EventClass

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
