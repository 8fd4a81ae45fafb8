"""A write's owner follows, cancels and retries it, through the real server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.vendors.declaration import Model
from tests.conftest import (
    CallerAccount,
    LiveServer,
    MakeAccount,
    make_settings,
    session,
    until,
)
from tests.events.world import POST, SUPPORTING, World, build
from tests.integrations.world import PATH, refused

STATUS = "/v1/admin/write-status"
RETRY = "/v1/admin/retry-write"


@pytest.fixture
async def world(client: aiohttp.ClientSession, database: Database, account: CallerAccount) -> World:
    return await build(client, database, account.id, SUPPORTING[0])


Accept = Callable[..., Awaitable[str]]


@pytest.fixture
def accept(client: aiohttp.ClientSession, world: World) -> Accept:
    """Accepts an event; gives its job."""

    async def accepted(**changes: Any) -> str:
        async with client.post(POST, json=world.body(**changes)) as answer:
            assert answer.status == 200, await answer.text()
            job_id: str = (await answer.json())["job_id"]
        return job_id

    return accepted


async def get(client: aiohttp.ClientSession, path: str, status: int = 200) -> Any:
    async with client.get(path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def end(database: Database, job_id: str, state: str, **error: Any) -> None:
    """What the worker would do at a write's end."""
    errors = orjson.dumps([error] if error else []).decode()
    await database.execute(
        "UPDATE writes SET state = $2, finished_at = now(), ready_at = NULL, errors = $3::jsonb,"
        " resolution = CASE WHEN $2 = 'succeeded' THEN 'exact' END,"
        " x_id = CASE WHEN $2 = 'succeeded' THEN '900' END WHERE id = $1",
        UUID(job_id),
        state,
        errors,
    )


async def test_a_fresh_write_is_pending_and_names_what_it_waits_for(
    client: aiohttp.ClientSession, database: Database, world: World, accept: Accept
) -> None:
    first = await accept(external_reference="ticket")
    second = await accept()
    shown = await get(client, f"{STATUS}/{first}/")
    assert shown["write_status"] == "PENDING"
    assert (shown["state"], shown["waiting_for"]) == ("queued", None)
    assert (shown["job_id"], shown["external_reference"]) == (first, "ticket")
    assert (shown["errors"], shown["created_record_id"], shown["attempts"]) == ([], None, 0)
    assert (await get(client, f"{STATUS}/{second}"))["waiting_for"] == "earlier_event"
    async with client.put(f"{PATH}/{world.integration_id}", json={"active": False}) as answer:
        assert answer.status == 200
    assert (await get(client, f"{STATUS}/{first}"))["waiting_for"] == "paused"
    await database.execute("UPDATE integrations SET active = true")
    await database.execute(
        "INSERT INTO leases (integration_id, not_before, not_before_reason) "
        "VALUES ($1, now() + interval '1 minute', 'authentication')",
        UUID(world.integration_id),
    )
    shown = await get(client, f"{STATUS}/{first}")
    assert shown["waiting_for"] == "authentication"
    assert shown["next_attempt_at"] is not None


async def test_the_end_of_a_write_is_told_in_the_contracts_words(
    client: aiohttp.ClientSession, database: Database, accept: Accept
) -> None:
    failed, arrived = await accept(), await accept()
    await end(database, failed, "failed", code="422", message="No such tenant", retryable=False)
    await end(database, arrived, "succeeded")
    shown = await get(client, f"{STATUS}/{failed}")
    assert (shown["write_status"], shown["errors"]) == ("FAILURE", ["No such tenant"])
    shown = await get(client, f"{STATUS}/{arrived}")
    assert shown["write_status"] == "SUCCESS"
    assert shown["created_records"] == [
        {
            "model": "events",
            "id": shown["created_record_id"],
            "x_id": "900",
            "resolution": "exact",
        }
    ]


