"""The SQL of the gauges: what the database holds at a moment, read by one statement for all processes.

Whoever finds the kept figures outdated reads them anew, if nobody else is at it; the others take what is
kept. So however many processes are scraped, the queue is counted once in a while, and never by two at a
time.
"""

from typing import Any

import orjson

from frontdesk.database.pool import Database

FRESH_SECONDS = 5.0
"""How old the figures may be before they are read anew."""

SHARE = 20
"""The figures are read at most 1/20 of the time: after a count that took 2 s none begins for 40 s."""

PATIENCE_SECONDS = 30.0
WORST = 50
"""Integrations that have series of their own: those whose oldest event has waited longest."""

# A schema from before there were kept figures has none: then nothing is read.
_CAN_KEEP = "SELECT to_regclass('metrics_snapshot') IS NOT NULL"

_KEPT = """
SELECT figures, extract(epoch FROM clock_timestamp() - taken_at)::float8 AS age,
    clock_timestamp() - taken_at > make_interval(secs => greatest($1, $2 * took)) AS outdated
FROM metrics_snapshot
"""

_MY_TURN = "SELECT pg_try_advisory_xact_lock(7031)"

# One pass over the unfinished writes (the partial index writes_of_lane), one over integrations.
_READ = """
WITH started AS MATERIALIZED (SELECT clock_timestamp() AS moment),
queue AS (
    SELECT integration_id, count(*) FILTER (WHERE state <> 'scheduled') AS depth,
        count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
        count(*) FILTER (WHERE state = 'reconciling') AS reconciling,
        -- One that waited for its time is waited for since then.
        min(greatest(submitted_at, (input->>'send_at')::timestamptz))
            FILTER (WHERE state <> 'scheduled') AS oldest
    FROM writes WHERE finished_at IS NULL GROUP BY integration_id),
running AS (
    SELECT DISTINCT integration_id FROM read_jobs WHERE job_type = 'sync' AND finished_at IS NULL),
each AS (
    SELECT i.id, i.vendor, i.active AND NOT i.is_archived AS active, i.can_authenticate,
        coalesce(q.depth, 0) AS depth, coalesce(q.scheduled, 0) AS scheduled,
        coalesce(q.reconciling, 0) AS reconciling,
        CASE WHEN q.oldest IS NOT NULL THEN
            greatest(0, extract(epoch FROM started.moment - q.oldest))::float8 END AS oldest,
        l.not_before_reason AS stopped, r.integration_id IS NOT NULL AS syncing,
        extract(epoch FROM started.moment - i.last_completed_sync)::float8 AS synced,
        i.next_sync_at < started.moment - interval '1 hour' AS overdue,
        w.id IS NOT NULL AS held,
        row_number() OVER (ORDER BY q.oldest NULLS LAST, i.id) AS place
    FROM integrations AS i CROSS JOIN started
    LEFT JOIN queue AS q ON q.integration_id = i.id
    LEFT JOIN leases AS l ON l.integration_id = i.id
    LEFT JOIN workers AS w ON w.id = l.worker_id AND w.expires_at > started.moment
    LEFT JOIN running AS r ON r.integration_id = i.id
    WHERE NOT i.is_archived OR q.integration_id IS NOT NULL),
shown AS (
    SELECT vendor, CASE WHEN place <= $1 AND oldest IS NOT NULL THEN id::text ELSE '' END AS integration,
        sum(depth) AS depth, sum(scheduled) AS scheduled, sum(reconciling) AS reconciling,
        max(oldest) AS oldest
    FROM each GROUP BY 1, 2),
by_vendor AS (
    SELECT vendor, count(*) FILTER (WHERE active) AS active,
        count(*) FILTER (WHERE active AND NOT held) AS without_worker,
        count(*) FILTER (WHERE active AND can_authenticate IS FALSE) AS unauthenticated,
        count(*) FILTER (WHERE active AND stopped = 'circuit') AS circuit,
        count(*) FILTER (WHERE active AND stopped = 'authentication') AS authentication,
        count(*) FILTER (WHERE active AND syncing) AS syncing,
        count(*) FILTER (WHERE active AND overdue AND NOT syncing) AS overdue,
        max(synced) FILTER (WHERE active) AS synced
    FROM each GROUP BY vendor),
used AS (
    SELECT scope, method, seconds, sum(used) AS used FROM budget_buckets
    WHERE (bucket + 1) * seconds / 60.0 > extract(epoch FROM clock_timestamp()) - seconds
    GROUP BY scope, method, seconds),
scopes AS (SELECT DISTINCT budget_scope, vendor FROM integrations WHERE active AND NOT is_archived),
spent AS (
    SELECT s.vendor, u.method, u.seconds, max(u.used) AS used,
        min((b.limits->>u.seconds::text)::integer) AS stated
    FROM scopes AS s JOIN used AS u ON u.scope = s.budget_scope
    LEFT JOIN budgets AS b ON b.scope = u.scope AND b.method = u.method
    GROUP BY s.vendor, u.method, u.seconds),
blocked AS (
    SELECT s.vendor, count(DISTINCT b.scope) AS scopes FROM scopes AS s
    JOIN budgets AS b ON b.scope = s.budget_scope AND b.blocked_until > clock_timestamp()
    GROUP BY s.vendor),
deliveries AS (
    SELECT count(*) AS waiting, count(*) FILTER (WHERE last_error IS NOT NULL) AS failing,
        extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest
    FROM webhook_deliveries WHERE ready_at IS NOT NULL)
SELECT jsonb_build_object(
    'queue', coalesce((SELECT jsonb_agg(to_jsonb(shown)) FROM shown), '[]'),
    'vendors', coalesce((SELECT jsonb_agg(to_jsonb(by_vendor)) FROM by_vendor), '[]'),
    'spent', coalesce((SELECT jsonb_agg(to_jsonb(spent)) FROM spent), '[]'),
    'blocked', coalesce((SELECT jsonb_object_agg(vendor, scopes) FROM blocked), '{}'),
    'deliveries', (SELECT to_jsonb(deliveries) FROM deliveries),
    'notices', (SELECT count(*) FROM webhook_notices),
    'dead', (SELECT count(*) FROM webhook_deliveries
        WHERE state = 'dead' AND finished_at > clock_timestamp() - interval '1 hour'),
    'disabled', (SELECT count(*) FROM webhooks WHERE disabled_at IS NOT NULL AND deleted_at IS NULL),
    'workers', (SELECT count(*) FROM workers WHERE expires_at > clock_timestamp())
) AS figures,
extract(epoch FROM clock_timestamp() - (SELECT moment FROM started))::float8 AS took
"""

