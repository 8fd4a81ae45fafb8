"""What the owner of a write may do with it: look, wait, cancel, retry.

A retry is a new write with the plan of the old one, at the end of its lane. Sending is the worker's
part, and looking for an uncertain write before it is sent again is as well: the new write says
through `retry_of` whose successor it is.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import orjson

from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database
from frontdesk.errors import ApiError, Code, not_found
from frontdesk.ids import new_id
from frontdesk.vault import CLEAR, Texts, UnreadableError, Vault
from frontdesk.writes import repository
from frontdesk.writes.bulk_retry import BulkRetry
from frontdesk.writes.idempotency import Key
from frontdesk.writes.intake import Accepted, Intake, Mismatched, NewWrite, Replayed
from frontdesk.writes.logs import Logs
from frontdesk.writes.plans import of_retry
from frontdesk.writes.schemas import RetryWrites
from frontdesk.writes.status import (
    ENDED_STATES,
    FAILED_STATES,
    Row,
    marker_of,
    status_of,
    write_status,
)
from frontdesk.writes.waiters import Waiters

__all__ = ["Step", "WritesService", "mismatch", "write_status"]

BEAT_SECONDS = 15.0
_CANCEL_PORTION = 500


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to tell on a stream: a write as it stands now, or (None) that nothing moved."""

    marker: str
    status: dict[str, Any] | None


