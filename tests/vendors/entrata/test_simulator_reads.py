"""The simulated Entrata's reads: paging, artefacts of XML, pick lists, filters, the world."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.sandbox.running import Answer, SandboxClient, running_sandbox


class Reader:
    """Reads of the simulator with its first key."""

    def __init__(self, sandbox: SandboxClient, vendor: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.key = {"X-Api-Key": vendor["credentials"]["apiKey"]}
        self.examples = vendor["examples"]

    async def call(
        self,
        path: str,
        version: str = "r1",
        query: str = "",
        headers: dict[str, str] | None = None,
        **params: Any,
    ) -> Answer:
        """`path` is service/method."""
        service, _, method = path.partition("/")
        body = {
            "auth": {"type": "apikey"},
            "requestId": "1",
            "method": {"name": method, "version": version, "params": params},
        }
        return await self.sandbox.call(
            "POST",
            f"/entrata/ext/orgs/sandbox/v1/{service}{query}",
            headers={**self.key, **(headers or {})},
            json_body=body,
        )

    async def read(self, path: str, version: str = "r1", **params: Any) -> Any:
        answer = await self.call(path, version, **params)
        assert answer.status == 200, answer.body
        return answer.json["response"]["result"]

    async def leases(self, **params: Any) -> list[dict[str, Any]]:
        result = await self.read("leases/getLeases", "r2", **params)
        found: list[dict[str, Any]] = listed(result["leases"]["lease"])
        return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("world"))


@pytest.fixture
async def reader(world: Path) -> AsyncIterator[Reader]:
    async with running_sandbox(world, "ENTRATA") as sandbox:
        yield Reader(sandbox, (await sandbox.overview())["vendors"]["ENTRATA"])


# --- paging -------------------------------------------------------------------------------------


async def test_pages_cover_everything_once_and_tell_the_total(reader: Reader) -> None:
    everything = (await reader.read("customers/getCustomers", propertyId=5001))["Customers"]
    ids = [row["@attributes"]["Id"] for row in everything["Customer"]]
    found: list[int] = []
    for number in range(1, 5):
        answer = await reader.call(
            "customers/getCustomers", query=f"?page_no={number}&per_page=20", propertyId=5001
        )
        assert answer.header("X-Total-Count") == str(len(ids))
        rows = listed(answer.json["response"]["result"]["Customers"]["Customer"])
        found += [row["@attributes"]["Id"] for row in rows]
    assert found == ids
    assert len(ids) > 50


async def test_links_come_only_to_those_who_ask_for_them(reader: Reader) -> None:
    query = "?page_no=2&per_page=20"
    plain = await reader.call("customers/getCustomers", query=query, propertyId=5001)
    assert plain.header("Link") is None
    asked = await reader.call(
        "customers/getCustomers",
        query=query,
        headers={"X-Send-Pagination-Links": "1"},
        propertyId=5001,
    )
    header = asked.header("Link") or ""
    found = re.findall(r'<([^>]+)>; rel="(\w+)"', header)
    links = {relation: target for target, relation in found}
    assert set(links) == {"first", "prev", "next", "last"}
    assert links["next"].startswith(reader.sandbox.url)
    assert links["next"].endswith("page_no=3&per_page=20")
    last = await reader.call(
        "customers/getCustomers",
        query="?page_no=3&per_page=20",
        headers={"X-Send-Pagination-Links": "1"},
        propertyId=5001,
    )
    assert 'rel="next"' not in (last.header("Link") or "")


async def test_a_page_beyond_the_end_is_empty(reader: Reader) -> None:
    answer = await reader.call("properties/getProperties", query="?page_no=9&per_page=20")
    assert answer.json["response"]["result"]["PhysicalProperty"]["Property"] == []


@pytest.mark.parametrize("query", ["?page_no=0", "?per_page=0", "?page_no=x", "?per_page=-1"])
async def test_a_senseless_page_is_refused(reader: Reader, query: str) -> None:
    answer = await reader.call("properties/getProperties", query=query)
    assert answer.status == 400
    assert answer.json["response"]["error"]["code"] == 400


# --- artefacts of XML ---------------------------------------------------------------------------


async def test_a_list_of_one_comes_without_its_list(reader: Reader) -> None:
    one = await reader.read("leases/getLeaseActivities", propertyId=5001, leaseId=88001)
    assert isinstance(one["events"], dict)
    none = await reader.read("leases/getLeaseActivities", propertyId=5001, leaseId=88002)
    assert none["events"] == []
    several = await reader.read("leases/getLeaseActivities", propertyId=5001, leaseId=88006)
    assert len(several["events"]) == 5
    lists = await reader.read("leads/getLeadPickLists", "r2", propertyId=5003)
    agent = lists["property"]["leasingAgents"]["leasingAgent"]
    assert agent["@attributes"]["id"] == 34
    prop = await reader.read("properties/getProperties", propertyIds="5002")
    assert prop["PhysicalProperty"]["Property"]["PropertyID"] == 5002


# --- pick lists ---------------------------------------------------------------------------------


async def test_pick_lists_hold_the_seen_types_and_tie_sub_types_and_results_to_them(
    reader: Reader,
) -> None:
    lists = await reader.read("leads/getLeadPickLists", "r2", propertyId=5001)

    def rows(outer: str, inner: str) -> list[dict[str, Any]]:
        return [row["@attributes"] for row in lists[outer][inner]]

    types = {row["id"]: row["name"] for row in rows("eventTypes", "eventType")}
    assert set(types) == {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 17, 56, 59, 78, 173, 320, 335, 436
    }  # fmt: skip
    assert types[17] == "Scheduled Appointment"
    sub_types = {row["id"]: row["eventTypeId"] for row in rows("eventSubTypes", "eventSubType")}
    assert sub_types == {453: 17, 454: 17, 525: 17, 560: 17, 524: 78}
    results = rows("eventResults", "eventResult")
    assert all(row["eventTypeId"] in types for row in results)
    assert {"id", "name", "eventTypeId", "defaultEventResultId"} == set(results[0])
    assert lists["leadStatuses"]["leadStatus"]
    assert lists["customerRelationshipTypes"]["customerRelationshipType"]


async def test_pick_lists_show_active_leasing_agents_of_the_property_alone(
    reader: Reader,
) -> None:
    agents: dict[int, set[int]] = {}
    for number in (5001, 5002, 5003, 5004):
        lists = await reader.read("leads/getLeadPickLists", "r2", propertyId=number)
        rows = listed(lists["property"]["leasingAgents"]["leasingAgent"])
        agents[number] = {row["@attributes"]["id"] for row in rows}
    assert agents == {5001: {31, 32, 33}, 5002: {32, 33}, 5003: {34}, 5004: set()}


async def test_pick_lists_r2_need_a_property_and_r1_does_not(reader: Reader) -> None:
    assert (await reader.call("leads/getLeadPickLists", "r2")).status == 400
    assert "property" not in await reader.read("leads/getLeadPickLists", "r1")


# --- properties and units -----------------------------------------------------------------------


async def test_only_active_properties_come_unless_all_are_asked_for(reader: Reader) -> None:
    active = (await reader.read("properties/getProperties"))["PhysicalProperty"]["Property"]
    assert [row["PropertyID"] for row in active] == [5001, 5002, 5003]
    assert active[0]["Address"]["@attributes"] == {"AddressType": "Primary"}
    result = await reader.read("properties/getProperties", showAllStatus="1")
    everything = result["PhysicalProperty"]["Property"]
    assert [(row["PropertyID"], row["IsDisabled"]) for row in everything][3] == (5004, 1)


async def test_units_come_under_their_properties_and_are_paged_by_unit(reader: Reader) -> None:
    result = await reader.read("propertyunits/getPropertyUnits", propertyIds="5001,5003")
    properties = result["properties"]["property"]
    assert [(p["propertyId"], len(p["units"]["unit"])) for p in properties] == [
        (5001, 24),
        (5003, 12),
    ]
    answer = await reader.call(
        "propertyunits/getPropertyUnits", query="?page_no=3&per_page=10", propertyIds="5001,5003"
    )
    assert answer.header("X-Total-Count") == "36"
    page = answer.json["response"]["result"]["properties"]["property"]
    assert [(p["propertyId"], len(p["units"]["unit"])) for p in page] == [(5001, 4), (5003, 6)]


async def test_free_units_can_be_asked_for_alone(reader: Reader) -> None:
    result = await reader.read(
        "propertyunits/getPropertyUnits", propertyIds="5003", availableUnitsOnly=1
    )
    units = listed(result["properties"]["property"]["units"]["unit"])
    assert 0 < len(units) < 12
    assert {unit["unitSpaces"]["unitSpace"]["availabilityStatus"] for unit in units} == {
        "Available"
    }


@pytest.mark.parametrize("value", [None, "1", "x", "5001,1"])
async def test_units_of_unknown_or_no_properties_are_refused(
    reader: Reader, value: str | None
) -> None:
    params: dict[str, Any] = {} if value is None else {"propertyIds": value}
    assert (await reader.call("propertyunits/getPropertyUnits", **params)).status == 400


# --- customers and leases -----------------------------------------------------------------------


async def test_leases_stand_in_every_status_and_cancelled_ones_come_on_demand(
    reader: Reader,
) -> None:
    seen = set()
    for place in (5001, 5002, 5003, 5004):
        for lease in await reader.leases(propertyId=place, leaseStatusTypeIds="1,2,3,4,5,6"):
            seen.add((lease["leaseStatusTypeId"], lease["leaseIntervalStatus"]))
        default = await reader.leases(propertyId=place)
        assert all(lease["leaseStatusTypeId"] != 2 for lease in default)
    assert seen == {
        (1, "Applicant"), (2, "Cancelled"), (3, "Future"), (4, "Current"), (5, "Notice"),
        (6, "Past"),
    }  # fmt: skip


async def test_a_lease_names_unit_customers_interval_and_applications(reader: Reader) -> None:
    (lease,) = await reader.leases(propertyId=5001, leaseIds="88003")
    assert (lease["unitId"], lease["propertyId"]) == (903, 5001)
    customers = lease["customers"]["customer"]
    assert [(c["id"], c["customerType"]) for c in customers] == [
        (61005, "Primary"),
        (61006, "Roommate"),
    ]
    interval = lease["leaseIntervals"]["leaseInterval"]
    applications = interval["applications"]["application"]
    assert [row["customerId"] for row in applications] == [61005, 61006]
    assert str(applications[0]["id"]) == reader.examples["application"]


async def test_a_lease_without_applications_has_no_such_list(reader: Reader) -> None:
    number = reader.examples["lease_without_application"]
    (lease,) = await reader.leases(propertyId=5001, leaseIds=number)
    assert "applications" not in lease["leaseIntervals"]["leaseInterval"]


async def test_leases_are_filtered_by_customer_application_and_unit(reader: Reader) -> None:
    tied = await reader.leases(propertyId=5001, customerId=61114)
    assert [lease["leaseStatusTypeId"] for lease in tied] == [4, 4]
    application = reader.examples["application"]
    (found,) = await reader.leases(propertyId=5001, applicationId=application)
    assert found["id"] == 88003
    by_unit = await reader.leases(propertyId=5001, unitNumber="103")
    assert {lease["unitId"] for lease in by_unit} == {903}


async def test_customers_are_those_with_a_lease_at_the_property(reader: Reader) -> None:
    apart = reader.examples["customer_current_at_two_properties"]
    for place in (5001, 5003):
        result = await reader.read(
            "customers/getCustomers", propertyId=place, customerIds=apart, leaseStatusTypeIds="4"
        )
        customer = result["Customers"]["Customer"]
        assert customer["@attributes"]["Id"] == int(apart)
        assert isinstance(customer["LeaseId"], int)
    nobody = await reader.read("customers/getCustomers", propertyId=5002, customerIds=apart)
    assert nobody["Customers"]["Customer"] == []


async def test_a_customer_without_email_or_phone_has_blanks(reader: Reader) -> None:
    result = await reader.read("customers/getCustomers", propertyId=5001, customerIds="61007,61008")
    first, second = result["Customers"]["Customer"]
    assert (first["Email"], second["PhoneNumber"]) == ("", "")


async def test_customers_are_searched_by_name_phone_and_unit(reader: Reader) -> None:
    for search in ("zoë", "3035550104", "103"):
        result = await reader.read("customers/searchCustomers", propertyId=5001, search=search)
        assert listed(result["customers"]["customer"]), search
    assert (await reader.call("customers/searchCustomers", propertyId=5001)).status == 400


async def test_a_property_that_is_missing_or_unknown_is_refused(reader: Reader) -> None:
    for params in ({}, {"propertyId": 1}, {"propertyId": "x"}):
        for path, version in (("customers/getCustomers", "r1"), ("leases/getLeases", "r2")):
            assert (await reader.call(path, version, **params)).status == 400


# --- events -------------------------------------------------------------------------------------


async def test_activities_are_filtered_by_type_and_mountain_day(reader: Reader) -> None:
    where: dict[str, Any] = {"propertyId": 5001, "leaseId": 88006}
    everything = (await reader.read("leases/getLeaseActivities", **where))["events"]
    notes = await reader.read("leases/getLeaseActivities", eventTypeIds="8", **where)
    assert {row["typeId"] for row in listed(notes["events"])} == {8}
    day = everything[2]["date"][:10]
    same_day = await reader.read(
        "leases/getLeaseActivities", createdOnDateFrom=day, createdOnDateTo=day, **where
    )
    assert same_day["events"] == everything[2]
    today = datetime.now(UTC).astimezone(ZoneInfo("America/Denver")).strftime("%Y-%m-%d")
    answer = await reader.call("leases/getLeaseActivities", createdOnDateFrom=today, **where)
    assert answer.status == 400


@pytest.mark.parametrize(
    "params",
    [{"leaseId": 88001}, {"propertyId": 5001}, {"propertyId": 5002, "leaseId": 88001},
     {"propertyId": 5001, "leaseId": 1}],
)  # fmt: skip
async def test_activities_of_a_wrong_lease_are_refused(
    reader: Reader, params: dict[str, Any]
) -> None:
    assert (await reader.call("leases/getLeaseActivities", **params)).status == 400


async def test_lead_events_come_under_their_application(reader: Reader) -> None:
    result = await reader.read("leads/getLeadEvents", propertyId=5001, eventTypeIds="3")
    prospects = result["prospects"]["prospect"]
    assert {row["applicationId"] for row in prospects} >= {70001}
    one = await reader.read("leads/getLeadEvents", propertyId=5001, applicationId=70001)
    shown = one["prospects"]["prospect"]["events"]["event"]
    assert set(shown["callData"]) == {
        "callId", "callFrom", "ringThrough", "duration", "callStatus", "audioLink"
    }  # fmt: skip
    day = shown["date"][:10]
    found = await reader.read(
        "leads/getLeadEvents", propertyId=5001, eventDateFrom=day, eventDateTo=day
    )
    assert found["prospects"]["prospect"]


@pytest.mark.parametrize(
    "params",
    [{"propertyId": 5001}, {"propertyId": 5001, "applicationId": 1},
     {"propertyId": 5002, "applicationId": 70001}, {"applicationId": 70001}],
)  # fmt: skip
async def test_lead_events_of_a_wrong_application_or_of_nothing_are_refused(
    reader: Reader, params: dict[str, Any]
) -> None:
    assert (await reader.call("leads/getLeadEvents", **params)).status == 400


async def test_call_logs_show_the_calls_of_a_property(reader: Reader) -> None:
    result = await reader.read("leasingcenter/getCallLogs", propertyIds="5001")
    calls = listed(result["callLogs"]["callLog"])
    assert calls
    assert all(call["propertyId"] == 5001 and call["callFrom"] for call in calls)
