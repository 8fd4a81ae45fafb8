"""All SQL of the worker but that of looking records up. Each statement names the invariant that it
keeps; the ones that must lock are functions of the schema (database/migrations/0005_delivery.sql)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from frontdesk.database.pool import Database, Record
from frontdesk.delivery.stored_plans import opened_plan
from frontdesk.vault import CLEAR, Texts

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

_HELD = """
SELECT l.integration_id, l.epoch FROM leases AS l
JOIN integrations AS i ON i.id = l.integration_id AND NOT i.is_archived
WHERE l.worker_id = $1
"""

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

# As a claim gives them, which is how they came into the worker's name.
_CLAIMED = """
SELECT w.id AS write_id, w.integration_id, l.epoch, w.account_id, w.state, w.attempts, w.failures,
    w.resident_id, w.plan, w.first_sent_at, w.send_before, w.expires_at, w.retry_of, w.unsettled,
    NULL::uuid AS attempt_id, clock_timestamp() AS claimed_at
FROM writes AS w JOIN leases AS l ON l.integration_id = w.integration_id AND l.worker_id = $1
WHERE w.integration_id = ANY ($2) AND w.finished_at IS NULL AND w.ready_at IS NULL
    AND (w.state = 'sending' OR (w.state = 'reconciling' AND w.started_at IS NOT NULL))
    AND w.id <> ALL ($3)
"""

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
class Exhausted:
    """No budget for this integration's method until `wait` seconds from now."""

    integration_id: UUID
    budget_key: str
    wait: float


class DeliveryRepository:
    """The worker's statements."""

    def __init__(self, database: Database, texts: Texts = CLEAR) -> None:
        self._database = database
        self._texts = texts
        self._can_schedule = False

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
            claimed.append(self._claimed(row))
        return claimed, exhausted

    async def claimed(
        self, worker_id: UUID, integration_ids: Sequence[UUID], but: Sequence[UUID]
    ) -> list[Claimed]:
        """The writes of these integrations that stand in this worker's name, `but` those."""
        rows = await self._database.fetch(_CLAIMED, worker_id, integration_ids, but)
        return [self._claimed(row) for row in rows]

    def _claimed(self, row: Record) -> Claimed:
        return Claimed(
            id=row["write_id"],
            integration_id=row["integration_id"],
            epoch=row["epoch"],
            account_id=row["account_id"],
            state=row["state"],
            attempts=row["attempts"],
            failures=row["failures"],
            resident_id=row["resident_id"],
            plan=opened_plan(self._texts, row["write_id"], row["plan"]),
            first_sent_at=row["first_sent_at"],
            send_before=row["send_before"],
            expires_at=row["expires_at"],
            retry_of=row["retry_of"],
            unsettled=row["unsettled"],
            attempt_id=row["attempt_id"],
            claimed_at=row["claimed_at"],
        )

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

    async def queue_status(self, integration_id: UUID) -> dict[str, Any]:
        row = await self._database.fetch_row(_QUEUE_STATUS, integration_id)
        return {} if row is None else dict(row)
