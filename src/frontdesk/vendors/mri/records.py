"""MRI's rows, read into the catalog's shapes.

A unit is named within its building, a lease within its unit: their ids here are the whole path
(`JUN01/01/101/1`), because `101` and `1` are everywhere. Rows tell one resident on one lease; a
resident's record is made of all of them.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.contract import FoundEvent, Lease, LeaseStatus, Record, Resident
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.mri import guesses, names
from frontdesk.vendors.mri.plan import instants_of
from frontdesk.vendors.times import zone_named

Item = Mapping[str, Any]

_RANK: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past", "applicant", "cancelled")


def property_record(item: Item) -> Record | None:
    """From the list of properties; None for a row without an id."""
    x_id = _id(item, names.of("properties.id"))
    if x_id is None:
        return None
    zone = zone_named(_text(item, names.of("properties.timezone")))
    return Record(
        model=Model.PROPERTIES,
        x_id=x_id,
        x_property_id=x_id,
        fields={
            "name": _text(item, names.of("properties.name")),
            "code": x_id,
            "is_active": values.truth(names.told(item, names.of("properties.active"))),
            "address_1": _text(item, names.of("properties.address")),
            "address_2": None,
            "city": _text(item, names.of("properties.city")),
            "state": _text(item, names.of("properties.state")),
            "zip": _text(item, names.of("properties.zip")),
            "country": None,
            "number_of_units": values.number(names.told(item, names.of("properties.units"))),
            "type_normalized": None,
            "timezone": None if zone is None else zone.key,
        },
    )


def unit_records(items: Sequence[Item]) -> tuple[Record, ...]:
    """From a property's rent roll: a unit has a row for each lease of it, or one without."""
    rows: dict[str, list[Item]] = {}
    for item in items:
        if (x_id := unit_id(item)) is not None:
            rows.setdefault(x_id, []).append(item)
    return tuple(_unit(x_id, told) for x_id, told in rows.items())


def _unit(x_id: str, told: Sequence[Item]) -> Record:
    item = told[0]
    let = any(values.truth(row.get("IsCurrent")) for row in told)
    return Record(
        model=Model.UNITS,
        x_id=x_id,
        x_property_id=_id(item, "PropertyID"),
        fields={
            "number": _text(item, "UnitID"),
            "building_name": None,
            "building_number": _text(item, "BuildingID"),
            "floor": None,
            "bedrooms": None,
            "bathrooms": None,
            "square_feet": None,
            "is_vacant": not let,
            "is_available": None,
            **_address(item),
        },
    )


def agent_records(items: Sequence[Item]) -> tuple[Record, ...]:
    """From the list of leasing agents, which has a row for each property that an agent serves."""
    rows: dict[str, list[Item]] = {}
    for item in items:
        if (x_id := _id(item, names.of("leasing_agents.id"))) is not None:
            rows.setdefault(x_id, []).append(item)
    return tuple(_agent(x_id, told) for x_id, told in rows.items())


def _agent(x_id: str, told: Sequence[Item]) -> Record:
    serves = sorted(
        {place for row in told if (place := _id(row, names.of("leasing_agents.property")))}
    )
    return Record(
        model=Model.EMPLOYEES,
        x_id=x_id,
        x_property_id=serves[0] if len(serves) == 1 else None,
        links={"x_property_ids": serves},
        fields={
            "name": _text(told[0], names.of("leasing_agents.name")),
            "email": _text(told[0], names.of("leasing_agents.email")),
            "is_active": values.truth(names.told(told[0], names.of("leasing_agents.active"))),
            "roles": ["LEASING_AGENT"],
        },
    )


def event_type_record(item: Item) -> Record | None:
    """From the list of action codes; None for a row without a code."""
    x_id = _id(item, names.of("action_codes.id"))
    if x_id is None:
        return None
    name = _text(item, names.of("action_codes.name"))
    return Record(
        model=Model.EVENT_TYPES,
        x_id=x_id,
        fields={"code": x_id, "name": name or x_id, "models": []},
        event_class=guesses.class_of(name or ""),
    )


def resident_records(items: Sequence[Item]) -> tuple[Record, ...]:
    """From rows of lease details: every row of each resident must be among them."""
    rows: dict[str, list[Item]] = {}
    for item in items:
        if (x_id := resident_id(item)) is not None:
            rows.setdefault(x_id, []).append(item)
    return tuple(_resident(x_id, told) for x_id, told in rows.items())


def resident_id(item: Item) -> str | None:
    """Whose row it is."""
    return _id(item, "ResidentNameID")


def unit_id(item: Item) -> str | None:
    """The unit of a row, by its whole path."""
    return _path(item, "PropertyID", "BuildingID", "UnitID")


