"""All SQL of a webhook's owner: webhooks, the callback secret, and the list of deliveries.

Invariant: every statement names the account; a webhook of another account, or one that was deleted,
does not exist here. What is put down, sent and recorded is `outbox_repository`'s.
"""

# ruff: noqa: S608 — names put into SQL are constants of the code, never of a caller; values are
# arguments

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record
from frontdesk.http.paging import EXACT_TOTAL, ListQuery

COLUMNS = (
    "id, account_id, url, triggers, model, header_names, headers, active, previous_secret_until, "
    " last_success_at, failing_since, disabled_at, disabled_reason, "
    "created_at, updated_at"
)
_DELIVERY_COLUMNS = (
    "id, account_id, created_at, webhook_id, trigger, sequence, test, state, attempts, ready_at, "
    "last_attempt_at, finished_at, last_status, last_error, body"
)

_COUNT = "SELECT count(*) FROM webhooks WHERE account_id = $1 AND deleted_at IS NULL"

# Two creations at once must not both be the last that there is room for.
_LOCK_ACCOUNT = "SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE"

_ONE = f"SELECT {COLUMNS} FROM webhooks WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL"

# Its deliveries may be many: they are taken away in the background, and the row after them.
_DELETE = """
UPDATE webhooks SET deleted_at = clock_timestamp(), active = false
WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING id
"""

_ADD_TEST = f"""
WITH counted AS (
    UPDATE webhooks SET next_sequence = next_sequence + 1
    WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING next_sequence - 1 AS sequence)
INSERT INTO webhook_deliveries (id, account_id, webhook_id, destination, trigger, sequence, body,
    subject_id, test, give_up_at)
SELECT $3, $1, $2, $4, $5, sequence, $6, $3, true, clock_timestamp() FROM counted
RETURNING {_DELIVERY_COLUMNS}
"""

# One that is being sent is left alone: it is on its way already. Of any other the count of claims
# moves on, so that nobody's late word about an earlier attempt ends this one.
_REDELIVER = f"""
UPDATE webhook_deliveries SET state = 'waiting', ready_at = clock_timestamp(), finished_at = NULL,
    claims = claims + 1, give_up_at = clock_timestamp() + make_interval(secs => $4)
WHERE account_id = $1 AND webhook_id = $2 AND id = $3 AND state <> 'sending'
RETURNING {_DELIVERY_COLUMNS}
"""

_DELIVERY = f"""
SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries
WHERE account_id = $1 AND webhook_id = $2 AND id = $3
"""

_CALLBACK = """
SELECT secret, previous_secret, previous_secret_until, created_at, rotated_at
FROM callback_secrets WHERE account_id = $1
"""

# Whoever comes first makes it; everybody then reads that one.
_FIRST_CALLBACK = """
INSERT INTO callback_secrets (account_id, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""

_ROTATE_CALLBACK = """
INSERT INTO callback_secrets AS kept (account_id, secret) VALUES ($1, $2)
ON CONFLICT (account_id) DO UPDATE SET secret = EXCLUDED.secret, previous_secret = kept.secret,
    previous_secret_until = clock_timestamp() + make_interval(hours => $3),
    rotated_at = clock_timestamp()
