"""From the catalog's rows to what callers and other features get. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.catalog.known import (
    KnownEvent,
    KnownReference,
    KnownResident,
    PropertyState,
    Resolved,
    load_leases,
)
from frontdesk.catalog.models import SPECS, Kind, ModelSpec, rfc3339
from frontdesk.catalog.values import from_json
from frontdesk.database.pool import Record
from frontdesk.ids import stored_id
from frontdesk.vendors.contract import Reference, Resident
from frontdesk.vendors.declaration import EventClass, Model


def shown(
    spec: ModelSpec, row: Record | Mapping[str, Any], data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A record as the contract shows it: head, the model's fields (null for absent), tail. `data`:
    the row's, where it had to be opened first."""
    if data is None:
        data = from_json(row["data"])
    record: dict[str, Any] = {
        "id": str(row["id"]),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "last_seen": rfc3339(row["last_seen"]),
        "x_id": row["x_id"],
        "x_property_id": row["x_property_id"],
    }
    for field in spec.fields:
        if field.column is not None:
            record[field.name] = _column_value(row[field.column])
        else:
            value = data.get(field.name)
            empty: Any = [] if field.kind in (Kind.TEXTS, Kind.LEASES) else None
            record[field.name] = empty if value is None else value
    if spec.model is Model.EVENTS and not record["associated_resident_ids"]:
        resident_id = record["resident_id"]
        record["associated_resident_ids"] = [] if resident_id is None else [resident_id]
    record["integration_id"] = str(row["integration_id"])
    record["integration_vendor"] = row["vendor"]
    record["property_id"] = None if row["property_id"] is None else str(row["property_id"])
    return record


def shown_stored(model: Model, row: Mapping[str, Any]) -> dict[str, Any]:
    """A record as the contract shows it, from its row as PostgreSQL's `to_jsonb` writes it."""
    times = {
        name: datetime.fromisoformat(row[name])
        for name in ("created_at", "updated_at", "last_seen")
    }
    return shown(SPECS[model], {**row, **times}, row["data"])


def resident_of(row: Record) -> KnownResident:
    """From a row of `repository.resident`."""
    return KnownResident(
        id=row["id"],
        resident=Resident(
            id=str(row["id"]),
            x_id=row["x_id"],
            x_property_id=row["x_property_id"],
            email=row["email_1"],
            leases=load_leases(from_json(row["leases"])),
            extra=from_json(row["extra"]),
            timezone=row["timezone"],
        ),
        last_seen=row["last_seen"],
        property_id=row["property_id"],
        unit_ids=tuple(row["unit_ids"]),
        events_read_at=row["events_read_at"],
    )


def event_of(row: Record, data: Mapping[str, Any]) -> KnownEvent:
    """From a row of `repository.event`, and its data."""
    return KnownEvent(
        id=row["id"],
        integration_id=row["integration_id"],
        vendor=row["vendor"],
        resident_id=row["resident_id"],
        x_id=row["x_id"],
        x_property_id=row["x_property_id"],
        property_id=row["property_id"],
        origin_job_id=row["origin_job_id"],
        last_seen=row["last_seen"],
        data=data,
    )


def resolved_of(row: Record) -> Resolved:
    """From a row of `repository.resolve`."""
    properties = {
        x_id: PropertyState(stored_id(property_id), x_id, enabled, timezone)
        for property_id, x_id, enabled, timezone in from_json(row["properties"]) or ()
    }
    employee = _reference(row, "employee")
    if employee is not None:
        served = {
            "x_property_ids": tuple(from_json(row["employee_links"]).get("x_property_ids", ()))
        }
        reference = employee.reference
        employee = KnownReference(
            id=employee.id,
            reference=Reference(
                reference.id,
                reference.x_id,
                reference.name,
                reference.x_property_id,
                extra={**served, **reference.extra},
            ),
            last_seen=employee.last_seen,
            property_id=employee.property_id,
            property_ids=tuple(row["employee_property_ids"]),
            roles=tuple(row["employee_roles"]),
        )
    return Resolved(
        first_sync_done=row["first_sync_done"],
        resident=_resident_among(row),
        unit=_reference(row, "unit"),
        employee=employee,
        event_type=_reference(row, "type"),
        event_sub_type=_reference(row, "sub_type"),
        event_result=_reference(row, "result"),
        properties=properties,
        kind_type_id=row["kind_type_id"],
        note_type_id=row["note_type_id"],
        mapped_kinds=tuple(row["mapped_kinds"] or ()),
    )


def _resident_among(row: Record) -> KnownResident | None:
    if row["resident_id"] is None:
        return None
    return KnownResident(
        id=row["resident_id"],
        resident=Resident(
            id=str(row["resident_id"]),
            x_id=row["resident_x_id"],
            x_property_id=row["resident_x_property_id"],
            email=row["resident_email"],
            leases=load_leases(from_json(row["resident_leases"])),
            extra=from_json(row["resident_extra"]),
        ),
        last_seen=row["resident_last_seen"],
        property_id=row["resident_property_id"],
        unit_ids=tuple(row["resident_unit_ids"]),
        events_read_at=row["resident_events_read_at"],
    )


def _reference(row: Record, name: str) -> KnownReference | None:
    record_id = row[f"{name}_id"]
    if record_id is None:
        return None
    property_id = row[f"{name}_property_id"]
    event_type_ids: tuple[UUID, ...] = ()
    if name == "sub_type" and row["sub_type_event_type_id"] is not None:
        event_type_ids = (row["sub_type_event_type_id"],)
    elif name == "result":
        event_type_ids = tuple(row["result_event_type_ids"])
    return KnownReference(
        id=record_id,
        reference=Reference(
            id=str(record_id),
            x_id=row[f"{name}_x_id"],
            name=row[f"{name}_name"],
            x_property_id=row[f"{name}_x_property_id"],
            event_class=EventClass(row["type_class"]) if name == "type" else None,
            extra=from_json(row[f"{name}_extra"]),
        ),
        last_seen=row[f"{name}_last_seen"],
        property_id=property_id,
        property_ids=() if property_id is None else (property_id,),
        models=tuple(row["type_models"]) if name == "type" else (),
        event_type_ids=event_type_ids,
    )


def _column_value(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        return [_column_value(inner) for inner in value]
    return value
