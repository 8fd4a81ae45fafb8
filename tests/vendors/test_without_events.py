"""The PMSs whose API has no resident events: known, never called, and refused with a reason."""

from typing import Any

import aiohttp
import pytest
from tests.conftest import CallerAccount
from tests.integrations.world import PATH, created, refused

from frontdesk.database.pool import Database
from frontdesk.sandbox.discovery import find_simulators
from frontdesk.vendors.registry import vendors

POST = "/v1/events/residents"
CODES = ("PROPERTYWARE_REST", "RENTVINE", "RESMAN", "YARDI", "YARDI_REST")

pytestmark = pytest.mark.parametrize("code", CODES)


async def error_of(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """The error of a 405 that says what the PMS lacks."""
    await refused(answer, 405, "not_supported")
    error: dict[str, Any] = (await answer.json())["error"]
    return error


async def integration(client: aiohttp.ClientSession, code: str, **changes: Any) -> dict[str, Any]:
    """An integration with credentials of names that nobody declared."""
    given = {"any key": "any value", "another": "open-sesame"}
    body = {"integration_vendor": code, "credentials": given, "active": True, **changes}
    return await created(client, **body)


def test_it_is_known_reads_nothing_and_simulates_nothing(code: str) -> None:
    vendor = vendors()[code]
    assert vendor.connector is None
    assert vendor.declaration.create is None
    assert vendor.declaration.update is None
    assert not vendor.declaration.reads
    assert not vendor.declaration.credentials
    assert not vendor.declaration.base_url
    assert code not in find_simulators()


async def test_any_object_of_strings_is_taken_as_credentials_and_never_shown(
    client: aiohttp.ClientSession, code: str
) -> None:
    made = await integration(client, code)
    async with client.get(f"{PATH}/{made['id']}") as answer:
        assert "open-sesame" not in await answer.text()
    body = {"integration_vendor": code, "name": "n", "credentials": {"key": 7}}
    async with client.post(PATH, json=body) as answer:
        found = await refused(answer, 400, "invalid_request")
    assert found == {"credentials.key": "wrong_type"}


async def test_it_syncs_nothing_and_waits_for_nothing(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount, code: str
) -> None:
    made = await integration(client, code)
    body: dict[str, list[str]] = {"models_to_sync": []}
    async with client.post(f"{PATH}/{made['id']}/manual-sync", json=body) as answer:
        assert code in (await error_of(answer))["message"]
    jobs = "SELECT count(*) FROM read_jobs WHERE account_id = $1"
    assert await database.fetch_value(jobs, account.id) == 0
    async with client.get(f"{PATH}/{made['id']}") as answer:
        shown = (await answer.json())["results"]
    assert (shown["active"], shown["is_running_sync"]) == (True, False)


async def test_its_own_path_refuses_before_it_reads_the_body(
    client: aiohttp.ClientSession, code: str
) -> None:
    declaration = vendors()[code].declaration
    for path in (f"{POST}/{code.lower()}", f"{POST}/{code.lower()}/", f"{POST}/{code}"):
        for data in (b"{", b"", b'{"integration_id": "nonsense", "nonsense": 1}'):
            async with client.post(path, data=data) as answer:
                error = await error_of(answer)
            assert error["message"] == (
                f"{declaration.name} cannot create resident events: "
                f"{declaration.unsupported_reason}"
            )
            assert error["details"] == {"vendor": code, "operation": "create"}
    async with client.put(f"{POST}/{code.lower()}/nonsense", data=b"{") as answer:
        error = await error_of(answer)
    assert error["message"].startswith(f"{declaration.name} cannot change resident events: ")


async def test_the_generic_path_refuses_before_the_rest_of_the_body_is_judged(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount, code: str
) -> None:
    declaration = vendors()[code].declaration
    for active in (True, False):
        made = await integration(client, code, active=active)
        body = {"integration_id": made["id"], "resident_id": "nobody", "nonsense": 1}
        for query in ("", "?dry_run=true", "?ignore_unknown_fields=true"):
            async with client.post(POST + query, json=body) as answer:
                error = await error_of(answer)
            assert declaration.name in error["message"]
            assert declaration.unsupported_reason in error["message"]
            assert error["details"]["operation"] == "create"
    writes = "SELECT count(*) FROM writes WHERE account_id = $1"
    assert await database.fetch_value(writes, account.id) == 0


async def test_an_integration_of_a_stranger_is_not_betrayed_by_its_pms(
    client: aiohttp.ClientSession, strange_client: aiohttp.ClientSession, code: str
) -> None:
    made = await integration(client, code)
    async with strange_client.post(POST, json={"integration_id": made["id"]}) as answer:
        found = await refused(answer, 400, "unknown_reference")
    assert found == {"integration_id": "unknown_reference"}


async def test_the_capabilities_show_the_reason(client: aiohttp.ClientSession, code: str) -> None:
    made = await integration(client, code)
    async with client.get("/v1/capabilities") as answer:
        listed = (await answer.json())["results"]
    async with client.get(f"{PATH}/{made['id']}/capabilities") as answer:
        own = (await answer.json())["results"]
    refusal = {"supported": False, "reason": vendors()[code].declaration.unsupported_reason}
    (entry,) = [entry for entry in listed if entry["vendor"] == code]
    for shown in (entry, own):
        assert shown["operations"] == {"create": refusal, "update": refusal}
        assert shown["reads"] == []


async def test_the_documents_paths_say_that_they_refuse(
    client: aiohttp.ClientSession, code: str
) -> None:
    async with client.get("/openapi.json") as answer:
        paths = (await answer.json())["paths"]
    path = f"{POST}/{code.lower()}"
    create, update = paths[path]["post"], paths[f"{path}/{{event_id}}"]["put"]
    for operation in (create, update):
        assert vendors()[code].declaration.unsupported_reason in operation["description"]
        assert "405" in operation["responses"]
        assert "200" not in operation["responses"]
        assert "requestBody" not in operation
