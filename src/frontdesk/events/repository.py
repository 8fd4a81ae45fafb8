"""What events ask the database themselves: an integration's event types, and the map from kinds to
them. Which type a kind stands for is decided by `event_type_of_kind` (in the migrations), which the
look-up of an event's references asks as well, so that the map shown is the map used.

Invariant: the caller has checked whose integration it is, or the statement names the account.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record
from frontdesk.vendors.declaration import EVENT_KINDS

# All of them: the largest known list has a few hundred.
_TYPES = """
SELECT id, x_id, data->>'name' AS name, class, models FROM event_types
WHERE integration_id = $1 ORDER BY data->>'name', id
"""

_MAP = """
SELECT k.kind, t.id, t.data->>'name' AS name, t.class,
    EXISTS (SELECT FROM event_type_choices AS c
        WHERE c.integration_id = $1 AND c.kind = k.kind) AS is_set
FROM unnest($2::text[]) WITH ORDINALITY AS k(kind, place)
LEFT JOIN event_types AS t ON t.id = event_type_of_kind($1, k.kind)
ORDER BY k.place
"""

# Whoever changes a map holds its integration: two changes follow each other, in any order of kinds.
_LOCK = "SELECT is_archived FROM integrations WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE"

_APPLYING = """
SELECT id, models = '{}' OR 'residents' = ANY (models) AS applies FROM event_types
WHERE integration_id = $1 AND id = ANY ($2::uuid[])
"""

_RESET = "DELETE FROM event_type_choices WHERE integration_id = $1 AND kind = ANY ($2::text[])"

_CHOOSE = """
INSERT INTO event_type_choices AS c (integration_id, kind, event_type_id)
SELECT $1, kind, event_type_id FROM unnest($2::text[], $3::uuid[]) AS wanted(kind, event_type_id)
ON CONFLICT (integration_id, kind)
    DO UPDATE SET event_type_id = excluded.event_type_id, chosen_at = clock_timestamp()
    WHERE c.event_type_id <> excluded.event_type_id
"""


async def event_types(database: Database, integration_id: UUID) -> list[Record]:
    """`id x_id name class models` of every event type of an integration."""
    return await database.fetch(_TYPES, integration_id)


async def event_type_map(connection: Connection, integration_id: UUID) -> list[Record]:
    """`kind`, the `id name class` of the type that it stands for (NULL: of none), and whether that
    `is_set` by its owner; every kind in the contract's order."""
    return await connection.fetch(_MAP, integration_id, list(EVENT_KINDS))


async def lock_integration(
    connection: Connection, account_id: UUID, integration_id: UUID
) -> bool | None:
    """Hold the account's integration to the end of the transaction: whether it is archived; None
    where the account has no such one."""
    found: bool | None = await connection.fetch_value(_LOCK, account_id, integration_id)
    return found


async def applying_types(
    connection: Connection, integration_id: UUID, type_ids: Sequence[UUID]
) -> dict[UUID, bool]:
    """Of these event types, those that are the integration's: whether they apply to residents."""
    rows = await connection.fetch(_APPLYING, integration_id, list(type_ids))
    return {row["id"]: row["applies"] for row in rows}


async def change_map(
    connection: Connection, integration_id: UUID, changes: Mapping[str, UUID | None]
) -> None:
    """Set the types of these kinds; None takes the owner's choice back."""
    await connection.execute(
        _RESET, integration_id, [kind for kind, type_id in changes.items() if type_id is None]
    )
    chosen = {kind: type_id for kind, type_id in changes.items() if type_id is not None}
    await connection.execute(_CHOOSE, integration_id, list(chosen), list(chosen.values()))
