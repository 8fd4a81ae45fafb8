"""Propertyware's records, read into the catalog's shapes.

One function a model, each from upstream objects; what Propertyware does not tell stays None. The
names are those of the REST reference, compared without their capitals (`unitID`, `unitId`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.contract import FoundEvent, Lease, LeaseStatus, Record
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.propertyware.axis import Value
from frontdesk.vendors.propertyware.guesses import lease_status
from frontdesk.vendors.propertyware.plan import unmarked
from frontdesk.vendors.times import rfc3339

Upstream = Mapping[str, Any]

_RANK: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past", "applicant", "cancelled")
_PHONES = (("mobilephone", "MOBILE"), ("homephone", "HOME"), ("workphone", "WORK"),
           ("otherphone", "OTHER"))  # fmt: skip
_SOAP_FIELDS = (
    "ID", "firstName", "middleName", "lastName", "email", "mobilePhone", "homePhone", "workPhone",
    "birthDate",
)  # fmt: skip


def lowered(item: Upstream) -> Upstream:
    """The object with its names in lower case."""
    return {name.lower(): value for name, value in item.items()}


def property_record(item: Upstream) -> Record:
    """From `GET /buildings`: GUESS, a building is what the contract calls a property."""
    building = lowered(item)
    kind = values.text(building.get("propertytype")) or values.text(building.get("type"))
    return Record(
        model=Model.PROPERTIES,
        x_id=_id(building),
        x_property_id=_id(building),
        extra={"portfolio_id": values.identifier(building.get("portfolioid"))},
        fields={
            "name": values.text(building.get("name")),
            "code": values.text(building.get("abbreviation")),
            "is_active": values.truth(building.get("active")),
            **_address(building.get("address")),
            "number_of_units": values.number(building.get("countunit")),
            "type_normalized": None if kind is None else _upper_snake(kind),
            "timezone": None,
        },
    )


def unit_record(item: Upstream) -> Record:
    """From `GET /units`."""
    unit = lowered(item)
    status = (values.text(unit.get("status")) or "").lower()
    return Record(
        model=Model.UNITS,
        x_id=_id(unit),
        x_property_id=values.identifier(unit.get("buildingid")),
        fields={
            "number": values.text(unit.get("name")) or values.text(unit.get("abbreviation")),
            "building_name": None,
            "building_number": None,
            "floor": values.text(unit.get("floornumber")),
            "bedrooms": values.number(unit.get("numberofbedrooms")),
            "bathrooms": values.number(unit.get("numberofbathrooms")),
            "square_feet": values.number(unit.get("totalarea")),
            "is_vacant": {"vacant": True, "occupied": False}.get(status),
            # GUESS: what is ready to lease is available.
            "is_available": values.truth(unit.get("ready")),
            **_address(unit.get("address")),
        },
    )


def employee_records(buildings: Iterable[Upstream]) -> tuple[Record, ...]:
    """Every property manager of these buildings, once, with all of his buildings. All buildings
    must be there: half of somebody's would replace the other half."""
    people: dict[str, Upstream] = {}
    places: dict[str, set[str]] = {}
    roles: dict[str, set[str]] = {}
    for building in map(lowered, buildings):
        for manager in map(lowered, values.objects(building.get("propertymanagerlist"))):
            # GUESS: `userID` is the person, `id` may be his place at this one building.
            x_id = values.identifier(manager.get("userid")) or values.identifier(manager.get("id"))
            if x_id is None:
                continue
            people.setdefault(x_id, manager)
            places.setdefault(x_id, set()).add(_id(building))
            if role := values.text(manager.get("roleasstring")):
                roles.setdefault(x_id, set()).add(_upper_snake(role))
    return tuple(
        Record(
            model=Model.EMPLOYEES,
            x_id=x_id,
            links={"x_property_ids": sorted(places[x_id])},
            fields={
                "name": values.text(person.get("name")),
                "email": values.text(person.get("email")),
                "is_active": None,
                "roles": sorted(roles.get(x_id, ())),
            },
        )
        for x_id, person in people.items()
    )


def leases_by_contact(
    items: Iterable[Upstream], wanted: frozenset[str], today: date
) -> dict[str, list[tuple[Lease, str | None]]]:
    """The leases (from `GET /leases`) of the wanted contacts, each with its notice date."""
    found: dict[str, list[tuple[Lease, str | None]]] = {}
    for item in map(lowered, items):
        tenants = {
            x_id
            for contact in map(lowered, values.objects(item.get("contacts")))
            if (x_id := values.identifier(contact.get("id"))) in wanted and x_id is not None
        }
        if not tenants:
            continue
        entry = _lease(item, today), values.iso(values.calendar_date(item.get("noticegivendate")))
        for x_id in tenants:
            found.setdefault(x_id, []).append(entry)
    return found


