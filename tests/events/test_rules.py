"""The rules engine by itself: over made-up declarations, and over every vendor's with any body."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from frontdesk.catalog.known import KnownReference, KnownResident, PropertyState, Resolved
from frontdesk.errors import ApiError
from frontdesk.events.answers import answer_of, new_record
from frontdesk.events.fields import EVENT_FIELDS, FIELDS, REFERENCE_FIELDS
from frontdesk.events.rules import Checked, Terms, check, intent_of, plannable
from frontdesk.events.schemas import read_instant, read_moment, read_new_event
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Access, Lease, Reference, Refused, Resident, Vendor
from frontdesk.vendors.declaration import (
    Declaration,
    EventClass,
    Operation,
    Rule,
    Taken,
    TimeRule,
)
from frontdesk.writes.plans import dump_plan, load_plan
from tests.events.world import SUPPORTING

SEEN = datetime(2026, 3, 2, tzinfo=UTC)
EMAIL = "robin@example.com"


def declared(
    fields: Mapping[str, Taken], *rules: Rule, clock: TimeRule = TimeRule.UTC
) -> Declaration:
    """A PMS of our own."""
    return Declaration(
        vendor="PAPER",
        name="Paper",
        credentials=(),
        base_url="https://paper.example",
        hosts=(),
        reads=frozenset(),
        create=Operation({"resident_id": Taken(required=True), **fields}, rules),
        update=Operation({"notes": Taken(), "event_datetime": Taken()}),
        time=clock,
    )


def known(
    event_class: EventClass = EventClass.NOTE, x_type_id: str = "8", email: str | None = EMAIL
) -> Resolved:
    """Every reference is there and fits."""
    lease = Lease("31", "current", "1", "11", "51")

    def reference(x_id: str, **more: Any) -> KnownReference:
        known_class = event_class if "models" in more else None
        found = Reference(str(new_id()), x_id, f"Name {x_id}", "1", known_class)
        return KnownReference(new_id(), found, SEEN, None, **more)

    return Resolved(
        first_sync_done=True,
        resident=KnownResident(
            new_id(), Resident("r", "41", "1", email, (lease,)), SEEN, None, (), None
        ),
        unit=reference("11"),
        employee=reference("21", roles=("LEASING_AGENT",)),
        event_type=reference(x_type_id, models=("residents",)),
        event_sub_type=reference("s"),
        event_result=reference("e"),
        properties={"1": PropertyState(new_id(), "1", True, "America/Denver")},
    )


def checked(declaration: Declaration, resolved: Resolved | None = None, /, **body: Any) -> Checked:
    body = {"integration_id": str(new_id()), "resident_id": str(new_id()), **body}
    return check(Terms(declaration, "create"), read_new_event(body), resolved or known())


def codes(result: Checked) -> dict[str, str]:
    return {".".join(map(str, problem.path)): problem.code for problem in result.problems}


def test_a_rule_speaks_only_of_its_types_and_fields() -> None:
    rule = Rule(
        "Calls say how they ended.",
        classes=frozenset({EventClass.CALL_IN}),
        x_type_ids=frozenset({"99"}),
        with_fields=frozenset({"title"}),
        require=("call_status",),
        refuse=("status",),
    )
    fields = {n: Taken() for n in ("event_type_id", "title", "call_status", "status")}
    paper = declared(fields, rule)
    body = {"event_type_id": "t", "title": "x", "status": "OPEN"}
    for resolved in (known(EventClass.CALL_IN), known(EventClass.NOTE, "99")):
        result = checked(paper, resolved, **body)
        assert codes(result) == {"call_status": "required", "status": "not_taken"}
        assert all(problem.last_seen for problem in result.problems)
    assert codes(checked(paper, known(EventClass.NOTE), **body)) == {}
    assert codes(checked(paper, known(EventClass.CALL_IN), **{**body, "title": None})) == {}


def test_a_field_that_is_there_but_unreadable_is_not_called_missing_as_well() -> None:
    paper = declared({"call_status": Taken(required=True), "notes": Taken(required=True)})
    assert codes(checked(paper, call_status="?", notes=7)) == {
        "call_status": "invalid_value",
        "notes": "wrong_type",
    }


def test_without_the_catalog_only_what_needs_it_is_left_out() -> None:
    paper = declared({"employee_id": Taken(), "notes": Taken(required=True)})
    body = read_new_event({"employee_id": "e", "title": "x"})
    assert codes(check(Terms(paper, "create"), body, None)) == {
        "integration_id": "required",
        "resident_id": "required",
        "notes": "required",
        "title": "not_taken",
    }


def test_a_rules_refusal_is_dropped_too_when_unknown_fields_are_ignored() -> None:
    rule = Rule("Not for notes.", classes=frozenset({EventClass.NOTE}), refuse=("title",))
    paper = declared({"title": Taken(), "event_type_id": Taken()}, rule)
    body = {"integration_id": "i", "resident_id": "r", "title": "x", "event_type_id": "t"}
    terms = Terms(paper, "create", ignore_unknown_fields=True)
    result = check(terms, read_new_event(body | {"status": "OPEN"}), known())
    assert codes(result) == {}
    assert {warning.field for warning in result.warnings} == {"title", "status"}
    assert not {"title", "status"} & set(result.accepted)


def test_a_bare_date_passes_where_the_wire_has_no_offset_and_stays_a_date() -> None:
    fields = {"event_datetime": Taken()}
    local = declared(fields, clock=TimeRule.PROPERTY_LOCAL)
    result = checked(local, event_datetime="2026-03-02")
    assert codes(result) == {}
    intent = intent_of(result, Terms(local, "create"), known())
    assert intent.fields == {"event_datetime": date(2026, 3, 2)}
    assert codes(checked(declared(fields), event_datetime="2026-03-02")) == {
        "event_datetime": "invalid_value"
    }


def test_a_sub_type_or_result_without_an_event_type_asks_for_one() -> None:
    paper = declared(dict.fromkeys(("event_type_id", "event_sub_type_id"), Taken()))
    assert codes(checked(paper, event_sub_type_id="s")) == {"event_type_id": "required"}


def test_a_resident_without_an_address_matches_no_email_to() -> None:
    paper = declared({"email_to": Taken()})
    assert codes(checked(paper, known(email=None), email_to=EMAIL)) == {"email_to": "not_allowed"}
    assert codes(checked(paper, known(email=" ROBIN@example.com"), email_to=EMAIL)) == {}


def test_an_update_takes_what_it_declares_and_needs_a_change() -> None:
    terms = Terms(declared({}), "update")
    from frontdesk.events.schemas import read_changed_event

    assert codes(check(terms, read_changed_event({"notes": "x"}), known())) == {}
    assert codes(check(terms, read_changed_event({"status": "OPEN"}), known())) == {
        "status": "not_taken"
    }
    nothing = check(terms, read_changed_event({"external_reference": "x"}), known())
    assert [problem.code for problem in nothing.problems] == ["required"]


@given(
    st.datetimes(
        datetime(1900, 1, 2),  # noqa: DTZ001 — the strategy adds no zone of its own
        datetime(2199, 12, 30),  # noqa: DTZ001 — as above
    ),
    st.integers(-1439, 1439),
)
def test_any_instant_of_the_calendar_is_read_as_it_was_meant(naive: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    text = f"{naive.isoformat(timespec='microseconds')}{offset}"
    read = read_instant(text)
    assert read.replace(tzinfo=None) == naive
    assert read.utcoffset() is not None
    assert read.utcoffset().total_seconds() == minutes * 60  # type: ignore[union-attr]  # asserted above


@given(st.text(alphabet="0123456789-:TZtz+. \n", max_size=40))
@example("2026-03-02T16:30:00Z\n")
@example("2026-03-02\n")
@example("2026-02-29T00:00:00Z")
@example("2026-03-02T16:30:60Z")
def test_text_that_is_no_moment_is_a_value_error_and_nothing_else(text: str) -> None:
    try:
        moment = read_moment(text)
    except ValueError:
        return
    assert text[0].isdigit()
    assert text[-1].isdigit() or text[-1] in "Zz"
    assert type(moment) is date or moment.tzinfo is not None  # type: ignore[attr-defined]  # a datetime by then


def bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of examples, of values that are nearly right, and of nonsense."""
    anything = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=30),
        st.lists(st.integers(), max_size=2),
        st.dictionaries(st.text(max_size=3), st.none()),
    )
    known_fields = {
        item.name: st.one_of(
            st.just(item.example),
            st.just(item.example),
            st.sampled_from(item.choices or (item.example,)),
            anything,
        )
        for item in EVENT_FIELDS
    }
    extra = st.dictionaries(st.text(max_size=12), anything, max_size=2)
    return st.builds(
        lambda one, other: {**other, **one},
        st.fixed_dictionaries({}, optional=known_fields),
        extra,
    )


