"""OneSite's lists, turned into the catalog's records: pure, one function a model.

A row without an id gives nothing: nothing could ever refer to it. What OneSite does not tell stays
None. Element names come from public client code; names are looked up whatever their capitals,
because the two routes differ in them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from xml.etree.ElementTree import Element

from frontdesk.vendors import values, xml
from frontdesk.vendors.contract import Lease, LeaseStatus, Record
from frontdesk.vendors.declaration import EventClass, Model

CLASSES: Mapping[str, EventClass] = {
    "S000000001": EventClass.CALL_OUT,
    "S000000010": EventClass.EMAIL_OUT,
    "S000000015": EventClass.NOTE,
    "S000000100": EventClass.OTHER,
    "S000000101": EventClass.CHAT,
}
"""Activity types that every OneSite has under the same id: call, e-mail, note, event, chat. A call
and an e-mail have no direction there; GUESS: what staff log is mostly outgoing."""

_STATUSES: Mapping[str, LeaseStatus] = {
    "current": "current",
    "future lease": "future",
    "applicant - lease signed": "future",
    "applicant": "applicant",
    "former": "past",
    "former applicant": "cancelled",
}
_RANK: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past", "applicant", "cancelled")

_NOBODY = "0"
"""The agent `House`, whom sites have for what no person did (public client code)."""


@dataclass(frozen=True, slots=True)
class LeaseDates:
    """What the list of leases adds to a lease of the list of residents."""

    move_in: date | None
    move_out: date | None


def site_record(row: Element) -> Record | None:
    """From `getsitelist`."""
    x_id = _id(row, "SiteID", "id")
    if x_id is None:
        return None
    active = _flag(row, "ActiveBit", "IsActive", "Active")
    return Record(
        model=Model.PROPERTIES,
        x_id=x_id,
        x_property_id=x_id,
        fields={
            "name": _text(row, "SiteName", "PropertyName", "name"),
            "code": _text(row, "SiteCode", "PropertyCode", "code"),
            "is_active": active is not False,
            **_address(row),
            "number_of_units": values.number(_text(row, "UnitCount", "NumberOfUnits")),
            "type_normalized": None,
            "timezone": None,
        },
    )


def bare_site(x_id: str) -> Record:
    """A site of which nothing is known but that the credentials name it."""
    return Record(model=Model.PROPERTIES, x_id=x_id, x_property_id=x_id, fields={})


def unit_record(row: Element, site_id: str, buildings: Mapping[str, Element]) -> Record | None:
    """From `unitlist`; the address is the unit's own, else its building's."""
    x_id = _id(row, "UnitID", "id")
    if x_id is None:
        return None
    number = _id(row, "BuildingID")
    building = buildings.get(number) if number is not None else None
    told = xml.find(row, "Address") if xml.find(row, "Address", "Address1") is not None else row
    return Record(
        model=Model.UNITS,
        x_id=x_id,
        x_property_id=site_id,
        fields={
            "number": _text(row, "UnitNumber"),
            "building_name": _text(row, "BuildingName") or _text(building, "BuildingName"),
            "building_number": _text(row, "BuildingNumber") or _text(building, "BuildingNumber"),
            "floor": _text(row, "Floor", "FloorNumber"),
            "bedrooms": values.number(_text(row, "Bedrooms")),
            "bathrooms": values.number(_text(row, "Bathrooms")),
            "square_feet": values.number(_text(row, "RentableSqft", "GrossSqft")),
            "is_vacant": _flag(row, "Vacant"),
            "is_available": _flag(row, "Available"),
            **(_address(told) if _text(told, "Address1", "Address") else _address(building)),
        },
    )


def agent_record(row: Element, site_id: str) -> Record | None:
    """From the pick list of leasing agents. No read tells of other staff."""
    x_id = _id(row, "Value")
    if x_id is None:
        return None
    return Record(
        model=Model.EMPLOYEES,
        x_id=x_id,
        x_property_id=site_id,
        fields={
            "x_location_id": None,
            "name": _text(row, "Text"),
            "email": None,
            "is_active": True,
            "roles": [] if x_id == _NOBODY else ["LEASING_AGENT"],
        },
        links={"x_property_ids": [site_id]},
    )


def activity_type(row: Element) -> Record | None:
    """From the pick list of activity types. GUESS: those of prospects are those of residents."""
    x_id = _id(row, "Value")
    if x_id is None:
        return None
    return Record(
        model=Model.EVENT_TYPES,
        x_id=x_id,
        fields={
            "x_location_id": None,
            "code": x_id,
            "models": ["residents", "leads"],
            "name": _text(row, "Text"),
            "class": CLASSES.get(x_id, EventClass.OTHER).value,
        },
    )


def result_code(row: Element, x_type_ids: Sequence[str]) -> Record | None:
    """From the pick list of activity results. GUESS: each is meant for every type."""
    x_id = _id(row, "Value")
    if x_id is None:
        return None
    return Record(
        model=Model.EVENT_RESULTS,
        x_id=x_id,
        fields={"x_location_id": None, "name": _text(row, "Text")},
        links={"x_event_type_ids": list(x_type_ids)},
    )


def lease_dates(rows: Iterable[Element]) -> dict[str, LeaseDates]:
    """From `getleaseinfo`, by lease."""
    return {
        x_id: LeaseDates(
            _day(row, "MoveInDate", "SchedMoveInDate", "LeaseBeginDate"),
            _day(row, "MoveOutDate", "InactiveDate", "LeaseEndDate"),
        )
        for row in rows
        if (x_id := _id(row, "LeaseID")) is not None
    }


def resident_records(
    rows: Iterable[Element], site_id: str, dates: Mapping[str, LeaseDates]
) -> tuple[Record, ...]:
    """From `getresidentlistinfo`, where a person stands once for each lease (GUESS)."""
    members: dict[str, list[Element]] = {}
    for row in rows:
        x_id = _id(row, "ResidentMemberID")
        if x_id is not None:
            members.setdefault(x_id, []).append(row)
    return tuple(_resident(x_id, own, site_id, dates) for x_id, own in members.items())


def _resident(
    x_id: str, rows: Sequence[Element], site_id: str, dates: Mapping[str, LeaseDates]
) -> Record:
    parts = [(lease, row) for row in rows if (lease := _lease(row, site_id, dates)) is not None]
    parts.sort(key=lambda part: _RANK.index(part[0].status))
    # The same lease told twice (head of household and member) is one lease.
    own = list({lease.x_id: (lease, row) for lease, row in reversed(parts)}.values())[::-1]
    leases = tuple(lease for lease, _ in own)
    units = [lease.x_unit_id for lease in leases if lease.x_unit_id is not None]
    told = [row for _, row in own] or list(rows)
    phones = _phones(told)
    return Record(
        model=Model.RESIDENTS,
        x_id=x_id,
        x_property_id=site_id,
        leases=leases,
        links={"x_unit_id": units[0], "x_unit_ids": sorted(set(units))} if units else {},
        extra={"residenthouseholdid": _first(told, "ResidentHouseholdID")},
        fields={
            "first_name": _first(told, "FirstName"),
            "middle_name": _first(told, "MiddleName"),
            "last_name": _first(told, "LastName"),
            "email_1": _first(told, "Email"),
            "email_2": None,
            "phone_1": phones[0][0],
            "phone_1_type": phones[0][1],
            "phone_2": phones[1][0],
            "phone_2_type": phones[1][1],
            **_address(next((row for row in told if _text(row, "Address1", "Address")), None)),
            "date_of_birth": values.iso(_day(told[0], "BirthDate", "DateOfBirth")),
            "leases_meta_data": [_lease_row(lease, row) for lease, row in own],
            "custom_data": {},
        },
    )


def _lease(row: Element, site_id: str, dates: Mapping[str, LeaseDates]) -> Lease | None:
    x_id = _id(row, "LeaseID")
    word = " ".join((_text(row, "LeaseStatus") or "").lower().split())
    status = _STATUSES.get(word)
    if x_id is None or status is None:
        return None
    if status == "current" and _notice_of(row) is not None:
        # GUESS: a current lease on which notice was given
        status = "notice"
    known = dates.get(x_id, LeaseDates(None, None))
    return Lease(
        x_id=x_id,
        status=status,
        x_property_id=site_id,
        x_unit_id=_id(row, "UnitID"),
        move_in=_day(row, "MoveInDate", "BeginDate") or known.move_in,
        move_out=_day(row, "MoveOutDate", "EndDate") or known.move_out,
        resident_type=_text(row, "LeaseStatus"),
    )


def _notice_of(row: Element) -> date | None:
    return _day(row, "NoticeGivenDate", "NoticeForDate")


def _lease_row(lease: Lease, row: Element) -> dict[str, str | None]:
    return {
        "lease_id": lease.x_id,
        "x_resident_type": lease.resident_type,
        "resident_type_normalized": lease.status.upper(),
        "move_in_date": values.iso(lease.move_in),
        "move_out_date": values.iso(lease.move_out),
        "notice_date": values.iso(_notice_of(row)),
    }


def _phones(rows: Sequence[Element]) -> list[tuple[str | None, str | None]]:
    """The first two different numbers, with their kinds."""
    found: dict[str, str] = {}
    for name, kind in (("CellPhone", "MOBILE"), ("HomePhone", "HOME"), ("WorkPhone", "WORK")):
        if number := _first(rows, name):
            found.setdefault(number, kind)
    pairs: list[tuple[str | None, str | None]] = list(found.items())
    return [*pairs[:2], (None, None), (None, None)]


def _address(row: Element | None) -> dict[str, str | None]:
    return {
        "address_1": _text(row, "Address1", "Address"),
        "address_2": _text(row, "Address2"),
        "city": _text(row, "City", "CityName"),
        "state": _text(row, "State"),
        "zip": _text(row, "Zip", "PostalCode"),
        "country": _text(row, "Country"),
    }


def _first(rows: Sequence[Element], *names: str) -> str | None:
    return next((word for row in rows if (word := _text(row, *names))), None)


def _text(row: Element | None, *names: str) -> str | None:
    return next((word for name in names if (word := values.text(xml.text_of(row, name)))), None)


def _id(row: Element, *names: str) -> str | None:
    return next((x for name in names if (x := values.identifier(xml.text_of(row, name)))), None)


def _day(row: Element, *names: str) -> date | None:
    return next((d for name in names if (d := values.calendar_date(xml.text_of(row, name)))), None)


def _flag(row: Element, *names: str) -> bool | None:
    word = (_text(row, *names) or "").lower()
    return {"t": True, "f": False}.get(word, values.truth(word))
