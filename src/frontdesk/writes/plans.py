"""A connector's plan as JSON and back: how it lies in the `writes` table."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from frontdesk.tracing import spans
from frontdesk.vendors.contract import Plan, Trace

TRACEPARENT = "traceparent"
"""Where a plan keeps the trace in which its write was accepted (W3C Trace Context)."""


def dump_plan(
    plan: Plan,
    *,
    email_to: str | None = None,
    email_send: bool = False,
    changes: Collection[str] = (),
) -> dict[str, Any]:
    """The plan as a JSON object. Its notices are not kept: they went to the caller.

    `email_to` is the address that is checked again before the plan is sent, and `email_send` whether
    the PMS is to send a message, which its integration may forbid meanwhile; `changes` are the fields
    that an update gives, by which it is recognised."""
    trace = plan.trace
    stored: dict[str, Any] = {
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
    if trace.mark:
        stored["trace"]["mark"] = trace.mark
    if email_to is not None:
        stored["email_to"] = email_to
    if email_send:
        stored["email_send"] = True
    if changes:
        stored["changes"] = sorted(changes)
    _carry_trace(stored)
    return stored


def of_retry(stored: dict[str, Any]) -> dict[str, Any]:
    """The same plan for another write: it belongs to the trace of whoever asks for it now."""
    stored.pop(TRACEPARENT, None)
    _carry_trace(stored)
    return stored


def _carry_trace(stored: dict[str, Any]) -> None:
    # In the plan, because the worker reads that anyway; a version without traces passes it over.
    if (traceparent := spans.carried()) is not None:
        stored[TRACEPARENT] = traceparent


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
            mark=trace.get("mark", ""),
        ),
    )
