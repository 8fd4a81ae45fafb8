"""A resident's existing events in the cache: kept once, kept ours, read when somebody looks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.catalog.known import SyncedIntegration
from frontdesk.catalog.service import CatalogService
from frontdesk.catalog.sync import SyncRunner
from frontdesk.catalog.values import from_json
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.vendors.contract import FoundEvent, Resident
from tests.catalog.world import (
    DECLARATION,
    PaperConnector,
    PaperIntegration,
    PaperSession,
    a_property,
    a_resident,
    a_type,
    an_event,
    an_integration,
    id_of,
    rows,
    store,
    vendors_with,
)
from tests.conftest import CallerAccount


@pytest.fixture
def pms(monkeypatch: pytest.MonkeyPatch) -> PaperConnector:
    """A PMS that the registry knows alone."""
    connector = PaperConnector()
    for module in ("sync", "service"):
        monkeypatch.setattr(f"frontdesk.catalog.{module}.vendors", vendors_with(connector))
    return connector


@pytest.fixture
async def resident(database: Database, account: CallerAccount) -> tuple[PaperIntegration, UUID]:
    """An integration of the caller's with one resident."""
    integration = await an_integration(database, account.id)
    await store(database, integration, a_property())
    await store(database, integration, a_type("8"))
    await store(database, integration, a_resident("r1"))
    return integration, await id_of(database, integration, "residents", "r1")


async def an_own_event(
    database: Database, integration: PaperIntegration, resident_id: UUID, **data: Any
) -> UUID:
    """An event that was written through Frontdesk, as delivery leaves it."""
    event_id: UUID = await database.fetch_value(
        """INSERT INTO events (id, account_id, integration_id, vendor, x_id, data, resident_id,
            origin_job_id) VALUES ($1, $2, $3, $4, 'n1', $5::jsonb, $6, $7) RETURNING id""",
        new_id(),
        integration.account_id,
        integration.id,
        DECLARATION.vendor,
        orjson.dumps(data).decode(),
        resident_id,
        new_id(),
    )
    return event_id


async def test_found_events_are_stored_once_with_resident_property_and_type(
    database: Database, resident: tuple[PaperIntegration, UUID]
) -> None:
    integration, resident_id = resident
    service = CatalogService(database)
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    found = FoundEvent("n1", "r1", "Hello", x_type_id="8", instants=(moment,), author="5")
    for _ in range(2):
        await service.store_found_events(integration.id, resident_id, [found, found])
    kept = await rows(database, integration, "events")
    assert list(kept) == ["n1"]
    row, data = kept["n1"], from_json(kept["n1"]["data"])
    assert row["resident_id"] == resident_id
    assert row["property_id"] == await id_of(database, integration, "properties", "p1")
    assert row["author"] == "5"
    assert row["updated_at"] == row["created_at"] or row["updated_at"] < row["last_seen"]
    assert data["event_datetime"] == "2026-01-02T03:04:00Z"
    assert (data["notes"], data["x_type_id"]) == ("Hello", "8")
    type_id = await id_of(database, integration, "event_types", "8")
    assert data["event_type_id"] == str(type_id)


async def test_event_that_we_wrote_keeps_what_its_caller_said_until_the_pms_changes_it(
    database: Database, resident: tuple[PaperIntegration, UUID]
) -> None:
    integration, resident_id = resident
    service = CatalogService(database)
    type_id = str(await id_of(database, integration, "event_types", "8"))
    event_id = await an_own_event(
        database, integration, resident_id, notes="As said", title="T", event_type_id=type_id
    )
    as_stored = an_event("n1", text="Reason: x\nAs said", agent_name="Ann")
    for _ in range(2):
        await service.store_found_events(integration.id, resident_id, [as_stored])
    event = await service.event(integration.account_id, event_id)
    assert event is not None
    assert event.data["notes"] == "As said"
    assert event.data["agent_name"] == "Ann"
    assert event.data["event_type_id"] == type_id
    edited = an_event("n1", text="Edited at the PMS", agent_name="Ann")
    await service.store_found_events(integration.id, resident_id, [edited])
    event = await service.event(integration.account_id, event_id)
    assert event is not None
    assert (event.data["notes"], event.data["title"]) == ("Edited at the PMS", "T")
    assert event.origin_job_id is not None


