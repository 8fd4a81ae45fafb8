"""The simulated Buildium's lists: paging, order, filters, and the seeded world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.running import Answer, SandboxClient, running_sandbox

TENANTS = "/v1/leases/tenants"


class Reader:
    """Reads of the simulator with its first keys."""

    def __init__(self, sandbox: SandboxClient, credentials: dict[str, str]) -> None:
        self.sandbox = sandbox
        self.keys = {
            "x-buildium-client-id": credentials["clientId"],
            "x-buildium-client-secret": credentials["secret"],
        }

    async def get(self, path: str) -> Answer:
        return await self.sandbox.call("GET", f"/buildium{path}", headers=self.keys)

    async def every(self, path: str) -> list[dict[str, Any]]:
        answer = await self.get(f"{path}{'&' if '?' in path else '?'}limit=1000")
        assert answer.status == 200, answer.body
        rows: list[dict[str, Any]] = answer.json
        assert answer.header("X-Total-Count") == str(len(rows))
        return rows

    async def ids(self, path: str) -> set[int]:
        return {row["Id"] for row in await self.every(path)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("world"))


@pytest.fixture
async def reader(world: Path) -> AsyncIterator[Reader]:
    async with running_sandbox(world, "BUILDIUM") as sandbox:
        yield Reader(sandbox, (await sandbox.overview())["vendors"]["BUILDIUM"]["credentials"])


# --- paging -------------------------------------------------------------------------------------


async def test_a_page_holds_fifty_by_default_and_the_header_tells_the_total(
    reader: Reader,
) -> None:
    answer = await reader.get(TENANTS)
    assert len(answer.json) == 50
    assert answer.header("X-Total-Count") == "120"


async def test_pages_by_limit_and_offset_cover_everything_once(reader: Reader) -> None:
    found: list[int] = []
    for offset in range(0, 130, 25):
        answer = await reader.get(f"{TENANTS}?limit=25&offset={offset}")
        assert answer.header("X-Total-Count") == "120"
        found += [row["Id"] for row in answer.json]
    assert found == sorted(await reader.ids(TENANTS))


async def test_notes_are_paged_too(reader: Reader) -> None:
    answer = await reader.get(f"{TENANTS}/4111/notes?offset=50")
    assert (len(answer.json), answer.header("X-Total-Count")) == (10, "60")


@pytest.mark.parametrize(
    "query", ["limit=1001", "limit=0", "limit=-1", "limit=ten", "offset=-1", "offset=x"]
)
async def test_a_limit_beyond_1000_or_a_senseless_page_is_a_400(reader: Reader, query: str) -> None:
    answer = await reader.get(f"{TENANTS}?{query}")
    assert answer.status == 400
    assert answer.json["Errors"] == []


async def test_orderby_sorts_by_one_or_several_fields(reader: Reader) -> None:
    rows = await reader.every(f"{TENANTS}?orderby=LastName%20desc,Id%20asc")
    keys = [(row["LastName"], -row["Id"]) for row in rows]
    assert keys == sorted(keys, reverse=True)
    by_email = await reader.every(f"{TENANTS}?orderby=Email")
    assert by_email[0]["Id"] == 4107


@pytest.mark.parametrize("order", ["Shoes", "Id%20sideways", "Id%20asc%20x", "Leases", ","])
async def test_an_orderby_that_it_cannot_take_is_a_400(reader: Reader, order: str) -> None:
    assert (await reader.get(f"{TENANTS}?orderby={order}")).status == 400


# --- tenants ------------------------------------------------------------------------------------


async def test_a_tenant_links_to_unit_and_property_through_his_leases(reader: Reader) -> None:
    tenant = (await reader.get(f"{TENANTS}/4105")).json
    assert set(tenant) >= {
        "Id", "FirstName", "LastName", "Email", "AlternateEmail", "PhoneNumbers",
        "CreatedDateTime", "EmergencyContact", "DateOfBirth", "SMSOptInStatus", "Address",
        "AlternateAddress", "MailingPreference", "Leases", "Comment", "TaxId",
    }  # fmt: skip
    (lease,) = tenant["Leases"]
    assert (lease["PropertyId"], lease["UnitId"], lease["LeaseStatus"]) == (1001, 2003, "Active")
    listed = (await reader.get(f"/v1/leases/{lease['Id']}")).json
    assert listed == lease
    assert {t["Id"] for t in lease["CurrentTenants"]} == {4105, 4106}


async def test_the_world_has_awkward_tenants(reader: Reader) -> None:
    tenants = {row["Id"]: row for row in await reader.every(TENANTS)}
    assert len(tenants) == 120
    assert tenants[4107]["Email"] is None
    assert tenants[4108]["PhoneNumbers"] == []
    assert tenants[4205]["Leases"] == []
    assert [x["LeaseStatus"] for x in tenants[4214]["Leases"]] == ["Active", "Active"]
    assert len({x["PropertyId"] for x in tenants[4214]["Leases"]}) == 1
    assert len({x["PropertyId"] for x in tenants[4215]["Leases"]}) == 2
    assert {x["LeaseStatus"] for x in tenants[4212]["Leases"]} == {"Active", "Future"}
    assert [x["LeaseStatus"] for x in tenants[4216]["Leases"]] == ["Past", "Past"]


async def test_a_lease_under_notice_is_active_and_tells_of_it(reader: Reader) -> None:
    (lease,) = (await reader.get(f"{TENANTS}/4181")).json["Leases"]
    assert lease["LeaseStatus"] == "Active"
    assert {move["TenantId"] for move in lease["MoveOutData"]} == {4181, 4182}
    assert all(move["NoticeGivenDate"] for move in lease["MoveOutData"])


@pytest.mark.parametrize(
    ("query", "tenants"),
    [
        ("leasetermstatuses=Future", {*range(4189, 4197), 4212, 4213}),
        ("propertyids=1004", {4219}),
        ("propertyids=1003&propertyids=1004&leasetermstatuses=Past",
         {*range(4197, 4205), 4216, 4217}),
        ("propertyids=1003,1004&leasetermstatuses=Past", {*range(4197, 4205), 4216, 4217}),
        ("unitids=2003", {4105, 4106}),
        ("unitnumber=101&propertyids=1001", {4101, 4102}),
        ("email=resident.5@", {4105}),
        ("phone=303-555-0104", {4104, 4204}),
        ("buildingstatuses=InActive", {4219}),
        ("rentalownerids=1", set()),
    ],
)  # fmt: skip
async def test_tenants_are_filtered(reader: Reader, query: str, tenants: set[int]) -> None:
    assert await reader.ids(f"{TENANTS}?{query}") == tenants


async def test_tenants_are_found_by_a_part_of_their_name(reader: Reader) -> None:
    found = await reader.ids(f"{TENANTS}?name=O'SHAUGH")
    everybody = await reader.every(TENANTS)
    assert found == {row["Id"] for row in everybody if row["LastName"] == "O'Shaughnessy"}
    assert found


async def test_tenants_are_filtered_by_when_they_changed(reader: Reader) -> None:
    created = [row["CreatedDateTime"] for row in await reader.every(f"{TENANTS}?orderby=Id")]
    since, until = created[9], created[4]
    query = f"lastupdatedfrom={since}&lastupdatedto={until}"
    assert await reader.ids(f"{TENANTS}?{query}") == set(range(4105, 4111))


@pytest.mark.parametrize(
    "query", ["leasetermstatuses=Current", "propertyids=one", "buildingstatuses=Open"]
)
async def test_a_filter_value_that_it_cannot_take_is_a_400(reader: Reader, query: str) -> None:
    assert (await reader.get(f"{TENANTS}?{query}")).status == 400


# --- the other lists ----------------------------------------------------------------------------


async def test_rentals_are_listed_with_the_inactive_one(reader: Reader) -> None:
    rentals = await reader.every("/v1/rentals")
    assert [(r["Id"], r["IsActive"]) for r in rentals] == [
        (1001, True), (1002, True), (1003, True), (1004, False),
    ]  # fmt: skip
    assert sum(r["NumberUnits"] for r in rentals) == 60
    assert rentals[0]["RentalManager"]["Href"].startswith(
        f"{reader.sandbox.url}/buildium/v1/users/"
    )
    assert await reader.ids("/v1/rentals?status=InActive") == {1004}


async def test_units_are_filtered_by_property(reader: Reader) -> None:
    assert len(await reader.every("/v1/rentals/units")) == 60
    units = await reader.every("/v1/rentals/units?propertyids=1003")
    assert len(units) == 12
    assert {unit["PropertyId"] for unit in units} == {1003}
    assert (await reader.get("/v1/rentals/units/2001")).json["UnitNumber"] == "101"


async def test_staff_are_users_with_and_without_the_leasing_agents_role(reader: Reader) -> None:
    everybody = await reader.every("/v1/users")
    staff = await reader.every("/v1/users?usertypes=Staff")
    assert len(staff) == 11 < len(everybody)
    roles = {user["UserRole"]["Name"] for user in staff}
    assert {"Leasing Agent", "Property Manager"} <= roles
    assert any(not user["IsActive"] for user in staff)
    listed = {role["Id"]: role["Name"] for role in await reader.every("/v1/userroles")}
    assert all(listed[u["UserRole"]["Id"]] == u["UserRole"]["Name"] for u in staff)


async def test_leases_are_filtered_by_status(reader: Reader) -> None:
    for status in ("Active", "Future", "Past"):
        leases = await reader.every(f"/v1/leases?leasestatuses={status}")
        assert leases
        assert {lease["LeaseStatus"] for lease in leases} == {status}


@pytest.mark.parametrize(
    "path",
    ["/v1/leases/1", "/v1/rentals/1", "/v1/rentals/units/1", "/v1/users/1", "/v1/userroles/9",
     "/v1/communications/phonelogs/9"],
)  # fmt: skip
async def test_an_unknown_record_is_a_404(reader: Reader, path: str) -> None:
    assert (await reader.get(path)).status == 404
