"""Buildium's records, read into the catalog's shapes.

One function a model, each from one upstream object; what Buildium does not tell stays None. The
source of the field names is the Buildium Open API reference.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.contract import FoundEvent, Lease, LeaseStatus, Record, Resident
from frontdesk.vendors.declaration import Model

Upstream = Mapping[str, Any]

_STATUS: Mapping[str, LeaseStatus] = {"active": "current", "future": "future", "past": "past"}
_RANK: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past", "applicant", "cancelled")
_COUNTS = ("Studio", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def property_record(item: Upstream) -> Record:
    """From `GET /v1/rentals`."""
    kind = values.text(item.get("RentalSubType")) or values.text(item.get("RentalType"))
    return Record(
        model=Model.PROPERTIES,
        x_id=_id(item),
        x_property_id=_id(item),
        fields={
            "name": values.text(item.get("Name")),
            "code": None,
            "is_active": values.truth(item.get("IsActive")),
            **_address(item.get("Address")),
            "number_of_units": values.number(item.get("NumberUnits")),
            "type_normalized": None if kind is None else _upper_snake(kind),
            "timezone": None,
        },
    )


def unit_record(item: Upstream) -> Record:
    """From `GET /v1/rentals/units`."""
    occupied = values.truth(item.get("IsUnitOccupied"))
    return Record(
        model=Model.UNITS,
        x_id=_id(item),
        x_property_id=values.identifier(item.get("PropertyId")),
        fields={
            "number": values.text(item.get("UnitNumber")),
            "building_name": values.text(item.get("BuildingName")),
            "building_number": None,
            "floor": None,
            "bedrooms": _rooms(item.get("UnitBedrooms")),
            "bathrooms": _rooms(item.get("UnitBathrooms")),
            "square_feet": values.number(item.get("UnitSize")),
            "is_vacant": None if occupied is None else not occupied,
            "is_available": None,
            **_address(item.get("Address")),
        },
    )


def employee_record(item: Upstream, role_names: Mapping[str, str]) -> Record:
    """From `GET /v1/users`; `role_names` (from `GET /v1/userroles`) by role id, for users whose
    role does not name itself."""
    role = values.mapping(item.get("UserRole"))
    name = values.text(role.get("Name")) or role_names.get(values.identifier(role.get("Id")) or "")
    return Record(
        model=Model.EMPLOYEES,
        x_id=_id(item),
        fields={
            "name": _name(item),
            "email": values.text(item.get("Email")),
            "is_active": values.truth(item.get("IsActive")),
            "roles": _roles(name),
        },
    )


def resident_record(item: Upstream) -> Record:
    """From `GET /v1/leases/tenants`, whose `Leases` link the tenant to unit and property."""
    x_id = _id(item)
    told = [
        (lease, entry)
        for entry in values.objects(item.get("Leases"))
        if (lease := _lease(entry, x_id)) is not None
    ]
    told.sort(key=lambda pair: _RANK.index(pair[0].status))
    leases = tuple(lease for lease, _ in told)
    phones = _phones(item.get("PhoneNumbers"))
    links: dict[str, object] = {}
    if leases and leases[0].x_unit_id is not None:
        links["x_unit_id"] = leases[0].x_unit_id
        links["x_unit_ids"] = sorted({lease.x_unit_id for lease in leases if lease.x_unit_id})
    return Record(
        model=Model.RESIDENTS,
        x_id=x_id,
        x_property_id=leases[0].x_property_id if leases else None,
        leases=leases,
        links=links,
        fields={
            "first_name": values.text(item.get("FirstName")),
            "middle_name": None,
            "last_name": values.text(item.get("LastName")),
            "email_1": values.text(item.get("Email")),
            "email_2": values.text(item.get("AlternateEmail")),
            "phone_1": phones[0][0],
            "phone_1_type": phones[0][1],
            "phone_2": phones[1][0],
            "phone_2_type": phones[1][1],
            **_address(item.get("Address")),
            "date_of_birth": values.iso(values.calendar_date(item.get("DateOfBirth"))),
            "leases_meta_data": [_lease_row(lease, _notice(entry, x_id)) for lease, entry in told],
            "custom_data": {},
        },
    )


def found_event(item: Upstream, resident: Resident) -> FoundEvent:
    """From a tenant's notes. A note has no time of its own, only its last writer's stamp."""
    writer = values.mapping(item.get("LastUpdatedByUser"))
    note = values.text(item.get("Note")) or ""
    return FoundEvent(
        x_id=_id(item),
        x_resident_id=resident.x_id,
        text=note,
        x_property_id=resident.x_property_id,
        stamped_at=values.utc_instant(writer.get("UpdatedDateTime")),
        author=values.identifier(writer.get("Id")),
        fields={
            "x_leasing_agent_id": None,
            "x_type_id": None,
            "x_location_id": None,
            "event_name": "Note",
            "event_datetime": None,
            "appointment_datetime": None,
            "type_raw": "Note",
            "notes": note,
            "agent_name": _name(writer),
            "reasons_for_event": None,
            "event_type": "Note",
        },
    )


def _id(item: Upstream) -> str:
    """The id of an object from a list whose entries were all seen to have one."""
    found = values.identifier(item.get("Id"))
    if found is None:
        raise ValueError("an upstream object without an id")
    return found


def _name(item: Upstream) -> str | None:
    parts = [part for key in ("FirstName", "LastName") if (part := values.text(item.get(key)))]
    return " ".join(parts) or None


def _address(value: object) -> dict[str, str | None]:
    address = values.mapping(value)
    return {
        "address_1": values.text(address.get("AddressLine1")),
        "address_2": values.text(address.get("AddressLine2")),
        "city": values.text(address.get("City")),
        "state": values.text(address.get("State")),
        "zip": values.text(address.get("PostalCode")),
        "country": values.text(address.get("Country")),
    }


def _upper_snake(word: str) -> str:
    spaced = "".join(f" {c}" if c.isupper() and i else c for i, c in enumerate(word))
    return "_".join(spaced.replace("-", " ").split()).upper()


def _roles(name: str | None) -> list[str]:
    """The role as Buildium names it, in capitals; any role with "leasing agent" in its name is the
    contract's LEASING_AGENT, because customers name their own roles."""
    if not name:
        return []
    if "leasing agent" in name.lower():
        return ["LEASING_AGENT"]
    return ["_".join(name.replace("-", " ").split()).upper()]


