"""All SQL of the audit trail. Rows are added and never changed; a list names its account, but for the
operator's own."""

# ruff: noqa: S608 — names put into SQL are constants of the code, never of a caller; values are
# arguments

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record
from frontdesk.http.paging import EXACT_TOTAL, ListQuery

_CAN = "SELECT to_regclass('admin_actions') IS NOT NULL"

_CAN_OF_NOBODY = """
SELECT coalesce(bool_or(NOT attnotnull), false) FROM pg_attribute
WHERE attrelid = to_regclass('admin_actions') AND attname = 'account_id'
"""

_ADD = """
INSERT INTO admin_actions (id, account_id, actor, client, request_id, action, subject_type, subject_id,
    before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb)
"""

COLUMNS = (
    "id, created_at, actor, client, request_id, action, subject_type, subject_id, before, after"
)

_NEWEST = f"""
SELECT account_id, {COLUMNS} FROM admin_actions
WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::text IS NULL OR action = $2)
ORDER BY created_at DESC, id DESC LIMIT $3
"""


async def can_keep(connection: Connection) -> bool:
    """False on a schema from before there was a trail."""
    return bool(await connection.fetch_value(_CAN))


async def can_keep_of_nobody(connection: Connection) -> bool:
    """False on a schema whose trail takes nothing but actions in an account."""
    return bool(await connection.fetch_value(_CAN_OF_NOBODY))


async def add(connection: Connection, *values: object) -> None:
    """One action, in the connection's transaction."""
    await connection.execute(_ADD, *values)


async def newest(
    database: Database, account_id: UUID | None, action: str | None, limit: int
) -> list[Record]:
    """The newest actions of all accounts and of none, or of these alone, newest first."""
    return await database.fetch(_NEWEST, account_id, action, limit)


async def page(
    database: Database, account_id: UUID, query: ListQuery, wanted: Mapping[str, Any]
) -> tuple[list[Record], int]:
    """Up to `limit + 1` actions, and how many there are. `wanted`: column → value."""
    arguments: list[Any] = [account_id]
    conditions = ["a.account_id = $1"]
    for column, value in wanted.items():
        arguments.append(value)
        conditions.append(f"a.{column} = ${len(arguments)}")
    for name, moment in query.times.items():
        arguments.append(moment)
        sign = ">=" if name.endswith("_gte") else "<="
        conditions.append(f"a.created_at {sign} ${len(arguments)}")
    where = " AND ".join(conditions)
    counted: int = await database.fetch_value(
        f"SELECT count(*) FROM (SELECT FROM admin_actions AS a WHERE {where} "
        f"LIMIT {EXACT_TOTAL + 1}) AS counted",
        *arguments,
    )
    # Both parts of the order have one direction: the newest first, or the oldest.
    direction = query.order[0].direction
    if query.after is not None:
        arguments += query.after[-2:]
        sign = ">" if direction == "asc" else "<"
        first, second = len(arguments) - 1, len(arguments)
        where += (
            f" AND (a.created_at, a.id) {sign} (${first}::text::timestamptz, ${second}::text::uuid)"
        )
    rows = await database.fetch(
        f"SELECT {COLUMNS} FROM admin_actions AS a WHERE {where} "
        f"ORDER BY a.created_at {direction}, a.id {direction} "
        f"LIMIT {query.limit + 1} OFFSET {query.offset}",
        *arguments,
    )
    return rows, counted
