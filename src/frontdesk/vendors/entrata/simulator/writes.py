"""Entrata's two ways to write an event against a resident: by lease, and by lead.

Neither answer names the new event's id. What is wrong with the call as a whole (a missing or
unknown property, a malformed id) fails the envelope; what is wrong with the event fails its item,
inside HTTP 200 and `code: 200`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from frontdesk.sandbox.simulator import Json, Reply
from frontdesk.sandbox.world import Scene, stamp
from frontdesk.vendors.entrata.simulator import mountain
from frontdesk.vendors.entrata.simulator.envelope import (
    Call,
    ItemRefusal,
    Params,
    Refusal,
    flattened,
    identity,
    members,
    success,
)
from frontdesk.vendors.entrata.simulator.picklists import (
    COMMENT_BY_LEASE,
    EVENT_TYPES,
    FOLLOW_UP,
    HAZARD,
    RESULTS,
    SUB_TYPES,
    TAKEN_BY_LEASE,
    class_of,
)
from frontdesk.vendors.entrata.simulator.reads import property_of

_LEASE_PARAMS = frozenset(
    {
        "propertyId",
        "leaseId",
        "eventTypeId",
        "eventDateTime",
        "comment",
        "eventResultId",
        "leasingAgentId",
        "scheduleDateTime",
        "hazardNote",
        "hazardEndDate",
        "leaseIntervalId",
        "customerIds",
    }
)
_LEAD_EVENT_KEYS = frozenset(
    {
        "typeId",
        "type",
        "subtypeId",
        "eventResultId",
        "date",
        "agentId",
        "unitId",
        "eventReasonId",
        "comments",
        "title",
        "appointmentDate",
        "timeFrom",
        "timeTo",
        "callData",
        "emailData",
    }
)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A checked event, ready to be stored."""

    record: Json
    parent: int
    customer: int
    text: str
    occurred_at: datetime


def _active_property(params: Params, scene: Scene) -> Json:
    place = property_of(params, scene)
    if not place["isActive"]:
        raise Refusal(403, f"Property {place['id']} is disabled.")
    return place


