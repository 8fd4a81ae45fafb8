"""`demo`: the main job before one's eyes: an event goes in, the PMS has it, the caller knows.

Exit code 0 only if every event arrived, once, as the simulators' own record of effects has it. It
keeps its data directory, so that the curl line that it prints works against a `serve` on it.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from frontdesk.cli.environment import data_dir_of, read_settings
from frontdesk.cli.failure import FAILED
from frontdesk.cli.output import JsonOption


def demo(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", help="Kept for the next time.", show_default="demo/ in the usual one"
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send one event of every kind into every PMS (simulated), follow each, and show the table."""
    # Late: the HTTP client takes its time, and every other command starts faster without it.
    from frontdesk.cli.demo_run import run_demo

    settings = read_settings(data_dir)
    if data_dir is None:
        settings = settings.model_copy(update={"data_dir": data_dir_of(settings) / "demo"})
    ok = asyncio.run(run_demo(data_dir_of(settings), keep=keep, as_json=as_json))
    if not ok:
        raise typer.Exit(FAILED)
