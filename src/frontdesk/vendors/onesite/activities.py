"""Reads a resident's activities back, lease by lease.

It is what decides whether an uncertain write is sent again, so it believes no answer that could
hide an activity: an answer that holds something but no entry that is known, an entry without an
id, or entries of which none has a text, end the read instead of counting as "not found". What the
log's elements are called is a GUESS, and a file that an operator can replace.
"""

from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

from frontdesk.vendors import templates, values, xml
from frontdesk.vendors.contract import Answer, FoundEvent, Resident, Session
from frontdesk.vendors.onesite.answers import refusal, result_of
from frontdesk.vendors.onesite.gateway import Gateway, Operation

NAMES_FILE = "residentactivitylog.json"

_ECHOED = frozenset({"siteid", "pmcid", "leaseid", "status", "message"})
"""Elements that an empty log may hold as well: who was asked for, and that all went well."""


async def found(
    session: Session, gateway: Gateway, resident: Resident, where: Mapping[str, str] | None
) -> tuple[FoundEvent, ...]:
    """The resident's activities: at `where` (a trace's place), or on all of his leases, each once.
    Raises `NoAnswer`, `ReadRefused`."""
    events: dict[str, FoundEvent] = {}
    for place in _places(resident) if where is None else (where,):
        request = gateway.request(
            session.access,
            Operation.READ_ACTIVITIES,
            place["site_id"],
            {"leaseid": place["leaseid"], "residentmemberid": resident.x_id},
        )
        answer = await session.call(request)
        for event in _entries(answer, gateway, resident, place):
            events.setdefault(event.x_id, event)
    return tuple(events.values())


def _places(resident: Resident) -> list[dict[str, str]]:
    places: list[dict[str, str]] = []
    for lease in resident.leases:
        site_id = lease.x_property_id or resident.x_property_id
        if site_id is not None:
            places.append({"site_id": site_id, "leaseid": lease.x_id})
    return places


def _entries(
    answer: Answer, gateway: Gateway, resident: Resident, place: Mapping[str, str]
) -> Iterator[FoundEvent]:
    result = result_of(answer, gateway.method(Operation.READ_ACTIVITIES))
    names = templates.names(gateway.vendor, NAMES_FILE)
    entries = list(xml.descendants(result, names["entry"]))
    if not entries and any(map(_tells_something, result.iter())):
        raise refusal(
            answer, f"OneSite's activity log holds no element {names['entry']}, but others."
        )
    if entries and all(xml.find(entry, names["text"]) is None for entry in entries):
        raise refusal(answer, f"No entry of OneSite's activity log has an element {names['text']}.")
    for entry in entries:
        if _word(entry, names["lease"]) not in (None, place["leaseid"]):
            continue
        if _word(entry, names["resident"]) not in (None, resident.x_id):
            continue  # of somebody else on the same lease
        x_id = values.identifier(_word(entry, names["id"]))
        if x_id is None:
            raise refusal(answer, "OneSite's activity log holds an entry without an id.")
        yield _event(entry, names, x_id, resident, place["site_id"])


def _tells_something(element: Element) -> bool:
    text = (element.text or "").strip()
    return bool(text) and xml.name_of(element) not in _ECHOED


def _event(
    entry: Element, names: Mapping[str, str], x_id: str, resident: Resident, site_id: str
) -> FoundEvent:
    # Written to the letter, and read so: blanks at its edges are part of a text.
    text = values.text(xml.raw_text_of(entry, names["text"])) or ""
    x_type_id = values.identifier(_word(entry, names["type"]))
    type_name = _word(entry, names["type_name"])
    return FoundEvent(
        x_id=x_id,
        x_resident_id=resident.x_id,
        text=text,
        x_type_id=x_type_id,
        x_property_id=site_id,
        fields={
            "x_leasing_agent_id": None,
            "x_type_id": x_type_id,
            "x_location_id": None,
            "event_name": type_name,
            # The log's time has no offset, and no read of OneSite tells a site's time zone.
            "event_datetime": None,
            "type_raw": type_name,
            "notes": text or None,
            "agent_name": _word(entry, names["author"]),
        },
    )


def _word(entry: Element, name: str) -> str | None:
    return values.text(xml.text_of(entry, name))
