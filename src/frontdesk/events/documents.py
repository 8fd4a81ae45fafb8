"""The OpenAPI operations of the event routes, built from the field table and the declarations."""

from collections.abc import Mapping
from typing import Any

from frontdesk.errors import Code
from frontdesk.events.fields import (
    CALLBACK_URL_SCHEMA,
    EVENT_FIELDS,
    EXTERNAL_REFERENCE_SCHEMA,
    KIND_SCHEMA,
    SCHEDULE_SCHEMAS,
)
from frontdesk.events.json_schema import event_schema, generic_schema
from frontdesk.events.kinds import takes_types
from frontdesk.http.openapi import query_parameter, responses, schema_of
from frontdesk.vendors.declaration import (
    EVENT_KINDS,
    Declaration,
    EventClass,
    RecordId,
    TimeRule,
)
from frontdesk.writes.parameters import (
    KEY_PARAMETER,
    REPLAYED_HEADER,
    WAIT_PARAMETER,
    WRITE_LINKS,
)
from frontdesk.writes.schemas import WriteState

TAG = "Resident events"

FLAG = {"type": "boolean", "default": False}
_PARAMETERS: tuple[dict[str, Any], ...] = (
    query_parameter(
        "ignore_unknown_fields",
        "Leave out fields that this PMS does not take, each with a warning, instead of refusing.",
        FLAG,
    ),
    query_parameter(
        "dry_run",
        "Check everything and show the very request that the PMS would get; store nothing.",
        FLAG,
    ),
    WAIT_PARAMETER,
    KEY_PARAMETER,
)
FALLBACK = query_parameter(
    "kind_fallback",
    "With a `kind` other than `note`: what the PMS has no place for is stated in the first lines of "
    "the notes (kind, numbers, duration, time, status …), each with a warning. A kind that the PMS "
    "cannot hold becomes a note; one that it can hold stays what it is. Nothing is cut: a text that "
    "is too long for the PMS is a 400.",
    {"type": "string", "enum": ["note"]},
)
_WARNING: dict[str, Any] = {
    "type": "object",
    "required": ["field", "code", "message"],
    "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
}
_WARNINGS: dict[str, Any] = {
    "type": "array",
    "items": _WARNING,
    "description": "What of the event is lost or altered on its way.",
}


def create_operation(declaration: Declaration | None = None) -> dict[str, Any]:
    """The operation of the generic path, or of a vendor's own."""
    codes = [Code.UNKNOWN_REFERENCE, Code.NOT_SUPPORTED, Code.CONFLICT, Code.IDEMPOTENCY_MISMATCH]
    if declaration is None:
        schema = generic_schema("create")
        name, title = "createResidentEvent", "Create an event for a resident"
        example = {
            "integration_id": _example("integration_id"),
            "resident_id": _example("resident_id"),
            "kind": "note",
            "notes": _example("notes"),
        }
    else:
        name = f"createResidentEvent{_word(declaration)}"
        title = f"Create an event for a resident of {declaration.name}"
        if declaration.create is None:
            return _refused(name, title, declaration)
        schema = event_schema(declaration, "create", by_type=False)
        example = {field: _example(field) for field in schema.get("required", ())}
        if takes_types(declaration.create):
            example["kind"] = "note"
    found = _operation(name, title, schema, example, codes)
    return {**found, "parameters": [*found["parameters"], FALLBACK]}


