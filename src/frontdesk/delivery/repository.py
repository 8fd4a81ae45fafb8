"""All SQL of the worker. Each statement names the invariant that it keeps; the ones that must lock
are functions of the schema (database/migrations/0005_delivery.sql)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog

from frontdesk.database.pool import Database, Record
from frontdesk.vault import CLEAR, Texts, UnreadableError
from frontdesk.vendors.contract import Outcome, OutcomeKind

log = structlog.get_logger(__name__)

# --- the worker and its leases --------------------------------------------------------------------

_REGISTER = """
INSERT INTO workers (id, expires_at)
VALUES ($1, clock_timestamp() + make_interval(secs => $2))
"""

# Only a living worker is renewed: one that expired has lost its leases and starts as a new one.
_HEARTBEAT = """
UPDATE workers SET expires_at = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1 AND expires_at > clock_timestamp() RETURNING true
"""

_FORGET_DEAD_WORKERS = """
DELETE FROM workers AS w WHERE w.expires_at < clock_timestamp() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM leases AS l WHERE l.worker_id = w.id)
"""

_HELD = "SELECT integration_id, epoch FROM leases WHERE worker_id = $1"

_SHARE = """
SELECT ceil(count(DISTINCT i.budget_scope)::numeric / greatest(1, (
    SELECT count(*) FROM workers WHERE expires_at > clock_timestamp())))::integer
FROM integrations AS i WHERE NOT i.is_archived
"""

# A lease goes back only while nothing of its integration is in this worker's hands.
_RELEASE = """
UPDATE leases AS l SET worker_id = NULL
WHERE l.worker_id = $1 AND l.integration_id = ANY ($2) AND NOT EXISTS (
    SELECT FROM writes AS w WHERE w.integration_id = l.integration_id AND w.finished_at IS NULL
        AND w.state = 'sending')
RETURNING l.integration_id
"""

_LEAVE = """
WITH mine AS (
    UPDATE leases SET worker_id = NULL WHERE worker_id = $1 RETURNING integration_id),
settled AS (SELECT abandon_attempts(array_agg(integration_id), $2) FROM mine)
DELETE FROM workers WHERE id = $1 AND (SELECT count(*) FROM settled) >= 0
"""

_CLOSE_UNTIL = """
UPDATE leases SET not_before = clock_timestamp() + make_interval(secs => $3),
    not_before_reason = $4, not_before_message = $5, failures = failures + 1
WHERE integration_id = $1 AND epoch = $2
"""

_OPEN = """
UPDATE leases SET not_before = NULL, not_before_reason = NULL, not_before_message = NULL, failures = 0
WHERE integration_id = $1 AND (not_before IS NOT NULL OR failures > 0)
"""

_CLOSED = """
SELECT integration_id FROM leases
WHERE integration_id = ANY ($1) AND not_before_reason IS NOT NULL
"""

_CHANGED = """
SELECT i.id FROM integrations AS i
JOIN unnest($1::uuid[], $2::timestamptz[]) AS known(id, updated_at) ON known.id = i.id
WHERE i.updated_at <> known.updated_at
"""

# --- claiming and finishing -----------------------------------------------------------------------

# What is counted from moments of the database is counted to one of its own: a worker's wall clock may
# be wrong, and may jump.
_CLAIM = "SELECT c.*, clock_timestamp() AS claimed_at FROM claim_writes($1, $2::jsonb, $3) AS c"
_FINISH = "SELECT finish_attempts($1, $2::jsonb) AS id"

# The clock is asked once: asked for each row, it could not be looked up in the index, and a long
# backlog would be walked to its end twice a second.
_EXPIRED = """
SELECT array_agg(id) FROM (
    SELECT id FROM writes
    WHERE finished_at IS NULL AND expires_at <= (SELECT clock_timestamp())
        AND state IN ('scheduled', 'queued', 'retrying') AND NOT unsettled
    ORDER BY expires_at LIMIT 500) AS due
