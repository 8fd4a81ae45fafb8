"""The sync: what is due, in which order it is read, and where it goes on after a crash."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from frontdesk.catalog.service import CatalogService
from frontdesk.catalog.sync import FULL_EVERY, SINCE_MARGIN, URGENT, SyncRunner
from frontdesk.database.pool import Database, Record
from frontdesk.errors import ApiError
from frontdesk.vendors.declaration import Model
from tests.catalog.world import (
    PaperConnector,
    PaperIntegration,
    PaperSession,
    a_property,
    a_resident,
    a_unit,
    a_whole_pms,
    an_event,
    an_integration,
    id_of,
    rows,
    run_all,
    store,
    vendors_with,
)


@pytest.fixture
def pms(monkeypatch: pytest.MonkeyPatch) -> PaperConnector:
    """A PMS with some of everything, which the registry knows alone."""
    connector = PaperConnector(a_whole_pms())
    for module in ("sync", "service"):
        monkeypatch.setattr(f"frontdesk.catalog.{module}.vendors", vendors_with(connector))
    return connector


@pytest.fixture(autouse=True)
async def nothing_else_is_due(database: Database) -> None:
    """The module's tests share a database: what others left is switched off."""
    await database.execute("UPDATE integrations SET active = false")


async def jobs_of(database: Database, integration: PaperIntegration) -> dict[str, Record]:
    found = await database.fetch(
        "SELECT * FROM read_jobs WHERE integration_id = $1 ORDER BY created_at, place",
        integration.id,
    )
    return {row["job_type"]: row for row in found}


async def the_integration(database: Database, integration: PaperIntegration) -> Record:
    row = await database.fetch_row("SELECT * FROM integrations WHERE id = $1", integration.id)
    assert row is not None
    return row


async def check_whole(database: Database, integration: PaperIntegration) -> None:
    counts = await CatalogService(database).counts(integration.account_id, integration.id)
    assert counts == {
        "properties": 2,
        "units": 3,
        "employees": 1,
        "event_types": 2,
        "event_sub_types": 1,
        "event_results": 1,
        "residents": 3,
        "timezones": 0,
        "events": 0,
    }


