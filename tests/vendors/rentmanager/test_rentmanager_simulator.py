"""The simulated Rent Manager against its wire: logins, tokens, refusals, the company's minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from tests.vendors.rentmanager.calls import NOTES, RentManager, is_error_model, rent_manager

from frontdesk.sandbox import world as sandbox_world


@pytest.fixture
async def rm(tmp_path: Path) -> AsyncIterator[RentManager]:
    async with rent_manager(tmp_path) as world:
        yield world


def let_pass(monkeypatch: pytest.MonkeyPatch, **time: float) -> None:
    """Put the simulator's clock forward."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(**time)

    monkeypatch.setattr(sandbox_world, "datetime", Later)


# --- logins and tokens --------------------------------------------------------------------------


async def test_a_login_answers_a_bare_json_string(rm: RentManager) -> None:
    answer = await rm.login()
    assert answer.status == 200
    assert isinstance(answer.json, str)
    assert len(answer.json) > 60


async def test_a_wrong_password_is_a_401_in_the_error_model(rm: RentManager) -> None:
    answer = await rm.login({**rm.vendor["credentials"], "Password": "wrong"})
    assert answer.status == 401
    assert is_error_model(answer)
    assert answer.json["Exception"] == "ApiAuthenticationException"


async def test_a_call_without_a_token_is_a_401_that_says_so(rm: RentManager) -> None:
    answer = await rm.raw("GET", "/Tenants")
    assert answer.status == 401
    assert is_error_model(answer)
    assert answer.json["DeveloperMessage"] == "Missing ApiToken"


async def test_a_bad_token_is_a_401_that_says_so(rm: RentManager) -> None:
    for token in ("nonsense", "AAAA", "\u00e9", "c2FuZGJveC0xOjE6MDA="):
        answer = await rm.raw("GET", "/Tenants", headers={"X-RM12Api-ApiToken": token})
        assert answer.status == 401, token
        assert answer.json["DeveloperMessage"] == "The ApiToken could not be validated."
        assert answer.json["ErrorCode"] == -2146233088


async def test_a_refused_call_writes_nothing(rm: RentManager) -> None:
    answer = await rm.raw("POST", NOTES, json_body=[{"Note": "n"}])
    assert answer.status == 401
    assert await rm.sandbox.effects() == []


async def test_the_eleventh_token_of_a_user_is_refused_as_text(rm: RentManager) -> None:
    for _ in range(9):
        assert (await rm.login()).status == 200
    answer = await rm.login()
    assert answer.status == 401
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert b"maximum" in answer.body
    another = rm.vendor["credential_sets"][1]
    assert (await rm.login(another)).status == 200, "tokens are counted for each user"
    assert (await rm.get("/Properties")).status == 200, "the ten go on"


async def test_a_released_token_makes_room_and_is_good_for_nothing(rm: RentManager) -> None:
    for _ in range(9):
        await rm.login()
    gone = rm.token
    released = await rm.raw("POST", f"/Authentication/DeAuthorize?token={gone}")
    assert released.status == 200
    assert (await rm.get("/Properties")).status == 401
    await rm.sign_in()
    assert (await rm.get("/Properties")).status == 200


