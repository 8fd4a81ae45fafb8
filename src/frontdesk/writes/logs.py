"""The logs of writes and of attempts, as their owner sees them.

Reads only. What an attempt sent and got was masked before it was stored, and perhaps sealed; it is
opened here, and nothing is unmasked.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from frontdesk.database.pool import Database
from frontdesk.errors import ApiError, Code, Problem, invalid, not_found
from frontdesk.http.paging import EXACT_TOTAL, ListQuery, Scalar, page_answer, parse_moment
from frontdesk.ids import parse_id
from frontdesk.vault import CLEAR, Texts, UnreadableError, Vault
from frontdesk.writes import logs_repository as repository
from frontdesk.writes.logs_repository import WriteFilter
from frontdesk.writes.status import FAILED_STATES, Row, write_status

TIME_RANGES: Mapping[str, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}
STATUSES: Mapping[str, frozenset[str]] = {
    "SUCCESS": frozenset({"succeeded"}),
    "FAILURE": FAILED_STATES,
}
WRITE_CATEGORY = "events"
"""All that is written are events; the log of any other category is empty."""

WRITE_FILTERS: Mapping[str, str] = {
    "time_range": "How far to look back.",
    "integration_id": "Only this integration.",
    "status": "Only writes that ended so.",
    "write_category": "Only this category; every write here is one of `events`.",
    "external_reference": "Only this reference of yours.",
}
JOB_ORDERABLE = ("created_at",)
JOB_FILTERS: Mapping[str, str] = {"integration_id": "Only this integration."}


class Logs:
    """Reads the logs of one account at a time."""

    def __init__(self, database: Database, vault: Vault, texts: Texts = CLEAR) -> None:
        self._database = database
        self._vault = vault
        self._texts = texts

    async def writes(
        self, account_id: UUID, filters: Mapping[str, str], *, limit: int, offset: int
    ) -> dict[str, Any]:
        """The account's writes, newest first. Raises ApiError 400 for a filter's value."""
        problems = [
            Problem(
                "invalid_value",
                (name,),
                f"{name} must be one of: {', '.join(words)}.",
                ", ".join(words),
            )
            for name, words in (("time_range", TIME_RANGES), ("status", STATUSES))
            if name in filters and filters[name] not in words
        ]
        if problems:
            raise invalid(problems)
        integration_id = None
        if (text := filters.get("integration_id")) is not None:
            integration_id = parse_id(text)
            if integration_id is None:
                return _no_logs()
        if filters.get("write_category", WRITE_CATEGORY) != WRITE_CATEGORY:
            return _no_logs()
        states = STATUSES.get(filters.get("status", ""))
        rows = await repository.writes(
            self._database,
            account_id,
            WriteFilter(
                integration_id=integration_id,
                since=since(filters.get("time_range")),
                states=states,
                only_failures=states == FAILED_STATES,
                external_reference=filters.get("external_reference"),
            ),
            limit=limit,
            offset=offset,
        )
        return {"results": {"logs": [self._write_log(account_id, row) for row in rows]}}

    async def attempts(
        self, account_id: UUID, query: ListQuery, job_id: UUID | None = None
    ) -> dict[str, Any]:
        """A page of attempts, of one job if it is named."""
        integration_id = None
        if (text := query.filters.get("integration_id")) is not None:
            integration_id = parse_id(text)
            if integration_id is None:
                return _page(query, [], 0)
        rows = await repository.attempts(
            self._database,
            account_id,
            job_id=job_id,
            integration_id=integration_id,
            directions=(query.order[0].direction, query.order[-1].direction),
            after=_after(query),
            limit=query.limit + 1,
            offset=query.offset,
        )
        total = await repository.count_attempts(
            self._database,
            account_id,
            job_id=job_id,
            integration_id=integration_id,
            at_most=EXACT_TOTAL,
        )
        return _page(query, rows, total)

    async def attempts_of(
        self, account_id: UUID, job_id: UUID | None, query: ListQuery
    ) -> dict[str, Any]:
        """A page of one job's attempts. Raises ApiError 404."""
        if job_id is None or not await repository.job_exists(self._database, account_id, job_id):
            raise not_found("job")
        return await self.attempts(account_id, query, job_id)

    async def attempt(self, account_id: UUID, attempt_id: UUID | None) -> dict[str, Any]:
        """One attempt. Raises ApiError 404."""
        row = None
        if attempt_id is not None:
            row = await repository.attempt(self._database, account_id, attempt_id)
        if row is None:
            raise not_found("job log")
        return _job_log(row)

    async def attempt_data(self, account_id: UUID, attempt_id: UUID | None) -> dict[str, Any]:
        """What went over the wire in one attempt. Raises ApiError 404, and 409 where it was stored
        with a key that this process does not have."""
        row = None
        if attempt_id is not None:
            row = await repository.attempt_data(self._database, account_id, attempt_id)
        if row is None:
            raise not_found("job log")
        shown = dict(row)
        if row["message"] is not None:
            shown["message"] = self._texts.open_text(account_id, row["message"])
        for name in ("request", "answer"):
            if row[name] is not None:
                try:
                    shown[name] = self._vault.open_json(row["job_id"], orjson.loads(row[name]))
                except UnreadableError as error:
                    raise ApiError(
                        Code.CONFLICT,
                        "What went over the wire is stored encrypted, with a key that is not here.",
                    ) from error
        return shown

    def _write_log(self, account_id: UUID, row: Row) -> dict[str, Any]:
        errors = [
            str(error.get("message", "")) for error in self._texts.loads(account_id, row["errors"])
        ]
        return {
            "id": row["id"],
            "created_at": row["submitted_at"],
            "job_id": row["id"],
            "job_log_id": row["job_log_id"],
            "status": write_status(row["state"]),
            "integration_id": row["integration_id"],
            "job_type": f"{row['operation']}_resident_event",
            "parameters": self._texts.loads(account_id, row["input"]),
            "error": "; ".join(errors) or None,
            "name": row["name"],
            "vendor": row["vendor"],
            "external_reference": row["external_reference"],
        }


