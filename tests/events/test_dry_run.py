"""A dry run shows the very request that would leave, and stores nothing."""

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.vendors.contract import Vendor
from tests.events.conftest import MakeWorld
from tests.events.world import POST, SUPPORTING
from tests.integrations.world import SESAME, refused


@pytest.mark.parametrize("vendor", SUPPORTING, ids=lambda vendor: vendor.declaration.vendor)
async def test_it_shows_the_request_with_its_secrets_masked_and_stores_nothing(
    vendor: Vendor, client: aiohttp.ClientSession, database: Database, make_world: MakeWorld
) -> None:
    world = await make_world(vendor)
    headers = {"Idempotency-Key": "dry"}
    before = await database.fetch_value("SELECT count(*) FROM writes")
    text = "A text that must arrive"
    for _ in range(2):
        async with client.post(
            POST,
            json=world.body(notes=text),
            params={"dry_run": "true", "wait": "1"},
            headers=headers,
        ) as answer:
            assert answer.status == 200, await answer.text()
            assert "Idempotent-Replayed" not in answer.headers
            shown = await answer.json()
            raw = await answer.text()
    assert set(shown) == {"valid", "request", "warnings"}
    assert shown["valid"] is True
    assert set(shown["request"]) == {"method", "url", "headers", "body"}
    before_credentials, _, after_them = vendor.declaration.base_url.partition("{")
    assert shown["request"]["url"].startswith(before_credentials)
    assert after_them.partition("}")[2] in shown["request"]["url"]
    assert text in shown["request"]["body"]
    secrets = [key.name for key in vendor.declaration.credentials if key.secret]
    assert secrets
    for name in secrets:
        assert f"{SESAME}-{name}" not in raw
    assert await database.fetch_value("SELECT count(*) FROM writes") == before
    assert await database.fetch_value("SELECT count(*) FROM idempotency_keys") == 0


async def test_it_refuses_what_would_be_refused(
    client: aiohttp.ClientSession, make_world: MakeWorld
) -> None:
    world = await make_world(SUPPORTING[0])
    async with client.post(
        POST, json=world.body(resident_id="nobody"), params={"dry_run": "true"}
    ) as answer:
        await refused(answer, 400, "unknown_reference")
