"""Wall clocks without offset, as most PMSs speak them, and the instants they stand for.

An instant always has one wall clock in a zone. The way back has none (the hour that a change to
daylight saving skips), one, or two (the hour that the change back repeats): whoever reads a wall
clock gets all of its instants and may not pick one silently. Formats of a vendor's wire do not
belong here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_LONGEST_RETRY_AFTER = 86_400.0
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,6})?")


@dataclass(frozen=True, slots=True)
class WallClock:
    """What a clock on the wall shows. `doubled`: it shows this twice, an hour apart."""

    naive: datetime
    doubled: bool


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone_named(name: str | None) -> ZoneInfo | None:
    """The zone of this IANA name, None where there is none. Whatever else somebody calls a zone is not
    looked for: the library would go through folders and packages by that name."""
    return ZoneInfo(name) if name in _zones() else None


def to_wall_clock(instant: datetime, zone: ZoneInfo) -> WallClock:
    """The wall clock of an aware instant. Raises ValueError where it leaves the years 1..9999, or
    for a datetime without offset."""
    if instant.utcoffset() is None:
        raise ValueError("an instant needs an offset")
    try:
        naive = instant.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError as error:
        raise ValueError("the instant is out of range in this zone") from error
    return WallClock(naive, doubled=len(from_wall_clock(naive, zone)) > 1)


def from_wall_clock(naive: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants (UTC, earliest first) at which a clock in the zone shows `naive`.

    None where the clock skips it (or where it leaves the years 1..9999), two where it is shown
    twice. Raises ValueError for a datetime that has an offset.
    """
    if naive.tzinfo is not None:
        raise ValueError("a wall clock has no offset")
    instants: set[datetime] = set()
    for fold in (0, 1):
        try:
            instant = naive.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            shown = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        except OverflowError:
            continue
        if shown == naive.replace(fold=0):
            instants.add(instant)
    return tuple(sorted(instants))


def read_wall_clock(naive: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """As `from_wall_clock`, but a skipped time is read with the offset before the change (the rule
    of RFC 5545, 3.3.5): somebody at the PMS typed it, and an event without any time would match
    too much. Empty only where it leaves the years 1..9999."""
    instants = from_wall_clock(naive, zone)
    if instants:
        return instants
    try:
        return (naive.replace(tzinfo=zone, fold=0).astimezone(UTC),)
    except OverflowError:
        return ()


def rfc3339(instant: datetime) -> str:
    """An aware instant as the HTTP contract writes it: UTC with `Z`, no needless fraction."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3), between 0 and a day; None
    where it is absent or unreadable. A date is measured against the answer's own `Date`, because
    the two were written by one clock."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_RETRY_AFTER)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        # an unreadable or one-sided date tells nothing; TypeError: one of the two has no zone
        return None
    return min(max(wait.total_seconds(), 0.0), _LONGEST_RETRY_AFTER)