async def test_waiting_ends_with_the_write_or_with_its_time(
    client: aiohttp.ClientSession, database: Database, world: World, accept: Accept
) -> None:
    job_id = await accept()
    assert (await get(client, f"{STATUS}/{job_id}?wait=0.2"))["state"] == "queued"
    waiting = asyncio.create_task(get(client, f"{STATUS}/{job_id}?wait=20"))
    await asyncio.sleep(0.1)
    await end(database, job_id, "succeeded")
    assert (await asyncio.wait_for(waiting, 5))["state"] == "succeeded"
    async with client.post(f"{POST}?wait=0.1", json=world.body()) as answer:
        shown = await answer.json()
    assert shown["write"]["job_id"] == shown["job_id"]
    assert shown["write"]["state"] == "queued"


async def test_past_the_limit_of_waiters_the_answer_is_immediate(
    account: CallerAccount, accept: Accept, another_server: Callable[..., LiveServer]
) -> None:
    job_id = await accept()
    async with session(another_server(waiters=0).url, account) as other:
        shown = await asyncio.wait_for(get(other, f"{STATUS}/{job_id}?wait=20"), 5)
        assert shown["state"] == "queued"
        await get(other, f"{STATUS}/{job_id}/stream", 503)


async def test_a_stopping_server_answers_its_waiters_and_streams_at_once(
    account: CallerAccount, accept: Accept, database_url: str
) -> None:
    job_id = await accept()
    live = LiveServer(database_url, make_settings()).start()
    async with session(live.url, account) as other:
        waiting = asyncio.create_task(get(other, f"{STATUS}/{job_id}?wait=30"))
        stream = await other.get(f"{STATUS}/{job_id}/stream")
        assert (await next_event(stream))["state"] == "queued"
        await asyncio.wait_for(asyncio.to_thread(live.stop), 5)
        assert (await asyncio.wait_for(waiting, 5))["state"] == "queued"
        assert await stream.content.read() == b""


async def next_event(stream: aiohttp.ClientResponse) -> dict[str, Any]:
    """The next event of a stream: its data, with its id as `id`."""
    found: dict[str, Any] = {}
    while True:
        line = (await asyncio.wait_for(stream.content.readline(), 10)).decode()
        assert line, "the stream has ended"
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "data":
            found |= orjson.loads(value)
        elif name == "id":
            found["id"] = value
        elif not name and "job_id" in found:
            return found


async def test_a_stream_tells_each_step_and_ends_with_the_write(
    client: aiohttp.ClientSession, database: Database, accept: Accept
) -> None:
    job_id = await accept()
    async with client.get(f"{STATUS}/{job_id}/stream") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        first = await next_event(stream)
        assert first["state"] == "queued"
        await database.execute(
            "UPDATE writes SET state = 'sending', attempts = 1, ready_at = NULL WHERE id = $1",
            UUID(job_id),
        )
        assert (await next_event(stream))["state"] == "sending"
        await end(database, job_id, "succeeded")
        last = await next_event(stream)
        assert last["write_status"] == "SUCCESS"
        assert (await stream.content.read()).strip() == b""
    headers = {"Last-Event-ID": first["id"]}
    async with client.get(f"{STATUS}/{job_id}/stream", headers=headers) as stream:
        assert (await next_event(stream))["id"] == last["id"]
    headers = {"Last-Event-ID": last["id"]}
    async with client.get(f"{STATUS}/{job_id}/stream", headers=headers) as stream:
        assert stream.status == 204


async def test_what_is_known_already_is_not_told_again_on_resuming(
    client: aiohttp.ClientSession, database: Database, accept: Accept
) -> None:
    job_id = await accept()
    async with client.get(f"{STATUS}/{job_id}/stream") as stream:
        known = (await next_event(stream))["id"]
    headers = {"Last-Event-ID": known}
    async with client.get(f"{STATUS}/{job_id}/stream", headers=headers) as stream:
        await end(database, job_id, "succeeded")
        assert (await next_event(stream))["state"] == "succeeded"


