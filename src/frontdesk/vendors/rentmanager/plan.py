"""From an event to an entry of a tenant's history.

The event type is a history category. What the category is for decides whether the event becomes a
note, a call, an e-mail or a visit; without one it is a note. Only what the caller gave is written:
an update leaves everything else of the entry as it stands.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.contract import EventIntent, Issue, Plan, Reference, Refused, Trace
from frontdesk.vendors.declaration import EventClass
from frontdesk.vendors.rentmanager import clock, guesses
from frontdesk.vendors.times import zone_named

RESOURCES: Mapping[str, str] = {
    guesses.NOTE: "HistoryNotes",
    guesses.CALL: "HistoryCalls",
    guesses.EMAIL: "HistoryEmails",
    guesses.VISIT: "HistoryVisits",
}
"""Where entries of each kind are saved."""

_KINDS: Mapping[EventClass, str] = {
    EventClass.CALL_IN: guesses.CALL,
    EventClass.CALL_OUT: guesses.CALL,
    EventClass.EMAIL_IN: guesses.EMAIL,
    EventClass.EMAIL_OUT: guesses.EMAIL,
    EventClass.VISIT: guesses.VISIT,
}


def planned(intent: EventIntent) -> Plan:
    """The write that carries this event. Raises `Refused` with every problem found."""
    issues: list[Issue] = []
    kind = _kind(intent, issues)
    category = intent.event_type
    _check_category(category, kind, issues)
    entry: dict[str, Any] = {}
    if intent.operation == "update":
        if intent.x_event_id is None:
            issues.append(
                Issue("vendor_rule", (), "Rent Manager's id of this event is not known yet.")
            )
        else:
            entry["HistoryID"] = wire_number(intent.x_event_id)
    if category is not None:
        entry["HistoryCategoryID"] = wire_number(category.x_id)
    moment = _moment(intent, issues)
    if moment is not None:
        entry["HistoryDate"] = moment.text
    note = intent.fields.get("notes")
    if note is not None:
        entry["Note"] = str(note)
    if not str(note or "") and (intent.operation == "create" or note is not None):
        issues.append(Issue("required", ("notes",), "An entry of the history needs a text."))
    if issues or kind is None:
        raise Refused(issues)
    tenant = intent.resident.x_id
    zone = zone_named(intent.property_timezone) or clock.EASTERN
    return Plan(
        operation=intent.operation,
        route=RESOURCES[kind],
        payload={"tenant_id": tenant, "entry": entry},
        trace=Trace(
            x_resident_id=tenant,
            where={
                "timezone": zone.key,
                "stamp": "UpdateDate" if intent.operation == "update" else "CreateDate",
            },
            text=str(note or ""),
            x_type_id=category.x_id if category is not None else None,
            instants=moment.instants if moment is not None else (),
        ),
        x_event_id=intent.x_event_id if intent.operation == "update" else None,
        notices=moment.notices if moment is not None else (),
    )


def wire_number(x_id: str) -> int | str:
    """An id as the wire writes it."""
    return int(x_id) if x_id.isascii() and x_id.isdecimal() else x_id


def _kind(intent: EventIntent, issues: list[Issue]) -> str | None:
    """What the entry is, or becomes."""
    if intent.operation == "create":
        return _kind_by(intent.event_type)
    told = guesses.kind_of(intent.existing.get("type_raw"))
    # `type_raw` of an event that was never read back is the name of its category.
    if told is not None and intent.existing.get("x_location_id") is not None:
        return told
    if intent.existing_type is not None:
        return _kind_by(intent.existing_type)
    if intent.existing.get("x_location_id") is None:
        return guesses.NOTE
    word = values.text(intent.existing.get("type_raw")) or "another kind"
    issues.append(
        Issue("vendor_rule", (), f"Rent Manager changes no history entry of this kind ({word}).")
    )
    return None


def _kind_by(category: Reference | None) -> str:
    if category is None or category.event_class is None:
        return guesses.NOTE
    return _KINDS.get(category.event_class, guesses.NOTE)


def _check_category(category: Reference | None, kind: str | None, issues: list[Issue]) -> None:
    if category is None:
        return
    path = ("event_type_id",)
    if category.extra.get("is_active") is False:
        issues.append(Issue("vendor_rule", path, "This history category is no longer in use."))
    kinds = category.extra.get("kinds") or ()
    if kinds and kind is not None and kind not in kinds:
        issues.append(
            Issue(
                "vendor_rule",
                path,
                f"This history category is not for entries of the kind {kind}.",
                expected=f"a category for {kind}",
                received=", ".join(str(word) for word in kinds),
            )
        )


def _moment(intent: EventIntent, issues: list[Issue]) -> clock.Moment | None:
    value = intent.fields.get("event_datetime")
    if value is None:
        return None
    if isinstance(value, date):
        zone = zone_named(intent.property_timezone)
        if zone is None and intent.property_timezone:
            words = f"The time zone {intent.property_timezone} of the property is not known here."
            issues.append(Issue("vendor_rule", ("event_datetime",), words))
            return None
        try:
            return clock.written(value, zone)
        except ValueError:
            pass  # refused below, like everything else that is no time
    words = "event_datetime must be a date, or a date-time with offset that the calendar has."
    issues.append(Issue("invalid", ("event_datetime",), words))
    return None
