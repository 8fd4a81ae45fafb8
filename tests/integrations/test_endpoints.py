"""Integrations through the real server: made, read, changed, archived."""

import json
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from tests.conftest import CallerAccount
from tests.integrations.world import (
    PATH,
    SESAME,
    a_vendor,
    body_of,
    created,
    credentials_of,
    read,
    refused,
)

from frontdesk.application import Services
from frontdesk.database.pool import Database
from frontdesk.integrations.addresses import base_url_of
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.registry import vendors

WRITTEN = {
    "id", "created_at", "updated_at", "name", "vendor", "active", "system", "sync_frequency",
    "sync_cadence", "max_request_cadence", "max_request_frequency", "max_job_concurrency",
    "customer_id", "is_archived", "ping_results", "new_properties_are_enabled",
}  # fmt: skip
LISTED = WRITTEN | {
    "integration_vendor", "last_completed_sync", "can_authenticate", "last_data_access_check",
    "is_running_sync",
}  # fmt: skip


@pytest.mark.parametrize("vendor", vendors().values(), ids=vendors())
async def test_an_integration_of_every_vendor_gets_the_contracts_defaults(
    client: aiohttp.ClientSession, vendor: Vendor
) -> None:
    async with client.post(PATH, json=body_of(vendor)) as answer:
        assert answer.status == 200
        result = (await answer.json())["result"]
    assert set(result) >= WRITTEN
    declaration = vendor.declaration
    expected = {
        "vendor": declaration.vendor,
        "name": "Maple Court",
        "active": False,
        "system": False,
        "is_archived": False,
        "sync_frequency": 12,
        "sync_cadence": "HOUR",
        "max_request_frequency": None,
        "max_request_cadence": None,
        "max_job_concurrency": declaration.max_job_concurrency,
        "new_properties_are_enabled": True,
        "base_url": base_url_of(declaration, credentials_of(vendor)),
        "on_uncertain": "hold",
        "mark_notes": False,
        "write_expiry_hours": 72,
        "allow_email_send": True,
        "timezone": None,
    }
    assert {name: result[name] for name in expected} == expected
    assert result["created_at"].endswith(("Z", "+00:00"))
    shown = await read(client, result["id"])
    assert set(shown) >= LISTED
    assert shown["integration_vendor"] == shown["vendor"] == declaration.vendor
    assert shown["can_authenticate"] is None


async def test_credentials_are_in_no_answer_and_not_in_the_open_in_the_database(
    client: aiohttp.ClientSession, database: Database
) -> None:
    made = await created(client)
    integration = f"{PATH}/{made['id']}"
    for method, path, body in (
        ("GET", PATH, None),
        ("GET", integration, None),
        ("PUT", integration, {"credentials": credentials_of(a_vendor())}),
        ("PUT", integration, {"credentials": {"wrong": SESAME, SESAME: 1}}),
        ("POST", PATH, body_of(base_url=f"https://{SESAME}@127.0.0.1")),
        ("GET", f"{integration}/rate-limits", None),
        ("GET", f"{integration}/data-access", None),
    ):
        async with client.request(method, path, json=body) as answer:
            text = await answer.text()
            # The name of an unknown key is the caller's own; values never come back.
            assert SESAME not in text.replace(f'"{SESAME}"', "").replace(
                f"credentials.{SESAME}", ""
            ), (method, path)
    row = await database.fetch_row("SELECT * FROM integrations WHERE id = $1", UUID(made["id"]))
    assert row is not None
    assert SESAME.encode() not in row["credentials"]
    assert SESAME not in str(dict(row))


async def test_every_problem_of_credentials_is_told(client: aiohttp.ClientSession) -> None:
    vendor = a_vendor()
    first, *others = (key.name for key in vendor.declaration.credentials if key.required)
    wrong: dict[str, Any] = dict.fromkeys(others, 7) | {"nonsense": "x"}
    async with client.post(PATH, json=body_of(credentials=wrong, timezone="Mars/Base")) as answer:
        problems = await refused(answer, 400, "invalid_request")
    assert problems == {
        f"credentials.{first}": "required",
        **{f"credentials.{name}": "wrong_type" for name in others},
        "credentials.nonsense": "unknown_field",
        "timezone": "invalid_value",
    }


