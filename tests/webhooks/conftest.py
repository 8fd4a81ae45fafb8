"""What the tests of webhooks share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.application import open_services
from frontdesk.database.pool import Database
from frontdesk.vendors.contract import Vendor
from tests.conftest import CallerAccount, LiveServer, make_settings
from tests.events.world import World, build
from tests.webhooks.receiver import Receiver, receiving

PATH = "/v1/webhooks"
WRITES = ["WRITE_OPERATION_SUCCESS", "WRITE_OPERATION_FAILURE"]

Hook = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes everything."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def another_receiver() -> AsyncIterator[Receiver]:
    """A second one."""
    async with receiving() as receiver:
        yield receiver


@asynccontextmanager
async def dispatching(database_url: str, **changes: Any) -> AsyncIterator[None]:
    """A worker's dispatcher; in this process, with services of its own."""
    settings = make_settings(**{"webhook_timeout_seconds": 2, "drain_seconds": 0.2, **changes})
    services = await open_services(settings, database_url, role="worker")
    stop = asyncio.Event()
    task = asyncio.create_task(services.webhooks.dispatch(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await services.close()


@pytest.fixture
async def dispatcher(database_url: str, server: LiveServer) -> AsyncIterator[None]:
    """A dispatcher for the length of the test."""
    del server
    async with dispatching(database_url):
        yield


@pytest.fixture
def hook(client: aiohttp.ClientSession, receiver: Receiver) -> Hook:
    """Makes active webhooks at the receiver; fields can be changed."""

    async def make(**changes: Any) -> dict[str, Any]:
        body = {"url": receiver.url, "triggers": WRITES, "active": True, **changes}
        async with client.post(f"{PATH}/", json=body) as answer:
            assert answer.status == 200, await answer.text()
            result: dict[str, Any] = (await answer.json())["result"]
        return result

    return make


@pytest.fixture
async def maple(client: aiohttp.ClientSession, database: Database, account: CallerAccount) -> World:
    """An integration of the calling account, synced, with residents."""
    from tests.events.world import SUPPORTING

    vendor: Vendor = SUPPORTING[0]
    return await build(client, database, account.id, vendor)


async def accepted(client: aiohttp.ClientSession, world: World, **changes: Any) -> UUID:
    """Send an event; its job."""
    async with client.post("/v1/events/residents", json=world.body(**changes)) as answer:
        assert answer.status == 200, await answer.text()
        return UUID((await answer.json())["job_id"])


async def ends(database: Database, job_id: UUID, state: str, *errors: dict[str, Any]) -> None:
    """Let a write end so: as a worker's statement would, in one row's update."""
    await database.execute(
        "UPDATE writes SET state = $2, finished_at = clock_timestamp(), ready_at = NULL, "
        "errors = $3::jsonb WHERE id = $1",
        job_id,
        state,
        orjson.dumps(errors).decode(),
    )


async def said(client: aiohttp.ClientSession, method: str, path: str, **more: Any) -> Any:
    """What a request is answered with; it must be a 200."""
    async with client.request(method, path, **more) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def deliveries(
    client: aiohttp.ClientSession, webhook: dict[str, Any]
) -> list[dict[str, Any]]:
    """The deliveries of a webhook, newest first."""
    found = await said(client, "GET", f"{PATH}/{webhook['id']}/deliveries")
    results: list[dict[str, Any]] = found["results"]
    return results
