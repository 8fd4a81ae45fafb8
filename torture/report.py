"""What the run says at its end: the table for people, the same as JSON, and what missed its target."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from torture.arrivals import Overrun
from torture.judge import Verdict
from torture.takeovers import Takeover

LONGEST_TAKEOVER_SECONDS = 15.0
SHOWN = 5


@dataclass
class Outcome:
    """Everything that was found."""

    seed: int
    seconds: float
    drained_in: float | None
    verdicts: Mapping[str, Verdict]
    overruns: Sequence[Overrun]
    takeovers: Sequence[Takeover]
    deeds: Mapping[str, int]
    kills: int
    kills_wanted: int
    stranded: Sequence[str]
    unexpected: Sequence[str]
    unaccepted: int
    retried: Mapping[str, int]
    fallen: Sequence[str]
    stubborn: Sequence[str]
    arrivals: int = 0
    arrivals_missed: bool = False
    played: Mapping[str, int] = field(default_factory=dict)

    def misses(self) -> list[str]:
        """Each target that was not met, in words."""
        found = []
        for verdict in self.verdicts.values():
            for name, markers in (
                ("lost", verdict.lost),
                ("duplicated", verdict.duplicated),
                ("out of order", verdict.disordered),
                ("refused, though nothing was wrong with them", verdict.refused),
                ("left over", verdict.left_over),
            ):
                if markers:
                    shown = ", ".join(markers[:SHOWN])
                    found.append(f"{verdict.vendor}: {len(markers)} {name} ({shown})")
        if self.arrivals_missed:
            found.append("budgets: the simulators forgot arrivals before they were collected")
        found += [
            f"{overrun.vendor}: {overrun.worst} calls {_span(overrun)} by {overrun.budget}, of "
            f"{overrun.limit.calls} allowed ({overrun.calls_above} calls above in all)"
            for overrun in self.overruns
        ]
        for takeover in self.takeovers:
            if takeover.seconds > LONGEST_TAKEOVER_SECONDS:
                end = "" if takeover.claimed else ", and never"
                found.append(f"{takeover.slot}: taken over after {takeover.seconds:.1f} s{end}")
        if self.stranded:
            shown = ", ".join(self.stranded[:SHOWN])
            found.append(f"{len(self.stranded)} writes that no client has a 2xx for ({shown})")
        if self.unexpected:
            found.append(f"{len(self.unexpected)} unexpected answers, first: {self.unexpected[0]}")
        if self.unaccepted:
            found.append(f"{self.unaccepted} events were not accepted in time")
        if self.kills < self.kills_wanted:
            found.append(f"{self.kills} kills of {self.kills_wanted}")
        return found

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "misses": self.misses()}


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables."""
    table = Table(title=f"torture: {outcome.seconds:.0f} s, seed {outcome.seed}")
    table.add_column("vendor")
    columns = (
        "accepted",
        "delivered",
        "lost",
        "doubled",
        "excused",
        "disorder",
        "overruns",
        "uncertain",
        "refused",
        "left over",
    )
    for name in columns:
        table.add_column(name, justify="right")
    totals = [0] * len(columns)
    for vendor, verdict in outcome.verdicts.items():
        overrun = sum(each.vendor == vendor for each in outcome.overruns)
        row = [
            verdict.accepted,
            verdict.delivered,
            len(verdict.lost),
            len(verdict.duplicated),
            len(verdict.excused),
            len(verdict.disordered),
            overrun,
            len(verdict.uncertain),
            len(verdict.refused),
            len(verdict.left_over),
        ]
        totals = [total + each for total, each in zip(totals, row, strict=True)]
        table.add_row(vendor, *(f"{each:,}" for each in row))
    table.add_section()
    table.add_row("all", *(f"{each:,}" for each in totals))
    console.print(table)
    for line in _lines(outcome):
        console.print(line, highlight=False, markup=False)


def _lines(outcome: Outcome) -> list[str]:
    seconds = [takeover.seconds for takeover in outcome.takeovers]
    taken = "none was needed"
    if seconds:
        taken = (
            f"{len(seconds)}, median {median(seconds):.1f} s, longest {max(seconds):.1f} s "
            f"(to reach: {LONGEST_TAKEOVER_SECONDS:.0f} s)"
        )
    drained = "never" if outcome.drained_in is None else f"{outcome.drained_in:.0f} s"
    lines = [
        f"taken over after a kill: {taken}",
        f"done to processes: {_counted(outcome.deeds)}",
        f"arrivals at the PMSs: {outcome.arrivals:,}; of these met {_counted(outcome.played)}",
        f"clients tried again after: {_counted(outcome.retried)}",
        f"drained in: {drained}",
    ]
    if outcome.fallen:
        lines.append(
            f"ended by themselves, and were started again: {len(outcome.fallen)}, "
            f"such as {outcome.fallen[0]}"
        )
    if outcome.stubborn:
        lines.append(f"did not end when asked: {', '.join(outcome.stubborn)}")
    misses = outcome.misses()
    lines += [f"MISSED: {miss}" for miss in misses] or ["every target is met"]
    return lines


def _span(overrun: Overrun) -> str:
    seconds = overrun.limit.seconds
    return f"in {seconds:.0f} s" if seconds else "at once"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "nothing"
