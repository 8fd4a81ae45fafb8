"""From a connector's records to the catalog's rows, pure.

Fields that the contract does not name are dropped, those of a wrong type become null; links are
brought into one form (lists of PMS ids); a record without a PMS id cannot be found again and is
left out. Nothing here knows a vendor.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from frontdesk.catalog.known import dump_leases
from frontdesk.catalog.models import SPECS, Kind, ModelSpec, coerced, rfc3339
from frontdesk.catalog.values import clean_text
from frontdesk.ids import new_id
from frontdesk.vendors.contract import FoundEvent, Lease, Record
from frontdesk.vendors.declaration import Declaration, Model

_LINKS = {
    "x_property_ids": "x_property_id",
    "x_unit_ids": "x_unit_id",
    "x_event_type_ids": "x_event_type_id",
}


def rows_of(
    spec: ModelSpec, records: Iterable[Record], declaration: Declaration
) -> list[dict[str, Any]]:
    """The rows of a page, each PMS id once (the last of two wins: one statement cannot meet the
    same row twice)."""
    rows: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.model is spec.model and (x_id := clean_text(record.x_id)):
            rows[x_id] = row_of(spec, record, x_id, declaration)
    return list(rows.values())


def row_of(spec: ModelSpec, record: Record, x_id: str, declaration: Declaration) -> dict[str, Any]:
    """One record as `record_repository.upsert` takes it."""
    x_property_id = record.x_property_id
    if spec.model is Model.PROPERTIES:
        x_property_id = x_property_id or x_id
    row: dict[str, Any] = {
        "id": str(new_id()),
        "x_id": x_id,
        "x_property_id": x_property_id,
        "data": _data(spec, record.fields),
        "links": _links(spec, record),
        "extra": dict(record.extra),
    }
    if spec.model is Model.RESIDENTS:
        row["leases"] = dump_leases(record.leases)
        row["data"]["leases_meta_data"] = _leases_meta_data(record)
    if spec.model is Model.EVENT_TYPES:
        row["class"] = str(record.event_class or declaration.class_of(x_id))
    return row


def event_rows(found: Iterable[FoundEvent]) -> list[dict[str, Any]]:
    """The rows of a resident's events, each PMS id once."""
    rows: dict[str, dict[str, Any]] = {}
    spec = SPECS[Model.EVENTS]
    for event in found:
        x_id = clean_text(event.x_id)
        if not x_id:
            continue
        fields = dict(event.fields)
        if fields.get("notes") is None:
            fields["notes"] = event.text
        if fields.get("x_type_id") is None:
            fields["x_type_id"] = event.x_type_id
        if fields.get("event_datetime") is None and event.instants:
            fields["event_datetime"] = event.instants[0]
        rows[x_id] = {
            "id": str(new_id()),
            "x_id": x_id,
            "x_property_id": event.x_property_id,
            "x_type_id": event.x_type_id,
            "data": _data(spec, fields),
            "stamped_at": None if event.stamped_at is None else rfc3339(event.stamped_at),
            "author": event.author,
        }
    return list(rows.values())


def _data(spec: ModelSpec, fields: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in spec.data_fields:
        value = coerced(field.kind, fields.get(field.name))
        if value is not None and not (field.kind is Kind.TEXTS and fields.get(field.name) is None):
            data[field.name] = value
    return data


def _links(spec: ModelSpec, record: Record) -> dict[str, list[str]]:
    """Every reference that the model resolves, under its plural name, without doubles."""
    if spec.link is None:
        return {}
    key = spec.link.key
    wanted: list[str] = []
    for name in (key, _LINKS[key]):
        for source in (record.links, record.fields):
            value = source.get(name)
            wanted += coerced(Kind.TEXTS, value) if value is not None else []
    if key == "x_property_ids" and record.x_property_id is not None:
        wanted.append(record.x_property_id)
    if key == "x_unit_ids":
        wanted += [lease.x_unit_id for lease in record.leases if lease.x_unit_id]
    return {key: list(dict.fromkeys(wanted))}


def _leases_meta_data(record: Record) -> list[dict[str, Any]]:
    """The contract's view of the leases; what only the connector knows of one (a date of notice)
    it gives in `fields`, by `lease_id`."""
    told: dict[str, Mapping[str, Any]] = {}
    given = record.fields.get("leases_meta_data")
    for item in given if isinstance(given, list | tuple) else ():
        if isinstance(item, Mapping):
            told[str(item.get("lease_id"))] = item
    return [{**_lease_row(lease), **_dates_of(told.get(lease.x_id, {}))} for lease in record.leases]


def _lease_row(lease: Lease) -> dict[str, Any]:
    return {
        "lease_id": lease.x_id,
        "x_resident_type": lease.resident_type,
        "resident_type_normalized": lease.status.upper(),
        "move_in_date": lease.move_in.isoformat() if lease.move_in else None,
        "move_out_date": lease.move_out.isoformat() if lease.move_out else None,
        "notice_date": None,
    }


def _dates_of(told: Mapping[str, Any]) -> dict[str, Any]:
    names = ("x_resident_type", "move_in_date", "move_out_date", "notice_date")
    return {
        name: value for name in names if (value := coerced(Kind.TEXT, told.get(name))) is not None
    }
