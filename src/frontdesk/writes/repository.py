"""All SQL of a write's owner: status, waiting, cancel, retry.

Invariant: whatever is asked for by a caller names his account; a write of another does not exist
here. The logs' statements are in `logs_repository`, the intake's own in `intake_repository`, the
worker's in `delivery`.
"""

from collections.abc import Collection
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record

# The clock of the database, because every moment in the row is one of its own. `throttled`: the
# latest attempt was put off by the vendor's "slow down", not by a failure.
_STATUS = """
SELECT w.id, w.integration_id, w.vendor, w.operation, w.state, w.ready_at, w.event_id, w.x_id,
    w.resolution, w.external_reference, w.attempts, w.errors, w.submitted_at, w.started_at,
    w.finished_at, w.retry_of, i.active AND NOT i.is_archived AS active, l.not_before,
    l.not_before_reason, b.blocked_until, clock_timestamp() AS now,
    w.state = 'retrying' AND w.errors->0->>'upstream_status' = '429' AS throttled,
    CASE WHEN w.state = 'scheduled' THEN (w.input->>'send_at')::timestamptz END AS scheduled_for,
    w.finished_at IS NULL AND EXISTS (
        SELECT FROM writes AS earlier
        WHERE earlier.integration_id = w.integration_id AND earlier.resident_id = w.resident_id
            AND earlier.lane_number < w.lane_number AND earlier.finished_at IS NULL
    ) AS behind_earlier
FROM writes AS w
JOIN integrations AS i ON i.id = w.integration_id
LEFT JOIN leases AS l ON l.integration_id = w.integration_id
LEFT JOIN budgets AS b ON b.scope = i.budget_scope AND b.method = w.budget_key
WHERE w.id = $2 AND w.account_id = $1
"""

# One look for every waiter of the process. Nothing of an account leaves here.
_TOLD = """
SELECT id, state || attempts || coalesce(resolution, '') AS mark, finished_at IS NOT NULL AS ended
FROM writes WHERE id = ANY ($1)
"""

_CANCEL = """
SELECT ended FROM end_writes(
    ARRAY(SELECT id FROM writes WHERE id = $2 AND account_id = $1),
    'cancelled', 'cancelled', 'The write was cancelled before it was sent.') AS ended
"""

# In portions: one transaction over a backlog of a million would hold every lane of it.
_CANCEL_WAITING = """
SELECT count(*) FROM end_writes(
    ARRAY(SELECT id FROM writes
        WHERE integration_id = $1 AND finished_at IS NULL
            AND state IN ('scheduled', 'queued', 'retrying') AND NOT unsettled
        ORDER BY lane_number LIMIT $2),
    'cancelled', 'cancelled', 'The integration was archived before the write was sent.')
"""

# The write itself and every retry that came of it, the latest last.
_RETRIES = """
WITH RECURSIVE chain AS (
    SELECT w.*, 0 AS depth FROM writes AS w WHERE w.id = $2 AND w.account_id = $1
    UNION ALL
    SELECT w.*, chain.depth + 1 FROM chain JOIN writes AS w ON w.id = chain.retried_by
)
SELECT w.id, w.integration_id, w.vendor, w.operation, w.resident_id, w.budget_key, w.state, w.input,
    w.plan, w.event, w.warnings, w.event_id, w.external_reference, w.retry_of,
    i.active, i.is_archived, i.write_expiry_hours,
    EXISTS (
        SELECT FROM integration_properties AS p
        WHERE p.integration_id = w.integration_id AND NOT p.enabled
            AND p.property_id = (w.event->>'property_id')::uuid
    ) AS property_disabled,
    NOT i.allow_email_send AND coalesce(w.input->'email_send' = 'true', false) AS message_forbidden
FROM chain AS w JOIN integrations AS i ON i.id = w.integration_id
ORDER BY w.depth DESC LIMIT 1
"""


async def status(database: Database, account_id: UUID, job_id: UUID) -> Record | None:
    """A write and what surrounds it, as `status.status_of` needs it."""
    return await database.fetch_row(_STATUS, account_id, job_id)


async def told(database: Database, ids: Collection[UUID]) -> list[Record]:
    """`id`, `mark` (changes with every step) and `ended` of these writes."""
    return await database.fetch(_TOLD, list(ids))


async def cancel(connection: Connection, account_id: UUID, job_id: UUID) -> bool:
    """End a write that is not out. False where it is out, ended, or not there."""
    return await connection.fetch_value(_CANCEL, account_id, job_id) is not None


async def cancel_waiting(database: Database, integration_id: UUID, portion: int) -> int:
    """End up to `portion` writes of an integration that are not out; how many it were."""
    ended: int = await database.fetch_value(_CANCEL_WAITING, integration_id, portion)
    return ended


async def latest_retry(database: Database, account_id: UUID, job_id: UUID) -> Record | None:
    """The write, or the latest retry that came of it."""
    return await database.fetch_row(_RETRIES, account_id, job_id)
