"""SQL of syncs: when they are due, their steps, and their end.

Invariants: an integration has at most one open sync (a partial unique index), whoever schedules; a
sync ends when its last step ends, and only then is the integration told.
"""

from collections.abc import Sequence
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

_MAKE_WHOLE = "UPDATE read_jobs SET parameters = parameters - 'partial' WHERE id = $1"

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
RETURNING steps.n AS steps, steps.failed AS failed, root.parameters AS parameters,
    extract(epoch FROM root.finished_at - root.created_at)::float8 AS seconds
"""

# A sync that ended in part is tried again soon; one that brought nothing has not ended anything.
_SYNC_ENDED = """
UPDATE integrations SET
    last_completed_sync = CASE WHEN $2 THEN clock_timestamp() ELSE last_completed_sync END,
    next_sync_at = CASE WHEN $3 THEN next_sync_at
        ELSE least(next_sync_at, clock_timestamp() + interval '15 minutes') END
WHERE id = $1
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


async def make_whole(connection: Connection, root_id: UUID) -> None:
    """An open sync of some models is one of all from now on: its end counts as a sync's."""
    await connection.execute(_MAKE_WHOLE, root_id)


async def add_steps(
    connection: Connection,
    account_id: UUID,
    integration_id: UUID,
    root_id: UUID,
    steps: list[dict[str, Any]],
) -> None:
    """Add steps `{id, model, place, urgency, parameters}` to a sync, without doubles."""
    await connection.execute(_ADD_STEPS, account_id, integration_id, root_id, as_json(steps))


async def finish_root(connection: Connection, root_id: UUID) -> Record | None:
    """End a sync if its last step has ended: `steps failed parameters seconds`, else None."""
    # Two steps that end at once would each see the other open: the root's lock lets one go first.
    if await connection.fetch_value(_LOCK_ROOT, root_id) is None:
        return None
    return await connection.fetch_row(_FINISH_ROOT, root_id)


async def sync_ended(
    connection: Connection, integration_id: UUID, *, some: bool, whole: bool
) -> None:
    """Note on the integration that a sync ended; `some`/`whole` of its steps succeeded."""
    await connection.execute(_SYNC_ENDED, integration_id, some, whole)


async def progress(connection: Connection, integration_id: UUID) -> list[Record]:
    """The steps of the integration's latest sync."""
    root = await connection.fetch_value(_LATEST_SYNC, integration_id)
    return [] if root is None else await connection.fetch(_PROGRESS, root)
