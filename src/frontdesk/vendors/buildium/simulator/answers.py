"""Buildium's answers: the error body, lists with their paging, and query values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from frontdesk.sandbox.simulator import Json, Reply, Request

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")


class Refusal(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A request that Buildium refuses, with the answer that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error(status: int, message: str, *problems: tuple[str, str]) -> Reply:
    """The error body. `problems` (key, message) appear on a 422 alone: in live answers the list was
    empty on 400, 401 and 404, and `ErrorCode` always null."""
    shown = problems if status == 422 else ()
    errors = [{"Key": key, "Value": value} for key, value in shown]
    return Reply.json(status, {"UserMessage": message, "ErrorCode": None, "Errors": errors})


def refuse(status: int, message: str, *problems: tuple[str, str]) -> Refusal:
    """The refusal with that error body, to be raised."""
    return Refusal(error(status, message, *problems))


def written(moment: datetime) -> str:
    """A date-time as Buildium writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str, name: str, status: int = 400) -> datetime:
    """A date-time as Buildium takes it: ISO 8601 UTC with `Z`, nothing else."""
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
        except ValueError:
            pass  # the 31st of February has the form of a date, and is refused below like the rest
    raise refuse(status, f"{name} must be formatted as YYYY-MM-DDTHH:MM:SSZ.", (name, "Invalid."))


def one(request: Request, name: str) -> str | None:
    """The value of a query parameter, or None; an empty value counts as none."""
    values = request.query.get(name, [])
    return values[-1] or None if values else None


def several(request: Request, name: str) -> frozenset[str] | None:
    """The values of a list parameter, repeated or with commas between; None if not given."""
    values = {
        part.strip() for value in request.query.get(name, []) for part in value.split(",") if part
    }
    return frozenset(values) or None


def several_ids(request: Request, name: str) -> frozenset[int] | None:
    """The ids of a list parameter."""
    values = several(request, name)
    if values is None:
        return None
    if not all(value.isascii() and value.isdecimal() for value in values):
        raise refuse(400, f"{name} must hold whole numbers.")
    return frozenset(int(value) for value in values)


def several_words(request: Request, name: str, words: frozenset[str]) -> frozenset[str] | None:
    """The values of a list parameter that takes these words only."""
    values = several(request, name)
    if values is not None and not values <= words:
        raise refuse(400, f"{name} takes {', '.join(sorted(words))}.")
    return values


def between(request: Request, first: str, last: str) -> Callable[[str], bool]:
    """A test whether a date-time (as `written`) lies within two query parameters, both included."""
    after, before = one(request, first), one(request, last)
    earliest = written(instant(after, first)) if after else ""
    latest = written(instant(before, last)) if before else "~"
    return lambda moment: earliest <= moment <= latest


def listed(request: Request, rows: Iterable[Json]) -> Reply:
    """One page of `rows` by `limit`, `offset` and `orderby`, with the total in `X-Total-Count`."""
    everything = list(rows)
    for field, falling in reversed(_order(request, everything)):
        everything.sort(key=partial(_sortable, field), reverse=falling)
    limit = _count(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = _count(request, "offset", 0, 0, 1 << 31)
    page = everything[offset : offset + limit]
    return Reply.json(200, page, ("X-Total-Count", str(len(everything))))


def _count(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = one(request, name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
        raise refuse(400, f"{name} must be a whole number between {least} and {most}.")
    return int(text)


def _order(request: Request, rows: list[Json]) -> list[tuple[str, bool]]:
    order: list[tuple[str, bool]] = []
    for part in (one(request, "orderby") or "Id asc").split(","):
        words = part.split()
        field, direction = (words[0], words[1] if len(words) > 1 else "asc") if words else ("", "")
        orderable = not rows or (field in rows[0] and not isinstance(rows[0][field], dict | list))
        if len(words) > 2 or direction.lower() not in ("asc", "desc") or not orderable:
            raise refuse(400, f"orderby does not take {part.strip()!r}.")
        order.append((field, direction.lower() == "desc"))
    return order


def _sortable(field: str, row: Json) -> tuple[bool, Any]:
    value = row[field]
    return (value is not None, 0 if value is None else value)
