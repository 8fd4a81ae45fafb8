"""The simulated ODE against its wire: services, both SOAP versions, callers, faults, the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.vendors.onesite.callers import (
    SOAP_12,
    Ode,
    fault,
    local,
    result,
    rows_of,
    sandbox_of,
)

from frontdesk.sandbox.simulator import derived_secret


@pytest.fixture
async def ode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ode]:
    async with sandbox_of("REALPAGE", tmp_path, monkeypatch) as (sandbox, vendor):
        yield Ode(sandbox, vendor)


# --- transport ----------------------------------------------------------------------------------


async def test_each_service_has_its_own_operations(ode: Ode) -> None:
    assert (await ode.call("GetActivityTypes", path=ode.prospect)).status == 200
    assert (await ode.call("GetLeaseInfo", path=ode.resident)).status == 200
    for method, path in (("GetActivityTypes", ode.resident), ("GetLeaseInfo", ode.prospect)):
        assert fault(await ode.call(method, path=path))[0] == "a:ActionNotSupported"


async def test_a_path_is_found_in_any_case_and_without_its_folder(ode: Ode) -> None:
    for path in (ode.prospect.lower(), "/realpage/ProspectManagement/Service.asmx"):
        assert (await ode.call("GetActivityTypes", path=path)).status == 200
    for path in ("/realpage", "/realpage/Other/Service.asmx", ode.prospect + "/x"):
        assert (await ode.call("GetActivityTypes", path=path)).status == 404
    assert (await ode.sandbox.call("GET", ode.prospect)).status == 405


async def test_names_are_compared_to_the_letter(ode: Ode) -> None:
    for method in ("getactivitytypes", "GetActivitytypes", "NoSuchMethod"):
        answer = await ode.call(method, path=ode.prospect)
        assert fault(answer)[0] == "a:ActionNotSupported"


async def test_both_versions_of_soap_are_spoken_each_with_its_own_faults(ode: Ode) -> None:
    answer = await ode.write(soap=SOAP_12)
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/soap+xml; charset=utf-8"
    refused = await ode.write(soap=SOAP_12, leaseid="999")
    assert refused.status == 500
    (body,) = ElementTree.fromstring(refused.body)
    (found,) = body
    assert found.tag == f"{{{SOAP_12}}}Fault"
    value = found.find(f"{{{SOAP_12}}}Code/{{{SOAP_12}}}Value")
    words = found.find(f"{{{SOAP_12}}}Reason/{{{SOAP_12}}}Text")
    assert value is not None
    assert value.text == "s:Receiver"
    assert words is not None
    assert "Lease 999 was not found" in (words.text or "")


# --- auth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"LicenseKey": "wrong"}, "license key"),
        ({"LicenseKey": None}, "license key"),
        ({"UserName": "somebody"}, "user name"),
        ({"UserName": None}, "user name"),
        ({"Password": "wrong"}, "password"),
        ({"PmcID": "1"}, "pmcid"),
        ({"SiteID": None}, "siteid"),
        ({"SiteID": "7654324"}, "Site 7654324 is not licensed"),
    ],
)
async def test_every_wrong_part_of_the_header_is_refused(
    ode: Ode, changes: dict[str, str | None], word: str
) -> None:
    _, words = fault(await ode.write(ode.auth(**changes)))
    assert word in words
    assert await ode.sandbox.effects() == []


async def test_a_call_without_a_header_or_by_a_session_is_refused(ode: Ode) -> None:
    session = f'<CallBackAuthInfo xmlns="{ode.namespace}"><App>x</App></CallBackAuthInfo>'
    for auth in ("", "<UserAuthInfo/>", session):
        assert "Authentication" in fault(await ode.write(auth))[1]


async def test_a_password_may_be_left_out(ode: Ode) -> None:
    assert (await ode.write(ode.auth(Password=None))).status == 200


async def test_an_operation_that_the_licence_lacks_is_refused_in_these_words(ode: Ode) -> None:
    readonly = ode.auth(
        LicenseKey=ode.examples["readonly_license_key"],
        UserName="readonly-1",
        Password=derived_secret("REALPAGE", "readonly-1"),
    )
    assert fault(await ode.write(readonly))[1] == "LicenseKey is not authorized to call the method"
    answer = await ode.call("GetActivityTypes", auth=readonly, path=ode.prospect)
    assert answer.status == 200


# --- lists, rate limits, paging -----------------------------------------------------------------


async def test_everything_is_answered_in_pascal_case(ode: Ode) -> None:
    residents = result(await ode.call("GetResidentListInfo"), "GetResidentListInfo")
    assert [local(inner) for inner in residents] == ["ResidentList"]
    first = rows_of(residents, "Resident")[0]
    assert {"ResidentMemberID", "ResidentHouseholdID", "LeaseID", "LeaseStatus"} <= set(first)


async def test_pick_lists_hold_the_public_activity_types_and_results(ode: Ode) -> None:
    types = await ode.call("GetActivityTypes", path=ode.prospect)
    told = {row["Value"] for row in rows_of(result(types, "GetActivityTypes"), "PicklistItem")}
    assert told >= {"S000000001", "S000000010", "S000000015", "S000000100", "S000000101"}
    codes = await ode.call("GetActivityResultCodes", path=ode.prospect)
    assert rows_of(result(codes, "GetActivityResultCodes"), "PicklistItem")
    agents = await ode.call("GetLeasingAgentsByProperty", path=ode.prospect)
    names = rows_of(result(agents, "GetLeasingAgentsByProperty"), "PicklistItem")
    assert {"Value": "0", "Text": "House"} in names


async def test_no_limit_is_published_so_none_is_kept(ode: Ode) -> None:
    statuses = {(await ode.call("GetActivityTypes", path=ode.prospect)).status for _ in range(40)}
    assert statuses == {200}


async def test_lists_have_no_pages(ode: Ode) -> None:
    whole = await ode.call("UnitList")
    paged = await ode.call("UnitList", path=f"{ode.resident}?page=2")
    assert whole.body == paged.body
    assert len(rows_of(result(whole, "UnitList"), "Unit")) == 24


# --- the log ------------------------------------------------------------------------------------


async def test_an_activity_is_written_without_telling_its_id(ode: Ode) -> None:
    answer = await ode.write(comments="first\r\nsecond")
    found = result(answer, "AddResidentActivityLog")
    assert [(local(e), e.text) for e in found.iter() if e.text] == [("Status", "Success")]
    (effect,) = await ode.sandbox.effects()
    assert effect["text"] == "first\r\nsecond"
    (entry,) = await ode.log("503")
    assert (entry["activityid"], entry["comments"]) == (effect["x_id"], "first\r\nsecond")
    assert entry["createdby"] == "sandbox-1"
    assert datetime.fromisoformat(entry["activitydate"]).tzinfo is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"leaseid": "526"}, "Lease 526 was not found"),
        ({"residentmemberid": "2001"}, "not on lease 503"),
        ({"activitytypeid": "8"}, "Activity type 8 is not valid"),
        ({"comments": None}, "Comments are required"),
    ],
)
async def test_every_refusal_stands_behind_the_sentence_of_aspnet(
    ode: Ode, changes: dict[str, str | None], words: str
) -> None:
    code, said = fault(await ode.write(**changes))
    assert code == "s:Server"
    assert said.startswith("Server was unable to process request. ---> ")
    assert words in said
    assert await ode.sandbox.effects() == []


async def test_what_is_guessed_is_named(ode: Ode) -> None:
    assert any("LicenseKey" in guess for guess in ode.guesses)
