"""From an event to an entry of MRI's actions.

An action has a date and no time of day: a date-time becomes the date that a calendar at the
property shows, and the caller is told what that loses. The plan holds the meaning of each field,
not its name on the wire: what an operator corrects in `names.json` counts for what waits, too.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from frontdesk.vendors import xml
from frontdesk.vendors.contract import EventIntent, Issue, Notice, Plan, Refused, Trace
from frontdesk.vendors.times import read_wall_clock, to_wall_clock, zone_named

LONGEST_CODE = 2

WITHOUT_ZONE = "UTC"
"""The calendar in which a bare date is compared where no zone is known: that of nowhere, but the
same for the event and for the record."""


@dataclass(frozen=True, slots=True)
class _Day:
    """The action's date, the zone of its calendar, and what was lost."""

    date: date
    zone: ZoneInfo
    notices: tuple[Notice, ...] = ()


def planned(intent: EventIntent) -> Plan:
    """The write that carries this event. Raises `Refused` with every problem found."""
    issues: list[Issue] = []
    day = _day(intent, issues)
    payload = {"resident": intent.resident.x_id}
    if day is not None:
        payload["date"] = day.date.isoformat()
    if intent.event_type is not None:
        payload["type"] = intent.event_type.x_id
        _check_code(intent.event_type.x_id, issues)
    if intent.employee is not None:
        payload["employee"] = intent.employee.x_id
    if (status := intent.fields.get("status")) is not None:
        payload["status"] = str(status)
    text = str(intent.fields.get("notes") or "")
    if "notes" in intent.fields:
        payload["text"] = text
    if (issue := xml.unfit("notes", text)) is not None:
        issues.append(issue)
    if intent.operation == "create" and intent.event_type is None:
        issues.append(Issue("required", ("event_type_id",), "MRI needs an action code."))
    if intent.operation == "update" and intent.x_event_id is None:
        issues.append(Issue("vendor_rule", (), "MRI's id of this action is not known yet."))
    if issues:
        raise Refused(issues)
    return Plan(
        operation=intent.operation,
        route="action",
        payload=payload,
        trace=Trace(
            x_resident_id=intent.resident.x_id,
            where={} if day is None else {"timezone": day.zone.key},
            text=text,
            x_type_id=payload.get("type"),
            instants=() if day is None else instants_of(day.date, day.zone),
        ),
        x_event_id=intent.x_event_id if intent.operation == "update" else None,
        notices=() if day is None else day.notices,
    )


def instants_of(day: date, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants that a date at midnight may be read as."""
    return read_wall_clock(datetime.combine(day, time()), zone)


def _day(intent: EventIntent, issues: list[Issue]) -> _Day | None:
    moment = intent.fields.get("event_datetime")
    if moment is None:
        if intent.operation == "create":
            words = "MRI needs the date of the action."
            issues.append(Issue("required", ("event_datetime",), words))
        return None
    zone = zone_named(intent.property_timezone)
    if not isinstance(moment, datetime):
        return _Day(moment, zone or ZoneInfo(WITHOUT_ZONE))
    if zone is None:
        words = (
            "MRI keeps the date at the property, and the property's time zone is not known: set "
            "`timezone` on the property or on the integration, or send the date alone."
        )
        issues.append(
            Issue(
                "vendor_rule",
                ("event_datetime",),
                words,
                "a date (YYYY-MM-DD), or a known time zone",
                moment.isoformat(),
            )
        )
        return None
    try:
        shown = to_wall_clock(moment.astimezone(UTC), zone).naive
    except (ValueError, OverflowError):
        words = "The time is out of range in the property's time zone."
        issues.append(Issue("vendor_rule", ("event_datetime",), words))
        return None
    lost = shown.time() != time()
    return _Day(shown.date(), zone, (_time_lost(shown),) if lost else ())


def _time_lost(shown: datetime) -> Notice:
    return Notice(
        "event_datetime",
        "time_of_day_dropped",
        f"MRI keeps the date of an action alone ({shown.date()}): "
        f"its time of day, {shown:%H:%M} at the property, is lost.",
    )


def _check_code(x_id: str, issues: list[Issue]) -> None:
    if not 0 < len(x_id) <= LONGEST_CODE:
        issues.append(
            Issue(
                "vendor_rule",
                ("event_type_id",),
                "MRI's action codes have one or two characters.",
                f"1 to {LONGEST_CODE} characters",
                x_id,
            )
        )
    if (issue := xml.unfit("event_type_id", x_id)) is not None:
        issues.append(issue)
