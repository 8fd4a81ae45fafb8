"""`make attack`: a steady caller's p50 and p99 at rest, and under each attack.

    python -m tests.attack.run [--seconds N] [--rate N] [NAME ...]

Starts `frontdesk serve --sandbox` on an embedded database of its own; everything stays on loopback. Ends
with 1 where the p99 of one who behaves more than doubled, or where he was not answered with 2xx.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from frontdesk.cli.open_files import RESERVE, raise_open_files
from tests.attack.field import Field, Figures
from tests.attack.steady import Report
from tests.journeys.served import fresh_data_dir, part_of, serving

ATTACKS: dict[str, int] = {
    "idle": 10_000,
    "kept": 10_000,
    "slow-head": 1_000,
    "slow-body": 1_000,
    "unread": 1_000,
    "half-open": 1_000,
    "oversized": 30,
}
TARGET = 2.0


@dataclass(frozen=True)
class Row:
    """One attack, and what others had of it."""

    name: str
    connections: int
    report: Report
    answered: str
    figures: Figures
    cpu: float
    """Of one core, that the API process took."""


def main() -> int:
    """Run what was asked for."""
    options = _options()
    # What the server may have open is what this process may: it is its child.
    possible = raise_open_files() - RESERVE
    console = Console()
    with fresh_data_dir() as data_dir, serving(data_dir, "--workers", "1") as served:
        field = Field(served, part_of(data_dir, "api"))
        field.steady(options.rate, 5)  # everything is loaded and known from here on
        rows = [_measured(field, "at rest", 0, options)]
        console.print(_told(rows[0]))
        for name in options.names or ATTACKS:
            rows.append(_measured(field, name, min(ATTACKS[name], possible), options))
            console.print(_told(rows[-1]))
        rows.append(_measured(field, "at rest again", 0, options))
    console.print(_table(rows, options.rate))
    return 0 if all(_holds(row, rows[0]) for row in rows) else 1


def _measured(field: Field, name: str, connections: int, options: argparse.Namespace) -> Row:
    with ExitStack() as stack:
        report = stack.enter_context(field.attacked(name, connections)) if connections else None
        before = field.figures()
        steady = field.steady(options.rate, options.seconds)
        after = field.figures()
    ended = report.ended if report is not None else {}
    answered = ", ".join(f"{how}: {count:,}" for how, count in sorted(ended.items()))
    cpu = (after.cpu_seconds - before.cpu_seconds) / options.seconds
    return Row(name, connections, steady, answered, after, cpu)


def _holds(row: Row, rest: Row) -> bool:
    answered = all(status.startswith("2") for status in row.report.answered)
    return answered and row.report.p99 <= TARGET * rest.report.p99


def _told(row: Row) -> str:
    return f"{row.name}: p99 {row.report.p99:.1f} ms"


def _table(rows: list[Row], rate: float) -> Table:
    table = Table(title=f"One who behaves, {rate:g} calls a second; times in ms")
    for name in ("attack", "connections", "p50", "p99", "worst", "p99 to rest", "answered"):
        table.add_column(name)
    for name in ("API's CPU", "RSS, MiB", "open files", "what attackers were told"):
        table.add_column(name)
    rest = rows[0]
    for row in rows:
        ratio = row.report.p99 / rest.report.p99
        table.add_row(
            row.name,
            f"{row.connections:,}",
            f"{row.report.p50:.1f}",
            f"{row.report.p99:.1f}",
            f"{row.report.worst:.1f}",
            f"{ratio:.2f} {'' if ratio <= TARGET else '(missed)'}",
            ", ".join(f"{count}x {status}" for status, count in row.report.answered.items()),
            f"{row.cpu:.0%}",
            f"{row.figures.rss >> 20}",
            f"{row.figures.open_files:,}",
            row.answered,
        )
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second")
    parser.add_argument("names", nargs="*", choices=[[], *ATTACKS], metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
