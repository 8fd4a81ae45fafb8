"""SQL of the jobs that read from PMSs: steps of syncs, refreshes, data-access checks.

Invariants: a job is worked on by one run at a time, and what a run that lost it says late is
refused (`claims`); a page's records and the cursor behind them are one commit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.catalog.repository import RESIDENT_COLUMNS
from frontdesk.catalog.values import as_json
from frontdesk.database.pool import Connection, Record

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

_VENDOR = "SELECT vendor FROM integrations WHERE account_id = $1 AND id = $2"

# Residents of this list that are the integration's.
_OWN_RESIDENTS = """
SELECT id FROM residents WHERE account_id = $1 AND integration_id = $2 AND id = ANY ($3)
"""

_WAKE = "SELECT pg_notify('frontdesk_reads', $1)"

_FINISHED = "SELECT finished_at IS NOT NULL FROM read_jobs WHERE id = $1"

# Steps of one sync go in order: a model after those that it refers to. The integration's lease lets
# one worker read at a time, so a job that is running and not in this worker's hands ($3) is one
# that a run has lost, and may be taken at once.
_CLAIM = """
WITH next AS (
    SELECT c.id FROM read_jobs AS c
    WHERE c.integration_id = $1 AND c.finished_at IS NULL AND c.job_type <> 'sync'
        AND c.urgency <= $2 AND NOT c.id = ANY ($3)
        AND (c.state = 'running' OR c.not_before <= clock_timestamp())
        AND NOT EXISTS (
            SELECT FROM read_jobs AS e
            WHERE e.root_job_id = c.root_job_id AND e.place < c.place AND e.finished_at IS NULL
                AND e.job_type <> 'sync')
    ORDER BY c.urgency, c.created_at, c.place, c.id LIMIT 1
    FOR UPDATE SKIP LOCKED),
root AS (
    UPDATE read_jobs AS r SET state = 'running',
        started_at = coalesce(r.started_at, clock_timestamp())
    FROM next, read_jobs AS c
    WHERE c.id = next.id AND r.id = c.root_job_id AND r.id <> c.id AND r.state <> 'running')
UPDATE read_jobs AS j SET state = 'running', claims = j.claims + 1,
    started_at = coalesce(j.started_at, clock_timestamp())
FROM next WHERE j.id = next.id
RETURNING j.id, j.root_job_id, j.job_type, j.model, j.parameters, j.cursor, j.pages, j.attempts,
    j.claims, j.created_at, clock_timestamp() AS claimed_at
"""

# Which integrations have something that `claim` would give; an open sync is not itself work.
_WITH_WORK = """
SELECT DISTINCT integration_id FROM read_jobs
WHERE integration_id = ANY ($1) AND finished_at IS NULL AND job_type <> 'sync'
    AND NOT id = ANY ($2) AND (state = 'running' OR not_before <= clock_timestamp())
"""

# What the transaction stores, this job has brought: webhooks tell so (`tell_of_new_records`).
_STILL_MINE = """
SELECT set_config('frontdesk.read_job', id::text, true) FROM read_jobs
WHERE id = $1 AND claims = $2 AND state = 'running' FOR UPDATE
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

_AUTHENTICATED = """
UPDATE integrations SET can_authenticate = $2 WHERE id = $1 AND can_authenticate IS DISTINCT FROM $2
"""

_DATA_ACCESS = """
UPDATE integrations SET data_access = data_access || $2::jsonb,
    last_data_access_check = CASE WHEN $3 THEN clock_timestamp() ELSE last_data_access_check END
WHERE id = $1
"""

_NEXT_RESIDENT = f"""
SELECT {RESIDENT_COLUMNS}
FROM residents AS r
WHERE r.integration_id = $1 AND (r.events_read_at IS NULL OR r.events_read_at < $2)
    AND NOT r.id = ANY ($3)
ORDER BY r.events_read_at NULLS FIRST LIMIT 1
"""  # noqa: S608 — put together of constants

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


async def vendor_of(connection: Connection, account_id: UUID, integration_id: UUID) -> str | None:
    """The vendor of an integration of the account."""
    found: str | None = await connection.fetch_value(_VENDOR, account_id, integration_id)
    return found


async def own_residents(
    connection: Connection, account_id: UUID, integration_id: UUID, ids: Sequence[UUID]
) -> set[UUID]:
    """Those of these residents that are the integration's."""
    rows = await connection.fetch(_OWN_RESIDENTS, account_id, integration_id, list(ids))
    return {row["id"] for row in rows}


async def wake(connection: Connection, integration_id: UUID) -> None:
    """Tell the worker that holds the integration that something waits for it."""
    await connection.execute(_WAKE, str(integration_id))


async def is_finished(connection: Connection, job_id: UUID) -> bool:
    """Whether a job has ended (or is not there)."""
    return bool(await connection.fetch_value(_FINISHED, job_id) in (True, None))


async def claim(
    connection: Connection, integration_id: UUID, urgency: int, in_hand: Sequence[UUID]
) -> Record | None:
    """Take the next job that is due and at least so urgent (0 is the most)."""
    return await connection.fetch_row(_CLAIM, integration_id, urgency, list(in_hand))


async def with_work(
    connection: Connection, integration_ids: Sequence[UUID], in_hand: Sequence[UUID]
) -> set[UUID]:
    """Those of these integrations that have a job which may be due."""
    rows = await connection.fetch(_WITH_WORK, list(integration_ids), list(in_hand))
    return {row["integration_id"] for row in rows}


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
    connection: Connection,
    job_id: UUID,
    claims: int,
    *,
    failed: bool,
    error: str | None,
    delay: float,
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