def _text(values: Json, name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ItemRefusal(f"{name} must be a text.")
    return value


def _optional_id(values: Json, name: str) -> int | None:
    value = values.get(name)
    return None if value in (None, "") else identity(value, name)


def _check_result(number: int | None, type_id: int) -> None:
    if number is not None and not any(r.id == number and r.type_id == type_id for r in RESULTS):
        raise ItemRefusal(f"Event result {number} does not belong to event type {type_id}.")


def _check_agent(number: int | None, place: Json, scene: Scene) -> None:
    if number is None:
        return
    member = scene.get("staff", number)
    if member is None or place["id"] not in member["agentAt"]:
        raise ItemRefusal(f"{number} is not a leasing agent of property {place['id']}.")


def _store(draft: _Draft, call: Call, scene: Scene) -> None:
    number = scene.next_number("events")
    created = {"id": number, "created": stamp(scene.now)}
    scene.put("events", number, draft.record | created, parent=draft.parent)
    scene.effect(
        x_id=str(number),
        x_resident_id=str(draft.customer),
        kind=class_of(draft.record["typeId"]),
        text=draft.text,
        occurred_at=draft.occurred_at,
        fields=call.request.json_object,
    )


def send_lease_activities(call: Call, scene: Scene) -> Reply:
    """`leases/sendLeaseActivities` r1."""
    params = Params(call.params, _LEASE_PARAMS)
    place = _active_property(params, scene)
    number = params.required("leaseId")
    type_id = params.required("eventTypeId")
    if call.params.get("eventDateTime") in (None, ""):
        raise Refusal(400, "eventDateTime is required.")
    try:
        draft = _lease_draft(call.params, place, number, type_id, scene)
    except (ItemRefusal, mountain.BadTime) as problem:
        return lease_answer(call, number, "Failure", str(problem))
    _store(draft, call, scene)
    return lease_answer(call, number, "Success", "Lease activity has been added successfully.")


def lease_answer(call: Call, lease: object, status: str, message: str) -> Reply:
    """The answer of a write by lease: item-level status, no id."""
    event = {"node": 1, "leaseId": lease, "status": status, "message": message}
    return success(call, {"events": {"event": event}})


def _lease_draft(values: Json, place: Json, number: int, type_id: int, scene: Scene) -> _Draft:
    lease = scene.get("leases", number)
    if lease is None:
        raise ItemRefusal(f"Lease {number} was not found.")
    if lease["propertyId"] != place["id"]:
        raise ItemRefusal(f"Lease {number} does not belong to property {place['id']}.")
    if type_id not in TAKEN_BY_LEASE:
        raise ItemRefusal(f"Event type {type_id} is not accepted for lease activities.")
    occurred_at = mountain.moment(values["eventDateTime"], "eventDateTime")
    comment = _text(values, "comment")
    result = _optional_id(values, "eventResultId")
    if type_id in COMMENT_BY_LEASE and not comment.strip():
        raise ItemRefusal(f"comment is required for event type {type_id}.")
    if type_id in COMMENT_BY_LEASE and result is None:
        raise ItemRefusal(f"eventResultId is required for event type {type_id}.")
    _check_result(result, type_id)
    agent = _optional_id(values, "leasingAgentId")
    schedule = values.get("scheduleDateTime")
    if type_id == FOLLOW_UP and (agent is None or schedule in (None, "")):
        raise ItemRefusal("leasingAgentId and scheduleDateTime are required for event type 15.")
    _check_agent(agent, place, scene)
    if schedule not in (None, ""):
        mountain.moment(schedule, "scheduleDateTime")
    hazard = _text(values, "hazardNote")
    ends = values.get("hazardEndDate")
    if type_id != HAZARD and (hazard or ends not in (None, "")):
        raise ItemRefusal("hazardNote and hazardEndDate are for hazard notes alone.")
    if ends not in (None, ""):
        mountain.day(ends, "hazardEndDate")
    interval = _optional_id(values, "leaseIntervalId")
    if interval not in (None, lease["leaseIntervalId"]):
        raise ItemRefusal(f"Lease interval {interval} does not belong to lease {number}.")
    customer = _customer(values.get("customerIds"), lease)
    text = comment or hazard
    record = {
        "route": "lease",
        "typeId": type_id,
        "type": EVENT_TYPES[type_id],
        "leaseId": number,
        "leaseIntervalId": lease["leaseIntervalId"],
        "propertyId": place["id"],
        "date": values["eventDateTime"],
        "comments": text,
        "eventResultId": result,
    }
    return _Draft(record, number, customer, text, occurred_at)


def _customer(value: Any, lease: Json) -> int:
    """The customer whom the activity is about: the first named, else the lease's primary one."""
    if value in (None, ""):
        first: int = lease["customerIds"][0]
        return first
    parts = value.split(",") if isinstance(value, str) else [value]
    numbers = [identity(p.strip() if isinstance(p, str) else p, "customerIds") for p in parts]
    for number in numbers:
        if number not in lease["customerIds"]:
            raise ItemRefusal(f"Customer {number} is not on lease {lease['id']}.")
    return numbers[0]


def update_leads(call: Call, scene: Scene) -> Reply:
    """`leads/updateLeads` r1 and r2: every prospect of the call stands or falls on its own."""
    params = Params(call.params, frozenset({"propertyId", "prospects"}))
    place = _active_property(params, scene)
    prospects = call.params.get("prospects")
    rows = members(prospects.get("prospect")) if isinstance(prospects, dict) else []
    if not rows:
        raise Refusal(400, "prospects.prospect is required.")
    items: list[Json] = []
    for node, row in enumerate(rows, start=1):
        try:
            application, drafts = _lead_drafts(row, place, scene)
        except (ItemRefusal, mountain.BadTime) as problem:
            reference = row.get("applicationId", "") if isinstance(row, dict) else ""
            items.append(lead_item(node, reference, "", "Failure", str(problem)))
            continue
        for draft in drafts:
            _store(draft, call, scene)
        message = "Lead has been updated successfully."
        reference, applicant = application["id"], application["applicantId"]
        items.append(lead_item(node, reference, applicant, "Success", message))
    return lead_answer(call, items)


def lead_item(node: int, reference: object, applicant: object, status: str, message: str) -> Json:
    """One item of the answer to a write by lead: a status, no id of the event."""
    return {
        "node": node,
        "reference_id": reference,
        "applicant_id": applicant,
        "status": status,
        "message": message,
    }


def lead_answer(call: Call, items: list[Json]) -> Reply:
    """The answer of `updateLeads`: r1 with attributes, r2 with a plain list."""
    if call.version == "r2":
        shown = [{key: item[key] for key in ("node", "status", "message")} for item in items]
        return success(call, {"prospects": shown})
    wrapped = [{"@attributes": item} for item in items]
    return success(call, {"Prospects": {"Prospect": flattened(wrapped)}})


def _lead_drafts(row: object, place: Json, scene: Scene) -> tuple[Json, list[_Draft]]:
    if not isinstance(row, dict) or set(row) - {"applicationId", "events"}:
        raise ItemRefusal("A prospect holds applicationId and events alone.")
    number = identity(row.get("applicationId"), "applicationId")
    application = scene.get("applications", number)
    if application is None:
        raise ItemRefusal(f"Application {number} was not found.")
    if application["propertyId"] != place["id"]:
        raise ItemRefusal(f"Application {number} does not belong to property {place['id']}.")
    events = row.get("events")
    values = members(events.get("event")) if isinstance(events, dict) else []
    if not values:
        raise ItemRefusal("events.event is required.")
    return application, [_lead_draft(value, application, place, scene) for value in values]


def _lead_draft(values: object, application: Json, place: Json, scene: Scene) -> _Draft:
    if not isinstance(values, dict):
        raise ItemRefusal("An event must be an object.")
    unknown = sorted(set(values) - _LEAD_EVENT_KEYS)
    if unknown:
        raise ItemRefusal(f"Unknown key of an event: {', '.join(unknown)}.")
    type_id = identity(values.get("typeId"), "typeId")
    if type_id not in EVENT_TYPES:
        raise ItemRefusal(f"Event type {type_id} was not found.")
    if values.get("type") not in (None, "", EVENT_TYPES[type_id]):
        raise ItemRefusal(f"type is not the name of event type {type_id}.")
    date = values.get("date")
    occurred_at = mountain.moment(date, "date") if date not in (None, "") else scene.now
    sub_type = _optional_id(values, "subtypeId")
    if sub_type is not None and not any(
        s.id == sub_type and s.type_id == type_id for s in SUB_TYPES
    ):
        raise ItemRefusal(f"Event sub type {sub_type} does not belong to event type {type_id}.")
    result = _optional_id(values, "eventResultId")
    _check_result(result, type_id)
    agent = _optional_id(values, "agentId")
    _check_agent(agent, place, scene)
    unit_id = _optional_id(values, "unitId")
    unit = scene.get("units", unit_id) if unit_id is not None else None
    if unit_id is not None and (unit is None or unit["propertyId"] != place["id"]):
        raise ItemRefusal(f"Unit {unit_id} does not belong to property {place['id']}.")
    _check_appointment(values)
    for name in ("callData", "emailData"):
        if not isinstance(values.get(name), dict | None):
            raise ItemRefusal(f"{name} must be an object.")
    comments, title = _text(values, "comments"), _text(values, "title")
    record = {
        "route": "lead",
        "typeId": type_id,
        "type": EVENT_TYPES[type_id],
        "leaseId": application["leaseId"],
        "leaseIntervalId": application["leaseIntervalId"],
        "propertyId": place["id"],
        "applicationId": application["id"],
        "applicantId": application["applicantId"],
        "date": date or mountain.shown(scene.now),
        "comments": comments,
        "title": title or None,
        "subtypeId": sub_type,
        "eventResultId": result,
        "eventReasonId": _optional_id(values, "eventReasonId"),
        "agentId": agent,
        "unitId": unit_id,
        "appointmentDate": values.get("appointmentDate"),
        "timeFrom": values.get("timeFrom"),
        "timeTo": values.get("timeTo"),
        "callData": values.get("callData"),
        "emailData": values.get("emailData"),
    }
    text = comments or title
    return _Draft(record, application["id"], application["customerId"], text, occurred_at)


def _check_appointment(values: Json) -> None:
    begins, ends = values.get("timeFrom"), values.get("timeTo")
    on = values.get("appointmentDate")
    if on not in (None, ""):
        mountain.day(on, "appointmentDate")
    elif begins not in (None, "") or ends not in (None, ""):
        raise ItemRefusal("timeFrom and timeTo need appointmentDate.")
    if begins not in (None, ""):
        mountain.hour(begins, "timeFrom")
    if ends not in (None, ""):
        mountain.hour(ends, "timeTo")
        if begins in (None, "") or str(ends) <= str(begins):
            raise ItemRefusal("timeTo must be after timeFrom.")
