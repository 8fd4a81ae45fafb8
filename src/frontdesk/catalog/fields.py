"""How the catalog's models are described: fields, filters, orders, references. Pure.

The descriptions are in `models`; here are their parts, and how a PMS's value becomes a field's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Literal

from frontdesk.vendors.declaration import Model


class Kind(Enum):
    """What a field holds. A value of another kind is turned into it or, if it cannot be, is null:
    a PMS's answer is somebody else's data, and a caller relies on the documented type."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE_TIME = "date_time"
    TEXTS = "texts"
    OBJECT = "object"
    LEASES = "leases"


@dataclass(frozen=True, slots=True)
class Field:
    """One field between a record's head and tail. `column`: it lies in a column of its own, not in
    `data`. `written`: only a record that was written through Frontdesk is sure to have it."""

    name: str
    kind: Kind = Kind.TEXT
    column: str | None = None
    written: bool = False
    description: str = ""


FilterKind = Literal["id", "text", "folded_text", "id_among", "text_among", "text_or_link"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter that narrows a list. `id`s that no record can have match nothing.
    `folded_text` ignores case; `…_among`: the column is a list that must hold the value;
    `text_or_link`: the column, or the list of that name + `s` in `links`."""

    name: str
    column: str
    kind: FilterKind = "text"
    needs_integration: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """A field that a list can be ordered by. Text is compared as `C` does, nulls as empty text, so
    that a cursor is exact; a bare `column` is never null."""

    name: str
    column: str
    data: bool = False
    timestamp: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """References to other records, by PMS id in `links[key]` (a list), resolved into `column`:
    a list of ids (`many`) or the first of them."""

    key: str
    table: str
    column: str
    many: bool = True


SHARED_FILTERS = (
    Filter("integration_id", "integration_id", "id"),
    Filter("integration_vendor", "vendor", description="The vendor's code, in capitals."),
    Filter("property_id", "property_id", "id"),
    Filter("x_id", "x_id", needs_integration=True, description="The PMS's id."),
    Filter("x_property_id", "x_property_id", needs_integration=True),
)

SHARED_ORDERS = (
    Order("created_at", "created_at", timestamp=True),
    Order("updated_at", "updated_at", timestamp=True),
    Order("last_seen", "last_seen", timestamp=True),
    Order("id", "id"),
)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the catalog. `path` and `title` are the URL's and the document's words;
    `columns` are filled from a record's field of that name by the upsert."""

    model: Model
    table: str
    path: str
    title: str
    fields: tuple[Field, ...]
    filters: tuple[Filter, ...] = ()
    orders: tuple[Order, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    link: Link | None = None

    @property
    def all_filters(self) -> Mapping[str, Filter]:
        """Every filter by its name: those that all models share, then the model's own."""
        return {item.name: item for item in (*SHARED_FILTERS, *self.filters)}

    @property
    def all_orders(self) -> Mapping[str, Order]:
        """Every field that a list of this model can be ordered by."""
        return {item.name: item for item in (*SHARED_ORDERS, *self.orders)}

    @property
    def data_fields(self) -> tuple[Field, ...]:
        """The fields that lie in `data`."""
        return tuple(field for field in self.fields if field.column is None)


def coerced(kind: Kind, value: Any) -> Any:
    """The value as its field's kind, or None where it cannot be that."""
    match kind:
        case Kind.TEXT:
            return _text(value)
        case Kind.NUMBER:
            return _number(value)
        case Kind.INTEGER:
            number = _number(value)
            return int(number) if number is not None and number == int(number) else None
        case Kind.BOOLEAN:
            return value if isinstance(value, bool) else None
        case Kind.DATE_TIME:
            return rfc3339(value) if isinstance(value, datetime) else _text(value)
        case Kind.TEXTS:
            items = value if isinstance(value, list | tuple) else [value]
            return [text for item in items if (text := _text(item)) is not None]
        case Kind.OBJECT:
            return dict(value) if isinstance(value, Mapping) else None
        case Kind.LEASES:
            return list(value) if isinstance(value, list | tuple) else []


def rfc3339(moment: datetime) -> str:
    """An aware date-time as the contract writes it: UTC, `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return str(value)
    return value.isoformat() if isinstance(value, date) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 32 else None
        except ValueError:
            return None
    if isinstance(value, int):
        return value
    if not isinstance(value, float) or value != value or abs(value) == float("inf"):
        return None
    return int(value) if value.is_integer() else value