async def test_a_cancelled_write_lets_the_next_of_its_lane_go(
    client: aiohttp.ClientSession, database: Database, accept: Accept
) -> None:
    first, second = await accept(), await accept()
    async with client.delete(f"/v1/admin/writes/{first}") as answer:
        assert answer.status == 200
        assert await answer.json() == {"success": True, "job_id": first}
    shown = await get(client, f"{STATUS}/{first}")
    assert (shown["state"], shown["write_status"]) == ("cancelled", "FAILURE")
    assert shown["error_details"][0]["code"] == "cancelled"
    assert (await get(client, f"{STATUS}/{second}"))["waiting_for"] is None
    for state in ("sending", "reconciling", "succeeded", "failed"):
        await database.execute(
            "UPDATE writes SET state = $2, finished_at = NULL WHERE id = $1", UUID(second), state
        )
        async with client.delete(f"/v1/admin/writes/{second}") as answer:
            await refused(answer, 409, "conflict")


async def test_archiving_an_integration_cancels_what_waits(
    client: aiohttp.ClientSession, world: World, accept: Accept
) -> None:
    jobs = [await accept() for _ in range(3)]
    async with client.delete(f"{PATH}/{world.integration_id}") as answer:
        assert answer.status == 200
    for job_id in jobs:
        assert (await get(client, f"{STATUS}/{job_id}"))["state"] == "cancelled"


async def retry(client: aiohttp.ClientSession, job_id: str, **options: Any) -> str:
    async with client.post(f"{RETRY}/{job_id}", **options) as answer:
        assert answer.status == 200, await answer.text()
        shown = await answer.json()
    assert shown["success"] is True
    retried: str = shown["job_id"]
    return retried


@pytest.mark.parametrize("state", ["failed", "uncertain", "cancelled", "expired"])
async def test_any_failure_can_be_retried_at_the_end_of_its_lane(
    client: aiohttp.ClientSession, database: Database, accept: Accept, state: str
) -> None:
    failed = await accept(external_reference="ticket")
    await end(database, failed, state)
    between = await accept()
    again = await retry(client, failed)
    shown = await get(client, f"{STATUS}/{again}")
    assert (shown["retry_of"], shown["external_reference"]) == (failed, "ticket")
    assert shown["waiting_for"] == "earlier_event"
    rows = {
        str(row["id"]): row
        for row in await database.fetch(
            "SELECT * FROM writes WHERE id = ANY ($1)",
            [UUID(one) for one in (failed, between, again)],
        )
    }
    assert rows[between]["lane_number"] < rows[again]["lane_number"]
    for column in ("plan", "input", "event", "resident_id", "budget_key"):
        assert rows[again][column] == rows[failed][column]
    assert rows[again]["event_id"] != rows[failed]["event_id"]
    assert rows[failed]["retried_by"] == UUID(again)


async def test_a_second_retry_is_the_first_ones_job_unless_that_failed(
    client: aiohttp.ClientSession, database: Database, accept: Accept
) -> None:
    failed = await accept()
    await end(database, failed, "failed")
    at_once = await asyncio.gather(*(retry(client, failed) for _ in range(8)))
    assert len(set(at_once)) == 1
    first = at_once[0]
    assert await retry(client, failed) == first
    await end(database, first, "expired")
    second = await retry(client, failed)
    assert second != first
    assert await retry(client, first) == second
    async with client.post(f"{RETRY}/{second}") as answer:
        await refused(answer, 409, "conflict")
    assert (await get(client, f"{STATUS}/{second}"))["retry_of"] == first


