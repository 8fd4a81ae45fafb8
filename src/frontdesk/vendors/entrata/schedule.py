"""An appointment on Entrata's wire: one date and two times of day, in US Mountain Time.

A caller states the day (`appointment_datetime`) and, in its offset, from when to when. Converted,
both ends must fall on one Mountain day, and the end after the beginning, because the wire has one
date and no offset; anything else is refused rather than written wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from frontdesk.vendors.contract import Issue, Notice
from frontdesk.vendors.entrata import clock
from frontdesk.vendors.times import WallClock

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


@dataclass(frozen=True, slots=True)
class Slot:
    """The wire's members of an appointment, and what was lost on the way."""

    wire: Mapping[str, Any]
    notices: tuple[Notice, ...]


def slot(fields: Mapping[str, Any], issues: list[Issue]) -> Slot | None:
    """The appointment of an event, None where it has none or where `issues` grew.

    Without `time_from` the appointment begins at the time of day of `appointment_datetime`.
    """
    day = fields.get("appointment_datetime")
    if day is None:
        issues.extend(
            Issue("required", ("appointment_datetime",), f"{name} needs appointment_datetime.")
            for name in ("time_from", "time_to")
            if name in fields
        )
        return None
    if not isinstance(day, datetime):
        issues.append(
            Issue("invalid", ("appointment_datetime",), "An appointment needs a time with offset.")
        )
        return None
    before = len(issues)
    begins = _at(day, fields.get("time_from"), "time_from", issues) or day
    ends = _at(day, fields.get("time_to"), "time_to", issues)
    shown = _shown(begins, "appointment_datetime", issues)
    until = None if ends is None else _shown(ends, "time_to", issues)
    if shown is None or len(issues) > before:
        return None
    if until is not None and not _fits(shown, until, issues):
        return None
    return Slot(_wire(shown, until), _notices(day, begins, ends, shown, until, fields))


def instant_notices(due: object) -> tuple[Notice, ...]:
    """What is lost where the appointment is written as one date-time (a scheduled follow-up)."""
    if not isinstance(due, datetime):
        return ()
    return clock.notices("appointment_datetime", due, clock.shown(due))


def _at(day: datetime, text: object, name: str, issues: list[Issue]) -> datetime | None:
    """That time of day on the day of the appointment, in the appointment's offset."""
    if text is None:
        return None
    found = _TIME.fullmatch(str(text))
    if found is None:
        issues.append(
            Issue("invalid", (name,), f"{name} must be HH:MM or HH:MM:SS.", received=str(text))
        )
        return None
    at = time(int(found[1]), int(found[2]), int(found[3] or 0), tzinfo=day.tzinfo)
    return datetime.combine(day.date(), at)


def _shown(instant: datetime, name: str, issues: list[Issue]) -> WallClock | None:
    try:
        return clock.shown(instant)
    except ValueError:
        words = "The time is out of range in US Mountain Time."
        issues.append(Issue("vendor_rule", (name,), words))
        return None


def _fits(shown: WallClock, until: WallClock, issues: list[Issue]) -> bool:
    span = f"{clock.date_time(shown.naive)} to {clock.date_time(until.naive)}"
    if shown.naive.date() != until.naive.date():
        words = "In US Mountain Time the appointment crosses midnight; Entrata takes one date."
        issues.append(Issue("vendor_rule", ("time_to",), words, received=span))
        return False
    if until.naive.replace(second=0) <= shown.naive.replace(second=0):
        words = (
            "On Entrata's clock (US Mountain Time, whole minutes) the appointment has no length."
        )
        issues.append(Issue("vendor_rule", ("time_to",), words, received=span))
        return False
    return True


def _wire(shown: WallClock, until: WallClock | None) -> dict[str, Any]:
    wire = {
        "appointmentDate": clock.day(shown.naive.date()),
        # GUESS: minutes are the finest time of day; only HH:MM was ever seen
        "timeFrom": f"{shown.naive:%H:%M}",
    }
    if until is not None:
        wire["timeTo"] = f"{until.naive:%H:%M}"
    return wire


def _notices(
    day: datetime,
    begins: datetime,
    ends: datetime | None,
    shown: WallClock,
    until: WallClock | None,
    fields: Mapping[str, Any],
) -> tuple[Notice, ...]:
    first = "time_from" if "time_from" in fields else "appointment_datetime"
    found = list(clock.notices(first, begins, shown))
    if shown.naive.second:
        found.append(Notice(first, "seconds_dropped", "Entrata keeps whole minutes here."))
    if ends is not None and until is not None:
        found.extend(clock.notices("time_to", ends, until))
        if until.naive.second:
            found.append(Notice("time_to", "seconds_dropped", "Entrata keeps whole minutes here."))
    if begins != day:
        found.append(
            Notice(
                "appointment_datetime",
                "time_of_day_dropped",
                "Entrata keeps the date of the appointment; its time of day is time_from.",
            )
        )
    return tuple(found)
