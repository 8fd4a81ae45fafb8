"""The simulated Entrata against its wire: both hosts, the envelope, quotas, its faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.sandbox.running import running_sandbox
from tests.vendors.entrata.simulator_calls import (
    Entrata,
    application_of_61005,
    by_lead,
    by_lease,
    event,
    failed,
)


@pytest.fixture
async def entrata(tmp_path: Path) -> AsyncIterator[Entrata]:
    async with running_sandbox(tmp_path, "ENTRATA") as sandbox:
        yield Entrata(sandbox, (await sandbox.overview())["vendors"]["ENTRATA"])


# --- hosts and keys -----------------------------------------------------------------------------


async def test_both_hosts_take_the_same_call_with_their_own_credentials(entrata: Entrata) -> None:
    for older in (False, True):
        answer = await entrata.call("getProperties", {}, older=older)
        assert answer.status == 200
        assert answer.json["response"]["code"] == 200


async def test_a_failure_is_http_400_on_the_modern_host_and_http_200_on_the_older(
    entrata: Entrata,
) -> None:
    params = {"propertyId": 1}
    modern = await entrata.call("getLeases", params, "r2")
    older = await entrata.call("getLeases", params, "r2", older=True)
    assert (modern.status, older.status) == (400, 200)
    assert failed(modern) == failed(older)


@pytest.mark.parametrize("key", ["", "wrong", "sandbox-1." + "0" * 40])
async def test_a_wrong_key_is_refused_in_the_envelope(entrata: Entrata, key: str) -> None:
    body = {"auth": {"type": "apikey"}, "method": {"name": "sendLeaseActivities", "params": {}}}
    answer = await entrata.post(body, **{"X-Api-Key": key})
    assert answer.status == 400
    assert failed(answer)["code"] == 401
    assert answer.header("X-RateLimit-Limit") is None


@pytest.mark.parametrize("authorization", ["", "Basic !!", "Basic c2FuZGJveC0xOng=", "Bearer x"])
async def test_a_wrong_password_is_refused_on_the_older_host(
    entrata: Entrata, authorization: str
) -> None:
    answer = await entrata.sandbox.call(
        "POST",
        "/entrata/api/v1/leases",
        headers={"Authorization": authorization},
        json_body={"auth": {"type": "basic"}, "method": {"name": "getLeases"}},
    )
    assert answer.status == 200
    assert failed(answer)["code"] == 401


async def test_credentials_of_one_host_do_not_open_the_other(entrata: Entrata) -> None:
    body = {"auth": {"type": "apikey"}, "method": {"name": "getProperties", "params": {}}}
    crossed = (
        (f"{entrata.modern}/properties", entrata.basic),
        ("/entrata/api/v1/properties", entrata.key),
    )
    for path, headers in crossed:
        answer = await entrata.sandbox.call("POST", path, headers=headers, json_body=body)
        assert failed(answer)["code"] == 401


async def test_the_auth_type_must_be_that_of_the_host(entrata: Entrata) -> None:
    for auth in ({"type": "basic"}, {}, None, "apikey"):
        body = {"auth": auth, "method": {"name": "getLeases", "version": "r2", "params": {}}}
        assert failed(await entrata.post(body))["code"] == 401


async def test_another_company_is_refused(entrata: Entrata) -> None:
    body = {"auth": {"type": "apikey"}, "method": {"name": "getProperties", "params": {}}}
    answer = await entrata.sandbox.call(
        "POST",
        "/entrata/ext/orgs/somebody/v1/properties",
        headers=entrata.key,
        json_body=body,
    )
    assert failed(answer)["code"] == 403


@pytest.mark.parametrize(
    "path",
    ["/entrata/ext/Orgs/sandbox/v1/leases", "/entrata/ext/orgs/sandbox/v2/leases", "/entrata/",
     "/entrata/ext/orgs/sandbox/v1/leases/", "/entrata/API/v1/leases"],
)  # fmt: skip
async def test_a_path_of_another_case_or_shape_is_a_404(entrata: Entrata, path: str) -> None:
    answer = await entrata.sandbox.call("POST", path, headers=entrata.key, json_body={})
    assert answer.status == 404


# --- the envelope -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], 400),
        ({"auth": {"type": "apikey"}}, 400),
        ({"auth": {"type": "apikey"}, "method": "getLeases"}, 400),
        ({"auth": {"type": "apikey"}, "method": {"name": "getLeases", "params": []}}, 400),
        ({"auth": {"type": "apikey"}, "requestId": {}, "method": {"name": "getLeases"}}, 400),
        ({"auth": {"type": "apikey"}, "method": {"name": "getleases", "params": {}}}, 404),
        ({"auth": {"type": "apikey"}, "method": {"name": "updateLeads", "params": {}}}, 404),
        ({"auth": {"type": "apikey"}, "method": {"name": "getLeases", "version": "r9"}}, 404),
    ],
)
async def test_a_malformed_envelope_is_refused(entrata: Entrata, body: Any, code: int) -> None:
    answer = await entrata.post(body)
    assert answer.status == 400
    assert failed(answer)["code"] == code


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 20_000])
async def test_a_body_that_is_no_json_is_refused(entrata: Entrata, body: bytes) -> None:
    headers = {**entrata.key, "Content-Type": "application/json"}
    answer = await entrata.sandbox.call(
        "POST", f"{entrata.modern}/leases", headers=headers, body=body
    )
    assert answer.status == 400
    assert failed(answer)["code"] == 400


async def test_every_method_is_a_post(entrata: Entrata) -> None:
    answer = await entrata.sandbox.call("GET", f"{entrata.modern}/leases", headers=entrata.key)
    assert answer.status == 405


async def test_an_unknown_service_is_refused(entrata: Entrata) -> None:
    body = {"auth": {"type": "apikey"}, "method": {"name": "getLeases", "params": {}}}
    assert failed(await entrata.post(body, service="Leases"))["code"] == 404


async def test_the_request_id_comes_back_in_failures_too(entrata: Entrata) -> None:
    answer = await entrata.call("getLeases", {}, "r2")
    assert answer.json["response"]["requestId"] == "41"


async def test_an_unknown_parameter_is_refused(entrata: Entrata) -> None:
    answer = await entrata.call("getLeases", {"propertyId": 5001, "propertyid": 1}, "r2")
    assert failed(answer)["code"] == 400


# --- quotas -------------------------------------------------------------------------------------


async def test_every_answer_tells_the_three_quotas_day_hour_minute(entrata: Entrata) -> None:
    await entrata.call("getProperties", {})
    answer = await entrata.call("getProperties", {"showAllStatus": "x"})
    assert answer.status == 400
    assert answer.header("X-RateLimit-Limit") == "15000/DAY;1000/HOUR;150/MINUTE"
    assert answer.header("X-RateLimit-Remaining") == "14998;998;148"
    resets = [int(part) for part in (answer.header("X-RateLimit-Reset") or "").split(";")]
    assert [86_390 < resets[0] <= 86_400, 3590 < resets[1] <= 3600, 50 < resets[2] <= 60] == [
        True,
        True,
        True,
    ]


async def test_the_151st_call_of_a_method_in_a_minute_is_a_429(entrata: Entrata) -> None:
    call = {"auth": {"type": "apikey"}, "method": {"name": "getProperties", "params": {}}}
    async with aiohttp.ClientSession(headers=entrata.key) as session:
        url = f"{entrata.sandbox.url}{entrata.modern}/properties"
        for number in range(150):
            async with session.post(url, json=call) as answer:
                assert answer.status == 200, number
    refused = await entrata.call("getProperties", {})
    assert refused.status == 429
    assert failed(refused)["code"] == 429
    assert refused.header("X-RateLimit-Remaining") == "14850;850;0"
    assert (await entrata.call("getLeadPickLists", {})).status == 200
    entrata.key = {"X-Api-Key": entrata.vendor["credential_sets"][1]["apiKey"]}
    assert (await entrata.call("getProperties", {})).status == 200


async def test_the_factor_raises_every_quota(tmp_path: Path) -> None:
    async with running_sandbox(tmp_path, "ENTRATA", throttle_factor=10) as sandbox:
        entrata = Entrata(sandbox, (await sandbox.overview())["vendors"]["ENTRATA"])
        answer = await entrata.call("getProperties", {})
        assert answer.header("X-RateLimit-Limit") == "150000/DAY;10000/HOUR;1500/MINUTE"


# --- faults in Entrata's own shape --------------------------------------------------------------


async def test_error_in_200_fails_the_item_of_a_write(entrata: Entrata) -> None:
    await entrata.sandbox.fault(vendor="ENTRATA", fault="error_in_200", n=3)
    lease = await entrata.result("sendLeaseActivities", by_lease())
    assert lease["events"]["event"]["status"] == "Failure"
    r1 = await entrata.result("updateLeads", by_lead(event()))
    assert r1["Prospects"]["Prospect"]["@attributes"]["status"] == "Failure"
    r2 = await entrata.result("updateLeads", by_lead(event()), "r2")
    assert r2["prospects"][0]["status"] == "Failure"
    assert await entrata.sandbox.effects() == []


async def test_error_in_200_at_the_envelope_with_a_transient_code(entrata: Entrata) -> None:
    await entrata.sandbox.fault(vendor="ENTRATA", fault="error_in_200", status=310)
    await entrata.sandbox.fault(vendor="ENTRATA", fault="error_in_200", level="envelope")
    for code in (310, 400):
        answer = await entrata.call("sendLeaseActivities", by_lease())
        assert answer.status == 200
        assert failed(answer)["code"] == code
    assert await entrata.sandbox.effects() == []


async def test_unauthorised_and_status_speak_the_envelope(entrata: Entrata) -> None:
    await entrata.sandbox.fault(vendor="ENTRATA", fault="unauthorised")
    refused = await entrata.call("sendLeaseActivities", by_lease())
    assert (refused.status, failed(refused)["code"]) == (400, 401)
    await entrata.sandbox.fault(vendor="ENTRATA", fault="status", status=503, retry_after=3)
    away = await entrata.call("sendLeaseActivities", by_lease())
    assert (away.status, failed(away)["code"], away.header("Retry-After")) == (503, 503, "3")


async def test_a_fault_finds_the_resident_of_either_write(entrata: Entrata) -> None:
    application = await application_of_61005(entrata)
    match = {"x_resident_id": "61005"}
    await entrata.sandbox.fault(vendor="ENTRATA", fault="status", status=500, n=2, match=match)
    other = await entrata.call("updateLeads", by_lead(event()))
    assert other.status == 200
    assert (await entrata.call("sendLeaseActivities", by_lease())).status == 500
    lead = await entrata.call("updateLeads", by_lead(event(), application=application))
    assert lead.status == 500


async def test_a_fault_finds_a_method_by_its_name(entrata: Entrata) -> None:
    match = {"operation": "any", "path_contains": "getLeaseActivities"}
    await entrata.sandbox.fault(vendor="ENTRATA", fault="status", status=500, match=match)
    assert (await entrata.call("sendLeaseActivities", by_lease())).status == 200
    params = {"propertyId": 5001, "leaseId": 88003}
    assert (await entrata.call("getLeaseActivities", params)).status == 500


async def test_read_lag_hides_an_activity_from_the_list(entrata: Entrata) -> None:
    await entrata.sandbox.fault(vendor="ENTRATA", fault="read_lag", seconds=60)
    await entrata.result("sendLeaseActivities", by_lease())
    params = {"propertyId": 5001, "leaseId": 88003}
    assert (await entrata.result("getLeaseActivities", params))["events"] == []
    assert len(await entrata.sandbox.effects()) == 1


async def test_a_twin_is_a_second_activity_that_only_effects_tell_apart(entrata: Entrata) -> None:
    await entrata.sandbox.fault(vendor="ENTRATA", fault="twin")
    await entrata.result("sendLeaseActivities", by_lease())
    assert [e["origin"] for e in await entrata.sandbox.effects()] == ["staff", "api"]
    params = {"propertyId": 5001, "leaseId": 88003}
    shown = (await entrata.result("getLeaseActivities", params))["events"]
    assert len({row["eventId"] for row in shown}) == 2
    assert len({row["Comments"] for row in shown}) == 1