class WritesService:
    """The writes of every account; each question names whose."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        vault: Vault,
        *,
        waiters: int,
        texts: Texts = CLEAR,
    ) -> None:
        self._database = database
        self._intake = intake
        self._texts = texts
        self._audit = AuditTrail()
        self.logs = Logs(database, vault, texts)
        self._bulk_retry = BulkRetry(
            database, intake, lambda account_id, row: self._retry(account_id, row, None, {})
        )
        self.waiters = Waiters(partial(repository.told, database), waiters)

    def drain(self) -> None:
        """Answer everybody who waits, now: the process is stopping."""
        self.waiters.drain()

    async def status(
        self, account_id: UUID, job_id: UUID | None, *, wait: float = 0.0
    ) -> dict[str, Any]:
        """The write as it stands, or stands after up to `wait` seconds if it does not end earlier.
        Raises ApiError 404."""
        row = await self._row(account_id, job_id)
        if wait > 0 and row["state"] not in ENDED_STATES:
            await self.waiters.until_ended(row["id"], wait)
            row = await self._row(account_id, job_id)
        return self._status_of(account_id, row)

    async def stream(
        self, account_id: UUID, job_id: UUID | None, last_seen: str | None
    ) -> AsyncIterator[Step] | None:
        """The write's steps from now until it has ended. None where the caller (`last_seen` is the
        marker of the last step that reached him) knows its end already. Raises ApiError 404, and
        503 where this process lets nobody more wait."""
        row = await self._row(account_id, job_id)
        marker = marker_of(row)
        ended = row["state"] in ENDED_STATES
        if ended and marker == last_seen:
            return None
        if not ended and self.waiters.full:
            raise ApiError(
                Code.UNAVAILABLE,
                "Too many requests wait for a write here; ask for its status, or try again.",
                headers={"Retry-After": "1"},
            )
        return self._steps(account_id, row["id"], last_seen)

    async def cancel(self, account_id: UUID, job_id: UUID | None) -> None:
        """End a write that is not out. Raises ApiError 404, and 409 where it is out or ended."""
        row = await self._row(account_id, job_id)
        async with self._database.transaction() as transaction:
            if await repository.cancel(transaction, account_id, row["id"]):
                await self._audit.record(transaction, account_id, "write.cancel", row["id"])
                return
        row = await self._row(account_id, job_id)
        state = row["state"]
        why = "has ended" if state in ENDED_STATES else "may already be at the PMS"
        raise ApiError(
            Code.CONFLICT,
            f"This write is {state}: it {why} and cannot be cancelled.",
            details={"state": state},
        )

    async def cancel_waiting(self, integration_id: UUID) -> int:
        """Cancel every write of the integration that is not out; how many."""
        cancelled = 0
        while ended := await repository.cancel_waiting(
            self._database, integration_id, _CANCEL_PORTION
        ):
            cancelled += ended
        return cancelled

    async def retry(
        self, account_id: UUID, job_id: UUID | None, key: Key | None = None
    ) -> tuple[dict[str, Any], bool]:
        """Go on with a write that failed: the answer, and whether it is a replay.

        Retried twice, it is one job, unless the first retry failed as well. Raises ApiError 404,
        409, 422, 503.
        """
        if key is not None:
            taken = await self._intake.look_up(account_id, key.key, key.fingerprint)
            if taken is not None:
                return _replayed(taken)
        row = None
        if job_id is not None:
            row = await repository.latest_retry(self._database, account_id, job_id)
        if row is None:
            raise not_found("write")
        failed = row["state"] in FAILED_STATES
        if not failed and row["id"] == job_id:
            raise ApiError(
                Code.CONFLICT,
                f"This write is {row['state']}; only one that has failed can be retried.",
                details={"state": row["state"]},
            )
        if failed:
            _refuse_closed(row)
            if orjson.loads(row["plan"]) == {}:
                raise ApiError(
                    Code.CONFLICT,
                    "The resident of this write was erased, and what it said with him.",
                )
        answer = {"success": True, "job_id": str(_id_of_retry(row) if failed else row["id"])}
        if failed or key is not None:
            # Under a key even the answer that names an older retry is kept: the same id again
            # stores no second write.
            make = self._retry if failed else self._again
            outcome = await self._intake.submit(make(account_id, row, key, answer))
            if not isinstance(outcome, Accepted):
                return _replayed(outcome)
        if failed:
            # After the commit that many requests share: a crash in between leaves the retry itself,
            # which names what it retries.
            await self._audit.record(
                self._database,
                account_id,
                "write.retry",
                row["id"],
                after={"job_id": answer["job_id"]},
            )
        return answer, False

    async def retry_many(
        self, account_id: UUID, body: RetryWrites, key: Key | None = None
    ) -> tuple[dict[str, Any], bool]:
        """Go on with failed writes that fit a filter: the answer, and whether it is a replay. Raises
        ApiError 400, 409, 422, 503."""
        if key is not None and not body.dry_run:
            taken = await self._intake.look_up(account_id, key.key, key.fingerprint)
            if taken is not None:
                return _replayed(taken)
        return await self._bulk_retry.run(account_id, body, key), False

    def _status_of(self, account_id: UUID, row: Row) -> dict[str, Any]:
        errors = self._texts.clear_json(account_id, row["errors"])
        return status_of(row if errors is row["errors"] else {**row, "errors": errors})

    def _retry(
        self, account_id: UUID, row: Row, key: Key | None, answer: dict[str, Any]
    ) -> NewWrite:
        # A new record for a new write: the old one's id may yet appear, should an uncertain write
        # turn out to have arrived. An update changes the record that it names.
        event_id = new_id() if row["operation"] == "create" else row["event_id"]
        return self._write(account_id, row, _id_of_retry(row), event_id, row["id"], key, answer)

    def _again(
        self, account_id: UUID, row: Row, key: Key | None, answer: dict[str, Any]
    ) -> NewWrite:
        return self._write(
            account_id, row, row["id"], row["event_id"], row["retry_of"], key, answer
        )

    def _write(
        self,
        account_id: UUID,
        row: Row,
        job_id: UUID,
        event_id: UUID,
        retry_of: UUID | None,
        key: Key | None,
        answer: dict[str, Any],
    ) -> NewWrite:
        try:
            plan = self._texts.open_json(row["id"], row["plan"])
            given, event, warnings = (
                self._texts.loads_whole(account_id, row[name])
                for name in ("input", "event", "warnings")
            )
        except UnreadableError as error:
            raise ApiError(
                Code.CONFLICT,
                "What this write says is stored encrypted, with a key that is not here.",
            ) from error
        return NewWrite(
            id=job_id,
            account_id=account_id,
            integration_id=row["integration_id"],
            vendor=row["vendor"],
            operation=row["operation"],
            resident_id=row["resident_id"],
            budget_key=row["budget_key"],
            input=given,
            plan=of_retry(plan),
            event=event,
            warnings=warnings,
            event_id=event_id,
            external_reference=row["external_reference"],
            expiry_hours=row["write_expiry_hours"],
            retry_of=retry_of,
            idempotency_key=None if key is None else key.key,
            fingerprint=None if key is None else key.fingerprint,
            answer=None if key is None else answer,
        )

    async def _row(self, account_id: UUID, job_id: UUID | None) -> Row:
        row = None
        if job_id is not None:
            row = await repository.status(self._database, account_id, job_id)
        if row is None:
            raise not_found("write")
        return row

    async def _steps(
        self, account_id: UUID, job_id: UUID, last_seen: str | None
    ) -> AsyncIterator[Step]:
        told = last_seen
        while True:
            # The mark is read before the row: a step in between is told twice, never missed.
            mark = await self.waiters.mark(job_id)
            row = await self._row(account_id, job_id)
            marker = marker_of(row)
            if marker != told:
                told = marker
                yield Step(marker, self._status_of(account_id, row))
            if row["state"] in ENDED_STATES:
                return
            await self.waiters.until_moved(job_id, mark, BEAT_SECONDS)
            if self.waiters.draining:
                return
            if await self.waiters.mark(job_id) == mark:
                yield Step(marker, None)


def _replayed(outcome: Replayed | Mismatched) -> tuple[dict[str, Any], bool]:
    if isinstance(outcome, Mismatched):
        raise mismatch()
    return outcome.answer, True


def mismatch() -> ApiError:
    """422: the key belongs to another request."""
    return ApiError(
        Code.IDEMPOTENCY_MISMATCH,
        "This Idempotency-Key was used for another request in the last 24 hours; take a new one.",
    )


def _refuse_closed(row: Row) -> None:
    """A retry is a new write: it needs what a new write needs."""
    if row["is_archived"] or not row["active"]:
        word = "archived" if row["is_archived"] else "not active"
        raise ApiError(Code.CONFLICT, f"The integration of this write is {word}.")
    if row["property_disabled"]:
        raise ApiError(Code.CONFLICT, "The property of this write is disabled; it takes no writes.")
    if row["message_forbidden"]:
        raise ApiError(
            Code.CONFLICT,
            "This write has email_send, and its integration does not allow any more that the PMS sends "
            "messages.",
        )


def _id_of_retry(row: Row) -> UUID:
    """The id of the retry of this write: always the same, so that two retries at once, in whatever
    processes, are one row. A hash (UUID version 8, RFC 9562) of the id, which nobody can guess."""
    value = int.from_bytes(hashlib.sha256(b"retry:" + row["id"].bytes).digest()[:16])
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
