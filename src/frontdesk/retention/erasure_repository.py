"""All SQL of an erasure. Every statement runs in the one transaction that the service opens, and
names the account, or an integration or writes that were found by it.

Invariant: locks are taken in one order: the integration's erasures (a sync that is storing residents
holds them shared), then the lane, then rows.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record

_OWNER = "SELECT account_id FROM residents WHERE id = $1"

_RESIDENT = """
SELECT id, integration_id, x_id FROM residents WHERE account_id = $1 AND id = $2
"""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 4212))"
_LOCK_LANE = "SELECT pg_advisory_xact_lock(lane_lock($1, $2))"

_UNFINISHED = """
SELECT id, state FROM writes
WHERE integration_id = $1 AND resident_id = $2 AND finished_at IS NULL ORDER BY lane_number
"""
_CANCEL = """
SELECT count(*) FROM end_writes($1, 'cancelled', 'cancelled',
    'The write was cancelled because its resident was erased.')
"""

# What is told of a row's change from here on would tell what is being erased.
_SILENCE = "SELECT set_config('frontdesk.silent', 'on', true)"

_REMEMBER = """
INSERT INTO erased_residents (integration_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""

# A write keeps who, when and what came of it, and the PMS's id of its record; nothing that was said.
# It is not looked for at the PMS any more.
_ERASE_WRITES = """
UPDATE writes SET input = '{}', plan = '{}', event = '{}', warnings = '[]', errors = '[]',
    external_reference = NULL, first_sent_at = NULL, resolution = nullif(resolution, 'pending')
WHERE account_id = $1 AND integration_id = $2 AND resident_id = $3 AND finished_at IS NOT NULL
RETURNING id
"""

_ERASE_ATTEMPTS = """
UPDATE attempts SET request = NULL, answer = NULL, message = NULL
WHERE job_id = ANY ($1) AND kind <> 'read'
"""

# A read that failed keeps the answer that it failed on, and whoever was on that page.
_ERASE_READS = """
UPDATE attempts SET request = NULL, answer = NULL, message = NULL
WHERE account_id = $1 AND integration_id = $2 AND kind = 'read' AND answer IS NOT NULL
"""

_ERASE_EVENTS = "DELETE FROM events WHERE integration_id = $1 AND resident_id = $2"

_ERASE_KEYS = "DELETE FROM idempotency_keys WHERE account_id = $1 AND job_id = ANY ($2)"

# A call's key answers for others too: only what was said to this resident's events goes.
_ERASE_IN_CALLS = """
UPDATE idempotency_keys AS k SET answer = jsonb_set(k.answer, '{results}', (
    SELECT jsonb_agg(CASE WHEN item->'data'->>'resident_id' = $2 THEN
            jsonb_build_object('job_id', item->'job_id', 'meta', item->'meta', 'erased', true)
        ELSE item END ORDER BY place)
    FROM jsonb_array_elements(k.answer->'results') WITH ORDINALITY AS of_call(item, place)))
WHERE k.account_id = $1 AND jsonb_typeof(k.answer->'results') = 'array'
    AND k.answer->'results' @> jsonb_build_array(
        jsonb_build_object('data', jsonb_build_object('resident_id', $2::text)))
"""

_CAN_ERASE_DELIVERIES = "SELECT to_regprocedure('erase_deliveries(uuid[])') IS NOT NULL"
_ERASE_DELIVERIES = "SELECT erase_deliveries(ARRAY[$1::uuid])"

_ERASE_RESIDENT = "DELETE FROM residents WHERE id = $1"


class Erased(NamedTuple):
    """How much was erased."""

    events: int
    writes: int
    attempts: int


async def owner_of(database: Database, resident_id: UUID) -> UUID | None:
    """Whose resident it is, for an operator at the command line."""
    owner: UUID | None = await database.fetch_value(_OWNER, resident_id)
    return owner


async def resident(database: Database, account_id: UUID, resident_id: UUID) -> Record | None:
    """`id integration_id x_id` of the account's resident."""
    return await database.fetch_row(_RESIDENT, account_id, resident_id)


async def lock(connection: Connection, integration_id: UUID, resident_id: UUID) -> None:
    """No sync of the integration stores residents, and nothing enters the lane, until the end of
    the transaction."""
    await connection.execute(_LOCK, integration_id)
    await connection.execute(_LOCK_LANE, integration_id, resident_id)


async def unfinished(
    connection: Connection, integration_id: UUID, resident_id: UUID
) -> list[Record]:
    """`id state` of the resident's writes that have not ended."""
    return await connection.fetch(_UNFINISHED, integration_id, resident_id)


async def cancel(connection: Connection, ids: Sequence[UUID]) -> int:
    """End those of these writes that are not out; how many."""
    ended: int = await connection.fetch_value(_CANCEL, list(ids))
    return ended


async def erase(
    connection: Connection,
    account_id: UUID,
    integration_id: UUID,
    resident_id: UUID,
    name: str,
    patience: float,
) -> Erased:
    """Erase all that is kept of a resident without unfinished writes; `name` is what is left."""
    await connection.execute(_SILENCE)
    await connection.execute(_REMEMBER, integration_id, name)
    rows = await connection.fetch(
        _ERASE_WRITES, account_id, integration_id, resident_id, patience=patience
    )
    jobs = [row["id"] for row in rows]
    attempts = await connection.execute(_ERASE_ATTEMPTS, jobs, patience=patience)
    await connection.execute(_ERASE_READS, account_id, integration_id, patience=patience)
    await connection.execute(_ERASE_KEYS, account_id, jobs, patience=patience)
    await connection.execute(_ERASE_IN_CALLS, account_id, str(resident_id), patience=patience)
    events = await connection.execute(_ERASE_EVENTS, integration_id, resident_id, patience=patience)
    if await connection.fetch_value(_CAN_ERASE_DELIVERIES):
        await connection.execute(_ERASE_DELIVERIES, resident_id)
    await connection.execute(_ERASE_RESIDENT, resident_id)
    return Erased(_count(events), len(jobs), _count(attempts))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
