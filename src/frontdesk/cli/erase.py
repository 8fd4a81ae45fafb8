"""`erase`: all that is kept of a resident goes, for good."""

import asyncio
from typing import Annotated, Any

import typer

from frontdesk.cli.environment import DataDirOption, read_settings, services_of
from frontdesk.cli.failure import FAILED, SURROUNDINGS, CommandFailed
from frontdesk.cli.output import JsonOption, print_json, print_record
from frontdesk.errors import ApiError
from frontdesk.ids import parse_id


def erase(
    resident: Annotated[str, typer.Argument(help="Frontdesk's id of the resident.")],
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel his writes that are not out.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase all that is kept of a resident. There is no way back; what the PMS holds stays there."""
    resident_id = parse_id(resident)
    if resident_id is None:
        raise CommandFailed(f"{resident!r} is no resident's id.", code=SURROUNDINGS)

    async def work() -> dict[str, Any]:
        async with services_of(read_settings(data_dir)) as services:
            owner = await services.erasure.owner_of(resident_id)
            if owner is None:
                raise CommandFailed("There is no resident with this id.", code=FAILED)
            try:
                erased = await services.erasure.erase(owner, resident_id, cancel=cancel)
            except ApiError as error:
                raise CommandFailed(error.message, code=FAILED) from error
            return {"erased": True, **erased._asdict()}

    done = asyncio.run(work())
    if as_json:
        print_json(done)
    else:
        print_record(done)


__all__ = ["erase"]
