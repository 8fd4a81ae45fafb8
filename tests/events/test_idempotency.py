"""The same request with the same key is one write, whoever takes it."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from tests.conftest import CallerAccount, LiveServer, session
from tests.events.conftest import MakeWorld
from tests.events.world import POST, SUPPORTING, World
from tests.integrations.world import refused


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world(SUPPORTING[0])


async def send(
    client: aiohttp.ClientSession, body: Any, key: str, query: str = "", path: str = POST
) -> tuple[dict[str, Any], bool]:
    headers = {"Idempotency-Key": key}
    async with client.post(f"{path}{query}", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json(), answer.headers.get("Idempotent-Replayed") == "true"


async def writes_of(database: Database, world: World) -> int:
    count: int = await database.fetch_value(
        "SELECT count(*) FROM writes WHERE integration_id = $1", UUID(world.integration_id)
    )
    return count


async def test_the_same_request_is_answered_the_same_and_makes_one_job(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    key = str(new_id())
    first, replayed = await send(client, world.body(), key)
    assert not replayed
    again = {**dict(reversed(world.body().items())), "title": None}
    for query, path in (("", POST), ("?wait=0", POST), ("", f"{POST}/")):
        second, replayed = await send(client, again, key, query, path)
        second.pop("write", None)
        assert (second, replayed) == (first, True)
    assert await writes_of(database, world) == 1


async def test_a_changed_catalog_turns_no_replay_into_a_refusal(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    key = str(new_id())
    first, _ = await send(client, world.body(), key)
    await database.execute(
        "UPDATE integration_properties SET enabled = false WHERE integration_id = $1",
        UUID(world.integration_id),
    )
    second, replayed = await send(client, world.body(), key)
    assert (second["job_id"], replayed) == (first["job_id"], True)


async def test_another_body_query_or_path_under_the_same_key_is_a_mismatch(
    client: aiohttp.ClientSession, world: World
) -> None:
    key = str(new_id())
    await send(client, world.body(), key)
    headers = {"Idempotency-Key": key}
    vendor = world.declaration.vendor.lower()
    for path, body in (
        (POST, world.body(notes="Another")),
        (f"{POST}?ignore_unknown_fields=true", world.body()),
        (f"{POST}/{vendor}", world.body()),
    ):
        async with client.post(path, json=body, headers=headers) as answer:
            await refused(answer, 422, "idempotency_mismatch")


async def test_a_key_belongs_to_its_account(
    client: aiohttp.ClientSession, strange_client: aiohttp.ClientSession, world: World
) -> None:
    key = str(new_id())
    await send(client, world.body(), key)
    headers = {"Idempotency-Key": key}
    async with strange_client.post(POST, json=world.body(), headers=headers) as answer:
        await refused(answer, 400, "unknown_reference")


@pytest.mark.parametrize("key", ["", "é", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused(
    client: aiohttp.ClientSession, world: World, key: str
) -> None:
    headers = {"Idempotency-Key": key}
    async with client.post(POST, json=world.body(), headers=headers) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "header.Idempotency-Key": "invalid_value"
        }


async def test_many_at_once_on_two_servers_make_one_job(
    client: aiohttp.ClientSession,
    account: CallerAccount,
    another_server: Callable[..., LiveServer],
    database: Database,
    world: World,
) -> None:
    async with session(another_server().url, account) as other:
        for _ in range(5):
            key = str(new_id())
            before = await writes_of(database, world)
            answers = await asyncio.gather(
                *(send(one, world.body(), key) for one in (client, other) * 6)
            )
            assert len({shown["job_id"] for shown, _ in answers}) == 1
            assert sum(1 for _, replayed in answers if not replayed) == 1
            assert await writes_of(database, world) == before + 1
