"""A list of the catalog as a caller asks for it, ready to become SQL. Pure.

Every order ends with `id`, so that it is total and a cursor names one place in it. A cursor holds
the order's values of the last record; records that arrive later cannot shift it. Query strings are
not read here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from frontdesk.catalog.models import Filter, ModelSpec, Order
from frontdesk.ids import parse_id

TOTAL_LIMIT = 10_000
"""Totals are exact up to here, and null beyond."""

Direction = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Ordering:
    """One field of an order and its direction."""

    order: Order
    direction: Direction


@dataclass(frozen=True, slots=True)
class Span:
    """Records whose time is at or after (`gte`), or at or before (`lte`), a moment."""

    column: Literal["created_at", "updated_at", "last_seen"]
    side: Literal["gte", "lte"]
    moment: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of one model's list, of one account. `after` holds the values of `ordering` at the
    record after which the page begins."""

    spec: ModelSpec
    account_id: UUID
    filters: Sequence[tuple[Filter, UUID | str]] = ()
    spans: Sequence[Span] = ()
    ordering: Sequence[Ordering] = ()
    limit: int = 100
    offset: int = 0
    after: Sequence[str] | None = None

    def has_valid_place(self) -> bool:
        """Whether `after` can be values of this order: a cursor comes from outside."""
        if self.after is None:
            return True
        ordering = self.total_ordering()
        return len(self.after) == len(ordering) and all(
            _can_be(item.order, value) for item, value in zip(ordering, self.after, strict=True)
        )

    def total_ordering(self) -> tuple[Ordering, ...]:
        """The order, made total by the id in the direction of its last field."""
        given = tuple(self.ordering) or (Ordering(self.spec.all_orders["created_at"], "desc"),)
        if any(item.order.name == "id" for item in given):
            return given
        return (*given, Ordering(self.spec.all_orders["id"], given[-1].direction))


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its arguments."""

    sql: str
    arguments: tuple[object, ...]


def _can_be(order: Order, value: str) -> bool:
    if order.timestamp:
        # Microseconds since 1970, within the years that a timestamp can name.
        return re.fullmatch(r"[0-9]{1,17}", value) is not None
    return order.data or parse_id(value) is not None
