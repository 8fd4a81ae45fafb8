"""An integration of any vendor with a small catalog, and bodies that fit its declaration.

No vendor is named: what a body needs is read from the declaration, as a caller reads it from the
capabilities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp

from frontdesk.catalog.models import SPECS
from frontdesk.catalog.record_repository import upsert
from frontdesk.catalog.records import rows_of
from frontdesk.database.pool import Database
from frontdesk.events.fields import FIELDS, Kind
from frontdesk.vendors.contract import Lease, Record, Vendor
from frontdesk.vendors.declaration import Declaration, EventClass, Model, Operation
from frontdesk.vendors.registry import vendors
from tests.integrations.world import PATH, body_of

POST = "/v1/events/residents"
EMAIL = "Robin@Example.com"

SUPPORTING = tuple(
    vendor for vendor in vendors().values() if vendor.declaration.create and vendor.connector
)
"""Vendors with resident events."""


def with_(predicate: Any) -> Vendor:
    """The first vendor that has resident events and satisfies `predicate(declaration)`."""
    return next(vendor for vendor in SUPPORTING if predicate(vendor.declaration))


def typed() -> Vendor:
    """A vendor with event types, sub types, results and calls."""
    needed = {"event_type_id", "event_sub_type_id", "event_result_id", "employee_id", "call_status"}
    return with_(lambda declaration: needed <= set(declaration.create.fields))


def changing() -> Vendor:
    """A vendor whose events can be changed."""
    return with_(lambda declaration: declaration.update is not None)


def classes_of(declaration: Declaration) -> Mapping[str, EventClass]:
    """The event types of an integration of this vendor, with their classes: the vendor's own, or
    one for notes where every customer has his own."""
    if declaration.classes or Model.EVENT_TYPES not in declaration.reads:
        return declaration.classes
    return {"8": EventClass.NOTE}


@dataclass(frozen=True)
class World:
    """An integration and the ids of its records, by `model:x_id`."""

    vendor: Vendor
    account_id: UUID
    integration_id: str
    ids: dict[str, str]

    @property
    def declaration(self) -> Declaration:
        return self.vendor.declaration

    def id(self, model: Model, x_id: str) -> str:
        return self.ids[f"{model}:{x_id}"]

    @property
    def resident(self) -> str:
        return self.id(Model.RESIDENTS, "41")

    def type_of(self, event_class: EventClass) -> str:
        """An event type of this class."""
        x_id = next(x for x, c in classes_of(self.declaration).items() if c is event_class)
        return self.id(Model.EVENT_TYPES, x_id)

    def body(self, event_class: EventClass = EventClass.NOTE, **changes: Any) -> dict[str, Any]:
        """A body that this vendor accepts; a change to None leaves the field out."""
        operation = self.declaration.create
        assert operation is not None
        body: dict[str, Any] = {"integration_id": self.integration_id}
        values = self.values(event_class)
        needed = {name for name, taken in operation.fields.items() if taken.required}
        if "event_type_id" in needed:
            x_id = next(x for x, c in classes_of(self.declaration).items() if c is event_class)
            for rule in operation.rules:
                if rule.applies(event_class, x_id, frozenset()):
                    needed |= set(rule.require)
        if "notes" in operation.fields:
            needed.add("notes")
        body |= {name: values[name] for name in sorted(needed)} | changes
        return {name: value for name, value in body.items() if value is not None}

    def values(self, event_class: EventClass = EventClass.NOTE) -> dict[str, Any]:
        """A good value of every field."""
        values = {item.name: item.example for item in FIELDS.values()}
        values |= {
            "integration_id": self.integration_id,
            "resident_id": self.resident,
            "unit_id": self.ids.get(f"{Model.UNITS}:11"),
            "employee_id": self.ids.get(f"{Model.EMPLOYEES}:21"),
            "email_to": EMAIL.lower(),
        }
        if classes_of(self.declaration):
            kind = self.type_of(event_class)
            values |= {
                "event_type_id": kind,
                "event_sub_type_id": self.ids[f"{Model.EVENT_SUB_TYPES}:any"],
                "event_result_id": self.ids[f"{Model.EVENT_RESULTS}:any"],
            }
        return values


async def build(
    client: aiohttp.ClientSession,
    database: Database,
    account_id: UUID,
    vendor: Vendor,
    *,
    synced: bool = True,
    **settings: Any,
) -> World:
    """An active integration with a property, a unit, staff, types and residents."""
    body = body_of(vendor, active=True, **settings)
    async with client.post(PATH, json=body) as answer:
        assert answer.status == 200, await answer.text()
        integration_id = (await answer.json())["result"]["id"]
    ids: dict[str, str] = {}
    async with database.transaction() as connection:
        for model, records in _records(vendor.declaration).items():
            await upsert(
                connection,
                SPECS[model],
                account_id,
                UUID(integration_id),
                vendor.declaration.vendor,
                rows_of(SPECS[model], records, vendor.declaration),
            )
            for row in await connection.fetch(
                f"SELECT id, x_id FROM {SPECS[model].table} WHERE integration_id = $1",
                UUID(integration_id),
            ):
                ids[f"{model}:{row['x_id']}"] = str(row["id"])
    if synced:
        await database.execute(
            "UPDATE integrations SET last_completed_sync = now() WHERE id = $1",
            UUID(integration_id),
        )
    return World(vendor, account_id, integration_id, ids)


def _records(declaration: Declaration) -> dict[Model, list[Record]]:
    lease = Lease("31", "current", "1", "11", "51")
    other = Lease("32", "current", "1", "12", "52")
    types = [*classes_of(declaration), "elsewhere"]
    return {
        Model.PROPERTIES: [
            Record(
                Model.PROPERTIES, "1", {"name": "Maple Court", "timezone": "America/Denver"}, "1"
            ),
            Record(Model.PROPERTIES, "2", {"name": "Birch Court"}, "2"),
        ],
        Model.UNITS: [
            Record(Model.UNITS, "11", {"number": "1A"}, "1"),
            Record(Model.UNITS, "12", {"number": "1B"}, "1"),
        ],
        Model.EMPLOYEES: [
            Record(
                Model.EMPLOYEES,
                "21",
                {"name": "Agent", "roles": ["LEASING_AGENT"]},
                "1",
                links={"x_property_ids": ["1"]},
            ),
            Record(Model.EMPLOYEES, "22", {"name": "Janitor", "roles": ["MAINTENANCE"]}, "1"),
        ],
        Model.EVENT_TYPES: [
            Record(
                Model.EVENT_TYPES,
                x_id,
                {
                    "name": f"Type {x_id}",
                    "models": ["leads" if x_id == "elsewhere" else "residents"],
                },
                event_class=classes_of(declaration).get(x_id),
            )
            for x_id in types
        ],
        Model.EVENT_SUB_TYPES: [
            Record(Model.EVENT_SUB_TYPES, "any", {"name": "Any"}),
            Record(
                Model.EVENT_SUB_TYPES,
                "foreign",
                {"name": "Foreign"},
                links={"x_event_type_ids": ["elsewhere"]},
            ),
        ],
        Model.EVENT_RESULTS: [
            Record(Model.EVENT_RESULTS, "any", {"name": "Any"}),
            Record(
                Model.EVENT_RESULTS,
                "foreign",
                {"name": "Foreign"},
                links={"x_event_type_ids": ["elsewhere"]},
            ),
        ],
        Model.RESIDENTS: [
            Record(
                Model.RESIDENTS,
                "41",
                {"first_name": "Robin", "email_1": EMAIL},
                "1",
                leases=(lease,),
                links={"x_unit_ids": ["11"]},
            ),
            Record(Model.RESIDENTS, "42", {"first_name": "Kim"}, "1", leases=(lease, other)),
        ],
    }


def wrong_value(name: str) -> Any:
    """A value that is wrong for a field whatever the PMS."""
    return "no" if FIELDS[name].kind in (Kind.SECONDS, Kind.FLAG) else 7


def takes(operation: Operation | None, name: str) -> bool:
    return operation is not None and name in operation.fields
