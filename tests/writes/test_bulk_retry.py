"""Many failed writes are retried by a filter, each as one alone would be."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from tests.conftest import CallerAccount, LiveServer, MakeAccount, session
from tests.events.world import POST, SUPPORTING, World, build
from tests.integrations.world import PATH, refused
from tests.writes.test_endpoints import STATUS, end, get

RETRY = "/v1/admin/retry-writes"
SINGLE = "/v1/admin/retry-write"


@pytest.fixture
async def world(client: aiohttp.ClientSession, database: Database, account: CallerAccount) -> World:
    return await build(client, database, account.id, SUPPORTING[0])


async def ended(
    client: aiohttp.ClientSession,
    database: Database,
    world: World,
    state: str = "failed",
    code: str = "422",
    **changes: Any,
) -> str:
    """A write that ended so."""
    async with client.post(POST, json=world.body(**changes)) as answer:
        assert answer.status == 200, await answer.text()
        job_id: str = (await answer.json())["job_id"]
    await end(database, job_id, state, code=code, message="because")
    await database.execute("UPDATE writes SET error_code = $2 WHERE id = $1", UUID(job_id), code)
    return job_id


async def retry(client: aiohttp.ClientSession, status: int = 200, **body: Any) -> dict[str, Any]:
    options = {"headers": body.pop("headers")} if "headers" in body else {}
    async with client.post(RETRY, json=body, **options) as answer:
        assert answer.status == status, await answer.text()
        found: dict[str, Any] = await answer.json()
    return found


def roots(answer: dict[str, Any]) -> list[str]:
    return [job["root_job_id"] for job in answer["jobs"]]


async def test_what_fits_is_retried_in_its_old_order_and_only_once(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    jobs = [await ended(client, database, world, code="down") for _ in range(5)]
    other = await ended(client, database, world, code="no_tenant")
    shown = await retry(client, filter={"error_code": "down"}, dry_run=True)
    assert (roots(shown), shown["hasMore"], shown["dry_run"]) == (jobs, False, True)
    assert {job["job_id"] for job in shown["jobs"]} == {None}
    first = await retry(client, filter={"error_code": "down"}, limit=3)
    assert (roots(first), first["hasMore"]) == (jobs[:3], True)
    rest = await retry(client, filter={"error_code": "down"})
    assert (roots(rest), rest["hasMore"]) == (jobs[3:], False)
    assert await retry(client, filter={"error_code": "down"}) == {
        "success": True,
        "dry_run": False,
        "jobs": [],
        "failed": [],
        "hasMore": False,
    }
    made = [job["job_id"] for job in (*first["jobs"], *rest["jobs"])]
    rows = await database.fetch(
        "SELECT id, retry_of, state FROM writes WHERE retry_of IS NOT NULL ORDER BY lane_number"
    )
    assert [str(row["id"]) for row in rows] == made
    assert [str(row["retry_of"]) for row in rows] == jobs
    # One alone gets the very job that the many have made.
    async with client.post(f"{SINGLE}/{jobs[0]}") as answer:
        assert (await answer.json())["job_id"] == made[0]
    assert (await get(client, f"{STATUS}/{other}"))["write_status"] == "FAILURE"


async def test_every_part_of_the_filter_counts(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount, world: World
) -> None:
    elsewhere = await build(client, database, account.id, SUPPORTING[0])
    plain = await ended(client, database, world)
    unsure = await ended(client, database, world, "uncertain")
    late = await ended(client, database, world, "expired")
    meant = await ended(client, database, world, "cancelled")
    named = await ended(client, database, elsewhere, external_reference="ticket")
    await ended(client, database, world, "succeeded")
    old = await ended(client, database, world)
    await database.execute(
        "UPDATE writes SET submitted_at = now() - interval '3 days' WHERE id = $1", UUID(old)
    )

    async def found(**wanted: Any) -> set[str]:
        return set(roots(await retry(client, filter=wanted, dry_run=True)))

    mine = {"integration_id": world.integration_id}
    assert await found(**mine) == {plain, unsure, late, old}
    assert await found(**mine, time_range="day") == {plain, unsure, late}
    assert await found(**mine, time_range="week", states=["failed"]) == {plain, old}
    assert await found(**mine, states=["cancelled", "uncertain"]) == {meant, unsure}
    assert await found(external_reference="ticket") == {named}
    assert await found(external_reference="ticket", **mine) == set()
    assert await found(error_code="none") == set()


async def test_an_uncertain_write_is_looked_for_before_it_is_sent_again(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    await ended(client, database, world, "uncertain")
    answer = await retry(client, filter={"states": ["uncertain"]})
    shown = await get(client, f"{STATUS}/{answer['jobs'][0]['job_id']}")
    assert shown["state"] == "reconciling"


async def test_under_a_key_the_answer_is_the_same_word_for_word(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    await ended(client, database, world)
    headers = {"Idempotency-Key": str(new_id())}
    wanted: dict[str, Any] = {"filter": {"states": ["failed"]}}
    first = await retry(client, **wanted, headers=headers)
    assert len(first["jobs"]) == 1
    await ended(client, database, world)
    assert await retry(client, **wanted, headers=headers) == first
    await retry(client, 422, filter={"states": ["expired"]}, headers=headers)


async def test_at_once_and_from_everywhere_each_write_has_one_retry(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    jobs = [await ended(client, database, world) for _ in range(8)]
    await asyncio.gather(*(retry(client, filter={"states": ["failed"]}) for _ in range(6)))
    rows = await database.fetch(
        "SELECT retry_of, count(*) AS n FROM writes WHERE retry_of = ANY ($1) GROUP BY 1",
        [UUID(job) for job in jobs],
    )
    assert sorted(str(row["retry_of"]) for row in rows) == sorted(jobs)
    assert {row["n"] for row in rows} == {1}


async def test_what_is_switched_off_is_left_out_or_refused_where_it_is_named(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount, world: World
) -> None:
    del account
    await ended(client, database, world)
    async with client.put(f"{PATH}/{world.integration_id}", json={"active": False}) as answer:
        assert answer.status == 200
    assert roots(await retry(client, filter={"states": ["failed"]})) == []
    named = {"filter": {"integration_id": world.integration_id}}
    assert (await retry(client, 409, **named))["error"]["code"] == "conflict"


async def test_another_accounts_writes_and_integrations_do_not_exist(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    database: Database,
    world: World,
) -> None:
    job = await ended(client, database, world)
    assert roots(await retry(strange_client, filter={"states": ["failed"]})) == []
    named = {"filter": {"integration_id": world.integration_id}}
    async with strange_client.post(RETRY, json=named) as answer:
        assert await refused(answer, 400, "unknown_reference") == {
            "filter.integration_id": "unknown_reference"
        }
    assert roots(await retry(client, filter={"states": ["failed"]}, dry_run=True)) == [job]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": {}},
        {"filter": {"states": []}},
        {"filter": {"states": ["queued"]}},
        {"filter": {"time_range": "year"}},
        {"filter": {"states": ["failed"]}, "limit": 501},
        {"filter": {"states": ["failed"]}, "limit": 0},
        {"filter": {"states": ["failed"]}, "dry_run": "true"},
        {"filter": {"states": ["failed"]}, "all": True},
    ],
    ids=str,
)
async def test_a_body_that_asks_for_too_much_or_nothing_is_refused(
    client: aiohttp.ClientSession, body: dict[str, Any]
) -> None:
    async with client.post(RETRY, json=body) as answer:
        assert await refused(answer, 400, "invalid_request")


async def test_reading_is_no_leave_to_retry(server: LiveServer, make_account: MakeAccount) -> None:
    caller = await make_account(scopes=("admin:read", "events:write"))
    async with session(server.url, caller) as client:
        assert (await retry(client, 403, filter={"states": ["failed"]}))["error"]["details"] == {
            "scope": "admin:write"
        }