@pytest.mark.parametrize("vendor", SUPPORTING, ids=lambda vendor: vendor.declaration.vendor)
@settings(max_examples=150, deadline=None)
@given(
    body=bodies(),
    event_class=st.sampled_from(EventClass),
    ignore=st.booleans(),
    x_type_id=st.sampled_from(["1", "2", "3", "4", "5", "8", "15", "17", "436", "999"]),
)
def test_no_body_breaks_the_rules_engine_or_the_connector(
    vendor: Vendor, body: dict[str, Any], event_class: EventClass, ignore: bool, x_type_id: str
) -> None:
    declaration, connector = vendor.declaration, vendor.connector
    assert connector is not None
    resolved = known(declaration.class_of(x_type_id), x_type_id)
    terms = Terms(declaration, "create", ignore_unknown_fields=ignore)
    try:
        read = read_new_event(body)
    except ApiError as error:
        raise AssertionError("an object is always read") from error
    result = check(terms, read, resolved)
    assert (
        not set(result.accepted) - set(FIELDS) - {"external_reference", "callback_url"}
        or result.problems
    )
    if not plannable(result, resolved):
        assert result.problems
        return
    try:
        plan = connector.plan(
            intent_of(result, terms, resolved, property_timezone="America/Denver")
        )
    except Refused:
        return
    assert load_plan(dump_plan(plan)).payload == plan.payload
    secrets = {key.name: "a-secret" for key in declaration.credentials}
    assert connector.request(plan, Access(declaration.base_url, secrets), "1").body
    if not result.problems:
        shown = answer_of(new_id(), result.accepted, ())
        assert set(FIELDS) <= set(shown["data"])
        assert new_record(result.accepted, resolved, None)["data"]


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_what_is_no_object_is_a_400(body: Any) -> None:
    with pytest.raises(ApiError) as refusal:
        read_new_event(body)
    assert refusal.value.code.status == 400


def test_every_reference_of_the_contract_is_looked_up() -> None:
    assert {name for name in FIELDS if name.endswith("_id")} == {
        *REFERENCE_FIELDS,
        "integration_id",
    }