async def test_a_retry_under_a_key_is_repeated_word_for_word(
    client: aiohttp.ClientSession, database: Database, accept: Accept
) -> None:
    failed, other = await accept(), await accept()
    await end(database, failed, "failed")
    await end(database, other, "failed")
    headers = {"Idempotency-Key": str(new_id())}
    first = await retry(client, failed, headers=headers)
    await end(database, first, "failed")
    assert await retry(client, failed, headers=headers) == first
    async with client.post(f"{RETRY}/{other}", headers=headers) as answer:
        await refused(answer, 422, "idempotency_mismatch")


async def test_a_retry_needs_what_a_new_write_needs(
    client: aiohttp.ClientSession, database: Database, world: World, accept: Accept
) -> None:
    job_id = await accept()
    async with client.post(f"{RETRY}/{job_id}") as answer:
        await refused(answer, 409, "conflict")
    await end(database, job_id, "failed")
    await database.execute(
        "UPDATE integration_properties SET enabled = false WHERE property_id = $1::uuid",
        world.id(Model.PROPERTIES, "1"),
    )
    async with client.post(f"{RETRY}/{job_id}") as answer:
        await refused(answer, 409, "conflict")
    await database.execute("UPDATE integration_properties SET enabled = true")
    await database.execute("UPDATE integrations SET active = false")
    async with client.post(f"{RETRY}/{job_id}") as answer:
        await refused(answer, 409, "conflict")


async def test_a_write_of_another_account_is_not_there(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    database: Database,
    accept: Accept,
) -> None:
    job_id = await accept()
    await end(database, job_id, "failed")
    log_id = await attempted(database, job_id)
    for wanted, log in ((job_id, log_id), (str(new_id()), str(new_id())), ("nothing", "nothing")):
        for method, path in (
            ("GET", f"{STATUS}/{wanted}"),
            ("GET", f"{STATUS}/{wanted}/stream"),
            ("POST", f"{RETRY}/{wanted}"),
            ("DELETE", f"/v1/admin/writes/{wanted}"),
            ("GET", f"/v1/admin/logs/jobs/{wanted}"),
            ("GET", f"/v1/admin/job-logs/{log}"),
            ("GET", f"/v1/admin/job-logs/{log}/data"),
        ):
            async with strange_client.request(method, path) as answer:
                await refused(answer, 404, "not_found")
    logs = await get(strange_client, "/v1/admin/logs/writes")
    assert logs == {"results": {"logs": []}}
    assert (await get(strange_client, "/v1/admin/logs/jobs"))["results"] == []


async def test_scopes_are_asked_for(server: LiveServer, make_account: MakeAccount) -> None:
    writer = await make_account(scopes=("events:write",))
    async with session(server.url, writer) as client:
        for method, path in (
            ("GET", f"{STATUS}/{new_id()}"),
            ("POST", f"{RETRY}/{new_id()}"),
            ("DELETE", f"/v1/admin/writes/{new_id()}"),
            ("GET", "/v1/admin/logs/writes"),
        ):
            async with client.request(method, path) as answer:
                await refused(answer, 403, "forbidden")


async def attempted(database: Database, job_id: str, number: int = 1) -> str:
    """An attempt of the write, as the worker leaves it."""
    log_id = await database.fetch_value(
        "INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number,"
        " finished_at, outcome, upstream_status, request, answer)"
        " SELECT id, account_id, integration_id, operation || '_resident_event', 'send', $2,"
        " now(), 'delivered', 200, '{\"method\": \"POST\"}', '{\"status\": 200}'"
        " FROM writes WHERE id = $1 RETURNING id",
        UUID(job_id),
        number,
    )
    return str(log_id)