async def test_first_sync_reads_every_model_in_order_and_tells_the_integration(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    runner = SyncRunner(database)
    assert await runner.schedule_due() == 1
    assert await CatalogService(database).syncing([integration.id]) == {integration.id}
    await run_all(runner, integration, pms)
    await check_whole(database, integration)
    order = list(dict.fromkeys(model for model, _, _ in pms.asked))
    assert order == [model for model in Model if model in pms.declaration.reads][:-1]
    # The properties of the first step are what the later ones are asked for.
    assert pms.properties_told[Model.RESIDENTS] == ("p1", "p2")
    told = await the_integration(database, integration)
    assert told["last_completed_sync"] is not None
    assert told["can_authenticate"] is True
    root = (await jobs_of(database, integration))["sync"]
    assert (root["state"], root["records"]) == ("succeeded", 13)
    assert await CatalogService(database).syncing([integration.id]) == set()


async def test_existing_events_follow_in_the_background_after_the_sync(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    pms.events = {"r1": [an_event("n1", "r1")], "r3": [an_event("n3", "r3")]}
    runner = SyncRunner(database)
    await runner.schedule_due()
    while (await the_integration(database, integration))["last_completed_sync"] is None:
        assert await runner.run_step(integration, pms, PaperSession())
    assert pms.asked_events == []
    await run_all(runner, integration, pms)
    assert sorted(pms.asked_events) == ["r1", "r2", "r3"]
    assert set(await rows(database, integration, "events")) == {"n1", "n3"}
    read_at = [
        r["events_read_at"] for r in (await rows(database, integration, "residents")).values()
    ]
    assert None not in read_at


async def test_background_begins_with_the_resident_read_longest_ago(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    runner = SyncRunner(database)
    await runner.schedule_due()
    await run_all(runner, integration, pms)
    now = datetime.now(UTC)
    for x_id, days in (("r1", 2), ("r2", 4), ("r3", 3)):
        await database.execute(
            "UPDATE residents SET events_read_at = $3 WHERE integration_id = $1 AND x_id = $2",
            integration.id,
            x_id,
            now - timedelta(days=days),
        )
    pms.asked_events.clear()
    await CatalogService(database).manual_sync(
        integration.account_id, integration.id, ["events"], []
    )
    await run_all(runner, integration, pms)
    assert pms.asked_events == ["r2", "r3", "r1"]


async def test_crash_at_every_step_loses_and_doubles_nothing(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    await SyncRunner(database).schedule_due()
    steps = 0
    # Each step by a process that knows of no other, and every second one dies in the middle.
    while True:
        steps += 1
        pms.before = _killed if steps % 2 else _lives
        try:
            if not await SyncRunner(database).run_step(integration, pms, PaperSession()):
                break
        except KeyboardInterrupt:
            # As SIGKILL leaves it: the job is still marked as running.
            await database.execute(
                "UPDATE read_jobs SET state = 'running' WHERE integration_id = $1 "
                "AND started_at IS NOT NULL AND finished_at IS NULL",
                integration.id,
            )
        assert steps < 200
    await check_whole(database, integration)
    done = await jobs_of(database, integration)
    assert {job["state"] for job in done.values()} == {"succeeded"}
    assert done["sync_residents"]["pages"] == 2
    assert done["sync_residents"]["records"] == 3


async def test_page_of_a_run_that_lost_its_job_is_not_stored(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    await SyncRunner(database).schedule_due()
    late = [[a_property("late")]]

    async def taken_over(model: Model, cursor: str | None) -> None:
        # Meanwhile another worker has taken the integration and done the step.
        await database.execute(
            "UPDATE read_jobs SET claims = claims + 1 WHERE integration_id = $1", integration.id
        )

    class Slow(PaperConnector):
        async def read(self, session, model, cursor, since):  # type: ignore[no-untyped-def] # as it is
            page = await super().read(session, model, cursor, since)
            await taken_over(model, cursor)
            return page

    await SyncRunner(database).run_step(integration, Slow({Model.PROPERTIES: late}), PaperSession())
    assert await rows(database, integration, "properties") == {}


async def test_drained_step_is_handed_back_at_once(database: Database, pms: PaperConnector) -> None:
    integration = await an_integration(database)
    runner = SyncRunner(database)
    await runner.schedule_due()
    pms.before = _killed
    with pytest.raises(KeyboardInterrupt):
        await runner.run_step(integration, pms, PaperSession())
    assert (await jobs_of(database, integration))["sync_properties"]["state"] == "queued"
    assert await runner.due([integration.id]) == {integration.id}


async def test_one_sync_at_a_time_however_many_schedule(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    assert await SyncRunner(database).schedule_due() == 1
    await database.execute(
        "UPDATE integrations SET next_sync_at = now() WHERE id = $1", integration.id
    )
    assert await SyncRunner(database).schedule_due() == 0


async def test_next_sync_is_due_one_period_later_and_asks_for_changes_only(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database, sync_frequency=30, sync_cadence="MINUTE")
    runner = SyncRunner(database)
    await runner.schedule_due()
    await run_all(runner, integration, pms)
    first = (await jobs_of(database, integration))["sync_residents"]["started_at"]
    assert await runner.schedule_due() == 0
    due_in = (await the_integration(database, integration))["next_sync_at"] - datetime.now(UTC)
    assert timedelta(minutes=29) < due_in <= timedelta(minutes=30)
    pms.asked.clear()
    await sync_now(database, runner, integration, pms)
    assert {since for model, _, since in pms.asked if model is Model.RESIDENTS} == {
        first - SINCE_MARGIN
    }


async def test_everything_is_read_again_after_a_week(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    runner = SyncRunner(database)
    await runner.schedule_due()
    await run_all(runner, integration, pms)
    await database.execute(
        "UPDATE read_jobs SET started_at = started_at - $2::interval WHERE integration_id = $1",
        integration.id,
        FULL_EVERY,
    )
    pms.asked.clear()
    await sync_now(database, runner, integration, pms)
    assert {since for _, _, since in pms.asked} == {None}


async def test_sync_never_deletes_what_the_pms_no_longer_shows(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    runner = SyncRunner(database)
    await runner.schedule_due()
    await run_all(runner, integration, pms)
    gone = (await rows(database, integration, "residents"))["r3"]
    pms.pages[Model.RESIDENTS] = [[a_resident("r1", "u1")]]
    await sync_now(database, runner, integration, pms)
    kept = await rows(database, integration, "residents")
    assert kept["r3"]["last_seen"] == gone["last_seen"]
    assert kept["r1"]["last_seen"] > gone["last_seen"]


async def test_inactive_and_archived_integrations_are_not_synced(
    database: Database, pms: PaperConnector
) -> None:
    await an_integration(database, active=False)
    await an_integration(database, is_archived=True)
    assert await SyncRunner(database).schedule_due() == 0


async def test_manual_sync_reads_the_named_models_in_full_and_the_residents_events(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    await store(database, integration, a_property(), a_property("p2"))
    await store(database, integration, a_resident("r1"), a_resident("r2"))
    resident = await id_of(database, integration, "residents", "r2")
    service = CatalogService(database)
    for _ in range(2):  # what waits already is not added twice
        await service.manual_sync(
            integration.account_id, integration.id, ["units", "event-types"], [resident]
        )
    await database.execute(
        "UPDATE integrations SET next_sync_at = now() + interval '1 day' WHERE id = $1",
        integration.id,
    )
    await run_all(SyncRunner(database), integration, pms)
    assert [model for model, cursor, _ in pms.asked if cursor is None] == [
        Model.UNITS,
        Model.EVENT_TYPES,
    ]
    assert pms.asked_events[0] == "r2"
    # Some models are no sync: the first one is still to come.
    assert (await the_integration(database, integration))["last_completed_sync"] is None


async def test_manual_sync_without_names_reads_everything_in_full(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    service = CatalogService(database)
    await service.manual_sync(integration.account_id, integration.id, ["units"], [])
    await service.manual_sync(integration.account_id, integration.id, [], [])
    await run_all(SyncRunner(database), integration, pms)
    await check_whole(database, integration)
    assert (await the_integration(database, integration))["last_completed_sync"] is not None


async def refused_paths(
    service: CatalogService,
    account_id: UUID,
    integration: PaperIntegration,
    models: Sequence[str],
    residents: Sequence[UUID] = (),
) -> list[list[str | int]]:
    with pytest.raises(ApiError) as refused:
        await service.manual_sync(account_id, integration.id, models, residents)
    return [issue["path"] for issue in refused.value.details.get("issues", [])]


async def test_manual_sync_refuses_what_is_not_there(
    database: Database, pms: PaperConnector
) -> None:
    integration, other = await an_integration(database), await an_integration(database)
    await store(database, other, a_resident("r1"))
    foreign = await id_of(database, other, "residents", "r1")
    service = CatalogService(database)
    account_id = integration.account_id
    assert await refused_paths(service, account_id, integration, ["units", "leases"]) == [
        ["models_to_sync", 1]
    ]
    assert await refused_paths(service, account_id, integration, [], [foreign]) == [
        ["resident_ids", 0]
    ]
    assert await refused_paths(service, other.account_id, integration, ["units"]) == []
    assert await jobs_of(database, integration) == {}


async def test_what_a_caller_waits_for_comes_before_a_running_sync(
    database: Database, pms: PaperConnector
) -> None:
    integration = await an_integration(database)
    runner = SyncRunner(database)
    await store(database, integration, a_unit())
    await store(database, integration, a_resident("r1"))
    await runner.schedule_due()
    await runner.run_step(integration, pms, PaperSession())
    resident = await id_of(database, integration, "residents", "r1")
    service = CatalogService(database)
    await service.manual_sync(integration.account_id, integration.id, [], [resident])
    assert await runner.run_step(integration, pms, PaperSession(), least=URGENT)
    assert pms.asked_events == ["r1"]
    assert not await runner.run_step(integration, pms, PaperSession(), least=URGENT)


async def sync_now(
    database: Database, runner: SyncRunner, integration: PaperIntegration, pms: PaperConnector
) -> None:
    await database.execute(
        "UPDATE integrations SET next_sync_at = now() WHERE id = $1", integration.id
    )
    assert await runner.schedule_due() == 1
    await run_all(runner, integration, pms)


def _killed(model: Model, cursor: str | None) -> None:
    raise KeyboardInterrupt


def _lives(model: Model, cursor: str | None) -> None:
    return None
