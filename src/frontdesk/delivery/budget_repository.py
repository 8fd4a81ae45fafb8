"""All SQL of the budgets: calls taken, what a vendor said of its limits, what is left."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from frontdesk.database.pool import Database

_TAKE = "SELECT granted, wait FROM take_budget($1, $2, $3::jsonb, $4, $5, $6)"

# A vendor's word only ever lowers: a later, milder answer of a request sent earlier changes nothing.
_SLOW_DOWN = """
INSERT INTO budgets AS b (scope, method, blocked_until)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (scope, method) DO UPDATE
    SET blocked_until = greatest(b.blocked_until, EXCLUDED.blocked_until),
        updated_at = clock_timestamp()
"""

_NOTE_LIMITS = """
INSERT INTO budgets AS b (scope, method, limits) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (scope, method) DO UPDATE SET limits = EXCLUDED.limits, updated_at = clock_timestamp()
    WHERE b.limits <> EXCLUDED.limits
"""

_BUDGET_STATUS = """
SELECT b.method, b.blocked_until, b.limits, b.updated_at,
    coalesce((SELECT jsonb_object_agg(seconds, used) FROM (
        SELECT k.seconds, sum(k.used) AS used FROM budget_buckets AS k
        WHERE k.scope = b.scope AND k.method = b.method
            AND (k.bucket + 1) * k.seconds / 60.0
                > extract(epoch FROM clock_timestamp()) - k.seconds
        GROUP BY k.seconds) AS sums), '{}') AS used
FROM budgets AS b WHERE b.scope = $1 ORDER BY b.method
"""


class BudgetRepository:
    """The statements about budgets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_budget(
        self, scope: str, method: str, windows: Sequence[Sequence[int]], *, keep: float, life: float
    ) -> tuple[int, float]:
        row = await self._database.fetch_row(
            _TAKE, scope, method, orjson.dumps(windows).decode(), 1, keep, life
        )
        assert row is not None  # noqa: S101 — a function with OUT parameters answers one row
        return row["granted"], row["wait"]

    async def slow_down(self, scope: str, method: str, seconds: float) -> None:
        await self._database.execute(_SLOW_DOWN, scope, method, seconds)

    async def note_limits(self, scope: str, method: str, limits: Mapping[str, int]) -> None:
        await self._database.execute(_NOTE_LIMITS, scope, method, orjson.dumps(limits).decode())

    async def budget_status(self, scope: str) -> list[dict[str, Any]]:
        rows = await self._database.fetch(_BUDGET_STATUS, scope)
        return [
            {
                **dict(row),
                "limits": orjson.loads(row["limits"]),
                "used": orjson.loads(row["used"]),
            }
            for row in rows
        ]