async def test_events_known_before_a_moment_are_those_stored_before_it(
    database: Database, resident: tuple[PaperIntegration, UUID]
) -> None:
    integration, resident_id = resident
    service = CatalogService(database)
    await service.store_found_events(integration.id, resident_id, [an_event("n1")])
    moment = await database.fetch_value("SELECT clock_timestamp()")
    await service.store_found_events(integration.id, resident_id, [an_event("n1"), an_event("n2")])
    known = await service.events_known_before(integration.id, resident_id, moment)
    assert known == frozenset({"n1"})


async def test_writes_get_their_records_tied_before_these_are_stored(
    database: Database, pms: PaperConnector, resident: tuple[PaperIntegration, UUID]
) -> None:
    integration, resident_id = resident
    pms.events = {"r1": [an_event("n1")]}
    cached: list[set[str]] = []

    async def tie(of: SyncedIntegration, whose: Resident, found: tuple[FoundEvent, ...]) -> None:
        assert (of.id, whose.id) == (integration.id, str(resident_id))
        cached.append(set(await rows(database, integration, "events")))

    await CatalogService(database).manual_sync(
        integration.account_id, integration.id, [], [resident_id]
    )
    runner = SyncRunner(database, on_found_events=tie)
    while await runner.run_step(integration, pms, PaperSession()):
        pass
    assert cached == [set()]
    assert set(await rows(database, integration, "events")) == {"n1"}


@pytest.fixture
async def worker(
    database: Database, pms: PaperConnector, resident: tuple[PaperIntegration, UUID]
) -> AsyncIterator[None]:
    """Something that does the integration's read jobs meanwhile."""
    integration, _ = resident

    async def work() -> None:
        runner = SyncRunner(database)
        while True:
            await runner.run_step(integration, pms, PaperSession())
            await asyncio.sleep(0.02)

    task = asyncio.create_task(work())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def listed(client: aiohttp.ClientSession, resident_id: UUID) -> set[str]:
    async with client.get("/v1/events/", params={"resident_id": str(resident_id)}) as answer:
        assert answer.status == 200, await answer.text()
        return {record["x_id"] for record in (await answer.json())["results"]}


@pytest.mark.usefixtures("worker")
async def test_list_of_a_residents_events_reads_them_first_and_then_not_for_a_while(
    pms: PaperConnector,
    resident: tuple[PaperIntegration, UUID],
    client: aiohttp.ClientSession,
) -> None:
    _, resident_id = resident
    pms.events = {"r1": [an_event("n1"), an_event("n2")]}
    assert await listed(client, resident_id) == {"n1", "n2"}
    pms.events = {"r1": [an_event("n3")]}
    assert await listed(client, resident_id) == {"n1", "n2"}
    assert pms.asked_events == ["r1"]


async def test_without_a_worker_the_list_answers_from_the_cache_and_leaves_one_job(
    database: Database,
    pms: PaperConnector,
    resident: tuple[PaperIntegration, UUID],
) -> None:
    integration, resident_id = resident
    service = CatalogService(database)
    await asyncio.gather(
        *(
            service.refresh_events(integration.account_id, resident_id, wait_seconds=0.05)
            for _ in range(2)
        )
    )
    await service.refresh_events(integration.account_id, resident_id, wait_seconds=0.05)
    jobs = await database.fetch("SELECT * FROM read_jobs WHERE integration_id = $1", integration.id)
    assert {job["job_type"] for job in jobs} == {"resident_events"}
    assert len(jobs) <= 2


async def test_stranger_cannot_have_a_resident_read(
    database: Database,
    pms: PaperConnector,
    resident: tuple[PaperIntegration, UUID],
    stranger: CallerAccount,
) -> None:
    integration, resident_id = resident
    await CatalogService(database).refresh_events(stranger.id, resident_id)
    count = "SELECT count(*) FROM read_jobs WHERE integration_id = $1"
    assert await database.fetch_value(count, integration.id) == 0
