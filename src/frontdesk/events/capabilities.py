"""What each PMS can do, from its declaration: the capabilities answer.

Nothing is stated here that the declaration does not state; what is a guess there is shown as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from frontdesk.database.pool import Database
from frontdesk.errors import not_found
from frontdesk.events import repository
from frontdesk.events.json_schema import KnownType, event_schema
from frontdesk.events.kinds import held_kinds
from frontdesk.events.type_map import mapped_kinds
from frontdesk.integrations.service import IntegrationService
from frontdesk.vendors.declaration import Declaration, EventClass, Operation, RecordId, TimeRule
from frontdesk.vendors.registry import vendors

_TIMES = {
    TimeRule.UTC: "Sent in UTC.",
    TimeRule.MOUNTAIN: "Sent as a wall clock of America/Denver, daylight saving included.",
    TimeRule.PROPERTY_LOCAL: "Sent as a wall clock of the property's time zone; a date alone is "
    "taken as well.",
    TimeRule.NONE: "No time is sent.",
}
_METHODS = {"create": "POST", "update": "PUT"}
_PATHS = {
    "create": ("/v1/events/residents", "/v1/events/residents/{vendor}"),
    "update": (
        "/v1/events/residents/{{event_id}}",
        "/v1/events/residents/{vendor}/{{event_id}}",
    ),
}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Answers what can be done, by vendor or by integration."""

    database: Database
    integrations: IntegrationService

    def of_vendors(self) -> list[dict[str, Any]]:
        """Every vendor's capabilities."""
        return [capabilities_of(vendor.declaration) for vendor in vendors().values()]

    async def of_integration(self, account_id: UUID, integration_id: UUID | None) -> dict[str, Any]:
        """The capabilities of an integration: its own event types stand in the schemas' rules.
        Raises ApiError 404."""
        found = None
        if integration_id is not None:
            found = await self.integrations.get_owned(account_id, integration_id)
        vendor = None if found is None else vendors().get(found.vendor)
        if found is None or vendor is None:
            raise not_found("integration")
        kinds = await repository.event_type_map(self.database, found.id)
        by_type: dict[str, list[str]] = {}
        for row in kinds:
            by_type.setdefault(str(row["id"]), []).append(row["kind"])
        rows = await repository.event_types(self.database, found.id)
        # What applies to leads only is no type of a resident's event.
        types = [
            KnownType(
                str(row["id"]),
                row["x_id"],
                row["name"],
                EventClass(row["class"]),
                tuple(by_type.get(str(row["id"]), ())),
            )
            for row in rows
            if not row["models"] or "residents" in row["models"]
        ]
        answer = capabilities_of(vendor.declaration, types, mapped_kinds(vendor, kinds))
        answer["integration_id"] = str(found.id)
        answer["allow_email_send"] = found.allow_email_send
        return answer


def capabilities_of(
    declaration: Declaration,
    types: Sequence[KnownType] | None = None,
    kinds: Sequence[str] | None = None,
) -> dict[str, Any]:
    """One vendor's capabilities. `types`, `kinds`: the event types and the kinds held of the
    integration they are for; without one, of event types that are the same everywhere."""
    read_back = declaration.read_back
    if kinds is None:
        kinds = held_kinds(declaration.create, declaration.classes.values())
    return {
        "vendor": declaration.vendor,
        "name": declaration.name,
        "operations": {
            name: _operation(declaration, name, getattr(declaration, name), types)
            for name in ("create", "update")
        },
        "event_types": _types(declaration, types),
        "kinds": list(kinds),
        "time": {"rule": declaration.time, "description": _TIMES[declaration.time]},
        "record_id": {
            "returned": True,
            "by": declaration.record_id,
            "immediately": declaration.record_id is RecordId.ANSWER,
        },
        "read_back": {
            "possible": read_back.possible,
            "guess": read_back.guess,
            "late_effect_seconds": read_back.late_effect_s,
            "visible_after_seconds": read_back.visible_after_s,
        },
        "idempotency_key": declaration.idempotency_key,
        "reads": sorted(declaration.reads),
        "guesses": [
            {"subject": guess.subject, "assumption": guess.assumption}
            for guess in declaration.guesses
        ],
    }


def _operation(
    declaration: Declaration,
    name: str,
    operation: Operation | None,
    types: Sequence[KnownType] | None,
) -> dict[str, Any]:
    if operation is None:
        return {"supported": False, "reason": declaration.unsupported_reason or None}
    vendor = declaration.vendor.lower()
    return {
        "supported": True,
        "method": _METHODS[name],
        "paths": [path.format(vendor=vendor) for path in _PATHS[name]],
        "schema": event_schema(declaration, name, types),
        "fields": {
            field: {"required": taken.required, "max_length": taken.max_length}
            for field, taken in operation.fields.items()
        },
    }


def _types(declaration: Declaration, types: Sequence[KnownType] | None) -> list[dict[str, Any]]:
    if types is None:
        return [
            {"id": None, "x_id": x_id, "name": None, "class": event_class}
            for x_id, event_class in declaration.classes.items()
        ]
    return [
        {"id": item.id, "x_id": item.x_id, "name": item.name, "class": item.event_class}
        for item in types
    ]
