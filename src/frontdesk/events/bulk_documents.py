"""The OpenAPI operation of the bulk route, built from the same parts as the single one."""

from typing import Any

from frontdesk.errors import Code
from frontdesk.events.bulk import BODY_LIMIT, MOST_EVENTS
from frontdesk.events.documents import FALLBACK, FLAG, TAG, answer_schemas
from frontdesk.events.fields import FIELDS
from frontdesk.events.json_schema import generic_schema
from frontdesk.http.openapi import query_parameter, responses
from frontdesk.writes.parameters import KEY_PARAMETER, REPLAYED_HEADER

_UNKNOWN = f"{FIELDS['resident_id'].example[:-1]}f"
_BODY = {
    "type": "object",
    "required": ["events"],
    "additionalProperties": False,
    "properties": {
        "events": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_EVENTS,
            "description": "Bodies as `POST /v1/events/residents` takes them, also for different "
            "integrations. Their order is the order in which they are sent, for each resident.",
            "items": generic_schema("create"),
        },
        "atomic": {
            "type": ["boolean", "null"],
            "default": False,
            "description": "Accept all or none: any event that cannot be accepted makes it a 400.",
        },
    },
}


def bulk_operation() -> dict[str, Any]:
    """The operation that takes many events."""
    refusals = responses(Code.UNKNOWN_REFERENCE, Code.IDEMPOTENCY_MISMATCH, body=True)
    return {
        "operationId": "createResidentEvents",
        "tags": [TAG],
        "summary": f"Create up to {MOST_EVENTS} events for residents in one request",
        "description": "Each event is judged as if it came alone; those that pass are stored in one "
        "commit, before the answer. The call counts as one request. The body may have "
        f"{BODY_LIMIT >> 20} MiB. There is no `wait`.",
        "parameters": [
            query_parameter(
                "ignore_unknown_fields",
                "Of each event, leave out fields that its PMS does not take, with a warning.",
                FLAG,
            ),
            query_parameter(
                "dry_run",
                "Check every event and show the very requests that would be sent; store nothing.",
                FLAG,
            ),
            FALLBACK,
            {
                **KEY_PARAMETER,
                "description": "One key for the whole call: "
                + KEY_PARAMETER["description"][0].lower()
                + KEY_PARAMETER["description"][1:].replace("the same job", "the same jobs"),
            },
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _BODY, "example": _example()}},
        },
        "responses": {
            "200": {
                "description": "What became of each event, in the order of the request.",
                "headers": dict(REPLAYED_HEADER),
                "content": {
                    "application/json": {"schema": _answer(), "example": _answer_example()}
                },
            },
            **{str(status): answer for status, answer in refusals.items()},
        },
    }


def _answer() -> dict[str, Any]:
    accepted, dry_run = answer_schemas()
    return {
        "type": "object",
        "required": ["meta", "results"],
        "properties": {
            "meta": {
                "type": "object",
                "required": ["accepted", "refused"],
                "properties": {
                    "accepted": {"type": "integer", "minimum": 0},
                    "refused": {"type": "integer", "minimum": 0},
                },
            },
            "results": {
                "type": "array",
                "items": {"oneOf": [accepted, dry_run, {"$ref": "#/components/schemas/Error"}]},
            },
        },
    }


def _example() -> dict[str, Any]:
    event = {
        "integration_id": FIELDS["integration_id"].example,
        "resident_id": FIELDS["resident_id"].example,
        "kind": "note",
        "notes": FIELDS["notes"].example,
        "external_reference": "ticket-4711",
    }
    other = {**event, "resident_id": _UNKNOWN, "external_reference": "ticket-4712"}
    return {"events": [event, other], "atomic": False}


def _answer_example() -> dict[str, Any]:
    first = _example()["events"][0]
    data = {**dict.fromkeys(FIELDS), "send_at": None, "expires_at": None, **first}
    job_id = "0198c0de-0000-7000-8000-0000000000a1"
    message = "This integration has no resident with this id."
    issue = {
        "code": "unknown_reference",
        "path": ["events", 1, "resident_id"],
        "message": message,
    }
    return {
        "meta": {"accepted": 1, "refused": 1},
        "results": [
            {
                "job_id": job_id,
                "data": data,
                "meta": {"job_id": job_id},
                "result": data,
                "warnings": [],
            },
            {
                "error": {
                    "code": "unknown_reference",
                    "message": message,
                    "details": {"issues": [issue]},
                }
            },
        ],
    }
