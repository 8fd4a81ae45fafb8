"""Entrata's clock: US Mountain Time without an offset, `MM/DD/YYYYTHH:MM:SS`, seconds the finest.

Source: Entrata's API documentation. An instant in the hour that autumn repeats is written as it is
shown, and its caller is warned; it can then be read as either instant.
"""

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from frontdesk.vendors.contract import Notice
from frontdesk.vendors.times import WallClock, read_wall_clock, to_wall_clock

ZONE = ZoneInfo("America/Denver")

_DATE_TIME = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*([AaPp][Mm])?)?"
    r"(?:\s+M[SD]?T)?"
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def shown(instant: datetime) -> WallClock:
    """The Mountain wall clock of an instant, in whole seconds. Raises ValueError out of range."""
    return to_wall_clock(instant.replace(microsecond=0), ZONE)


def date_time(naive: datetime) -> str:
    """A wall clock as the wire writes a date-time."""
    return f"{day(naive.date())}T{naive:%H:%M:%S}"


def day(value: date) -> str:
    """A date as the wire writes it. (`%Y` would not pad years before 1000.)"""
    return f"{value.month:02d}/{value.day:02d}/{value.year:04d}"


def notices(field: str, instant: datetime, clock: WallClock) -> tuple[Notice, ...]:
    """What a caller loses when this instant is written as this wall clock."""
    found: list[Notice] = []
    if clock.doubled:
        found.append(
            Notice(
                field,
                "doubled_local_hour",
                f"Entrata keeps US Mountain Time without an offset; {clock.naive:%H:%M} happens "
                "twice on that day, and Entrata cannot tell which one is meant.",
            )
        )
    if instant.microsecond:
        found.append(Notice(field, "fraction_dropped", "Entrata keeps no fractions of a second."))
    return tuple(found)


def instants(text: str | None) -> tuple[datetime, ...]:
    """The instants that a date-time of the wire may mean: none for what is no date-time."""
    found = _DATE_TIME.fullmatch((text or "").strip())
    if found is None:
        return ()
    month, day_of_month, year = int(found[1]), int(found[2]), int(found[3])
    hour, minute, second = int(found[4] or 0), int(found[5] or 0), int(found[6] or 0)
    if found[7]:
        if not 1 <= hour <= 12:
            return ()
        hour = hour % 12 + (12 if found[7].lower() == "pm" else 0)
    try:
        naive = datetime(year, month, day_of_month, hour, minute, second)  # noqa: DTZ001 — a wall clock
    except ValueError:
        return ()
    return read_wall_clock(naive, ZONE)


def appointment(date_text: str | None, time_text: str | None) -> tuple[datetime, ...]:
    """The instants of an appointment that is read as a date and a time of day."""
    if date_text is None or "T" in date_text or time_text is None:
        return instants(date_text)
    if _TIME.match(time_text.strip()) is None:
        return instants(date_text)
    return instants(f"{date_text.strip()} {time_text.strip()}")
