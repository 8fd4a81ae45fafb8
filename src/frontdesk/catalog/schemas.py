"""The catalog's records as JSON Schema, made from `models.SPECS`."""

from typing import Any

from frontdesk.catalog.models import Field, Kind, ModelSpec

_ID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": ["string", "null"]}

_LEASE: dict[str, Any] = {
    "type": "object",
    "required": [
        "lease_id",
        "x_resident_type",
        "resident_type_normalized",
        "move_in_date",
        "move_out_date",
        "notice_date",
    ],
    "properties": {
        "lease_id": {"type": "string", "description": "The PMS's id of the lease."},
        "x_resident_type": _TEXT,
        "resident_type_normalized": {
            "type": "string",
            "enum": ["CURRENT", "NOTICE", "FUTURE", "PAST", "APPLICANT", "CANCELLED"],
        },
        "move_in_date": _TEXT,
        "move_out_date": _TEXT,
        "notice_date": _TEXT,
    },
}

_KINDS: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: _TEXT,
    Kind.NUMBER: {"type": ["number", "null"]},
    Kind.INTEGER: {"type": ["integer", "null"]},
    Kind.BOOLEAN: {"type": ["boolean", "null"]},
    Kind.DATE_TIME: _TEXT,
    Kind.TEXTS: {"type": "array", "items": {"type": "string"}},
    Kind.OBJECT: {"type": ["object", "null"]},
    Kind.LEASES: {"type": "array", "items": _LEASE},
}


def schema_of(spec: ModelSpec) -> dict[str, Any]:
    """A record's schema: every field present, null for absent."""
    properties: dict[str, Any] = {
        "id": _ID,
        "created_at": _TIME,
        "updated_at": {**_TIME, "description": "When something of the record last changed."},
        "last_seen": {**_TIME, "description": "When the PMS last showed the record."},
        "x_id": {**_TEXT, "description": "The PMS's id."},
        "x_property_id": {**_TEXT, "description": "The PMS's id of the property."},
        **{field.name: _field(field) for field in spec.fields},
        "integration_id": _ID,
        "integration_vendor": {"type": "string"},
        "property_id": _TEXT,
    }
    return {
        "type": "object",
        "title": spec.title,
        "required": list(properties),
        "properties": properties,
    }


def _field(field: Field) -> dict[str, Any]:
    schema = dict(_KINDS[field.kind])
    if field.description:
        schema["description"] = field.description
    elif field.written:
        schema["description"] = "As written through Frontdesk; null where the PMS is the source."
    return schema
