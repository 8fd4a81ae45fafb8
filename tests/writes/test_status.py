"""What a write waits for, and how its states are told: pure, from a row."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from frontdesk.writes.status import (
    ENDED_STATES,
    FAILED_STATES,
    State,
    marker_of,
    next_attempt_at,
    status_of,
    waiting_for,
    write_status,
)

NOW = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": "job",
        "integration_id": "integration",
        "vendor": "PMS",
        "operation": "create",
        "state": "queued",
        "ready_at": NOW,
        "scheduled_for": None,
        "event_id": "event",
        "x_id": None,
        "resolution": None,
        "external_reference": None,
        "attempts": 0,
        "errors": "[]",
        "submitted_at": NOW,
        "started_at": None,
        "finished_at": None,
        "retry_of": None,
        "active": True,
        "not_before": None,
        "not_before_reason": None,
        "blocked_until": None,
        "now": NOW,
        "throttled": False,
        "behind_earlier": False,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"state": "scheduled"}, "schedule"),
        ({"state": "sending", "active": False}, None),
        ({"behind_earlier": True, "ready_at": None}, "earlier_event"),
        ({"behind_earlier": True, "active": False}, "paused"),
        ({"state": "reconciling"}, "settling"),
        ({"state": "reconciling", "behind_earlier": True}, "earlier_event"),
        ({"state": "retrying", "ready_at": LATER}, "backoff"),
        ({"state": "retrying", "ready_at": LATER, "throttled": True}, "rate_limit"),
        ({"state": "retrying"}, None),
        ({"blocked_until": LATER}, "rate_limit"),
        ({"blocked_until": NOW}, None),
        ({"not_before": LATER, "not_before_reason": "authentication"}, "authentication"),
        ({"not_before": LATER, "not_before_reason": "circuit"}, "circuit"),
        ({"not_before": LATER, "not_before_reason": "rate_limit"}, "rate_limit"),
        (
            {"not_before": LATER, "not_before_reason": "authentication", "behind_earlier": True},
            "authentication",
        ),
        ({"not_before": NOW, "not_before_reason": "circuit"}, None),
        ({"active": False, "not_before": LATER, "not_before_reason": "circuit"}, "paused"),
        *[({"state": state, "active": False}, None) for state in sorted(ENDED_STATES)],
    ],
)
def test_the_outermost_thing_that_holds_a_write_is_named(
    changes: dict[str, Any], expected: str | None
) -> None:
    assert waiting_for(row(**changes)) == expected


def test_every_state_has_a_status_and_only_the_ended_ones_a_final_one() -> None:
    told = {state: write_status(state) for state in get_args(State)}
    assert {state for state, status in told.items() if status != "PENDING"} == ENDED_STATES
    assert {state for state, status in told.items() if status == "FAILURE"} == FAILED_STATES


def test_a_record_is_named_only_once_the_write_has_succeeded() -> None:
    for state in get_args(State):
        shown = status_of(row(state=state, x_id="900", resolution="matched"))
        assert (shown["created_record_id"] == "event") is (state == "succeeded")
        assert bool(shown["created_records"]) is (state == "succeeded")
    shown = status_of(row(state="succeeded", resolution="pending"))
    assert shown["created_records"] == [
        {"model": "events", "id": "event", "x_id": None, "resolution": "pending"}
    ]


def test_upstreams_own_words_are_the_errors() -> None:
    errors = '[{"code": "422", "message": "Note is too rude", "upstream_status": 422}]'
    shown = status_of(row(state="failed", errors=errors))
    assert shown["errors"] == ["Note is too rude"]
    assert shown["error_details"] == [
        {"code": "422", "message": "Note is too rude", "retryable": False, "upstream_status": 422}
    ]


def test_the_next_attempt_is_the_latest_of_what_holds_it() -> None:
    assert next_attempt_at(row()) is None
    assert next_attempt_at(row(ready_at=LATER)) == LATER
    assert next_attempt_at(row(not_before=LATER)) == LATER
    assert next_attempt_at(row(ready_at=None)) is None
    assert next_attempt_at(row(ready_at=LATER, active=False)) is None
    assert next_attempt_at(row(ready_at=LATER, state="failed")) is None


def test_the_marker_moves_with_every_step_that_a_stream_tells() -> None:
    steps = [
        row(),
        row(behind_earlier=True),
        row(state="sending", attempts=1),
        row(state="retrying", attempts=1, ready_at=LATER),
        row(state="succeeded", attempts=1, resolution="pending"),
        row(state="succeeded", attempts=1, resolution="matched"),
    ]
    assert len({marker_of(step) for step in steps}) == len(steps)
