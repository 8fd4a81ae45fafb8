"""A simulator and a synced catalog for each vendor in turn."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from frontdesk.vendors.contract import Connector, Record
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.registry import connector_of, vendors
from tests.conformance.pms import Pms
from tests.vendors.live import LiveSession, live_session, synced

VENDORS = [code for code, vendor in vendors().items() if vendor.connector is not None]


@pytest.fixture(params=VENDORS)
async def pms(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pms]:
    """A PMS over a real socket, its whole catalog known."""
    connector = connector_of(request.param)
    # Nothing here keeps to a vendor's budget as a worker does.
    async with live_session(tmp_path, request.param, throttle_factor=1_000) as session:
        yield Pms(connector, session, await _catalog(connector, session))


_catalogs: dict[tuple[str, date], dict[Model, dict[str, Record]]] = {}


async def _catalog(connector: Connector, session: LiveSession) -> dict[Model, dict[str, Record]]:
    """What a sync brings, read by a real one: the first of the day. Every sandbox is seeded with the
    same world, and its whole list was read for each of a thousand tests, few of which are about it."""
    key = connector.declaration.vendor, datetime.now(UTC).date()
    if key not in _catalogs:
        _catalogs[key] = await synced(connector, session)
    await session.sign_in()
    session.x_property_ids = tuple(_catalogs[key].get(Model.PROPERTIES, ()))
    return _catalogs[key]
