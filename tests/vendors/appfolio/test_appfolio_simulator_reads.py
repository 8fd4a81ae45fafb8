"""The simulated AppFolio's lists: the filters they need, pages, and the seeded world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from tests.vendors.appfolio.appfolio_calls import Appfolio, running_appfolio

LISTS = ("/properties", "/units", "/tenants", "/users", "/leases", "/tenants/notes")
ALL = "filters[LastUpdatedAtFrom]=1970-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("world"))


@pytest.fixture
async def appfolio(world: Path) -> AsyncIterator[Appfolio]:
    async with running_appfolio(world, throttle_factor=1_000) as calls:
        yield calls


async def rows_of(appfolio: Appfolio, path: str, query: str = ALL) -> list[dict[str, Any]]:
    answer = await appfolio.call("GET", f"{path}?{query}")
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"data", "next_page_path"}
    rows: list[dict[str, Any]] = answer.json["data"]
    return rows


# --- filters ------------------------------------------------------------------------------------


async def test_a_list_without_id_or_date_filter_is_a_400(appfolio: Appfolio) -> None:
    for path in LISTS:
        for query in ("", "?page[size]=10", "?filters[LastUpdatedAtFrom]=", "?filters[Name]=x"):
            answer = await appfolio.call("GET", path + query)
            words = await appfolio.is_refused(answer, 400)
            assert "filters" in words


async def test_rows_are_filtered_by_one_or_several_ids(appfolio: Appfolio) -> None:
    for path in LISTS:
        rows = await rows_of(appfolio, path)
        first, last = rows[0], rows[-1]
        assert await rows_of(appfolio, path, f"filters[Id]={first['Id']}") == [first]
        both = f"filters[Id]={last['Id']},{first['Id'].upper()},unknown"
        assert await rows_of(appfolio, path, both) == [first, last]
    assert await rows_of(appfolio, "/units", f"filters[Id]={appfolio.tenant}") == []


async def test_rows_are_filtered_by_their_last_change_included(appfolio: Appfolio) -> None:
    rows = await rows_of(appfolio, "/tenants")
    stamps = sorted(row["LastUpdatedAt"] for row in rows)
    found = await rows_of(appfolio, "/tenants", f"filters[LastUpdatedAtFrom]={stamps[40]}")
    assert len(found) == sum(stamp >= stamps[40] for stamp in stamps) < len(rows)


async def test_a_time_that_is_not_utc_with_z_is_a_400(appfolio: Appfolio) -> None:
    for value in ("2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05%2B02:00", "yesterday",
                  "2026-02-31T00:00:00Z"):  # fmt: skip
        answer = await appfolio.call("GET", f"/tenants?filters[LastUpdatedAtFrom]={value}")
        await appfolio.is_refused(answer, 400)


async def test_notes_are_filtered_by_tenant_and_both_spellings_of_a_filter_are_read(
    appfolio: Appfolio,
) -> None:
    busy = appfolio.examples["tenant_with_60_notes"]
    notes = await rows_of(appfolio, "/tenants/notes", f"{ALL}&filters%5BEntityId%5D={busy}")
    assert len(notes) == 60
    assert {note["EntityId"] for note in notes} == {busy}
    assert await rows_of(appfolio, "/tenants/notes", f"{ALL}&filters[EntityId]=nobody") == []


# --- paging -------------------------------------------------------------------------------------


async def test_pages_by_number_and_size_cover_everything_once_and_name_the_next(
    appfolio: Appfolio,
) -> None:
    everything = [row["Id"] for row in await rows_of(appfolio, "/units")]
    assert len(everything) == 60
    found: list[str] = []
    query = f"{ALL}&page[size]=25"
    for number in (1, 2, 3):
        answer = await appfolio.call("GET", f"/units?{query}&page[number]={number}")
        found += [row["Id"] for row in answer.json["data"]]
        after = answer.json["next_page_path"]
        if number == 3:
            assert after is None
            continue
        parts = urlsplit(after)
        assert parts.path == "/api/v0/units"
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert asked["page[number]"] == str(number + 1)
        assert asked["page[size]"] == "25"
        assert asked["filters[LastUpdatedAtFrom]"] == "1970-01-01T00:00:00Z"
    assert found == everything


async def test_exactly_one_full_page_and_a_page_past_the_end_name_no_next(
    appfolio: Appfolio,
) -> None:
    answer = await appfolio.call("GET", f"/units?{ALL}&page[size]=60")
    assert (len(answer.json["data"]), answer.json["next_page_path"]) == (60, None)
    answer = await appfolio.call("GET", f"/units?{ALL}&page[number]=7")
    assert answer.json == {"data": [], "next_page_path": None}


async def test_a_page_size_beyond_1000_or_a_senseless_page_is_a_400(appfolio: Appfolio) -> None:
    for query in ("page[size]=1001", "page[size]=0", "page[size]=ten", "page[number]=0",
                  "page[number]=-1", "page[number]=x", "page[number]="):  # fmt: skip
        await appfolio.is_refused(await appfolio.call("GET", f"/units?{ALL}&{query}"), 400)
    assert (await appfolio.call("GET", f"/units?{ALL}&page[size]=1000")).status == 200


# --- the world ----------------------------------------------------------------------------------


async def test_every_record_has_a_uuid_of_its_own_and_a_stamp(appfolio: Appfolio) -> None:
    ids: list[str] = []
    for path in LISTS:
        for row in await rows_of(appfolio, path):
            assert str(UUID(row["Id"])) == row["Id"]
            assert row["LastUpdatedAt"].endswith("Z")
            ids.append(row["Id"])
    assert len(set(ids)) == len(ids)


async def test_tenants_live_in_units_and_share_occupancies(appfolio: Appfolio) -> None:
    tenants = {row["Id"]: row for row in await rows_of(appfolio, "/tenants")}
    units = {row["Id"]: row for row in await rows_of(appfolio, "/units")}
    assert len(tenants) >= 120
    assert set(next(iter(tenants.values()))) >= {
        "Id", "FirstName", "LastName", "PropertyId", "UnitId", "OccupancyId", "Status", "MoveInOn",
        "MoveOutOn", "LeaseStartDate", "LeaseEndDate", "PrimaryTenant", "HiddenAt", "LastUpdatedAt",
    }  # fmt: skip
    assert {row["Status"] for row in tenants.values()} == {"Current", "Notice", "Future", "Past"}
    for row in tenants.values():
        assert units[row["UnitId"]]["PropertyId"] == row["PropertyId"]
    tenant = tenants[appfolio.tenant]
    assert units[tenant["UnitId"]]["CurrentOccupancyId"] == tenant["OccupancyId"]
    shared = [row for row in tenants.values() if row["OccupancyId"] == tenant["OccupancyId"]]
    assert [row["PrimaryTenant"] for row in shared] == [True, False]
    rents = {row["CurrentRent"] for row in tenants.values()}
    assert all(isinstance(rent, str) and rent.endswith(".00") for rent in rents)


async def test_the_world_has_awkward_tenants(appfolio: Appfolio) -> None:
    tenants = {row["Id"]: row for row in await rows_of(appfolio, "/tenants")}
    examples = appfolio.examples
    assert tenants[examples["tenant_without_email"]]["Email"] is None
    silent = tenants[examples["tenant_without_phone"]]
    assert (silent["Phone"], silent["MobilePhone"]) == (None, None)
    twice = [tenants[x_id] for x_id in examples["tenants_of_one_person_current_twice"]]
    assert {row["Status"] for row in twice} == {"Current"}
    assert len({(row["FirstName"], row["LastName"]) for row in twice}) == 1
    assert len({row["OccupancyId"] for row in twice}) == 2
    before = [tenants[x_id] for x_id in examples["tenants_of_one_person_past_and_current"]]
    assert {row["Status"] for row in before} == {"Past", "Current"}
    assert tenants[examples["tenant_under_notice"]]["MoveOutOn"] is not None


async def test_leases_name_their_tenants_and_one_property_is_hidden(appfolio: Appfolio) -> None:
    tenants = {row["Id"]: row for row in await rows_of(appfolio, "/tenants")}
    for lease in await rows_of(appfolio, "/leases"):
        assert lease["TenantIds"]
        for tenant_id in lease["TenantIds"]:
            assert tenants[tenant_id]["OccupancyId"] == lease["OccupancyId"]
    hidden = [row["Id"] for row in await rows_of(appfolio, "/properties") if row["HiddenAt"]]
    assert hidden == [appfolio.examples["inactive_property"]]


async def test_users_are_with_and_without_the_leasing_agents_role(appfolio: Appfolio) -> None:
    users = {row["Id"]: row for row in await rows_of(appfolio, "/users")}
    assert len(users) == 10
    assert users[appfolio.examples["leasing_agent"]]["Role"] == "Leasing Agent"
    assert users[appfolio.examples["staff_without_leasing_agent_role"]]["Role"] != "Leasing Agent"
    assert users[appfolio.examples["inactive_staff"]]["HiddenAt"]
