"""Rent Manager's clock: the property's local time without an offset, seconds the finest.

Where neither the property's zone nor the integration's is known, Rent Manager's own default holds,
US Eastern, and the caller is warned. Stamps of the server bear an offset and are read by it.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from frontdesk.vendors import values
from frontdesk.vendors.contract import Notice
from frontdesk.vendors.times import read_wall_clock, to_wall_clock

EASTERN = ZoneInfo("America/New_York")
"""What Rent Manager takes where no zone is set."""

_FIELD = "event_datetime"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on the wire, and the instants that it can be read as."""

    text: str
    instants: tuple[datetime, ...]
    notices: tuple[Notice, ...] = ()


def written(value: date, zone: ZoneInfo | None) -> Moment:
    """An event's time as it is written. `zone` None: Eastern, with a warning; a date alone needs
    none. Raises ValueError for what the zone's calendar cannot say."""
    place = zone or EASTERN
    if not isinstance(value, datetime):
        return Moment(value.isoformat(), read_wall_clock(datetime.combine(value, time()), place))
    shown = to_wall_clock(value.replace(microsecond=0), place)
    notices: list[Notice] = []
    if zone is None:
        notices.append(
            Notice(
                _FIELD,
                "assumed_timezone",
                "Neither the property's time zone nor the integration's is known; the time was "
                "written as US Eastern time, Rent Manager's default.",
            )
        )
    if shown.doubled:
        notices.append(
            Notice(
                _FIELD,
                "doubled_local_hour",
                f"Rent Manager keeps the property's local time without an offset; "
                f"{shown.naive:%H:%M} happens twice on that day, and it cannot tell which one "
                "is meant.",
            )
        )
    if value.microsecond:
        # GUESS: whole seconds
        notices.append(
            Notice(_FIELD, "fraction_dropped", "Rent Manager keeps no fractions of a second.")
        )
    text = shown.naive.isoformat(timespec="seconds")
    return Moment(text, read_wall_clock(shown.naive, place), tuple(notices))


def instants(value: object, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants that a `HistoryDate` may mean: none for what is no date.

    GUESS: without an offset it is the property's local time. With one it may be that instant, or
    the local time under the server's offset: both are given, because an event that is not
    recognised would be written twice."""
    if not isinstance(value, str) or len(value) > 64:
        return ()
    try:
        read = datetime.fromisoformat(value)
        naive = read.replace(tzinfo=None, microsecond=0)
    except (ValueError, OverflowError):
        return ()
    local = read_wall_clock(naive, zone)
    if read.utcoffset() is None:
        return local
    exact = values.utc_instant(value)
    first = () if exact is None else (exact.replace(microsecond=0),)
    return (*first, *(instant for instant in local if instant not in first))
