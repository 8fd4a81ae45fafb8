"""Several customers of one vendor: worlds, credentials and throttles that touch nowhere."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.sandbox.running import Answer, SandboxClient, running_sandbox

from frontdesk.sandbox.app import MOST_CUSTOMERS, SandboxOptions

TENANT = "4105"


async def customers(client: SandboxClient, vendor: str) -> list[dict[str, Any]]:
    answer = await client.call("GET", "/_sandbox/customers")
    return [one for one in answer.json if one["vendor"] == vendor]


def keys(customer: dict[str, Any]) -> dict[str, str]:
    return {
        "x-buildium-client-id": customer["credentials"]["clientId"],
        "x-buildium-client-secret": customer["credentials"]["secret"],
    }


async def call(
    client: SandboxClient, customer: dict[str, Any], method: str, text: str | None = None
) -> Answer:
    path = f"{urlsplit(customer['base_url']).path}/v1/leases/tenants/{TENANT}/notes"
    body = None if text is None else {"Note": text}
    return await client.call(method, path, headers=keys(customer), json_body=body)


async def test_every_vendor_has_one_customer_where_nobody_asks_for_more(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path) as client:
        listed = (await client.call("GET", "/_sandbox/customers")).json
        overview = (await client.overview())["vendors"]
    assert [one["vendor"] for one in listed] == list(overview)
    for one in listed:
        vendor = overview[one["vendor"]]
        assert one["customer"] == 1
        assert one["base_url"] == vendor["base_url"]
        assert one["credentials"] == vendor["credentials"]


async def test_what_one_customer_writes_no_other_reads_and_its_effect_names_him(
    tmp_path: Path,
) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM", customers=4) as client:
        known = await customers(client, "BUILDIUM")
        assert [one["customer"] for one in known] == [1, 2, 3, 4]
        assert len({json.dumps(one["credentials"]) for one in known}) == 4
        for one in known:
            assert (await call(client, one, "POST", f"of {one['customer']}")).status == 201
        for one in known:
            notes = [note["Note"] for note in (await call(client, one, "GET")).json]
            written = [note for note in notes if note.startswith("of ")]
            assert written == [f"of {one['customer']}"]
        effects = [(e["customer"], e["text"], e["credential"]) for e in await client.effects()]
        assert effects == [(n, f"of {n}", f"sandbox-{n}") for n in (1, 2, 3, 4)]


async def test_a_restart_keeps_every_customers_world_and_more_may_join(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, "BUILDIUM", customers=2) as client:
        second = (await customers(client, "BUILDIUM"))[1]
        await call(client, second, "POST", "kept")
    async with running_sandbox(tmp_path, "BUILDIUM", customers=3) as client:
        _, second, third = await customers(client, "BUILDIUM")
        kept = [note["Note"] for note in (await call(client, second, "GET")).json]
        assert kept.count("kept") == 1
        assert "kept" not in [note["Note"] for note in (await call(client, third, "GET")).json]
        await client.call("POST", "/_sandbox/reset")
        cleared = [note["Note"] for note in (await call(client, second, "GET")).json]
        assert "kept" not in cleared


async def test_one_customers_quota_is_no_others(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, "APPFOLIO", customers=2, throttle_factor=0.13) as client:
        first, second = await customers(client, "APPFOLIO")

        async def ask(customer: dict[str, Any]) -> int:
            given = customer["credentials"]
            basic = base64.b64encode(f"{given['clientId']}:{given['clientSecret']}".encode())
            answer = await client.call(
                "GET",
                f"{urlsplit(customer['base_url']).path}/api/v0/units",
                headers={
                    "Authorization": f"Basic {basic.decode()}",
                    "X-AppFolio-Developer-ID": given["developerId"],
                },
            )
            return answer.status

        # One request a second is allowed: of three at once, some are too many.
        assert 429 in await asyncio.gather(*(ask(first) for _ in range(3)))
        assert await ask(second) != 429


@pytest.mark.parametrize("number", [0, MOST_CUSTOMERS + 1])
def test_no_more_customers_than_there_are_credential_sets(number: int) -> None:
    with pytest.raises(ValueError, match="customers"):
        SandboxOptions(customers=number)
