"""The pure rules of delivery: matching, outcomes, circuits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.delivery.circuit import FAILURES_TO_OPEN, Circuit
from frontdesk.delivery.matching import Claim, Known, earliest_stamp, find, matches, shows_changes
from frontdesk.delivery.outcomes import LONGEST_BACKOFF_SECONDS, after_send, backoff, uncertain
from frontdesk.vendors.contract import FoundEvent, Outcome, OutcomeKind, Trace
from frontdesk.vendors.declaration import CredentialKey, Declaration, RecordId

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
TRACE = Trace("r1", {}, "Called  about\nthe dryer", "8", (NOON,))
NOTHING = Known(tied=(), not_stamped_before=None)
DECLARATION = Declaration(
    vendor="ANY",
    name="Any",
    credentials=(CredentialKey("key"),),
    base_url="https://pms.invalid",
    hosts=(),
    reads=frozenset(),
)


def record(x_id: str = "1", **changes: Any) -> FoundEvent:
    values: dict[str, Any] = {
        "x_id": x_id,
        "x_resident_id": "r1",
        "text": "Called about the dryer",
        "x_type_id": "8",
        "instants": (NOON,),
    }
    return FoundEvent(**{**values, **changes})


def test_white_space_is_no_difference() -> None:
    assert matches(TRACE, record(text=" Called about the dryer\n"))


def test_an_update_is_seen_only_where_the_record_shows_all_that_it_changes() -> None:
    assert shows_changes(TRACE, ["notes"], record())
    assert not shows_changes(TRACE, ["notes"], record(text="Older words"))
    # The text may have been the same before.
    both = ["event_datetime", "event_type_id", "notes"]
    assert shows_changes(TRACE, both, record())
    assert not shows_changes(TRACE, both, record(x_type_id="9"))
    assert not shows_changes(TRACE, both, record(instants=(NOON - timedelta(days=1),)))
    assert not shows_changes(TRACE, ["event_datetime"], record(instants=()))
    assert not shows_changes(TRACE, ["notes", "status"], record()), "no record shows a status"


@pytest.mark.parametrize(
    "difference",
    [
        {"x_resident_id": "r2"},
        {"text": "Called about the drier"},
        {"x_type_id": "9"},
        {"instants": (NOON + timedelta(seconds=1),)},
    ],
)
def test_another_resident_text_type_or_time_is_another_record(difference: dict[str, Any]) -> None:
    assert not matches(TRACE, record(**difference))


def test_either_instant_of_a_doubled_hour_matches() -> None:
    hour = timedelta(hours=1)
    assert matches(TRACE, record(instants=(NOON - hour, NOON)))


def test_a_record_of_another_write_or_from_before_is_not_ours() -> None:
    assert find(TRACE, [record("1")], Known(tied={"1"}, not_stamped_before=None)) is None


def test_a_stamp_older_than_the_first_attempt_minus_skew_is_not_ours() -> None:
    limit = earliest_stamp(NOON, 5.0)
    known = Known(tied=(), not_stamped_before=limit)
    old = record("1", stamped_at=limit - timedelta(seconds=1))
    new = record("2", stamped_at=limit)
    assert find(TRACE, [old, new], known) == new


def test_a_staff_members_twin_is_told_by_its_author() -> None:
    known = Known(tied=(), not_stamped_before=None, author="api")
    twin, ours = record("1", author="staff"), record("2", author="api")
    assert find(TRACE, [twin, ours], known) == ours
    assert find(TRACE, [twin], known) is None


@given(records=st.integers(0, 6), twins=st.integers(0, 6))
def test_n_intended_twins_need_n_records(records: int, twins: int) -> None:
    known = Known(tied=(), not_stamped_before=None, twins=[Claim()] * twins)
    found = find(TRACE, [record(str(n)) for n in range(records)], known)
    assert (found is not None) == (records > twins)


def test_a_twins_record_that_is_too_old_for_this_write_does_not_cost_it_its_own() -> None:
    earlier = NOON - timedelta(minutes=5)
    known = Known((), NOON, twins=[Claim(earlier)])
    the_twins, ours = record("1", stamped_at=earlier), record("2", stamped_at=NOON)
    assert find(TRACE, [the_twins, ours], known) == ours
    # Where the twin's does not show yet, this one may be the twin's.
    assert find(TRACE, [ours], known) is None
    # What stood there before the twin was sent is neither's.
    staffs = record("0", stamped_at=earlier - timedelta(minutes=1))
    assert find(TRACE, [staffs, the_twins], known) is None


def test_a_twins_record_that_was_known_before_this_write_does_not_cost_it_its_own() -> None:
    known = Known({"1"}, None, twins=[Claim()])
    assert find(TRACE, [record("1"), record("2")], known) == record("2")
    staffs_too = Known({"0", "1"}, None, twins=[Claim(tied={"0"})])
    assert find(TRACE, [record("0"), record("1")], staffs_too) is None


MARKED = replace(TRACE, text="Called about the dryer [fd-abcdefghij]", mark="[fd-abcdefghij]")


def test_a_record_that_bears_the_mark_is_ours_whatever_else_it_says() -> None:
    known = Known(tied=("4",), not_stamped_before=NOON, author="api")
    ours = record(
        "3",
        text="Called about the dryer and the oven [fd-abcdefghij]",
        x_type_id="9",
        instants=(),
        author="staff",
        stamped_at=NOON - timedelta(days=1),
    )
    assert find(MARKED, [record("1"), record("2", text="x [fd-abcdefghik]"), ours], known) == ours
    # Of another resident, or another write's, it is not.
    assert find(MARKED, [replace(ours, x_resident_id="r2"), replace(ours, x_id="4")], known) is None


def test_the_same_words_without_the_mark_are_somebody_elses() -> None:
    assert find(MARKED, [record("1")], NOTHING) is None
    assert find(TRACE, [record("1")], NOTHING) is not None


def test_a_list_row_that_comes_twice_is_one_record() -> None:
    assert find(TRACE, [record("1"), record("1")], Known((), None, twins=[Claim()])) is None


@pytest.mark.parametrize(
    ("kind", "state", "ends"),
    [
        (OutcomeKind.DELIVERED, "succeeded", True),
        (OutcomeKind.REJECTED, "failed", True),
        (OutcomeKind.NOT_NOW, "retrying", False),
        (OutcomeKind.UNAUTHORISED, "retrying", False),
        (OutcomeKind.UNKNOWN, "reconciling", False),
    ],
)
def test_each_outcome_has_one_consequence(kind: OutcomeKind, state: str, ends: bool) -> None:
    transition = after_send(Outcome(kind), DECLARATION, 0)
    assert (transition.state, transition.ends) == (state, ends)


def test_a_throttle_uses_up_no_attempt_and_waits_as_upstream_says() -> None:
    outcome = Outcome(OutcomeKind.NOT_NOW, throttled=True, retry_after=7.0)
    transition = after_send(outcome, DECLARATION, 3)
    assert (transition.failed, transition.delay) == (False, 7.0)


def test_an_answer_without_an_id_succeeds_with_its_id_pending() -> None:
    values = {name: getattr(DECLARATION, name) for name in Declaration.__dataclass_fields__}
    read_back = Declaration(**{**values, "record_id": RecordId.READ_BACK})
    transition = after_send(Outcome(OutcomeKind.DELIVERED), read_back, 0)
    assert (transition.state, transition.resolution) == ("succeeded", "pending")


def test_what_cannot_be_asked_is_held_or_sent_again_as_its_owner_chose() -> None:
    held = uncertain("hold", "why")
    assert (held.state, held.ends) == ("uncertain", True)
    assert held.error is not None
    assert held.error["code"] == "outcome_unknown"
    assert uncertain("resend", "why").state == "retrying"


@given(failures=st.integers(0, 1000))
def test_a_backoff_is_bounded(failures: int) -> None:
    assert 0 <= backoff(failures, None) <= LONGEST_BACKOFF_SECONDS


def test_a_circuit_opens_after_failures_in_a_row_probes_and_closes_by_itself() -> None:
    circuit = Circuit()
    openings = [circuit.no_answer("m") for _ in range(FAILURES_TO_OPEN)]
    assert openings[:-1] == [None] * (FAILURES_TO_OPEN - 1)
    assert openings[-1] is not None
    assert circuit.probing
    assert circuit.no_answer("m") is not None
    assert circuit.answered()
    assert not circuit.probing
    assert not circuit.answered()


def test_an_answer_in_between_keeps_the_circuit_closed() -> None:
    circuit = Circuit()
    for _ in range(20):
        assert circuit.no_answer("m") is None
        circuit.answered()


def test_refused_credentials_stop_everything_at_once() -> None:
    opening = Circuit().unauthorised("m")
    assert opening.reason == "authentication"
    assert opening.seconds > 1
