"""A webhook's owner: making, changing, looking, deleting; and nobody else."""

from typing import Any

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from tests.conftest import LiveServer, MakeAccount, session, until
from tests.integrations.world import refused
from tests.webhooks.conftest import PATH, Hook, said
from tests.webhooks.receiver import Receiver

HTTPS = "https://receiver.example.com/frontdesk"


async def test_a_webhook_is_made_read_changed_and_deleted(
    client: aiohttp.ClientSession,
) -> None:
    body = {"url": HTTPS, "triggers": ["SYNC_COMPLETE"]}
    made = (await said(client, "POST", f"{PATH}/", json=body))["result"]
    assert (made["url"], made["triggers"], made["active"]) == (HTTPS, ["SYNC_COMPLETE"], False)
    assert made["secret"].startswith("whsec_")
    path = f"{PATH}/{made['id']}"
    one = (await said(client, "GET", path))["results"]
    assert "secret" not in one
    assert one == {name: value for name, value in made.items() if name != "secret"}
    listed = await said(client, "GET", f"{PATH}/")
    assert [item["id"] for item in listed["results"]] == [made["id"]]
    change = {"active": True, "triggers": ["DATA_NEW"], "model": "residents"}
    changed = (await said(client, "PUT", path, json=change))["result"]
    assert (changed["active"], changed["triggers"], changed["model"], changed["secret"]) == (
        *(True, ["DATA_NEW"], "residents"),
        None,
    )
    assert (await said(client, "GET", f"{PATH}/?active=false"))["results"] == []
    assert await said(client, "DELETE", path) == {"result": {"success": True}}
    async with client.get(path) as answer:
        await refused(answer, 404, "not_found")
    async with client.delete(path) as answer:
        await refused(answer, 404, "not_found")
    assert (await said(client, "GET", f"{PATH}/"))["results"] == []


async def test_a_secret_of_ones_own_is_taken_and_shown_once(
    client: aiohttp.ClientSession, database: Database
) -> None:
    body = {"url": HTTPS, "triggers": ["DATA_NEW"], "secret": "open-sesame-4711"}
    made = (await said(client, "POST", PATH, json=body))["result"]
    assert made["secret"] == "open-sesame-4711"
    async with client.get(f"{PATH}/{made['id']}") as answer:
        assert "open-sesame" not in await answer.text()
    stored = await database.fetch_row("SELECT * FROM webhooks WHERE id::text = $1", made["id"])
    assert stored is not None
    assert b"open-sesame" not in stored["secret"]
    assert "open-sesame" not in str(dict(stored))


async def test_a_headers_value_is_sealed_masked_and_kept_when_its_mask_comes_back(
    client: aiohttp.ClientSession,
    database: Database,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    made = await hook(headers=[{"header": "X-Api-Key", "value": "open-sesame"}])
    path = f"{PATH}/{made['id']}"
    assert made["headers"] == [{"header": "X-Api-Key", "value": "***"}]
    sealed = await database.fetch_value(
        "SELECT headers FROM webhooks WHERE id::text = $1", made["id"]
    )
    assert b"open-sesame" not in sealed
    headers = [*made["headers"], {"header": "X-Other", "value": "another one"}]
    await said(client, "PUT", path, json={"headers": headers})
    await said(client, "POST", f"{path}/test", json={})
    await until(lambda: receiver.has(1))
    assert receiver.received[0].headers["x-api-key"] == "open-sesame"
    assert receiver.received[0].headers["x-other"] == "another one"


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"url": "http://receiver.example.com/"}, "url", "invalid_value"),
        ({"url": "https://10.0.0.1/"}, "url", "invalid_value"),
        ({"url": "https://169.254.169.254/latest"}, "url", "invalid_value"),
        ({"url": "http://10.0.0.1/"}, "url", "invalid_value"),
        ({"url": "https://me:pass@receiver.example.com/"}, "url", "invalid_value"),
        ({"url": "ftp://receiver.example.com/"}, "url", "invalid_value"),
        ({"url": "https://receiver.example.com/\n"}, "url", "invalid_value"),
        ({"triggers": []}, "triggers", "too_short"),
        ({"triggers": ["DATA_NEW", "DATA_NEW"]}, "triggers", "invalid_value"),
        ({"triggers": ["DATA_OLD"]}, "triggers.0", "invalid_value"),
        ({"secret": "short"}, "secret", "too_short"),
        ({"secret": "whsec_not base 64"}, "secret", "invalid_value"),
        ({"secret": "whsec_&&&&&&"}, "secret", "invalid_value"),
        ({"model": "leases"}, "model", "invalid_value"),
        ({"headers": [{"header": "Host", "value": "x"}]}, "headers.0.header", "invalid_value"),
        (
            {"headers": [{"header": "webhook-id", "value": "x"}]},
            "headers.0.header",
            "invalid_value",
        ),
        (
            {"headers": [{"header": "frontdesk-signature", "value": "x"}]},
            "headers.0.header",
            "invalid_value",
        ),
        ({"headers": [{"header": "A", "value": "x\r\nB: y"}]}, "headers.0.value", "invalid_value"),
        ({"active": "yes"}, "active", "wrong_type"),
        ({"color": "red"}, "color", "unknown_field"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    client: aiohttp.ClientSession, change: dict[str, Any], path: str, code: str
) -> None:
    body = {"url": HTTPS, "triggers": ["DATA_NEW"], **change}
    async with client.post(PATH, json=body) as answer:
        assert await refused(answer, 400, "invalid_request") == {path: code}


