"""The event-type map of an integration: which of its event types each kind stands for.

By default it follows from the types' classes and names; its owner may choose another type for any
kind, of whatever class, because only he knows what his PMS's types are used for. A choice holds
from the commit on, in every process.
"""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Connection, Database, Record
from frontdesk.errors import ApiError, Code, Problem, invalid, not_found
from frontdesk.events import repository
from frontdesk.events.kinds import held_kinds, takes_types
from frontdesk.events.schemas import EventKind
from frontdesk.http.body import Body
from frontdesk.ids import parse_id
from frontdesk.integrations.service import Integration, IntegrationService
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.declaration import EventClass
from frontdesk.vendors.registry import vendors

_TYPE_ID = Field(
    None,
    description="An event type of the integration that applies to residents; null takes an earlier "
    "choice back, and the default holds again.",
)


class EventTypeMapChange(Body):
    """The body of `PUT …/event-type-map`: kinds that are absent stay as they are."""

    note: str | None = _TYPE_ID
    call_in: str | None = _TYPE_ID
    call_out: str | None = _TYPE_ID
    email_in: str | None = _TYPE_ID
    email_out: str | None = _TYPE_ID
    text: str | None = _TYPE_ID
    chat: str | None = _TYPE_ID
    visit: str | None = _TYPE_ID
    appointment: str | None = _TYPE_ID
    task: str | None = _TYPE_ID

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        """Not here: null takes a choice back."""
        return value


class MappedKind(BaseModel):
    """What one kind is at the PMS."""

    kind: EventKind
    held: bool = Field(description="Whether an event of this kind can be written as what it is.")
    event_type_id: str | None = Field(
        description="The event type that it stands for; null where there is none, also for a note "
        "of a PMS that needs no type for one."
    )
    event_type_name: str | None
    event_type_class: EventClass | None
    by: Literal["default", "set"] | None = Field(
        description="`set` by a PUT, or `default`: of the event types of this class that apply to "
        "residents, the one that is called like the kind, else the one with the lowest PMS id."
    )


class EventTypeMapShape(BaseModel):
    """An integration's map, every kind in it."""

    integration_id: str
    kinds: list[MappedKind]


class EventTypeMapResult(BaseModel):
    """Answer of `PUT …/event-type-map`."""

    result: EventTypeMapShape


_trail = AuditTrail()


@dataclass(frozen=True, slots=True)
class EventTypeMap:
    """Reads and changes the maps of every account's integrations; each call names whose."""

    database: Database
    integrations: IntegrationService

    async def read(self, account_id: UUID, integration_id: UUID | None) -> dict[str, Any]:
        """The map as it is. Raises ApiError 404."""
        found, vendor = await self._integration(account_id, integration_id)
        return _shape(found, vendor, await repository.event_type_map(self.database, found.id))

    async def change(
        self, account_id: UUID, integration_id: UUID | None, body: EventTypeMapChange
    ) -> dict[str, Any]:
        """Choose types, or take choices back; gives the map after it. Raises ApiError 400 with every
        problem, 404, 409."""
        found, vendor = await self._integration(account_id, integration_id)
        wanted = {name: getattr(body, name) for name in sorted(body.model_fields_set)}
        async with self.database.transaction() as connection:
            archived = await repository.lock_integration(connection, account_id, found.id)
            if archived is None:
                raise not_found("integration")
            if archived:
                raise ApiError(Code.CONFLICT, "This integration is archived; it cannot be changed.")
            changes = await _checked(connection, found.id, vendor, wanted)
            before = await repository.event_type_map(connection, found.id)
            await repository.change_map(connection, found.id, changes)
            rows = await repository.event_type_map(connection, found.id)
            await _trail.record(
                connection,
                account_id,
                "event_type_map.update",
                found.id,
                before={row["kind"]: row["id"] for row in before},
                after={row["kind"]: row["id"] for row in rows},
            )
        return _shape(found, vendor, rows)

    async def _integration(
        self, account_id: UUID, integration_id: UUID | None
    ) -> tuple[Integration, Vendor]:
        found = None
        if integration_id is not None:
            found = await self.integrations.get_owned(account_id, integration_id)
        vendor = None if found is None else vendors().get(found.vendor)
        if found is None or vendor is None:
            raise not_found("integration")
        return found, vendor


async def _checked(
    connection: Connection, integration_id: UUID, vendor: Vendor, wanted: dict[str, str | None]
) -> dict[str, UUID | None]:
    """The changes, if every id is an event type that an event of a resident can have. Raises
    ApiError 400 with every problem."""
    ids = {kind: None if text is None else parse_id(text) for kind, text in wanted.items()}
    asked = [type_id for type_id in ids.values() if type_id is not None]
    applying = await repository.applying_types(connection, integration_id, asked)
    name = vendor.declaration.name
    problems: list[Problem] = []
    for kind, text in wanted.items():
        type_id = ids[kind]
        if text is None:
            continue
        if not takes_types(vendor.declaration.create):
            words = f"{name} takes no event type for a resident event: there is nothing to choose."
            problems.append(Problem("not_taken", (kind,), words))
        elif type_id is None or type_id not in applying:
            words = "This integration has no event type with this id."
            problems.append(Problem("unknown_reference", (kind,), words))
        elif not applying[type_id]:
            words = "This event type does not apply to residents."
            problems.append(Problem("not_allowed", (kind,), words, "residents"))
    if problems:
        raise invalid(problems)
    return ids


def mapped_kinds(vendor: Vendor, rows: list[Record]) -> tuple[str, ...]:
    """The kinds that are held, by the rows of the map."""
    mapped = [row["kind"] for row in rows if row["id"] is not None]
    return held_kinds(vendor.declaration.create, mapped)


def _shape(integration: Integration, vendor: Vendor, rows: list[Record]) -> dict[str, Any]:
    held = mapped_kinds(vendor, rows)
    typed = takes_types(vendor.declaration.create)
    return {
        "integration_id": str(integration.id),
        "kinds": [_kind(row, row["kind"] in held, typed=typed) for row in rows],
    }


def _kind(row: Record, held: bool, *, typed: bool) -> dict[str, Any]:
    known = typed and row["id"] is not None
    return {
        "kind": row["kind"],
        "held": held,
        "event_type_id": str(row["id"]) if known else None,
        "event_type_name": row["name"] if known else None,
        "event_type_class": row["class"] if known else None,
        "by": ("set" if row["is_set"] else "default") if known else None,
    }
