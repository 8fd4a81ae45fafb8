"""SQL of the work that reads from PMSs: syncs and their steps, refreshes, data-access checks.

Invariants: an integration has at most one open sync (a partial unique index), whoever schedules; a
job is worked on by one run at a time, and what a run that lost it says late is refused (`claims`);
a page's records and the cursor behind them are one commit; a sync ends when its last step ends.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.catalog.values import as_json
from frontdesk.database.pool import Connection, Record

# NO KEY UPDATE: a stronger lock would hold up every write, whose foreign key locks this row.
_DUE = """
SELECT id, account_id, vendor FROM integrations AS i
WHERE active AND NOT is_archived AND next_sync_at <= clock_timestamp() AND vendor = ANY ($1)
    AND NOT EXISTS (
        SELECT FROM read_jobs AS j
        WHERE j.integration_id = i.id AND j.job_type = 'sync' AND j.finished_at IS NULL)
ORDER BY next_sync_at LIMIT 100
FOR NO KEY UPDATE SKIP LOCKED
"""

# Counted from now, not from when it was due: after a pause there is nothing to catch up on.
_NEXT_SYNC = """
UPDATE integrations SET next_sync_at = clock_timestamp() + sync_frequency * CASE sync_cadence
    WHEN 'SECOND' THEN interval '1 second' WHEN 'MINUTE' THEN interval '1 minute'
    WHEN 'HOUR' THEN interval '1 hour' ELSE interval '1 day' END
WHERE id = $1
"""

_LAST_READS = """
SELECT model, max(started_at) AS last,
    max(started_at) FILTER (WHERE parameters->>'since' IS NULL) AS last_full
FROM read_jobs
WHERE integration_id = $1 AND state = 'succeeded' AND job_type = ANY ($2)
GROUP BY model
"""

_OPEN_ROOT = """
INSERT INTO read_jobs (id, account_id, integration_id, root_job_id, job_type, parameters)
VALUES ($1, $2, $3, $1, 'sync', $4::jsonb)
ON CONFLICT (integration_id) WHERE job_type = 'sync' AND finished_at IS NULL DO NOTHING
RETURNING id
"""

# Locked, or a sync that is about to end could get steps that nobody ends it for.
_RUNNING_ROOT = """
SELECT id FROM read_jobs
WHERE integration_id = $1 AND job_type = 'sync' AND finished_at IS NULL FOR UPDATE
"""

_LOCK_ROOT = "SELECT id FROM read_jobs WHERE id = $1 AND finished_at IS NULL FOR UPDATE"

# A step that has not begun will do what a second one would.
_ADD_STEPS = """
INSERT INTO read_jobs (id, account_id, integration_id, root_job_id, parent_job_id, job_type, model,
    place, urgency, parameters)
SELECT r.id, $1, $2, $3, $3, 'sync_' || r.model, r.model, r.place, r.urgency, r.parameters
FROM jsonb_to_recordset($4::jsonb) AS r(
    id uuid, model text, place smallint, urgency smallint, parameters jsonb)
WHERE NOT EXISTS (
    SELECT FROM read_jobs AS j
    WHERE j.root_job_id = $3 AND j.model = r.model AND j.finished_at IS NULL AND j.pages = 0
        AND j.state = 'queued' AND j.parameters->>'since' IS NULL)
"""

_ADD_JOB = """
INSERT INTO read_jobs (id, account_id, integration_id, root_job_id, job_type, model, urgency,
    parameters)
VALUES ($1, $2, $3, $1, $4, $5, $6, $7::jsonb)
ON CONFLICT DO NOTHING
"""

_OPEN_RESIDENT_JOB = """
SELECT id, attempts, created_at < clock_timestamp() - interval '5 seconds' AS old FROM read_jobs
WHERE integration_id = $1 AND job_type = 'resident_events' AND finished_at IS NULL
    AND parameters->>'resident_id' = $2
