"""A list of the catalog as a caller asks for it, ready to become SQL. Pure.

Ordered lists end with `id`, so that every order is total and a cursor names one place in it. A
cursor holds the order's values of the last record; records that arrive later cannot shift it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from frontdesk.catalog.models import Filter, ModelSpec, Order

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

    def total_ordering(self) -> tuple[Ordering, ...]:
        """The order, made total by the id in the direction of its last field."""
        given = tuple(self.ordering) or (
            Ordering(self.spec.all_orders["created_at"], "desc"),
        )
        if any(item.order.name == "id" for item in given):
            return given
        return (*given, Ordering(self.spec.all_orders["id"], given[-1].direction))


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its arguments."""

    sql: str
    arguments: tuple[object, ...]