async def test_the_log_of_writes_filters_and_pages(
    client: aiohttp.ClientSession, database: Database, world: World, accept: Accept
) -> None:
    path = "/v1/admin/logs/writes/"
    arrived, failed, waiting = await accept(), await accept(external_reference="r"), await accept()
    await end(database, arrived, "succeeded")
    await end(database, failed, "failed", code="422", message="No such tenant")
    log_id = await attempted(database, arrived)

    async def jobs(query: str = "") -> list[str]:
        logs = (await get(client, f"{path}{query}"))["results"]["logs"]
        return [log["job_id"] for log in logs]

    assert await jobs() == [waiting, failed, arrived]
    assert await jobs("?status=SUCCESS") == [arrived]
    assert await jobs("?status=FAILURE") == [failed]
    assert await jobs("?limit=1&offset=1") == [failed]
    assert await jobs("?external_reference=r") == [failed]
    assert await jobs(f"?integration_id={world.integration_id}&time_range=hour") == await jobs()
    assert await jobs(f"?integration_id={new_id()}") == []
    assert await jobs("?integration_id=nothing") == []
    assert await jobs("?write_category=events") == await jobs()
    assert await jobs("?write_category=leads") == []
    logs = (await get(client, path))["results"]["logs"]
    assert [log["status"] for log in logs] == ["PENDING", "FAILURE", "SUCCESS"]
    assert logs[1]["error"] == "No such tenant"
    assert logs[2] == {
        "id": arrived,
        "created_at": logs[2]["created_at"],
        "job_id": arrived,
        "job_log_id": log_id,
        "status": "SUCCESS",
        "integration_id": world.integration_id,
        "job_type": "create_resident_event",
        "parameters": logs[2]["parameters"],
        "error": None,
        "name": "Maple Court",
        "vendor": world.declaration.vendor,
        "external_reference": None,
    }
    assert logs[2]["parameters"]["notes"] == world.body()["notes"]
    for query in ("limit=0", "limit=101", "status=PENDING", "time_range=year", "nonsense=1"):
        async with client.get(f"{path}?{query}") as answer:
            await refused(answer, 400, "invalid_request")


async def test_the_logs_of_jobs_page_without_a_gap_and_show_the_wire(
    client: aiohttp.ClientSession, database: Database, world: World, accept: Accept
) -> None:
    job_id = await accept()
    logs = [await attempted(database, job_id, number) for number in range(1, 6)]
    # The same moment for all: only the id tells them apart.
    await database.execute("UPDATE attempts SET created_at = now()")
    seen: list[str] = []
    path = f"/v1/admin/logs/jobs/{job_id}?limit=2&order-by=created_at:asc"
    cursor = ""
    while True:
        page = await get(client, path + cursor)
        seen += [log["id"] for log in page["results"]]
        assert page["meta"]["total"] == 5
        if not page["meta"]["hasMore"]:
            break
        cursor = f"&cursor={page['meta']['nextCursor']}"
    assert seen == sorted(logs)
    assert (await get(client, f"/v1/admin/logs/jobs?integration_id={new_id()}"))["results"] == []
    one = (await get(client, f"/v1/admin/job-logs/{logs[0]}/"))["results"]
    assert one == {
        "id": logs[0],
        "job_id": job_id,
        "created_at": one["created_at"],
        "job_type": "create_resident_event",
        "status": "SUCCESS",
        "parent_job_id": None,
        "root_job_id": job_id,
        "job_schedule_id": None,
        "integration_id": world.integration_id,
        "associated_property_id": world.id(Model.PROPERTIES, "1"),
    }
    data = (await get(client, f"/v1/admin/job-logs/{logs[0]}/data"))["results"]
    assert data["request"] == {"method": "POST"}
    assert data["answer"] == {"status": 200}
    # A job without an attempt yet has an empty log, and is there.
    assert (await get(client, f"/v1/admin/logs/jobs/{await accept()}"))["results"] == []


async def test_a_waiter_that_hangs_up_undoes_nothing(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    before = await database.fetch_value("SELECT count(*) FROM writes")
    with pytest.raises(asyncio.TimeoutError):
        async with asyncio.timeout(0.3), client.post(f"{POST}?wait=30", json=world.body()):
            raise AssertionError("answered before its time")

    async def stored() -> bool:
        return bool(await database.fetch_value("SELECT count(*) FROM writes") == before + 1)

    assert await until(stored)
