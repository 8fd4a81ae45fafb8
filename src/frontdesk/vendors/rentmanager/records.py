"""Rent Manager's records, read into the catalog's shapes.

One function a model, each from one upstream object; what Rent Manager does not tell, or leaves out
because it is null, stays None. Source of the names: Rent Manager Web API help, public clients.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from frontdesk.vendors import values
from frontdesk.vendors.contract import FoundEvent, Lease, LeaseStatus, Record, Resident
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.rentmanager import clock, guesses
from frontdesk.vendors.times import rfc3339

Upstream = Mapping[str, Any]

LOCATION_ID = "1"
_RANK: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past", "applicant", "cancelled")


def property_record(item: Upstream, _today: date) -> Record:
    """From `/Properties`."""
    x_id = _id(item, "PropertyID")
    kind = values.text(item.get("PropertyType"))
    return Record(
        model=Model.PROPERTIES,
        x_id=x_id,
        x_property_id=x_id,
        fields={
            "name": values.text(item.get("Name")),
            "code": values.text(item.get("ShortName")),
            "is_active": values.truth(item.get("IsActive")),
            **_address(item.get("PrimaryAddress")),
            "number_of_units": None,
            "type_normalized": None if kind is None else kind.upper(),
            # Rent Manager tells an offset in unnamed units, of which no zone can be made.
            "timezone": None,
        },
    )


def unit_record(item: Upstream, _today: date) -> Record:
    """From `/Units`."""
    kind = values.mapping(item.get("UnitType"))
    return Record(
        model=Model.UNITS,
        x_id=_id(item, "UnitID"),
        x_property_id=values.identifier(item.get("PropertyID")),
        fields={
            "number": values.text(item.get("Name")),
            "building_name": None,
            "building_number": None,
            "floor": None,
            # GUESS: the unit's type tells its rooms
            "bedrooms": values.number(kind.get("Bedrooms")),
            "bathrooms": values.number(kind.get("Bathrooms")),
            "square_feet": values.number(item.get("SquareFootage")),
            "is_vacant": values.truth(item.get("IsVacant")),
            "is_available": None,
            **_address(item.get("PrimaryAddress")),
        },
    )


def employee_record(item: Upstream, _today: date) -> Record:
    """From `/Users`."""
    parts = [values.text(item.get(key)) for key in ("Firstname", "Lastname")]
    name = " ".join(part for part in parts if part) or values.text(item.get("Name"))
    return Record(
        model=Model.EMPLOYEES,
        x_id=_id(item, "UserID"),
        fields={
            "x_location_id": LOCATION_ID,
            "name": name,
            "email": values.text(item.get("Email")),
            "is_active": values.truth(item.get("IsActive")),
            "roles": ["LEASING_AGENT"] if values.truth(item.get("IsLeasingAgent")) else [],
        },
    )


def event_type_record(item: Upstream, _today: date) -> Record:
    """From `/HistoryCategories`. `extra` keeps what the category is for, and whether it is used."""
    name = values.text(item.get("Name"))
    kinds = guesses.category_kinds(item.get("HistoryCategoryTypes"))
    is_active = values.truth(item.get("IsActive"))
    fits = is_active is not False and (not kinds or any(kind in guesses.KINDS for kind in kinds))
    return Record(
        model=Model.EVENT_TYPES,
        x_id=_id(item, "HistoryCategoryID"),
        fields={
            "x_location_id": LOCATION_ID,
            "code": None,
            # What is for letters alone, or no longer in use, still stands in a tenant's history.
            "models": ["residents" if fits else "history"],
            "name": name,
        },
        event_class=guesses.category_class(name, kinds),
        extra={"kinds": list(kinds), "is_active": is_active},
    )


def resident_record(item: Upstream, today: date) -> Record:
    """From `/Tenants` with their leases and contacts."""
    told = [
        (lease, entry)
        for entry in values.objects(item.get("Leases"))
        if (lease := _lease(entry, item, today)) is not None
    ]
    # Of two leases of one standing the one that began later comes first.
    told.sort(key=lambda pair: -(pair[0].move_in or date.min).toordinal())
    told.sort(key=lambda pair: _RANK.index(pair[0].status))
    leases = tuple(lease for lease, _ in told)
    contact = _primary(item.get("Contacts"))
    phones = _phones(contact.get("PhoneNumbers"))
    links: dict[str, object] = {}
    if leases and leases[0].x_unit_id is not None:
        links["x_unit_id"] = leases[0].x_unit_id
        links["x_unit_ids"] = sorted({lease.x_unit_id for lease in leases if lease.x_unit_id})
    home = leases[0].x_property_id if leases else None
    return Record(
        model=Model.RESIDENTS,
        x_id=_id(item, "TenantID"),
        x_property_id=home or values.identifier(item.get("PropertyID")),
        leases=leases,
        links=links,
        fields={
            "first_name": values.text(item.get("FirstName")),
            "middle_name": values.text(contact.get("MiddleName")),
            "last_name": values.text(item.get("LastName")) or values.text(item.get("Name")),
            "email_1": values.text(contact.get("Email")),
            "email_2": None,
            "phone_1": phones[0],
            "phone_1_type": None,
            "phone_2": phones[1],
            "phone_2_type": None,
            **_address(None),
            "date_of_birth": values.iso(values.calendar_date(contact.get("DateOfBirth"))),
            "leases_meta_data": [_lease_row(lease, entry) for lease, entry in told],
            "custom_data": {},
        },
    )


def found_event(item: Upstream, resident: Resident, zone: ZoneInfo, stamp: str) -> FoundEvent:
    """From a tenant's history. `stamp` names the server's time that counts: `CreateDate` where a
    new entry is looked for, `UpdateDate` where a changed one is."""
    note = values.text(item.get("Note")) or ""
    category = values.identifier(item.get("HistoryCategoryID"))
    kind = values.text(item.get("HistoryType"))
    instants = clock.instants(item.get("HistoryDate"), zone)
    author = values.identifier(item.get("CreateUserID"))
    return FoundEvent(
        x_id=_id(item, "HistoryID"),
        x_resident_id=resident.x_id,
        text=note,
        x_type_id=category,
        x_property_id=resident.x_property_id,
        instants=instants,
        stamped_at=values.utc_instant(item.get(stamp)) if _has_offset(item.get(stamp)) else None,
        author=author,
        fields={
            "x_leasing_agent_id": author,
            "x_type_id": category,
            "x_location_id": LOCATION_ID,
            "event_name": kind,
            # of several readings the first: the cache shows one time, matching knows all
            "event_datetime": rfc3339(instants[0]) if instants else None,
            "appointment_datetime": None,
            "type_raw": kind,
            "notes": note or None,
            "agent_name": None,
            "reasons_for_event": None,
        },
    )


def _has_offset(value: object) -> bool:
    """A stamp without its offset could be hours off, and no stamp is better than a wrong one."""
    return isinstance(value, str) and (value[-1:] in "Zz" or value[-6:-5] in ("+", "-"))


def _id(item: Upstream, key: str) -> str:
    """The id of an object from a list whose entries were all seen to have one."""
    found = values.identifier(item.get(key))
    if found is None:
        raise ValueError("an upstream object without an id")
    return found


def _address(value: object) -> dict[str, str | None]:
    address = values.mapping(value)
    street = values.text(address.get("Street")) or ""
    lines = [line.strip() for line in street.splitlines() if line.strip()]
    return {
        "address_1": lines[0] if lines else None,
        "address_2": ", ".join(lines[1:]) or None,
        "city": values.text(address.get("City")),
        "state": values.text(address.get("State")),
        "zip": values.text(address.get("PostalCode")),
        "country": None,
    }


def _primary(value: object) -> Upstream:
    """The tenant himself among his contacts: the primary one, else the first."""
    contacts = values.objects(value)
    first: Upstream = contacts[0] if contacts else {}
    return next((one for one in contacts if values.truth(one.get("IsPrimary"))), first)


def _phones(value: object) -> tuple[str | None, str | None]:
    """The first two numbers, the primary one first."""
    told = sorted(values.objects(value), key=lambda one: not values.truth(one.get("IsPrimary")))
    numbers = [number for one in told if (number := values.text(one.get("PhoneNumber")))]
    return (numbers[0] if numbers else None, numbers[1] if len(numbers) > 1 else None)


def _lease(entry: Upstream, tenant: Upstream, today: date) -> Lease | None:
    x_id = values.identifier(entry.get("LeaseID"))
    if x_id is None:
        return None
    return Lease(
        x_id=x_id,
        status=guesses.lease_status(entry, today),
        x_property_id=values.identifier(entry.get("PropertyID")),
        x_unit_id=values.identifier(entry.get("UnitID")),
        move_in=values.calendar_date(entry.get("MoveInDate")),
        move_out=values.calendar_date(entry.get("MoveOutDate"))
        or values.calendar_date(entry.get("ExpectedMoveOutDate")),
        resident_type=values.text(tenant.get("Status")),
    )


def _lease_row(lease: Lease, entry: Upstream) -> dict[str, str | None]:
    return {
        "lease_id": lease.x_id,
        "x_resident_type": lease.resident_type,
        "resident_type_normalized": lease.status.upper(),
        "move_in_date": values.iso(lease.move_in),
        "move_out_date": values.iso(lease.move_out),
        "notice_date": values.iso(values.calendar_date(entry.get("NoticeDate"))),
    }
