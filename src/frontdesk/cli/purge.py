"""`purge`: delete what is older than it needs to be, while the service runs."""

import asyncio
from typing import Annotated

import typer

from frontdesk.cli.environment import DataDirOption, read_settings, services_of
from frontdesk.cli.failure import SURROUNDINGS, CommandFailed
from frontdesk.cli.output import JsonOption, print_json, print_table, progress_bar
from frontdesk.retention.service import LEAST_DAYS


def purge(
    older_than: Annotated[
        list[str] | None,
        typer.Option(
            "--older-than",
            metavar="[KIND=]DAYS",
            help=f"Days to keep, of everything or of a kind ({', '.join(LEAST_DAYS)}). May be repeated.",
            show_default="the settings FRONTDESK_KEEP_…_DAYS",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be deleted.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete ended writes, attempts, keys and reads by age. Safe while everything serves."""
    changes = _changes(older_than or [])

    async def work() -> tuple[dict[str, int], dict[str, int]]:
        async with services_of(read_settings(data_dir)) as services:
            try:
                ages = services.retention.ages(changes)
            except ValueError as error:
                raise CommandFailed(str(error), code=SURROUNDINGS) from error
            counted = await services.retention.count(ages)
            if dry_run:
                return ages, counted
            with progress_bar() as bar:
                tasks = {
                    kind: bar.add_task(kind.replace("_", " "), total=count)
                    for kind, count in counted.items()
                    if count
                }

                def show(kind: str, count: int) -> None:
                    if kind in tasks:
                        bar.advance(tasks[kind], count)

                return ages, await services.retention.purge(ages, show)

    ages, rows = asyncio.run(work())
    word = "would_delete" if dry_run else "deleted"
    if as_json:
        print_json({kind: {"days": ages[kind], word: rows[kind]} for kind in ages})
        return
    print_table(
        ("kind", "kept for days", word.replace("_", " ")),
        ((kind.replace("_", " "), ages[kind], rows[kind]) for kind in ages),
    )


def _changes(options: list[str]) -> dict[str, int]:
    """What `--older-than` says. A number alone is for every kind, each kept at least as it must be."""
    changes: dict[str, int] = {}
    for option in options:
        kind, _, days = option.rpartition("=")
        if not days.isdecimal() or len(days) > 5:
            raise CommandFailed(
                f"--older-than takes days, or kind=days; not {option!r}.", code=SURROUNDINGS
            )
        if kind:
            changes[kind] = int(days)
        else:
            changes |= {kind: max(int(days), least) for kind, least in LEAST_DAYS.items()}
    return changes


__all__ = ["purge"]
