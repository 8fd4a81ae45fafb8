"""From what an attempt brought to what its write does next: one pure function each.

Nothing here touches a clock, a database or a PMS. The rules are the promise's: what is certain ends
or repeats a write, and what is not certain is looked for and never simply sent again.
"""

import random
from dataclasses import dataclass
from typing import Any

from frontdesk.vendors.contract import Outcome, OutcomeKind
from frontdesk.vendors.declaration import Declaration, RecordId

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 300.0
LONGEST_UPSTREAM_WAIT_SECONDS = 3600.0

NOT_SENT = "not_sent"
"""The outcome of an attempt whose request never left."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What happens to a write: its new state; whether it has ended; else after how many seconds it
    may be taken again. `failed` counts towards the backoff. `settled`: no earlier send had an
    effect, or will. `error` is shown to the caller."""

    state: str
    ends: bool = False
    delay: float = 0.0
    failed: bool = False
    settled: bool = False
    x_id: str | None = None
    resolution: str | None = None
    error: dict[str, Any] | None = None


def backoff(failures: int, retry_after: float | None) -> float:
    """Seconds to wait: upstream's word first (bounded), else exponential with full jitter."""
    if retry_after is not None:
        return min(max(retry_after, 0.0), LONGEST_UPSTREAM_WAIT_SECONDS)
    longest = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 16))
    return random.uniform(0.0, longest)  # noqa: S311 — spreads load, keeps no secret


def after_send(outcome: Outcome, declaration: Declaration, failures: int) -> Transition:
    """What a write does after a send that ended so. `failures` are those before this attempt."""
    match outcome.kind:
        case OutcomeKind.DELIVERED:
            return delivered(outcome.x_id, declaration)
        case OutcomeKind.REJECTED:
            return Transition("failed", ends=True, error=error_of(outcome, retryable=False))
        case OutcomeKind.NOT_NOW:
            return Transition(
                "retrying",
                delay=backoff(failures, outcome.retry_after),
                failed=not outcome.throttled,
                error=error_of(outcome, retryable=True),
            )
        case OutcomeKind.UNAUTHORISED:
            # It waits behind the circuit, which authentication has opened, and burns no attempt.
            return Transition("retrying", error=error_of(outcome, retryable=True))
        case OutcomeKind.UNKNOWN:
            return Transition("reconciling", failed=True, error=error_of(outcome, retryable=True))


def after_fault(failures: int) -> Transition:
    """Our own code failed while it had the write in hand: what the PMS has is to be looked up."""
    error = {
        "code": "internal",
        "message": "Frontdesk failed while it was sending; whether the PMS has the event is looked up.",
        "retryable": True,
        "upstream_status": None,
    }
    return Transition("reconciling", delay=1.0 + backoff(failures, None), failed=True, error=error)


def delivered(x_id: str | None, declaration: Declaration, *, matched: bool = False) -> Transition:
    """The record exists at the PMS."""
    if x_id is None and declaration.record_id is RecordId.READ_BACK:
        return Transition("succeeded", ends=True, resolution="pending")
    return Transition(
        "succeeded", ends=True, x_id=x_id, resolution="matched" if matched else "exact"
    )


def uncertain(on_uncertain: str, reason: str) -> Transition:
    """The PMS cannot be asked whether the record exists: the owner's choice."""
    error = {
        "code": "outcome_unknown",
        "message": f"It is not known whether the event reached the PMS: {reason}",
        "retryable": True,
        "upstream_status": None,
    }
    if on_uncertain == "resend":
        return Transition("retrying", settled=True, error=error)
    return Transition("uncertain", ends=True, error=error)


def error_of(outcome: Outcome, *, retryable: bool) -> dict[str, Any]:
    """The caller's view of an outcome; upstream's own words are kept."""
    return {
        "code": outcome.code or outcome.kind.value,
        "message": outcome.message or outcome.code or outcome.kind.value,
        "retryable": retryable,
        "upstream_status": outcome.upstream_status,
    }
