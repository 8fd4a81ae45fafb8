"""SQL of what is done once after a restore; what must lock is a function of the schema
(database/migrations/0014_operations.sql)."""

from frontdesk.database.pool import Connection, Database

_WORKERS_LEFT = """
SELECT coalesce(extract(epoch FROM max(expires_at) - clock_timestamp()), 0)::float8 FROM workers
"""

_MARK_RESTORED = "SELECT mark_restored($1)"

# A million unfinished events are one transaction: half of them marked would be worse than none.
_PATIENCE_SECONDS = 3600.0


async def workers_left(database: Database) -> float:
    """Seconds until the last of the workers counts as dead, if none of them is heard of."""
    left: float = await database.fetch_value(_WORKERS_LEFT)
    return max(0.0, left)


async def mark_restored(connection: Connection, reason: str) -> int:
    """Mark every unfinished write as possibly sent; how many there are."""
    return int(await connection.fetch_value(_MARK_RESTORED, reason, patience=_PATIENCE_SECONDS))
