"""Medians of the runs, the side-by-side table and its targets."""

import os
import platform
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import CLIENTS

BUSY = 0.5
"""Load average from which on the machine counts as shared, and the figures as doubtful."""

Figures = dict[str, float]
"""One run of one side: ``accept_64.per_second`` and the like."""


@dataclass(frozen=True)
class Target:
    """What a figure must reach: a multiple of the rival's, a value of its own, or both."""

    times_rival: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def text(self) -> str:
        """Say it in a table's cell."""
        parts = []
        if self.times_rival is not None:
            parts.append(f"≥ {self.times_rival:g}x the rival")
        if self.at_least is not None:
            parts.append(f"≥ {self.at_least:,.0f}")
        if self.at_most is not None:
            parts.append(f"≤ {self.at_most:g}")
        return " and ".join(parts)

    def reached(self, ours: float, rival: float | None) -> bool | None:
        """Judge our figure; None if the rival's is needed and missing."""
        if self.times_rival is not None:
            if rival is None:
                return None
            if ours < self.times_rival * rival:
                return False
        if self.at_least is not None and ours < self.at_least:
            return False
        return self.at_most is None or ours <= self.at_most


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    title: str
    less_is_better: bool = False
    target: Target | None = None


ROWS: tuple[Row, ...] = (
    *(
        row
        for clients in CLIENTS
        for row in (
            Row(
                f"accept_{clients}.per_second",
                f"accepted/s, {clients} client{'s' if clients > 1 else ''}",
                target=Target(times_rival=8, at_least=2000) if clients == CLIENTS[-1] else None,
            ),
            Row(f"accept_{clients}.p50_ms", "  answer p50, ms", less_is_better=True),
            Row(f"accept_{clients}.p99_ms", "  answer p99, ms", less_is_better=True),
        )
    ),
    Row("deliver.per_second", "delivered/s", target=Target(times_rival=8)),
    Row("deliver.peak_in_flight", "  most in flight at the PMS"),
    Row("deliver.pool", "  pool (per integration; rival: prefork)"),
    Row("delay.p50_ms", "2xx to arrival p50, ms", True, Target(at_most=10)),
    Row("delay.p99_ms", "  p99, ms", less_is_better=True),
    Row("delay.from_request_p50_ms", "  request sent to arrival p50, ms", less_is_better=True),
    Row("pace", "a fixed loop before each run, million steps/s"),
)
_WITHOUT_RATIO = {"deliver.peak_in_flight", "deliver.pool", "pace"}


def best_pool(per_pool: dict[int, Figures], figure: str, *, least: bool) -> Figures:
    """Of one measurement under several pool sizes, give the best one's figures and its size."""
    choose = min if least else max
    pool = choose(per_pool, key=lambda size: per_pool[size][figure])
    return {**per_pool[pool], "pool": pool}


def medians(runs: list[Figures]) -> Figures:
    """Give the median of each figure that every run has."""
    if not runs:
        return {}
    return {key: median(run[key] for run in runs) for key in runs[0] if all(key in r for r in runs)}


def verdicts(ours: Figures, rival: Figures) -> dict[str, str]:
    """Say for each target whether it is ``reached`` or ``missed``; not measured: not said."""
    said = {}
    for row in ROWS:
        if row.target is None or row.key not in ours:
            continue
        reached = row.target.reached(ours[row.key], rival.get(row.key))
        if reached is not None:
            said[row.key] = "reached" if reached else "missed"
    return said


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def show(ours: Figures, rival: Figures, runs: int, about: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(
        title=f"Frontdesk and the hand-written rival, median of {runs}",
        caption=(
            f"{about['cpus']} CPUs, {about['platform']}, Python {about['python']}, "
            f"load {about['load_before']:.1f} before"
        ),
    )
    table.add_column("measured")
    for title in ("Frontdesk", "rival", "ratio"):
        table.add_column(title, justify="right")
    table.add_column("target")
    table.add_column("")
    said = verdicts(ours, rival)
    for row in ROWS:
        if row.key not in ours and row.key not in rival:
            continue
        verdict = said.get(row.key, "")
        colour = {"reached": "green", "missed": "red"}.get(verdict)
        table.add_row(
            row.title,
            _number(ours.get(row.key)),
            _number(rival.get(row.key)),
            _ratio(row, ours.get(row.key), rival.get(row.key)),
            row.target.text() if row.target else "",
            f"[{colour}]{verdict}[/{colour}]" if colour else "",
        )
    # A table must not be cut where it goes into a file or a pipe, which have no width.
    console = Console() if Console().is_terminal else Console(width=120)
    console.print(table)
    if about["load_before"] > BUSY:
        console.print(
            "[yellow]The machine had other work before the start: measure again when it has none."
            "[/yellow]"
        )
    for name, side in (("Frontdesk", ours), ("rival", rival)):
        for key, what in (
            ("deliver.duplicates", "arrived twice"),
            ("deliver.missing", "did not arrive in time"),
        ):
            if side.get(key):
                console.print(f"[yellow]{name}: {side[key]:.0f} notes {what}[/yellow]")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def _ratio(row: Row, ours: float | None, rival: float | None) -> str:
    """How many times better ours is; a delay of nothing or less has no ratio."""
    if row.key in _WITHOUT_RATIO or not ours or not rival or ours <= 0 or rival <= 0:
        return ""
    return f"{rival / ours if row.less_is_better else ours / rival:.1f}x"
