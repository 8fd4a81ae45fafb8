"""All SQL of integrations, their properties and the fingerprint of the key.

Every statement that serves a caller names his account: an integration of another account does not
exist for it.
"""

# ruff: noqa: S608 — names put into SQL are constants of the code, never of a caller; values are
# arguments

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record
from frontdesk.http.paging import EXACT_TOTAL, ListQuery

COLUMNS = (
    "id, account_id, vendor, name, active, is_archived, base_url, credentials, "
    "credentials_version, budget_scope, max_request_frequency, max_request_cadence, "
    "max_job_concurrency, sync_frequency, sync_cadence, new_properties_are_enabled, on_uncertain, "
    "mark_notes, write_expiry_hours, allow_email_send, timezone, can_authenticate, "
    "last_completed_sync, last_data_access_check, data_access, ping_results, created_at, updated_at"
)
# The fields of a caller's that go into the column of the same name.
SETTINGS = (
    "active",
    "max_request_frequency",
    "max_request_cadence",
    "max_job_concurrency",
    "sync_frequency",
    "sync_cadence",
    "new_properties_are_enabled",
    "on_uncertain",
    "mark_notes",
    "write_expiry_hours",
    "allow_email_send",
    "timezone",
)
CHANGEABLE = ("name", "base_url", *SETTINGS)

_RUNNING = """
    EXISTS (SELECT FROM read_jobs AS j WHERE j.integration_id = i.id AND j.finished_at IS NULL
        AND j.job_type = 'sync') AS is_running_sync,
    EXISTS (SELECT FROM read_jobs AS j WHERE j.integration_id = i.id AND j.finished_at IS NULL
        AND j.job_type = 'data_access') AS is_checking_access
"""

ONE = f"SELECT {COLUMNS}, {_RUNNING} FROM integrations AS i WHERE i.account_id = $1 AND i.id = $2"
LOCKED = f"SELECT {COLUMNS} FROM integrations WHERE account_id = $1 AND id = $2 FOR UPDATE"
MANY = f"SELECT {COLUMNS} FROM integrations WHERE id = ANY ($1::uuid[])"

# What waits there is ended by whoever archives; a second DELETE does that again, so that a crash
# between the two leaves nothing behind.
ARCHIVE = """
    UPDATE integrations SET is_archived = true, active = false,
        updated_at = CASE WHEN is_archived THEN updated_at ELSE clock_timestamp() END
    WHERE account_id = $1 AND id = $2 RETURNING id
"""

PROPERTIES = """
    SELECT p.id, p.created_at, p.integration_id, p.property_id, p.enabled, p.timezone,
        p.created_at AS updated_at
    FROM integration_properties AS p
    JOIN integrations AS i ON i.id = p.integration_id AND i.account_id = $1
    WHERE p.integration_id = $2
"""

LOCKED_PROPERTY = """
    SELECT enabled, timezone FROM integration_properties WHERE integration_id = $1 AND id = $2 FOR UPDATE
"""

CHANGE_PROPERTY = """
    UPDATE integration_properties AS p
    SET enabled = coalesce($4, p.enabled), timezone = coalesce($5, p.timezone)
    FROM integrations AS i
    WHERE i.id = p.integration_id AND i.account_id = $1 AND p.integration_id = $2 AND p.id = $3
    RETURNING p.id, p.created_at, p.integration_id, p.property_id, p.enabled, p.timezone
"""


