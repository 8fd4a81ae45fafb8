"""Retry of many failed writes at once, chosen by a filter.

Each is retried as `retry-write` does it, with the same id, so whoever asks twice, or for one of them
alone as well, makes no second job. A portion is bounded: what is left is taken by the next call,
since what has been retried does not fit the filter any more.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database, Record
from frontdesk.errors import ApiError, Code, Problem, invalid
from frontdesk.ids import new_id, parse_id
from frontdesk.writes import intake_repository, logs_repository
from frontdesk.writes.idempotency import Key
from frontdesk.writes.intake import Intake, NewWrite
from frontdesk.writes.logs import since
from frontdesk.writes.logs_repository import WriteFilter
from frontdesk.writes.schemas import RetryFilter, RetryWrites
from frontdesk.writes.status import FAILED_STATES

DEFAULT_STATES = FAILED_STATES - {"cancelled"}
"""What was cancelled was meant to end: it is retried only where it is named."""

MakeRetry = Callable[[UUID, Record], NewWrite]


class BulkRetry:
    """Retries the failed writes of one account at a time."""

    def __init__(self, database: Database, intake: Intake, make: MakeRetry) -> None:
        """`make` gives the write that goes on with a failed one."""
        self._database = database
        self._intake = intake
        self._make = make
        self._audit = AuditTrail()

    async def run(self, account_id: UUID, body: RetryWrites, key: Key | None) -> dict[str, Any]:
        """Retry (or, in a dry run, name) the writes that fit, in the order in which they had been
        accepted. Raises ApiError 400, 409, 503."""
        wanted = await self._wanted(account_id, body.filter)
        rows = await logs_repository.to_retry(
            self._database, account_id, wanted, limit=body.limit + 1
        )
        page, more = rows[: body.limit], len(rows) > body.limit
        jobs: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        if body.dry_run:
            jobs = [_told(row, None) for row in page]
        else:
            made: list[tuple[Record, NewWrite]] = []
            for row in page:
                try:
                    made.append((row, self._make(account_id, row)))
                except ApiError as error:
                    failed.append(_not_retried(row, error))
            # All at once and in order: the intake commits them in order, in as few commits as it
            # can, so that two of one lane stay as they were.
            outcomes = await asyncio.gather(
                *(self._intake.submit(write) for _, write in made), return_exceptions=True
            )
            for (row, write), outcome in zip(made, outcomes, strict=True):
                if isinstance(outcome, ApiError):
                    failed.append(_not_retried(row, outcome))
                elif isinstance(outcome, BaseException):
                    raise outcome
                else:
                    jobs.append(_told(row, write.id))
            await self._put_down(account_id, jobs)
        answer = {
            "success": not failed,
            "dry_run": body.dry_run,
            "jobs": jobs,
            "failed": failed,
            "hasMore": more,
        }
        if key is not None and not body.dry_run and not failed:
            await intake_repository.keep_answer(
                self._database, account_id, key.key, key.fingerprint, new_id(), answer
            )
        return answer

    async def _put_down(self, account_id: UUID, jobs: list[dict[str, Any]]) -> None:
        """Who retried each of them, after the commits: a crash in between leaves the retries
        themselves, which name what they retry."""
        if not jobs:
            return
        async with self._database.transaction() as transaction:
            for job in jobs:
                after = {"job_id": job["job_id"]}
                await self._audit.record(
                    transaction, account_id, "write.retry", job["root_job_id"], after=after
                )

    async def _wanted(self, account_id: UUID, given: RetryFilter) -> WriteFilter:
        integration_id = None
        if given.integration_id is not None:
            integration_id = parse_id(given.integration_id)
            found = None
            if integration_id is not None:
                found = await logs_repository.integration(
                    self._database, account_id, integration_id
                )
            if found is None:
                path = ("filter", "integration_id")
                message = "filter.integration_id is no integration of this account."
                raise invalid([Problem("unknown_reference", path, message)])
            if found["is_archived"] or not found["active"]:
                word = "archived" if found["is_archived"] else "not active"
                raise ApiError(Code.CONFLICT, f"This integration is {word}.")
        return WriteFilter(
            integration_id=integration_id,
            since=since(given.time_range),
            states=frozenset(given.states or DEFAULT_STATES),
            only_failures=True,
            error_code=given.error_code,
            external_reference=given.external_reference,
        )


def _told(row: Record, job_id: UUID | None) -> dict[str, Any]:
    return {
        "root_job_id": str(row["id"]),
        "job_id": None if job_id is None else str(job_id),
        "integration_id": str(row["integration_id"]),
        "state": row["state"],
        "error_code": row["error_code"],
        "external_reference": row["external_reference"],
    }


def _not_retried(row: Record, error: ApiError) -> dict[str, Any]:
    return {
        "root_job_id": str(row["id"]),
        "error": {
            "code": error.code.word,
            "message": error.message,
            "details": error.details,
        },
    }
