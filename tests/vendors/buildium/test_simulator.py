"""The simulated Buildium against its wire: keys, refusals, the note, the limit in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import until
from tests.sandbox.running import Answer, SandboxClient, running_sandbox

NOTES = "/v1/leases/tenants/4105/notes"
FORM = "application/x-www-form-urlencoded"


class Buildium:
    """The simulator as a caller with keys sees it."""

    def __init__(self, sandbox: SandboxClient, vendor: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.keys = self.keys_of(vendor["credentials"])

    @staticmethod
    def keys_of(credentials: dict[str, str]) -> dict[str, str]:
        return {
            "x-buildium-client-id": credentials["clientId"],
            "x-buildium-client-secret": credentials["secret"],
        }

    async def call(self, method: str, path: str, json_body: object = None, **rest: Any) -> Answer:
        headers = {**self.keys, **rest.pop("headers", {})}
        path = f"/buildium{path}"
        return await self.sandbox.call(method, path, headers=headers, json_body=json_body, **rest)


@pytest.fixture
async def buildium(tmp_path: Path) -> AsyncIterator[Buildium]:
    async with running_sandbox(tmp_path, "BUILDIUM") as sandbox:
        yield Buildium(sandbox, (await sandbox.overview())["vendors"]["BUILDIUM"])


async def is_refused(buildium: Buildium, answer: Answer, status: int) -> None:
    """The status, Buildium's error body, and no effect."""
    assert answer.status == status, answer.body
    body = answer.json
    assert set(body) == {"UserMessage", "ErrorCode", "Errors"}
    assert body["UserMessage"]
    assert body["ErrorCode"] is None
    if status in (400, 401, 404):
        assert body["Errors"] == []
    assert await buildium.sandbox.effects() == []


# --- auth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        {"x-buildium-client-id": "", "x-buildium-client-secret": ""},
        {"x-buildium-client-secret": "wrong"},
        {"x-buildium-client-id": "sandbox-2"},
        {"x-buildium-client-id": "production-1"},
    ],
)
async def test_wrong_keys_are_a_401(buildium: Buildium, keys: dict[str, str]) -> None:
    answer = await buildium.call("POST", NOTES, {"Note": "x"}, headers=keys)
    await is_refused(buildium, answer, 401)


async def test_a_call_without_keys_is_a_401(buildium: Buildium) -> None:
    answer = await buildium.sandbox.call("GET", f"/buildium{NOTES}")
    await is_refused(buildium, answer, 401)


async def test_a_key_without_permission_reads_and_gets_a_403_on_writes(buildium: Buildium) -> None:
    keys = buildium.keys_of(buildium.vendor["examples"]["readonly_credentials"])
    assert (await buildium.call("GET", NOTES, headers=keys)).status == 200
    answer = await buildium.call("POST", NOTES, {"Note": "x"}, headers=keys)
    await is_refused(buildium, answer, 403)


async def test_every_credential_set_is_accepted(buildium: Buildium) -> None:
    for credentials in buildium.vendor["credential_sets"]:
        keys = buildium.keys_of(credentials)
        assert (await buildium.call("GET", NOTES, headers=keys)).status == 200


# --- the write ----------------------------------------------------------------------------------


