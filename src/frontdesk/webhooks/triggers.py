"""What can be told, in the contract's words, and how a body is made of it. Pure.

A body is `{"trigger": T, "data": {"event": T, "integration_id", "vendor", …}}`; what follows the
vendor depends on the trigger. No clock, no database, no signature here.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

Trigger = Literal[
    "DATA_NEW",
    "DATA_UPDATE",
    "SYNC_COMPLETE",
    "FIRST_SYNC_COMPLETE",
    "JOB_FAILURE",
    "WRITE_OPERATION_FAILURE",
    "WRITE_OPERATION_SUCCESS",
]
TRIGGERS: tuple[str, ...] = get_args(Trigger)
OF_RECORDS = ("DATA_NEW", "DATA_UPDATE")
OF_WRITES = ("WRITE_OPERATION_FAILURE", "WRITE_OPERATION_SUCCESS")

_ALWAYS_MOVING = frozenset({"updated_at", "last_seen"})
"""Fields of a record that change whenever anything does, and say nothing by themselves."""

_SAMPLE_ID = "00000000-0000-7000-8000-000000000000"
_SYNC = {"successful_job_count": 8, "failed_job_count": 0, "is_sync_finished": True}
_RECORD = {
    "object": "units",
    "record_id": _SAMPLE_ID,
    "job_id": _SAMPLE_ID,
    "root_job_id": _SAMPLE_ID,
    "job_type": "sync_units",
}
_SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "DATA_NEW": {**_RECORD, "payload": {"id": _SAMPLE_ID, "number": "1A"}},
    "DATA_UPDATE": {**_RECORD, "diff": {"new": {"number": "1A"}, "previous": {"number": "1B"}}},
    "SYNC_COMPLETE": _SYNC,
    "FIRST_SYNC_COMPLETE": _SYNC,
    "JOB_FAILURE": {
        "job_id": _SAMPLE_ID,
        "job_type": "sync_units",
        "root_job_id": _SAMPLE_ID,
    },
    "WRITE_OPERATION_FAILURE": {
        "root_job_id": _SAMPLE_ID,
        "write_status": "FAILURE",
        "errors": ["This is a test."],
        "created_record_id": None,
        "external_reference": None,
    },
    "WRITE_OPERATION_SUCCESS": {
        "root_job_id": _SAMPLE_ID,
        "write_status": "SUCCESS",
        "errors": [],
        "created_record_id": _SAMPLE_ID,
        "external_reference": None,
    },
}


def body_of(
    trigger: str, integration_id: str, vendor: str | None, rest: Mapping[str, Any]
) -> dict[str, Any]:
    """A body; `rest` is what the trigger adds."""
    head = {"event": trigger, "integration_id": integration_id, "vendor": vendor}
    return {"trigger": trigger, "data": {**head, **rest}}


def sample_of(trigger: str) -> dict[str, Any]:
    """A body with invented values: what a test sends."""
    return body_of(trigger, _SAMPLE_ID, "TEST", _SAMPLES[trigger])


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a record has changed: `{new, previous}`, or None where nothing has."""
    changed = [
        name for name in after if name not in _ALWAYS_MOVING and before.get(name) != after[name]
    ]
    if not changed:
        return None
    return {
        "new": {name: after[name] for name in changed},
        "previous": {name: before.get(name) for name in changed},
    }
