"""All SQL of the purge. Each statement deletes one portion, the oldest first, and says how many rows
that were; run again and again it comes to an end.

Invariants: what has not ended is left alone, with all that reconcile needs for it: its attempts, and
those of the write that it retries. Rows are found by indexes that are there for reading, so that no
write pays for the purge. An account is purged by itself; `$1` is its id, `$2` the age in days, `$3`
the portion. What belongs to no account takes `$1` and `$2` for age and portion.
"""

# ruff: noqa: S608 — statements are put together from parts of this module, never from a caller's text

from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record

_ACCOUNTS = "SELECT id FROM accounts ORDER BY id"

_OLD = "(SELECT clock_timestamp() - make_interval(days => $2))"

# A write that is retried at this moment is its retry's to look at: how long ago it was sent, what
# came of it. Its attempts go with it.
_ENDED_WRITES = f"""
SELECT w.id FROM writes AS w
LEFT JOIN writes AS retry ON retry.id = w.retried_by
WHERE w.account_id = $1 AND w.submitted_at < {_OLD} AND w.finished_at < {_OLD}
    AND (retry.id IS NULL OR retry.finished_at IS NOT NULL)
"""
_PURGE_WRITES = f"""
WITH old AS ({_ENDED_WRITES} ORDER BY w.submitted_at LIMIT $3 FOR UPDATE OF w SKIP LOCKED),
attempts_gone AS (
    DELETE FROM attempts AS a USING old WHERE a.job_id = old.id AND a.kind <> 'read'),
gone AS (DELETE FROM writes AS w USING old WHERE w.id = old.id RETURNING w.id)
SELECT count(*) FROM gone
"""

_NEEDED = """EXISTS (
        SELECT FROM writes AS w LEFT JOIN writes AS retry ON retry.id = w.retried_by
        WHERE w.id = a.job_id AND a.kind <> 'read'
            AND (w.finished_at IS NULL OR (retry.id IS NOT NULL AND retry.finished_at IS NULL)))"""

_OLD_ATTEMPTS = f"""
SELECT a.id FROM attempts AS a
WHERE a.account_id = $1 AND a.created_at < {_OLD} AND NOT {_NEEDED}
"""
_PURGE_ATTEMPTS = f"""
WITH old AS ({_OLD_ATTEMPTS} ORDER BY a.created_at LIMIT $3 FOR UPDATE OF a SKIP LOCKED),
gone AS (DELETE FROM attempts AS a USING old WHERE a.id = old.id RETURNING a.id)
SELECT count(*) FROM gone
"""

# Emptied rows stay in their place in the index: a purge goes on where the last one stopped. Bodies
# that were passed over because they were needed then go with their rows.
_OLD_BODIES = f"""
SELECT a.id, a.created_at FROM attempts AS a
WHERE a.account_id = $1 AND a.created_at < {_OLD}
    AND a.created_at > coalesce((
        SELECT p.done_until FROM purge_progress AS p
        WHERE p.account_id = $1 AND p.kind = 'attempt_bodies'), '-infinity')
    AND (a.request IS NOT NULL OR a.answer IS NOT NULL)
"""
_PURGE_BODIES = f"""
WITH old AS ({_OLD_BODIES} ORDER BY a.created_at FETCH FIRST $3 ROWS WITH TIES),
emptied AS (
    UPDATE attempts AS a SET request = NULL, answer = NULL FROM old
    WHERE a.id = old.id AND NOT {_NEEDED}),
progress AS (
    INSERT INTO purge_progress AS p (account_id, kind, done_until)
    SELECT $1, 'attempt_bodies', max(created_at) FROM old HAVING count(*) > 0
    ON CONFLICT (account_id, kind) DO UPDATE
        SET done_until = greatest(p.done_until, EXCLUDED.done_until))
SELECT count(*) FROM old
"""

# Of the reads that succeeded, the last of each kind (and the last that read everything) say from
# when on the next one has to read.
_OLD_READS = f"""
SELECT j.id FROM read_jobs AS j
WHERE j.account_id = $1 AND j.created_at < {_OLD} AND j.finished_at < {_OLD}
    AND (j.state <> 'succeeded' OR EXISTS (
        SELECT FROM read_jobs AS later
        WHERE later.integration_id = j.integration_id AND later.job_type = j.job_type
            AND later.state = 'succeeded' AND later.model IS NOT DISTINCT FROM j.model
            AND later.started_at > j.started_at
            AND (later.parameters->>'since' IS NULL OR j.parameters->>'since' IS NOT NULL)))
"""
_PURGE_READS = f"""
WITH old AS ({_OLD_READS} ORDER BY j.created_at LIMIT $3 FOR UPDATE OF j SKIP LOCKED),
gone AS (DELETE FROM read_jobs AS j USING old WHERE j.id = old.id RETURNING j.id)
SELECT count(*) FROM gone
"""

