"""The simulated MRI's lists: paging in both formats, what must be asked, what rows hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from tests.sandbox.running import running_sandbox
from tests.vendors.mri.mri_calls import ACTIONS, RESIDENT, Mri

PERSONS = "MRI_S-PMRM_ResidentsByPropertyID"
LEASES = "MRI_S-PMRM_ResidentLeaseDetailsByPropertyID"
RENT_ROLL = "MRI_S-PMRM_ResidentialRentRoll"
NAMES = "MRI_S-PMRM_Residents"


@pytest.fixture
async def mri(tmp_path: Path) -> AsyncIterator[Mri]:
    async with running_sandbox(tmp_path, "MRI") as sandbox:
        yield Mri(sandbox, (await sandbox.overview())["vendors"]["MRI"])


# --- paging -------------------------------------------------------------------------------------


async def test_json_pages_have_300_rows_and_link_to_the_next_until_the_end(mri: Mri) -> None:
    query = {"NameID": mri.examples["resident_with_640_actions"]}
    ids: list[int] = []
    sizes: list[int] = []
    while True:
        page = (await mri.call("GET", ACTIONS, query, kind="json")).json
        assert ACTIONS.lower() in page["odata.metadata"]
        sizes.append(len(page["value"]))
        ids += [row["Id"] for row in page["value"]]
        if "nextLink" not in page:
            break
        asked = parse_qs(urlsplit(page["nextLink"]).query)
        assert asked["$api"] == [ACTIONS]
        query = {name: asked[name][0] for name in ("NameID", "$top", "$skip")}
    assert sizes == [300, 300, 40]
    assert len(set(ids)) == 640


async def test_xml_pages_link_by_an_attribute_of_the_root(mri: Mri) -> None:
    query = {"NameID": mri.examples["resident_with_640_actions"]}
    root = ElementTree.fromstring((await mri.call("GET", ACTIONS, query)).body)
    assert root.tag == ACTIONS.lower()
    assert len(root.findall("entry")) == 300
    asked = parse_qs(urlsplit(root.attrib["NextPageLink"]).query)
    assert (asked["$top"], asked["$skip"]) == (["300"], ["301"])
    last = await mri.call("GET", ACTIONS, {**query, "$skip": "601"})
    root = ElementTree.fromstring(last.body)
    assert len(root.findall("entry")) == 40
    assert "NextPageLink" not in root.attrib


async def test_a_page_may_be_smaller_than_300_and_never_larger(mri: Mri) -> None:
    query = {"NameID": mri.examples["resident_with_640_actions"]}
    for top, size in (("1", 1), ("300", 300), ("5000", 300)):
        page = (await mri.call("GET", ACTIONS, {**query, "$top": top}, kind="json")).json
        assert len(page["value"]) == size
        assert "nextLink" in page


async def test_a_list_of_nothing_and_a_place_past_the_end_are_empty(mri: Mri) -> None:
    assert await mri.listed(ACTIONS, NameID="0000004203") == []
    assert await mri.listed(ACTIONS, NameID=RESIDENT, **{"$skip": "99999"}) == []


async def test_paging_that_is_no_number_is_a_400(mri: Mri) -> None:
    for query in [{"$top": "x"}, {"$skip": "-1"}, {"$skip": "1.5"}]:
        assert (await mri.call("GET", ACTIONS, {"NameID": RESIDENT, **query})).status == 400


# --- what must be asked -------------------------------------------------------------------------


async def test_a_question_that_lacks_something_is_a_400(mri: Mri) -> None:
    for api, query in [
        (PERSONS, {}),
        (PERSONS, {"RMPROPID": "NONE01"}),
        (LEASES, {}),
        (RENT_ROLL, {}),
        (ACTIONS, {}),
        (ACTIONS, {"NameID": "0000009999"}),
        (NAMES, {}),
        (NAMES, {"PropertyID": "JUN01"}),
        (NAMES, {"StartDate": "01-01-2026"}),
        (NAMES, {"LastUpdate": "2026-01-01"}),
    ]:
        answer = await mri.call("GET", api, query, kind="json")
        assert answer.status == 400
        assert (answer.header("Content-Type") or "").startswith("text/plain")


async def test_names_are_asked_for_in_four_ways(mri: Mri) -> None:
    (row,) = await mri.listed(NAMES, NameID=RESIDENT, IncludePII="Y")
    assert row["Birthday"]
    (row,) = await mri.listed(NAMES, NameID=RESIDENT)
    assert row["Birthday"] is None
    month, day = row["LastUpdate"][5:7], row["LastUpdate"][8:10]
    written = f"{month}-{day}-{row['LastUpdate'][:4]}"
    since = await mri.listed(NAMES, LastUpdate=written)
    assert len(since) == 5
    between = await mri.listed(NAMES, StartDate=written, EndDate=written)
    assert [found["NameId"] for found in between] == [RESIDENT]
    here = await mri.listed(NAMES, PropertyID="JUN01", Type="R", Status="C")
    assert RESIDENT in [found["NameId"] for found in here]


# --- what rows hold -----------------------------------------------------------------------------


async def test_a_lease_has_a_row_for_each_resident_and_one_holds_it(mri: Mri) -> None:
    rows = await mri.listed(LEASES, RMPROPID="JUN01")
    on_lease = [
        row
        for row in rows
        if (row["BuildingID"], row["UnitID"], row["LeaseID"]) == ("01", "101", "1")
    ]
    assert [row["ResidentStatus"] for row in on_lease] == ["Current", "Other Resident"]
    assert {row["Namegroup"] for row in on_lease} == {on_lease[0]["ResidentNameID"]}


async def test_applicants_show_among_the_residents_and_have_no_lease(mri: Mri) -> None:
    applied = mri.examples["resident_who_only_applied"]
    persons = [row for place in ("JUN01", "LAN01", "SAL01", "OLD01")
               for row in await mri.listed(PERSONS, RMPROPID=place)]  # fmt: skip
    (row,) = [row for row in persons if row["ResidentNameID"] == applied]
    assert (row["ResidentType"], row["RMLEASEID"]) == ("A", None)
    leases = await mri.listed(LEASES, RMPROPID=row["RMPROPID"])
    assert applied not in [row["ResidentNameID"] for row in leases]


async def test_names_are_no_longer_than_mri_keeps_them(mri: Mri) -> None:
    for row in await mri.listed(PERSONS, RMPROPID="JUN01"):
        assert len(row["FirstName"]) <= 15
        assert len(row["LastName"]) <= 19


async def test_the_rent_roll_names_every_unit_and_one_on_demand(mri: Mri) -> None:
    rows = await mri.listed(RENT_ROLL, PROPERTYID="JUN01")
    assert len({(row["BuildingID"], row["UnitID"]) for row in rows}) == 24
    (one,) = await mri.listed(RENT_ROLL, PROPERTYID="JUN01", BUILDINGID="01", UNITID="101")
    assert one["ResidentNameID"]


async def test_one_property_tells_no_time_zone(mri: Mri) -> None:
    zones = {
        row["PropertyID"]: row["TimeZone"] for row in await mri.listed("MRI_S-PMRM_Properties")
    }
    assert zones["JUN01"] == "America/Denver"
    assert zones[mri.examples["inactive_property_without_time_zone"]] is None


async def test_codes_have_one_or_two_characters_and_agents_a_row_for_each_property(
    mri: Mri,
) -> None:
    codes = await mri.listed("MRI_S-PMRM_ActionCodes")
    assert {len(row["ActionCodeID"]) for row in codes} == {1, 2}
    assert all(set(row) == {"ActionCodeID", "Description"} for row in codes)
    agents = await mri.listed("MRI_S-PMRM_LeasingAgents")
    two = [row for row in agents if row["LeasingAgentID"] == "AGENT02"]
    assert {row["PropertyID"] for row in two} == {"JUN01", "LAN01"}
