"""A simulator and a synced catalog for each vendor in turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from frontdesk.vendors.registry import connector_of, vendors
from tests.conformance.pms import Pms
from tests.vendors.live import live_session, synced

VENDORS = [code for code, vendor in vendors().items() if vendor.connector is not None]


@pytest.fixture(params=VENDORS)
async def pms(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pms]:
    """A PMS over a real socket, its whole catalog read."""
    connector = connector_of(request.param)
    # Nothing here keeps to a vendor's budget as a worker does.
    async with live_session(tmp_path, request.param, throttle_factor=1_000) as session:
        yield Pms(connector, session, await synced(connector, session))
