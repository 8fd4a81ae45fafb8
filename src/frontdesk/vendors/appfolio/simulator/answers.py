"""AppFolio's answers: both error forms, ids, moments, and lists with their filters and pages."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlencode

from frontdesk.sandbox.simulator import Json, Reply, Request

MAX_PAGE_SIZE = 1000

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_FILTER = re.compile(r"filters\[(\w+)\]")
_NUMBER_BITS = 48

WORDS = {
    400: "Bad request",
    401: "Unauthorized",
    403: "The credential is not permitted to do this",
    405: "Method not allowed",
    409: "A request with this Idempotency-Key is still in progress",
    415: "Content-Type must be application/json",
    422: "Unprocessable entity",
    429: "Rate limit exceeded",
    500: "Internal server error",
    503: "Service unavailable",
    533: "Scheduled maintenance, try again later",
    701: "The credential is not valid for this database",
}


class Refusal(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A request that AppFolio refuses, with the answer that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error(status: int, message: str | None = None) -> Reply:
    """The error body: `{status, error}` for what is not found, `{code, message}` for all else."""
    if status == 404:
        return Reply.json(404, {"status": 404, "error": message or "Not Found"})
    words = message or WORDS.get(status, f"The request failed ({status})")
    return Reply.json(status, {"code": status, "message": words})


def refuse(status: int, message: str | None = None) -> Refusal:
    """The refusal with that error body, to be raised."""
    return Refusal(error(status, message))


def written(moment: datetime) -> str:
    """A moment as AppFolio writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def guid(kind: str, number: int) -> str:
    """The UUID of the record of this number. Every number of a kind has its own, and back."""
    prefix = int.from_bytes(hashlib.sha256(f"appfolio {kind}".encode()).digest()[:10], "big")
    # Version and variant bits as a random UUID (RFC 9562, 5.4) has them.
    return str(uuid.UUID(int=(prefix << _NUMBER_BITS) | number, version=4))


def number_of(kind: str, text: str) -> int | None:
    """The number of the record of this UUID, None where no record can have it."""
    try:
        number = uuid.UUID(text).int & ((1 << _NUMBER_BITS) - 1)
    except ValueError:
        return None
    return number if guid(kind, number) == text.lower() else None


def filters_of(request: Request) -> dict[str, str]:
    """Every filter that holds something. Raises the 400 of a list that is not filtered at all."""
    filters = {
        found[1]: values[-1]
        for name, values in request.query.items()
        if (found := _FILTER.fullmatch(name)) and values[-1]
    }
    if "Id" not in filters and "LastUpdatedAtFrom" not in filters:
        raise refuse(400, "filters[Id] or filters[LastUpdatedAtFrom] is required")
    return filters


def matching(rows: Iterable[Json], filters: dict[str, str]) -> list[Json]:
    """The rows that pass `filters[Id]` (one or several with commas) and `LastUpdatedAtFrom`."""
    since = _instant(filters.get("LastUpdatedAtFrom"))
    ids = filters["Id"].lower().split(",") if "Id" in filters else None
    return [
        row
        for row in rows
        if (since is None or datetime.fromisoformat(row["LastUpdatedAt"]) >= since)
        and (ids is None or row["Id"] in ids)
    ]


def listed(request: Request, rows: list[Json]) -> Reply:
    """One page of `rows` by `page[number]` and `page[size]`; the end is where no next page is."""
    size = _count(request, "page[size]", MAX_PAGE_SIZE, MAX_PAGE_SIZE)
    number = _count(request, "page[number]", 1, 1 << 31)
    start = (number - 1) * size
    after: str | None = None
    if start + size < len(rows):
        query = {name: values[-1] for name, values in request.query.items()}
        query |= {"page[number]": str(number + 1), "page[size]": str(size)}
        after = f"{request.path}?{urlencode(query)}"
    return Reply.json(200, {"data": rows[start : start + size], "next_page_path": after})


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # the 31st of February has the form of a date, and is refused below like the rest
    raise refuse(400, "filters[LastUpdatedAtFrom] must be an ISO 8601 date-time in UTC")


def _count(request: Request, name: str, default: int, most: int) -> int:
    values = request.query.get(name)
    if values is None:
        return default
    text = values[-1]
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise refuse(400, f"{name} must be a whole number from 1 to {most}")
    return int(text)
