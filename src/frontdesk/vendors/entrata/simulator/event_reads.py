"""Entrata's reads of events: lease activities, lead events, call logs.

An event shows where it was written: by lease or by lead, never in both lists.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from frontdesk.sandbox.simulator import Json, Reply
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.entrata.simulator import mountain
from frontdesk.vendors.entrata.simulator.envelope import (
    Call,
    Params,
    Refusal,
    flattened,
    paged,
    success,
)
from frontdesk.vendors.entrata.simulator.reads import named_properties, property_of


def _created(params: Params, first: str, last: str) -> Callable[[Json], bool]:
    after, before = params.day(first), params.day(last)

    def within(event: Json) -> bool:
        made = mountain.day_of(datetime.fromisoformat(event["created"]))
        return (after is None or made >= after) and (before is None or made <= before)

    return within


def get_lease_activities(call: Call, scene: Scene) -> Reply:
    """`leases/getLeaseActivities`: what was written by lease, oldest first."""
    allowed = frozenset(
        {
            "propertyId",
            "leaseId",
            "createdOnDateFrom",
            "createdOnDateTo",
            "eventTypeIds",
            "leaseStatusTypeIds",
        }
    )
    params = Params(call.params, allowed)
    place = property_of(params, scene)
    number = params.required("leaseId")
    lease = scene.get("leases", number)
    if lease is None or lease["propertyId"] != place["id"]:
        raise Refusal(404, f"Lease {number} was not found at property {place['id']}.")
    types = params.identities("eventTypeIds")
    statuses = params.identities("leaseStatusTypeIds")
    within = _created(params, "createdOnDateFrom", "createdOnDateTo")
    rows = [
        _activity(event)
        for event in scene.children("events", number)
        if (types is None or event["typeId"] in types)
        and (statuses is None or lease["statusId"] in statuses)
        and within(event)
    ]
    page, headers = paged(call, rows)
    return success(call, {"events": flattened(page)}, *headers)


def _activity(event: Json) -> Json:
    shown: Json = {
        "eventId": event["id"],
        "typeId": event["typeId"],
        "leaseId": event["leaseId"],
        "leaseIntervalId": event["leaseIntervalId"],
        "type": event["type"],
        "getDataReferenceId": event["id"] + 1_000_000,
        "date": event["date"],
        "Comments": event["comments"],
    }
    return shown


def get_lead_events(call: Call, scene: Scene) -> Reply:
    """`leads/getLeadEvents`: what was written by lead, under its application."""
    allowed = frozenset(
        {"propertyId", "applicationId", "eventTypeIds", "eventDateFrom", "eventDateTo"}
    )
    params = Params(call.params, allowed)
    place = property_of(params, scene)
    wanted = params.identity("applicationId")
    types = params.identities("eventTypeIds")
    after, before = params.day("eventDateFrom"), params.day("eventDateTo")
    if wanted is None and types is None and after is None and before is None:
        raise Refusal(400, "applicationId is required without eventTypeIds and event dates.")
    if wanted is not None:
        application = scene.get("applications", wanted)
        if application is None or application["propertyId"] != place["id"]:
            raise Refusal(404, f"Application {wanted} was not found at property {place['id']}.")

    def meant(event: Json) -> bool:
        on = mountain.day(event["date"][:10], "date")
        return (
            (types is None or event["typeId"] in types)
            and (after is None or on >= after)
            and (before is None or on <= before)
        )

    rows = [
        (event["applicationId"], _lead_event(event))
        for application in scene.every("applications")
        if application["propertyId"] == place["id"] and wanted in (None, application["id"])
        for event in scene.children("events", application["id"])
        if meant(event)
    ]
    page, headers = paged(call, rows)
    grouped: dict[int, list[Json]] = {}
    for application_id, shown in page:
        grouped.setdefault(application_id, []).append(shown)
    prospects = [
        {"applicationId": application_id, "events": {"event": flattened(events)}}
        for application_id, events in grouped.items()
    ]
    return success(call, {"prospects": {"prospect": flattened(prospects)}}, *headers)


_LEAD_FIELDS = (
    "subtypeId",
    "eventResultId",
    "eventReasonId",
    "agentId",
    "unitId",
    "title",
    "appointmentDate",
    "timeFrom",
    "timeTo",
    "callData",
)


def _lead_event(event: Json) -> Json:
    shown: Json = {
        "eventId": event["id"],
        "typeId": event["typeId"],
        "leaseId": event["leaseId"],
        "leaseIntervalId": event["leaseIntervalId"],
        "applicantId": event["applicantId"],
        "date": event["date"],
        "type": event["type"],
        "comments": event["comments"],
    }
    shown.update({name: event[name] for name in _LEAD_FIELDS if event.get(name) is not None})
    return shown


def get_call_logs(call: Call, scene: Scene) -> Reply:
    """`leasingcenter/getCallLogs`: the call data of call events at the properties."""
    allowed = frozenset({"propertyIds", "callTypeIds", "callResultIds", "answerStatus"})
    params = Params(call.params, allowed)
    numbers = {place["id"] for place in named_properties(params, scene)}
    rows = [
        {"propertyId": event["propertyId"], "callDate": event["date"], **event["callData"]}
        for event in scene.every("events")
        if event["propertyId"] in numbers and isinstance(event.get("callData"), dict)
    ]
    page, headers = paged(call, rows)
    return success(call, {"callLogs": {"callLog": flattened(page)}}, *headers)