LIMIT 1
"""

_WAKE = "SELECT pg_notify('frontdesk_reads', $1)"

_FINISHED = "SELECT finished_at IS NOT NULL FROM read_jobs WHERE id = $1"

# Steps of one sync go in order: a model after those that it refers to. `not_before` of a running
# job is when its run counts as lost.
_CLAIM = """
WITH next AS (
    SELECT c.id FROM read_jobs AS c
    WHERE c.integration_id = $1 AND c.finished_at IS NULL AND c.job_type <> 'sync'
        AND c.not_before <= clock_timestamp() AND c.urgency <= $2
        AND NOT EXISTS (
            SELECT FROM read_jobs AS e
            WHERE e.root_job_id = c.root_job_id AND e.place < c.place AND e.finished_at IS NULL
                AND e.job_type <> 'sync')
    ORDER BY c.urgency, c.created_at, c.place, c.id LIMIT 1
    FOR UPDATE SKIP LOCKED),
root AS (
    UPDATE read_jobs AS r SET state = 'running', started_at = coalesce(r.started_at, clock_timestamp())
    FROM next, read_jobs AS c
    WHERE c.id = next.id AND r.id = c.root_job_id AND r.id <> c.id AND r.state <> 'running')
UPDATE read_jobs AS j SET state = 'running', claims = j.claims + 1,
    started_at = coalesce(j.started_at, clock_timestamp()),
    not_before = clock_timestamp() + make_interval(secs => $3)
FROM next WHERE j.id = next.id
RETURNING j.id, j.root_job_id, j.job_type, j.model, j.parameters, j.cursor, j.pages, j.attempts,
    j.claims, j.created_at, clock_timestamp() AS claimed_at
"""

_STILL_MINE = """
SELECT id FROM read_jobs WHERE id = $1 AND claims = $2 AND state = 'running' FOR UPDATE
"""

_ADVANCE = """
UPDATE read_jobs SET state = 'queued', cursor = $2, pages = pages + 1, records = records + $3,
    total = coalesce($4, total), parameters = $5::jsonb, attempts = 0, error = NULL,
    not_before = clock_timestamp()
WHERE id = $1
"""

_POSTPONE = """
UPDATE read_jobs SET state = 'queued', attempts = attempts + $3, error = $4,
    not_before = clock_timestamp() + make_interval(secs => $5)
WHERE id = $1 AND claims = $2 AND state = 'running'
"""

_FINISH = """
UPDATE read_jobs SET state = $2, error = $3, finished_at = clock_timestamp(),
    pages = pages + $4, records = records + $5
WHERE id = $1
"""

_FINISH_ROOT = """
UPDATE read_jobs AS root SET finished_at = clock_timestamp(), records = steps.records,
    pages = steps.pages,
    state = CASE WHEN steps.failed = 0 THEN 'succeeded' ELSE 'failed' END,
    error = CASE WHEN steps.failed > 0 THEN steps.failed || ' of ' || steps.n || ' steps failed' END
FROM (
    SELECT count(*) AS n, count(*) FILTER (WHERE finished_at IS NULL) AS open,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        coalesce(sum(records), 0) AS records, coalesce(sum(pages), 0) AS pages
    FROM read_jobs WHERE root_job_id = $1 AND id <> $1) AS steps
WHERE root.id = $1 AND root.finished_at IS NULL AND steps.open = 0
RETURNING steps.n AS steps, steps.failed AS failed, root.parameters AS parameters
"""

# A sync that ended in part is tried again soon; one that brought nothing has not ended anything.
_SYNC_ENDED = """
UPDATE integrations SET
    last_completed_sync = CASE WHEN $2 THEN clock_timestamp() ELSE last_completed_sync END,
    next_sync_at = CASE WHEN $3 THEN next_sync_at
        ELSE least(next_sync_at, clock_timestamp() + interval '15 minutes') END
WHERE id = $1
"""

_AUTHENTICATED = """
UPDATE integrations SET can_authenticate = $2 WHERE id = $1 AND can_authenticate IS DISTINCT FROM $2
"""

_DATA_ACCESS = """
UPDATE integrations SET data_access = data_access || $2::jsonb,
    last_data_access_check = CASE WHEN $3 THEN clock_timestamp() ELSE last_data_access_check END
WHERE id = $1
"""

_NEXT_RESIDENT = """
SELECT id, x_id, x_property_id, property_id, email_1, leases, extra, unit_ids, last_seen,
    events_read_at
