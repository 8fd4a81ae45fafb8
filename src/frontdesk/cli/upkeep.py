"""`migrate`, `settings`: what an operator does around the running service."""

import asyncio
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from frontdesk.cli.environment import (
    DataDirOption,
    bring_up_to_date,
    database_url,
    open_database,
    read_settings,
    variable_name,
)
from frontdesk.cli.output import JsonOption, answers, print_json, print_table
from frontdesk.database.migrate import current_version
from frontdesk.settings import Settings

_HIDDEN = "(set)"


def migrate(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Bring the database's schema up to date. Safe while others run, and to repeat."""

    async def apply() -> tuple[list[str], int]:
        settings = read_settings(data_dir)
        async with database_url(settings) as url:
            applied = await bring_up_to_date(settings, url)
            async with open_database(settings, url) as database:
                return applied, await current_version(database)

    applied, version = asyncio.run(apply())
    if as_json:
        print_json({"applied": applied, "version": version})
        return
    for name in applied:
        answers().print(f"applied {name}")
    answers().print(f"The schema is current (version {version}).")


def show_settings(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List every setting: its variable, what it is now, its default and its meaning."""
    rows = settings_table(read_settings(data_dir))
    if as_json:
        print_json(rows)
    else:
        print_table(("setting", "now", "default", "meaning"), (list(row.values()) for row in rows))


def settings_table(now: Settings | None = None) -> list[dict[str, Any]]:
    """Every setting as `{setting, now, default, meaning}`; `now` hides secrets.

    Without `now`, as the reference page has them: nothing in it depends on the machine.
    """
    rows = []
    for name, info in Settings.model_fields.items():
        default = None if info.default is PydanticUndefined else info.default
        row: dict[str, Any] = {"setting": variable_name(name)}
        if now is not None:
            value = getattr(now, name)
            row["now"] = _HIDDEN if isinstance(value, SecretStr) else _shown(value)
        rows.append({**row, "default": _shown(default), "meaning": info.description})
    return rows


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


__all__ = ["migrate", "settings_table", "show_settings"]