def update_operation(declaration: Declaration | None = None) -> dict[str, Any]:
    """The operation that changes an event, of the generic path or of a vendor's own."""
    codes = [
        Code.UNKNOWN_REFERENCE,
        Code.NOT_FOUND,
        Code.NOT_SUPPORTED,
        Code.CONFLICT,
        Code.IDEMPOTENCY_MISMATCH,
    ]
    event_id = {
        "name": "event_id",
        "in": "path",
        "required": True,
        "description": "Frontdesk's id of the event.",
        "schema": {"type": "string"},
    }
    if declaration is None:
        schema = generic_schema("update")
        name, title = "updateResidentEvent", "Change an event of a resident"
    else:
        name = f"updateResidentEvent{_word(declaration)}"
        title = f"Change an event of a resident of {declaration.name}"
        if declaration.update is None:
            return {**_refused(name, title, declaration), "parameters": [event_id]}
        schema = event_schema(declaration, "update", by_type=False)
    found = _operation(name, title, schema, {"notes": _example("notes")}, codes)
    return {**found, "parameters": [event_id, *found["parameters"]]}


def _operation(
    name: str, title: str, schema: Mapping[str, Any], example: Any, codes: list[Code]
) -> dict[str, Any]:
    refusals = {str(status): answer for status, answer in responses(*codes, body=True).items()}
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": title,
        "parameters": list(_PARAMETERS),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {
            "200": {
                "description": "The event is stored and will be sent, or (`dry_run`) would be.",
                "headers": dict(REPLAYED_HEADER),
                "content": {"application/json": {"schema": {"oneOf": list(answer_schemas())}}},
                "links": dict(WRITE_LINKS),
            },
            **refusals,
        },
    }


def _refused(name: str, title: str, declaration: Declaration) -> dict[str, Any]:
    """A PMS without this operation: the path is there to say so."""
    answers = responses(Code.NOT_SUPPORTED)
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": title,
        "description": f"Not supported. {declaration.unsupported_reason}",
        "responses": {str(status): answer for status, answer in answers.items()},
    }


def answer_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """What an accepted event is answered with, and what a dry run is."""
    data: dict[str, Any] = {
        "type": "object",
        "description": "The accepted input; what was not given is null. Beside `kind` stands the "
        "`event_type_id` that it became. What `kind_fallback` moved stands in `notes` alone, and the "
        "fields that it came from are null.",
        "required": [item.name for item in EVENT_FIELDS],
        "properties": {
            **{item.name: _any_value(item.json_schema()) for item in EVENT_FIELDS},
            "external_reference": _any_value(dict(EXTERNAL_REFERENCE_SCHEMA)),
            "callback_url": _any_value(dict(CALLBACK_URL_SCHEMA)),
            "kind": _any_value(dict(KIND_SCHEMA)),
            **{name: _any_value(dict(schema)) for name, schema in SCHEDULE_SCHEMAS.items()},
        },
    }
    accepted: dict[str, Any] = {
        "title": "Accepted",
        "type": "object",
        "required": ["job_id", "data", "meta", "result", "warnings"],
        "properties": {
            "job_id": {"type": "string", "description": "Follow it at /v1/admin/write-status."},
            "data": data,
            "meta": {
                "type": "object",
                "required": ["job_id"],
                "properties": {"job_id": {"type": "string"}},
            },
            "result": {"type": "object", "description": "The same object as `data`."},
            "warnings": _WARNINGS,
            "write": {
                **schema_of(WriteState),
                "description": "With `wait`: the write as it stood at the end of the wait.",
            },
        },
    }
    request: dict[str, Any] = {
        "type": "object",
        "required": ["method", "url", "headers", "body"],
        "properties": {
            "method": {"type": "string"},
            "url": {"type": "string"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"type": ["string", "null"]},
        },
    }
    dry_run: dict[str, Any] = {
        "title": "DryRun",
        "type": "object",
        "required": ["valid", "request", "warnings"],
        "properties": {"valid": {"const": True}, "request": request, "warnings": _WARNINGS},
    }
    return accepted, dry_run


def _any_value(schema: dict[str, Any]) -> dict[str, Any]:
    """A field as it is answered: its type or null."""
    return {"type": [schema["type"], "null"], "description": schema["description"]}


def _example(name: str) -> Any:
    return next(item.example for item in EVENT_FIELDS if item.name == name)