def since(time_range: str | None) -> datetime | None:
    """When a time range began; None where there is none."""
    return None if time_range is None else datetime.now(UTC) - TIME_RANGES[time_range]


def _no_logs() -> dict[str, Any]:
    return {"results": {"logs": []}}


def _job_log(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "job_id": row["job_id"],
        "created_at": row["created_at"],
        "job_type": row["job_type"],
        "status": _attempt_status(row),
        "parent_job_id": row["parent_job_id"],
        "root_job_id": row["root_job_id"],
        "job_schedule_id": None,
        "integration_id": row["integration_id"],
        "associated_property_id": row["property_id"],
    }


def _attempt_status(row: Row) -> str:
    if row["finished_at"] is None:
        return "PENDING"
    # A read-back that could be read did its work, whatever it found.
    read = row["kind"] == "read_back" and row["outcome"] != "unreadable"
    return "SUCCESS" if read or row["outcome"] == "delivered" else "FAILURE"


def _page(query: ListQuery, rows: Sequence[Row], total: int) -> dict[str, Any]:
    return page_answer(query, rows, total, values_of=_value, shown=_job_log)


def _value(row: Row, field: str) -> Scalar:
    value = row[field]
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _after(query: ListQuery) -> tuple[datetime, UUID] | None:
    """Where the page before ended. Raises ApiError 400 for a cursor that no list gave."""
    if query.after is None:
        return None
    moment = parse_moment(str(query.after[0]))
    place = parse_id(str(query.after[-1]))
    if moment is None or place is None:
        raise invalid([Problem("invalid_value", ("cursor",), "cursor is not one of this list.")])
    return moment, place
