"""After a restore from a backup: what had not ended in it may have been sent since.

Every such write is marked as possibly sent, so that it is looked for before anything is sent. It is done
once, before the first worker starts; a second time does no harm, and costs another look at each.
"""

import asyncio
from collections.abc import Callable

from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database
from frontdesk.delivery import restore_repository

REASON = "the database was restored from a backup; what came of it since is looked for"


class WorkersLiveError(Exception):
    """Workers run on this database: what they have in hand must not be marked under them."""


async def mark_restored(
    database: Database, waiting: Callable[[float], object] | None = None
) -> int:
    """Mark every unfinished write; how many there are. A backup may name workers that lived when it was
    made: they are waited for until their time runs out (`waiting` is told the seconds).

    Raises WorkersLiveError, and DatabaseUnavailable.
    """
    left = await restore_repository.workers_left(database)
    if left > 0:
        if waiting is not None:
            waiting(left)
        await asyncio.sleep(left + 0.5)
        if await restore_repository.workers_left(database) > 0:
            raise WorkersLiveError
    async with database.transaction() as transaction:
        marked = await restore_repository.mark_restored(transaction, REASON)
        after = {"looked_for": marked}
        await AuditTrail().record(transaction, None, "database.restored", "database", after=after)
    return marked