FROM residents
WHERE integration_id = $1 AND (events_read_at IS NULL OR events_read_at < $2)
    AND NOT id = ANY ($3)
ORDER BY events_read_at NULLS FIRST LIMIT 1
"""

_LOG = """
INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number, created_at,
    sent_at, finished_at, outcome, code, message, upstream_status, request, answer)
SELECT $1, $2, $3, $4, 'read',
    coalesce((SELECT max(number) FROM attempts WHERE job_id = $1 AND kind = 'read'), 0) + 1,
    $5, $5, clock_timestamp(), $6, $7, $8, $9, $10::jsonb, $11::jsonb
ON CONFLICT DO NOTHING
"""

_RUNNING_SYNCS = """
SELECT DISTINCT integration_id FROM read_jobs
WHERE integration_id = ANY ($1) AND job_type = $2 AND finished_at IS NULL
"""

_PROGRESS = """
SELECT model, state, records, total, pages, error, finished_at IS NOT NULL AS done FROM read_jobs
WHERE root_job_id = $1 AND id <> $1 ORDER BY place, created_at, id
"""

_LATEST_SYNC = """
SELECT id FROM read_jobs WHERE integration_id = $1 AND job_type = 'sync'
ORDER BY created_at DESC LIMIT 1
"""


async def due(connection: Connection, vendors: Sequence[str]) -> list[Record]:
    """Integrations whose sync is due, locked until the transaction ends."""
    return await connection.fetch(_DUE, list(vendors))


async def plan_next_sync(connection: Connection, integration_id: UUID) -> None:
    """Move the next sync one period away."""
    await connection.execute(_NEXT_SYNC, integration_id)


async def last_reads(
    connection: Connection, integration_id: UUID, models: Sequence[str]
) -> dict[str, Record]:
    """When each model was last read to its end (`last`), and so in full (`last_full`)."""
    types = [f"sync_{model}" for model in models]
    rows = await connection.fetch(_LAST_READS, integration_id, types)
    return {row["model"]: row for row in rows}


async def open_root(
    connection: Connection,
    job_id: UUID,
    account_id: UUID,
    integration_id: UUID,
    parameters: dict[str, Any],
) -> bool:
    """Begin a sync; False where one is open already."""
    opened = await connection.fetch_value(
        _OPEN_ROOT, job_id, account_id, integration_id, as_json(parameters)
    )
    return opened is not None


async def running_root(connection: Connection, integration_id: UUID) -> UUID | None:
    """The open sync, locked so that it cannot end meanwhile."""
    found: UUID | None = await connection.fetch_value(_RUNNING_ROOT, integration_id)
    return found


async def add_steps(
    connection: Connection,
    account_id: UUID,
    integration_id: UUID,
    root_id: UUID,
    steps: list[dict[str, Any]],
) -> None:
    """Add steps `{id, model, place, urgency, parameters}` to a sync, without doubles."""
    await connection.execute(_ADD_STEPS, account_id, integration_id, root_id, as_json(steps))


async def add_job(
    connection: Connection,
    job_id: UUID,
    account_id: UUID,
    integration_id: UUID,
    job_type: str,
    *,
    model: str | None = None,
    urgency: int,
    parameters: dict[str, Any] | None = None,
) -> None:
    """Add a job that is its own root."""
    await connection.execute(
        _ADD_JOB,
        job_id,
        account_id,
        integration_id,
        job_type,
        model,
        urgency,
        as_json(parameters or {}),
    )


async def open_resident_job(
    connection: Connection, integration_id: UUID, resident_id: UUID
) -> Record | None:
    """The refresh of a resident's events that is open already."""
    return await connection.fetch_row(_OPEN_RESIDENT_JOB, integration_id, str(resident_id))


async def wake(connection: Connection, integration_id: UUID) -> None:
    """Tell the worker that holds the integration that something waits for it."""
    await connection.execute(_WAKE, str(integration_id))


async def is_finished(connection: Connection, job_id: UUID) -> bool:
    """Whether a job has ended (or is not there)."""
    return bool(await connection.fetch_value(_FINISHED, job_id) in (True, None))


