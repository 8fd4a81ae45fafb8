"""The JSON Schemas and headers of the OpenAPI document that every feature's answers share."""

from typing import Any

from frontdesk.errors import Code
from frontdesk.http.paging import GREATEST_LIMIT

ERROR_SCHEMA: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "additionalProperties": False,
            "properties": {
                "code": {
                    "type": "string",
                    "enum": [code.word for code in Code],
                    "description": "Stable; made to be compared.",
                },
                "message": {"type": "string", "description": "A sentence to act on."},
                "details": {
                    "type": "object",
                    "properties": {
                        "issues": {
                            "type": "array",
                            "items": {"$ref": "#/components/schemas/Issue"},
                            "description": "Every problem found.",
                        },
                        "outcome": {"type": "string", "enum": ["not_accepted", "unknown"]},
                        "job_id": {"type": "string"},
                        "request_id": {"type": "string"},
                    },
                },
            },
        }
    },
}
ISSUE_SCHEMA: dict[str, Any] = {
    "title": "Issue",
    "type": "object",
    "required": ["code", "path", "message"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string", "examples": ["required", "unknown_field", "wrong_type"]},
        "path": {
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "examples": [["notes"]],
        },
        "message": {"type": "string"},
        "expected": {"type": "string"},
        "received": {"type": "string"},
        "last_seen": {"type": "string", "format": "date-time"},
    },
}
META_SCHEMA: dict[str, Any] = {
    "title": "ListMeta",
    "type": "object",
    "required": ["offset", "limit", "orderBy", "hasMore", "total", "nextCursor"],
    "properties": {
        "offset": {"type": "integer", "minimum": 0},
        "limit": {"type": "integer", "minimum": 1, "maximum": GREATEST_LIMIT},
        "orderBy": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "direction"],
                "properties": {
                    "field": {"type": "string"},
                    "direction": {"type": "string", "enum": ["asc", "desc"]},
                },
            },
        },
        "hasMore": {"type": "boolean"},
        "total": {"type": ["integer", "null"], "description": "Exact up to 10,000, else null."},
        "nextCursor": {"type": ["string", "null"], "description": "Null on the last page."},
    },
}
SHARED_SCHEMAS = {"Error": ERROR_SCHEMA, "Issue": ISSUE_SCHEMA, "ListMeta": META_SCHEMA}

HEADERS: dict[str, Any] = {
    "x-request-id": {"schema": {"type": "string"}, "description": "Names this request in the logs."}
}
LIMIT_HEADERS: dict[str, Any] = {
    "x-ratelimit-limit": {"schema": {"type": "integer"}, "description": "Requests a minute."},
    "x-ratelimit-remaining": {"schema": {"type": "integer"}, "description": "Left of them."},
    "x-ratelimit-reset": {
        "schema": {"type": "integer"},
        "description": "Seconds until the minute ends.",
    },
}
RETRY_HEADER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
SHARED_HEADERS = HEADERS | LIMIT_HEADERS | RETRY_HEADER
