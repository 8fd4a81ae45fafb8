"""All SQL of the intake: accepting a batch, and looking an idempotency key up."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from frontdesk.database.pool import Database


class Taken(NamedTuple):
    """A request whose idempotency key another one holds: that one's job, fingerprint and answer."""

    refused_id: UUID | None
    job_id: UUID
    fingerprint: bytes
    answer: dict[str, Any]


# One statement, so one transaction: the keys and the writes stand or fall together.
_ACCEPT = "SELECT refused_id, taken_by, fingerprint, answer FROM accept_writes($1::jsonb)"

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


async def accept(database: Database, rows: Sequence[dict[str, Any]]) -> dict[UUID, Taken]:
    """Commit these writes; what comes back was not accepted, because its key is taken."""
    refused = await database.fetch(_ACCEPT, orjson.dumps(list(rows), default=str).decode())
    return {
        row["refused_id"]: Taken(
            row["refused_id"], row["taken_by"], row["fingerprint"], orjson.loads(row["answer"])
        )
        for row in refused
    }


async def look_up(database: Database, account_id: UUID, key: str) -> Taken | None:
    """What this key was answered with in the last 24 hours."""
    row = await database.fetch_row(_LOOK_UP, account_id, key)
    if row is None:
        return None
    return Taken(None, row["job_id"], row["fingerprint"], orjson.loads(row["answer"]))


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
