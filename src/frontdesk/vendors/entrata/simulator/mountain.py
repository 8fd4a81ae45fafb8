"""Entrata's clock: US Mountain Time without offset, `MM/DD/YYYY` and `MM/DD/YYYYTHH:MM:SS`.

The simulator's own rule for the two odd hours of a year (a guess): an hour that does not exist is
refused, an hour that exists twice means the earlier instant.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Denver")

_DAY = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
_MOMENT = re.compile(r"\d\d/\d\d/\d{4}T\d\d:\d\d:\d\d")
_HOUR = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


class BadTime(ValueError):  # noqa: N818 (expected: each call words its own refusal)
    """A date or time that Entrata cannot read; the message says why."""


def day(text: object, name: str) -> date:
    """A date as Entrata takes it."""
    if isinstance(text, str) and _DAY.fullmatch(text):
        try:
            return datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date()
        except ValueError:
            pass  # it has the form of a date and is none: refused like any other text
    raise BadTime(f"{name} must be a date in the format MM/DD/YYYY.")


def moment(text: object, name: str) -> datetime:
    """A date-time as Entrata takes it, in UTC."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise BadTime(f"{name} must be a date and time in the format MM/DD/YYYYTHH:MM:SS.")
    try:
        local = datetime.strptime(text, "%m/%d/%YT%H:%M:%S").replace(tzinfo=ZONE)
    except ValueError:
        raise BadTime(f"{name} is not a valid date and time.") from None
    instant = local.astimezone(UTC)
    if instant.astimezone(ZONE).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise BadTime(f"{name} names an hour that daylight saving time leaves out.")
    return instant


def hour(text: object, name: str) -> str:
    """A time of day as Entrata takes it: `HH:MM` or `HH:MM:SS`."""
    if isinstance(text, str) and _HOUR.fullmatch(text):
        return text
    raise BadTime(f"{name} must be a time in the format HH:MM.")


def shown_day(value: date) -> str:
    """A date as Entrata writes it."""
    return value.strftime("%m/%d/%Y")


def shown(value: datetime) -> str:
    """An instant as Entrata writes it."""
    return value.astimezone(ZONE).strftime("%m/%d/%YT%H:%M:%S")


def day_of(value: datetime) -> date:
    """The Mountain day of an instant."""
    return value.astimezone(ZONE).date()
