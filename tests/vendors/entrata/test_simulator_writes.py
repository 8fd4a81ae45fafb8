"""The simulated Entrata's two writes: by lease, by lead, and the clock of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

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


# --- the write by lease -------------------------------------------------------------------------


async def test_a_lease_activity_is_written_without_telling_its_id(entrata: Entrata) -> None:
    result = await entrata.result("sendLeaseActivities", by_lease())
    item = result["events"]["event"]
    assert set(item) == {"node", "leaseId", "status", "message"}
    assert (item["leaseId"], item["status"]) == (88003, "Success")
    (effect,) = await entrata.sandbox.effects()
    assert effect["x_id"] not in str(result)
    assert (effect["kind"], effect["text"]) == ("note", "Left a welcome letter")
    assert effect["x_resident_id"] == "61005"
    assert effect["occurred_at"] == "2025-11-21T16:30:00.000000Z"
    assert effect["fields"]["method"]["params"] == by_lease()
    read = await entrata.result("getLeaseActivities", {"propertyId": 5001, "leaseId": 88003})
    assert read["events"]["eventId"] == int(effect["x_id"])
    assert read["events"]["Comments"] == "Left a welcome letter"
    assert read["events"]["date"] == "11/21/2025T09:30:00"
    assert (await entrata.lead_events())["prospects"]["prospect"] == []


@pytest.mark.parametrize(
    ("type_id", "more"),
    [
        (4, {"eventResultId": 21}),
        (5, {"eventResultId": 31}),
        (6, {"eventResultId": 32}),
        (8, {"comment": None}),
        (15, {"leasingAgentId": 31, "scheduleDateTime": "11/24/2025T10:00:00"}),
        (56, {}),
        (335, {}),
        (436, {"hazardNote": "Dog", "hazardEndDate": "12/31/2025", "comment": None}),
    ],
)
async def test_each_of_the_eight_types_goes_by_lease(
    entrata: Entrata, type_id: int, more: dict[str, Any]
) -> None:
    result = await entrata.result("sendLeaseActivities", by_lease(eventTypeId=type_id, **more))
    assert result["events"]["event"]["status"] == "Success"
    assert len(await entrata.sandbox.effects()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"leaseId": 99999},
        {"leaseId": 88025},
        {"eventTypeId": 17},
        {"eventTypeId": 3},
        {"eventTypeId": 999},
        {"eventTypeId": 4, "eventResultId": 21, "comment": None},
        {"eventTypeId": 5, "eventResultId": 31, "comment": "  "},
        {"eventTypeId": 6, "eventResultId": 32, "comment": ""},
        {"eventTypeId": 4},
        {"eventTypeId": 4, "eventResultId": 31},
        {"eventResultId": 12},
        {"eventTypeId": 15, "leasingAgentId": 31},
        {"eventTypeId": 15, "scheduleDateTime": "11/24/2025T10:00:00"},
        {"leasingAgentId": 34},
        {"leasingAgentId": 35},
        {"leasingAgentId": 38},
        {"leasingAgentId": 999},
        {"leasingAgentId": "x"},
        {"scheduleDateTime": "tomorrow"},
        {"hazardNote": "Dog"},
        {"hazardEndDate": "12/31/2025"},
        {"eventTypeId": 436, "hazardEndDate": "2025-12-31"},
        {"leaseIntervalId": 90001},
        {"customerIds": "61001"},
        {"customerIds": "61005,61001"},
        {"customerIds": "x"},
        {"comment": 5},
        {"eventDateTime": "2025-11-21T09:30:00"},
        {"eventDateTime": "11/21/2025"},
        {"eventDateTime": "11/21/2025T09:30:00Z"},
        {"eventDateTime": "13/21/2025T09:30:00"},
        {"eventDateTime": "03/09/2025T02:30:00"},
    ],
)
async def test_a_wrong_lease_activity_fails_its_item_inside_a_success(
    entrata: Entrata, changes: dict[str, Any]
) -> None:
    result = await entrata.result("sendLeaseActivities", by_lease(**changes))
    item = result["events"]["event"]
    assert item["status"] == "Failure"
    assert item["message"]
    assert await entrata.sandbox.effects() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"propertyId": None},
        {"propertyId": 1},
        {"propertyId": "abc"},
        {"propertyId": True},
        {"propertyId": 5004},
        {"leaseId": None},
        {"leaseId": "x"},
        {"eventTypeId": None},
        {"eventDateTime": None},
        {"notes": "no such parameter"},
    ],
)
async def test_a_lease_activity_that_is_no_proper_call_fails_the_envelope(
    entrata: Entrata, changes: dict[str, Any]
) -> None:
    answer = await entrata.call("sendLeaseActivities", by_lease(**changes))
    assert answer.status == 400
    failed(answer)
    assert await entrata.sandbox.effects() == []


async def test_an_activity_without_customers_is_the_primary_ones(entrata: Entrata) -> None:
    await entrata.result("sendLeaseActivities", by_lease(customerIds=None))
    await entrata.result("sendLeaseActivities", by_lease(customerIds="61006, 61005"))
    assert [e["x_resident_id"] for e in await entrata.sandbox.effects()] == ["61005", "61006"]


# --- the write by lead --------------------------------------------------------------------------


async def test_an_event_by_lead_keeps_everything_and_tells_no_id(entrata: Entrata) -> None:
    application = await application_of_61005(entrata)
    full = event(
        typeId=17,
        subtypeId=454,
        eventResultId=12,
        agentId=31,
        unitId=903,
        eventReasonId=3,
        title="Rent call",
        appointmentDate="11/24/2025",
        timeFrom="10:00",
        timeTo="10:30",
        callData={"callFrom": "3035550111", "duration": 60},
        emailData={"to": "a@example.com"},
    )
    result = await entrata.result("updateLeads", by_lead(full, application=application))
    item = result["Prospects"]["Prospect"]["@attributes"]
    assert set(item) == {"node", "reference_id", "applicant_id", "status", "message"}
    assert (item["reference_id"], item["status"]) == (application, "Success")
    (effect,) = await entrata.sandbox.effects()
    assert effect["x_id"] not in str(result)
    assert (effect["kind"], effect["x_resident_id"]) == ("appointment", "61005")
    params = {"propertyId": 5001, "applicationId": application}
    read = await entrata.result("getLeadEvents", params)
    shown = read["prospects"]["prospect"]["events"]["event"]
    assert shown["eventId"] == int(effect["x_id"])
    for name in ("typeId", "subtypeId", "comments", "date", "appointmentDate", "callData"):
        assert shown[name] == full[name]
    lease = await entrata.result("getLeaseActivities", {"propertyId": 5001, "leaseId": 88003})
    assert lease["events"] == []


async def test_r2_answers_a_plain_list(entrata: Entrata) -> None:
    result = await entrata.result("updateLeads", by_lead(event()), "r2")
    assert [set(item) for item in result["prospects"]] == [{"node", "status", "message"}]
    assert result["prospects"][0]["status"] == "Success"


@pytest.mark.parametrize("version", ["r1", "r2"])
async def test_each_prospect_stands_or_falls_on_its_own(entrata: Entrata, version: str) -> None:
    rows = [
        {"applicationId": 70001, "events": {"event": event(comments="good")}},
        {"applicationId": 70001, "events": {"event": [event(), event(typeId=999)]}},
        {"applicationId": 999, "events": {"event": event()}},
    ]
    params = {"propertyId": 5001, "prospects": {"prospect": rows}}
    result = await entrata.result("updateLeads", params, version)
    items = (
        result["prospects"]
        if version == "r2"
        else [row["@attributes"] for row in result["Prospects"]["Prospect"]]
    )
    assert [(i["node"], i["status"]) for i in items] == [
        (1, "Success"),
        (2, "Failure"),
        (3, "Failure"),
    ]
    assert [e["text"] for e in await entrata.sandbox.effects()] == ["good"]


@pytest.mark.parametrize(
    ("changes", "application"),
    [
        ({}, 99999),
        ({}, None),
        ({}, "x"),
        ({}, 70060),
        ({"typeId": 999}, 70001),
        ({"typeId": None}, 70001),
        ({"type": "Tour"}, 70001),
        ({"typeId": 78, "subtypeId": 454}, 70001),
        ({"subtypeId": 454}, 70001),
        ({"subtypeId": 9}, 70001),
        ({"typeId": 17, "eventResultId": 21}, 70001),
        ({"eventResultId": 9}, 70001),
        ({"agentId": 34}, 70001),
        ({"agentId": 35}, 70001),
        ({"agentId": 38}, 70001),
        ({"unitId": 930}, 70001),
        ({"unitId": 9}, 70001),
        ({"eventReasonId": "rent"}, 70001),
        ({"date": "2025-11-21T09:30:00Z"}, 70001),
        ({"date": "03/08/2026T02:15:00"}, 70001),
        ({"appointmentDate": "2025-11-24"}, 70001),
        ({"timeFrom": "10:00"}, 70001),
        ({"appointmentDate": "11/24/2025", "timeFrom": "25:00"}, 70001),
        ({"appointmentDate": "11/24/2025", "timeFrom": "10:00", "timeTo": "09:00"}, 70001),
        ({"appointmentDate": "11/24/2025", "timeTo": "09:00"}, 70001),
        ({"callData": "x"}, 70001),
        ({"comment": "wrong key"}, 70001),
        ({"comments": ["x"]}, 70001),
    ],
)
async def test_a_wrong_event_by_lead_fails_its_item_inside_a_success(
    entrata: Entrata, changes: dict[str, Any], application: Any
) -> None:
    params = by_lead(event(**changes), application=application)
    result = await entrata.result("updateLeads", params)
    item = result["Prospects"]["Prospect"]["@attributes"]
    assert item["status"] == "Failure"
    assert item["message"]
    assert await entrata.sandbox.effects() == []


@pytest.mark.parametrize(
    "params",
    [
        {"prospects": {"prospect": {"applicationId": 70001, "events": {"event": event()}}}},
        {"propertyId": 5001},
        {"propertyId": 5001, "prospects": []},
        {"propertyId": 5001, "applicationId": 70001, "typeId": 8},
        by_lead(event(), propertyId=5004),
        by_lead(event(), propertyId=1),
    ],
)
async def test_a_write_by_lead_that_is_no_proper_call_fails_the_envelope(
    entrata: Entrata, params: dict[str, Any]
) -> None:
    answer = await entrata.call("updateLeads", params)
    assert answer.status == 400
    failed(answer)
    assert await entrata.sandbox.effects() == []


@pytest.mark.parametrize(
    ("type_id", "kind"),
    [(1, "email_in"), (2, "email_out"), (3, "call_in"), (4, "call_out"), (5, "text"), (6, "text"),
     (7, "chat"), (8, "note"), (59, "note"), (320, "note"), (9, "visit"), (78, "visit"),
     (173, "visit"), (15, "task"), (17, "appointment"), (10, "other"), (56, "other"),
     (335, "other"), (436, "other")],
)  # fmt: skip
async def test_every_seeded_type_goes_by_lead_under_its_class(
    entrata: Entrata, type_id: int, kind: str
) -> None:
    await entrata.result("updateLeads", by_lead(event(typeId=type_id)))
    assert [e["kind"] for e in await entrata.sandbox.effects()] == [kind]


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("01/15/2026T08:00:00", "2026-01-15T15:00:00.000000Z"),
        ("07/15/2026T08:00:00", "2026-07-15T14:00:00.000000Z"),
        ("03/08/2026T01:59:59", "2026-03-08T08:59:59.000000Z"),
        ("03/08/2026T03:00:00", "2026-03-08T09:00:00.000000Z"),
        ("11/01/2026T01:30:00", "2026-11-01T07:30:00.000000Z"),
        ("11/01/2026T02:00:00", "2026-11-01T09:00:00.000000Z"),
    ],
    ids=["winter", "summer", "before spring", "after spring", "doubled: earlier", "after autumn"],
)
async def test_wire_times_are_us_mountain_time(entrata: Entrata, local: str, instant: str) -> None:
    await entrata.result("sendLeaseActivities", by_lease(eventDateTime=local))
    await entrata.result("updateLeads", by_lead(event(date=local)))
    assert [e["occurred_at"] for e in await entrata.sandbox.effects()] == [instant, instant]


async def test_an_hour_that_spring_leaves_out_is_refused_by_both_writes(entrata: Entrata) -> None:
    local = "03/08/2026T02:30:00"
    lease = await entrata.result("sendLeaseActivities", by_lease(eventDateTime=local))
    assert "daylight" in lease["events"]["event"]["message"]
    lead = await entrata.result("updateLeads", by_lead(event(date=local)))
    assert "daylight" in lead["Prospects"]["Prospect"]["@attributes"]["message"]
