"""What a command prints: tables or JSON as its answer on stdout, everything else on stderr.

A machine that reads stdout must never find a progress bar, a log line or a hint in it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

ABSENT = "-"

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def answers() -> Console:
    """Where the answer goes. Made anew each time: a test or a caller may have swapped stdout."""
    return Console(soft_wrap=True, highlight=False)


def asides() -> Console:
    """Where everything else goes: progress, hints, errors."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value on stdout; dates and ids as strings."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """A table on stdout; None shows as a dash."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        # What a row is about stays in one piece: it is what people search for and copy.
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        # As text, not as markup: a `[word]` in somebody's sentence would vanish.
        table.add_row(*(Text(ABSENT if cell is None else str(cell)) for cell in row))
    # A table must not be cut where it goes into a file or a pipe, which have no width.
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(table)


def print_record(record: Mapping[str, object]) -> None:
    """One record, a line a field."""
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        answers().print(f"{name:<{width}}  {ABSENT if value is None else value}", markup=False)


def progress_bar() -> Progress:
    """A progress bar on stderr that leaves nothing behind; silent where nobody watches."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
