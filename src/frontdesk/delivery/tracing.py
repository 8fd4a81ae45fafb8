"""What the worker says of its work as spans (`frontdesk.tracing`).

An attempt is a child of the request that brought its write: each is about one write, so there is one
trace to read from the request to the PMS, and a link instead would cut it in two. What is read for other
reasons belongs to no request, and begins traces of its own.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from frontdesk.delivery.holding import Place
from frontdesk.delivery.repository import Claimed
from frontdesk.ids import made_at
from frontdesk.tracing import spans
from frontdesk.tracing.spans import Span, Value
from frontdesk.writes.plans import TRACEPARENT

Carry = Callable[[Place, Claimed, float], Coroutine[Any, Any, None]]

OUTCOME = "frontdesk.outcome"
STATE = "frontdesk.state"
ATTEMPT = "frontdesk.attempt"
QUEUE_SECONDS = "frontdesk.queue_seconds"
UPSTREAM_STATUS = "frontdesk.upstream_status"

_FAILED = frozenset({"rejected", "not_now", "unauthorised", "unknown", "unreadable"})
"""Outcomes after which an event is not at its PMS, or nobody knows."""


def traced(
    carry: Carry, place: Place, write: Claimed, leave_before: float
) -> Coroutine[Any, Any, None]:
    """Carry a claimed write in a span of its own; the very same while traces are off."""
    if not spans.is_on():
        return carry(place, write, leave_before)
    return _in_a_span(carry, place, write, leave_before)


async def _in_a_span(carry: Carry, place: Place, write: Claimed, leave_before: float) -> None:
    what = "reconcile" if write.state == "reconciling" else "send"
    attributes: dict[str, Value] = {
        "messaging.system": "frontdesk",
        "messaging.destination.name": "writes",
        "messaging.operation.type": "process",
        "messaging.operation.name": what,
        spans.VENDOR: place.holding.integration.vendor,
        spans.INTEGRATION_ID: str(write.integration_id),
        spans.ACCOUNT_ID: str(write.account_id),
        spans.JOB_ID: str(write.id),
        ATTEMPT: write.attempts,
    }
    if (accepted_at := made_at(write.id)) is not None:
        # Of two clocks, of which one may be behind.
        waited = max(0.0, write.claimed_at.timestamp() - accepted_at)
        attributes[QUEUE_SECONDS] = round(waited, 3)
    with spans.begin(f"{what} write", "consumer", attributes, parent=write.plan.get(TRACEPARENT)):
        await carry(place, write, leave_before)


def ended(row: Mapping[str, Any]) -> None:
    """How the attempt of the current span ended: the row that records it."""
    if not spans.is_on():
        return
    span = spans.current()
    span.tell({OUTCOME: row["outcome"], STATE: row["state"]})
    if row.get("upstream_status") is not None:
        span.tell({UPSTREAM_STATUS: row["upstream_status"]})
    if row["outcome"] in _FAILED:
        span.fail(row["outcome"])


def calling(method: str, url: str) -> Span:
    """A call that leaves for a PMS: its method and host. A path may name whom it is about."""
    if not spans.is_on():
        return spans.NOTHING
    parts = urlsplit(url)
    attributes: dict[str, Value] = {spans.METHOD: method, spans.HOST: parts.hostname or ""}
    if parts.port is not None:
        attributes[spans.PORT] = parts.port
    return spans.begin(method, "client", attributes)
