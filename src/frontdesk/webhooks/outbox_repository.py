"""All SQL of the outbox and of sending: notices become deliveries, deliveries are claimed, and how
an attempt ended is recorded.

Invariants: a notice is deleted in the transaction that stores its deliveries; one process at a time
does that, so that a webhook's sequence follows the order in which things happened. A claim is for a
time: what is not recorded within it is sent again. What is recorded late counts only if it is a
success of a delivery that is still on its way.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from frontdesk.database.pool import Connection, Database, Record

_ALONE = "SELECT pg_try_advisory_xact_lock(7043)"

# A write's record may have got another id after the notice was put down, in the same transaction:
# the cache held it already.
_NOTICES = """
SELECT n.id, n.account_id, n.integration_id, n.trigger, n.subject_id, n.resident_id, n.model,
    n.callback_url, n.told, n.before, n.after, i.vendor, w.event_id, w.operation,
    j.job_type, j.root_job_id
FROM webhook_notices AS n
LEFT JOIN integrations AS i ON i.id = n.integration_id
LEFT JOIN writes AS w ON w.id = CASE WHEN n.model IS NULL THEN n.subject_id
    ELSE (n.told->>'job_id')::uuid END
LEFT JOIN read_jobs AS j ON j.id = (n.told->>'job_id')::uuid
ORDER BY n.id LIMIT $1
FOR UPDATE OF n SKIP LOCKED
"""

_LISTENERS = """
SELECT id, account_id, triggers, model FROM webhooks
WHERE account_id = ANY ($1::uuid[]) AND active AND deleted_at IS NULL
ORDER BY created_at, id
"""

_COUNT_UP = """
UPDATE webhooks AS h SET next_sequence = h.next_sequence + c.many
FROM unnest($1::uuid[], $2::bigint[]) AS c(id, many)
WHERE h.id = c.id RETURNING h.id, h.next_sequence - c.many AS first
"""

_COUNT_UP_CALLBACKS = """
UPDATE callback_secrets AS s SET next_sequence = s.next_sequence + c.many
FROM unnest($1::uuid[], $2::bigint[]) AS c(id, many)
WHERE s.account_id = c.id RETURNING s.account_id AS id, s.next_sequence - c.many AS first
"""

_ADD = """
INSERT INTO webhook_deliveries (id, account_id, webhook_id, url, destination, trigger, sequence,
    body, subject_id, resident_id, give_up_at)
SELECT d.id, d.account_id, d.webhook_id, d.url, d.destination, d.trigger, d.sequence, d.body,
    d.subject_id, d.resident_id, clock_timestamp() + make_interval(secs => $2)
FROM jsonb_to_recordset($1::jsonb) AS d(id uuid, account_id uuid, webhook_id uuid, url text,
    destination uuid, trigger text, sequence bigint, body text, subject_id uuid, resident_id uuid)
"""

_FORGET = "DELETE FROM webhook_notices WHERE id = ANY ($1::bigint[])"

# Each destination that has something to send is found by one step along the index, so a backlog of
# one costs the others nothing, and none is given more turns than it may have. $1, $2: turns left of
# those that have fewer than $3. Of a webhook that is switched off nothing is taken.
_CLAIM = """
WITH RECURSIVE places AS (
    (SELECT d.destination FROM webhook_deliveries AS d
        WHERE d.ready_at IS NOT NULL ORDER BY d.destination LIMIT 1)
    UNION ALL
    SELECT (SELECT d.destination FROM webhook_deliveries AS d
        WHERE d.ready_at IS NOT NULL AND d.destination > p.destination
        ORDER BY d.destination LIMIT 1)
    FROM places AS p WHERE p.destination IS NOT NULL),
due AS (
    SELECT d.id, d.ready_at
    FROM places AS p
    LEFT JOIN webhooks AS h ON h.id = p.destination
    LEFT JOIN unnest($1::uuid[], $2::integer[]) AS known(destination, free)
        ON known.destination = p.destination
    CROSS JOIN LATERAL (
        SELECT w.id, w.ready_at FROM webhook_deliveries AS w
        WHERE w.destination = p.destination AND w.ready_at <= now()
        ORDER BY w.ready_at LIMIT coalesce(known.free, $3) FOR UPDATE SKIP LOCKED) AS d
    WHERE p.destination IS NOT NULL AND (h.id IS NULL OR h.active)
    ORDER BY d.ready_at LIMIT $4),
claimed AS (
    UPDATE webhook_deliveries AS d SET state = 'sending', claims = d.claims + 1,
        attempts = d.attempts + 1, last_attempt_at = clock_timestamp(),
        ready_at = clock_timestamp() + make_interval(secs => $5)
    FROM due WHERE d.id = due.id
    RETURNING d.*)
