"""Each vendor's whole catalog from its simulator, over a real socket, into the real database."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from frontdesk.catalog.listing import Listing
from frontdesk.catalog.models import SPECS
from frontdesk.catalog.rows import shown
from frontdesk.catalog.schemas import schema_of
from frontdesk.catalog.service import CatalogService
from frontdesk.catalog.sync import SyncRunner, models_of
from frontdesk.catalog.values import from_json
from frontdesk.database.pool import Database
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.registry import connector_of, vendors
from tests.catalog.world import PaperIntegration, an_integration, rows
from tests.vendors.live import LiveSession, live_session

pytestmark = pytest.mark.long

READABLE = [code for code, vendor in vendors().items() if vendor.connector is not None]


@pytest.mark.parametrize("code", READABLE)
async def test_first_sync_brings_everything_and_leaves_no_reference_open(
    database: Database, tmp_path: Path, code: str
) -> None:
    await database.execute("UPDATE integrations SET active = false")
    made = await an_integration(database, vendor=code)
    integration = PaperIntegration(made.id, made.account_id, code)
    connector = connector_of(code)
    service = CatalogService(database)
    runner = service.sync_runner()
    assert await runner.schedule_due() == 1
    # Nothing here keeps to a vendor's budget as a worker does.
    async with live_session(tmp_path, code, throttle_factor=1_000) as session:
        await _run(runner, integration, session)
        counts = await service.counts(integration.account_id, integration.id)
        await service.begin_data_access(integration.account_id, integration.id)
        await _run(runner, integration, session)
    for model in models_of(connector.declaration):
        spec = SPECS[model]
        kept = await rows(database, integration, spec.table)
        assert counts[spec.table] == len(kept) > 0
        assert [x_id for x_id, row in kept.items() if row["unresolved"]] == []
        page = await service.page(Listing(spec, integration.account_id, limit=250))
        # Made once: `jsonschema.validate` would check the schema itself anew for each record.
        validator = Draft202012Validator(schema_of(spec))
        for row in page:
            validator.validate(shown(spec, row))
    residents = await rows(database, integration, "residents")
    with_lease = [row for row in residents.values() if from_json(row["leases"])]
    assert with_lease
    assert all(row["property_id"] for row in with_lease)
    assert any(row["unit_ids"] for row in residents.values())
    assert all(row["events_read_at"] for row in residents.values())
    told = await database.fetch_row("SELECT * FROM integrations WHERE id = $1", integration.id)
    assert told is not None
    assert told["last_completed_sync"] is not None
    access = from_json(told["data_access"])
    assert {str(model) for model in Model if access[model]["read"] == {"status": "SUCCESS"}} == {
        str(model) for model in connector.declaration.reads
    }
    failed = await database.fetch(
        "SELECT job_type, error FROM read_jobs WHERE integration_id = $1 AND state <> 'succeeded'",
        integration.id,
    )
    assert failed == []


async def _run(runner: SyncRunner, integration: PaperIntegration, session: LiveSession) -> None:
    connector = connector_of(integration.vendor)
    for _ in range(1000):
        if not await runner.run_step(integration, connector, session):
            return
    raise AssertionError("the reading does not end")
