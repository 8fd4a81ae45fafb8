"""Reads a resident's events back: the activities of each lease, the events of each application.

It is what decides whether an uncertain write is sent again, so it believes no answer that could
hide one: a missing list, a list that does not end, or events without any text where a text is
looked for, end the read instead of counting as "not found".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.contract import (
    FoundEvent,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Resident,
    Session,
)
from frontdesk.vendors.entrata import clock, nodes
from frontdesk.vendors.entrata.nodes import Node
from frontdesk.vendors.entrata.paging import whole
from frontdesk.vendors.times import rfc3339

_COMMENT = ("comments", "comment", "notes")


async def found(
    session: Session, resident: Resident, where: Mapping[str, str] | None
) -> tuple[FoundEvent, ...]:
    """The resident's events: at `where` (a trace's place), or at all of his leases and
    applications, each event once. Raises `NoAnswer`, `ReadRefused`."""
    events: dict[str, FoundEvent] = {}
    for place in _places(resident) if where is None else (where,):
        for item in await _read(session, place):
            event = _found_event(item, resident, place.get("property_id"))
            # GUESS: ids are one series, so the same id at a lease and an application is one event
            if event is not None:
                events.setdefault(event.x_id, event)
    return tuple(events.values())


def _places(resident: Resident) -> list[dict[str, str]]:
    places: list[dict[str, str]] = []
    for lease in resident.leases:
        x_property_id = lease.x_property_id or resident.x_property_id
        if x_property_id is None:
            continue
        at = {"property_id": x_property_id}
        places.append({"route": "lease", "lease_id": lease.x_id, **at})
        if lease.x_application_id is not None:
            places.append({"route": "lead", "application_id": lease.x_application_id, **at})
    return [place for i, place in enumerate(places) if place not in places[:i]]


async def _read(session: Session, place: Mapping[str, str]) -> Sequence[Node]:
    params: dict[str, Any] = {"propertyId": nodes.wire_number(place["property_id"])}
    if place["route"] == "lease":
        method = "getLeaseActivities"
        params["leaseId"] = nodes.wire_number(place["lease_id"])
        items = await whole(session, method, params, _activities)
    else:
        method = "getLeadEvents"
        x_application_id = place["application_id"]
        params["applicationId"] = nodes.wire_number(x_application_id)
        items = await whole(
            session, method, params, lambda result: _lead_events(result, x_application_id)
        )
    if place.get("expects") == "comment" and items and not any(map(_has_comment, items)):
        # GUESS: getLeadEvents tells comments. If it does not, "not found" would be a lie, and the
        # event would be written a second time.
        words = f"Entrata's {method} tells no comments, so an event cannot be recognised."
        raise ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unreadable_answer", words))
    return items


def _activities(result: Node) -> Sequence[Node] | None:
    return nodes.listed(result, "events", "event")


def _lead_events(result: Node, x_application_id: str) -> Sequence[Node] | None:
    prospects = nodes.listed(result, "prospects", "prospect")
    if prospects is None:
        return None
    return [
        event
        for prospect in prospects
        if nodes.identifier(prospect, "applicationId") in (None, x_application_id)
        for event in nodes.listed(prospect, "events", "event") or ()
    ]


def _has_comment(item: Node) -> bool:
    return nodes.value(item, *_COMMENT) is not None


def _found_event(item: Node, resident: Resident, x_property_id: str | None) -> FoundEvent | None:
    x_id = nodes.identifier(item, "eventId", "id")
    if x_id is None:
        return None
    instants = clock.instants(nodes.text(item, "date", "eventDate"))
    appointments = clock.appointment(
        nodes.text(item, "appointmentDate", "scheduleDateTime"), nodes.text(item, "timeFrom")
    )
    comment = nodes.text(item, *_COMMENT) or ""
    agent = nodes.identifier(item, "agentId", "leasingAgentId")
    name = nodes.text(item, "type", "eventType")
    call = nodes.child(item, "callData")
    return FoundEvent(
        x_id=x_id,
        x_resident_id=resident.x_id,
        text=comment,
        x_type_id=nodes.identifier(item, "typeId", "eventTypeId"),
        x_property_id=x_property_id or resident.x_property_id,
        instants=instants,
        author=agent,
        fields={
            "x_leasing_agent_id": agent,
            "x_type_id": nodes.identifier(item, "typeId", "eventTypeId"),
            "x_location_id": None,
            "event_name": name,
            # of a doubled hour the first: the cache shows one time, matching knows both
            "event_datetime": rfc3339(instants[0]) if instants else None,
            "appointment_datetime": rfc3339(appointments[0]) if appointments else None,
            "type_raw": name,
            "notes": comment or None,
            "agent_name": nodes.text(item, "agentName", "leasingAgent", "agent"),
            "reasons_for_event": nodes.text(item, "eventReasons", "eventReason", "eventReasonId"),
            "title": nodes.text(item, "title"),
            "time_from": nodes.text(item, "timeFrom"),
            "time_to": nodes.text(item, "timeTo"),
            "call_phone_number_from": nodes.text(call, "callFrom"),
            "call_phone_number_to": nodes.text(call, "ringThrough"),
            "call_status": nodes.text(call, "callStatus"),
            "call_duration": _seconds(call),
            "call_audio_link": nodes.text(call, "audioLink"),
        },
    )


def _seconds(call: Node) -> int | None:
    """GUESS: a call's duration is read in the seconds in which it is written."""
    duration = values.number(nodes.value(call, "duration"))
    return duration if isinstance(duration, int) and 0 <= duration <= 86_400 else None