async def claim(
    connection: Connection, integration_id: UUID, urgency: int, seconds: float
) -> Record | None:
    """Take the next job that is due, for so many seconds."""
    return await connection.fetch_row(_CLAIM, integration_id, urgency, seconds)


async def still_mine(connection: Connection, job_id: UUID, claims: int) -> bool:
    """Lock the job; False where another run has it, and nothing may be stored."""
    return await connection.fetch_value(_STILL_MINE, job_id, claims) is not None


async def advance(
    connection: Connection,
    job_id: UUID,
    *,
    cursor: str | None,
    records: int,
    total: int | None,
    parameters: dict[str, Any],
) -> None:
    """A page is stored; the next begins at `cursor`."""
    await connection.execute(_ADVANCE, job_id, cursor, records, total, as_json(parameters))


async def postpone(
    connection: Connection, job_id: UUID, claims: int, *, failed: bool, error: str | None, delay: float
) -> None:
    """Put a job back for `delay` seconds; `failed` counts one towards its end."""
    await connection.execute(_POSTPONE, job_id, claims, int(failed), error, delay)


async def finish(
    connection: Connection,
    job_id: UUID,
    *,
    error: str | None,
    pages: int = 0,
    records: int = 0,
) -> None:
    """End a job: succeeded without `error`, else failed."""
    state = "succeeded" if error is None else "failed"
    await connection.execute(_FINISH, job_id, state, error, pages, records)


async def finish_root(connection: Connection, root_id: UUID) -> Record | None:
    """End a sync if its last step has ended: `{steps, failed}`, else None."""
    # Two steps that end at once would each see the other open: the root's lock lets one go first.
    if await connection.fetch_value(_LOCK_ROOT, root_id) is None:
        return None
    return await connection.fetch_row(_FINISH_ROOT, root_id)


async def sync_ended(
    connection: Connection, integration_id: UUID, *, some: bool, whole: bool
) -> None:
    """Note on the integration that a sync ended; `some`/`whole` of its steps succeeded."""
    await connection.execute(_SYNC_ENDED, integration_id, some, whole)


async def authenticated(connection: Connection, integration_id: UUID, can: bool) -> None:
    """Note whether the PMS takes the integration's credentials."""
    await connection.execute(_AUTHENTICATED, integration_id, can)


async def data_access(
    connection: Connection, integration_id: UUID, found: dict[str, Any], *, ended: bool
) -> None:
    """Put what is known of models' data access into the integration's record."""
    await connection.execute(_DATA_ACCESS, integration_id, as_json(found), ended)


async def next_resident(
    connection: Connection, integration_id: UUID, before: datetime, skipped: Sequence[UUID]
) -> Record | None:
    """The resident whose events were read longest ago, and before that moment."""
    return await connection.fetch_row(_NEXT_RESIDENT, integration_id, before, list(skipped))


async def log(
    connection: Connection,
    job_id: UUID,
    account_id: UUID,
    integration_id: UUID,
    job_type: str,
    *,
    began_at: datetime,
    outcome: str,
    code: str | None = None,
    message: str | None = None,
    upstream_status: int | None = None,
    request: dict[str, Any] | None = None,
    answer: dict[str, Any] | None = None,
) -> None:
    """Keep one attempt of a read, masked, for the logs."""
    await connection.execute(
        _LOG,
        job_id,
        account_id,
        integration_id,
        job_type,
        began_at,
        outcome,
        code,
        message,
        upstream_status,
        None if request is None else as_json(request),
        None if answer is None else as_json(answer),
    )


async def with_open_job(
    connection: Connection, integration_ids: Sequence[UUID], job_type: str
) -> set[UUID]:
    """Which of these integrations have an open job of a type."""
    rows = await connection.fetch(_RUNNING_SYNCS, list(integration_ids), job_type)
    return {row["integration_id"] for row in rows}


async def progress(connection: Connection, integration_id: UUID) -> list[Record]:
    """The steps of the integration's latest sync."""
    root = await connection.fetch_value(_LATEST_SYNC, integration_id)
    return [] if root is None else await connection.fetch(_PROGRESS, root)
