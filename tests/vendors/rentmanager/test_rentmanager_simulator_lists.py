"""The simulated Rent Manager's lists: paging, filters, embeds, fields, and what is passed over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.vendors.rentmanager.calls import RentManager, rent_manager


@pytest.fixture
async def rm(tmp_path: Path) -> AsyncIterator[RentManager]:
    async with rent_manager(tmp_path) as world:
        yield world


async def test_pages_are_linked_to_the_last_and_told_in_headers(rm: RentManager) -> None:
    seen: list[int] = []
    for page in range(1, 4):
        answer = await rm.get(f"/Tenants?pagesize=50&pagenumber={page}")
        seen += [row["TenantID"] for row in answer.json]
        assert answer.header("x-total-results") == "120"
        assert answer.header("x-results") == str(len(answer.json))
        links = str(answer.header("Link"))
        assert ('rel="next"' in links, 'rel="last"' in links) == (page < 3, page < 3)
        assert ('rel="first"' in links, 'rel="previous"' in links) == (page > 1, page > 1)
    assert seen == sorted(seen)
    assert len(seen) == 120
    assert (await rm.get("/Tenants?pagesize=50&pagenumber=4")).status == 204


async def test_one_page_has_no_links(rm: RentManager) -> None:
    answer = await rm.get("/Properties")
    assert answer.header("Link") is None
    assert answer.header("x-results") == answer.header("x-total-results") == "4"


async def test_an_unpaged_list_is_cut_to_1000(rm: RentManager) -> None:
    entries = [{"Note": f"n {number}"} for number in range(1_001)]
    assert (await rm.call("POST", "/Tenants/309/HistoryNotes", entries)).status == 200
    answer = await rm.get("/Tenants/309/History")
    assert answer.header("x-results") == "1000"
    assert answer.header("x-total-results") == "1001"
    assert 'rel="next"' in str(answer.header("Link"))
    whole = await rm.get("/Tenants/309/History?pagesize=5000")
    assert len(whole.json) == 1_001, "a page may be larger than the help says"


async def test_no_rows_are_a_204_without_a_body(rm: RentManager) -> None:
    answer = await rm.get("/Tenants?filters=TenantID,eq,1")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("x-total-results") == "0"


async def test_a_page_that_is_no_number_is_a_400(rm: RentManager) -> None:
    for words in ("pagesize=0", "pagesize=x", "pagenumber=-1", "pagenumber=0"):
        assert (await rm.get(f"/Tenants?{words}")).status == 400, words


async def test_a_filter_keeps_what_it_says(rm: RentManager) -> None:
    for filters, count in (
        ("TenantID,eq,305", 1),
        ("TenantID,ne,305", 119),
        ("TenantID,in,(305,306)", 2),
        ("TenantID,ni,305,306", 118),
        ("TenantID,lt,303", 2),
        ("TenantID,le,303", 3),
        ("TenantID,gt,419", 1),
        ("TenantID,ge,419", 2),
        ("TenantID,bt,301,310", 10),
        ("tenantid,ge,310;TenantID,lt,312", 2),
        ("FirstName,eq,ada", 4),
        ("FirstName,sw,Ad", 4),
        ("FirstName,ew,da", 4),
        ("FirstName,ct,oluwa", 4),
    ):
        answer = await rm.get(f"/Tenants?filters={filters}&fields=TenantID")
        assert len(answer.json) == count, filters


async def test_orderby_is_passed_over_and_ordering_options_are_a_404(rm: RentManager) -> None:
    plain = await rm.get("/Tenants?pagesize=5")
    for words in ("orderby=Name", "orderby=NotAField", "Orderings=TenantName"):
        assert (await rm.get(f"/Tenants?pagesize=5&{words}")).json == plain.json
    answer = await rm.get("/Tenants?orderingOptions=Name")
    assert answer.status == 404
    assert answer.json["Exception"] == "KeyNotFoundException"


async def test_an_embed_shows_where_it_is_plural_and_among_the_fields(rm: RentManager) -> None:
    query = "filters=TenantID,eq,305&fields=TenantID,Leases,Contacts"
    (tenant,) = (await rm.get(f"/Tenants?{query}&embeds=Leases.Unit,Contacts.PhoneNumbers")).json
    assert set(tenant) == {"TenantID", "Leases", "Contacts"}
    assert tenant["Leases"][0]["Unit"]["UnitID"] == tenant["Leases"][0]["UnitID"]
    assert tenant["Contacts"][0]["PhoneNumbers"][0]["PhoneNumber"]
    (tenant,) = (await rm.get(f"/Tenants?{query}&embeds=Contacts")).json
    assert "PhoneNumbers" not in tenant["Contacts"][0]
    assert "Leases" not in tenant


async def test_the_singular_embed_answers_without_the_data(rm: RentManager) -> None:
    query = "filters=TenantID,eq,305&fields=TenantID,Leases"
    assert (await rm.get(f"/Tenants?{query}&embed=Leases")).json == [
        {"TenantID": 305, "Leases": []}
    ]


async def test_an_embed_without_fields_is_ignored(rm: RentManager) -> None:
    (tenant,) = (await rm.get("/Tenants?filters=TenantID,eq,305&embeds=Leases")).json
    assert "Leases" not in tenant
    assert tenant["Name"]


async def test_null_fields_are_left_out(rm: RentManager) -> None:
    (tenant,) = (await rm.get("/Tenants?filters=TenantID,eq,405")).json
    assert None not in tenant.values()
    assert "PropertyID" not in tenant
    assert "ColorID" not in tenant


async def test_every_collection_answers_whole_and_one_by_one(rm: RentManager) -> None:
    for resource in ("Tenants", "Leases", "Properties", "Units", "Users", "HistoryCategories"):
        rows = (await rm.get(f"/{resource}")).json
        key = next(iter(rows[0]))
        one = await rm.get(f"/{resource.lower()}/{rows[-1][key]}")
        assert one.json == rows[-1]


async def test_the_history_is_one_list_and_four(rm: RentManager) -> None:
    whole = (await rm.get("/Tenants/311/History?pagesize=5000")).json
    parts = []
    for resource, kind in (("HistoryNotes", "Note"), ("HistoryCalls", "Call")):
        rows = (await rm.get(f"/Tenants/311/{resource}")).json
        assert {row["HistoryType"] for row in rows} == {kind}
        parts += rows
    parts += (await rm.get("/Tenants/311/HistoryVisits")).json
    assert (await rm.get("/Tenants/311/HistoryEmails")).status == 204
    assert len(whole) == len(parts) == 60
    assert len((await rm.get("/History?filters=ParentID,eq,311")).json) == 60


async def test_stamps_bear_the_servers_offset(rm: RentManager) -> None:
    (entry,) = (await rm.get("/Tenants/311/History?pagesize=1")).json
    assert entry["CreateDate"][-6:] in ("-04:00", "-05:00")
    assert "-" not in entry["HistoryDate"][11:]