_KEEP = """
INSERT INTO metrics_snapshot AS s (one, figures, took, taken_at) VALUES (true, $1::jsonb, $2, clock_timestamp())
ON CONFLICT (one) DO UPDATE
    SET figures = EXCLUDED.figures, took = EXCLUDED.took, taken_at = EXCLUDED.taken_at
"""


class FiguresRepository:
    """The kept figures."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._can_keep = False

    async def figures(self) -> tuple[dict[str, Any], float] | None:
        """The figures, and how many seconds old they are; None where there are none yet. Raises
        DatabaseUnavailable."""
        if not self._can_keep:
            self._can_keep = bool(await self._database.fetch_value(_CAN_KEEP))
        if not self._can_keep:
            return None
        kept = await self._database.fetch_row(_KEPT, FRESH_SECONDS, float(SHARE))
        if kept is None or kept["outdated"]:
            read = await self._read()
            if read is not None:
                return read, 0.0
        return None if kept is None else (orjson.loads(kept["figures"]), max(0.0, kept["age"]))

    async def _read(self) -> dict[str, Any] | None:
        """Read them anew, unless another process does."""
        async with self._database.transaction() as transaction:
            if not await transaction.fetch_value(_MY_TURN):
                return None
            # It may have been done while we came here.
            kept = await transaction.fetch_row(_KEPT, FRESH_SECONDS, float(SHARE))
            if kept is not None and not kept["outdated"]:
                found: dict[str, Any] = orjson.loads(kept["figures"])
                return found
            row = await transaction.fetch_row(_READ, WORST, patience=PATIENCE_SECONDS)
            assert row is not None  # noqa: S101 — a SELECT of one object answers one row
            await transaction.execute(_KEEP, row["figures"], row["took"])
        read: dict[str, Any] = orjson.loads(row["figures"])
        return read