def _rooms(value: object) -> int | float | None:
    """`Studio`, `TwoBed`, `OnePointFiveBath`, `NineBedPlus` … as a number of rooms."""
    word = values.text(value)
    if word is None or word == "NotSet":
        return None
    for count, start in enumerate(_COUNTS):
        if word.startswith(start):
            return count + 0.5 if word.startswith(f"{start}PointFive") else count
    return values.number(value)


def _phones(value: object) -> tuple[tuple[str | None, str | None], tuple[str | None, str | None]]:
    """The first two numbers with their kinds, from a list of `{Number, Type}` or from an object
    that names each kind (the shape of the same field in writes)."""
    found: list[tuple[str | None, str | None]] = []
    if isinstance(value, Mapping) and "Number" not in value:
        found = [(number, kind) for kind, n in value.items() if (number := values.text(n))]
    else:
        found = [
            (number, values.text(entry.get("Type")))
            for entry in values.objects(value)
            if (number := values.text(entry.get("Number")))
        ]
    found = [(number, kind.upper() if kind else None) for number, kind in found]
    found += [(None, None), (None, None)]
    return found[0], found[1]


def _lease(entry: Upstream, tenant_id: str) -> Lease | None:
    x_id = values.identifier(entry.get("Id"))
    status = _STATUS.get((values.text(entry.get("LeaseStatus")) or "").lower())
    if x_id is None or status is None:
        return None
    if status == "current" and _notice(entry, tenant_id) is not None:
        status = "notice"
    return Lease(
        x_id=x_id,
        status=status,
        x_property_id=values.identifier(entry.get("PropertyId")),
        x_unit_id=values.identifier(entry.get("UnitId")),
        move_in=values.calendar_date(entry.get("LeaseFromDate")),
        move_out=values.calendar_date(entry.get("LeaseToDate")),
        resident_type=values.text(entry.get("LeaseStatus")),
    )


def _notice(entry: Upstream, tenant_id: str) -> date | None:
    """GUESS: `MoveOutData` with a `NoticeGivenDate` for this tenant is a notice."""
    for moving in values.objects(entry.get("MoveOutData")):
        if values.identifier(moving.get("TenantId")) == tenant_id:
            return values.calendar_date(moving.get("NoticeGivenDate"))
    return None


def _lease_row(lease: Lease, notice: date | None) -> dict[str, str | None]:
    return {
        "lease_id": lease.x_id,
        "x_resident_type": lease.resident_type,
        "resident_type_normalized": lease.status.upper(),
        "move_in_date": values.iso(lease.move_in),
        "move_out_date": values.iso(lease.move_out),
        "notice_date": values.iso(notice),
    }
