"""Entrata's envelope: calls, success, failure, parameters, lists with their paging.

A failure comes as HTTP 400 from the modern gateway and as HTTP 200 from the older one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.vendors.entrata.simulator import mountain


class Refusal(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A call that Entrata refuses as a whole, with its error code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ItemRefusal(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """An item that Entrata refuses inside a call that succeeds."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the gateway, its envelope taken apart."""

    request: Request
    service: str
    method: str
    version: str
    params: Json
    request_id: object


def request_id(request: Request) -> object:
    """The caller's id of the call, to be echoed; an empty text if there is none."""
    value = request.json_object.get("requestId")
    return value if isinstance(value, str | int) and not isinstance(value, bool) else ""


def is_modern(request: Request) -> bool:
    """Whether the call came to the modern gateway."""
    return request.path.startswith("/ext/")


def success(call: Call, result: Json, *headers: tuple[str, str]) -> Reply:
    """The success envelope."""
    body = {"response": {"requestId": call.request_id, "code": 200, "result": result}}
    return Reply.json(200, body, *headers)


def failure(request: Request, code: int, message: str, status: int | None = None) -> Reply:
    """The failure envelope; its HTTP status is the host's habit unless one is given."""
    error = {"code": code, "message": message}
    body = {"response": {"requestId": request_id(request), "error": error}}
    return Reply.json(status or (400 if is_modern(request) else 200), body)


def flattened(rows: Sequence[Any]) -> Any:
    """A list as it survives the way from XML: one member comes without its list."""
    return rows[0] if len(rows) == 1 else list(rows)


def members(value: object) -> list[Any]:
    """What a caller sent as a list, or as its only member."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def identity(value: object, name: str) -> int:
    """An id: a whole number, or digits in a string. Raises `ItemRefusal`."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62:
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    raise ItemRefusal(f"{name} must be a whole number.")


class Params:
    """The parameters of a call. Every reading raises `Refusal` for what Entrata cannot take."""

    def __init__(self, values: Mapping[str, Any], allowed: frozenset[str]) -> None:
        unknown = sorted(set(values) - allowed)
        if unknown:
            raise Refusal(400, f"Unknown parameter: {', '.join(unknown)}.")
        # Entrata's callers send blanks for what they leave out.
        self._values = {name: value for name, value in values.items() if value not in (None, "")}

    def identity(self, name: str) -> int | None:
        """An id, or None."""
        if name not in self._values:
            return None
        try:
            return identity(self._values[name], name)
        except ItemRefusal as refusal:
            raise Refusal(400, str(refusal)) from None

    def required(self, name: str) -> int:
        """An id that must be there."""
        value = self.identity(name)
        if value is None:
            raise Refusal(400, f"{name} is required.")
        return value

    def identities(self, name: str) -> frozenset[int] | None:
        """Ids with commas between, or None."""
        value = self._values.get(name)
        if value is None:
            return None
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]
        try:
            return frozenset(identity(part, name) for part in parts)
        except ItemRefusal as refusal:
            raise Refusal(400, str(refusal)) from None

    def text(self, name: str) -> str | None:
        """A text, or None."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise Refusal(400, f"{name} must be a text.")
        return value

    def flag(self, name: str) -> bool:
        """A switch: 1 or 0, as a number or a text; off if it is not there."""
        value = self._values.get(name, 0)
        if value not in (0, 1, "0", "1", True, False):
            raise Refusal(400, f"{name} must be 0 or 1.")
        return value in (1, "1", True)

    def day(self, name: str) -> date | None:
        """A date, or None."""
        if name not in self._values:
            return None
        try:
            return mountain.day(self._values[name], name)
        except mountain.BadTime as problem:
            raise Refusal(400, str(problem)) from None


def paged(call: Call, rows: Sequence[Any]) -> tuple[Sequence[Any], tuple[tuple[str, str], ...]]:
    """The page that the query asks for (`page_no` from 1, `per_page`; all rows without), and its
    headers: `X-Total-Count`, and `Link` for those who send `X-Send-Pagination-Links: 1`."""
    total = ("X-Total-Count", str(len(rows)))
    query = call.request.query
    if "page_no" not in query and "per_page" not in query:
        return rows, (total,)
    number, size = _positive(query, "page_no", 1), _positive(query, "per_page", 100)
    page = rows[(number - 1) * size : number * size]
    if call.request.headers.get("x-send-pagination-links") != "1":
        return page, (total,)
    last = max(1, -(-len(rows) // size))
    wanted = {"first": 1, "prev": number - 1, "next": number + 1, "last": last}
    links = [
        f'<{_page_url(call, target, size)}>; rel="{relation}"'
        for relation, target in wanted.items()
        if 1 <= target <= last
    ]
    return page, (total, ("Link", ", ".join(links)))


def _positive(query: Mapping[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[-1]
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) < 1:
        raise Refusal(400, f"{name} must be a whole number from 1.")
    return int(text)


def _page_url(call: Call, number: int, size: int) -> str:
    query = urlencode({"page_no": number, "per_page": size})
    return f"{call.request.base_url}{call.request.path}?{query}"