def _word(declaration: Declaration) -> str:
    return "".join(part.capitalize() for part in declaration.vendor.split("_"))


_OPERATION: dict[str, Any] = {
    "type": "object",
    "required": ["supported"],
    "properties": {
        "supported": {"type": "boolean"},
        "reason": {"type": ["string", "null"], "description": "Why it is not supported."},
        "method": {"type": "string", "enum": ["POST", "PUT"]},
        "paths": {"type": "array", "items": {"type": "string"}},
        "schema": {
            "type": "object",
            "description": "JSON Schema (2020-12) of the body. Rules about event types are "
            "`if`/`then` over `event_type_id` and `kind`; an integration's own stand in them.",
        },
        "fields": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["required", "max_length"],
                "properties": {
                    "required": {"type": "boolean"},
                    "max_length": {
                        "type": ["integer", "null"],
                        "description": "In characters; null where the PMS states none.",
                    },
                },
            },
        },
    },
}
_EVENT_TYPE: dict[str, Any] = {
    "type": "object",
    "required": ["id", "x_id", "name", "class"],
    "properties": {
        "id": {"type": ["string", "null"], "description": "Null outside an integration."},
        "x_id": {"type": "string"},
        "name": {"type": ["string", "null"]},
        "class": {"type": "string", "enum": [str(word) for word in EventClass]},
    },
}
CAPABILITIES_SCHEMA: dict[str, Any] = {
    "title": "Capabilities",
    "type": "object",
    "required": [
        "vendor",
        "name",
        "operations",
        "event_types",
        "kinds",
        "time",
        "record_id",
        "read_back",
        "idempotency_key",
        "reads",
        "guesses",
    ],
    "properties": {
        "vendor": {"type": "string"},
        "name": {"type": "string"},
        "integration_id": {"type": "string"},
        "allow_email_send": {"type": "boolean"},
        "operations": {
            "type": "object",
            "required": ["create", "update"],
            "properties": {"create": _OPERATION, "update": _OPERATION},
        },
        "event_types": {"type": "array", "items": _EVENT_TYPE},
        "kinds": {
            "type": "array",
            "items": {"type": "string", "enum": [str(word) for word in EVENT_KINDS]},
            "description": "The kinds that an event can have; the others are a 400, or with "
            "`kind_fallback` a note. Outside an integration: by the event types that are the same "
            "for every customer.",
        },
        "time": {
            "type": "object",
            "required": ["rule", "description"],
            "properties": {
                "rule": {"type": "string", "enum": [str(word) for word in TimeRule]},
                "description": {"type": "string"},
            },
        },
        "record_id": {
            "type": "object",
            "required": ["returned", "by", "immediately"],
            "properties": {
                "returned": {"type": "boolean"},
                "by": {"type": "string", "enum": [str(word) for word in RecordId]},
                "immediately": {"type": "boolean"},
            },
        },
        "read_back": {
            "type": "object",
            "required": ["possible", "guess", "late_effect_seconds", "visible_after_seconds"],
            "properties": {
                "possible": {
                    "type": "boolean",
                    "description": "Whether an uncertain outcome can be looked up at the PMS.",
                },
                "guess": {"type": "boolean", "description": "Whether that is a guess."},
                "late_effect_seconds": {"type": "number"},
                "visible_after_seconds": {"type": "number"},
            },
        },
        "idempotency_key": {"type": "boolean"},
        "reads": {"type": "array", "items": {"type": "string"}},
        "guesses": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["subject", "assumption"],
                "properties": {
                    "subject": {"type": "string"},
                    "assumption": {"type": "string"},
                },
            },
        },
    },
}
CAPABILITIES_LIST: dict[str, Any] = {
    "type": "object",
    "required": ["meta", "results"],
    "properties": {
        "meta": {"type": "object"},
        "results": {"type": "array", "items": CAPABILITIES_SCHEMA},
    },
}
