"""The wall between accounts."""

from uuid import UUID, uuid4

import aiohttp
from tests.integrations.world import (
    PATH,
    a_vendor,
    body_of,
    created,
    credentials_of,
    read,
    refused,
)

from frontdesk.database.pool import Database


async def test_nothing_of_another_account_can_be_seen_or_touched(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    configured: tuple[str, list[str]],
    database: Database,
) -> None:
    integration_id, _ = configured
    one = f"{PATH}/{integration_id}"
    async with client.get(f"{one}/properties") as answer:
        configuration = (await answer.json())["results"][0]["id"]
    before = await read(client, integration_id)
    async with strange_client.get(PATH) as answer:
        assert (await answer.json())["results"] == []
    for method, path, body in (
        ("GET", one, None),
        ("PUT", one, {"name": "mine now"}),
        ("PUT", one, {"credentials": credentials_of(a_vendor())}),
        ("DELETE", one, None),
        ("POST", f"{one}/data-access", None),
        ("GET", f"{one}/data-access", None),
        ("GET", f"{one}/rate-limits", None),
        ("POST", f"{one}/manual-sync", {"models_to_sync": []}),
        ("GET", f"{one}/properties", None),
        ("PUT", f"{one}/properties/{configuration}", {"enabled": False}),
    ):
        async with strange_client.request(method, path, json=body) as answer:
            told = await answer.text()
            assert answer.status == 404, (method, path, told)
        elsewhere = path.replace(integration_id, str(uuid4()))
        async with strange_client.request(method, elsewhere, json=body) as answer:
            # Another's and nobody's cannot be told apart.
            assert (answer.status, await answer.text()) == (404, told)
    mine = await created(strange_client)
    async with strange_client.put(
        f"{PATH}/{mine['id']}/properties/{configuration}", json={"enabled": False}
    ) as answer:
        await refused(answer, 404, "not_found")
    async with strange_client.post(
        PATH, json=body_of(based_on_integration_id=integration_id)
    ) as answer:
        await refused(answer, 400, "unknown_reference")
    assert await read(client, integration_id) == before
    assert await database.fetch_value(
        "SELECT enabled FROM integration_properties WHERE id = $1", UUID(configuration)
    )