async def test_loopback_is_refused_where_the_operator_does_not_allow_it(
    another_server: Any, make_account: MakeAccount, receiver: Receiver
) -> None:
    strict = another_server(allowed_addresses="")
    async with session(strict.url, await make_account()) as client:
        for url in (receiver.url, "https://localhost/", "https://[::1]/", "https://127.0.0.1/"):
            body = {"url": url, "triggers": ["DATA_NEW"]}
            async with client.post(PATH, json=body) as answer:
                await refused(answer, 400, "invalid_request")


async def test_another_account_and_another_scope_see_nothing(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    server: LiveServer,
    make_account: MakeAccount,
    hook: Hook,
) -> None:
    made = await hook()
    path = f"{PATH}/{made['id']}"
    tried = (await said(client, "POST", f"{path}/test", json={}))["result"]
    calls = [
        ("GET", path, None),
        ("PUT", path, {"active": False}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate-secret", {}),
        ("POST", f"{path}/test", {}),
        ("GET", f"{path}/deliveries", None),
        ("POST", f"{path}/deliveries/{tried['id']}/redeliver", None),
    ]
    for method, place, body in calls:
        async with strange_client.request(method, place, json=body) as answer:
            await refused(answer, 404, "not_found")
    assert (await said(strange_client, "GET", PATH))["results"] == []
    assert (await said(client, "GET", path))["results"]["active"] is True
    own = await hook()
    foreign = f"{PATH}/{own['id']}/deliveries/{tried['id']}/redeliver"
    async with client.post(foreign) as answer:
        await refused(answer, 404, "not_found")
    blind = await make_account(scopes=("admin:read", "admin:write", "events:write"))
    async with session(server.url, blind) as other:
        for method, place, body in [
            *calls,
            ("GET", PATH, None),
            ("GET", f"{PATH}/callback-secret", None),
        ]:
            async with other.request(method, place, json=body) as answer:
                await refused(answer, 403, "forbidden")


async def test_an_account_has_only_so_many_webhooks(
    client: aiohttp.ClientSession, hook: Hook
) -> None:
    for _ in range(100):
        await hook()
    body = {"url": HTTPS, "triggers": ["DATA_NEW"]}
    async with client.post(PATH, json=body) as answer:
        await refused(answer, 409, "conflict")
    page = await said(client, "GET", f"{PATH}/?limit=60&order-by=id:asc")
    assert page["meta"]["hasMore"]
    rest = await said(
        client, "GET", f"{PATH}/?limit=60&order-by=id:asc&cursor={page['meta']['nextCursor']}"
    )
    ids = [item["id"] for item in (*page["results"], *rest["results"])]
    assert len(set(ids)) == 100 == page["meta"]["total"]


async def test_ids_that_no_record_can_have_are_not_found(client: aiohttp.ClientSession) -> None:
    for text in ("nonsense", str(new_id())):
        async with client.get(f"{PATH}/{text}/deliveries") as answer:
            await refused(answer, 404, "not_found")
