"""What the tests of integrations share."""

from uuid import UUID, uuid4

import aiohttp
import pytest
from tests.integrations.world import created

from frontdesk.database.pool import Database


@pytest.fixture
async def configured(client: aiohttp.ClientSession, database: Database) -> tuple[str, list[str]]:
    """An active integration with two properties: its id, and those of the properties."""
    made = await created(client, active=True)
    ids = [uuid4(), uuid4()]
    for property_id in ids:
        await database.execute(
            "INSERT INTO integration_properties (id, integration_id, property_id, enabled) "
            "VALUES ($1, $2, $3, true)",
            uuid4(),
            UUID(made["id"]),
            property_id,
        )
    return made["id"], [str(one) for one in ids]
