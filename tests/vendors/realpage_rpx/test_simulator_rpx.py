"""The simulated RPX against its wire: transport, callers, licences, faults, lists, the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.vendors.onesite.callers import (
    SOAP_12,
    Rpx,
    enveloped,
    fault,
    local,
    result,
    rows_of,
    sandbox_of,
)


@pytest.fixture
async def rpx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rpx]:
    async with sandbox_of("REALPAGE_RPX", tmp_path, monkeypatch) as (sandbox, vendor):
        yield Rpx(sandbox, vendor)


# --- transport ----------------------------------------------------------------------------------


async def test_the_service_answers_at_its_path_in_any_case_and_at_the_root(rpx: Rpx) -> None:
    for path in (rpx.path, rpx.path.replace("RPXGateway", "rpxgateway"), "/realpage_rpx"):
        answer = await rpx.call("getactivitytypes", path=path)
        assert answer.status == 200
        assert answer.header("Content-Type") == "text/xml; charset=utf-8"
    assert (await rpx.call("getactivitytypes", path=f"{rpx.path}/more")).status == 404


async def test_the_wsdl_is_switched_off(rpx: Rpx) -> None:
    answer = await rpx.sandbox.call("GET", f"{rpx.path}?wsdl")
    assert b"Metadata publishing" in answer.body
    assert (await rpx.sandbox.call("GET", f"{rpx.path}/GetWSDL")).status == 404
    assert (await rpx.sandbox.call("PUT", rpx.path, body=b"")).status == 405


@pytest.mark.parametrize("kind", ["application/json", "application/soap+xml", "text/plain", ""])
async def test_another_media_type_is_a_415_without_words(rpx: Rpx, kind: str) -> None:
    answer = await rpx.post(enveloped("<x/>"), "x", kind)
    assert (answer.status, answer.body) == (415, b"")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<x",
        "<x/>",
        enveloped(""),
        '<!DOCTYPE x [<!ENTITY e "v">]>' + enveloped("<x>&e;</x>"),
    ],
    ids=["empty", "cut short", "no envelope", "no call", "a document type"],
)
async def test_a_body_that_is_no_envelope_is_a_400_without_words(rpx: Rpx, body: str) -> None:
    answer = await rpx.post(body, "x")
    assert (answer.status, answer.body) == (400, b"")


async def test_soap_1_2_is_not_spoken(rpx: Rpx) -> None:
    code, _ = fault(await rpx.post(enveloped("<x/>", SOAP_12), "x"))
    assert code == "a:VersionMismatch"


@pytest.mark.parametrize(
    "action", ["", "getactivitytypes", "http://tempuri.org/IRPXService/GetActivityTypes"]
)
async def test_another_action_than_the_operations_is_a_mismatch(rpx: Rpx, action: str) -> None:
    body = f'<getactivitytypes xmlns="{rpx.namespace}">{rpx.auth()}</getactivitytypes>'
    code, words = fault(await rpx.post(enveloped(body), action))
    assert code == "a:ActionNotSupported"
    assert "ContractFilter mismatch" in words


@pytest.mark.parametrize("method", ["nosuchmethod", "GetActivityTypes", "getleasingagentsx"])
async def test_an_operation_that_is_not_there_is_not_supported(rpx: Rpx, method: str) -> None:
    assert fault(await rpx.call(method))[0] == "a:ActionNotSupported"


async def test_an_operation_of_another_namespace_is_not_seen(rpx: Rpx) -> None:
    body = f'<getactivitytypes xmlns="http://elsewhere/">{rpx.auth()}</getactivitytypes>'
    answer = await rpx.post(enveloped(body), "http://tempuri.org/IRPXService/getactivitytypes")
    assert fault(answer)[0] == "a:ActionNotSupported"


# --- auth ---------------------------------------------------------------------------------------


async def test_auth_must_be_the_first_child_of_the_operation(rpx: Rpx) -> None:
    for auth in ("", f"<leaseid>1</leaseid>{rpx.auth()}", "<Auth/>"):
        _, words = fault(await rpx.call("getactivitytypes", auth=auth))
        assert "first element" in words


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"licensekey": "wrong"}, "license key"),
        ({"licensekey": None}, "license key"),
        ({"licensekey": "sandbox-1." + "0" * 40}, "license key"),
        ({"pmcid": "1"}, "pmcid"),
        ({"pmcid": None}, "pmcid"),
        ({"siteid": None}, "siteid"),
        ({"siteid": "1"}, "Site 1 is not licensed"),
        ({"siteid": "x"}, "Site x is not licensed"),
        ({"siteid": "7654324"}, "Site 7654324 is not licensed"),
        ({"system": "Yardi"}, "system"),
        ({"system": None}, "system"),
        ({"username": "sandbox-1"}, "password"),
        ({"username": "sandbox-1", "password": "wrong"}, "password"),
    ],
)
async def test_every_wrong_part_of_auth_is_refused(
    rpx: Rpx, changes: dict[str, str | None], word: str
) -> None:
    _, words = fault(await rpx.write(rpx.auth(**changes)))
    assert word in words
    assert await rpx.sandbox.effects() == []


async def test_system_is_taken_in_any_case_and_user_and_password_if_right(rpx: Rpx) -> None:
    password = rpx.credentials["licensekey"].partition(".")[2]
    for auth in (
        rpx.auth(system="onesite"),
        rpx.auth(username="sandbox-1", password=password),
    ):
        assert (await rpx.call("getactivitytypes", auth=auth)).status == 200


async def test_an_operation_that_the_licence_lacks_is_refused_in_these_words(rpx: Rpx) -> None:
    readonly = rpx.auth(licensekey=rpx.examples["readonly_license_key"])
    writeonly = rpx.auth(licensekey=rpx.examples["writeonly_license_key"])
    for answer in (
        await rpx.write(readonly),
        await rpx.call("getactivitytypes", auth=writeonly),
    ):
        assert fault(answer)[1] == "LicenseKey is not authorized to call the method"
    assert (await rpx.call("getactivitytypes", auth=readonly)).status == 200
    assert (await rpx.write(writeonly)).status == 200


async def test_the_list_of_sites_needs_no_site_and_tells_active_ones(rpx: Rpx) -> None:
    answer = await rpx.call("getsitelist", auth=rpx.auth(siteid=None))
    sites = rows_of(result(answer, "getsitelist"), "Site")
    assert [site["SiteID"] for site in sites] == ["7654321", "7654322", "7654323"]


async def test_credential_sets_are_of_one_site_each(rpx: Rpx) -> None:
    sets = (await rpx.sandbox.overview())["vendors"]["REALPAGE_RPX"]["credential_sets"]
    assert {given["siteId"] for given in sets} == {"7654321", "7654322", "7654323"}
    for given in sets[:3]:
        auth = rpx.auth(siteid=given["siteId"], licensekey=given["licensekey"])
        assert (await rpx.call("unitlist", auth=auth)).status == 200


# --- rate limits, paging ------------------------------------------------------------------------


async def test_no_limit_is_published_so_none_is_kept(rpx: Rpx) -> None:
    statuses = {(await rpx.call("getactivitytypes")).status for _ in range(40)}
    assert statuses == {200}


async def test_lists_have_no_pages(rpx: Rpx) -> None:
    first = await rpx.call("getresidentlist")
    second = await rpx.call("getresidentlist", path=f"{rpx.path}?page=2&limit=1")
    assert first.body == second.body
    assert len(rows_of(result(first, "getresidentlist"), "resident")) > 40


# --- lists --------------------------------------------------------------------------------------


async def test_residents_and_logs_answer_in_lower_case_and_the_rest_does_not(rpx: Rpx) -> None:
    residents = result(await rpx.call("getresidentlistinfo"), "getresidentlistinfo")
    assert [local(inner) for inner in residents] == ["residentlist"]
    units = result(await rpx.call("unitlist"), "unitlist")
    assert [local(inner) for inner in units] == ["UnitList"]
    types = result(await rpx.call("getactivitytypes"), "getactivitytypes")
    assert {"Value": "S000000015", "Text": "Note"} in rows_of(types, "PicklistItem")


async def listed(rpx: Rpx, site: str, status: str) -> set[str]:
    arguments = f"<getresidentlistinfo><status>{status}</status></getresidentlistinfo>"
    answer = await rpx.call("getresidentlistinfo", arguments, rpx.auth(siteid=site))
    found = rows_of(result(answer, "getresidentlistinfo"), "resident")
    return {row["leasestatus"] for row in found}


async def test_residents_are_listed_by_status(rpx: Rpx) -> None:
    assert await listed(rpx, "7654321", "C") == {"Current"}
    pending = {"Applicant", "Applicant - Lease Signed", "Future Lease"}
    assert await listed(rpx, "7654323", "P") == pending
    assert await listed(rpx, "7654323", "F") == {"Former", "Former Applicant"}
    assert await listed(rpx, "7654323", "ALL") == {
        "Current", "Former", "Former Applicant", *pending
    }  # fmt: skip


async def test_heads_of_households_can_be_asked_for_alone(rpx: Rpx) -> None:
    arguments = "<getresidentlistinfo><headofhousehold>1</headofhousehold></getresidentlistinfo>"
    found = rows_of(
        result(await rpx.call("getresidentlistinfo", arguments), "getresidentlistinfo"), "resident"
    )
    assert {row["hohbit"] for row in found} == {"1"}


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ("<status>X</status>", "Status X is not valid"),
        ("<colour>red</colour>", "colour is not a valid argument"),
    ],
)
async def test_a_filter_that_is_not_known_is_refused(rpx: Rpx, inner: str, words: str) -> None:
    arguments = f"<getresidentlistinfo>{inner}</getresidentlistinfo>"
    assert words in fault(await rpx.call("getresidentlistinfo", arguments))[1]


async def test_a_lease_is_told_alone_or_with_all_of_its_site(rpx: Rpx) -> None:
    leases = rows_of(result(await rpx.call("getleaseinfo"), "getleaseinfo"), "Lease")
    assert {lease["SiteID"] for lease in leases} == {"7654321"}
    answer = await rpx.call("getlease", "<leaseid>503</leaseid>")
    assert [row["LeaseID"] for row in rows_of(result(answer, "getlease"), "Lease")] == ["503"]
    other = await rpx.call(
        "getlease", f"<leaseid>{rpx.examples['lease_of_another_site']}</leaseid>"
    )
    assert "not found at site" in fault(other)[1]


async def test_buildings_and_agents_are_those_of_the_site(rpx: Rpx) -> None:
    buildings = rows_of(result(await rpx.call("getbuildings"), "getbuildings"), "Building")
    assert [row["BuildingName"] for row in buildings] == ["Building 1", "Building 2"]
    agents = result(await rpx.call("getleasingagents"), "getleasingagents")
    values = [row["Value"] for row in rows_of(agents, "PicklistItem")]
    assert values == ["0", "6001", "6002", "6003"]


# --- the log ------------------------------------------------------------------------------------


async def test_an_activity_is_written_without_telling_its_id(rpx: Rpx) -> None:
    answer = await rpx.write()
    found = result(answer, "addresidentactivitylog")
    assert [(local(e), e.text) for e in found.iter() if e.text] == [("status", "Success")]
    (effect,) = await rpx.sandbox.effects()
    assert effect["x_id"].encode() not in answer.body
    assert (effect["x_resident_id"], effect["kind"], effect["text"]) == (
        "2005",
        "note",
        "Quiet hours",
    )
    (entry,) = await rpx.log("503")
    assert (entry["activityid"], entry["residentmemberid"]) == (effect["x_id"], "2005")
    assert (entry["activitytypeid"], entry["activitytype"]) == ("S000000015", "Note")
    assert entry["comments"] == "Quiet hours"


async def test_text_is_kept_to_the_letter(rpx: Rpx) -> None:
    text = " <b>&amp;</b> 東京\r\n\t]]> "
    await rpx.write(comments=text)
    assert [entry["comments"] for entry in await rpx.log("503")] == [text]
    assert [effect["text"] for effect in await rpx.sandbox.effects()] == [text]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"leaseid": "999"}, "Lease 999 was not found"),
        ({"leaseid": "526"}, "Lease 526 was not found"),
        ({"leaseid": "x"}, "LeaseID"),
        ({"leaseid": None}, "LeaseID"),
        ({"residentmemberid": "2001"}, "not on lease 503"),
        ({"residentmemberid": None}, "not on lease 503"),
        ({"activitytypeid": "S000000099"}, "S000000099 is not valid"),
        ({"activitytypeid": None}, "(none) is not valid"),
        ({"comments": " "}, "Comments are required"),
        ({"comments": None}, "Comments are required"),
        ({"eventdate": "2026-01-01"}, "eventdate is not a valid field"),
        ({"LeaseID": "503"}, "LeaseID is not a valid field"),
    ],
)
async def test_every_wrong_field_of_an_activity_is_refused_and_writes_nothing(
    rpx: Rpx, changes: dict[str, str | None], words: str
) -> None:
    code, said = fault(await rpx.write(**changes))
    assert code == "s:Client"
    assert words in said
    assert await rpx.sandbox.effects() == []


async def test_an_application_has_no_log(rpx: Rpx) -> None:
    auth = rpx.auth(siteid=rpx.examples["site_of_application"])
    application = rpx.examples["application"]
    answer = await rpx.write(auth, leaseid=application, residentmemberid="2105")
    assert "application" in fault(answer)[1]


async def test_one_wrong_activity_of_a_call_refuses_all(rpx: Rpx) -> None:
    one = "<residentactivity><leaseid>503</leaseid></residentactivity>"
    right = (
        "<residentactivity><leaseid>503</leaseid><residentmemberid>2005</residentmemberid>"
        "<activitytypeid>S000000015</activitytypeid><comments>x</comments></residentactivity>"
    )
    name = "addresidentactivitylog"
    for listed in (right + one, "", "<other/>"):
        arguments = f"<{name}params><residentlist>{listed}</residentlist></{name}params>"
        fault(await rpx.call(name, arguments))
    fault(await rpx.call(name))
    assert await rpx.sandbox.effects() == []


async def test_a_log_is_of_one_lease_and_all_who_live_there(rpx: Rpx) -> None:
    assert await rpx.log(rpx.examples["lease_without_activities"]) == []
    assert len(await rpx.log(rpx.examples["lease_with_one_activity"])) == 1
    shared = await rpx.log(rpx.examples["lease_with_activities_of_two_residents"])
    assert {entry["residentmemberid"] for entry in shared} == {"2011", "2012"}


async def test_no_record_id_is_given_twice(rpx: Rpx) -> None:
    for lease, member in (("503", "2005"), ("504", "2007"), ("503", "2006")):
        assert (await rpx.write(leaseid=lease, residentmemberid=member)).status == 200
    ids = [effect["x_id"] for effect in await rpx.sandbox.effects()]
    seeded = [entry["activityid"] for entry in await rpx.log("506")]
    assert len({*ids, *seeded}) == len(ids) + len(seeded)


# --- time ---------------------------------------------------------------------------------------


async def test_times_are_the_sites_without_offset_and_without_daylight_saving(rpx: Rpx) -> None:
    await rpx.write()
    (entry,) = await rpx.log("503")
    mountain_standard = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=7)
    told = datetime.fromisoformat(entry["activitydate"])
    assert told.tzinfo is None
    assert abs(told - mountain_standard) < timedelta(minutes=2)


# --- faults on demand ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_a_status_on_demand_is_a_fault(rpx: Rpx, status: int) -> None:
    await rpx.sandbox.fault(vendor="REALPAGE_RPX", fault="status", status=status)
    assert fault(await rpx.write(), status)[1]
    assert await rpx.sandbox.effects() == []


async def test_faults_meet_the_named_resident_and_operation(rpx: Rpx) -> None:
    match = {"x_resident_id": "2006", "path_contains": "AddResidentActivityLog"}
    await rpx.sandbox.fault(vendor="REALPAGE_RPX", fault="unauthorised", match=match)
    assert (await rpx.write()).status == 200
    assert "license key" in fault(await rpx.write(residentmemberid="2006"))[1]


async def test_what_is_guessed_is_named(rpx: Rpx) -> None:
    assert any("addresidentactivitylog" in guess for guess in rpx.guesses)
