"""Many events in one call: judged one by one, stored in one commit, answered in their order."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.application import Services
from frontdesk.database.pool import Database
from frontdesk.events import bulk
from frontdesk.ids import new_id
from frontdesk.vendors.registry import vendors
from tests.conftest import CallerAccount, LiveServer, MakeAccount, session
from tests.events.conftest import MakeWorld
from tests.events.world import POST, SUPPORTING, World
from tests.integrations.world import PATH, body_of, refused

BULK = f"{POST}/bulk"
NOBODY = "0198c0de-0000-7000-8000-000000000001"


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world(SUPPORTING[0])


async def post(client: aiohttp.ClientSession, body: Any, **options: Any) -> dict[str, Any]:
    async with client.post(BULK, json=body, **options) as answer:
        assert answer.status == 200, await answer.text()
        shown: dict[str, Any] = await answer.json()
    return shown


async def stored(database: Database, world: World) -> list[dict[str, Any]]:
    """The integration's writes in the order of their lanes."""
    rows = await database.fetch(
        "SELECT id, input, state FROM writes WHERE integration_id = $1 ORDER BY lane_number",
        UUID(world.integration_id),
    )
    return [{**dict(row), "input": orjson.loads(row["input"])} for row in rows]


async def test_each_event_gets_its_own_result_in_the_order_of_the_call(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    events: list[Any] = [
        world.body(notes="first"),
        world.body(resident_id=NOBODY),
        7,
        world.body(notes="second", external_reference="mine"),
        world.body(nonsense=1),
        world.body(notes="third", send_at="2199-01-01T00:00:00Z"),
    ]
    shown = await post(client, {"events": events})
    assert shown["meta"] == {"accepted": 3, "refused": 3}
    results = shown["results"]
    assert ["error" in result for result in results] == [False, True, True, False, True, False]
    assert results[1]["error"]["code"] == "unknown_reference"
    paths = [
        [issue["path"] for issue in result["error"]["details"]["issues"]]
        for result in results
        if "error" in result
    ]
    assert paths[0] == [["events", 1, "resident_id"]]
    assert paths[1] == [["events", 2]]
    assert paths[2] == [["events", 4, "nonsense"]]
    # An accepted one is answered as if it had come alone.
    async with client.post(POST, json=events[3]) as answer:
        alone = await answer.json()
    assert results[3]["data"] == alone["data"] == results[3]["result"]
    assert set(results[3]) == set(alone)
    writes = await stored(database, world)
    assert [str(write["id"]) for write in writes] == [
        results[0]["job_id"],
        results[3]["job_id"],
        alone["job_id"],
        results[5]["job_id"],
    ]
    assert [write["state"] for write in writes] == ["queued"] * 3 + ["scheduled"]


async def test_the_order_of_the_call_is_the_order_of_the_lane(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    texts = [f"event {number}" for number in range(bulk.MOST_EVENTS)]
    shown = await post(client, {"events": [world.body(notes=text) for text in texts]})
    assert shown["meta"] == {"accepted": 500, "refused": 0}
    writes = await stored(database, world)
    assert [write["input"]["notes"] for write in writes] == texts
    ready = await database.fetch_value(
        "SELECT count(*) FROM writes WHERE integration_id = $1 AND ready_at IS NOT NULL",
        UUID(world.integration_id),
    )
    assert ready == 1


async def test_atomic_accepts_all_or_none_and_names_every_problem(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    good = world.body()
    async with client.post(
        BULK,
        json={
            "events": [good, world.body(resident_id=NOBODY), world.body(nonsense=1)],
            "atomic": True,
        },
    ) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "events.1.resident_id": "unknown_reference",
            "events.2.nonsense": "unknown_field",
        }
    body = {"events": [good, world.body(resident_id=NOBODY)], "atomic": True}
    async with client.post(BULK, json=body) as answer:
        await refused(answer, 400, "unknown_reference")
    assert await stored(database, world) == []
    shown = await post(client, {"events": [good, good], "atomic": True})
    assert shown["meta"] == {"accepted": 2, "refused": 0}
    assert len(await stored(database, world)) == 2


async def test_an_event_for_a_pms_without_such_events_is_an_error_of_its_own(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    vendor = next(v for v in vendors().values() if v.declaration.create is None)
    async with client.post(PATH, json=body_of(vendor, active=True)) as answer:
        other = (await answer.json())["result"]["id"]
    shown = await post(client, {"events": [{"integration_id": other}, world.body()]})
    assert shown["results"][0]["error"]["code"] == "not_supported"
    assert "job_id" in shown["results"][1]


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ([], {"": "wrong_type"}),
        ({}, {"events": "required"}),
        ({"events": []}, {"events": "too_short"}),
        ({"events": [{}] * 501}, {"events": "too_long"}),
        ({"events": {}, "atomic": "yes"}, {"events": "wrong_type", "atomic": "wrong_type"}),
        ({"events": [{}], "other": 1}, {"other": "unknown_field"}),
    ],
)
async def test_a_malformed_call_is_refused_whole(
    client: aiohttp.ClientSession, body: Any, problems: dict[str, str]
) -> None:
    async with client.post(BULK, json=body) as answer:
        assert await refused(answer, 400, "invalid_request") == problems


async def test_there_is_no_wait(client: aiohttp.ClientSession, world: World) -> None:
    async with client.post(f"{BULK}?wait=1", json={"events": [world.body()]}) as answer:
        assert await refused(answer, 400, "invalid_request") == {"query.wait": "unknown_field"}


async def test_one_key_covers_the_call_and_replays_its_jobs_and_its_refusals(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    headers = {"Idempotency-Key": str(new_id())}
    body = {"events": [world.body(notes="a"), world.body(resident_id=NOBODY), world.body()]}
    async with client.post(BULK, json=body, headers=headers) as answer:
        assert "Idempotent-Replayed" not in answer.headers
        first = await answer.json()
    async with client.post(BULK, json=body, headers=headers) as answer:
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert await answer.json() == first
    assert len(await stored(database, world)) == 2
    other = {"events": [world.body(notes="b")]}
    async with client.post(BULK, json=other, headers=headers) as answer:
        await refused(answer, 422, "idempotency_mismatch")
    # A single event and a call are different requests.
    async with client.post(POST, json=world.body(), headers=headers) as answer:
        await refused(answer, 422, "idempotency_mismatch")


async def test_a_call_that_comes_twice_at_once_is_stored_once_whoever_takes_it(
    server: LiveServer,
    another_server: Any,
    database: Database,
    account: CallerAccount,
    world: World,
) -> None:
    other = another_server()
    headers = {"Idempotency-Key": str(new_id())}
    body = {"events": [world.body(notes=str(number)) for number in range(50)]}

    async def send(url: str) -> dict[str, Any]:
        async with session(url, account) as client:
            return await post(client, body, headers=headers)

    answers = await asyncio.gather(*(send(url) for url in (server.url, other.url) * 3))
    assert all(answer == answers[0] for answer in answers)
    assert len(await stored(database, world)) == 50


async def test_a_dry_run_shows_each_request_and_stores_nothing(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    body = {"events": [world.body(notes="A text"), world.body(resident_id=NOBODY)]}
    headers = {"Idempotency-Key": str(new_id())}
    for _ in range(2):
        shown = await post(client, body, params={"dry_run": "true"}, headers=headers)
        assert shown["results"][0]["valid"] is True
        assert "A text" in shown["results"][0]["request"]["body"]
        assert shown["results"][1]["error"]["code"] == "unknown_reference"
    assert await stored(database, world) == []


async def test_unknown_fields_are_left_out_of_each_event(
    client: aiohttp.ClientSession, world: World
) -> None:
    taken = world.declaration.create
    assert taken is not None
    foreign = next(name for name in ("title", "status", "event_name") if name not in taken.fields)
    event = world.body() | {foreign: "COMPLETED"}
    shown = await post(client, {"events": [event]}, params={"ignore_unknown_fields": "true"})
    assert [w["field"] for w in shown["results"][0]["warnings"]] == [foreign]
    shown = await post(client, {"events": [event]})
    assert "error" in shown["results"][0]


async def test_a_call_counts_as_one_request(
    server: LiveServer, services: Services, make_account: MakeAccount
) -> None:
    caller = await make_account(5)
    async with session(server.url, caller) as client:
        for _ in range(5):
            shown = await post(client, {"events": [{}] * 20})
            assert shown["meta"] == {"accepted": 0, "refused": 20}
        async with client.post(BULK, json={"events": [{}]}) as answer:
            await refused(answer, 429, "rate_limited")


async def test_a_call_may_have_8_mib_where_a_single_event_may_have_one(
    client: aiohttp.ClientSession, world: World
) -> None:
    text = "x" * 15_000
    events = [world.body(notes=text) for _ in range(500)]
    shown = await post(client, {"events": events}, params={"dry_run": "true"})
    assert len(shown["results"]) == 500
    async with client.post(BULK, data=b" " * (bulk.BODY_LIMIT + 1)) as answer:
        assert answer.status in (413, 415)


async def test_the_scope_is_needed(server: LiveServer, make_account: MakeAccount) -> None:
    caller = await make_account(scopes=("events:read",))
    async with (
        session(server.url, caller) as client,
        client.post(BULK, json={"events": [{}]}) as answer,
    ):
        await refused(answer, 403, "forbidden")
