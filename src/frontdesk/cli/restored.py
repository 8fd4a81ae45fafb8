"""`restored`: said once after a restore from a backup, before the first worker starts."""

import asyncio

from frontdesk.cli.environment import DataDirOption, read_settings, services_of
from frontdesk.cli.failure import SURROUNDINGS, CommandFailed
from frontdesk.cli.output import JsonOption, asides, print_json, print_record
from frontdesk.delivery.restoring import WorkersLiveError, mark_restored


def restored(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """After a restore from a backup: look for every unfinished event at its PMS before sending it."""

    def waiting(seconds: float) -> None:
        asides().print(
            f"Workers lived when the backup was made, or live now; looking again in {seconds:.0f} s."
        )

    async def work() -> int:
        async with services_of(read_settings(data_dir)) as services:
            try:
                return await mark_restored(services.database, waiting)
            except WorkersLiveError as error:
                raise CommandFailed(
                    "Workers run on this database. Stop them all, and say it again.",
                    code=SURROUNDINGS,
                ) from error

    done = {"looked_for": asyncio.run(work())}
    if as_json:
        print_json(done)
    else:
        print_record(done)


__all__ = ["restored"]
