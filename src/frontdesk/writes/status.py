"""What a caller is told of a write: its row, and what surrounds it, in the contract's words.

Pure: a row of the repository goes in, the answer's object comes out. It decides nothing about the
write; `waiting_for` names the outermost thing that holds it, because that is what to look at.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import orjson

from frontdesk.database.pool import Record

Row = Record | Mapping[str, Any]
"""A row of the repository."""

State = Literal[
    "scheduled",
    "queued",
    "sending",
    "retrying",
    "reconciling",
    "succeeded",
    "failed",
    "uncertain",
    "cancelled",
    "expired",
]
WriteStatus = Literal["PENDING", "SUCCESS", "PARTIAL_SUCCESS", "FAILURE"]
WaitingFor = Literal[
    "schedule",
    "earlier_event",
    "rate_limit",
    "backoff",
    "paused",
    "authentication",
    "circuit",
    "settling",
]
Resolution = Literal["exact", "matched", "pending"]

FAILED_STATES = frozenset({"failed", "uncertain", "cancelled", "expired"})
ENDED_STATES = FAILED_STATES | {"succeeded"}

_STATUSES: Mapping[str, WriteStatus] = {
    **dict.fromkeys(get_args(State), "PENDING"),
    **dict.fromkeys(FAILED_STATES, "FAILURE"),
    "succeeded": "SUCCESS",
}


def write_status(state: str) -> WriteStatus:
    """The contract's status of a state."""
    return _STATUSES[state]


def waiting_for(row: Row) -> WaitingFor | None:
    """What a write waits for; None while it is being sent, or ended, or about to be taken."""
    state, now = row["state"], row["now"]
    if state in ENDED_STATES or state == "sending":
        return None
    if state == "scheduled":
        return "schedule"
    if not row["active"]:
        return "paused"
    if state == "reconciling" and not row["behind_earlier"]:
        return "settling"
    held_until, reason = row["not_before"], row["not_before_reason"]
    if held_until is not None and held_until > now and reason in get_args(WaitingFor):
        named: WaitingFor = reason
        return named
    if row["behind_earlier"]:
        return "earlier_event"
    ready_at = row["ready_at"]
    if state == "retrying" and ready_at is not None and ready_at > now:
        return "rate_limit" if row["throttled"] else "backoff"
    blocked_until = row["blocked_until"]
    return "rate_limit" if blocked_until is not None and blocked_until > now else None


def next_attempt_at(row: Row) -> datetime | None:
    """When the write is looked at again, as far as that is known."""
    if row["state"] == "scheduled":
        send_at: datetime | None = row["scheduled_for"]
        return send_at
    if row["state"] in ENDED_STATES or row["ready_at"] is None or not row["active"]:
        return None
    moments = (row["ready_at"], row["not_before"], row["blocked_until"])
    latest: datetime = max(moment for moment in moments if moment is not None)
    return latest if latest > row["now"] else None


def status_of(row: Row) -> dict[str, Any]:
    """The write as `write-status` answers it."""
    details = [_detail(error) for error in orjson.loads(row["errors"])]
    succeeded = row["state"] == "succeeded"
    return {
        "write_status": write_status(row["state"]),
        "errors": [detail["message"] for detail in details],
        "created_record_id": row["event_id"] if succeeded else None,
        "job_id": row["id"],
        "integration_id": row["integration_id"],
        "vendor": row["vendor"],
        "operation": row["operation"],
        "state": row["state"],
        "waiting_for": waiting_for(row),
        "submitted_at": row["submitted_at"],
        "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "next_attempt_at": next_attempt_at(row),
        "attempts": row["attempts"],
        "error_details": details,
        "external_reference": row["external_reference"],
        "retry_of": row["retry_of"],
        "created_records": [_record(row)] if succeeded else [],
    }


def marker_of(row: Row) -> str:
    """Changes whenever what a stream tells of a write changes: the id of a server-sent event."""
    parts = (row["state"], row["attempts"], row["resolution"] or "", waiting_for(row) or "")
    return "-".join(str(part) for part in parts)


def _detail(error: Mapping[str, Any]) -> dict[str, Any]:
    code = str(error.get("code") or "error")
    return {
        "code": code,
        "message": str(error.get("message") or code),
        "retryable": bool(error.get("retryable", False)),
        "upstream_status": error.get("upstream_status"),
    }


def _record(row: Row) -> dict[str, Any]:
    return {
        "model": "events",
        "id": row["event_id"],
        "x_id": row["x_id"],
        "resolution": row["resolution"] or ("exact" if row["x_id"] else "pending"),
    }
