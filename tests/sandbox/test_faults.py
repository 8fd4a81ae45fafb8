"""Every fault kind, against the wire of a sandbox process.

Each test has a resident of its own, so that a fault cannot hit another test's request.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.conftest import until
from tests.sandbox.running import (
    Answer,
    SandboxClient,
    SandboxProcess,
    raw_post,
    read_until_end,
)

_tenants = itertools.count(4113)  # nobody from here on has notes already


class Tenant:
    """A resident of the simulated Buildium, and what can be done to him."""

    def __init__(self, client: SandboxClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers
        self.id = str(next(_tenants))
        self.text = f"a note for {self.id}"
        self.path = f"/buildium/v1/leases/tenants/{self.id}/notes"

    async def fault(self, fault: str, **fields: object) -> None:
        match = {"x_resident_id": self.id, **(fields.pop("match", None) or {})}  # type: ignore[dict-item]
        await self.client.fault(vendor="BUILDIUM", fault=fault, match=match, **fields)

    async def post(self, seconds: float = 20.0) -> Answer:
        body = {"Note": self.text}
        return await self.client.call(
            "POST", self.path, headers=self.headers, json_body=body, seconds=seconds
        )

    async def read(self) -> list[str]:
        """The texts of his notes, as a reader sees them."""
        answer = await self.client.call("GET", f"{self.path}?limit=1000", headers=self.headers)
        assert answer.status == 200
        return [note["Note"] for note in answer.json]

    async def written(self) -> int:
        """How often the text was really written."""
        return len(await self.client.effects_with(self.text))

    async def until_written(self, count: int = 1) -> None:
        async def there() -> bool:
            return await self.written() >= count

        await until(there)

    async def until_read(self, texts: list[str]) -> None:
        """Wait until a reader sees just these notes."""

        async def seen() -> bool:
            return await self.read() == texts

        await until(seen)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    started = SandboxProcess(Path(tmp_path_factory.mktemp("sandbox")))
    yield started
    started.stop()


@pytest.fixture
async def tenant(process: SandboxProcess) -> Tenant:
    client = process.client
    credentials = (await client.overview())["vendors"]["BUILDIUM"]["credentials"]
    headers = {
        "x-buildium-client-id": credentials["clientId"],
        "x-buildium-client-secret": credentials["secret"],
    }
    return Tenant(client, headers)


async def test_delay_answers_late_and_once(tenant: Tenant) -> None:
    await tenant.fault("delay", seconds=0.3)
    started = time.monotonic()
    assert (await tenant.post()).status == 201
    assert time.monotonic() - started >= 0.3
    assert await tenant.written() == 1


async def test_hang_after_effect_does_the_work_and_never_answers(tenant: Tenant) -> None:
    await tenant.fault("hang_after_effect")
    with pytest.raises(TimeoutError):
        await tenant.post(seconds=0.4)
    assert await tenant.written() == 1
    assert tenant.text in await tenant.read()


async def test_hang_after_effect_with_seconds_hangs_up_then_without_a_byte(tenant: Tenant) -> None:
    await tenant.fault("hang_after_effect", seconds=0.1)
    request = raw_post(tenant.client.url, tenant.path, tenant.headers, {"Note": tenant.text})
    assert await read_until_end(tenant.client.url, request) == b""
    assert await tenant.written() == 1


async def test_late_effect_cuts_first_and_writes_seconds_later(tenant: Tenant) -> None:
    await tenant.fault("late_effect", seconds=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await tenant.post()
    cut_at = time.time()
    assert await tenant.written() == 0
    await tenant.until_written()
    (effect,) = await tenant.client.effects_with(tenant.text)
    assert effect["written_at"] > effect["arrived_at"]
    assert time.time() - cut_at >= 0.5


async def test_read_lag_hides_the_record_from_reads_and_not_from_effects(tenant: Tenant) -> None:
    await tenant.fault("read_lag", seconds=1.5)
    made = await tenant.post()
    assert made.status == 201
    one = f"{tenant.path}/{made.json['Id']}"
    assert tenant.text not in await tenant.read()
    hidden = await tenant.client.call("GET", one, headers=tenant.headers)
    assert hidden.status == 404
    assert await tenant.written() == 1
    await tenant.until_read([tenant.text])


async def test_read_lag_on_an_update_shows_the_old_text_for_a_while(tenant: Tenant) -> None:
    made = await tenant.post()
    one = f"{tenant.path}/{made.json['Id']}"
    await tenant.fault("read_lag", seconds=1.5)
    await tenant.client.call("PUT", one, headers=tenant.headers, json_body={"Note": "changed"})
    assert await tenant.read() == [tenant.text]
    await tenant.until_read(["changed"])


@pytest.mark.parametrize("before", [True, False])
async def test_twin_is_written_by_staff_under_another_author(tenant: Tenant, before: bool) -> None:
    await tenant.fault("twin", before=before)
    made = await tenant.post()
    effects = await tenant.client.effects_with(tenant.text)
    origins = ["staff", "api"] if before else ["api", "staff"]
    assert [effect["origin"] for effect in effects] == origins
    ours = next(effect for effect in effects if effect["origin"] == "api")
    assert ours["x_id"] == str(made.json["Id"])
    listed = await tenant.client.call("GET", tenant.path, headers=tenant.headers)
    authors = {note["LastUpdatedByUser"]["Id"] for note in listed.json}
    assert len(authors) == 2


async def test_twin_before_with_seconds_bears_an_older_stamp(tenant: Tenant) -> None:
    await tenant.fault("twin", seconds=3600)
    await tenant.post()
    listed = await tenant.client.call("GET", tenant.path, headers=tenant.headers)
    older, newer = (note["LastUpdatedByUser"]["UpdatedDateTime"] for note in listed.json)
    assert older < newer


async def test_twin_after_with_seconds_comes_later(tenant: Tenant) -> None:
    await tenant.fault("twin", before=False, seconds=1)
    await tenant.post()
    assert await tenant.written() == 1
    await tenant.until_written(2)


async def test_reset_before_effect_writes_nothing(tenant: Tenant) -> None:
    await tenant.fault("reset_before_effect")
    request = raw_post(tenant.client.url, tenant.path, tenant.headers, {"Note": tenant.text})
    with pytest.raises(ConnectionResetError):
        await read_until_end(tenant.client.url, request)
    assert await tenant.written() == 0


async def test_reset_after_effect_writes_and_cuts(tenant: Tenant) -> None:
    await tenant.fault("reset_after_effect")
    request = raw_post(tenant.client.url, tenant.path, tenant.headers, {"Note": tenant.text})
    with pytest.raises(ConnectionResetError):
        await read_until_end(tenant.client.url, request)
    assert await tenant.written() == 1


async def test_status_without_effect_is_the_vendors_own_refusal(tenant: Tenant) -> None:
    await tenant.fault("status", status=503, retry_after=7)
    answer = await tenant.post()
    assert (answer.status, answer.header("Retry-After")) == (503, "7")
    assert set(answer.json) == {"UserMessage", "ErrorCode", "Errors"}
    assert await tenant.written() == 0


async def test_status_with_effect_is_a_gateways_page(tenant: Tenant) -> None:
    await tenant.fault("status", status=502, effect=True)
    answer = await tenant.post()
    assert (answer.status, answer.header("Retry-After")) == (502, None)
    assert answer.body.startswith(b"<html>")
    assert await tenant.written() == 1


@pytest.mark.parametrize("after_bytes", [None, 0, 5])
async def test_truncate_promises_more_than_it_sends(
    tenant: Tenant, after_bytes: int | None
) -> None:
    fields = {} if after_bytes is None else {"after_bytes": after_bytes}
    await tenant.fault("truncate", **fields)
    request = raw_post(tenant.client.url, tenant.path, tenant.headers, {"Note": tenant.text})
    head, _, body = (await read_until_end(tenant.client.url, request)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201")
    promised = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    assert len(body) == (promised // 2 if after_bytes is None else after_bytes) < promised
    assert await tenant.written() == 1


async def test_truncate_reaches_a_client_as_a_broken_answer(tenant: Tenant) -> None:
    await tenant.fault("truncate")
    with pytest.raises(aiohttp.ClientPayloadError):
        await tenant.post()


async def test_error_in_200_is_refused_for_a_vendor_that_has_none(tenant: Tenant) -> None:
    answer = await tenant.client.call(
        "POST", "/_sandbox/faults", json_body={"vendor": "BUILDIUM", "fault": "error_in_200"}
    )
    assert answer.status == 400
    waiting = (await tenant.client.call("GET", "/_sandbox/faults")).json
    assert all(fault["fault"] != "error_in_200" for fault in waiting)


async def test_unauthorised_refuses_good_credentials_n_times(tenant: Tenant) -> None:
    await tenant.fault("unauthorised", n=2)
    assert [(await tenant.post()).status for _ in range(3)] == [401, 401, 201]
    assert await tenant.written() == 1


async def test_slow_drip_sends_the_whole_answer_slowly(tenant: Tenant) -> None:
    await tenant.fault("slow_drip", seconds=0.5)
    started = time.monotonic()
    answer = await tenant.post()
    assert time.monotonic() - started >= 0.4
    assert (answer.status, answer.json["Note"]) == (201, tenant.text)


async def test_a_fault_meets_writes_alone_unless_told_otherwise(tenant: Tenant) -> None:
    await tenant.fault("status", status=500)
    await tenant.fault("status", status=503, match={"operation": "read"})
    read = await tenant.client.call("GET", tenant.path, headers=tenant.headers)
    assert read.status == 503
    assert (await tenant.post()).status == 500


async def test_a_fault_on_any_operation_meets_whatever_comes_first(tenant: Tenant) -> None:
    await tenant.fault("status", status=503, match={"operation": "any"})
    read = await tenant.client.call("GET", tenant.path, headers=tenant.headers)
    assert (read.status, (await tenant.post()).status) == (503, 201)


async def test_a_fault_on_a_path_spares_the_others(tenant: Tenant) -> None:
    await tenant.fault("status", status=500, match={"path_contains": "/notes/"})
    made = await tenant.post()
    assert made.status == 201
    one = f"{tenant.path}/{made.json['Id']}"
    changed = await tenant.client.call(
        "PUT", one, headers=tenant.headers, json_body={"Note": "other"}
    )
    assert changed.status == 500


async def test_modifiers_join_an_ending_and_a_second_ending_waits(tenant: Tenant) -> None:
    await tenant.fault("read_lag", seconds=30)
    await tenant.fault("reset_after_effect")
    await tenant.fault("status", status=500)
    with pytest.raises(aiohttp.ClientConnectionError):
        await tenant.post()
    assert await tenant.written() == 1
    assert tenant.text not in await tenant.read()
    assert (await tenant.post()).status == 500


async def test_a_twin_of_a_refused_request_is_not_written_either(tenant: Tenant) -> None:
    await tenant.fault("twin")
    tenant.text = ""
    assert (await tenant.post()).status == 422
    effects = await tenant.client.effects()
    assert not [e for e in effects if e["x_resident_id"] == tenant.id]
