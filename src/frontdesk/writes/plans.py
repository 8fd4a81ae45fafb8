"""A connector's plan as JSON and back: how it lies in the `writes` table."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from frontdesk.vendors.contract import Plan, Trace


def dump_plan(plan: Plan) -> dict[str, Any]:
    """The plan as a JSON object. Its notices are not kept: they went to the caller."""
    trace = plan.trace
    return {
        "operation": plan.operation,
        "route": plan.route,
        "payload": plan.payload,
        "budget_key": plan.budget_key,
        "x_event_id": plan.x_event_id,
        "trace": {
            "x_resident_id": trace.x_resident_id,
            "where": dict(trace.where),
            "text": trace.text,
            "x_type_id": trace.x_type_id,
            "instants": [instant.astimezone(UTC).isoformat() for instant in trace.instants],
        },
    }


def same_address(one: str | None, other: str | None) -> bool:
    """Whether two e-mail addresses are the same to people: blanks around and case do not count."""
    if one is None or other is None:
        return False
    return one.strip().casefold() == other.strip().casefold()


def load_plan(stored: Mapping[str, Any]) -> Plan:
    """The plan that `dump_plan` made."""
    trace = stored["trace"]
    return Plan(
        operation=stored["operation"],
        route=stored["route"],
        payload=stored["payload"],
        budget_key=stored["budget_key"],
        x_event_id=stored["x_event_id"],
        trace=Trace(
            x_resident_id=trace["x_resident_id"],
            where=trace["where"],
            text=trace["text"],
            x_type_id=trace["x_type_id"],
            instants=tuple(datetime.fromisoformat(instant) for instant in trace["instants"]),
        ),
    )
