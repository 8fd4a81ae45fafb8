"""When an event is to be sent, and until when: what is accepted, refused, shown and cancelled."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.database.pool import Database
from tests.conftest import CallerAccount
from tests.events.world import POST, SUPPORTING, World, build, changing
from tests.integrations.world import refused

STATUS = "/v1/admin/write-status"


@pytest.fixture
async def world(client: aiohttp.ClientSession, database: Database, account: CallerAccount) -> World:
    return await build(client, database, account.id, SUPPORTING[0])


def at(**distance: float) -> str:
    """A moment so far from now, with an offset that is not UTC."""
    zone = timedelta(hours=-7)
    moment = datetime.now(UTC) + timedelta(**distance)
    return (moment + zone).replace(tzinfo=None).isoformat(timespec="seconds") + "-07:00"


async def accepted(client: aiohttp.ClientSession, body: dict[str, Any]) -> dict[str, Any]:
    async with client.post(POST, json=body) as answer:
        assert answer.status == 200, await answer.text()
        shown: dict[str, Any] = await answer.json()
    return shown


async def status(client: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    async with client.get(f"{STATUS}/{job_id}") as answer:
        assert answer.status == 200, await answer.text()
        shown: dict[str, Any] = await answer.json()
    return shown


async def test_a_later_event_is_scheduled_and_says_when_it_is_looked_at_again(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    body = world.body(send_at=at(hours=2), expires_at=at(hours=3))
    shown = await accepted(client, body)
    assert shown["data"]["send_at"] == body["send_at"]
    assert shown["data"]["expires_at"] == body["expires_at"]
    write = await status(client, shown["job_id"])
    assert (write["state"], write["write_status"]) == ("scheduled", "PENDING")
    assert write["waiting_for"] == "schedule"
    assert datetime.fromisoformat(write["next_attempt_at"]) == datetime.fromisoformat(
        body["send_at"]
    )
    row = await database.fetch_row(
        "SELECT expires_at, event FROM writes WHERE id = $1", UUID(shown["job_id"])
    )
    assert row is not None
    assert row["expires_at"] == datetime.fromisoformat(body["expires_at"])
    # The event itself was not made at another time because it is sent later.
    assert not {"send_at", "expires_at"} & orjson.loads(row["event"])["data"].keys()


async def test_a_time_that_has_passed_means_at_once(
    client: aiohttp.ClientSession, world: World
) -> None:
    shown = await accepted(client, world.body(send_at=at(hours=-1)))
    assert (await status(client, shown["job_id"]))["state"] == "queued"


async def test_without_an_expiry_a_scheduled_event_has_the_usual_time_from_when_it_is_due(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    shown = await accepted(client, world.body(send_at=at(days=30)))
    kept = await database.fetch_value(
        "SELECT expires_at - scheduled_for FROM writes WHERE id = $1", UUID(shown["job_id"])
    )
    assert kept == timedelta(hours=72)


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"send_at": "tomorrow"}, {"send_at": {"invalid_value"}}),
        ({"send_at": "2026-03-02T16:30:00"}, {"send_at": {"invalid_value"}}),
        ({"expires_at": 7}, {"expires_at": {"wrong_type"}}),
        ({"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": {"in_the_past"}}),
        (
            {"send_at": "2021-01-01T00:00:00Z", "expires_at": "2020-01-01T00:00:00Z"},
            {"expires_at": {"in_the_past", "invalid_value"}},
        ),
        (
            {"send_at": "2199-01-01T00:00:00+02:00", "expires_at": "2198-12-31T22:00:00Z"},
            {"expires_at": {"invalid_value"}},
        ),
    ],
)
async def test_every_problem_of_the_times_is_named(
    client: aiohttp.ClientSession,
    world: World,
    changes: dict[str, Any],
    problems: dict[str, set[str]],
) -> None:
    async with client.post(POST, json=world.body(**changes)) as answer:
        assert answer.status == 400
        issues = (await answer.json())["error"]["details"]["issues"]
    found: dict[str, set[str]] = {}
    for issue in issues:
        found.setdefault(issue["path"][0], set()).add(issue["code"])
    assert found == problems


async def test_a_wrong_time_hides_no_problem_of_the_rest(
    client: aiohttp.ClientSession, world: World
) -> None:
    body = world.body(expires_at=at(hours=-1), resident_id="0198c0de-0000-7000-8000-000000000001")
    async with client.post(POST, json=body) as answer:
        found = await refused(answer, 400, "invalid_request")
    assert found == {"expires_at": "in_the_past", "resident_id": "unknown_reference"}


async def test_a_change_takes_no_times(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount
) -> None:
    await build(client, database, account.id, changing())
    event = "0198c0de-0000-7000-8000-000000000009"
    async with client.put(f"{POST}/{event}", json={"notes": "x", "send_at": at(hours=1)}) as answer:
        assert answer.status in (400, 404)


async def test_a_scheduled_event_can_be_cancelled_and_then_be_sent_after_all(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    job_id = (await accepted(client, world.body(send_at=at(hours=2))))["job_id"]
    async with client.delete(f"/v1/admin/writes/{job_id}") as answer:
        assert answer.status == 200, await answer.text()
    write = await status(client, job_id)
    assert (write["state"], write["next_attempt_at"]) == ("cancelled", None)
    # Nothing is left that would move it into its lane.
    assert not await database.fetch_value(
        "SELECT scheduled_for IS NOT NULL FROM writes WHERE id = $1", UUID(job_id)
    )
    async with client.post(f"/v1/admin/retry-write/{job_id}") as answer:
        assert answer.status == 200, await answer.text()
        again = (await answer.json())["job_id"]
    assert (await status(client, again))["state"] == "queued"


async def test_a_scheduled_event_holds_nobody_up(
    client: aiohttp.ClientSession, world: World
) -> None:
    await accepted(client, world.body(send_at=at(hours=2)))
    now = await accepted(client, world.body())
    write = await status(client, now["job_id"])
    assert (write["state"], write["waiting_for"]) == ("queued", None)
