"""The sandbox's own endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.sandbox.running import SandboxClient, running_sandbox

from frontdesk.sandbox.discovery import find_simulators


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[SandboxClient]:
    async with running_sandbox(tmp_path) as started:
        yield started


async def note(client: SandboxClient, text: str, tenant: int = 4105) -> int:
    credentials = (await client.overview())["vendors"]["BUILDIUM"]["credentials"]
    answer = await client.call(
        "POST",
        f"/buildium/v1/leases/tenants/{tenant}/notes",
        headers={
            "x-buildium-client-id": credentials["clientId"],
            "x-buildium-client-secret": credentials["secret"],
        },
        json_body={"Note": text},
    )
    assert answer.status == 201
    number: int = answer.json["Id"]
    return number


async def lease_note(client: SandboxClient, text: str) -> None:
    credentials = (await client.overview())["vendors"]["ENTRATA"]["credentials"]
    params = {
        "propertyId": 5001,
        "leaseId": 88001,
        "eventTypeId": 8,
        "eventDateTime": "07/04/2026T09:30:00",
        "comment": text,
    }
    answer = await client.call(
        "POST",
        f"/entrata/ext/orgs/{credentials['companyId']}/v1/leases",
        headers={"X-Api-Key": credentials["apiKey"]},
        json_body={
            "auth": {"type": "apikey"},
            "requestId": "1",
            "method": {"name": "sendLeaseActivities", "version": "r1", "params": params},
        },
    )
    assert answer.json["response"]["result"]["events"]["event"]["status"] == "Success"


async def test_the_overview_gives_all_that_an_integration_needs(client: SandboxClient) -> None:
    vendors = (await client.overview())["vendors"]
    assert set(vendors) == set(find_simulators())
    for code, vendor in vendors.items():
        assert vendor["base_url"] == f"{client.url}/{code.lower()}"
        assert vendor["credentials"] == vendor["credential_sets"][0]
        assert len({tuple(c.items()) for c in vendor["credential_sets"]}) == 16
        assert vendor["guesses"]
        assert vendor["examples"]
    assert set(vendors["BUILDIUM"]["credentials"]) == {"clientId", "secret"}
    assert set(vendors["ENTRATA"]["credentials"]) == {"apiKey", "companyId"}


async def test_a_sandbox_for_one_vendor_knows_no_other(tmp_path: Path) -> None:
    first, *others = find_simulators()
    async with running_sandbox(tmp_path, first) as client:
        assert list((await client.overview())["vendors"]) == [first]
        for other in others:
            assert (await client.call("GET", f"/{other.lower()}/")).status == 404


async def test_an_effect_tells_everything_about_the_record(client: SandboxClient) -> None:
    number = await note(client, "Łukasz called ☎", tenant=4107)
    (effect,) = await client.effects()
    assert effect["vendor"] == "BUILDIUM"
    assert effect["x_id"] == str(number)
    assert effect["x_resident_id"] == "4107"
    assert effect["kind"] == "note"
    assert effect["text"] == "Łukasz called ☎"
    assert effect["fields"] == {"Note": "Łukasz called ☎"}
    assert effect["origin"] == "api"
    assert effect["operation"] == "create"
    assert effect["credential"] == "sandbox-1"
    for name in ("occurred_at", "written_at", "arrived_at"):
        moment = datetime.fromisoformat(effect[name])
        assert effect[name].endswith("Z")
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


async def test_effects_are_filtered_by_vendor_and_by_since(client: SandboxClient) -> None:
    await note(client, "first")
    await lease_note(client, "second")
    await note(client, "third")
    everything = await client.effects()
    assert [e["text"] for e in everything] == ["first", "second", "third"]
    entrata = await client.effects("?vendor=ENTRATA")
    assert [e["text"] for e in entrata] == ["second"]
    assert entrata[0]["occurred_at"] == "2026-07-04T15:30:00.000000Z"
    written_at = everything[1]["written_at"]
    assert await client.effects(f"?since={written_at}") == everything[1:]
    offset = written_at.replace("Z", "+00:00")
    assert await client.effects(f"?since={quote(offset)}&vendor=BUILDIUM") == everything[2:]
    assert await client.effects(f"?since={offset}") == everything[1:]
    assert await client.effects(f"?since={everything[1]['sequence']}") == everything[2:]


@pytest.mark.parametrize(
    "query", ["?since=yesterday", "?since=2026-01-01T00:00:00", "?vendor=NOBODY", "?sinse=1"]
)
async def test_a_wrong_effects_query_is_refused(client: SandboxClient, query: str) -> None:
    assert (await client.call("GET", f"/_sandbox/effects{query}")).status == 400


async def test_an_update_is_an_effect_of_its_own(client: SandboxClient) -> None:
    number = await note(client, "before")
    credentials = (await client.overview())["vendors"]["BUILDIUM"]["credentials"]
    await client.call(
        "PUT",
        f"/buildium/v1/leases/tenants/4105/notes/{number}",
        headers={
            "x-buildium-client-id": credentials["clientId"],
            "x-buildium-client-secret": credentials["secret"],
        },
        json_body={"Note": "after"},
    )
    effects = await client.effects()
    assert [(e["x_id"], e["text"], e["operation"]) for e in effects] == [
        (str(number), "before", "create"),
        (str(number), "after", "update"),
    ]


async def test_a_refused_write_has_no_effect(client: SandboxClient) -> None:
    answer = await client.call(
        "POST", "/buildium/v1/leases/tenants/4105/notes", json_body={"Note": "no keys"}
    )
    assert answer.status == 401
    assert await client.effects() == []


async def test_faults_are_listed_and_dropped(client: SandboxClient) -> None:
    first = await client.fault(vendor="BUILDIUM", fault="delay", n=3, seconds=1)
    second = await client.fault(vendor="ENTRATA", fault="error_in_200", status=310)
    assert (first["remaining"], first["match"]["operation"]) == (3, "write")
    listed = (await client.call("GET", "/_sandbox/faults")).json
    assert [fault["id"] for fault in listed] == [first["id"], second["id"]]
    dropped = await client.call("DELETE", f"/_sandbox/faults?id={first['id']}")
    assert dropped.json == {"deleted": 1}
    assert (await client.call("DELETE", "/_sandbox/faults")).json == {"deleted": 1}
    assert (await client.call("GET", "/_sandbox/faults")).json == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"vendor":"NOBODY","fault":"delay"}',
        b'{"vendor":"BUILDIUM","fault":"explode"}',
        b'{"vendor":"BUILDIUM","fault":"status"}',
        b'{"vendor":"BUILDIUM","fault":"status","status":"500"}',
        b'{"vendor":"BUILDIUM","fault":"status","status":42}',
        b'{"vendor":"BUILDIUM","fault":"delay","n":0}',
        b'{"vendor":"BUILDIUM","fault":"delay","seconds":-1}',
        b'{"vendor":"BUILDIUM","fault":"delay","after_bytes":1}',
        b'{"vendor":"BUILDIUM","fault":"delay","match":{"operation":"writes"}}',
        b'{"vendor":"BUILDIUM","fault":"delay","match":{"resident":"1"}}',
        b'{"vendor":"BUILDIUM","fault":"delay","match":{"x_resident_id":4107}}',
        b'{"vendor":"BUILDIUM","fault":"twin","before":1}',
        b'{"vendor":"ENTRATA","fault":"error_in_200","level":"page"}',
    ],
)
async def test_a_wrong_fault_is_refused_and_does_not_wait(
    client: SandboxClient, body: bytes
) -> None:
    answer = await client.call("POST", "/_sandbox/faults", body=body)
    assert answer.status == 400
    assert answer.json["error"]["message"]
    assert (await client.call("GET", "/_sandbox/faults")).json == []


async def test_reset_forgets_records_effects_and_faults(client: SandboxClient) -> None:
    first = await note(client, "gone after the reset")
    await client.fault(vendor="BUILDIUM", fault="delay", seconds=5)
    sequence = (await client.effects())[0]["sequence"]
    assert (await client.call("POST", "/_sandbox/reset")).status == 200
    assert await client.effects() == []
    assert (await client.call("GET", "/_sandbox/faults")).json == []
    assert await note(client, "anew") > first, "a PMS gives no id twice"
    assert (await client.effects())[0]["sequence"] > sequence


async def test_reset_stops_effects_that_have_not_come_yet(client: SandboxClient) -> None:
    await client.fault(vendor="BUILDIUM", fault="twin", before=False, seconds=0.2)
    await note(client, "with a late twin")
    await client.call("POST", "/_sandbox/reset")
    await client.fault(vendor="BUILDIUM", fault="delay", seconds=0.4)
    await note(client, "outlasts the twin")
    assert [e["text"] for e in await client.effects()] == ["outlasts the twin"]


async def test_latency_is_added_to_every_answer(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, latency_seconds=0.2) as slow:
        before = datetime.now(UTC)
        await note(slow, "slowly")
        assert datetime.now(UTC) - before >= timedelta(seconds=0.2)
        (effect,) = await slow.effects()
        assert effect["written_at"] > effect["arrived_at"]


async def test_an_unknown_path_is_a_404(client: SandboxClient) -> None:
    for path in ("/", "/nobody/v1", "/_sandbox/nothing", "/buildiums/v1/leases"):
        assert (await client.call("GET", path)).status == 404
