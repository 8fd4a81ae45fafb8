"""The audit trail: every change of an administrator's, who made it, from where, and never a secret."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from frontdesk.application import Services
from frontdesk.audit.actor import Actor, acting_as
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.vendors.declaration import EventClass
from tests.conftest import CallerAccount, LiveServer, MakeAccount, session
from tests.events.world import POST, World, build, typed
from tests.integrations.world import PATH as INTEGRATIONS
from tests.integrations.world import SESAME, body_of, created

TRAIL = "/v1/admin/audit-log"
HOOKS = "/v1/webhooks"


@pytest.fixture
async def world(client: aiohttp.ClientSession, database: Database, account: CallerAccount) -> World:
    return await build(client, database, account.id, typed())


async def said(client: aiohttp.ClientSession, method: str, path: str, **more: Any) -> Any:
    async with client.request(method, path, **more) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def trail(client: aiohttp.ClientSession, query: str = "") -> list[dict[str, Any]]:
    """The account's actions, oldest first."""
    found: list[dict[str, Any]] = (
        await said(client, "GET", f"{TRAIL}/?order-by=created_at:asc{query}")
    )["results"]
    return found


async def test_what_is_done_to_an_integration_is_told_with_who_and_from_where(
    client: aiohttp.ClientSession, account: CallerAccount, services: Services
) -> None:
    (token,) = await services.accounts.tokens(account.id)
    made = await created(client)
    path = f"{INTEGRATIONS}/{made['id']}"
    await said(client, "PUT", path, json={"name": "Birch Court", "active": True})
    credentials = dict.fromkeys(body_of()["credentials"], f"{SESAME}-anew")
    async with client.put(path, json={"credentials": credentials}) as answer:
        changed_credentials = answer.status == 200
    await said(client, "DELETE", path)
    found = await trail(client, f"&subject_id={made['id']}")
    expected = ["integration.create", "integration.update", "integration.archive"]
    if changed_credentials:
        expected.insert(2, "integration.update")
    assert [one["action"] for one in found] == expected
    assert {(one["actor"], one["client"]) for one in found} == {(token.prefix, "127.0.0.1")}
    assert all(one["request_id"] and one["subject_type"] == "integration" for one in found)
    assert found[0]["before"] is None
    assert found[0]["after"]["name"] == "Maple Court"
    assert found[1]["before"] == {"name": "Maple Court", "active": False}
    assert found[1]["after"] == {"name": "Birch Court", "active": True}
    assert found[-1]["after"] == {"is_archived": True, "active": False}
    assert SESAME not in str(found)


async def test_new_credentials_show_as_a_change_and_not_as_what_they_are(
    client: aiohttp.ClientSession,
) -> None:
    made = await created(client)
    body = {"credentials": body_of()["credentials"]}
    await said(client, "PUT", f"{INTEGRATIONS}/{made['id']}", json=body)
    found = await trail(client, "&action=integration.update")
    assert [one["after"] for one in found] == [{"credentials_version": 2}]
    assert SESAME not in str(found)


async def test_what_was_refused_is_in_no_trail(client: aiohttp.ClientSession) -> None:
    made = await created(client)
    path = f"{INTEGRATIONS}/{made['id']}"
    async with client.put(path, json={"max_request_frequency": 0}) as answer:
        assert answer.status == 400
    async with client.delete(f"{INTEGRATIONS}/{new_id()}") as answer:
        assert answer.status == 404
    assert [one["action"] for one in await trail(client)] == ["integration.create"]


async def test_properties_and_the_event_type_map(
    client: aiohttp.ClientSession, world: World, database: Database
) -> None:
    base = f"{INTEGRATIONS}/{world.integration_id}"
    properties = (await said(client, "GET", f"{base}/properties"))["results"]
    if not properties:
        await database.execute(
            "INSERT INTO integration_properties (id, integration_id, property_id, enabled) "
            "VALUES ($1, $2, $3, true)",
            new_id(),
            UUID(world.integration_id),
            new_id(),
        )
        properties = (await said(client, "GET", f"{base}/properties"))["results"]
    one = properties[0]
    await said(client, "PUT", f"{base}/properties/{one['id']}", json={"enabled": False})
    chosen = world.type_of(EventClass.NOTE)
    await said(client, "PUT", f"{base}/event-type-map", json={"chat": chosen})
    found = await trail(client)
    assert [item["action"] for item in found] == [
        "integration.create",
        "property.update",
        "event_type_map.update",
    ]
    assert (found[1]["subject_id"], found[1]["before"], found[1]["after"]) == (
        one["id"],
        {"enabled": True},
        {"enabled": False},
    )
    assert found[2]["subject_id"] == world.integration_id
    assert found[2]["after"] == {"chat": chosen}
    assert found[2]["before"] == {"chat": world.type_of(EventClass.CHAT)}


