"""Erasure: all that is kept of a resident goes, for good, while everything serves.

What is left is a keyed hash of his PMS id, so that the next sync does not bring him back, and that
there were writes and what came of them. What the PMS keeps is the PMS's. Nothing is erased while a
write is unfinished: what may be at the PMS could not be looked for any more.
"""

from collections.abc import Callable
from uuid import UUID

import structlog

from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database
from frontdesk.errors import ApiError, Code, not_found
from frontdesk.retention import erasure_repository as repository
from frontdesk.retention.erasure_repository import Erased

log = structlog.get_logger(__name__)

NameOf = Callable[[UUID, str], str]
"""The keyed hash of an integration's PMS id."""

_PATIENCE_SECONDS = 300.0
"""For each statement: ended writes are found by their account, of which there may be millions."""


class ErasureService:
    """Erases residents of every account; each call names whose."""

    def __init__(self, database: Database, name_of: NameOf) -> None:
        self._database = database
        self._name_of = name_of
        self._audit = AuditTrail()

    async def owner_of(self, resident_id: UUID) -> UUID | None:
        """Whose resident it is: for operators, who may erase anybody's."""
        return await repository.owner_of(self._database, resident_id)

    async def erase(self, account_id: UUID, resident_id: UUID | None, *, cancel: bool) -> Erased:
        """Erase a resident. Raises ApiError 404, and 409 while a write of his is unfinished; with
        `cancel` those that are not out are cancelled first, for good, also if one is out."""
        resident = None
        if resident_id is not None:
            resident = await repository.resident(self._database, account_id, resident_id)
        if resident is None or resident_id is None:
            raise not_found("resident")
        integration_id = resident["integration_id"]
        async with self._database.transaction() as connection:
            await repository.lock(connection, integration_id, resident_id)
            left = await repository.unfinished(connection, integration_id, resident_id)
            if left and cancel:
                await repository.cancel(connection, [row["id"] for row in left])
                left = await repository.unfinished(connection, integration_id, resident_id)
            erased = None
            if not left:
                name = self._name_of(integration_id, resident["x_id"])
                erased = await repository.erase(
                    connection, account_id, integration_id, resident_id, name, _PATIENCE_SECONDS
                )
                await self._audit.record(
                    connection, account_id, "resident.erase", resident_id, after=erased._asdict()
                )
        if erased is None:
            raise _refused([row["id"] for row in left], cancel=cancel)
        log.info("resident_erased", resident_id=str(resident_id), writes=erased.writes)
        return erased


def _refused(jobs: list[UUID], *, cancel: bool) -> ApiError:
    count = "1 write" if len(jobs) == 1 else f"{len(jobs)} writes"
    what = (
        "may be at the PMS already; try again when it has ended."
        if cancel
        else "of this resident have not ended; wait for them, or cancel them with `cancel=true`."
    )
    return ApiError(
        Code.CONFLICT,
        f"Nothing was erased: {count} {what}",
        details={"job_ids": [str(job) for job in jobs[:100]]},
    )