async def test_a_line_break_in_a_credential_is_refused(client: aiohttp.ClientSession) -> None:
    credentials = credentials_of(a_vendor())
    name = next(iter(credentials))
    credentials[name] = "a\r\nX-Injected: 1"
    async with client.post(PATH, json=body_of(credentials=credentials)) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            f"credentials.{name}": "invalid_value"
        }


async def test_an_unknown_vendor_is_told_which_there_are(client: aiohttp.ClientSession) -> None:
    async with client.post(PATH, json=body_of(integration_vendor="NOBODY")) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "integration_vendor": "invalid_value"
        }
        assert a_vendor().declaration.vendor in await answer.text()


async def test_a_base_url_elsewhere_is_refused_and_a_sandbox_sends_no_email(
    client: aiohttp.ClientSession,
) -> None:
    async with client.post(PATH, json=body_of(base_url="http://10.1.2.3/x")) as answer:
        assert await refused(answer, 400, "invalid_request") == {"base_url": "invalid_value"}
    sandbox = await created(client, base_url="http://127.0.0.1:9/x/")
    assert sandbox["base_url"] == "http://127.0.0.1:9/x"
    assert sandbox["allow_email_send"] is False
    allowed = await created(client, base_url="http://127.0.0.1:9/x", allow_email_send=True)
    assert allowed["allow_email_send"] is True


async def test_a_frequency_needs_its_cadence(client: aiohttp.ClientSession) -> None:
    async with client.post(PATH, json=body_of(max_request_frequency=5)) as answer:
        assert await refused(answer, 400, "invalid_request") == {"max_request_cadence": "required"}
    made = await created(client, max_request_frequency=5, max_request_cadence="MINUTE")
    assert (made["max_request_frequency"], made["max_request_cadence"]) == (5, "MINUTE")


async def test_settings_are_copied_from_another_integration_never_its_credentials(
    client: aiohttp.ClientSession, services: Services, account: CallerAccount
) -> None:
    source = await created(
        client, sync_frequency=3, mark_notes=True, timezone="America/Denver", active=True
    )
    other = credentials_of(a_vendor()) | dict.fromkeys(credentials_of(a_vendor()), "another")
    copy = await created(
        client, based_on_integration_id=source["id"], credentials=other, sync_frequency=4
    )
    assert copy["sync_frequency"] == 4
    assert (copy["mark_notes"], copy["timezone"], copy["active"]) == (True, "America/Denver", True)
    loaded = await services.integrations.get_owned(account.id, UUID(copy["id"]))
    assert loaded is not None
    assert set(loaded.credentials.values()) == {"another"}
    async with client.post(PATH, json=body_of(based_on_integration_id=str(uuid4()))) as answer:
        assert await refused(answer, 400, "unknown_reference") == {
            "based_on_integration_id": "unknown_reference"
        }


async def test_a_change_touches_only_what_it_names(client: aiohttp.ClientSession) -> None:
    made = await created(client, mark_notes=True)
    async with client.put(
        f"{PATH}/{made['id']}", json={"active": True, "name": "Oak", "timezone": None}
    ) as answer:
        assert answer.status == 200
        changed = (await answer.json())["result"]
    assert changed.pop("updated_at") > made.pop("updated_at")
    assert changed == made | {"active": True, "name": "Oak"}


async def test_all_problems_of_a_change_are_told_and_nothing_is_changed(
    client: aiohttp.ClientSession,
) -> None:
    made = await created(client)
    body = {
        "name": "Oak",
        "credentials": {},
        "base_url": "http://10.1.2.3",
        "timezone": "Mars/Base",
        "max_request_cadence": "DAY",
    }
    async with client.put(f"{PATH}/{made['id']}", json=body) as answer:
        problems = await refused(answer, 400, "invalid_request")
    required = [key.name for key in a_vendor().declaration.credentials if key.required]
    assert problems == {
        "timezone": "invalid_value",
        "base_url": "invalid_value",
        "max_request_frequency": "required",
        **{f"credentials.{name}": "required" for name in required},
    }
    assert (await read(client, made["id"]))["name"] == made["name"]


