"""The sandbox's throttles, against a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.sandbox.simulator import Limits, Window
from frontdesk.sandbox.throttle import Throttle

LIMITS = Limits(windows=(Window("HOUR", 5, 3600), Window("MINUTE", 3, 60)))


class Clock:
    """A monotonic clock by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_slides_and_tells_when_a_place_comes_free() -> None:
    clock = Clock()
    throttle = Throttle(1.0, clock)
    for _ in range(3):
        assert throttle.enter("a", LIMITS).allowed
        clock.now += 10
    refused = throttle.enter("a", LIMITS)
    assert not refused.allowed
    assert [(s.limit, s.remaining, s.reset) for s in refused.shares] == [
        (5, 2, 3570),
        (3, 0, 30),
    ]
    clock.now += 30
    assert throttle.enter("a", LIMITS).allowed
    assert not throttle.enter("a", LIMITS).allowed


def test_a_refused_request_uses_nothing_up() -> None:
    clock = Clock()
    throttle = Throttle(1.0, clock)
    for _ in range(20):
        throttle.enter("a", LIMITS)
    clock.now += 60
    assert [throttle.enter("a", LIMITS).allowed for _ in range(3)] == [True, True, False]


def test_callers_are_counted_apart() -> None:
    throttle = Throttle(1.0, Clock())
    assert all(throttle.enter("a", LIMITS).allowed for _ in range(3))
    assert throttle.enter("b", LIMITS).allowed


def test_requests_in_flight_are_limited_until_one_leaves() -> None:
    throttle = Throttle(1.0, Clock())
    limits = Limits(concurrency=2)
    assert [throttle.enter("a", limits).allowed for _ in range(3)] == [True, True, False]
    throttle.leave("a")
    assert throttle.enter("a", limits).allowed


def test_the_factor_multiplies_every_number_and_never_reaches_zero() -> None:
    throttle = Throttle(2.0, Clock())
    assert [throttle.enter("a", LIMITS).allowed for _ in range(7)] == [True] * 6 + [False]
    tiny = Throttle(0.001, Clock())
    assert [tiny.enter("a", LIMITS).allowed for _ in range(2)] == [True, False]
    with pytest.raises(ValueError, match="positive"):
        Throttle(0)


@given(st.lists(st.floats(0, 40), max_size=80))
def test_no_minute_ever_holds_more_than_its_limit(gaps: list[float]) -> None:
    clock = Clock()
    throttle = Throttle(1.0, clock)
    passed: list[float] = []
    for gap in gaps:
        clock.now += gap
        if throttle.enter("a", LIMITS).allowed:
            passed.append(clock.now)
    for moment in passed:
        assert sum(moment - 60 < other <= moment for other in passed) <= 3
        assert sum(moment - 3600 < other <= moment for other in passed) <= 5
