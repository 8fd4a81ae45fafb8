"""Rent Manager's collections: filters, embeds, fields and paging, as they were seen to work.

`orderby` is passed over, any `orderingOptions` is a 404, the singular `embed` brings empty lists,
and an embed that `fields` does not name brings nothing: all of it as observed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.vendors.rentmanager.simulator.answers import (
    KEY_NOT_FOUND_CODE,
    Refusal,
    error_model,
    invalid,
    nothing,
)

UNPAGED = 1_000
EMBEDS = "_embeds"
"""Where a stored object keeps what is shown on demand alone."""

Test = Callable[[Any, list[str]], bool]


def parameter(request: Request, name: str) -> str | None:
    """The value of a query parameter, whose name is of any case; an empty one counts as none."""
    for key, given in request.query.items():
        if key.lower() == name:
            return given[-1] or None
    return None


def _like(value: Any, text: str) -> Any:
    """`text` in the type of `value`. Raises ValueError where it has no such form."""
    if isinstance(value, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(value, int | float):
        return float(text)
    return text.casefold()


def _compared(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _order(test: Callable[[Any, Any], bool]) -> Test:
    return lambda value, texts: test(_compared(value), _like(value, texts[0]))


_OPERATORS: Mapping[str, Test] = {
    "eq": _order(lambda a, b: bool(a == b)),
    "ne": _order(lambda a, b: bool(a != b)),
    "lt": _order(lambda a, b: bool(a < b)),
    "le": _order(lambda a, b: bool(a <= b)),
    "gt": _order(lambda a, b: bool(a > b)),
    "ge": _order(lambda a, b: bool(a >= b)),
    "in": lambda value, texts: _compared(value) in [_like(value, text) for text in texts],
    "ni": lambda value, texts: _compared(value) not in [_like(value, text) for text in texts],
    "ct": lambda value, texts: texts[0].casefold() in str(value).casefold(),
    "sw": lambda value, texts: str(value).casefold().startswith(texts[0].casefold()),
    "ew": lambda value, texts: str(value).casefold().endswith(texts[0].casefold()),
    "bt": lambda value, texts: _like(value, texts[0]) <= _compared(value) <= _like(value, texts[1]),
}


def _kept(request: Request, rows: list[Json], fields: Iterable[str]) -> list[Json]:
    known = {name.lower(): name for name in fields}
    for part in (parameter(request, "filters") or "").split(";"):
        if not part.strip():
            continue
        name, _, rest = part.partition(",")
        operator, _, given = rest.partition(",")
        field = known.get(name.strip().lower())
        if field is None:
            raise _bad_filter(part, "Field is not available for filtering.")
        test = _OPERATORS.get(operator.strip().lower())
        if test is None:
            raise _bad_filter(part, "The operator is not known.")
        texts = given.strip().removeprefix("(").removesuffix(")").split(",")
        if not given.strip() or (operator.strip().lower() == "bt" and len(texts) != 2):
            raise _bad_filter(part, "The value is missing.")
        try:
            rows = [r for r in rows if r.get(field) is not None and test(r[field], texts)]
        except ValueError:
            raise _bad_filter(part, "The value is not of the field's type.") from None
    return rows


def _bad_filter(part: str, problem: str) -> Refusal:
    return Refusal(invalid("filters", f"Error parsing filter '{part.strip()}'. {problem}"))


def shown(request: Request, row: Json) -> Json:
    """A record as it is answered: null fields left out, embeds and fields as asked for."""
    embeds = _words(request, "embeds")
    fields = [word.partition(".")[0].lower() for word in _words(request, "fields")]
    if not fields:
        return _plain(row, ())
    singular = {word.partition(".")[0].lower() for word in _words(request, "embed")}
    wire = _plain(row, embeds)
    empty: Json = {name: [] for name in row.get(EMBEDS, {}) if name.lower() in singular}
    return {name: value for name, value in {**empty, **wire}.items() if name.lower() in fields}


def _words(request: Request, name: str) -> list[str]:
    return [word.strip() for word in (parameter(request, name) or "").split(",") if word.strip()]


def _plain(row: Json, embeds: Iterable[str]) -> Json:
    wire = {key: value for key, value in row.items() if key != EMBEDS and value is not None}
    for name, value in row.get(EMBEDS, {}).items():
        asked = [
            path.partition(".") for path in embeds if path.lower().split(".")[0] == name.lower()
        ]
        if not asked or value is None:
            continue
        inner = [rest for _, _, rest in asked if rest]
        if isinstance(value, list):
            wire[name] = [_plain(item, inner) for item in value]
        else:
            wire[name] = _plain(value, inner) if isinstance(value, dict) else value
    return wire


def listed(request: Request, rows: Iterable[Json], fields: Iterable[str]) -> Reply:
    """One page of `rows` in the order of their ids; 204 without a body where there are none."""
    if parameter(request, "orderingoptions") is not None:
        raise Refusal(
            error_model(
                request,
                404,
                "The given key was not present in the dictionary.",
                exception="KeyNotFoundException",
                code=KEY_NOT_FOUND_CODE,
            )
        )
    kept = _kept(request, list(rows), fields)
    size = _count(request, "pagesize")
    page = _count(request, "pagenumber") or 1
    if size is None:
        size = UNPAGED
    part = kept[(page - 1) * size : page * size]
    total = ("x-total-results", str(len(kept)))
    if not part:
        return nothing(total)
    headers = [("x-results", str(len(part))), total]
    links = _links(request, page, size, len(kept))
    if links:
        headers.append(("Link", links))
    return Reply.json(200, [shown(request, row) for row in part], *headers)


def _count(request: Request, name: str) -> int | None:
    text = parameter(request, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 31):
        raise Refusal(invalid(name, f"The value '{text[:40]}' is not valid for {name}."))
    return int(text)


def _links(request: Request, page: int, size: int, total: int) -> str:
    last = max(1, math.ceil(total / size))
    if last == 1:
        return ""
    pages = {"first": 1, "previous": page - 1, "next": page + 1, "last": last}
    if page == 1:
        del pages["first"], pages["previous"]
    if page >= last:
        del pages["next"], pages["last"]
    rest = {
        key: given[-1]
        for key, given in request.query.items()
        if key.lower() not in ("pagenumber", "pagesize")
    }
    return ", ".join(
        f"<{request.base_url}{request.path}?"
        f'{urlencode({**rest, "PageSize": size, "PageNumber": number})}>;rel="{rel}"'
        for rel, number in pages.items()
    )