SELECT c.id, c.account_id, c.webhook_id, c.destination, c.trigger, c.sequence, c.body, c.test,
    c.claims, c.attempts, c.subject_id, coalesce(h.url, c.url) AS url, h.headers,
    coalesce(h.secret, s.secret) AS secret,
    CASE WHEN h.id IS NOT NULL
        THEN CASE WHEN h.previous_secret_until > now() THEN h.previous_secret END
        ELSE CASE WHEN s.previous_secret_until > now() THEN s.previous_secret END
    END AS previous_secret
FROM claimed AS c
LEFT JOIN webhooks AS h ON h.id = c.webhook_id
LEFT JOIN callback_secrets AS s ON c.webhook_id IS NULL AND s.account_id = c.account_id
"""

# What keeps the traces of the writes that deliveries tell of; of other subjects there is none.
_PLANS = "SELECT id, plan FROM writes WHERE id = ANY ($1::uuid[])"

# A success counts also when it comes late, unless somebody asked for the delivery anew: the receiver
# has it. The webhook's own row is touched once a minute at most.
_DELIVERED = """
WITH moved AS (
    UPDATE webhook_deliveries SET state = 'delivered', ready_at = NULL, last_status = $3,
        last_error = NULL, finished_at = clock_timestamp()
    WHERE id = $1 AND finished_at IS NULL AND (claims = $2 OR state = 'sending')
    RETURNING webhook_id, test)
UPDATE webhooks AS h SET failing_since = NULL, last_success_at = clock_timestamp()
FROM moved WHERE h.id = moved.webhook_id AND NOT moved.test
    AND (h.failing_since IS NOT NULL OR h.last_success_at IS NULL
        OR h.last_success_at < clock_timestamp() - interval '1 minute')
"""

# Past its time it is dead. A webhook that has failed for so long without a success in between is
# switched off: that row is returned, once.
_FAILED = """
WITH moved AS (
    UPDATE webhook_deliveries SET
        state = CASE WHEN give_up_at <= clock_timestamp() THEN 'dead' ELSE 'waiting' END,
        ready_at = CASE WHEN give_up_at > clock_timestamp() THEN
            least(clock_timestamp() + make_interval(secs => $3), give_up_at) END,
        finished_at = CASE WHEN give_up_at <= clock_timestamp() THEN clock_timestamp() END,
        last_status = $4, last_error = $5
    WHERE id = $1 AND claims = $2 AND state = 'sending'
    RETURNING webhook_id, test),
failing AS (
    UPDATE webhooks AS h SET failing_since = coalesce(h.failing_since, clock_timestamp()),
        active = h.failing_since IS NULL,
        disabled_at = CASE WHEN h.failing_since IS NOT NULL THEN clock_timestamp() END,
        disabled_reason = CASE WHEN h.failing_since IS NOT NULL THEN $7 || $5 END,
        updated_at = CASE WHEN h.failing_since IS NOT NULL THEN clock_timestamp()
            ELSE h.updated_at END
    FROM moved WHERE h.id = moved.webhook_id AND NOT moved.test AND h.active
        AND (h.failing_since IS NULL
            OR h.failing_since <= clock_timestamp() - make_interval(secs => $6))
    RETURNING h.id, h.account_id, h.active, h.disabled_reason)
SELECT id, account_id, disabled_reason FROM failing WHERE NOT active
"""

# What waits behind a webhook that is switched off dies when its time has come.
_GIVE_UP = """
WITH late AS (
    SELECT d.id FROM webhooks AS h JOIN webhook_deliveries AS d
        ON d.destination = h.id AND d.ready_at IS NOT NULL AND d.give_up_at <= clock_timestamp()
    WHERE NOT h.active LIMIT $1 FOR UPDATE OF d SKIP LOCKED)
UPDATE webhook_deliveries AS d SET state = 'dead', ready_at = NULL, finished_at = clock_timestamp(),
    last_error = coalesce(d.last_error, 'the webhook was switched off')
FROM late WHERE d.id = late.id
"""

_CLEAR_DELETED = """
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT d.id FROM webhooks AS h JOIN webhook_deliveries AS d ON d.webhook_id = h.id
    WHERE h.deleted_at IS NOT NULL LIMIT $1)
"""

_DELETE = """
DELETE FROM webhooks AS h WHERE deleted_at < clock_timestamp() - interval '5 minutes'
    AND NOT EXISTS (SELECT FROM webhook_deliveries AS d WHERE d.webhook_id = h.id)
