"""What integrations set off in other rooms: cancelled writes, probes, reads."""

from typing import Any
from uuid import UUID, uuid4

import aiohttp
from tests.conftest import CallerAccount
from tests.integrations.world import PATH, a_vendor, created, credentials_of, read, refused

from frontdesk.application import Services
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.writes.intake import Accepted, NewWrite


async def waiting_write(services: Services, account_id: UUID, integration_id: str) -> UUID:
    job_id = new_id()
    accepted = await services.intake.submit(
        NewWrite(
            id=job_id,
            account_id=account_id,
            integration_id=UUID(integration_id),
            vendor=a_vendor().declaration.vendor,
            operation="create",
            resident_id=uuid4(),
            budget_key="",
            input={},
            plan={},
            event={"x_property_id": None, "property_id": None, "data": {}, "links": {}},
            warnings=[],
            event_id=new_id(),
            external_reference=None,
            expiry_hours=72,
        )
    )
    assert isinstance(accepted, Accepted)
    return job_id


async def test_archiving_cancels_what_waits_there_and_nowhere_else(
    client: aiohttp.ClientSession, services: Services, account: CallerAccount, database: Database
) -> None:
    archived = await created(client, active=True)
    other = await created(client, active=True)
    cancelled = [await waiting_write(services, account.id, archived["id"]) for _ in range(3)]
    kept = await waiting_write(services, account.id, other["id"])
    async with client.delete(f"{PATH}/{archived['id']}") as answer:
        assert answer.status == 200
    rows = await database.fetch("SELECT id, state FROM writes WHERE account_id = $1", account.id)
    assert {row["id"]: row["state"] for row in rows} == {
        **dict.fromkeys(cancelled, "cancelled"),
        kept: "queued",
    }


async def test_new_credentials_let_the_worker_try_at_once(
    client: aiohttp.ClientSession, database: Database
) -> None:
    made = await created(client, active=True)
    await database.execute(
        "INSERT INTO leases (integration_id, not_before, not_before_reason, failures) "
        "VALUES ($1, clock_timestamp() + interval '1 hour', 'authentication', 3)",
        UUID(made["id"]),
    )

    async def closed() -> Any:
        return await database.fetch_value(
            "SELECT not_before FROM leases WHERE integration_id = $1", UUID(made["id"])
        )

    async with client.put(f"{PATH}/{made['id']}", json={"name": "Oak"}) as answer:
        assert answer.status == 200
    assert await closed() is not None
    async with client.put(
        f"{PATH}/{made['id']}", json={"credentials": credentials_of(a_vendor())}
    ) as answer:
        assert answer.status == 200
    assert await closed() is None


async def test_a_data_access_check_waits_for_the_worker_and_is_shown_as_running(
    client: aiohttp.ClientSession, database: Database
) -> None:
    made = await created(client, active=True)
    path = f"{PATH}/{made['id']}/data-access"
    async with client.get(path) as answer:
        assert (await answer.json())["result"] == {
            "models": {},
            "last_data_access_check": None,
            "data_access_check_in_process": False,
        }
    for _ in range(2):
        async with client.post(f"{path}/") as answer:
            assert answer.status == 200
            assert await answer.json() == {"result": {"began_data_access": True}}
    async with client.get(path) as answer:
        assert (await answer.json())["result"]["data_access_check_in_process"] is True
    jobs = await database.fetch(
        "SELECT job_type FROM read_jobs WHERE integration_id = $1", UUID(made["id"])
    )
    assert [row["job_type"] for row in jobs] == ["data_access"]


async def test_a_manual_sync_waits_for_the_worker_and_is_shown_as_running(
    client: aiohttp.ClientSession,
) -> None:
    made = await created(client, active=True)
    assert (await read(client, made["id"]))["is_running_sync"] is False
    async with client.post(f"{PATH}/{made['id']}/manual-sync", json={}) as answer:
        assert answer.status == 200
        assert await answer.json() == {"result": {"success": True}}
    assert (await read(client, made["id"]))["is_running_sync"] is True


async def test_a_manual_sync_of_residents_elsewhere_is_refused(
    client: aiohttp.ClientSession,
) -> None:
    made = await created(client, active=True)
    body = {"resident_ids": [str(uuid4()), "nobody"]}
    async with client.post(f"{PATH}/{made['id']}/manual-sync", json=body) as answer:
        problems = await refused(answer, 400, "unknown_reference")
    assert problems["resident_ids.1"] == "unknown_reference"


async def test_rate_limits_show_the_vendors_windows_and_the_queue(
    client: aiohttp.ClientSession, services: Services, account: CallerAccount
) -> None:
    made = await created(
        client, active=True, max_request_frequency=30, max_request_cadence="MINUTE"
    )
    await waiting_write(services, account.id, made["id"])
    async with client.get(f"{PATH}/{made['id']}/rate-limits") as answer:
        assert answer.status == 200, await answer.text()
        results = (await answer.json())["results"]
    assert results["integration_id"] == made["id"]
    assert results["queue_depth"] == 1
    assert results["api_ratelimits"]
    for limit in results["api_ratelimits"]:
        assert set(limit) >= {"api", "updated_at", "minute_limit", "hour_limit", "day_limit"}
        assert limit["minute_limit"] <= 30