"""
# A schema from before there were scheduled writes has none to move.
_CAN_SCHEDULE = "SELECT to_regprocedure('enter_lanes(integer)') IS NOT NULL"
_ENTER_LANES = "SELECT enter_lanes($1)"

# What another process accepted in the moment in which the integration was archived.
_STRANDED = """
SELECT array_agg(left_over.id) FROM integrations AS i, LATERAL (
    SELECT w.id FROM writes AS w
    WHERE w.integration_id = i.id AND w.finished_at IS NULL
        AND w.state IN ('scheduled', 'queued', 'retrying') AND NOT w.unsettled LIMIT 500) AS left_over
WHERE i.is_archived AND i.updated_at > clock_timestamp() - interval '1 hour'
"""
_END = "SELECT end_writes($1, $2, $3, $4) AS id"

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

_EVENTS_READ_AT = "SELECT events_read_at FROM residents WHERE id = $1"

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

# --- the queue ---------------------------------------------------------------------------------

_QUEUE_STATUS = """
SELECT count(w.id) AS depth, min(w.submitted_at) AS oldest, min(w.ready_at) AS next_ready,
    l.not_before, l.not_before_reason
FROM (SELECT $1::uuid AS integration_id) AS the
LEFT JOIN leases AS l USING (integration_id)
LEFT JOIN writes AS w ON w.integration_id = the.integration_id AND w.finished_at IS NULL
    AND w.state <> 'scheduled'
GROUP BY l.not_before, l.not_before_reason
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A write in this worker's hands. `state` is `sending` (an attempt is on disk) or
    `reconciling`. `unsettled`: an earlier send may have had an effect. `claimed_at`
    is by the database's clock, like every moment here."""

    id: UUID
    integration_id: UUID
    epoch: int
    account_id: UUID
    state: str
    attempts: int
    failures: int
    resident_id: UUID
    plan: dict[str, Any]
    first_sent_at: datetime | None
    send_before: datetime | None
    expires_at: datetime
    retry_of: UUID | None
    unsettled: bool
    attempt_id: UUID | None
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was heard of a write too late to move it. `own`: of the write itself, and not of the one
    that it retries."""

    outcome: Outcome
    own: bool


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No budget for this integration's method until `wait` seconds from now."""

    integration_id: UUID
    budget_key: str
    wait: float


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


