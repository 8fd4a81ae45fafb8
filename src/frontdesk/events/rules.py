"""What a PMS says about an event, applied: one engine over every vendor's declaration.

It reports every problem that it can determine, also when the body was partly unreadable, and drops
nothing unless the caller asked for that (then each drop is a warning). It knows no vendor, makes no
call and decides nothing about leases, routes or the wire: that is the connector's part.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

import phonenumbers

from frontdesk.catalog.known import Resolved
from frontdesk.catalog.models import rfc3339
from frontdesk.errors import Problem
from frontdesk.events.fields import (
    ENVELOPE_FIELDS,
    FIELDS,
    REFERENCE_FIELDS,
    SCHEDULE_SCHEMAS,
    UPDATE_FIELDS,
    Kind,
)
from frontdesk.events.kinds import settle_kind
from frontdesk.events.references import References
from frontdesk.events.schemas import ReadBody, read_instant, read_moment
from frontdesk.events.terms import Checked, OperationName, Terms, given_fields
from frontdesk.vendors.contract import EventIntent, Notice, Reference
from frontdesk.vendors.declaration import Operation, TimeRule
from frontdesk.writes.plans import same_address

__all__ = ["Checked", "OperationName", "Terms", "check", "intent_of", "plannable"]

PHONE_FIELDS = ("call_phone_number_from", "call_phone_number_to")
_PHONE_REGION = "US"
"""How a number without a country code is read; it is only ever judged, never rewritten."""

_KNOWN_NOWHERE = Resolved(first_sync_done=True)


def check(terms: Terms, body: ReadBody, resolved: Resolved | None) -> Checked:
    """Apply every rule. `resolved` None: the integration is not known, so nothing that depends on
    its catalog is judged."""
    checked = Checked(dict(body.fields), list(body.problems))
    operation = terms.taken
    _drop_default_type(checked, operation)
    if terms.moves(checked.accepted.get("kind")):
        # Before anything is moved into the notes: they are to say nothing that cannot be.
        _check_clocks(checked, body)
    excused = settle_kind(checked, terms, body, resolved)
    _refuse_not_taken(checked, terms, body, excused)
    known = resolved or _KNOWN_NOWHERE
    if resolved is not None:
        named = [name for name in REFERENCE_FIELDS if name in checked.accepted]
        for problem in References(known).problems(named):
            checked.refuse(problem)
    _apply_rules(checked, terms, body, known)
    _require(checked, terms, body)
    _check_lengths(checked, terms, body)
    _check_type_of_parts(checked, terms, body)
    _check_times(checked, terms, body)
    _check_email(checked, terms, known)
    _check_phones(checked)
    _check_schedule(checked)
    if terms.operation == "update" and not body.refused:
        _require_a_change(checked)
    return checked


def intent_of(
    checked: Checked,
    terms: Terms,
    resolved: Resolved,
    *,
    property_timezone: str | None = None,
    x_event_id: str | None = None,
    existing: Mapping[str, Any] | None = None,
    existing_type: Reference | None = None,
) -> EventIntent:
    """The event with every id resolved, for the connector. The resident must be known. The last
    three arguments are an update's: the record's PMS id, its cached fields, its event type."""
    if resolved.resident is None:
        raise ValueError("an event without its resident cannot be planned")

    def reference(name: str) -> Reference | None:
        record = getattr(resolved, name) if f"{name}_id" in checked.accepted else None
        return None if record is None else record.reference

    return EventIntent(
        operation=terms.operation,
        resident=resolved.resident.resident,
        fields={
            name: _typed(name, value)
            for name, value in checked.accepted.items()
            if name not in REFERENCE_FIELDS and name not in ENVELOPE_FIELDS
        },
        event_type=reference("event_type"),
        event_sub_type=reference("event_sub_type"),
        event_result=reference("event_result"),
        employee=reference("employee"),
        unit=reference("unit"),
        x_event_id=x_event_id,
        property_timezone=property_timezone,
        existing=existing or {},
        existing_type=existing_type,
    )


def _typed(name: str, value: Any) -> Any:
    if FIELDS[name].kind is not Kind.INSTANT:
        return value
    return read_moment(value)


def _drop_default_type(checked: Checked, operation: Operation) -> None:
    """`event_type` has one value, and it says nothing: it may stand everywhere."""
    if "event_type" in operation.fields:
        checked.accepted.setdefault("event_type", "Note")
    else:
        checked.accepted.pop("event_type", None)


def _refuse_not_taken(
    checked: Checked, terms: Terms, body: ReadBody, excused: frozenset[str]
) -> None:
    # A field that this request has for no PMS was refused already; event_type says nothing.
    said = {p.path[0] for p in body.problems if p.code == "unknown_field"} | {"event_type"}
    given = checked.accepted.keys() | (body.refused - said - excused)
    foreign = (given & FIELDS.keys()) - terms.taken.fields.keys() - ENVELOPE_FIELDS
    for name in sorted(foreign):
        message = f"{terms.declaration.name} takes no {name} for a resident event."
        _drop_or_refuse(checked, terms, name, message, None)


def _drop_or_refuse(
    checked: Checked, terms: Terms, name: str, message: str, last_seen: str | None
) -> None:
    # Out of the way in either case: nothing more is to be said of its value.
    given = checked.accepted.pop(name, None) is not None
    if not terms.ignore_unknown_fields:
        checked.refuse(Problem("not_taken", (name,), message, last_seen=last_seen))
    elif given:
        checked.warnings.append(Notice(name, "dropped", f"{message} It was left out."))


def _apply_rules(checked: Checked, terms: Terms, body: ReadBody, known: Resolved) -> None:
    kind = known.event_type if "event_type_id" in checked.accepted else None
    event_class = None if kind is None else kind.reference.event_class
    x_type_id = None if kind is None else kind.reference.x_id
    present = given_fields(checked, body)
    for rule in terms.taken.rules:
        if not rule.applies(event_class, x_type_id, present):
            continue
        by_type = bool(rule.classes or rule.x_type_ids)
        last_seen = rfc3339(kind.last_seen) if by_type and kind is not None else None
        for name in rule.require:
            if name not in present:
                checked.refuse(
                    Problem(
                        "required",
                        (name,),
                        f"{name} is required. {rule.message}",
                        None,
                        None,
                        last_seen,
                    )
                )
        for name in rule.refuse:
            if name in checked.accepted:
                _drop_or_refuse(
                    checked, terms, name, f"{name} is not taken here. {rule.message}", last_seen
                )
                present -= {name}


def _require(checked: Checked, terms: Terms, body: ReadBody) -> None:
    present = given_fields(checked, body)
    for name, taken in terms.taken.fields.items():
        if not taken.required or name in present:
            continue
        blank = " and must not be blank" if name in checked.accepted else ""
        words = "event_type_id (or kind)" if name == "event_type_id" else name
        checked.refuse(
            Problem("required", (name,), f"{words} is required by {terms.declaration.name}{blank}.")
        )


def _check_lengths(checked: Checked, terms: Terms, body: ReadBody) -> None:
    fields = terms.taken.fields
    for name, value in checked.accepted.items():
        taken = fields.get(name)
        if taken is None or taken.max_length is None or not isinstance(value, str):
            continue
        longest = taken.max_length - (terms.mark_length if name == "notes" else 0)
        if len(value) <= longest:
            continue
        message = f"{terms.declaration.name} takes {name} of at most {taken.max_length} characters."
        if longest < taken.max_length:
            message += f" {terms.mark_length} of them are the mark of this integration's notes."
        if value != body.fields.get(name):
            message += " The lines that state what it has no field for count among them."
        checked.refuse(
            Problem(
                "too_long",
                (name,),
                message,
                f"at most {longest} characters",
                f"{len(value)} characters",
            )
        )


def _check_type_of_parts(checked: Checked, terms: Terms, body: ReadBody) -> None:
    """A sub type or result without an event type belongs to nothing."""
    if "event_type_id" not in terms.taken.fields or terms.operation == "update":
        return
    if "event_type_id" in given_fields(checked, body):
        return
    for name in ("event_sub_type_id", "event_result_id"):
        if name in checked.accepted:
            checked.refuse(
                Problem("required", ("event_type_id",), f"event_type_id is required with {name}.")
            )


def _check_times(checked: Checked, terms: Terms, body: ReadBody) -> None:
    fields = checked.accepted
    moment = fields.get("event_datetime")
    # A date that names no time can be placed only by a clock without offset.
    dates_alone = terms.declaration.time is TimeRule.PROPERTY_LOCAL
    if moment and not dates_alone and not isinstance(read_moment(moment), datetime):
        expected = "an RFC 3339 date-time with offset, such as 2026-03-02T16:30:00Z"
        message = f"event_datetime must be {expected}: a date without a time is not enough here."
        checked.refuse(Problem("invalid_value", ("event_datetime",), message, expected, moment))
    _check_clocks(checked, body)


def _check_clocks(checked: Checked, body: ReadBody) -> None:
    fields = checked.accepted
    clocks = [name for name in ("time_from", "time_to") if name in fields]
    if clocks and "appointment_datetime" not in given_fields(checked, body):
        checked.refuse(
            Problem(
                "required",
                ("appointment_datetime",),
                f"appointment_datetime is required with {clocks[0]}, which is read in its offset.",
            )
        )
    if len(clocks) == 2 and _clock(fields["time_to"]) <= _clock(fields["time_from"]):
        checked.refuse(
            Problem(
                "invalid_value",
                ("time_to",),
                "time_to must be after time_from; an appointment cannot reach into the next day.",
                f"later than {fields['time_from']}",
                fields["time_to"],
            )
        )


def _clock(text: str) -> time:
    return time.fromisoformat(text)


def _check_email(checked: Checked, terms: Terms, known: Resolved) -> None:
    fields = checked.accepted
    if fields.get("email_send") is True and not terms.allow_email_send:
        checked.refuse(
            Problem(
                "not_allowed",
                ("email_send",),
                "This integration does not allow that the PMS sends messages.",
                "false",
                "true",
            )
        )
    address = fields.get("email_to")
    if address is None or known.resident is None:
        return
    primary = known.resident.resident.email
    if not same_address(address, primary):
        checked.refuse(
            Problem(
                "not_allowed",
                ("email_to",),
                "email_to must be the resident's primary e-mail address"
                + (", and this resident has none." if primary is None else "."),
                received=address,
                last_seen=rfc3339(known.resident.last_seen),
            )
        )


def _check_phones(checked: Checked) -> None:
    for name in PHONE_FIELDS:
        number = checked.accepted.get(name)
        if not isinstance(number, str) or not number.strip():
            continue
        try:
            phonenumbers.parse(number, _PHONE_REGION)
        except phonenumbers.NumberParseException:
            checked.warnings.append(
                Notice(
                    name, "unreadable_phone_number", f"{name} is no phone number; it goes as sent."
                )
            )


def _check_schedule(checked: Checked) -> None:
    send_at, expires_at = (checked.accepted.get(name) for name in ("send_at", "expires_at"))
    if expires_at is None:
        return
    if send_at is not None and read_instant(expires_at) <= read_instant(send_at):
        checked.refuse(
            Problem(
                "invalid_value",
                ("expires_at",),
                "expires_at must be after send_at.",
                f"later than {send_at}",
                expires_at,
            )
        )
    if read_instant(expires_at) <= datetime.now(UTC):
        checked.refuse(
            Problem(
                "in_the_past",
                ("expires_at",),
                "expires_at must be in the future.",
                "a time in the future",
                expires_at,
            )
        )


def _require_a_change(checked: Checked) -> None:
    if not checked.problems and not any(name in checked.accepted for name in UPDATE_FIELDS):
        checked.refuse(
            Problem(
                "required",
                (),
                "The request changes nothing: it names none of the fields that can be changed.",
                " ".join(UPDATE_FIELDS),
            )
        )


_HARMLESS = frozenset({"unknown_field", "not_taken", "not_allowed", "too_long"})
_SCHEDULE = frozenset((name,) for name in SCHEDULE_SCHEMAS)


def plannable(checked: Checked, resolved: Resolved) -> bool:
    """Whether the connector can be asked for its own problems too although the body is refused:
    only if everything that it relies on was given and could be read."""
    return resolved.resident is not None and all(
        p.code in _HARMLESS or p.path[:1] in _SCHEDULE for p in checked.problems
    )
