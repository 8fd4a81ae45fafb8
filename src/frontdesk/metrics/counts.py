"""What a process counts of its own work, for Prometheus.

Counting costs a microsecond and waits for nobody. No label is a caller's choice: routes are templates,
and vendors and outcomes are those that the code knows. They begin at zero with each process.
"""

from functools import cache
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
"""Our own: the library's default one would take whatever else in the process registers itself."""

ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PMS_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
_SYNC_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

_requests = Counter(
    "frontdesk_http_requests",
    "Requests answered, by route template (`none`: none was reached) and status.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
_request_seconds = Histogram(
    "frontdesk_http_request_seconds",
    "Seconds from a request's head to the end of its answer; `wait` and streams count whole.",
    ("route",),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_intake_writes = Histogram(
    "frontdesk_intake_batch_writes",
    "Writes in one commit of the intake.",
    buckets=_BATCHES,
    registry=REGISTRY,
)
_intake_seconds = Histogram(
    "frontdesk_intake_commit_seconds",
    "Seconds that a commit of the intake took.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
_intake_failures = Counter(
    "frontdesk_intake_failures",
    "Writes that the intake could not store, by what their callers were told.",
    ("outcome",),
    registry=REGISTRY,
)
_sends = Counter(
    "frontdesk_sends",
    "Attempts that ended, by vendor and outcome (`not_sent`: nothing left).",
    ("vendor", "outcome"),
    registry=REGISTRY,
)
_send_seconds = Histogram(
    "frontdesk_send_seconds",
    "Seconds that a PMS took to answer a send, or to not answer it.",
    ("vendor",),
    buckets=_PMS_SECONDS,
    registry=REGISTRY,
)
_reads = Counter(
    "frontdesk_reads",
    "Steps of reading the catalog (a page, a resident's events) that ended, by vendor and outcome.",
    ("vendor", "outcome"),
    registry=REGISTRY,
)
_read_seconds = Histogram(
    "frontdesk_read_seconds",
    "Seconds that such a step took: the PMS's time, waiting for its budget, and storing.",
    ("vendor",),
    buckets=_PMS_SECONDS,
    registry=REGISTRY,
)
_syncs = Counter(
    "frontdesk_syncs",
    "Syncs that ended, by vendor and outcome (`succeeded`, `partly`, `failed`).",
    ("vendor", "outcome"),
    registry=REGISTRY,
)
_sync_seconds = Histogram(
    "frontdesk_sync_seconds",
    "Seconds from the beginning of a sync to its end, whichever processes took part.",
    ("vendor",),
    buckets=_SYNC_SECONDS,
    registry=REGISTRY,
)
_circuits_opened = Counter(
    "frontdesk_circuit_openings",
    "Times that an integration was stopped, by vendor and reason.",
    ("vendor", "reason"),
    registry=REGISTRY,
)
_webhook_attempts = Counter(
    "frontdesk_webhook_attempts",
    "Attempts to deliver a webhook, by result (`delivered` or `failed`).",
    ("result",),
    registry=REGISTRY,
)
_connections_cut = Counter(
    "frontdesk_http_connections_cut",
    "Connections that the API ended, by reason (`head` or `body` did not come in time, `unread` answer, "
    "`large` or `malformed` head, `idle`, to make `room`, or `refused`).",
    ("reason",),
    registry=REGISTRY,
)
_webhooks_disabled = Counter(
    "frontdesk_webhooks_disabled",
    "Webhooks that were switched off because nothing was taken for days.",
    registry=REGISTRY,
)

Metric = TypeVar("Metric", Counter, Histogram)

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


@cache
def _of(metric: Metric, *labels: str) -> Metric:
    """The metric's child with these labels. Kept: the library looks it up under a lock, and there are few."""
    return metric.labels(*labels)


def method_of(method: str) -> str:
    """The method, or `other` for one that a caller made up."""
    return method if method in _METHODS else "other"


def request_answered(method: str, route: str, status: int, seconds: float) -> None:
    """A request was answered. `route` is a template of ours, never a path that was asked for."""
    _of(_requests, method_of(method), route, str(status)).inc()
    _of(_request_seconds, route).observe(seconds)


def connection_cut(reason: str) -> None:
    """The API ended a connection that its other side would have kept."""
    _connections_cut.labels(reason).inc()


def intake_committed(writes: int, seconds: float) -> None:
    """The intake committed so many writes at once."""
    _intake_writes.observe(writes)
    _intake_seconds.observe(seconds)


def intake_failed(writes: int, outcome: str) -> None:
    """So many writes were not stored (`not_accepted`), or nobody knows (`unknown`)."""
    _intake_failures.labels(outcome).inc(writes)


def send_ended(vendor: str, outcome: str, seconds: float | None = None) -> None:
    """An attempt ended; `seconds` that its request was out, None where it never left."""
    _of(_sends, vendor, outcome).inc()
    if seconds is not None:
        _of(_send_seconds, vendor).observe(seconds)


def read_ended(vendor: str, outcome: str, seconds: float) -> None:
    """A step of reading the catalog ended."""
    _of(_reads, vendor, outcome).inc()
    _of(_read_seconds, vendor).observe(seconds)


def sync_ended(vendor: str, outcome: str, seconds: float) -> None:
    """The last step of a sync ended: all `succeeded`, all `failed`, or `partly`."""
    _syncs.labels(vendor, outcome).inc()
    _sync_seconds.labels(vendor).observe(seconds)


def circuit_opened(vendor: str, reason: str) -> None:
    """An integration is not called for a while."""
    _circuits_opened.labels(vendor, reason).inc()


def webhook_attempted(*, delivered: bool) -> None:
    """A delivery was tried."""
    _webhook_attempts.labels("delivered" if delivered else "failed").inc()


def webhook_disabled() -> None:
    """A webhook was switched off."""
    _webhooks_disabled.inc()