class IntegrationRepository:
    """Integrations as rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, connection: Connection, values: Mapping[str, Any]) -> Record:
        """`values` by column name; columns that are not given get the table's default."""
        names = tuple(values)
        places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
        row = await connection.fetch_row(
            f"INSERT INTO integrations ({', '.join(names)}) VALUES ({places}) RETURNING {COLUMNS}",
            *values.values(),
        )
        assert row is not None  # noqa: S101 — an INSERT that returns without a row is a broken driver
        return row

    async def lock(
        self, connection: Connection, account_id: UUID, integration_id: UUID
    ) -> Record | None:
        """The row, held until the transaction ends."""
        return await connection.fetch_row(LOCKED, account_id, integration_id)

    async def change(
        self, connection: Connection, integration_id: UUID, values: Mapping[str, Any]
    ) -> Record:
        """Set these columns. A change of credentials counts up their version."""
        sets = [f"{name} = ${place}" for place, name in enumerate(values, start=2)]
        if "credentials" in values:
            sets += ["credentials_version = credentials_version + 1", "can_authenticate = NULL"]
        if values.get("active"):
            # What has never been read is read at once.
            sets.append(
                "next_sync_at = CASE WHEN last_completed_sync IS NULL "
                "THEN clock_timestamp() ELSE next_sync_at END"
            )
        row = await connection.fetch_row(
            f"UPDATE integrations SET {', '.join([*sets, 'updated_at = clock_timestamp()'])} "
            f"WHERE id = $1 RETURNING {COLUMNS}",
            integration_id,
            *values.values(),
        )
        assert row is not None  # noqa: S101 — the row is locked by this very transaction
        return row

    async def one(self, account_id: UUID, integration_id: UUID) -> Record | None:
        return await self._database.fetch_row(ONE, account_id, integration_id)

    async def many(self, ids: Sequence[UUID]) -> list[Record]:
        return await self._database.fetch(MANY, list(ids))

    async def archive(self, connection: Connection, account_id: UUID, integration_id: UUID) -> bool:
        """False: there is none."""
        archived = await connection.fetch_value(ARCHIVE, account_id, integration_id)
        return archived is not None

    async def page(
        self, account_id: UUID, query: ListQuery, wanted: Mapping[str, Any]
    ) -> tuple[list[Record], int | None]:
        """Up to `limit + 1` integrations, and how many there are. `wanted`: column → value."""
        arguments: list[Any] = [account_id]
        conditions = ["i.account_id = $1"]
        for column, value in wanted.items():
            arguments.append(value)
            conditions.append(f"i.{column} = ${len(arguments)}")
        return await self._listed(
            f"SELECT {COLUMNS}, {_RUNNING} FROM integrations AS i",
            "i",
            conditions,
            arguments,
            query,
        )

    async def properties(
        self, account_id: UUID, integration_id: UUID, query: ListQuery, wanted: Mapping[str, Any]
    ) -> tuple[list[Record], int | None]:
        """Up to `limit + 1` configurations of properties, and how many there are."""
        arguments: list[Any] = [account_id, integration_id]
        conditions = ["true"]
        for column, value in wanted.items():
            arguments.append(value)
            conditions.append(f"x.{column} = ${len(arguments)}")
        return await self._listed(
            f"SELECT * FROM ({PROPERTIES}) AS x", "x", conditions, arguments, query
        )

    async def lock_property(
        self, connection: Connection, integration_id: UUID, configuration_id: UUID
    ) -> Record | None:
        """Its row, held until the transaction ends."""
        return await connection.fetch_row(LOCKED_PROPERTY, integration_id, configuration_id)

    async def change_property(
        self,
        connection: Connection,
        account_id: UUID,
        integration_id: UUID,
        configuration_id: UUID,
        enabled: bool | None,
        timezone: str | None,
    ) -> Record | None:
        return await connection.fetch_row(
            CHANGE_PROPERTY, account_id, integration_id, configuration_id, enabled, timezone
        )

    async def _listed(
        self,
        select: str,
        table: str,
        conditions: list[str],
        arguments: list[Any],
        query: ListQuery,
    ) -> tuple[list[Record], int | None]:
        for name, moment in query.times.items():
            arguments.append(moment)
            column, _, end = name.rpartition("_")
            sign = ">=" if end == "gte" else "<="
            conditions.append(f"{table}.{column} {sign} ${len(arguments)}")
        counted = await self._database.fetch_value(
            f"SELECT count(*) FROM ({select} WHERE {' AND '.join(conditions)} "
            f"LIMIT {EXACT_TOTAL + 1}) AS counted",
            *arguments,
        )
        if query.after is not None:
            conditions.append(_after(table, query, arguments))
        order = ", ".join(f"{table}.{part.field} {part.direction}" for part in query.order)
        rows = await self._database.fetch(
            f"{select} WHERE {' AND '.join(conditions)} ORDER BY {order} "
            f"LIMIT {query.limit + 1} OFFSET {query.offset}",
            *arguments,
        )
        return rows, counted


_CASTS = {"created_at": "timestamptz", "updated_at": "timestamptz", "id": "uuid", "name": "text"}


def _after(table: str, query: ListQuery, arguments: list[Any]) -> str:
    """The records that follow the cursor's; directions may differ from part to part."""
    places: list[str] = []
    for part, value in zip(query.order, query.after or (), strict=True):
        arguments.append(value)
        # As text, or the driver would want a date-time of its own.
        places.append(f"${len(arguments)}::text::{_CASTS[part.field]}")
    alternatives = []
    for depth, part in enumerate(query.order):
        equal = [
            f"{table}.{earlier.field} = {places[at]}"
            for at, earlier in enumerate(query.order[:depth])
        ]
        sign = ">" if part.direction == "asc" else "<"
        alternatives.append(" AND ".join([*equal, f"{table}.{part.field} {sign} {places[depth]}"]))
    return "(" + " OR ".join(f"({one})" for one in alternatives) + ")"
