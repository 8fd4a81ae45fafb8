"""From an event to a note: on the resident's lease where one is known, else on himself.

Only the notes of a lease can be read again (by REST), and only REST reads tell of leases: a
resident with a lease can be looked for, one without cannot. A lease's note says nothing of whom it
is about, so its subject names him; that is also how his notes are told from the other tenants'.
"""

import re
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from frontdesk.vendors import times, xml
from frontdesk.vendors.contract import (
    EventIntent,
    Issue,
    Lease,
    LeaseStatus,
    Notice,
    Plan,
    Refused,
    Resident,
    Trace,
)

DEFAULT_SUBJECT = "Note"

_ORDER: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past")
_MARK = re.compile(r"(.*) \((?:[^()]*, )?contact (\d{1,19})\)", re.DOTALL)
_LONGEST_NAME = 100
_UTC = ZoneInfo("UTC")


def planned(intent: EventIntent) -> Plan:
    """The note to write. Raises `Refused`."""
    note = str(intent.fields.get("notes") or "")
    name = str(intent.fields.get("event_name") or "")
    issues = [
        issue
        for field, text in (("notes", note), ("event_name", name))
        if (issue := xml.unfit(field, text)) is not None
    ]
    if not note.strip():
        issues.append(Issue("required", ("notes",), "Propertyware takes no empty note."))
    moment = _moment(intent, issues)
    if intent.operation != "create":
        issues.append(Issue("vendor_rule", (), "Propertyware's notes cannot be changed."))
    if issues:
        raise Refused(issues)
    resident, subject = intent.resident, name if name.strip() else DEFAULT_SUBJECT
    lease = chosen_lease(resident)
    payload: dict[str, Any] = {
        "body": note,
        "date": None if moment is None else moment.replace(tzinfo=None).isoformat() + "Z",
    }
    if lease is None:
        route, where = "attachNoteToContact", {"contact_id": resident.x_id}
        payload |= {"subject": subject, "contact_id": resident.x_id}
    else:
        route, where = "attachNoteToLease", {"lease_id": lease.x_id}
        payload |= {"subject": marked(subject, resident), "lease_id": lease.x_id}
    return Plan(
        operation="create",
        route=route,
        payload=payload,
        trace=Trace(
            x_resident_id=resident.x_id,
            where=where,
            text=note,
            instants=() if moment is None else (moment,),
        ),
        notices=() if moment is None else (_DAY_ALONE,),
    )


def chosen_lease(resident: Resident) -> Lease | None:
    """The lease to write to: current, on notice, future, the latest past one. None where there is
    none or several have an equal claim: then the note goes on the resident himself, which is never
    the wrong place."""
    for status in _ORDER:
        leases = [lease for lease in resident.leases if lease.status == status]
        if status == "past" and leases:
            latest = max(_ended(lease) for lease in leases)
            leases = [lease for lease in leases if _ended(lease) == latest]
        if leases:
            return leases[0] if len(leases) == 1 else None
    return None


def marked(subject: str, resident: Resident) -> str:
    """The subject of a note on a lease, with whom it is about."""
    name = " ".join(re.sub(r"[()]", " ", str(resident.extra.get("name") or "")).split())
    shown = bool(name) and len(name) <= _LONGEST_NAME and xml.unfit("name", name) is None
    return (
        f"{subject} ({name}, contact {resident.x_id})"
        if shown
        else (f"{subject} (contact {resident.x_id})")
    )


def unmarked(subject: str) -> tuple[str, str | None]:
    """The subject as it was given, and the contact whom it names (None: a note of somebody else's
    hand, about the lease)."""
    found = _MARK.fullmatch(subject)
    return (subject, None) if found is None else (found[1], found[2])


_DAY_ALONE = Notice(
    "event_datetime",
    "time_of_day_dropped",
    "Propertyware shows the day of a note, in UTC, without its time.",
)


def _moment(intent: EventIntent, issues: list[Issue]) -> datetime | None:
    given = intent.fields.get("event_datetime")
    if not isinstance(given, datetime):
        return None
    try:
        naive = times.to_wall_clock(given, _UTC).naive
    except ValueError:
        issues.append(
            Issue("invalid_value", ("event_datetime",), "event_datetime is out of range in UTC.")
        )
        return None
    return naive.replace(microsecond=0, tzinfo=UTC)


def _ended(lease: Lease) -> date:
    return lease.move_out or lease.move_in or date.min
