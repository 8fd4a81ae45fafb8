"""`upgrade-database`: the embedded server's data to a newer major version of PostgreSQL."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from frontdesk.cli.environment import DataDirOption, data_dir_of, read_settings
from frontdesk.cli.failure import SURROUNDINGS, CommandFailed
from frontdesk.cli.output import JsonOption, answers, asides, print_json
from frontdesk.database.upgrade import upgrade


def upgrade_database(
    old_bin: Annotated[
        Path | None,
        typer.Option(
            "--old-bin",
            help="The bin directory of the PostgreSQL that made the data.",
            show_default="looked for among what is installed",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the embedded server's data to the newest PostgreSQL here. Stop Frontdesk first; the old data
    is kept beside the new."""
    settings = read_settings(data_dir)
    if settings.database_url is not None:
        raise CommandFailed(
            "DATABASE_URL is set: that server is upgraded with PostgreSQL's own tools. This is for the "
            "embedded one.",
            code=SURROUNDINGS,
        )
    done = upgrade(data_dir_of(settings), old_bin, lambda step: asides().print(step))
    if as_json:
        print_json({"upgraded": done is not None, **({} if done is None else asdict(done))})
    elif done is None:
        answers().print("There is nothing to do: the data is of the newest PostgreSQL here.")
    else:
        answers().print(
            f"PostgreSQL {done.before} → {done.after}: {done.tables} tables, {done.rows} rows.\n"
            f"The old data is kept in {done.kept}; remove it when all is well."
        )


__all__ = ["upgrade_database"]