def _resident(x_id: str, told: Sequence[Item]) -> Record:
    leases = {
        lease.x_id: (lease, _date(row, "DateNotified"))
        for row in told
        if (lease := _lease(row)) is not None
    }
    ranked = sorted(leases.values(), key=lambda pair: _RANK.index(pair[0].status))
    links: dict[str, Any] = {}
    if ranked and ranked[0][0].x_unit_id is not None:
        links["x_unit_id"] = ranked[0][0].x_unit_id
        links["x_unit_ids"] = sorted({lease.x_unit_id for lease, _ in ranked if lease.x_unit_id})
    phones = [
        (number, kind)
        for name, kind in (("PhoneNumber", "HOME"), ("CellPhoneNumber", "MOBILE"))
        if (number := _first(told, name))
    ]
    phones += [("", ""), ("", "")]
    best = next((row for row in told if ranked and _lease(row) == ranked[0][0]), told[0])
    return Record(
        model=Model.RESIDENTS,
        x_id=x_id,
        x_property_id=ranked[0][0].x_property_id if ranked else _id(told[0], "PropertyID"),
        leases=tuple(lease for lease, _ in ranked),
        links=links,
        fields={
            "first_name": _first(told, "FirstName"),
            "middle_name": None,
            "last_name": _first(told, "LastName"),
            "email_1": _first(told, "Email"),
            "email_2": None,
            "phone_1": phones[0][0] or None,
            "phone_1_type": phones[0][1] or None,
            "phone_2": phones[1][0] or None,
            "phone_2_type": phones[1][1] or None,
            **_address(best),
            "date_of_birth": values.iso(values.calendar_date(_first(told, "Birthday"))),
            "leases_meta_data": [_lease_row(lease, notice) for lease, notice in ranked],
            "custom_data": {},
        },
    )


def _lease(row: Item) -> Lease | None:
    x_id = _path(row, "PropertyID", "BuildingID", "UnitID", "LeaseID")
    if x_id is None:
        return None
    word = _text(row, "ResidentStatus")
    left = _date(row, "ResidentVacateDate") or _date(row, "LeaseMoveOut")
    status = guesses.lease_status(
        word,
        is_current=values.truth(names.told(row, "IsCurrent")),
        has_left=left is not None,
        has_notice=_date(row, "DateNotified") is not None,
    )
    return Lease(
        x_id=x_id,
        status=status,
        x_property_id=_id(row, "PropertyID"),
        x_unit_id=unit_id(row),
        move_in=_date(row, "OccupyDate") or _date(row, "LeaseStart"),
        move_out=left or _date(row, "LeaseEnd"),
        resident_type=word,
    )


def _lease_row(lease: Lease, notice: date | None) -> dict[str, str | None]:
    return {
        "lease_id": lease.x_id,
        "x_resident_type": lease.resident_type,
        "resident_type_normalized": lease.status.upper(),
        "move_in_date": values.iso(lease.move_in),
        "move_out_date": values.iso(lease.move_out),
        "notice_date": values.iso(notice),
    }


def found_event(item: Item, resident: Resident, zone_name: str | None) -> FoundEvent | None:
    """From a resident's actions; None for what is another's. `zone_name`: of the calendar in which
    its date is compared. Raises ValueError for an action without an id."""
    x_id = _id(item, names.of("action.id"))
    if x_id is None:
        raise ValueError("an action without an id")
    if _id(item, names.of("action.resident")) not in (None, resident.x_id):
        return None
    day = _date(item, names.of("action.date"))
    zone = zone_named(zone_name)
    code = _id(item, names.of("action.type"))
    text = values.text(names.told(item, names.of("action.text"))) or ""
    return FoundEvent(
        x_id=x_id,
        x_resident_id=resident.x_id,
        text=text,
        x_type_id=code,
        x_property_id=resident.x_property_id,
        instants=() if day is None or zone is None else instants_of(day, zone),
        fields={
            "x_leasing_agent_id": _id(item, names.of("action.employee")),
            "x_type_id": code,
            "x_location_id": None,
            "event_name": None,
            # The date alone: an instant would claim a time of day that MRI does not keep.
            "event_datetime": values.iso(day),
            "appointment_datetime": None,
            "type_raw": code,
            "notes": text,
            "agent_name": None,
            "reasons_for_event": None,
            "status": _status(_text(item, names.of("action.status"))),
        },
    )


def midnight(day: date) -> str:
    """A date as MRI's wire has it: local midnight, no offset, seven decimals."""
    return f"{datetime.combine(day, time()).isoformat()}.0000000"


def _status(word: str | None) -> str | None:
    """The contract's word for a status."""
    if word is None:
        return None
    known = {names.status(own): own for own in ("COMPLETED", "OPEN", "REVIEW", "DENIED")}
    return known.get(word, word)


def _address(item: Item) -> dict[str, str | None]:
    return {
        "address_1": _text(item, "Address"),
        "address_2": None,
        "city": _text(item, "City"),
        "state": _text(item, "State"),
        "zip": _text(item, "Zipcode"),
        "country": None,
    }


def _path(item: Item, *fields: str) -> str | None:
    parts = [_id(item, name) for name in fields]
    whole = "/".join(part for part in parts if part is not None)
    # Whatever has no place of its own is not to be mistaken for another's.
    return whole if None not in parts and len(whole) <= 128 else None


def _id(item: Item, name: str) -> str | None:
    return values.identifier(names.told(item, name))


def _text(item: Item, name: str) -> str | None:
    found = values.text(names.told(item, name))
    return None if found is None else found.strip() or None


def _first(told: Sequence[Item], name: str) -> str | None:
    return next((word for row in told if (word := _text(row, name))), None)


def _date(item: Item, name: str) -> date | None:
    return values.calendar_date(names.told(item, name))
