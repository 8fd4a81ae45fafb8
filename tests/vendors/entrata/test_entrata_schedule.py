"""Entrata: an appointment is one Mountain date and two times of day, or it is refused."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from frontdesk.vendors.contract import Issue
from frontdesk.vendors.entrata.clock import ZONE
from frontdesk.vendors.entrata.schedule import slot

BERLIN = timezone(timedelta(hours=1))
MOUNTAIN = timezone(timedelta(hours=-7))


def slotted(**fields: Any) -> tuple[dict[str, Any], list[str], list[tuple[str, tuple[Any, ...]]]]:
    issues: list[Issue] = []
    found = slot(fields, issues)
    wire = dict(found.wire) if found else {}
    notices = [notice.code for notice in found.notices] if found else []
    return wire, notices, [(issue.code, issue.path) for issue in issues]


def test_times_are_read_in_the_callers_offset_and_written_in_mountain_time() -> None:
    day = datetime(2025, 11, 24, 18, 0, tzinfo=BERLIN)
    assert slotted(appointment_datetime=day, time_from="18:00", time_to="18:30:00") == (
        {"appointmentDate": "11/24/2025", "timeFrom": "10:00", "timeTo": "10:30"},
        [],
        [],
    )


def test_the_date_is_that_of_the_beginning_in_mountain_time() -> None:
    day = datetime(2025, 11, 24, 2, 0, tzinfo=BERLIN)
    wire, _, _ = slotted(appointment_datetime=day, time_from="02:00", time_to="03:00")
    assert wire == {"appointmentDate": "11/23/2025", "timeFrom": "18:00", "timeTo": "19:00"}


def test_without_time_from_the_appointment_begins_at_its_own_time_of_day() -> None:
    wire, notices, _ = slotted(appointment_datetime=datetime(2025, 11, 24, 9, 15, tzinfo=MOUNTAIN))
    assert wire == {"appointmentDate": "11/24/2025", "timeFrom": "09:15"}
    assert notices == []


def test_a_time_of_day_that_time_from_replaces_is_a_loss_and_said() -> None:
    day = datetime(2025, 11, 24, 8, 0, tzinfo=MOUNTAIN)
    wire, notices, _ = slotted(appointment_datetime=day, time_from="09:00")
    assert wire["timeFrom"] == "09:00"
    assert notices == ["time_of_day_dropped"]


def test_a_range_that_crosses_midnight_on_the_wire_is_refused() -> None:
    day = datetime(2025, 11, 24, 7, 0, tzinfo=BERLIN)  # 23:00 on the day before in Denver
    _, _, issues = slotted(appointment_datetime=day, time_from="07:30", time_to="08:30")
    assert issues == [("vendor_rule", ("time_to",))]


@pytest.mark.parametrize("until", ["09:00", "08:59", "09:00:30"])
def test_a_range_without_length_is_refused(until: str) -> None:
    day = datetime(2025, 11, 24, 9, 0, tzinfo=MOUNTAIN)
    _, _, issues = slotted(appointment_datetime=day, time_from="09:00", time_to=until)
    assert issues == [("vendor_rule", ("time_to",))]


def test_a_range_that_the_repeated_hour_turns_around_is_refused() -> None:
    # 07:45Z shows 01:45, 08:15Z shows 01:15 of the same night
    day = datetime(2026, 11, 1, 7, 45, tzinfo=UTC)
    _, _, issues = slotted(appointment_datetime=day, time_from="07:45", time_to="08:15")
    assert issues == [("vendor_rule", ("time_to",))]


def test_a_doubled_hour_in_either_end_is_warned_of() -> None:
    day = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)
    _, notices, _ = slotted(appointment_datetime=day, time_from="07:00", time_to="07:30")
    assert notices == ["doubled_local_hour", "doubled_local_hour"]


def test_seconds_are_dropped_with_a_warning() -> None:
    day = datetime(2025, 11, 24, 9, 0, 5, tzinfo=MOUNTAIN)
    wire, notices, _ = slotted(appointment_datetime=day, time_from="09:00:05", time_to="09:30:07")
    assert (wire["timeFrom"], wire["timeTo"]) == ("09:00", "09:30")
    assert notices == ["seconds_dropped", "seconds_dropped"]


@pytest.mark.parametrize("text", ["24:00", "9:00", "09:60", "09:00:00.5", "noon", "09:00Z", ""])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    day = datetime(2025, 11, 24, 9, 0, tzinfo=MOUNTAIN)
    _, _, issues = slotted(appointment_datetime=day, time_from=text)
    assert issues == [("invalid", ("time_from",))]


def test_times_without_a_day_are_refused_and_no_times_are_no_slot() -> None:
    _, _, issues = slotted(time_from="09:00", time_to="10:00")
    assert issues == [("required", ("appointment_datetime",))] * 2
    assert slotted() == ({}, [], [])


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 — bounds
    st.integers(-12 * 60, 14 * 60),
    st.times(),
    st.times(),
)
def test_a_slot_that_is_written_reads_back_as_what_was_meant(
    instant: datetime, offset: int, start: Any, end: Any
) -> None:
    day = instant.astimezone(timezone(timedelta(minutes=offset)))
    texts = {"time_from": f"{start:%H:%M}", "time_to": f"{end:%H:%M}"}
    wire, _, issues = slotted(appointment_datetime=day, **texts)
    assume(not issues)
    for name, key in (("time_from", "timeFrom"), ("time_to", "timeTo")):
        hour, minute = texts[name].split(":")
        meant = day.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
        assert meant.astimezone(ZONE).strftime("%m/%d/%YT%H:%M") == (
            f"{wire['appointmentDate']}T{wire[key]}"
        )
