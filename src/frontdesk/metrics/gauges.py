"""Gauges of what the database holds: queues, circuits, budgets, syncs, webhooks.

The same in every process that is scraped, because all read the same figures: take the maximum over
processes, never the sum. Integrations have series of their own only while they are among the worst.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from frontdesk.vendors.registry import vendors

OTHERS = "others"
"""The label of all integrations that have no series of their own."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is known: `figures` as the repository gives them and their age in seconds, or None; and
    whether the database answered just now."""

    figures: Mapping[str, Any] | None
    age: float
    answered: bool


class Gauges:
    """A collector for the registry: asks `held` for the figures, which must not wait."""

    def __init__(self, held: Callable[[], Held], budget_factor: float) -> None:
        self._held = held
        self._factor = budget_factor

    def describe(self) -> Iterable[Metric]:
        """Every family, without a sample: what there is to be asked for."""
        return self._families({})

    def collect(self) -> Iterable[Metric]:
        """The families as the figures stand."""
        held = self._held()
        yield GaugeMetricFamily(
            "frontdesk_database_up", "1 if the database answered.", int(held.answered)
        )
        if held.figures is None:
            return
        yield GaugeMetricFamily(
            "frontdesk_figures_age_seconds", "Age of the figures from the database.", held.age
        )
        yield from self._families(held.figures)

    def _families(self, figures: Mapping[str, Any]) -> Iterator[Metric]:
        yield from _queues(figures.get("queue", ()))
        yield from _by_vendor(figures.get("vendors", ()))
        yield from self._budgets(figures.get("spent", ()), figures.get("blocked", {}))
        yield from _webhooks(figures)
        yield _single("frontdesk_workers", "Workers that live.", figures.get("workers"))

    def _budgets(
        self, spent: Iterable[Mapping[str, Any]], blocked: Mapping[str, int]
    ) -> Iterator[Metric]:
        left = GaugeMetricFamily(
            "frontdesk_budget_left_ratio",
            "Share of a vendor's request budget that is left where it is least; none: unused.",
            labels=("vendor", "method", "window_seconds"),
        )
        for row in spent:
            limit = self._limit(row["vendor"], row["seconds"], row["stated"])
            if limit:
                ratio = max(0.0, 1.0 - float(row["used"]) / limit)
                left.add_metric((row["vendor"], row["method"], str(row["seconds"])), ratio)
        yield left
        held_back = GaugeMetricFamily(
            "frontdesk_budgets_blocked",
            "Budgets in which the vendor asked to wait.",
            labels=("vendor",),
        )
        for vendor, scopes in blocked.items():
            held_back.add_metric((vendor,), scopes)
        yield held_back

    def _limit(self, vendor: str, seconds: int, stated: int | None) -> int | None:
        known = vendors().get(vendor)
        if known is None:
            return None
        declared = [
            max(1, int(window.requests * self._factor))
            for window in known.declaration.budget.windows
            if window.seconds == seconds
        ]
        if not declared:
            return None
        return min(declared[0], stated) if stated is not None else declared[0]


def _queues(rows: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    labels = ("vendor", "integration")
    named = {
        "depth": ("frontdesk_queue_depth", "Events that are on their way."),
        "scheduled": ("frontdesk_queue_scheduled", "Events that wait for their send_at."),
        "reconciling": ("frontdesk_queue_reconciling", "Events that are looked for at the PMS."),
        "oldest": ("frontdesk_queue_oldest_seconds", "Seconds that the oldest event has waited."),
    }
    families = {
        field: GaugeMetricFamily(name, text, labels=labels) for field, (name, text) in named.items()
    }
    for row in rows:
        for field, family in families.items():
            family.add_metric((row["vendor"], row["integration"] or OTHERS), row[field] or 0)
    yield from families.values()


def _by_vendor(rows: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    named = {
        "active": ("frontdesk_integrations_active", "Integrations that are active."),
        "without_worker": (
            "frontdesk_integrations_without_worker",
            "Active integrations that no living worker holds.",
        ),
        "unauthenticated": (
            "frontdesk_integrations_unauthenticated",
            "Active integrations whose credentials the PMS refused when last tried.",
        ),
        "syncing": ("frontdesk_syncs_running", "Syncs under way."),
        "overdue": ("frontdesk_syncs_overdue", "Syncs that should have begun an hour ago."),
        "synced": (
            "frontdesk_sync_oldest_seconds",
            "Seconds since the last whole sync of the integration for which that is longest.",
        ),
    }
    rows = list(rows)
    for field, (name, text) in named.items():
        family = GaugeMetricFamily(name, text, labels=("vendor",))
        for row in rows:
            if row[field] is not None:
                family.add_metric((row["vendor"],), row[field])
        yield family
    stopped = GaugeMetricFamily(
        "frontdesk_integrations_stopped",
        "Integrations whose PMS is not called at the moment, by reason.",
        labels=("vendor", "reason"),
    )
    for row in rows:
        for reason in ("circuit", "authentication"):
            stopped.add_metric((row["vendor"], reason), row[reason])
    yield stopped


def _webhooks(figures: Mapping[str, Any]) -> Iterator[Metric]:
    deliveries = figures.get("deliveries") or {}
    yield _single(
        "frontdesk_webhook_notices", "Things to tell, not yet deliveries.", figures.get("notices")
    )
    yield _single(
        "frontdesk_webhook_deliveries_waiting",
        "Deliveries that are to be made.",
        deliveries.get("waiting"),
    )
    yield _single(
        "frontdesk_webhook_deliveries_failing",
        "Of these, those that failed at least once.",
        deliveries.get("failing"),
    )
    yield _single(
        "frontdesk_webhook_oldest_seconds",
        "Age of the oldest delivery that is to be made.",
        (deliveries.get("oldest") or 0) if deliveries else None,
    )
    yield _single(
        "frontdesk_webhook_deliveries_dead",
        "Deliveries that were given up within the last hour.",
        figures.get("dead"),
    )
    yield _single(
        "frontdesk_webhooks_off", "Webhooks that are switched off by us.", figures.get("disabled")
    )


def _single(name: str, text: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric((), value)
    return family