def resident_record(item: Upstream, told: Sequence[tuple[Lease, str | None]]) -> Record:
    """From `GET /contacts?type=TENANT`, with his leases."""
    contact = lowered(item)
    ordered = sorted(told, key=lambda entry: (_RANK.index(entry[0].status), entry[0].x_id))
    leases = tuple(lease for lease, _ in ordered)
    units = [lease.x_unit_id for lease in leases if lease.x_unit_id]
    first, last = values.text(contact.get("firstname")), values.text(contact.get("lastname"))
    (phone_1, type_1), (phone_2, type_2) = _phones(contact)
    return Record(
        model=Model.RESIDENTS,
        x_id=_id(contact),
        x_property_id=leases[0].x_property_id if leases else None,
        leases=leases,
        links={"x_unit_id": units[0], "x_unit_ids": sorted(set(units))} if units else {},
        # For the subject of a note on his lease.
        extra={"name": " ".join(part for part in (first, last) if part)},
        fields={
            "first_name": first,
            "middle_name": values.text(contact.get("middlename")),
            "last_name": last,
            "email_1": values.text(contact.get("email")),
            "email_2": values.text(contact.get("altemail")),
            "phone_1": phone_1,
            "phone_1_type": type_1,
            "phone_2": phone_2,
            "phone_2_type": type_2,
            **_address(contact.get("address")),
            "date_of_birth": values.iso(values.calendar_date(contact.get("birthdate"))),
            "leases_meta_data": [_lease_row(lease, notice) for lease, notice in ordered],
            "custom_data": {},
        },
    )


def resident_of_soap(value: Value) -> Record | None:
    """From SOAP `getContactsByType`, which tells of no lease; None for what has no ID."""
    item = {name: value.text(name) for name in _SOAP_FIELDS}
    if values.identifier(item["ID"]) is None:
        return None
    return resident_record(item, ())


def found_event(item: Upstream, x_resident_id: str, x_property_id: str | None) -> FoundEvent:
    """From a lease's notes. The day that a note shows is not compared with that of a write: whether
    it is the event's or the writing's is not sure, and a wrong "not there" would write it twice."""
    note = lowered(item)
    body = values.text(note.get("body")) or ""
    name, _ = unmarked(values.text(note.get("subject")) or "")
    day = values.calendar_date(note.get("date"))
    return FoundEvent(
        x_id=_id(note),
        x_resident_id=x_resident_id,
        text=body,
        x_property_id=x_property_id,
        fields={
            "x_leasing_agent_id": None,
            "x_type_id": None,
            "x_location_id": None,
            "event_name": name or None,
            "event_datetime": None
            if day is None
            else rfc3339(datetime(day.year, day.month, day.day, tzinfo=UTC)),
            "appointment_datetime": None,
            "type_raw": values.text(note.get("type")),
            "notes": body,
            "agent_name": None,
            "reasons_for_event": None,
            "event_type": "Note",
        },
    )


def named_in(item: Upstream) -> str | None:
    """The contact whom a note's subject names, or None."""
    return unmarked(values.text(lowered(item).get("subject")) or "")[1]


def _id(item: Upstream) -> str:
    """The id of an object that was seen to have one."""
    found = values.identifier(item.get("id"))
    if found is None:
        raise ValueError("an upstream object without an id")
    return found


def _address(value: object) -> dict[str, str | None]:
    address = lowered(values.mapping(value))
    return {
        "address_1": values.text(address.get("address")),
        "address_2": values.text(address.get("addresscont")),
        "city": values.text(address.get("city")),
        "state": values.text(address.get("stateregion")),
        "zip": values.text(address.get("postalcode")),
        "country": values.text(address.get("country")),
    }


def _upper_snake(word: str) -> str:
    return "_".join(word.replace("-", " ").split()).upper()


def _phones(contact: Upstream) -> tuple[tuple[str | None, str | None], ...]:
    found: list[tuple[str | None, str | None]] = [
        (number, kind) for name, kind in _PHONES if (number := values.text(contact.get(name)))
    ]
    return (*found, (None, None), (None, None))[:2]


def _lease(item: Upstream, today: date) -> Lease:
    starts = values.calendar_date(item.get("startdate"))
    left = values.calendar_date(item.get("moveoutdate"))
    terminated = values.calendar_date(item.get("terminateddate"))
    word = values.text(item.get("status"))
    return Lease(
        x_id=_id(item),
        status=lease_status(
            word=word,
            active=values.truth(item.get("active")),
            starts=starts,
            ended=left or terminated,
            notice=values.calendar_date(item.get("noticegivendate")),
            today=today,
        ),
        x_property_id=values.identifier(item.get("buildingid")),
        x_unit_id=values.identifier(item.get("unitid")),
        move_in=values.calendar_date(item.get("moveindate")) or starts,
        move_out=left or terminated or values.calendar_date(item.get("enddate")),
        resident_type=word,
    )


def _lease_row(lease: Lease, notice: str | None) -> dict[str, str | None]:
    return {
        "lease_id": lease.x_id,
        "x_resident_type": lease.resident_type,
        "resident_type_normalized": lease.status.upper(),
        "move_in_date": values.iso(lease.move_in),
        "move_out_date": values.iso(lease.move_out),
        "notice_date": notice,
    }
