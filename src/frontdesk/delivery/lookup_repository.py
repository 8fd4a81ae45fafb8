"""All SQL of looking a record up at the PMS: what is known of a write's attempts and of others' records,
and what is stored of what was found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from frontdesk.database.pool import Database, Record
from frontdesk.delivery.repository import Claimed
from frontdesk.delivery.stored_plans import opened_plan
from frontdesk.vault import CLEAR, Texts
from frontdesk.vendors.contract import Outcome, OutcomeKind

# What a worker that had lost its lease saw all the same: definite words count, guesses do not. What
# was delivered is there, whatever else was said; that an earlier attempt was refused says nothing of
# the latest. Of a retry, what was seen of its predecessor counts too.
_EVIDENCE = """
SELECT a.outcome, coalesce(a.code, '') AS code, coalesce(a.message, '') AS message, a.upstream_status,
    a.x_id, a.account_id, a.job_id = $1 AS own
FROM attempts AS a
WHERE a.job_id = ANY (array_remove(ARRAY[$1::uuid, $2::uuid], NULL)) AND a.kind = 'send' AND a.late
    AND (a.outcome = 'delivered' OR (a.outcome = 'rejected'
        AND a.number = (SELECT w.attempts FROM writes AS w WHERE w.id = a.job_id)))
ORDER BY a.outcome, own DESC, a.number DESC LIMIT 1
"""

_LAST_SEND_ENDED = """
SELECT max(finished_at) AS ended, clock_timestamp() AS now FROM attempts
WHERE job_id = ANY (array_remove(ARRAY[$1::uuid, $2::uuid], NULL)) AND kind = 'send'
    AND outcome IS DISTINCT FROM 'not_sent'
"""

# --- looking a record up at the PMS -----------------------------------------------------------

# Records of other writes with the same credentials cannot be this write's, nor those that the cache
# held before its first attempt left.
_TIED = """
SELECT w.x_id, NULL::timestamptz AS cached_at FROM writes AS w
JOIN integrations AS i ON i.id = w.integration_id
WHERE w.x_id = ANY ($3) AND w.id <> $2 AND i.budget_scope = (
    SELECT budget_scope FROM integrations WHERE id = $1)
UNION ALL
SELECT e.x_id, e.created_at FROM events AS e
WHERE e.integration_id = $1 AND e.x_id = ANY ($3) AND e.origin_job_id IS DISTINCT FROM $2
"""

# Other writes of the same event that succeeded and do not know their record yet. A write that has
# ended uncertain comes last: it takes no record that a later one may have made.
# Of sealed plans the database cannot tell whether they are of one event: they are told with the rest.
_SAME_EVENT = "(w.plan->'trace' = mine.plan->'trace' OR w.plan ? 'sealed' OR mine.plan ? 'sealed')"
_PLAN_IF_SEALED = "CASE WHEN w.plan ? 'sealed' OR mine.plan ? 'sealed' THEN w.plan END"
_TWINS = f"""
SELECT w.first_sent_at, w.id, {_PLAN_IF_SEALED} AS plan FROM writes AS mine
JOIN writes AS w ON w.integration_id = $1 AND w.resolution = 'pending' AND w.id <> mine.id
    AND w.resident_id = mine.resident_id AND {_SAME_EVENT}
    AND (w.lane_number < mine.lane_number OR mine.state = 'uncertain')
WHERE mine.id = $2 AND w.first_sent_at IS NOT NULL
UNION ALL
SELECT w.first_sent_at, w.id, {_PLAN_IF_SEALED} FROM writes AS mine
JOIN writes AS w ON w.integration_id = $1 AND w.resident_id = mine.resident_id
    AND w.finished_at IS NULL AND {_SAME_EVENT}
