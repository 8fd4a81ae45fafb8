"""Single values out of an answer that may hold anything: text, ids, numbers, dates.

A PMS's answer is somebody else's data. Nothing here raises on a strange value: it is read as what
it can only mean, or as None. No shape of any vendor's answer is known here.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import orjson

DEEPEST = 200
"""Levels of nesting that an answer may have."""

_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_LONGEST_ID = 128
_WRITABLE_DEPTH = 254
"""Of orjson, which reads 1,024."""
_MOST_ROWS = 2**31 - 1
_LONGEST_MESSAGE = 2_000


class Unreadable(ValueError):  # noqa: N818 — names the state of the answer
    """The body is no JSON document."""


def parsed(body: bytes) -> Any:
    """The JSON value of a body. Raises `Unreadable` for anything else (truncated, too deeply
    nested, not UTF-8)."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(str(error)) from error
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        # What is read may be four times as deep as what can be written again, into the catalog say:
        # so it is written, with as many levels around it as are left.
        around = value
        for _ in range(_WRITABLE_DEPTH - DEEPEST):
            around = [around]
        try:
            orjson.dumps(around)
        except orjson.JSONEncodeError as error:
            raise Unreadable(f"nested deeper than {DEEPEST} levels") from error
    return value


def text(value: object) -> str | None:
    """A string or number as text, None for anything else and for the empty string. NUL is dropped:
    no PMS means one, and PostgreSQL stores none."""
    if isinstance(value, str):
        return value.replace("\0", "") or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def identifier(value: object) -> str | None:
    """An id: a whole number or a short, non-empty string."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    found = (text(value) or "").strip()
    return found if 0 < len(found) <= _LONGEST_ID else None


def number(value: object) -> int | float | None:
    """A finite number, also from text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and len(value) <= 32:
        try:
            found = float(value)
        except ValueError:
            return None
        if math.isfinite(found):
            return int(found) if found.is_integer() else found
    return None


def count(value: object) -> int | None:
    """A number of rows, as a list's head tells it; None for what no list can have."""
    found = number(value)
    return found if isinstance(found, int) and 0 <= found <= _MOST_ROWS else None


def truth(value: object) -> bool | None:
    """A boolean as JSON, XML or a form writes it."""
    if isinstance(value, bool):
        return value
    word = (text(value) or "").strip().lower()
    if word in ("1", "true", "yes", "y"):
        return True
    if word in ("0", "false", "no", "n"):
        return False
    return None


def calendar_date(value: object) -> date | None:
    """A date as `YYYY-MM-DD…` or `MM/DD/YYYY…`; what follows it is not looked at."""
    if not isinstance(value, str):
        return None
    try:
        if found := _ISO_DATE.match(value):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _US_DATE.match(value):
            return date(int(found[3]), int(found[1]), int(found[2]))
    except ValueError:
        return None
    return None


def utc_instant(value: object) -> datetime | None:
    """An ISO 8601 date-time in UTC. Without an offset it is read as UTC."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.utcoffset() is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def iso(value: date | None) -> str | None:
    """A date as the HTTP contract writes it."""
    return None if value is None else value.isoformat()


def objects(value: object) -> tuple[Mapping[str, Any], ...]:
    """The objects of a list; one object alone counts as a list of one (an XML-to-JSON artefact)."""
    if isinstance(value, Mapping):
        return (value,)
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, Mapping))
    return ()


def mapping(value: object) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def message(*parts: object) -> str:
    """Upstream's own words, joined, of a length that can be stored and shown."""
    words = [word for part in parts if (word := text(part))]
    return "; ".join(words)[:_LONGEST_MESSAGE]
