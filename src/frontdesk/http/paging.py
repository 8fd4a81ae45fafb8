"""Lists: their query parameters, read strictly, and the shape of their answers.

A parameter that is not listed, stands twice or cannot be read is a 400 that names every such one:
a filter that is silently ignored would hand out more than was asked for. Makes no SQL: a repository
turns a `ListQuery` into its own.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from starlette.datastructures import QueryParams

from frontdesk.errors import Problem, invalid
from frontdesk.ids import parse_id

DEFAULT_LIMIT = 100
GREATEST_LIMIT = 250
EXACT_TOTAL = 10_000
"""Totals are counted up to this; beyond it a list says null."""

LARGEST_OFFSET = 2**31 - 1
LONGEST_VALUE = 1000

Direction = Literal["asc", "desc"]
Scalar = str | int | float | bool | None

Kind = Literal["text", "id", "time"]
KINDS: Mapping[str, Kind] = {
    "id": "id",
    "created_at": "time",
    "updated_at": "time",
    "last_seen": "time",
}
"""What every list's common fields hold; a field that is in no map may hold anything."""

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+\- ]\d\d:?\d\d)", re.ASCII
)
_OWN = ("offset", "limit", "order-by", "cursor")


@dataclass(frozen=True, slots=True)
class Order:
    """One part of `order-by`."""

    field: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list was asked for.

    `order` always ends at the record's `id` (in the direction of the last part), so that it is
    total. `after`: the values of `order` of the last record of the page before, or None; their
    meaning is the repository's. `times` holds aware date-times by parameter name
    (`updated_at_gte` …), `filters` the other parameters as they were sent.
    """

    offset: int
    limit: int
    order: tuple[Order, ...]
    after: tuple[Scalar, ...] | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def shown_order(self) -> tuple[Order, ...]:
        """The order without the `id` that was added."""
        return self.order[:-1] if len(self.order) > 1 else self.order


def list_query(
    parameters: QueryParams,
    *,
    orderable: Sequence[str],
    filters: Sequence[str] = (),
    times: Sequence[str] = ("updated_at", "last_seen"),
    default_order: str = "created_at:desc",
    kinds: Mapping[str, Kind] = KINDS,
) -> ListQuery:
    """Read a list's query. `times` are fields that take `_gte` and `_lte`; `kinds` says what an
    orderable field holds, so that a forged cursor is refused here and not by the database.

    Raises ApiError 400 with every problem.
    """
    problems: list[Problem] = []
    time_names = [f"{name}_{end}" for name in times for end in ("gte", "lte")]
    known = {*_OWN, *filters, *time_names}
    given: dict[str, str] = {}
    for name, value in parameters.multi_items():
        if name not in known:
            problems.append(
                Problem(
                    "unknown_field",
                    (_short(name),),
                    f"{_short(name)} is not a parameter of this list; "
                    f"there are: {', '.join(sorted(known))}.",
                )
            )
        elif name in given:
            problems.append(Problem("repeated_field", (name,), f"{name} stands more than once."))
        elif "\0" in value or len(value) > LONGEST_VALUE:
            problems.append(Problem("invalid_value", (name,), f"{name} cannot have this value."))
        else:
            given[name] = value
    offset = _integer(given, "offset", 0, 0, LARGEST_OFFSET, problems)
    limit = _integer(given, "limit", DEFAULT_LIMIT, 1, GREATEST_LIMIT, problems)
    order = _order(given.get("order-by", default_order), orderable, problems)
    after = None
    if "cursor" in given:
        if "offset" in given:
            problems.append(
                Problem("invalid_value", ("cursor",), "cursor and offset exclude each other.")
            )
        elif order:
            after = read_cursor(given["cursor"], order)
            if after is None or not _fits(order, after, kinds):
                problems.append(
                    Problem(
                        "invalid_value",
                        ("cursor",),
                        "cursor is not one that this list gave for this order; start without it.",
                    )
                )
    moments: dict[str, datetime] = {}
    for name in time_names:
        if name in given:
            moment = parse_moment(given[name])
            if moment is None:
                problems.append(
                    Problem(
                        "invalid_value",
                        (name,),
                        f"{name} must be a date-time with offset, such as 2026-01-31T09:30:00Z.",
                        expected="date-time with offset",
                    )
                )
            else:
                moments[name] = moment
    if problems:
        raise invalid(problems)
    return ListQuery(
        offset=offset,
        limit=limit,
        order=order,
        after=after,
        filters={name: given[name] for name in filters if name in given},
        times=moments,
    )


def page_answer(
    query: ListQuery,
    records: Sequence[Any],
    total: int | None,
    *,
    values_of: Callable[[Any, str], Scalar],
    shown: Callable[[Any], Any] = lambda record: record,
) -> dict[str, Any]:
    """`{meta, results}` of one page.

    `records` has up to `limit + 1` rows: the one too many says that there is more. `total` is
    exact, or None past `EXACT_TOTAL`. `values_of(record, field)` gives the value that the next
    page's `after` needs, as JSON; the field may be `id`.
    """
    page = records[: query.limit]
    more = len(records) > query.limit
    cursor = None
    if more:
        cursor = make_cursor(query.order, [values_of(page[-1], part.field) for part in query.order])
    return {
        "meta": {
            "offset": query.offset,
            "limit": query.limit,
            "orderBy": [
                {"field": part.field, "direction": part.direction} for part in query.shown_order
            ],
            "hasMore": more,
            "total": total if total is None or total <= EXACT_TOTAL else None,
            "nextCursor": cursor,
        },
        "results": [shown(record) for record in page],
    }


def make_cursor(order: Sequence[Order], values: Sequence[Scalar]) -> str:
    """An opaque place in a list: the order, and the last record's values in it."""
    raw = orjson.dumps([_spelled(order), *values])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_cursor(text: str, order: Sequence[Order]) -> tuple[Scalar, ...] | None:
    """The values in a cursor; None where it is not one of this order."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        decoded = orjson.loads(raw)
    except (binascii.Error, ValueError):
        return None
    if not isinstance(decoded, list) or len(decoded) != len(order) + 1:
        return None
    if decoded[0] != _spelled(order):
        return None
    values = decoded[1:]
    if not all(value is None or isinstance(value, str | int | float) for value in values):
        return None
    if any(isinstance(value, str) and "\0" in value for value in values):
        return None
    return tuple(values)


def parse_moment(text: str) -> datetime | None:
    """An RFC 3339 date-time with offset. A `+` that a URL turned into a blank is understood."""
    if _DATE_TIME.fullmatch(text) is None:
        return None
    if text[-6] == " " or text[-5] == " ":
        at = -6 if text[-6] == " " else -5
        text = f"{text[:at]}+{text[at + 1 :]}"
    try:
        # In UTC, so that a moment which no database column can hold is refused here.
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _fits(order: Sequence[Order], values: Sequence[Scalar], kinds: Mapping[str, Kind]) -> bool:
    for part, value in zip(order, values, strict=True):
        kind = kinds.get(part.field)
        if kind is not None and not isinstance(value, str):
            return False
        if kind == "id" and parse_id(str(value)) is None:
            return False
        if kind == "time" and parse_moment(str(value)) is None:
            return False
    return True


def _integer(
    given: Mapping[str, str], name: str, default: int, low: int, high: int, out: list[Problem]
) -> int:
    text = given.get(name)
    if text is None:
        return default
    if re.fullmatch(r"[0-9]{1,10}", text) and low <= int(text) <= high:
        return int(text)
    expected = f"integer from {low} to {high}"
    out.append(Problem("invalid_value", (name,), f"{name} must be an {expected}.", expected))
    return default


def _order(text: str, orderable: Sequence[str], out: list[Problem]) -> tuple[Order, ...]:
    order: list[Order] = []
    for part in text.split(","):
        name, colon, direction = part.strip().partition(":")
        if name not in orderable or direction not in ("asc", "desc") or not colon:
            out.append(
                Problem(
                    "invalid_value",
                    ("order-by",),
                    f"order-by takes field:asc or field:desc, separated by commas; "
                    f"fields: {', '.join(orderable)}.",
                )
            )
            return ()
        if any(earlier.field == name for earlier in order):
            out.append(Problem("invalid_value", ("order-by",), f"order-by names {name} twice."))
            return ()
        order.append(Order(name, "asc" if direction == "asc" else "desc"))
    if order[-1].field != "id":
        order.append(Order("id", order[-1].direction))
    return tuple(order)


def _spelled(order: Sequence[Order]) -> str:
    return ",".join(f"{part.field}:{part.direction}" for part in order)


def _short(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:77]}..."
