"""Wall clocks and instants, at both edges of daylight saving and everywhere else."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from frontdesk.vendors.times import (
    from_wall_clock,
    read_wall_clock,
    retry_after,
    rfc3339,
    to_wall_clock,
    zone_named,
)

DENVER = ZoneInfo("America/Denver")
ZONES = ("America/Denver", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")

BEFORE_SPRING = datetime(2026, 3, 8, 8, 59, 59, tzinfo=UTC)
FIRST_OF_AUTUMN = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
SECOND_OF_AUTUMN = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)

instants = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 — the strategy adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 — as above
    timezones=st.just(UTC),
)


@given(instants, st.sampled_from(ZONES))
@example(BEFORE_SPRING, "America/Denver")
@example(BEFORE_SPRING + timedelta(seconds=1), "America/Denver")
@example(FIRST_OF_AUTUMN, "America/Denver")
@example(SECOND_OF_AUTUMN, "America/Denver")
def test_every_instant_is_among_the_readings_of_its_wall_clock(
    instant: datetime, zone: str
) -> None:
    shown = to_wall_clock(instant, ZoneInfo(zone))
    readings = from_wall_clock(shown.naive, ZoneInfo(zone))
    assert instant in readings
    assert shown.doubled is (len(readings) == 2)
    assert len(readings) in (1, 2)


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 1),  # noqa: DTZ001 — wall clocks
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001 — wall clocks
    ),
    st.sampled_from(ZONES),
)
def test_every_reading_of_a_wall_clock_shows_it_again(naive: datetime, zone: str) -> None:
    readings = from_wall_clock(naive, ZoneInfo(zone))
    assert list(readings) == sorted(set(readings))
    assert all(to_wall_clock(r, ZoneInfo(zone)).naive == naive for r in readings)
    assert len(read_wall_clock(naive, ZoneInfo(zone))) == max(1, len(readings))


@given(st.integers(0, 3599))
def test_the_hour_that_autumn_repeats_has_two_instants_an_hour_apart(second: int) -> None:
    naive = datetime(2026, 11, 1, 1) + timedelta(seconds=second)  # noqa: DTZ001 — a wall clock
    first, later = from_wall_clock(naive, DENVER)
    assert later - first == timedelta(hours=1)
    assert to_wall_clock(first, DENVER).doubled
    assert to_wall_clock(later, DENVER).doubled


@given(st.integers(0, 3599))
def test_the_hour_that_spring_skips_has_no_instant_but_can_be_read(second: int) -> None:
    naive = datetime(2026, 3, 8, 2) + timedelta(seconds=second)  # noqa: DTZ001 — a wall clock
    assert from_wall_clock(naive, DENVER) == ()
    (read,) = read_wall_clock(naive, DENVER)
    # the offset before the change: 02:30 is read as 02:30 MST, which clocks show as 03:30 MDT
    assert to_wall_clock(read, DENVER).naive == naive + timedelta(hours=1)


def test_edges_of_the_doubled_hour_are_not_doubled() -> None:
    for hour, minute, second in ((0, 59, 59), (2, 0, 0)):
        naive = datetime(2026, 11, 1, hour, minute, second)  # noqa: DTZ001 — a wall clock
        assert len(from_wall_clock(naive, DENVER)) == 1


def test_the_rim_of_the_calendar_never_raises_anything_but_value_errors() -> None:
    with pytest.raises(ValueError, match="range"):
        to_wall_clock(datetime.min.replace(tzinfo=UTC), DENVER)
    last = datetime(9999, 12, 31, 23, 59)  # noqa: DTZ001 — a wall clock
    assert from_wall_clock(last, DENVER) == ()
    assert read_wall_clock(last, DENVER) == ()


def test_a_datetime_without_offset_is_no_instant_and_one_with_it_no_wall_clock() -> None:
    with pytest.raises(ValueError, match="offset"):
        to_wall_clock(datetime(2026, 1, 1), DENVER)  # noqa: DTZ001 — the point of the test
    with pytest.raises(ValueError, match="offset"):
        from_wall_clock(datetime(2026, 1, 1, tzinfo=UTC), DENVER)


def test_rfc3339_is_utc_with_z() -> None:
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5, tzinfo=DENVER)) == "2026-01-02T10:04:05Z"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "99999999"}, 86_400.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT"}, None),
        (
            {
                "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT",
                "date": "Thu, 01 Jan 2026 00:00:04 GMT",
            },
            5.0,
        ),
        (
            {
                "retry-after": "Thu, 01 Jan 2026 00:00:00 GMT",
                "date": "Thu, 01 Jan 2026 00:00:04 GMT",
            },
            0.0,
        ),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


@given(st.text(max_size=80), st.text(max_size=80))
def test_retry_after_survives_any_header(wait: str, date: str) -> None:
    found = retry_after({"retry-after": wait, "date": date})
    assert found is None or 0 <= found <= 86_400


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "America",
        "America/Nowhere",
        "../../etc/passwd",
        "<a/>" * 3_000,
        "a/" * 3_000,
        "\0",
    ],
)
def test_what_is_no_zones_name_is_none_and_is_not_looked_for(name: str | None) -> None:
    assert zone_named(name) is None


def test_a_zone_is_found_by_its_name() -> None:
    assert zone_named("America/Denver") == ZoneInfo("America/Denver")
