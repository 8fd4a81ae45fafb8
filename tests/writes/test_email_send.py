"""A retry of a write that sends a message asks its integration anew whether it may."""

from typing import Any

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.vendors.declaration import EventClass
from tests.conftest import CallerAccount
from tests.events.world import POST, World, build, typed
from tests.integrations.world import PATH, refused
from tests.writes.test_endpoints import end, retry

RETRY = "/v1/admin/retry-write"
RETRY_MANY = "/v1/admin/retry-writes"


@pytest.fixture
async def world(client: aiohttp.ClientSession, database: Database, account: CallerAccount) -> World:
    return await build(client, database, account.id, typed())


async def failed(
    client: aiohttp.ClientSession, database: Database, world: World, *, email_send: bool
) -> str:
    """The job of a failed write."""
    body = world.body(EventClass.EMAIL_OUT, email_send=email_send)
    job_id: str = (await said(client, "POST", POST, body))["job_id"]
    await end(database, job_id, "failed")
    return job_id


async def said(client: aiohttp.ClientSession, method: str, path: str, body: Any) -> Any:
    async with client.request(method, path, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def allow(client: aiohttp.ClientSession, world: World, *, allowed: bool) -> None:
    await said(client, "PUT", f"{PATH}/{world.integration_id}", {"allow_email_send": allowed})


async def retry_many(client: aiohttp.ClientSession, world: World) -> list[str]:
    """Which writes were retried."""
    body = {"filter": {"integration_id": world.integration_id}}
    return [job["root_job_id"] for job in (await said(client, "POST", RETRY_MANY, body))["jobs"]]


async def test_a_retry_that_sends_a_message_needs_an_integration_that_still_allows_it(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    await allow(client, world, allowed=True)
    one, other = [await failed(client, database, world, email_send=True) for _ in range(2)]
    await allow(client, world, allowed=False)
    async with client.post(f"{RETRY}/{one}") as answer:
        await refused(answer, 409, "conflict")
        assert "email_send" in await answer.text()
    assert await retry_many(client, world) == []
    await allow(client, world, allowed=True)
    assert await retry(client, one) != one
    assert await retry_many(client, world) == [other]


async def test_a_retry_that_sends_none_does_not_ask_for_it(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    one, other = [await failed(client, database, world, email_send=False) for _ in range(2)]
    await allow(client, world, allowed=False)
    await retry(client, one)
    assert await retry_many(client, world) == [other]
