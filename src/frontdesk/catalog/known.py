"""What other features get when they ask the catalog: records by id, as the connectors need them.

Values only. Where a record is not known (never read, or another integration's or account's), there
is None: nothing here tells which of these it was.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from frontdesk.vendors.contract import FoundEvent, Lease, Reference, Resident


class SyncedIntegration(Protocol):
    """What the catalog needs to know of an integration whose PMS it reads."""

    @property
    def id(self) -> UUID: ...

    @property
    def account_id(self) -> UUID: ...

    @property
    def vendor(self) -> str: ...


class FoundEventsHook(Protocol):
    """Called with a resident's events before they are stored: delivery ties them to writes whose
    PMS id is still open, so that no event stands in the cache twice."""

    async def __call__(
        self, integration: SyncedIntegration, resident: Resident, found: tuple[FoundEvent, ...], /
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class PropertyState:
    """A property as far as writes care: switched on or off, and its IANA time zone if known."""

    id: UUID
    x_id: str
    enabled: bool
    timezone: str | None


@dataclass(frozen=True, slots=True)
class KnownResident:
    """A resident with his leases (in `resident.leases`) and the Frontdesk ids around him."""

    id: UUID
    resident: Resident
    last_seen: datetime
    property_id: UUID | None
    unit_ids: tuple[UUID, ...]
    events_read_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownReference:
    """A unit, employee, event type, sub type or result.

    `models`: what an event type applies to. `roles`: an employee's. `property_ids`: the properties
    of an employee or the one of a unit. `event_type_ids`: the types that a result is allowed for,
    or the one type of a sub type; empty where the PMS does not tie it to any.
    """

    id: UUID
    reference: Reference
    last_seen: datetime
    property_id: UUID | None
    property_ids: tuple[UUID, ...] = ()
    models: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    event_type_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer to one look-up. `properties` holds, by PMS id, the resident's own property and
    those of his leases. `first_sync_done` is False until a sync of the integration has ended.

    Where the look-up named a kind: `kind_type_id` is the event type that it stands for. Without
    one, `mapped_kinds` are the kinds that stand for some, and `note_type_id` is a note's type if
    that was asked for."""

    first_sync_done: bool
    resident: KnownResident | None = None
    unit: KnownReference | None = None
    employee: KnownReference | None = None
    event_type: KnownReference | None = None
    event_sub_type: KnownReference | None = None
    event_result: KnownReference | None = None
    properties: Mapping[str, PropertyState] = field(default_factory=dict)
    kind_type_id: UUID | None = None
    note_type_id: UUID | None = None
    mapped_kinds: tuple[str, ...] = ()

    def without(self, names: Collection[str]) -> "Resolved":
        """The same, but for a unit or employee that is among these fields of a body."""
        if "unit_id" not in names and "employee_id" not in names:
            return self
        return replace(
            self,
            unit=None if "unit_id" in names else self.unit,
            employee=None if "employee_id" in names else self.employee,
        )

    def by_field(self, name: str) -> KnownResident | KnownReference | None:
        """The record that a body's field (`unit_id` …) named."""
        record: KnownResident | KnownReference | None = getattr(self, name.removesuffix("_id"))
        return record

    def property_of(self, x_property_id: str | None) -> PropertyState | None:
        """The state of one of the resident's properties."""
        return None if x_property_id is None else self.properties.get(x_property_id)


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An event of the cache. `x_id` is None until the PMS's id is known; `data`: its fields."""

    id: UUID
    integration_id: UUID
    vendor: str
    resident_id: UUID | None
    x_id: str | None
    x_property_id: str | None
    property_id: UUID | None
    origin_job_id: UUID | None
    last_seen: datetime
    data: Mapping[str, Any]


def dump_leases(leases: tuple[Lease, ...]) -> list[dict[str, Any]]:
    """Leases as they lie in the catalog, best first as the connector gave them."""
    return [
        {
            "x_id": lease.x_id,
            "status": lease.status,
            "x_property_id": lease.x_property_id,
            "x_unit_id": lease.x_unit_id,
            "x_application_id": lease.x_application_id,
            "move_in": lease.move_in.isoformat() if lease.move_in else None,
            "move_out": lease.move_out.isoformat() if lease.move_out else None,
            "resident_type": lease.resident_type,
        }
        for lease in leases
    ]


def load_leases(stored: list[Mapping[str, Any]]) -> tuple[Lease, ...]:
    """The leases that `dump_leases` stored."""
    return tuple(
        Lease(
            x_id=item["x_id"],
            status=item["status"],
            x_property_id=item["x_property_id"],
            x_unit_id=item["x_unit_id"],
            x_application_id=item["x_application_id"],
            move_in=date.fromisoformat(item["move_in"]) if item["move_in"] else None,
            move_out=date.fromisoformat(item["move_out"]) if item["move_out"] else None,
            resident_type=item["resident_type"],
        )
        for item in stored
    )