async def test_a_token_ends_after_15_minutes_unused(
    rm: RentManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_pass(monkeypatch, minutes=14)
    assert (await rm.get("/Properties")).status == 200
    let_pass(monkeypatch, minutes=28)
    assert (await rm.get("/Properties")).status == 200, "each use counts anew"
    let_pass(monkeypatch, minutes=44)
    assert (await rm.get("/Properties")).status == 401


async def test_a_token_ends_after_24_hours_however_much_it_is_used(
    rm: RentManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for quarters in range(1, 103):
        let_pass(monkeypatch, minutes=14 * quarters)
        assert (await rm.get("/Properties/11")).status == 200, quarters
    let_pass(monkeypatch, minutes=24 * 60 + 1)
    assert (await rm.get("/Properties/11")).status == 401


async def test_ended_tokens_leave_room_for_new_ones(
    rm: RentManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        await rm.login()
    let_pass(monkeypatch, minutes=16)
    assert (await rm.login()).status == 200


async def test_a_token_survives_a_restart(tmp_path: Path) -> None:
    async with rent_manager(tmp_path) as first:
        token = first.token
    async with rent_manager(tmp_path) as second:
        second.token = token
        assert (await second.get("/Properties")).status == 200


async def test_a_forced_password_reset_is_said_in_a_500(rm: RentManager) -> None:
    answer = await rm.login(rm.examples["password_reset_credentials"])
    assert answer.status == 500
    assert is_error_model(answer)
    assert answer.json["Exception"] == "AuthenticationForcePasswordResetException"


async def test_a_partner_logs_in_with_his_token(rm: RentManager) -> None:
    given = {"X-RM12Api-PartnerToken": rm.examples["partner_credentials"]["PartnerToken"]}
    answer = await rm.raw("POST", "/Authentication/AuthorizePartner", headers=given, json_body={})
    assert answer.status == 200
    rm.token = answer.json
    assert (await rm.get("/Properties")).header("x-api-user") == "partner-1"
    given = {"X-RM12Api-PartnerToken": "partner-1.00"}
    answer = await rm.raw("POST", "/Authentication/AuthorizePartner", headers=given, json_body={})
    assert answer.status == 401


async def test_a_token_gets_a_token(rm: RentManager) -> None:
    answer = await rm.call("POST", "/Authentication/AuthorizeToken")
    assert answer.json == rm.token


# --- the four shapes of error -------------------------------------------------------------------


async def test_an_unknown_route_is_a_404_in_the_frameworks_shape(rm: RentManager) -> None:
    for method, path in (
        ("GET", "/NotARealResource"),
        ("POST", "/Tenants/305/History"),
        ("DELETE", "/Tenants/305"),
        ("GET", "/Authentication/AuthorizeUser"),
    ):
        answer = await rm.call(method, path)
        assert answer.status == 404
        assert set(answer.json) == {"Message"}
        assert answer.json["Message"].startswith("No HTTP resource was found")


async def test_a_missing_record_is_a_404_without_a_body(rm: RentManager) -> None:
    for path in ("/Properties/99999", "/HistoryNotes/99999", "/Tenants/1/History"):
        answer = await rm.get(path)
        assert (answer.status, answer.body) == (404, b"")


async def test_a_bad_filter_is_a_400_that_names_the_filters(rm: RentManager) -> None:
    for filters in (
        "NotAField,eq,1",
        "TenantID,gte,1",
        "TenantID,eq,",
        "TenantID,eq,x",
        "TenantID",
    ):
        answer = await rm.get(f"/Tenants?filters={filters}")
        assert answer.status == 400
        assert answer.json["Message"] == "The request is invalid."
        assert "Error parsing filter" in answer.json["ModelState"]["filters"][0]


async def test_the_lack_of_a_privilege_is_a_403_here_and_a_500_there(rm: RentManager) -> None:
    for who, status in (("readonly_credentials", 403), ("limited_credentials", 500)):
        await rm.sign_in(rm.examples[who])
        answer = await rm.save({"Note": "n"})
        assert answer.status == status
        assert is_error_model(answer)
        assert answer.json["DeveloperMessage"].startswith("Insufficient privileges")
        assert (await rm.get("/Properties")).status == 200
    assert await rm.sandbox.effects() == []


async def test_a_stale_update_is_a_409(rm: RentManager) -> None:
    saved = (await rm.save({"Note": "first"})).json[0]
    change = {"HistoryID": saved["HistoryID"], "Note": "second"}
    stale = await rm.save({**change, "UpdateDate": "2020-01-01T00:00:00-05:00"})
    assert stale.status == 409
    assert is_error_model(stale)
    assert (await rm.save({**change, "ConcurrencyID": 7})).status == 409
    assert (await rm.save({**change, "UpdateDate": saved["UpdateDate"]})).status == 200


async def test_an_attachment_that_fails_is_a_500_and_may_be_sent_again(rm: RentManager) -> None:
    number = (await rm.save({"Note": "with a file"})).json[0]["HistoryID"]
    path = f"/HistoryNotes/{number}/UploadAttachments"
    form = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\n\r\nhello\r\n--x--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    failed = await rm.call("POST", path, body=form % b"", headers=headers)
    assert failed.status == 500
    assert is_error_model(failed)
    again = await rm.call("POST", path, body=form % b"lease.pdf", headers=headers)
    assert [file["Name"] for file in again.json] == ["lease.pdf"]


# --- what surrounds every answer ----------------------------------------------------------------


async def test_the_companys_minute_is_told_with_every_answer(rm: RentManager) -> None:
    before = await rm.get("/Properties")
    after = await rm.get("/Properties")
    assert after.header("x-ratelimit-limit") == "500"
    assert int(str(after.header("x-ratelimit-observed"))) == 3
    assert int(str(after.header("x-ratelimit-remaining"))) == 497
    assert int(str(before.header("x-ratelimit-remaining"))) == 498
    sent_at = parsedate_to_datetime(str(after.header("Date"))).timestamp()
    assert 59 <= int(str(after.header("x-ratelimit-reset"))) - sent_at <= 61
    assert parsedate_to_datetime(
        str(after.header("x-ratelimit-resettime"))
    ).timestamp() == pytest.approx(int(str(after.header("x-ratelimit-reset"))))
    assert after.header("x-api-user") == "sandbox-1"


async def test_beyond_500_a_minute_all_of_a_company_wait_and_no_other(tmp_path: Path) -> None:
    async with rent_manager(tmp_path, throttle_factor=0.02) as rm:
        answers = await asyncio.gather(*(rm.get("/Properties") for _ in range(12)))
        assert sorted(answer.status for answer in answers) == [200] * 9 + [429] * 3
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.header("Retry-After") is None
        assert refused.header("x-ratelimit-remaining") == "0"
        assert (await rm.login(rm.examples["limited_credentials"])).status == 429
        assert (await rm.login(rm.vendor["credential_sets"][1])).status == 200


async def test_a_throttled_write_has_no_effect(tmp_path: Path) -> None:
    async with rent_manager(tmp_path, throttle_factor=0.002) as rm:
        assert (await rm.save({"Note": "n"})).status == 429
        assert await rm.sandbox.effects() == []


async def test_a_read_lag_hides_the_entry_and_never_the_token(rm: RentManager) -> None:
    await rm.sandbox.fault(vendor="RENTMANAGER", fault="read_lag", seconds=30, n=3)
    for number in range(3):
        await asyncio.sleep(0.6)
        assert (await rm.save({"Note": f"hidden {number}"})).status == 200
    assert b"hidden" not in (await rm.get("/Tenants/305/History")).body
    assert len(await rm.sandbox.effects()) == 3


async def test_the_colleague_who_writes_the_same_is_another_user(rm: RentManager) -> None:
    await rm.sandbox.fault(vendor="RENTMANAGER", fault="twin", seconds=5)
    ours = (await rm.save({"Note": "said twice"})).json[0]
    entries = (await rm.get("/Tenants/305/HistoryNotes")).json
    twins = [one for one in entries if one.get("Note") == "said twice"]
    assert len(twins) == 2
    assert {one["CreateUserID"] for one in twins} == {ours["CreateUserID"], 41}