async def test_webhooks_are_told_without_secret_header_or_the_rest_of_their_url(
    client: aiohttp.ClientSession,
) -> None:
    body = {
        "url": f"https://receiver.example.com/{SESAME}?key={SESAME}",
        "triggers": ["SYNC_COMPLETE"],
        "secret": f"{SESAME}-secret-4711",
        "headers": [{"header": "X-Key", "value": SESAME}],
    }
    made = (await said(client, "POST", HOOKS, json=body))["result"]
    path = f"{HOOKS}/{made['id']}"
    await said(client, "PUT", path, json={"active": True, "secret": f"{SESAME}-secret-4712"})
    await said(client, "POST", f"{path}/rotate-secret", json={})
    await said(client, "DELETE", path)
    await said(client, "POST", f"{HOOKS}/callback-secret", json={})
    found = await trail(client)
    assert [one["action"] for one in found] == [
        "webhook.create",
        "webhook.update",
        "webhook.rotate_secret",
        "webhook.delete",
        "callback_secret.rotate",
    ]
    assert found[0]["after"]["url"] == "https://receiver.example.com/…"
    assert found[0]["after"]["header_names"] == ["X-Key"]
    assert found[1]["before"]["active"] is False
    assert found[1]["after"]["active"] is True
    assert found[1]["after"]["set_anew"] == ["active", "secret"]
    assert SESAME not in str(found)
    assert made["secret"] not in str(found)


async def test_accounts_and_tokens_from_the_command_line(
    server: LiveServer, services: Services
) -> None:
    with acting_as(Actor("command line", "robin@desk")):
        account = await services.accounts.create_account("a test's")
        looking = await services.accounts.create_token(account.id, "looks")
        made = await services.accounts.create_token(account.id, "goes", scopes=["events:read"])
        await services.accounts.revoke_token(made.token.prefix)
    caller = CallerAccount(account.id, looking.secret, looking.token.id)
    async with session(server.url, caller) as client:
        found = await trail(client)
    assert [one["action"] for one in found] == [
        "account.create",
        "token.create",
        "token.create",
        "token.revoke",
    ]
    assert {(one["actor"], one["client"]) for one in found} == {("command line", "robin@desk")}
    assert found[2]["after"] == {
        "name": "goes",
        "prefix": made.token.prefix,
        "scopes": ["events:read"],
        "expires_at": None,
    }
    assert found[3]["subject_id"] == made.token.prefix
    assert made.secret not in str(found)


async def test_retries_cancellations_and_erasures(
    client: aiohttp.ClientSession, world: World, database: Database
) -> None:
    failed, waiting = [
        (await said(client, "POST", POST, json=world.body()))["job_id"] for _ in range(2)
    ]
    await database.execute(
        "UPDATE writes SET state = 'failed', finished_at = now(), ready_at = NULL WHERE id = $1",
        UUID(failed),
    )
    again = (await said(client, "POST", f"/v1/admin/retry-write/{failed}"))["job_id"]
    assert (await said(client, "POST", f"/v1/admin/retry-write/{failed}"))["job_id"] == again
    await said(client, "DELETE", f"/v1/admin/writes/{waiting}")
    await said(client, "DELETE", f"/v1/admin/writes/{again}")
    await said(client, "POST", f"/v1/admin/residents/{world.resident}/erase")
    found = [one for one in await trail(client) if one["subject_type"] != "integration"]
    assert [(one["action"], one["subject_id"]) for one in found] == [
        ("write.retry", failed),
        ("write.cancel", waiting),
        ("write.cancel", again),
        ("resident.erase", world.resident),
    ]
    assert found[0]["after"] == {"job_id": again}
    assert set(found[-1]["after"]) == {"events", "writes", "attempts"}


async def test_an_action_that_is_rolled_back_leaves_no_trail(
    client: aiohttp.ClientSession, database: Database
) -> None:
    made = await created(client)
    await database.execute(
        "ALTER TABLE admin_actions ADD CONSTRAINT none CHECK (action <> 'integration.archive') NOT VALID"
    )
    try:
        async with client.delete(f"{INTEGRATIONS}/{made['id']}") as answer:
            assert answer.status == 500
    finally:
        await database.execute("ALTER TABLE admin_actions DROP CONSTRAINT none")
    one = (await said(client, "GET", f"{INTEGRATIONS}/{made['id']}"))["results"]
    assert one["is_archived"] is False


async def test_pages_filters_and_strangers(
    client: aiohttp.ClientSession, server: LiveServer, make_account: MakeAccount
) -> None:
    made = [(await created(client))["id"] for _ in range(5)]
    seen: list[str] = []
    path = f"{TRAIL}/?limit=2&order-by=created_at:asc"
    cursor = ""
    while True:
        page = await said(client, "GET", path + cursor)
        assert page["meta"]["total"] == 5
        seen += [one["subject_id"] for one in page["results"]]
        if not page["meta"]["hasMore"]:
            break
        cursor = f"&cursor={page['meta']['nextCursor']}"
    assert seen == made
    newest = await said(client, "GET", TRAIL)
    assert [one["subject_id"] for one in newest["results"]] == made[::-1]
    only = await said(client, "GET", f"{TRAIL}?subject_id={made[2]}&action=integration.create")
    assert [one["subject_id"] for one in only["results"]] == [made[2]]
    since = newest["results"][1]["created_at"]
    late = await said(client, "GET", TRAIL, params={"created_at_gte": since})
    assert len(late["results"]) == 2
    stranger, writer = await asyncio.gather(
        make_account(), make_account(scopes=("admin:write", "events:read"))
    )
    async with session(server.url, stranger) as other:
        assert await trail(other) == []
    async with session(server.url, writer) as other, other.get(TRAIL) as answer:
        assert answer.status == 403