RETURNING created_at, rotated_at, previous_secret_until
"""

_CASTS = {
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "id": "uuid",
    "sequence": "bigint",
}


class WebhookRepository:
    """Webhooks as rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, connection: Connection, account_id: UUID) -> int:
        """How many webhooks the account has; held so until the transaction ends."""
        await connection.execute(_LOCK_ACCOUNT, account_id)
        counted: int = await connection.fetch_value(_COUNT, account_id)
        return counted

    async def insert(self, connection: Connection, values: Mapping[str, Any]) -> Record:
        """`values` by column name."""
        places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
        row = await connection.fetch_row(
            f"INSERT INTO webhooks ({', '.join(values)}) VALUES ({places}) RETURNING {COLUMNS}",
            *values.values(),
        )
        assert row is not None  # noqa: S101 — an INSERT that returns without a row is a broken driver
        return row

    async def one(self, account_id: UUID, webhook_id: UUID) -> Record | None:
        return await self._database.fetch_row(_ONE, account_id, webhook_id)

    async def lock(
        self, connection: Connection, account_id: UUID, webhook_id: UUID
    ) -> Record | None:
        """The row, held until the transaction ends."""
        return await connection.fetch_row(f"{_ONE} FOR NO KEY UPDATE", account_id, webhook_id)

    async def change(
        self,
        connection: Connection,
        webhook_id: UUID,
        values: Mapping[str, Any],
        *,
        overlap_hours: int,
    ) -> Record:
        """Set these columns. With a new secret, the old one signs as well for so many hours."""
        sets = [f"{name} = ${place}" for place, name in enumerate(values, start=3)]
        if "secret" in values:
            sets.append("previous_secret = CASE WHEN $2 > 0 THEN secret END")
            sets.append(
                "previous_secret_until = "
                "CASE WHEN $2 > 0 THEN clock_timestamp() + make_interval(hours => $2) END"
            )
        if values.get("active"):
            sets += ["failing_since = NULL", "disabled_at = NULL", "disabled_reason = NULL"]
        row = await connection.fetch_row(
            f"UPDATE webhooks SET {', '.join([*sets, 'updated_at = clock_timestamp()'])} "
            f"WHERE id = $1 AND $2::integer IS NOT NULL RETURNING {COLUMNS}",
            webhook_id,
            overlap_hours,
            *values.values(),
        )
        assert row is not None  # noqa: S101 — the row is locked by this very transaction
        return row

    async def delete(self, connection: Connection, account_id: UUID, webhook_id: UUID) -> bool:
        """False: there is none."""
        return await connection.fetch_value(_DELETE, account_id, webhook_id) is not None

    async def page(
        self, account_id: UUID, query: ListQuery, wanted: Mapping[str, Any]
    ) -> tuple[list[Record], int]:
        """Up to `limit + 1` webhooks, and how many there are. `wanted`: column → value."""
        return await self._listed(
            f"SELECT {COLUMNS} FROM webhooks WHERE account_id = $1 AND deleted_at IS NULL",
            [account_id],
            query,
            wanted,
        )

    async def deliveries(
        self, account_id: UUID, webhook_id: UUID, query: ListQuery, wanted: Mapping[str, Any]
    ) -> tuple[list[Record], int]:
        """Up to `limit + 1` deliveries of a webhook, and how many there are."""
        return await self._listed(
            f"SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries "
            "WHERE account_id = $1 AND webhook_id = $2",
            [account_id, webhook_id],
            query,
            wanted,
        )

    async def delivery(
        self, account_id: UUID, webhook_id: UUID, delivery_id: UUID
    ) -> Record | None:
        return await self._database.fetch_row(_DELIVERY, account_id, webhook_id, delivery_id)

    async def redeliver(
        self,
        connection: Connection,
        account_id: UUID,
        webhook_id: UUID,
        delivery_id: UUID,
        seconds: float,
    ) -> Record | None:
        """Send it again now, and try for so many seconds. None: not there, or being sent."""
        return await connection.fetch_row(_REDELIVER, account_id, webhook_id, delivery_id, seconds)

    async def add_test(
        self,
        connection: Connection,
        account_id: UUID,
        webhook_id: UUID,
        delivery_id: UUID,
        destination: UUID,
        trigger: str,
        body: str,
    ) -> Record | None:
        """A delivery that is tried once. None: there is no such webhook."""
        return await connection.fetch_row(
            _ADD_TEST, account_id, webhook_id, delivery_id, destination, trigger, body
        )

    # --- the callback secret ----------------------------------------------------------------------

    async def callback_secret(self, account_id: UUID) -> Record | None:
        return await self._database.fetch_row(_CALLBACK, account_id)

    async def first_callback_secret(self, account_id: UUID, sealed: bytes) -> None:
        """Store a secret unless there is one."""
        await self._database.execute(_FIRST_CALLBACK, account_id, sealed)

    async def rotate_callback_secret(
        self, connection: Connection, account_id: UUID, sealed: bytes, overlap_hours: int
    ) -> Record:
        row = await connection.fetch_row(_ROTATE_CALLBACK, account_id, sealed, overlap_hours)
        assert row is not None  # noqa: S101 — an INSERT that returns without a row is a broken driver
        return row

    # --- inside -----------------------------------------------------------------------------------

    async def _listed(
        self, select: str, arguments: list[Any], query: ListQuery, wanted: Mapping[str, Any]
    ) -> tuple[list[Record], int]:
        for column, value in wanted.items():
            arguments.append(value)
            select += f" AND {column} = ${len(arguments)}"
        for name, moment in query.times.items():
            arguments.append(moment)
            column, _, end = name.rpartition("_")
            select += f" AND {column} {'>=' if end == 'gte' else '<='} ${len(arguments)}"
        counted: int = await self._database.fetch_value(
            f"SELECT count(*) FROM ({select} LIMIT {EXACT_TOTAL + 1}) AS counted", *arguments
        )
        select += _after(query, arguments)
        order = ", ".join(f"{part.field} {part.direction}" for part in query.order)
        rows = await self._database.fetch(
            f"{select} ORDER BY {order} LIMIT {query.limit + 1} OFFSET {query.offset}", *arguments
        )
        return rows, counted


def _after(query: ListQuery, arguments: list[Any]) -> str:
    """The condition for what follows the cursor's record."""
    if query.after is None:
        return ""
    places: list[str] = []
    for part, value in zip(query.order, query.after, strict=True):
        arguments.append(str(value))
        # As text, or the driver would want a date-time of its own.
        places.append(f"${len(arguments)}::text::{_CASTS[part.field]}")
    alternatives: Sequence[str] = [
        " AND ".join(
            [
                *(
                    f"{earlier.field} = {places[at]}"
                    for at, earlier in enumerate(query.order[:depth])
                ),
                f"{part.field} {'>' if part.direction == 'asc' else '<'} {places[depth]}",
            ]
        )
        for depth, part in enumerate(query.order)
    ]
    return " AND (" + " OR ".join(f"({one})" for one in alternatives) + ")"
