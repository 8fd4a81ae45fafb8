"""From an event to one of Entrata's two writes.

`sendLeaseActivities` addresses a lease and takes eight event types and few fields; `updateLeads`
addresses the application of that lease and takes everything. The lease route is chosen whenever it
can carry the whole event; what it cannot carry goes by application, and is refused where there is
none. Nothing is dropped to fit a route.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from frontdesk.vendors.contract import EventIntent, Issue, Lease, Notice, Plan, Refused, Trace
from frontdesk.vendors.entrata import clock, guesses, nodes, schedule
from frontdesk.vendors.entrata.declaration import (
    CALL_FIELDS,
    EMAIL_FIELDS,
    SEND_LEASE_ACTIVITIES,
    UPDATE_LEADS,
)
from frontdesk.vendors.entrata.leases import chosen_lease, property_of
from frontdesk.vendors.times import from_wall_clock

_LEASE_TYPES = frozenset({"4", "5", "6", "8", "15", "56", "335", "436"})
_WITH_RESULT = frozenset({"4", "5", "6"})
_FOLLOW_UP = "15"

_LEAD_FIELDS = ("title", "time_from", "time_to", *CALL_FIELDS, *EMAIL_FIELDS)
"""Fields that a lease activity cannot carry."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """The event's time on the wire, and the instants that it can be read as."""

    text: str
    instants: tuple[datetime, ...]
    notices: tuple[Notice, ...]


def planned(intent: EventIntent) -> Plan:
    """The write that carries this event. Raises `Refused` with every problem found."""
    issues: list[Issue] = []
    lease, x_property_id = _placed(intent, issues)
    moment = _moment(intent, issues)
    type_id = intent.event_type.x_id if intent.event_type is not None else None
    if type_id is None:
        issues.append(Issue("required", ("event_type_id",), "Entrata needs an event type."))
    _check_employee(intent, x_property_id, issues)
    slot = schedule.slot(intent.fields, issues)
    if issues or lease is None or x_property_id is None or moment is None or type_id is None:
        raise Refused(issues)

    forced = _only_by_application(intent, type_id)
    missing = _missing_by_lease(intent, type_id)
    reasons = intent.fields.get("reasons_for_event")
    comment = guesses.with_reason(reasons, intent.fields.get("notes"))
    notices = moment.notices + _reason_notices(reasons)
    if type_id in _LEASE_TYPES and not forced and not missing:
        route, budget_key = "lease", SEND_LEASE_ACTIVITIES
        payload = _lease_params(intent, lease, x_property_id, type_id, moment, comment)
        notices += schedule.instant_notices(intent.fields.get("appointment_datetime"))
        where = {"route": route, "property_id": x_property_id, "lease_id": lease.x_id}
    else:
        if lease.x_application_id is None:
            raise Refused(_no_application(forced, missing, lease))
        route, budget_key = "lead", UPDATE_LEADS
        event = _lead_event(intent, type_id, moment, comment)
        if slot is not None:
            event |= slot.wire
            notices += slot.notices
        payload = {
            "propertyId": nodes.wire_number(x_property_id),
            "prospects": {
                "prospect": {
                    "applicationId": nodes.wire_number(lease.x_application_id),
                    "events": {"event": [event]},
                }
            },
        }
        where = {
            "route": route,
            "property_id": x_property_id,
            "application_id": lease.x_application_id,
        }
    if comment:
        where["expects"] = "comment"
    return Plan(
        operation="create",
        route=route,
        payload=payload,
        trace=Trace(
            x_resident_id=intent.resident.x_id,
            where=where,
            text=comment or "",
            x_type_id=type_id,
            instants=moment.instants,
        ),
        budget_key=budget_key,
        notices=notices,
    )


def _placed(intent: EventIntent, issues: list[Issue]) -> tuple[Lease | None, str | None]:
    try:
        lease = chosen_lease(intent)
        return lease, property_of(lease, intent.resident)
    except Refused as refused:
        issues.extend(refused.issues)
        return None, None


def _moment(intent: EventIntent, issues: list[Issue]) -> _Moment | None:
    instant = intent.fields.get("event_datetime")
    if not isinstance(instant, datetime):
        words = "Entrata needs the date and time of the event, with offset."
        issues.append(Issue("required", ("event_datetime",), words))
        return None
    try:
        shown = clock.shown(instant)
    except ValueError:
        words = "The time is out of range in US Mountain Time."
        issues.append(Issue("vendor_rule", ("event_datetime",), words))
        return None
    instants = from_wall_clock(shown.naive, clock.ZONE)
    return _Moment(
        text=clock.date_time(shown.naive),
        # a wall clock at the rim of the calendar may have no way back; the instant itself stands in
        instants=instants or (instant.astimezone(UTC).replace(microsecond=0),),
        notices=clock.notices("event_datetime", instant, shown),
    )


