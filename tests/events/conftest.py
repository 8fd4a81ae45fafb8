"""What the tests of events share."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.vendors.contract import Vendor
from tests.conftest import CallerAccount
from tests.events.world import World, build

MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
def make_world(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount
) -> MakeWorld:
    """Makes an active integration of a vendor, with a catalog, for the calling account."""

    async def make(vendor: Vendor, **settings: Any) -> World:
        return await build(client, database, account.id, vendor, **settings)

    return make