WHERE mine.id = $2 AND mine.state = 'uncertain' AND w.first_sent_at IS NOT NULL
ORDER BY 1
"""  # noqa: S608 — put together of constants

_AUTHOR = """
SELECT author FROM events
WHERE integration_id = $1 AND origin_job_id IS NOT NULL AND author IS NOT NULL LIMIT 1
"""

_LOG_READ_BACK = """
INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number, worker_id,
    created_at, sent_at, finished_at, outcome, message, request, answer)
SELECT w.id, w.account_id, w.integration_id, w.operation || '_resident_event', 'read_back',
    coalesce((SELECT max(number) FROM attempts WHERE job_id = w.id AND kind = 'read_back'), 0) + 1,
    $2, $3, $3, clock_timestamp(), $4, $5, NULL, NULL
FROM writes AS w WHERE w.id = $1
ON CONFLICT DO NOTHING
"""

_WITHOUT_X_ID = """
SELECT id, account_id, integration_id, resident_id, plan, first_sent_at, finished_at
FROM writes
WHERE integration_id = ANY ($1) AND resolution = 'pending'
    AND finished_at > clock_timestamp() - interval '7 days'
ORDER BY integration_id, lane_number LIMIT $2
"""

_TIE = "SELECT tie_record($1, $2, $3::jsonb)"

# By JSON: a schema from before there were baselines has no such column.
_BASELINE_AGE = """
SELECT extract(epoch FROM
    clock_timestamp() - (to_jsonb(r) ->> 'baseline_read_at')::timestamptz)::float8
FROM residents AS r WHERE r.id = $1
"""

_CAN_NOTE_BASELINES = """
SELECT EXISTS (SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('residents') AND attname = 'baseline_read_at')
"""

_NOTE_BASELINE = """
UPDATE residents SET baseline_read_at = clock_timestamp() - make_interval(secs => $2) WHERE id = $1
"""

# --- writes that ended uncertain ---------------------------------------------------------------

# Before the migration that settles them there is nothing to be done.
_CAN_SETTLE = "SELECT to_regprocedure('settle_uncertain(uuid, text, jsonb, text)') IS NOT NULL"

# One that was sent again is its successor's to look for. Of an update, nothing new can be seen.
_UNCERTAIN = """
SELECT id, account_id, integration_id, resident_id, plan, first_sent_at, finished_at
FROM writes
WHERE integration_id = $1 AND state = 'uncertain' AND operation = 'create' AND retried_by IS NULL
    AND first_sent_at IS NOT NULL AND ($2::uuid IS NULL OR resident_id = $2)
    AND finished_at > (SELECT clock_timestamp() - make_interval(secs => $3))
ORDER BY finished_at LIMIT $4
"""

_SETTLE = "SELECT settle_uncertain($1, $2, $3::jsonb, $4)"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was heard of a write too late to move it. `own`: of the write itself, and not of the one
    that it retries."""

    outcome: Outcome
    own: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """A write whose record is looked for: it succeeded without learning the id, or is uncertain."""

    id: UUID
    account_id: UUID
    integration_id: UUID
    resident_id: UUID
    plan: dict[str, Any]
    first_sent_at: datetime
    finished_at: datetime