async def test_a_note_is_a_201_with_location_id_and_stamp(buildium: Buildium) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    answer = await buildium.call("POST", NOTES, {"Note": "Zoë rang: «dryer» 🧺"})
    assert answer.status == 201
    note = answer.json
    assert set(note) == {"Id", "Note", "LastUpdatedByUser"}
    assert note["Note"] == "Zoë rang: «dryer» 🧺"
    user = note["LastUpdatedByUser"]
    assert set(user) == {"Id", "FirstName", "LastName", "Href", "UpdatedDateTime"}
    stamp = datetime.strptime(user["UpdatedDateTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert before <= stamp <= datetime.now(UTC)
    location = answer.header("Location")
    assert location == f"{buildium.vendor['base_url']}{NOTES}/{note['Id']}"
    read = await buildium.call("GET", f"{NOTES}/{note['Id']}")
    assert (read.status, read.json) == (200, note)


async def test_every_answer_bears_the_gateways_request_ids(buildium: Buildium) -> None:
    for answer in (
        await buildium.call("POST", NOTES, {"Note": "x"}),
        await buildium.call("POST", NOTES, {"Note": ""}),
        await buildium.sandbox.call("GET", f"/buildium{NOTES}"),
    ):
        assert answer.header("x-amzn-RequestId")
        assert (answer.header("X-Amzn-Trace-Id") or "").startswith("Root=1-")


async def test_the_same_post_twice_makes_two_notes(buildium: Buildium) -> None:
    first = await buildium.call("POST", NOTES, {"Note": "again"})
    second = await buildium.call("POST", NOTES, {"Note": "again"})
    assert first.json["Id"] != second.json["Id"]
    assert len(await buildium.sandbox.effects_with("again")) == 2


async def test_a_note_is_changed_by_put_and_stamped_anew(buildium: Buildium) -> None:
    made = (await buildium.call("POST", NOTES, {"Note": "before"})).json
    answer = await buildium.call("PUT", f"{NOTES}/{made['Id']}", {"Note": "after"})
    assert answer.status == 200
    assert (answer.json["Id"], answer.json["Note"]) == (made["Id"], "after")
    listed = (await buildium.call("GET", f"{NOTES}?limit=1000")).json
    assert [n["Note"] for n in listed if n["Id"] == made["Id"]] == ["after"]


async def test_a_note_of_65535_characters_is_taken(buildium: Buildium) -> None:
    answer = await buildium.call("POST", NOTES, {"Note": "ß" * 65_535})
    assert answer.status == 201
    assert len(answer.json["Note"]) == 65_535


@pytest.mark.parametrize(
    "body",
    [
        {"Note": ""},
        {"Note": None},
        {},
        {"note": "wrong case"},
        {"Note": "x", "Subject": "extra key"},
        {"Note": 5},
        {"Note": ["x"]},
        {"Note": "x" * 65_536},
    ],
    ids=["empty", "null", "missing", "case", "extra", "number", "list", "too long"],
)
async def test_a_note_outside_the_rules_is_a_422_that_names_the_key(
    buildium: Buildium, body: object
) -> None:
    answer = await buildium.call("POST", NOTES, body)
    await is_refused(buildium, answer, 422)
    assert all(set(problem) == {"Key", "Value"} for problem in answer.json["Errors"])
    assert answer.json["Errors"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"Note=x", b'["Note"]', b'"Note"', b"\xff\xfe", b'{"Note":"\\ud800"}',
     b"[" * 20_000],
    ids=["empty", "cut", "form", "list", "text", "bytes", "lone surrogate", "too deep"],
)  # fmt: skip
async def test_a_body_that_is_no_json_object_is_a_400(buildium: Buildium, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await buildium.call("POST", NOTES, body=body, headers=headers)
    await is_refused(buildium, answer, 400)


@pytest.mark.parametrize("content_type", [FORM, "text/plain", None])
async def test_a_body_of_another_type_is_a_415(
    buildium: Buildium, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await buildium.call("POST", NOTES, body=b'{"Note":"x"}', headers=headers)
    await is_refused(buildium, answer, 415)


async def test_a_charset_in_the_content_type_does_no_harm(buildium: Buildium) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = await buildium.call("POST", NOTES, body=b'{"Note":"x"}', headers=headers)
    assert answer.status == 201


async def test_an_unknown_tenant_is_a_404(buildium: Buildium) -> None:
    for method, path in (
        ("POST", "/v1/leases/tenants/999999/notes"),
        ("GET", "/v1/leases/tenants/999999/notes"),
        ("GET", "/v1/leases/tenants/999999"),
        ("PUT", "/v1/leases/tenants/999999/notes/80"),
    ):
        body = None if method == "GET" else {"Note": "x"}
        await is_refused(buildium, await buildium.call(method, path, body), 404)


async def test_a_note_of_another_tenant_is_a_404(buildium: Buildium) -> None:
    theirs = (await buildium.call("GET", "/v1/leases/tenants/4111/notes")).json[0]["Id"]
    for method, body in (("GET", None), ("PUT", {"Note": "x"})):
        await is_refused(buildium, await buildium.call(method, f"{NOTES}/{theirs}", body), 404)
        await is_refused(buildium, await buildium.call(method, f"{NOTES}/987654", body), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/V1/leases/tenants/4105/notes",
        "/v1/Leases/tenants/4105/notes",
        "/v1/leases/tenants/4105/Notes",
        "/v1/leases/tenants/4105/notes/",
        "/v1/leases/tenants/abc/notes",
        "/v1/leases//tenants/4105/notes",
        "/leases/tenants/4105/notes",
        "/",
    ],
)
async def test_a_path_of_another_case_or_shape_is_a_404(buildium: Buildium, path: str) -> None:
    await is_refused(buildium, await buildium.call("POST", path, {"Note": "x"}), 404)


async def test_there_is_no_delete(buildium: Buildium) -> None:
    answer = await buildium.call("DELETE", f"{NOTES}/80")
    assert answer.header("Allow") == "GET, PUT"
    await is_refused(buildium, answer, 405)


async def test_a_query_over_4096_characters_is_a_500(buildium: Buildium) -> None:
    fits = "x" * (4096 - len("name="))
    assert (await buildium.call("GET", f"/v1/leases/tenants?name={fits}")).status == 200
    answer = await buildium.call("GET", f"/v1/leases/tenants?name={fits}x")
    await is_refused(buildium, answer, 500)


# --- rate limits --------------------------------------------------------------------------------


async def test_the_eleventh_request_in_flight_is_a_429_without_retry_after(
    buildium: Buildium,
) -> None:
    await buildium.sandbox.fault(vendor="BUILDIUM", fault="delay", n=10, seconds=1.5)
    sent = [asyncio.create_task(buildium.call("POST", NOTES, {"Note": f"n{i}"})) for i in range(10)]

    async def all_are_in_flight() -> bool:
        return not (await buildium.sandbox.call("GET", "/_sandbox/faults")).json

    await until(all_are_in_flight)
    refused = await buildium.call("POST", NOTES, {"Note": "one too many"})
    assert refused.status == 429
    assert refused.header("Retry-After") is None
    assert refused.json["ErrorCode"] is None
    other = buildium.keys_of(buildium.vendor["credential_sets"][1])
    assert (await buildium.call("POST", NOTES, {"Note": "y"}, headers=other)).status == 201
    assert [answer.status for answer in await asyncio.gather(*sent)] == [201] * 10
    assert (await buildium.call("POST", NOTES, {"Note": "again"})).status == 201
    assert await buildium.sandbox.effects_with("one too many") == []


# --- time ---------------------------------------------------------------------------------------


async def test_notes_are_filtered_by_their_stamp_both_ends_included(buildium: Buildium) -> None:
    path = "/v1/leases/tenants/4111/notes"
    notes = (await buildium.call("GET", f"{path}?limit=1000")).json
    stamps = [note["LastUpdatedByUser"]["UpdatedDateTime"] for note in notes]
    first, last = stamps[10], stamps[20]
    query = f"updateddatetimefrom={first}&updateddatetimeto={last}&limit=1000"
    found = (await buildium.call("GET", f"{path}?{query}")).json
    assert found == notes[10:21]
    assert len(found) == 11


@pytest.mark.parametrize(
    "value", ["2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05%2B02:00", "yesterday",
              "2026-02-31T00:00:00Z"]
)  # fmt: skip
async def test_a_time_that_is_not_utc_with_z_is_a_400(buildium: Buildium, value: str) -> None:
    for path in (f"{NOTES}?updateddatetimefrom=", "/v1/leases/tenants?lastupdatedfrom="):
        await is_refused(buildium, await buildium.call("GET", path + value), 400)


async def test_notes_are_filtered_by_who_wrote_them_last(buildium: Buildium) -> None:
    path = "/v1/leases/tenants/4111/notes"
    made = (await buildium.call("POST", path, {"Note": "through the API"})).json
    author = made["LastUpdatedByUser"]["Id"]
    found = (await buildium.call("GET", f"{path}?lastupdatedbyuserid={author}")).json
    assert found == [made]


# --- phone logs ---------------------------------------------------------------------------------


def phone_log(**changes: object) -> dict[str, object]:
    return {
        "Participant": {"Id": 4105, "Type": "Tenant"},
        "Subject": "Dryer",
        "Description": "It is broken again",
        "CallDateTime": "2026-01-26T13:59:15Z",
        **changes,
    }


async def test_a_phone_log_keeps_its_time_and_can_be_read_again(buildium: Buildium) -> None:
    path = "/v1/communications/phonelogs"
    answer = await buildium.call("POST", path, phone_log())
    assert answer.status == 201
    log = answer.json
    assert log["CallDateTime"] == "2026-01-26T13:59:15Z"
    assert log["Participant"]["Id"] == 4105
    assert (await buildium.call("GET", f"{path}/{log['Id']}")).json == log
    (effect,) = await buildium.sandbox.effects()
    assert effect["occurred_at"] == "2026-01-26T13:59:15.000000Z"
    assert effect["x_resident_id"] == "4105"
    on_that_day = f"{path}?datefrom=2026-01-26T00:00:00Z&dateto=2026-01-26T23:59:59Z"
    assert (await buildium.call("GET", on_that_day)).json == [log]


@pytest.mark.parametrize(
    "changes",
    [
        {"Participant": None},
        {"Participant": {"Id": 999999, "Type": "Tenant"}},
        {"Participant": {"Id": 4105, "Type": "Vendor"}},
        {"Subject": ""},
        {"Subject": "x" * 256},
        {"Description": None},
        {"CallDateTime": "2026-01-26T13:59:15-07:00"},
        {"CallDateTime": None},
        {"Extra": "x"},
    ],
)
async def test_a_phone_log_outside_the_rules_is_a_422(
    buildium: Buildium, changes: dict[str, object]
) -> None:
    answer = await buildium.call("POST", "/v1/communications/phonelogs", phone_log(**changes))
    await is_refused(buildium, answer, 422)