async def test_the_vendor_cannot_be_changed(client: aiohttp.ClientSession) -> None:
    made = await created(client)
    async with client.put(
        f"{PATH}/{made['id']}", json={"integration_vendor": made["vendor"]}
    ) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "integration_vendor": "unknown_field"
        }


async def test_new_credentials_are_used_counted_and_put_into_their_scope(
    client: aiohttp.ClientSession, services: Services, account: CallerAccount
) -> None:
    made = await created(client)
    [before] = await services.integrations.load([UUID(made["id"])])
    new = dict.fromkeys(credentials_of(a_vendor()), "renewed")
    async with client.put(f"{PATH}/{made['id']}", json={"credentials": new}) as answer:
        assert answer.status == 200
    [after] = await services.integrations.load([UUID(made["id"])])
    assert after.credentials == new
    assert after.credentials_version == before.credentials_version + 1
    assert after.budget_scope != before.budget_scope
    assert "renewed" not in repr(after)


async def test_integrations_with_the_same_party_share_a_scope_across_accounts(
    client: aiohttp.ClientSession, strange_client: aiohttp.ClientSession, services: Services
) -> None:
    ids = [UUID((await created(one))["id"]) for one in (client, strange_client)]
    loaded = await services.integrations.load(ids)
    assert len({integration.budget_scope for integration in loaded}) == 1


async def test_one_unreadable_row_does_not_hold_the_others_back(
    client: aiohttp.ClientSession, services: Services, database: Database
) -> None:
    good, bad = [UUID((await created(client))["id"]) for _ in range(2)]
    await database.execute("UPDATE integrations SET credentials = '\\x00' WHERE id = $1", bad)
    assert [one.id for one in await services.integrations.load([bad, good])] == [good]


async def test_archiving_may_be_repeated_and_ends_all_changes(
    client: aiohttp.ClientSession,
) -> None:
    made = await created(client, active=True)
    for _ in range(2):
        async with client.delete(f"{PATH}/{made['id']}/") as answer:
            assert answer.status == 200
            assert await answer.json() == {"success": True}
    shown = await read(client, made["id"])
    assert (shown["is_archived"], shown["active"]) == (True, False)
    async with client.put(f"{PATH}/{made['id']}", json={"active": True}) as answer:
        await refused(answer, 409, "conflict")
    for path in ("data-access", "manual-sync"):
        async with client.post(f"{PATH}/{made['id']}/{path}", json={}) as answer:
            await refused(answer, 409, "conflict")


async def test_an_inactive_integration_is_not_read(client: aiohttp.ClientSession) -> None:
    made = await created(client)
    for path in ("data-access", "manual-sync"):
        async with client.post(f"{PATH}/{made['id']}/{path}", json={}) as answer:
            await refused(answer, 409, "conflict")


async def test_lists_filter_order_and_page_without_gap_or_double(
    client: aiohttp.ClientSession,
) -> None:
    made = [await created(client, name=name, active=name == "b") for name in "dacbe"]

    async def names(query: str) -> list[str]:
        async with client.get(f"{PATH}/?{query}") as answer:
            assert answer.status == 200, await answer.text()
            return [one["name"] for one in (await answer.json())["results"]]

    assert await names("") == list("ebcad")
    assert await names("order-by=name:asc") == list("abcde")
    assert await names("order-by=name:asc&offset=1&limit=2") == list("bc")
    assert await names("active=true") == ["b"]
    assert await names("name=c&is_archived=false") == ["c"]
    assert await names(f"integration_vendor={made[0]['vendor']}") == list("ebcad")
    assert await names("integration_vendor=NOBODY") == []
    assert await names("updated_at_gte=" + made[2]["updated_at"].replace("+", "%2B")) == list("ebc")
    for order in ("name:asc", "name:desc", "created_at:desc", "updated_at:asc,name:desc"):
        whole = await names(f"order-by={order}")
        paged: list[str] = []
        cursor = ""
        while True:
            async with client.get(f"{PATH}?order-by={order}&limit=2{cursor}") as answer:
                page = await answer.json()
            paged += [one["name"] for one in page["results"]]
            assert page["meta"]["total"] == 5
            if not page["meta"]["hasMore"]:
                assert page["meta"]["nextCursor"] is None
                break
            cursor = f"&cursor={page['meta']['nextCursor']}"
        assert paged == whole


