"""The one question that events ask the database themselves: an integration's event types.

Invariant: the caller has checked whose integration it is.
"""

from uuid import UUID

from frontdesk.database.pool import Database, Record

# All of them: the largest known list has a few hundred.
_TYPES = """
SELECT id, x_id, data->>'name' AS name, class, models FROM event_types
WHERE integration_id = $1 ORDER BY data->>'name', id
"""


async def event_types(database: Database, integration_id: UUID) -> list[Record]:
    """`id x_id name class models` of every event type of an integration."""
    return await database.fetch(_TYPES, integration_id)
