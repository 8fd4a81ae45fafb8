"""`kind`: what happened, said in words that hold at every PMS, instead of by an event type's id.

A kind becomes the event type that the integration's map gives it; at a PMS without event types only
a note needs none. Where it cannot be held the event is refused, unless the caller asks for a note
instead (`kind_fallback`): then what the PMS has no place for is written into the first lines of the
notes, whole and in words, and nothing is left out without a warning.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from frontdesk.catalog.known import KnownReference, Resolved
from frontdesk.errors import Problem
from frontdesk.events.fields import REFERENCE_FIELDS
from frontdesk.events.references import References
from frontdesk.events.schemas import ReadBody
from frontdesk.events.terms import Checked, Terms, given_fields
from frontdesk.vendors.contract import Notice
from frontdesk.vendors.declaration import EVENT_KINDS, EventClass, Operation

_TITLES: Mapping[str, str] = {
    EventClass.NOTE: "Note",
    EventClass.CALL_IN: "Incoming call",
    EventClass.CALL_OUT: "Outgoing call",
    EventClass.EMAIL_IN: "Incoming e-mail",
    EventClass.EMAIL_OUT: "Outgoing e-mail",
    EventClass.TEXT: "Text message",
    EventClass.CHAT: "Online chat",
    EventClass.VISIT: "Visit",
    EventClass.APPOINTMENT: "Appointment",
    EventClass.TASK: "Task",
}

LABELS: Mapping[str, str] = {
    "event_datetime": "Time",
    "call_phone_number_from": "Called from",
    "call_phone_number_to": "Called number",
    "call_status": "Call status",
    "call_duration": "Call duration",
    "call_audio_link": "Recording",
    "email_from": "E-mail from",
    "email_to": "E-mail to",
    "email_cc": "E-mail copy to",
    "email_bcc": "E-mail hidden copy to",
    "appointment_datetime": "Appointment",
    "time_from": "Appointment from",
    "time_to": "Appointment until",
    "unit_id": "Unit",
    "employee_id": "Employee",
    "status": "Status",
    "event_name": "Name",
    "reasons_for_event": "Reason",
    "title": "Title",
    "email_subject": "E-mail subject",
    "email_body": "E-mail text",
}
"""The fields that can be said in words, in the order of their lines; longer texts come last. Not
among them: ids that mean something to the PMS alone, and `email_send`, because a note sends
nothing."""

MOVED_REFERENCES = tuple(name for name in LABELS if name in REFERENCE_FIELDS)
"""Fields that name a record of the catalog, which is called by its name in the notes."""


def takes_types(operation: Operation | None) -> bool:
    """Whether the operation takes an event type at all."""
    return operation is not None and "event_type_id" in operation.fields


def held_kinds(operation: Operation | None, mapped: Collection[str]) -> tuple[str, ...]:
    """The kinds that events can have: those that the map gives an event type (`mapped`), and a note
    where the PMS needs no type for one."""
    if operation is None:
        return ()
    held = set(mapped) if takes_types(operation) else set()
    if _needs_no_type(operation):
        held.add(EventClass.NOTE)
    return tuple(str(kind) for kind in EVENT_KINDS if kind in held)


def settle_kind(
    checked: Checked, terms: Terms, body: ReadBody, resolved: Resolved | None
) -> frozenset[str]:
    """Give the event the type that its kind stands for, or say why there is none; with the
    fallback, move what the PMS does not take into the notes. `resolved` None: the integration is
    not known, so nothing is judged. The names of fields that are no problem although the PMS does
    not take them."""
    kind = checked.accepted.get("kind")
    if kind is None:
        return frozenset()
    moving = terms.moves(kind) and "notes" in terms.taken.fields
    title = ""
    if resolved is not None:
        held = _choose_type(checked, terms, resolved, kind, moving=moving)
        title = "" if held else _TITLES[kind]
    if not moving:
        return frozenset()
    _move(checked, terms, body, resolved, kind, title)
    return frozenset(LABELS)


def _choose_type(
    checked: Checked, terms: Terms, resolved: Resolved, kind: str, *, moving: bool
) -> bool:
    """Whether the event is of this kind at the PMS (or refused, so that it does not matter)."""
    name, operation = terms.declaration.name, terms.taken
    typed = takes_types(operation)
    type_id = resolved.kind_type_id if typed else None
    held = type_id is not None or (kind == EventClass.NOTE and _needs_no_type(operation))
    if not held:
        type_id = resolved.note_type_id if typed else None
        if not moving or (type_id is None and not _needs_no_type(operation)):
            checked.refuse(_not_held(terms, resolved, kind))
            return True
        words = f"{name} holds no {kind} here: a note that states it is written instead."
        checked.warnings.append(Notice("kind", "kind_fallback", words))
    if typed:
        _agree(checked, resolved, kind, type_id)
    return held


def _agree(checked: Checked, resolved: Resolved, kind: str, type_id: UUID | None) -> None:
    """An event type beside the kind must be the one that the kind stands for."""
    if "event_type_id" not in checked.accepted:
        if type_id is not None:
            checked.accepted["event_type_id"] = str(type_id)
        return
    named = resolved.event_type
    if named is not None and named.id != type_id:
        checked.refuse(
            Problem(
                "not_allowed",
                ("kind",),
                f"event_type_id names another event type than {kind} stands for; give one of them.",
                "no event_type_id" if type_id is None else str(type_id),
                str(named.id),
            )
        )


def _not_held(terms: Terms, resolved: Resolved, kind: str) -> Problem:
    held = ", ".join(held_kinds(terms.taken, resolved.mapped_kinds))
    words = f"{terms.declaration.name} holds no {kind} here; it holds: {held or 'nothing'}."
    if _needs_no_type(terms.taken) or EventClass.NOTE in resolved.mapped_kinds:
        words += " With kind_fallback=note it becomes a note that states it."
    return Problem("not_held", ("kind",), words, held or "none", kind)


def _needs_no_type(operation: Operation) -> bool:
    taken = operation.fields.get("event_type_id")
    return taken is None or not taken.required


def _move(
    checked: Checked,
    terms: Terms,
    body: ReadBody,
    resolved: Resolved | None,
    kind: str,
    title: str,
) -> None:
    accepted = checked.accepted
    foreign = _foreign(checked, terms, body, resolved)
    if accepted.get("email_send") is False and "email_send" in foreign:
        # Nothing is to be sent, and nothing will be: there is nothing to say.
        del accepted["email_send"]
    lines: list[str] = []
    moved: list[str] = []
    for name, label in LABELS.items():
        if name not in foreign or name not in accepted:
            continue
        words = _words(name, accepted[name], resolved)
        if words is None:
            if resolved is not None and not terms.ignore_unknown_fields:
                del accepted[name]
                for problem in References(resolved).problems([name]):
                    checked.refuse(problem)
            continue
        del accepted[name]
        if words.strip():
            lines.append(f"{label}: {words}")
            moved.append(name)
    if not lines and not title:
        return
    message = f"{terms.declaration.name} takes no {{}} for this event; the notes state it."
    checked.warnings += [Notice(name, "moved_to_notes", message.format(name)) for name in moved]
    checked.moved = tuple(moved)
    if "notes" not in body.refused:
        text = "\n".join([title or _TITLES[kind], *lines])
        notes = accepted.get("notes") or ""
        accepted["notes"] = f"{text}\n\n{notes}" if notes.strip() else text


def _foreign(
    checked: Checked, terms: Terms, body: ReadBody, resolved: Resolved | None
) -> frozenset[str]:
    """The fields that the PMS does not take for this very event."""
    operation = terms.taken
    foreign = checked.accepted.keys() - operation.fields.keys()
    chosen = None if resolved is None else resolved.event_type
    if chosen is None or "event_type_id" not in checked.accepted:
        return frozenset(foreign)
    given = given_fields(checked, body)
    for rule in operation.rules:
        if rule.applies(chosen.reference.event_class, chosen.reference.x_id, given):
            foreign |= set(rule.refuse)
    return frozenset(foreign)


def _words(name: str, value: object, resolved: Resolved | None) -> str | None:
    """A value as the notes say it; None for a record that is not known."""
    if name == "call_duration":
        return f"{value} s"
    if name not in REFERENCE_FIELDS:
        return str(value)
    record = None if resolved is None else resolved.by_field(name)
    if not isinstance(record, KnownReference):
        return None
    return record.reference.name or record.reference.x_id