class LookupRepository:
    """The statements of whoever looks for records."""

    def __init__(self, database: Database, texts: Texts = CLEAR) -> None:
        self._database = database
        self._texts = texts
        self._can_settle = False
        self._can_note_baselines = False

    async def evidence(self, write_id: UUID, retry_of: UUID | None = None) -> Evidence | None:
        row = await self._database.fetch_row(_EVIDENCE, write_id, retry_of)
        if row is None:
            return None
        words = dict(row)
        own = words.pop("own")
        words["message"] = self._texts.open_text(words.pop("account_id"), words["message"])
        return Evidence(Outcome(OutcomeKind(words.pop("outcome")), **words), own)

    async def last_send_ended(
        self, write_id: UUID, retry_of: UUID | None
    ) -> tuple[datetime | None, datetime]:
        """When the last send of this write (or of the one that it retries) ended, and what the time
        is now: both by the database's clock."""
        row = await self._database.fetch_row(_LAST_SEND_ENDED, write_id, retry_of)
        if row is None:  # pragma: no cover — an aggregate always has a row
            raise LookupError(write_id)
        return row["ended"], row["now"]

    async def tied(
        self, integration_id: UUID, write_id: UUID, x_ids: Sequence[str]
    ) -> tuple[set[str], dict[str, datetime]]:
        """Which of these records belong to other writes, and since when the cache has held which."""
        rows = await self._database.fetch(_TIED, integration_id, write_id, list(x_ids))
        cached = {row["x_id"]: row["cached_at"] for row in rows if row["cached_at"] is not None}
        return {row["x_id"] for row in rows if row["cached_at"] is None}, cached

    async def twins(
        self, integration_id: UUID, write_id: UUID, plan: Mapping[str, Any]
    ) -> list[datetime]:
        """When the other writes of the same event as this write's (whose plan is given) were first
        sent, the earliest first."""
        rows = await self._database.fetch(_TWINS, integration_id, write_id)
        trace = plan.get("trace")
        return [
            row["first_sent_at"]
            for row in rows
            if row["plan"] is None
            or opened_plan(self._texts, row["id"], row["plan"]).get("trace") == trace
        ]

    async def author(self, integration_id: UUID) -> str | None:
        author: str | None = await self._database.fetch_value(_AUTHOR, integration_id)
        return author

    async def log_read_back(
        self,
        write: Claimed,
        worker_id: UUID,
        began: datetime,
        outcome: str,
        message: str,
    ) -> None:
        words = self._texts.seal_text(write.account_id, message)
        await self._database.execute(_LOG_READ_BACK, write.id, worker_id, began, outcome, words)

    async def without_x_id(self, integration_ids: Iterable[UUID], limit: int) -> list[Pending]:
        rows = await self._database.fetch(_WITHOUT_X_ID, list(integration_ids), limit)
        return self._pending(rows)

    async def tie(self, write: Pending, x_id: str, seen: Mapping[str, Any]) -> bool:
        return bool(await self._database.fetch_value(_TIE, write.id, x_id, self._seen(write, seen)))

    async def uncertain(
        self, integration_id: UUID, resident_id: UUID | None, seconds: float, limit: int
    ) -> list[Pending]:
        """Writes that ended uncertain in the last `seconds`, of one resident if he is named."""
        if not self._can_settle:
            self._can_settle = bool(await self._database.fetch_value(_CAN_SETTLE))
        if not self._can_settle:
            return []
        rows = await self._database.fetch(_UNCERTAIN, integration_id, resident_id, seconds, limit)
        return self._pending(rows)

    async def settle_uncertain(
        self, write: Pending, x_id: str, seen: Mapping[str, Any], author: str | None
    ) -> bool:
        """The write succeeded after all: whether it was still uncertain."""
        return bool(
            await self._database.fetch_value(
                _SETTLE, write.id, x_id, self._seen(write, seen), author
            )
        )

    async def baseline_age(self, resident_id: UUID) -> float | None:
        """Seconds since what the resident had was last read for a write, by whichever worker."""
        age: float | None = await self._database.fetch_value(_BASELINE_AGE, resident_id)
        return age

    async def note_baseline(self, resident_id: UUID, seconds_ago: float) -> None:
        """Such a reading began so many seconds ago."""
        if not self._can_note_baselines:
            self._can_note_baselines = bool(await self._database.fetch_value(_CAN_NOTE_BASELINES))
        if self._can_note_baselines:
            await self._database.execute(_NOTE_BASELINE, resident_id, seconds_ago)

    def _pending(self, rows: Sequence[Record]) -> list[Pending]:
        found = [
            Pending(**{**dict(row), "plan": opened_plan(self._texts, row["id"], row["plan"])})
            for row in rows
        ]
        return [write for write in found if "trace" in write.plan]

    def _seen(self, write: Pending, fields: Mapping[str, Any]) -> str:
        return orjson.dumps(self._texts.seal(write.account_id, fields)).decode()