async def test_a_forged_cursor_is_a_400_not_a_500(client: aiohttp.ClientSession) -> None:
    from frontdesk.http.paging import Order, make_cursor

    order = (Order("created_at", "desc"), Order("id", "desc"))
    for values in (["no time", str(uuid4())], ["2026-01-01T00:00:00Z", "no id"], [None, 7]):
        async with client.get(PATH, params={"cursor": make_cursor(order, values)}) as answer:
            await refused(answer, 400, "invalid_request")


async def test_properties_are_listed_and_switched(
    client: aiohttp.ClientSession, configured: tuple[str, list[str]]
) -> None:
    integration_id, property_ids = configured
    path = f"{PATH}/{integration_id}/properties"
    async with client.get(path) as answer:
        page = await answer.json()
    assert {one["property_id"] for one in page["results"]} == set(property_ids)
    assert set(page["results"][0]) >= {
        "id", "created_at", "integration_id", "property_id", "enabled",
    }  # fmt: skip
    first = page["results"][0]
    async with client.put(
        f"{path}/{first['id']}/", json={"enabled": False, "timezone": "America/Denver"}
    ) as answer:
        assert answer.status == 200
        result = (await answer.json())["result"]
    assert result == first | {"enabled": False, "timezone": "America/Denver"}
    async with client.get(f"{path}?enabled=false") as answer:
        assert (await answer.json())["results"] == [result]
    async with client.get(f"{path}?property_id=nobody") as answer:
        assert (await answer.json())["results"] == []
    async with client.put(f"{path}/{first['id']}", json={"timezone": "Mars"}) as answer:
        assert await refused(answer, 400, "invalid_request") == {"timezone": "invalid_value"}
    async with client.put(f"{path}/{uuid4()}", json={"enabled": True}) as answer:
        await refused(answer, 404, "not_found")


@pytest.mark.parametrize("integration_id", ["nobody", "%00", "..%2f", "{x}", "0" * 400])
async def test_an_id_that_no_record_can_have_is_a_404(
    client: aiohttp.ClientSession, integration_id: str
) -> None:
    for path in ("", "/data-access", "/rate-limits", "/properties"):
        async with client.get(f"{PATH}/{integration_id}{path}") as answer:
            await refused(answer, 404, "not_found")


async def test_manual_sync_names_what_it_cannot_read(
    client: aiohttp.ClientSession, configured: tuple[str, list[str]]
) -> None:
    body = {"models_to_sync": ["residents", "everything"], "resident_ids": [7]}
    async with client.post(f"{PATH}/{configured[0]}/manual-sync", json=body) as answer:
        assert await refused(answer, 400, "invalid_request") == {
            "models_to_sync.1": "invalid_value",
            "resident_ids.0": "wrong_type",
        }


async def test_the_hot_paths_memory_knows_its_own_process_changes_at_once(
    services: Services, account: CallerAccount, client: aiohttp.ClientSession
) -> None:
    from frontdesk.integrations.schemas import IntegrationUpdate

    made = UUID((await created(client, active=True))["id"])
    first = await services.integrations.get_owned(account.id, made)
    assert first is not None
    assert first.active
    assert await services.integrations.get_owned(uuid4(), made) is None
    await services.integrations.change(account.id, made, IntegrationUpdate(active=False))
    second = await services.integrations.get_owned(account.id, made)
    assert second is not None
    assert not second.active
    assert json.dumps(str(second)).count(SESAME) == 0
