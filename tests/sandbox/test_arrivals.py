"""The log of arrivals, and the limits that a checker counts them against."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from tests.sandbox.running import Answer, SandboxClient, running_sandbox

from frontdesk.sandbox.arrivals import ArrivalLog

NOTES = "/v1/leases/tenants/4105/notes"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[SandboxClient]:
    async with running_sandbox(tmp_path, "BUILDIUM", customers=2) as started:
        yield started


async def arrivals(client: SandboxClient, query: str = "") -> list[dict[str, Any]]:
    answer = await client.call("GET", f"/_sandbox/arrivals{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["arrivals"]
    return found


async def write(client: SandboxClient, text: str, number: int = 1) -> Answer:
    known = (await client.call("GET", "/_sandbox/customers")).json[number - 1]
    given = known["credentials"]
    headers = {
        "x-buildium-client-id": given["clientId"],
        "x-buildium-client-secret": given["secret"],
    }
    path = known["base_url"].removeprefix(client.url) + NOTES
    return await client.call("POST", path, headers=headers, json_body={"Note": text})


async def test_an_arrival_says_who_asked_for_what_when_and_how_it_was_answered(
    client: SandboxClient,
) -> None:
    before = time.monotonic()
    await write(client, "one", 2)
    (arrival,) = await arrivals(client)
    assert before < arrival["clock"] < time.monotonic()
    moment = datetime.fromisoformat(arrival["at"])
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert {key: arrival[key] for key in ("vendor", "customer", "credential", "budget")} == {
        "vendor": "BUILDIUM",
        "customer": 2,
        "credential": "sandbox-2",
        "budget": "BUILDIUM|sandbox-2|",
    }
    assert (arrival["operation"], arrival["x_resident_ids"]) == ("write", ["4105"])
    assert (arrival["method"], arrival["path"], arrival["status"]) == ("POST", NOTES, 201)
    assert (arrival["is_counted"], arrival["in_flight"], arrival["faults"]) == (True, 1, [])


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux tells")
async def test_a_request_arrives_when_the_machine_has_it_not_when_the_sandbox_looks(
    client: SandboxClient,
) -> None:
    place = urlsplit(client.url)
    where = (str(place.hostname), int(place.port or 0))
    reader, writer = await asyncio.open_connection(*where)
    call = f"GET /buildium{NOTES} HTTP/1.1\r\nHost: pms\r\n\r\n".encode()
    writer.write(call)
    await reader.readuntil(b"\r\n\r\n")
    # Over a connection that is kept, and over one that is not accepted yet.
    with socket.create_connection(where) as unaccepted:
        writer.write(call)
        unaccepted.sendall(call)
        sent = time.monotonic()
        # The sandbox runs in this very loop, which it holds up.
        time.sleep(0.5)  # noqa: ASYNC251
        await asyncio.to_thread(unaccepted.recv, 1)
    writer.close()
    _, *late = await arrivals(client)
    assert len(late) == 2
    assert all(abs(arrival["clock"] - sent) < 0.25 for arrival in late)


async def test_a_request_without_an_answer_has_no_status_and_tells_its_fault(
    client: SandboxClient,
) -> None:
    await client.fault(vendor="BUILDIUM", fault="reset_after_effect")
    with pytest.raises(aiohttp.ClientError):
        await write(client, "cut")
    (arrival,) = await arrivals(client)
    assert (arrival["status"], arrival["faults"]) == (None, ["reset_after_effect"])


async def test_a_throttled_request_is_logged_and_takes_no_place(client: SandboxClient) -> None:
    await client.fault(vendor="BUILDIUM", fault="delay", seconds=1, n=20)
    answers = await asyncio.gather(*(write(client, f"{number}") for number in range(14)))
    refused = [arrival for arrival in await arrivals(client) if arrival["status"] == 429]
    assert len(refused) == sum(answer.status == 429 for answer in answers) > 0
    assert {arrival["is_counted"] for arrival in refused} == {False}
    assert {arrival["in_flight"] for arrival in refused} == {10}


async def test_a_stranger_is_logged_and_counted_in_no_budget(client: SandboxClient) -> None:
    await client.call("GET", f"/buildium{NOTES}")
    (arrival,) = await arrivals(client)
    assert (arrival["credential"], arrival["budget"], arrival["status"]) == (None, None, 401)


async def test_the_log_is_read_on_from_a_sequence_and_filtered(client: SandboxClient) -> None:
    for number in range(5):
        await write(client, f"{number}")
    sequences = [arrival["sequence"] for arrival in await arrivals(client)]
    assert sequences == sorted(sequences)
    later = await arrivals(client, f"?since={sequences[1]}&limit=2&vendor=BUILDIUM")
    assert [arrival["sequence"] for arrival in later] == sequences[2:4]
    for query in ("?since=yesterday", "?vendor=NOBODY", "?who=me"):
        assert (await client.call("GET", f"/_sandbox/arrivals{query}")).status == 400


def test_the_log_is_bounded_and_says_what_it_forgot() -> None:
    log = ArrivalLog(kept=3)
    for _ in range(5):
        log.note(
            vendor="PMS", customer=1, credential=None, scope="", operation="read", label="",
            x_resident_ids=frozenset(), method="GET", path="/", arrived_at=datetime.now(UTC),
            clock=time.monotonic(),
        )  # fmt: skip
    assert [arrival.sequence for arrival in log.after(0, vendor=None, limit=9)] == [3, 4, 5]
    assert [arrival.sequence for arrival in log.after(4, vendor=None, limit=9)] == [5]
    assert log.forgotten == 2
    log.clear()
    assert (log.after(0, vendor=None, limit=9), log.forgotten) == ([], 5)


async def test_the_limits_are_those_that_are_enforced(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, throttle_factor=0.5) as sandbox:
        limits = (await sandbox.call("GET", "/_sandbox/limits")).json
        assert list(limits) == list((await sandbox.overview())["vendors"])
    assert limits["BUILDIUM"] == {"windows": [], "concurrency": 5, "per": "client id"}
    assert limits["ENTRATA"]["windows"] == [
        [7500, 86400, "API key and method"],
        [500, 3600, "API key and method"],
        [75, 60, "API key and method"],
    ]
