"""All SQL of a write's owner: status, waiting, cancel, retry, and the logs of writes and reads.

Invariant: whatever is asked for by a caller names his account; a write of another does not exist
here. The intake's own statements are in `intake_repository`, the worker's in `delivery`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
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
    ) AS property_disabled
FROM chain AS w JOIN integrations AS i ON i.id = w.integration_id
ORDER BY w.depth DESC LIMIT 1
"""

# `latest`: the last attempt to send, whose request and answer a developer looks for first.
_WRITES = """
SELECT w.id, w.submitted_at, w.state, w.integration_id, w.operation, w.input, w.errors, w.vendor,
    w.external_reference, i.name, latest.id AS job_log_id
FROM writes AS w
JOIN integrations AS i ON i.id = w.integration_id
LEFT JOIN LATERAL (
    SELECT a.id FROM attempts AS a
    WHERE a.job_id = w.id AND a.kind = 'send' ORDER BY a.number DESC LIMIT 1) AS latest ON true
WHERE w.account_id = $1
    AND ($2::uuid IS NULL OR w.integration_id = $2)
    AND ($3::timestamptz IS NULL OR w.submitted_at >= $3)
    AND ($4::text[] IS NULL OR w.state = ANY ($4))
    AND ($5::text IS NULL OR w.external_reference = $5)
ORDER BY w.submitted_at DESC, w.id
LIMIT $6 OFFSET $7
"""

_ATTEMPT = """
SELECT a.id, a.job_id, a.created_at, a.job_type, a.kind, a.outcome, a.finished_at,
    a.integration_id, j.parent_job_id, coalesce(j.root_job_id, a.job_id) AS root_job_id,
    w.event->>'property_id' AS property_id
FROM attempts AS a
LEFT JOIN read_jobs AS j ON a.kind = 'read' AND j.id = a.job_id
LEFT JOIN writes AS w ON a.kind <> 'read' AND w.id = a.job_id
"""

_ONE_ATTEMPT = f"{_ATTEMPT} WHERE a.account_id = $1 AND a.id = $2"

_ATTEMPT_DATA = """
SELECT id, job_id, request::text AS request, answer::text AS answer, outcome, code, message,
    upstream_status, sent_at, finished_at
FROM attempts WHERE account_id = $1 AND id = $2
"""

_SIGN = {"asc": ">", "desc": "<"}


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


async def writes(
    database: Database,
    account_id: UUID,
    *,
    integration_id: UUID | None,
    since: datetime | None,
    states: Collection[str] | None,
    external_reference: str | None,
    limit: int,
    offset: int,
) -> list[Record]:
    """The account's writes, newest first."""
    return await database.fetch(
        _WRITES,
        account_id,
        integration_id,
        since,
        None if states is None else list(states),
        external_reference,
        limit,
        offset,
    )


async def attempts(
    database: Database,
    account_id: UUID,
    *,
    job_id: UUID | None,
    integration_id: UUID | None,
    directions: tuple[str, str],
    after: tuple[datetime, UUID] | None,
    limit: int,
    offset: int,
) -> list[Record]:
    """Attempts of writes and reads, by (created_at, id) in these directions."""
    by_time, by_id = directions
    where, arguments = _conditions(account_id, job_id, integration_id)
    if after is not None:
        arguments += after
        time, id_ = len(arguments) - 1, len(arguments)
        where += (
            f" AND (a.created_at {_SIGN[by_time]} ${time}"
            f" OR a.created_at = ${time} AND a.id {_SIGN[by_id]} ${id_})"
        )
    arguments += [limit, offset]
    return await database.fetch(
        f"{_ATTEMPT} WHERE {where} ORDER BY a.created_at {by_time}, a.id {by_id} "
        f"LIMIT ${len(arguments) - 1} OFFSET ${len(arguments)}",
        *arguments,
    )


async def count_attempts(
    database: Database,
    account_id: UUID,
    *,
    job_id: UUID | None,
    integration_id: UUID | None,
    at_most: int,
) -> int:
    """How many attempts there are; stops counting past `at_most`."""
    where, arguments = _conditions(account_id, job_id, integration_id)
    counted: int = await database.fetch_value(
        # The conditions are columns and placeholders of this module, never a caller's text.
        f"SELECT count(*) FROM (SELECT FROM attempts AS a WHERE {where} LIMIT {at_most + 1}) AS c",  # noqa: S608 — see above
        *arguments,
    )
    return counted


async def attempt(database: Database, account_id: UUID, attempt_id: UUID) -> Record | None:
    """One attempt."""
    return await database.fetch_row(_ONE_ATTEMPT, account_id, attempt_id)


async def attempt_data(database: Database, account_id: UUID, attempt_id: UUID) -> Record | None:
    """The masked request and answer of an attempt, as JSON text."""
    return await database.fetch_row(_ATTEMPT_DATA, account_id, attempt_id)


async def job_exists(database: Database, account_id: UUID, job_id: UUID) -> bool:
    """Whether the account has a write or a read job with this id."""
    exists: bool = await database.fetch_value(
        "SELECT EXISTS (SELECT FROM writes WHERE account_id = $1 AND id = $2)"
        " OR EXISTS (SELECT FROM read_jobs WHERE account_id = $1 AND id = $2)",
        account_id,
        job_id,
    )
    return exists


def _conditions(
    account_id: UUID, job_id: UUID | None, integration_id: UUID | None
) -> tuple[str, list[object]]:
    arguments: list[object] = [account_id]
    parts: Sequence[tuple[str, UUID | None]] = (
        ("a.job_id", job_id),
        ("a.integration_id", integration_id),
    )
    where = "a.account_id = $1"
    for column, value in parts:
        if value is not None:
            arguments.append(value)
            where += f" AND {column} = ${len(arguments)}"
    return where, arguments
