"""`audit`: who changed what, as operators see it: in every account, and what concerns none."""

import asyncio
from typing import Annotated, Any

import orjson
import typer

from frontdesk.audit import service
from frontdesk.cli.environment import DataDirOption, read_settings, services_of
from frontdesk.cli.failure import SURROUNDINGS, CommandFailed
from frontdesk.cli.output import JsonOption, print_json, print_table
from frontdesk.ids import parse_id


def audit(
    account: Annotated[
        str | None, typer.Option("--account", help="Only this account's, by its id.")
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Only this one, such as key.rotate.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")
    ] = 50,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who changed what, newest first: in every account, and keys, purges and restores."""
    account_id = None
    if account is not None and (account_id := parse_id(account)) is None:
        raise CommandFailed(f"{account!r} is no account's id.", code=SURROUNDINGS)

    async def read() -> list[dict[str, Any]]:
        async with services_of(read_settings(data_dir)) as services:
            rows = await service.newest(services.database, account_id, action, limit)
        return [
            {
                **dict(row),
                "before": None if row["before"] is None else orjson.loads(row["before"]),
                "after": None if row["after"] is None else orjson.loads(row["after"]),
            }
            for row in rows
        ]

    found = asyncio.run(read())
    if as_json:
        print_json(found)
        return
    print_table(
        ("when", "account", "actor", "from", "action", "subject", "after"),
        (
            (
                one["created_at"].isoformat(timespec="seconds"),
                *(one[name] for name in ("account_id", "actor", "client", "action", "subject_id")),
                None if one["after"] is None else orjson.dumps(one["after"]).decode(),
            )
            for one in found
        ),
    )


__all__ = ["audit"]
