"""Propertyware's REST answers: the error body, lists with their paging, and query values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from frontdesk.sandbox.simulator import Json, Reply, Request

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
CLOCK_LAG = timedelta(hours=2)
"""How far `createdDateTime` was seen behind the time of writing."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_NOT_FOUND_PAGE = b"<html><head><title>404</title></head><body><h1>Not Found</h1></body></html>"


class Refusal(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A request that Propertyware refuses, with the answer that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error(status: int, message: str, *problems: tuple[str, str]) -> Reply:
    """The error body. In live answers `errorCode` was the same whatever the status."""
    errors = [{"key": key, "message": text} for key, text in problems]
    body = {"userMessage": message, "errorCode": "1001", "errors": errors}
    return Reply.json(status, body)


def silent(status: int) -> Reply:
    """The answer to a value of the wrong type: a status, and nothing said."""
    return Reply(status)


def page_not_found() -> Reply:
    """The answer to a path that does not exist: a page for people."""
    return Reply(404, _NOT_FOUND_PAGE, (("Content-Type", "text/html;charset=utf-8"),))


def written(moment: datetime) -> str:
    """A date-time as Propertyware writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def audited(wire: Json, moment: datetime) -> Json:
    """The record with the stamps of its writing, two hours behind as they were seen."""
    stamp = written(moment - CLOCK_LAG)
    return {
        **wire,
        "createdBy": "office@example.com",
        "createdDateTime": stamp,
        "lastModifiedBy": "office@example.com",
        "lastModifiedDateTime": stamp,
    }


def one(request: Request, name: str) -> str | None:
    """The value of a query parameter, or None; an empty value counts as none."""
    values = request.query.get(name, [])
    return values[-1] or None if values else None


def whole_number(request: Request, name: str) -> int | None:
    """A query parameter that must be a whole number; any other text is a type error."""
    text = one(request, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise Refusal(silent(400))
    return int(text)


def instant(request: Request, name: str) -> str | None:
    """A query parameter that must be a date-time, as `written`."""
    text = one(request, name)
    if text is None:
        return None
    if _INSTANT.fullmatch(text):
        try:
            return written(datetime.fromisoformat(text))
        except ValueError:
            pass  # the 31st of February has the form of a date, and is refused below like the rest
    raise Refusal(silent(400))


def listed(request: Request, rows: Iterable[Json]) -> Reply:
    """One page by `limit`, `offset` and `orderby`. `X-Total-Count` is the whole count, but on the
    last page that page's own."""
    everything = list(rows)
    for field, falling in reversed(_order(request, everything)):
        everything.sort(key=partial(_sortable, field), reverse=falling)
    limit = whole_number(request, "limit")
    limit = DEFAULT_LIMIT if limit is None else min(max(limit, 1), MAX_LIMIT)
    offset = whole_number(request, "offset") or 0
    page = everything[offset : offset + limit]
    is_last = offset + limit >= len(everything)
    total = len(page) if is_last else len(everything)
    return Reply.json(200, page, ("X-Total-Count", str(total)))


def _order(request: Request, rows: list[Json]) -> list[tuple[str, bool]]:
    order: list[tuple[str, bool]] = []
    names = {name.lower(): name for name in (rows[0] if rows else ())}
    for part in (one(request, "orderby") or "id").split(","):
        words = part.split()
        field, direction = (words[0], words[1] if len(words) > 1 else "asc") if words else ("", "")
        name = names.get(field.lower(), "")
        known = not rows or (name and not isinstance(rows[0][name], dict | list))
        if len(words) > 2 or direction.lower() not in ("asc", "desc") or not known:
            raise Refusal(error(400, f"Cannot order by {part.strip()}.", ("orderby", "Invalid.")))
        order.append((name, direction.lower() == "desc"))
    return order


def _sortable(field: str, row: Json) -> tuple[bool, Any]:
    value = row.get(field)
    return (value is not None, 0 if value is None else value)
