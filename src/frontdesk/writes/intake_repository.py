"""All SQL of the intake: accepting a batch, and looking an idempotency key up."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from frontdesk.database.pool import Database, Record


class Taken(NamedTuple):
    """A request whose idempotency key another one holds: that one's job, fingerprint and answer, as
    JSON, its texts perhaps sealed."""

    refused_id: UUID | None
    job_id: UUID
    fingerprint: bytes
    answer: str


# One statement, so one transaction: the keys and the writes stand or fall together.
_ACCEPT = "SELECT refused_id, taken_by, fingerprint, answer FROM accept_writes($1::jsonb)"

# Writes with times of their own. A schema that cannot keep the times does not know the function.
_ACCEPT_TIMED = (
    "SELECT refused_id, taken_by, fingerprint, answer FROM accept_timed_writes($1::jsonb)"
)

_ACCEPT_CALL = "SELECT taken_by, fingerprint, answer FROM accept_call($1::jsonb, $2::jsonb)"

_LOOK_UP = """
SELECT job_id, fingerprint, answer FROM idempotency_keys
WHERE account_id = $1 AND key = $2 AND created_at >= clock_timestamp() - interval '24 hours'
"""

_KEEP_ANSWER = """
INSERT INTO idempotency_keys AS kept (account_id, key, fingerprint, job_id, answer)
VALUES ($1, $2, decode($3, 'hex'), $4, $5::jsonb)
ON CONFLICT (account_id, key) DO UPDATE
    SET fingerprint = EXCLUDED.fingerprint, job_id = EXCLUDED.job_id, answer = EXCLUDED.answer,
        created_at = EXCLUDED.created_at
    WHERE kept.created_at < clock_timestamp() - interval '24 hours'
"""

# A row that is seen may stand on this server alone: a commit whose wait for the synchronous standby
# was broken off is visible from then on, and a failover would take it back. What only reads does not
# wait for the standby; what leaves a trace in the log does, and the log is replicated in order.
_STAND = "SELECT pg_logical_emit_message(true, 'frontdesk', ''::text)"


async def accept(
    database: Database, rows: Sequence[dict[str, Any]], again: float | None = None
) -> dict[UUID, Taken]:
    """Commit these writes; what comes back was not accepted, because its key is taken. `again`: see
    `_stored`."""
    timed = any(row["send_at"] is not None or row["expires_at"] is not None for row in rows)
    refused = await _stored(
        database,
        again,
        _ACCEPT_TIMED if timed else _ACCEPT,
        orjson.dumps(list(rows), default=str).decode(),
    )
    return {
        row["refused_id"]: Taken(
            row["refused_id"], row["taken_by"], row["fingerprint"], row["answer"]
        )
        for row in refused
    }


async def accept_call(
    database: Database,
    call: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    again: float | None = None,
) -> Taken | None:
    """Commit the writes of one call and its key, all or nothing; what comes back holds the key.
    `again`: see `_stored`."""
    held = await _stored(
        database,
        again,
        _ACCEPT_CALL,
        orjson.dumps(call, default=str).decode(),
        orjson.dumps(list(rows), default=str).decode(),
    )
    if not held:
        return None
    (row,) = held
    return Taken(None, row["taken_by"], row["fingerprint"], row["answer"])


async def look_up(database: Database, account_id: UUID, key: str) -> Taken | None:
    """What this key was answered with in the last 24 hours."""
    row = await database.fetch_row(_LOOK_UP, account_id, key)
    if row is None:
        return None
    # The caller will be told that it is accepted.
    await database.execute(_STAND)
    return Taken(None, row["job_id"], row["fingerprint"], row["answer"])


async def keep_answer(
    database: Database,
    account_id: UUID,
    key: str,
    fingerprint: str,
    job_id: UUID,
    answer: dict[str, Any],
) -> None:
    """Answer this key so for 24 hours; whoever was first with it is not overwritten."""
    stored = orjson.dumps(answer).decode()
    await database.execute(_KEEP_ANSWER, account_id, key, fingerprint, job_id, stored)


async def _stored(
    database: Database, again: float | None, sql: str, *arguments: str
) -> list[Record]:
    """The rows of one statement, committed. `again`: what it stores may be there already, by a commit
    whose fate is unknown; when this returns, it is on the synchronous standbys as well. That many
    seconds each part of it may take."""
    if again is None:
        return await database.fetch(sql, *arguments)
    async with database.transaction(again) as transaction:
        await transaction.execute(_STAND, patience=again)
        return await transaction.fetch(sql, *arguments, patience=again)