def _check_employee(intent: EventIntent, x_property_id: str | None, issues: list[Issue]) -> None:
    """An agent serves certain properties; one of another property is refused upstream, or worse."""
    employee = intent.employee
    if employee is None or x_property_id is None:
        return
    told = employee.extra.get("x_property_ids")
    serves = [str(x_id) for x_id in told] if isinstance(told, list | tuple) else []
    if employee.x_property_id is not None:
        serves.append(employee.x_property_id)
    if serves and x_property_id not in serves:
        issues.append(
            Issue(
                "vendor_rule",
                ("employee_id",),
                "The employee is no leasing agent of the property that the lease belongs to.",
                expected=f"a leasing agent of property {x_property_id}",
                received=f"a leasing agent of property {', '.join(sorted(set(serves)))}",
            )
        )


def _only_by_application(intent: EventIntent, type_id: str) -> tuple[str, ...]:
    """The event's fields that a lease activity of this type cannot carry."""
    forced = [name for name in _LEAD_FIELDS if name in intent.fields]
    if intent.event_sub_type is not None:
        forced.append("event_sub_type_id")
    if intent.event_result is not None and type_id not in _WITH_RESULT:
        forced.append("event_result_id")
    if intent.employee is not None and type_id != _FOLLOW_UP:
        forced.append("employee_id")
    if "appointment_datetime" in intent.fields and type_id != _FOLLOW_UP:
        forced.append("appointment_datetime")
    if guesses.reason_id(intent.fields.get("reasons_for_event")) is not None:
        forced.append("reasons_for_event")
    return tuple(forced)


def _missing_by_lease(intent: EventIntent, type_id: str) -> tuple[str, ...]:
    """What a lease activity of this type cannot do without, and the event lacks. (Public client
    code: `comment` and `eventResultId` are mandatory for 4, 5 and 6, agent and due time for 15.)"""
    missing: list[str] = []
    if type_id in _WITH_RESULT:
        missing += [] if intent.fields.get("notes") else ["notes"]
        missing += [] if intent.event_result is not None else ["event_result_id"]
    if type_id == _FOLLOW_UP:
        missing += [] if intent.employee is not None else ["employee_id"]
        missing += [] if "appointment_datetime" in intent.fields else ["appointment_datetime"]
    return tuple(missing)


def _no_application(forced: tuple[str, ...], missing: tuple[str, ...], lease: Lease) -> list[Issue]:
    """Why the event cannot be written to a lease that has no application."""
    if missing and not forced:
        words = f"Lease {lease.x_id} has no application, so Entrata needs this field as well."
        return [Issue("required", (name,), words) for name in missing]
    what = ", ".join(forced) if forced else "this event type"
    words = (
        f"Entrata takes {what} only on the application of a lease, and lease {lease.x_id} of the "
        "resident has none."
    )
    return [Issue("vendor_rule", ("resident_id",), words)]


def _reason_notices(reasons: str | None) -> tuple[Notice, ...]:
    if not reasons or not reasons.strip() or guesses.reason_id(reasons) is not None:
        return ()
    return (
        Notice(
            "reasons_for_event",
            "moved_to_notes",
            "Entrata takes a reason by its number; these words were put before the comment.",
        ),
    )


def _lease_params(
    intent: EventIntent,
    lease: Lease,
    x_property_id: str,
    type_id: str,
    moment: _Moment,
    comment: str | None,
) -> dict[str, Any]:
    params: dict[str, Any] = {
        "propertyId": nodes.wire_number(x_property_id),
        "leaseId": nodes.wire_number(lease.x_id),
        "eventTypeId": nodes.wire_number(type_id),
        "eventDateTime": moment.text,
        "customerIds": intent.resident.x_id,
    }
    if comment:
        params["comment"] = comment
    if intent.event_result is not None:
        params["eventResultId"] = nodes.wire_number(intent.event_result.x_id)
    if intent.employee is not None:
        params["leasingAgentId"] = nodes.wire_number(intent.employee.x_id)
    due = intent.fields.get("appointment_datetime")
    if isinstance(due, datetime):
        params["scheduleDateTime"] = clock.date_time(clock.shown(due).naive)
    return params | guesses.hazard_note(type_id, comment)


def _lead_event(
    intent: EventIntent, type_id: str, moment: _Moment, comment: str | None
) -> dict[str, Any]:
    fields: Mapping[str, Any] = intent.fields
    event: dict[str, Any] = {"typeId": nodes.wire_number(type_id), "date": moment.text}
    if comment:
        event["comments"] = comment
    reason = guesses.reason_id(fields.get("reasons_for_event"))
    if reason is not None:
        event["eventReasonId"] = nodes.wire_number(reason)
    return (
        event
        | guesses.sub_type_and_result(
            intent.event_sub_type.x_id if intent.event_sub_type else None,
            intent.event_result.x_id if intent.event_result else None,
        )
        | guesses.agent_unit_title(
            intent.employee.x_id if intent.employee else None,
            intent.unit.x_id if intent.unit else None,
            fields.get("title"),
        )
        | guesses.call_data(fields)
        | guesses.email_data(fields)
    )