"""

_CLEAR_OLD = """
DELETE FROM webhook_deliveries WHERE id IN (
    SELECT id FROM webhook_deliveries
    WHERE finished_at < clock_timestamp() - make_interval(days => $2) LIMIT $1)
"""

_CLEAR_CALLBACKS = """
DELETE FROM callbacks WHERE job_id IN (
    SELECT c.job_id FROM callbacks AS c
    WHERE NOT EXISTS (SELECT FROM writes AS w WHERE w.id = c.job_id) LIMIT $1)
"""


class NewDelivery(NamedTuple):
    """A delivery as it is stored. `body` is the text that is signed."""

    id: UUID
    account_id: UUID
    webhook_id: UUID | None
    url: str | None
    destination: UUID
    trigger: str
    sequence: int
    body: str
    subject_id: UUID
    resident_id: UUID | None


class OutboxRepository:
    """The outbox and what became of it, as rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- notices become deliveries; the caller's transaction makes it one step ---------------------

    async def alone(self, connection: Connection) -> bool:
        """Whether this transaction is the one that empties the outbox now."""
        return bool(await connection.fetch_value(_ALONE))

    async def notices(self, connection: Connection, limit: int) -> list[Record]:
        """The oldest notices, held until the transaction ends."""
        return await connection.fetch(_NOTICES, limit)

    async def listeners(self, connection: Connection, accounts: Sequence[UUID]) -> list[Record]:
        """The active webhooks of these accounts."""
        return await connection.fetch(_LISTENERS, list(accounts))

    async def count_up(
        self, connection: Connection, webhooks: Mapping[UUID, int]
    ) -> dict[UUID, int]:
        """Take so many sequence numbers of each webhook; the first of each."""
        rows = await connection.fetch(_COUNT_UP, list(webhooks), list(webhooks.values()))
        return {row["id"]: row["first"] for row in rows}

    async def count_up_callbacks(
        self, connection: Connection, accounts: Mapping[UUID, int]
    ) -> dict[UUID, int]:
        """The same for the callbacks of accounts, which must have a callback secret."""
        rows = await connection.fetch(_COUNT_UP_CALLBACKS, list(accounts), list(accounts.values()))
        return {row["id"]: row["first"] for row in rows}

    async def add(
        self, connection: Connection, deliveries: Sequence[NewDelivery], seconds: float
    ) -> None:
        """Store deliveries, to be tried for so many seconds."""
        rows = [delivery._asdict() for delivery in deliveries]
        await connection.execute(_ADD, orjson.dumps(rows, default=str).decode(), seconds)

    async def forget(self, connection: Connection, notices: Sequence[int]) -> None:
        """These notices have become deliveries."""
        await connection.execute(_FORGET, list(notices))

    # --- deliveries -------------------------------------------------------------------------------

    async def claim(
        self, known: Mapping[UUID, int], *, each: int, limit: int, seconds: float
    ) -> list[Record]:
        """Up to `limit` deliveries that are due, `each` at most of one destination unless `known`
        has a number for it; to be sent again after `seconds` without a word."""
        return await self._database.fetch(
            _CLAIM, list(known), list(known.values()), each, limit, seconds
        )

    async def plans(self, subjects: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """The stored plan, sealed or not, of each of these subjects that is a write."""
        rows = await self._database.fetch(_PLANS, list(subjects))
        return {row["id"]: orjson.loads(row["plan"]) for row in rows}

    async def delivered(self, delivery_id: UUID, claims: int, status: int) -> None:
        """The receiver has it."""
        await self._database.execute(_DELIVERED, delivery_id, claims, status)

    async def failed(
        self,
        connection: Connection,
        delivery_id: UUID,
        claims: int,
        *,
        delay: float,
        status: int | None,
        error: str,
        patience: float,
        reason: str,
    ) -> Record | None:
        """It was not taken; again after `delay` seconds. The webhook that was switched off by it,
        because it failed for `patience` seconds: `id account_id disabled_reason`."""
        return await connection.fetch_row(
            _FAILED, delivery_id, claims, delay, status, error, patience, reason
        )

    # --- upkeep, in portions ----------------------------------------------------------------------

    async def tidy(self, portion: int, days: int) -> bool:
        """Give up, clear and forget what is due for it; whether there may be more."""
        tags = [
            await self._database.execute(_GIVE_UP, portion),
            await self._database.execute(_CLEAR_DELETED, portion),
            await self._database.execute(_CLEAR_OLD, portion, days),
            await self._database.execute(_CLEAR_CALLBACKS, portion),
        ]
        await self._database.execute(_DELETE)
        return any(int(tag.rpartition(" ")[2]) >= portion for tag in tags)
