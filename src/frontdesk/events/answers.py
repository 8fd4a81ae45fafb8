"""What an accepted event becomes: the caller's answer, and the record that the cache will hold.

Pure. The answer repeats the input that counts, as it was sent: beside a `kind` stands the
`event_type_id` that it became, and of what the fallback moved, `notes` is the one place. The record
has the shape of an event that was read from the PMS, with every written field beside it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.catalog.known import KnownEvent, PropertyState, Resolved
from frontdesk.catalog.models import rfc3339
from frontdesk.events.fields import EVENT_FIELDS, SCHEDULE_SCHEMAS
from frontdesk.events.schemas import read_moment
from frontdesk.vendors.contract import Notice

_ANSWERED = (
    *(item.name for item in EVENT_FIELDS),
    "external_reference",
    "callback_url",
    "kind",
    *SCHEDULE_SCHEMAS,
)
_EMPTY: dict[str, Any] = dict.fromkeys(_ANSWERED)
_TIMES = ("event_datetime", "appointment_datetime")
# Of what kind an event is, its type says; `kind` is how its caller chose that. When it was to be
# sent, and who is told of its end, is the write's affair.
_NOT_ON_THE_RECORD = frozenset(
    {"integration_id", "resident_id", "kind", "callback_url", *SCHEDULE_SCHEMAS}
)


def answer_of(
    job_id: UUID, accepted: dict[str, Any], warnings: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The body of a 200: the job, and the accepted input under both of its documented names."""
    data = {**_EMPTY, **accepted}
    return {
        "job_id": str(job_id),
        "data": data,
        "meta": {"job_id": str(job_id)},
        "result": data,
        "warnings": list(warnings),
    }


def warnings_of(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    """Warnings as they are answered and stored."""
    return [
        {"field": notice.field, "code": notice.code, "message": notice.message}
        for notice in notices
    ]


def new_record(
    accepted: dict[str, Any], resolved: Resolved, place: PropertyState | None
) -> dict[str, Any]:
    """The event as it will stand in the cache once its write has succeeded."""
    resident = resolved.resident
    if resident is None:
        raise ValueError("an event without its resident has no record")
    kind, employee = resolved.event_type, resolved.employee
    data: dict[str, Any] = {
        "x_leasing_agent_id": None if employee is None else employee.reference.x_id,
        "x_type_id": None if kind is None else kind.reference.x_id,
        "event_name": accepted.get("event_name") or (kind.reference.name if kind else None),
        "type_raw": kind.reference.name if kind else accepted.get("event_type"),
        "agent_name": None if employee is None else employee.reference.name,
        "associated_resident_ids": [str(resident.id)],
        **_written(accepted),
    }
    data = {name: value for name, value in data.items() if value is not None}
    return {
        "x_property_id": resident.resident.x_property_id if place is None else place.x_id,
        "property_id": str(place.id) if place else _text(resident.property_id),
        "data": data,
        "links": {},
    }


def changed_record(
    accepted: dict[str, Any], resolved: Resolved, event: KnownEvent
) -> dict[str, Any]:
    """What an update changes of the record; the rest stays as it is."""
    data = _written(accepted)
    if (kind := resolved.event_type) is not None:
        data |= {"x_type_id": kind.reference.x_id, "type_raw": kind.reference.name}
    if (employee := resolved.employee) is not None:
        data |= {
            "x_leasing_agent_id": employee.reference.x_id,
            "agent_name": employee.reference.name,
        }
    return {
        "x_property_id": event.x_property_id,
        "property_id": _text(event.property_id),
        "data": data,
        "links": {},
    }


def _written(accepted: dict[str, Any]) -> dict[str, Any]:
    """The written fields as a record holds them: date-times in UTC, dates as they are."""
    data = {name: value for name, value in accepted.items() if name not in _NOT_ON_THE_RECORD}
    for name in _TIMES:
        if name in data:
            moment = read_moment(data[name])
            data[name] = rfc3339(moment) if isinstance(moment, datetime) else data[name]
    return data


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