# However few days are asked for, a key holds for its 24 hours.
_OLD_KEYS = """
SELECT k.account_id, k.key FROM idempotency_keys AS k
WHERE k.created_at < (SELECT clock_timestamp() - greatest(make_interval(days => $1), interval '25 hours'))
"""
_PURGE_KEYS = f"""
WITH old AS ({_OLD_KEYS} ORDER BY k.created_at LIMIT $2 FOR UPDATE OF k SKIP LOCKED),
gone AS (
    DELETE FROM idempotency_keys AS k USING old
    WHERE k.account_id = old.account_id AND k.key = old.key RETURNING 1)
SELECT count(*) FROM gone
"""

_DEAD_WORKERS = """
SELECT w.id FROM workers AS w
WHERE w.expires_at < (SELECT clock_timestamp() - greatest(make_interval(days => $1), interval '1 hour'))
    AND NOT EXISTS (SELECT FROM leases AS l WHERE l.worker_id = w.id)
"""
_PURGE_WORKERS = f"""
WITH old AS ({_DEAD_WORKERS} LIMIT $2),
gone AS (DELETE FROM workers AS w USING old WHERE w.id = old.id RETURNING w.id)
SELECT count(*) FROM gone
"""

# A bucket that lies twice its window in the past is in no sum; one that is still counted never is.
_SPENT_BUCKETS = """
SELECT b.scope, b.method, b.seconds, b.bucket FROM budget_buckets AS b
WHERE (b.bucket + 1) * b.seconds / 60.0 < extract(epoch FROM clock_timestamp())
    - greatest(2.0 * b.seconds, $1::integer * 86400.0)
"""
_PURGE_BUCKETS = f"""
WITH old AS ({_SPENT_BUCKETS} LIMIT $2),
gone AS (
    DELETE FROM budget_buckets AS b USING old
    WHERE b.scope = old.scope AND b.method = old.method AND b.seconds = old.seconds
        AND b.bucket = old.bucket RETURNING 1)
SELECT count(*) FROM gone
"""

# kind → how its old rows are found, how a portion of them goes, and whether account by account.
_STATEMENTS = {
    "attempt_bodies": (_OLD_BODIES, _PURGE_BODIES, True),
    "attempts": (_OLD_ATTEMPTS, _PURGE_ATTEMPTS, True),
    "writes": (_ENDED_WRITES, _PURGE_WRITES, True),
    "read_jobs": (_OLD_READS, _PURGE_READS, True),
    "idempotency_keys": (_OLD_KEYS, _PURGE_KEYS, False),
    "workers": (_DEAD_WORKERS, _PURGE_WORKERS, False),
    "budgets": (_SPENT_BUCKETS, _PURGE_BUCKETS, False),
}

# One process purges at a time. Asked within the transaction of each portion, because a pooler keeps
# no session.
_ALONE = "SELECT pg_try_advisory_xact_lock(7023)"

# Whose turn a purge by schedule is: the row is there from the migration on.
_DUE = """
UPDATE purge_schedule SET last_at = clock_timestamp()
WHERE last_at < clock_timestamp() - make_interval(secs => $1) RETURNING true
"""
_CAN_PURGE = "SELECT to_regclass('purge_schedule') IS NOT NULL"


def is_by_account(kind: str) -> bool:
    """Whether this kind is purged account by account."""
    return _STATEMENTS[kind][2]


async def accounts(database: Database) -> list[UUID]:
    """Every account."""
    rows: list[Record] = await database.fetch(_ACCOUNTS)
    return [row["id"] for row in rows]


async def count(database: Database, kind: str, account_id: UUID | None, days: int) -> int:
    """How many rows of this kind are older."""
    arguments: list[object] = [days] if account_id is None else [account_id, days]
    found: int = await database.fetch_value(
        f"SELECT count(*) FROM ({_STATEMENTS[kind][0]}) AS old",
        *arguments,
    )
    return found


async def purge_portion(
    connection: Connection, kind: str, account_id: UUID | None, days: int, portion: int
) -> int | None:
    """Delete up to `portion` rows; how many it was. None: another process purges."""
    if not await connection.fetch_value(_ALONE):
        return None
    arguments: list[object] = [days] if account_id is None else [account_id, days]
    gone: int = await connection.fetch_value(_STATEMENTS[kind][1], *arguments, portion)
    return gone


async def take_turn(database: Database, every_seconds: float) -> bool:
    """Whether a purge is due, and this process's to make."""
    if not await database.fetch_value(_CAN_PURGE):
        return False
    return bool(await database.fetch_value(_DUE, every_seconds))
