"""Kinds by themselves: what a kind becomes at made-up PMSs, and what the fallback writes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.catalog.known import KnownReference, Resolved
from frontdesk.events.fields import EVENT_FIELDS, REFERENCE_FIELDS
from frontdesk.events.kinds import LABELS, held_kinds
from frontdesk.events.rules import Checked, Terms, check, intent_of
from frontdesk.events.schemas import EventKind, read_new_event
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Reference
from frontdesk.vendors.declaration import (
    EVENT_KINDS,
    Declaration,
    EventClass,
    Operation,
    Rule,
    Taken,
)
from tests.events.test_rules import codes, declared, known

NO_TYPES = declared({"notes": Taken(required=True, max_length=500), "event_type": Taken()})
"""A PMS that has notes and nothing else."""

CALLS = ("call_phone_number_from", "call_phone_number_to", "call_status", "call_duration")
TYPES = declared(
    {
        "event_type_id": Taken(required=True),
        "event_datetime": Taken(required=True),
        "notes": Taken(),
        **{name: Taken() for name in CALLS},
    },
    Rule(
        "Only calls.",
        classes=frozenset(EventClass) - {EventClass.CALL_IN, EventClass.CALL_OUT},
        refuse=CALLS,
    ),
    Rule("All of a call.", classes=frozenset({EventClass.CALL_IN}), require=CALLS),
)
"""A PMS whose event types say what an event is."""

MAYBE_TYPES = declared({"event_type_id": Taken(), "notes": Taken()})
"""A PMS whose notes may have a type."""

CALL: Mapping[str, Any] = {
    "kind": "call_in",
    "event_datetime": "2026-03-02T16:30:00Z",
    "call_phone_number_from": "+1 303 555 0142",
    "call_phone_number_to": "+1 303 555 0100",
    "call_status": "VOICEMAIL",
    "call_duration": 95,
    "notes": "Asked for a second key.",
}
STATED = (
    "Incoming call\n"
    "Time: 2026-03-02T16:30:00Z\n"
    "Called from: +1 303 555 0142\n"
    "Called number: +1 303 555 0100\n"
    "Call status: VOICEMAIL\n"
    "Call duration: 95 s\n"
    "\n"
    "Asked for a second key."
)


def mapped(*kinds: str, wanted: str, or_note: bool = False) -> Resolved:
    """What the catalog says of a kind where these kinds have an event type each."""
    types = {kind: a_type(kind) for kind in kinds}
    found = types.get(wanted)
    note = types.get("note") if found is None and or_note else None
    return replace(
        known(),
        event_type=found or note,
        kind_type_id=None if found is None else found.id,
        note_type_id=None if note is None else note.id,
        mapped_kinds=() if found else kinds,
    )


def a_type(kind: str) -> KnownReference:
    reference = Reference(str(new_id()), kind, f"Type {kind}", None, EventClass(kind))
    return KnownReference(
        new_id(), reference, datetime(2026, 3, 2, tzinfo=UTC), None, models=("residents",)
    )


def settled(
    declaration: Declaration, *kinds: str, fallback: bool = False, ignore: bool = False, **body: Any
) -> tuple[Checked, Resolved]:
    """A body after the rules, at an integration whose map has these kinds."""
    terms = Terms(declaration, "create", ignore, kind_fallback=fallback)
    resolved = mapped(*kinds, wanted=body.get("kind", ""), or_note=terms.moves(body.get("kind")))
    whole = {"integration_id": str(new_id()), "resident_id": str(new_id()), **body}
    return check(terms, read_new_event(whole), resolved), resolved


def test_the_words_are_the_same_wherever_kinds_are_listed() -> None:
    assert get_args(EventKind) == tuple(str(kind) for kind in EVENT_KINDS)


def test_every_field_can_be_said_in_the_notes_or_has_a_reason_not_to() -> None:
    own = {"integration_id", "resident_id", "notes", "event_type"}
    ids = {"event_type_id", "event_sub_type_id", "event_result_id"}
    assert set(LABELS) == {item.name for item in EVENT_FIELDS} - own - ids - {"email_send"}


@pytest.mark.parametrize(
    ("declaration", "in_the_map", "held"),
    [
        (NO_TYPES, ["call_in"], ["note"]),
        (TYPES, ["task", "call_in"], ["call_in", "task"]),
        (TYPES, [], []),
        (MAYBE_TYPES, ["visit"], ["note", "visit"]),
    ],
)
def test_what_is_held_follows_from_the_map_and_from_whether_a_note_needs_a_type(
    declaration: Declaration, in_the_map: list[str], held: list[str]
) -> None:
    assert list(held_kinds(declaration.create, in_the_map)) == held
    assert held_kinds(None, in_the_map) == ()


def test_a_kind_becomes_the_type_that_it_stands_for_and_is_no_field_of_the_pms() -> None:
    checked, resolved = settled(TYPES, "note", "call_in", **CALL)
    assert codes(checked) == {}
    assert checked.warnings == []
    assert checked.accepted["event_type_id"] == str(resolved.kind_type_id)
    intent = intent_of(checked, Terms(TYPES, "create"), resolved)
    assert intent.event_type is not None
    assert intent.event_type.event_class is EventClass.CALL_IN
    assert "kind" not in intent.fields


def test_the_rules_of_the_type_hold_for_its_kind() -> None:
    checked, _ = settled(TYPES, "call_in", **{**CALL, "call_status": None})
    assert codes(checked) == {"call_status": "required"}
    checked, _ = settled(TYPES, "note", **{**CALL, "kind": "note"})
    assert codes(checked) == dict.fromkeys(CALLS, "not_taken")


def test_a_type_beside_the_kind_must_be_the_same() -> None:
    body: dict[str, Any] = {"kind": "note", "notes": "x", "event_datetime": CALL["event_datetime"]}
    resolved = mapped("note", wanted="note")
    assert resolved.event_type is not None
    for same in (True, False):
        found = resolved if same else replace(resolved, kind_type_id=new_id())
        read = read_new_event(
            {"integration_id": "i", "resident_id": "r", "event_type_id": "t", **body}
        )
        checked = check(Terms(TYPES, "create"), read, found)
        assert codes(checked) == ({} if same else {"kind": "not_allowed"})
    untyped = check(Terms(MAYBE_TYPES, "create"), read, replace(resolved, kind_type_id=None))
    assert codes(untyped)["kind"] == "not_allowed"


def test_a_kind_that_is_not_held_is_refused_with_those_that_are_and_nothing_else_is_said() -> None:
    for ignore in (False, True):
        checked, _ = settled(TYPES, "note", "task", ignore=ignore, **{**CALL, "kind": "visit"})
        assert codes(checked) == {"kind": "not_held"}
        (problem,) = checked.problems
        assert (problem.expected, problem.received) == ("note, task", "visit")
        assert "kind_fallback=note" in problem.message
    checked, _ = settled(NO_TYPES, kind="task", notes="x")
    assert [(p.code, p.expected) for p in checked.problems] == [("not_held", "note")]


def test_a_note_needs_no_fallback_and_drops_nothing_into_its_text() -> None:
    body: dict[str, Any] = {"kind": "note", "notes": "Text", "title": "Title"}
    for fallback in (False, True):
        refused, _ = settled(NO_TYPES, fallback=fallback, **body)
        assert codes(refused) == {"title": "not_taken"}
        dropped, _ = settled(NO_TYPES, fallback=fallback, ignore=True, **body)
        assert dropped.accepted["notes"] == "Text"
        assert [(w.field, w.code) for w in dropped.warnings] == [("title", "dropped")]


def test_without_any_type_for_a_note_there_is_no_fallback_and_it_is_not_offered() -> None:
    checked, _ = settled(TYPES, "task", fallback=True, **CALL)
    (problem,) = [p for p in checked.problems if p.path == ("kind",)]
    assert problem.code == "not_held"
    assert "kind_fallback" not in problem.message


def test_the_fallback_states_what_has_no_place_before_the_notes() -> None:
    checked, _ = settled(NO_TYPES, fallback=True, **CALL)
    assert codes(checked) == {}
    assert checked.accepted["notes"] == STATED
    assert set(checked.accepted) == {
        "integration_id",
        "resident_id",
        "kind",
        "event_type",
        "notes",
    }
    assert [(w.field, w.code) for w in checked.warnings] == [
        ("kind", "kind_fallback"),
        ("event_datetime", "moved_to_notes"),
        *((name, "moved_to_notes") for name in CALLS),
    ]


def test_the_fallback_keeps_what_the_pms_does_take() -> None:
    checked, resolved = settled(TYPES, "note", fallback=True, **CALL)
    assert codes(checked) == {}
    assert checked.accepted["event_type_id"] == str(resolved.note_type_id)
    assert checked.accepted["event_datetime"] == CALL["event_datetime"]
    assert checked.accepted["notes"] == STATED.replace("Time: 2026-03-02T16:30:00Z\n", "")


def test_a_kind_that_is_held_stays_one_and_only_its_details_are_moved() -> None:
    body = {**CALL, "event_datetime": None}
    checked, resolved = settled(MAYBE_TYPES, "note", "call_in", fallback=True, **body)
    assert codes(checked) == {}
    assert checked.accepted["event_type_id"] == str(resolved.kind_type_id)
    assert checked.accepted["notes"].startswith("Incoming call\nCalled from: ")
    assert {w.code for w in checked.warnings} == {"moved_to_notes"}
    plain, _ = settled(MAYBE_TYPES, "call_in", fallback=True, kind="call_in", notes="x")
    assert (plain.accepted["notes"], plain.warnings) == ("x", [])


def test_a_kind_alone_is_text_enough_for_a_note() -> None:
    for notes in (None, "", " \n"):
        checked, _ = settled(NO_TYPES, fallback=True, kind="visit", notes=notes)
        assert (codes(checked), checked.accepted["notes"]) == ({}, "Visit")


def test_records_are_called_by_their_names_and_unknown_ones_refused() -> None:
    body: dict[str, Any] = {"kind": "visit", "unit_id": "u", "employee_id": "e"}
    checked, resolved = settled(NO_TYPES, fallback=True, **body)
    assert checked.accepted["notes"] == "Visit\nUnit: Name 11\nEmployee: Name 21"
    assert checked.moved == ("unit_id", "employee_id")
    without = resolved.without(checked.moved)
    assert without.unit is without.employee is None
    assert without.resident is resolved.resident
    nobody = replace(resolved, employee=None)
    read = read_new_event({"integration_id": "i", "resident_id": "r", **body})
    refused = check(Terms(NO_TYPES, "create", kind_fallback=True), read, nobody)
    assert codes(refused) == {"employee_id": "unknown_reference"}
    ignored = check(Terms(NO_TYPES, "create", True, kind_fallback=True), read, nobody)
    assert [w.field for w in ignored.warnings if w.code == "dropped"] == ["employee_id"]


def test_a_note_does_not_promise_to_send_a_message() -> None:
    body: dict[str, Any] = {"kind": "email_out", "email_body": "Hello"}
    silent, _ = settled(NO_TYPES, fallback=True, email_send=False, **body)
    assert codes(silent) == {}
    assert silent.accepted["notes"] == "Outgoing e-mail\nE-mail text: Hello"
    loud, _ = settled(NO_TYPES, fallback=True, email_send=True, **body)
    assert codes(loud) == {"email_send": "not_taken"}


def test_what_is_moved_must_still_be_possible() -> None:
    body: dict[str, Any] = {"kind": "appointment", "time_from": "10:00", "time_to": "09:00"}
    checked, _ = settled(NO_TYPES, fallback=True, **body)
    assert codes(checked) == {"appointment_datetime": "required", "time_to": "invalid_value"}
    unreadable, _ = settled(NO_TYPES, fallback=True, kind="call_in", call_duration="long")
    assert codes(unreadable) == {"call_duration": "wrong_type"}


def test_a_text_that_its_lines_make_too_long_is_refused_and_never_cut() -> None:
    head = len(STATED) - len(CALL["notes"])
    fits, _ = settled(NO_TYPES, fallback=True, **{**CALL, "notes": "x" * (500 - head)})
    assert codes(fits) == {}
    assert len(fits.accepted["notes"]) == 500
    body = {**CALL, "notes": "x" * (501 - head)}
    long, _ = settled(NO_TYPES, fallback=True, **body)
    assert codes(long) == {"notes": "too_long"}
    (problem,) = long.problems
    assert problem.received == "501 characters"
    assert "count among them" in problem.message


def test_an_integration_that_is_not_known_has_no_opinion_of_a_kind() -> None:
    read = read_new_event({"kind": "visit", "title": "x", "notes": "x", "event_datetime": "x"})
    for declaration in (NO_TYPES, TYPES, MAYBE_TYPES):
        terms = Terms(declaration, "create", kind_fallback=True)
        assert "kind" not in codes(check(terms, read, None))
        assert "event_type_id" not in codes(check(terms, read, None))


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
_VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "notes": _TEXT,
    "title": _TEXT,
    "reasons_for_event": _TEXT,
    "event_name": _TEXT,
    "call_phone_number_from": _TEXT,
    "call_phone_number_to": _TEXT,
    "email_subject": _TEXT,
    "email_body": _TEXT,
    "call_duration": st.integers(0, 86_400),
    "call_status": st.sampled_from(["BUSY", "ANSWER"]),
    "status": st.sampled_from(["OPEN", "DENIED"]),
    "event_datetime": st.sampled_from(["2026-03-02T16:30:00Z", "2026-03-02T16:30:00-07:00"]),
    "appointment_datetime": st.just("2026-03-05T09:00:00-07:00"),
    "email_from": st.just("office@example.com"),
    "email_send": st.just(False),
    "unit_id": st.just("u"),
}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from([str(kind) for kind in EVENT_KINDS if kind is not EventClass.NOTE]),
    body=st.fixed_dictionaries({}, optional=_VALUES),
    declaration=st.sampled_from(
        [NO_TYPES, MAYBE_TYPES, declared({"notes": Taken(), "title": Taken()})]
    ),
    held=st.booleans(),
)
def test_whatever_was_said_stands_in_the_text_whole_and_in_order_or_is_refused(
    kind: str, body: dict[str, Any], declaration: Declaration, held: bool
) -> None:
    kinds = (kind,) if held else ()
    checked, resolved = settled(declaration, *kinds, fallback=True, kind=kind, **body)
    operation = declaration.create
    assert isinstance(operation, Operation)
    assert set(codes(checked).values()) <= {"too_long"}
    notes = str(body.get("notes") or "")
    text = checked.accepted.get("notes", "")
    # The caller's own words come last, untouched; nothing that the PMS takes was moved.
    assert text.endswith(notes) or not notes.strip()
    assert set(checked.moved).isdisjoint(operation.fields)
    place = 0
    for name in LABELS:
        value = body.get(name)
        if name in operation.fields or value is None or not str(value).strip():
            assert name not in checked.moved
            continue
        words = resolved.unit.reference.name if name == "unit_id" and resolved.unit else str(value)
        line = f"\n{LABELS[name]}: {words}"
        place = text.index(line, place) + len(line)
        assert name not in checked.accepted
    warned = [warning.field for warning in checked.warnings if warning.code == "moved_to_notes"]
    assert warned == list(checked.moved)
    said = [w.field for w in checked.warnings if w.code == "kind_fallback"]
    typed = "event_type_id" in operation.fields
    assert said == ([] if held and typed else ["kind"])
    assert not set(checked.accepted) & set(REFERENCE_FIELDS) - {"resident_id", "event_type_id"}