class DeliveryRepository:
    """The worker's statements."""

    def __init__(self, database: Database, texts: Texts = CLEAR) -> None:
        self._database = database
        self._texts = texts
        self._can_schedule = False
        self._can_settle = False

    async def register(self, worker_id: UUID, lease_seconds: float) -> None:
        await self._database.execute(_REGISTER, worker_id, lease_seconds)
        await self._database.execute(_FORGET_DEAD_WORKERS)

    async def heartbeat(self, worker_id: UUID, lease_seconds: float) -> bool:
        return bool(await self._database.fetch_value(_HEARTBEAT, worker_id, lease_seconds))

    async def acquire_leases(self, worker_id: UUID) -> dict[UUID, int]:
        rows = await self._database.fetch("SELECT * FROM acquire_leases($1)", worker_id)
        return {row["integration_id"]: row["epoch"] for row in rows}

    async def held(self, worker_id: UUID) -> dict[UUID, int]:
        rows = await self._database.fetch(_HELD, worker_id)
        return {row["integration_id"]: row["epoch"] for row in rows}

    async def share(self) -> int:
        return int(await self._database.fetch_value(_SHARE))

    async def release(self, worker_id: UUID, integration_ids: Iterable[UUID]) -> set[UUID]:
        rows = await self._database.fetch(_RELEASE, worker_id, list(integration_ids))
        return {row["integration_id"] for row in rows}

    async def leave(self, worker_id: UUID, reason: str) -> None:
        await self._database.execute(_LEAVE, worker_id, reason)

    async def close_until(
        self, integration_id: UUID, epoch: int, seconds: float, reason: str, message: str
    ) -> None:
        await self._database.execute(
            _CLOSE_UNTIL, integration_id, epoch, seconds, reason, message[:500]
        )

    async def open(self, integration_id: UUID) -> None:
        await self._database.execute(_OPEN, integration_id)

    async def closed(self, integration_ids: Iterable[UUID]) -> set[UUID]:
        rows = await self._database.fetch(_CLOSED, list(integration_ids))
        return {row["integration_id"] for row in rows}

    async def changed(self, known: Mapping[UUID, datetime]) -> set[UUID]:
        rows = await self._database.fetch(_CHANGED, list(known), list(known.values()))
        return {row["id"] for row in rows}

    async def claim(
        self, worker_id: UUID, asked: Sequence[Mapping[str, Any]], send_within: float
    ) -> tuple[list[Claimed], list[Exhausted]]:
        rows = await self._database.fetch(
            _CLAIM, worker_id, orjson.dumps(list(asked), default=str).decode(), send_within
        )
        claimed: list[Claimed] = []
        exhausted: list[Exhausted] = []
        for row in rows:
            if row["write_id"] is None:
                exhausted.append(Exhausted(row["integration_id"], row["budget_key"], row["wait"]))
                continue
            claimed.append(
                Claimed(
                    id=row["write_id"],
                    integration_id=row["integration_id"],
                    epoch=row["epoch"],
                    account_id=row["account_id"],
                    state=row["state"],
                    attempts=row["attempts"],
                    failures=row["failures"],
                    resident_id=row["resident_id"],
                    plan=self._plan(row["write_id"], row["plan"]),
                    first_sent_at=row["first_sent_at"],
                    send_before=row["send_before"],
                    expires_at=row["expires_at"],
                    retry_of=row["retry_of"],
                    unsettled=row["unsettled"],
                    attempt_id=row["attempt_id"],
                    claimed_at=row["claimed_at"],
                )
            )
        return claimed, exhausted

    async def finish(self, worker_id: UUID, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
        moved = await self._database.fetch(
            _FINISH, worker_id, orjson.dumps(list(rows), default=str).decode()
        )
        return {row["id"] for row in moved}

    async def expire(self) -> int:
        ids = await self._database.fetch_value(_EXPIRED)
        if not ids:
            return 0
        message = "The event's time to be delivered ran out before the PMS took it."
        ended = await self._database.fetch(_END, ids, "expired", "expired", message)
        return len(ended)

    async def enter_lanes(self, portion: int) -> int:
        if not self._can_schedule:
            self._can_schedule = bool(await self._database.fetch_value(_CAN_SCHEDULE))
        if not self._can_schedule:
            return 0
        return int(await self._database.fetch_value(_ENTER_LANES, portion))

    async def cancel_stranded(self) -> int:
        ids = await self._database.fetch_value(_STRANDED)
        if not ids:
            return 0
        message = "The integration was archived before the write was sent."
        return len(await self._database.fetch(_END, ids, "cancelled", "cancelled", message))

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
            if row["plan"] is None or self._plan(row["id"], row["plan"]).get("trace") == trace
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

    async def events_read_at(self, resident_id: UUID) -> datetime | None:
        read_at: datetime | None = await self._database.fetch_value(_EVENTS_READ_AT, resident_id)
        return read_at

    def _plan(self, write_id: UUID, raw: str) -> dict[str, Any]:
        """A stored plan, opened. One that no key opens is left as it lies there, and is no plan to
        anybody: whoever has it in hand fails alone, and not the others of his batch."""
        try:
            return self._texts.open_json(write_id, raw)
        except UnreadableError as error:
            # Without the traceback: the reason says it all, and it may come often.
            log.error("plan_unreadable", job_id=str(write_id), reason=str(error))  # noqa: TRY400
            stored: dict[str, Any] = orjson.loads(raw)
            return stored

    def _pending(self, rows: Sequence[Record]) -> list[Pending]:
        found = [
            Pending(**{**dict(row), "plan": self._plan(row["id"], row["plan"])}) for row in rows
        ]
        return [write for write in found if "trace" in write.plan]

    def _seen(self, write: Pending, fields: Mapping[str, Any]) -> str:
        return orjson.dumps(self._texts.seal(write.account_id, fields)).decode()

    async def queue_status(self, integration_id: UUID) -> dict[str, Any]:
        row = await self._database.fetch_row(_QUEUE_STATUS, integration_id)
        return {} if row is None else dict(row)
