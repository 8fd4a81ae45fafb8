"""AppFolio's records, read into the catalog's shapes.

One function a model, each from one upstream object; what AppFolio does not tell stays None. Field
names are those of Database API v0, as its documentation and public clients spell them.
"""

from collections.abc import Mapping
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.contract import FoundEvent, Lease, LeaseStatus, Record, Resident
from frontdesk.vendors.declaration import Model

Upstream = Mapping[str, Any]

_STATUS: Mapping[str, LeaseStatus] = {
    "current": "current",
    "evict": "current",
    "notice": "notice",
    "future": "future",
    "past": "past",
}


def property_record(item: Upstream) -> Record:
    """From `GET /properties`."""
    kind = values.text(item.get("PropertyType"))
    return Record(
        model=Model.PROPERTIES,
        x_id=_id(item),
        x_property_id=_id(item),
        fields={
            "name": values.text(item.get("Name")),
            "code": None,
            "is_active": _is_shown(item),
            **_address(item),
            "number_of_units": None,
            "type_normalized": None if kind is None else _upper_snake(kind),
            "timezone": None,
        },
    )


def unit_record(item: Upstream) -> Record:
    """From `GET /units`."""
    return Record(
        model=Model.UNITS,
        x_id=_id(item),
        x_property_id=values.identifier(item.get("PropertyId")),
        fields={
            "number": values.text(item.get("Name")),
            "building_name": None,
            "building_number": None,
            "floor": None,
            "bedrooms": values.number(item.get("Bedrooms")),
            "bathrooms": values.number(item.get("Bathrooms")),
            "square_feet": values.number(item.get("SquareFeet")),
            "is_vacant": _is_vacant(item),
            "is_available": None,
            **_address(item),
        },
    )


def employee_record(item: Upstream) -> Record:
    """From `GET /users`."""
    return Record(
        model=Model.EMPLOYEES,
        x_id=_id(item),
        fields={
            "name": _name(item),
            "email": values.text(item.get("Email")),
            "is_active": _is_shown(item),
            "roles": _roles(item),
        },
    )


def resident_record(item: Upstream) -> Record:
    """From `GET /tenants`. Somebody who moved within a community is a tenant for each occupancy, so
    a tenant brings one lease at most."""
    lease = _lease(item)
    phones = _phones(item)
    x_property_id = values.identifier(item.get("PropertyId"))
    links: dict[str, object] = {}
    if lease is not None and lease.x_unit_id is not None:
        links = {"x_unit_id": lease.x_unit_id, "x_unit_ids": [lease.x_unit_id]}
    return Record(
        model=Model.RESIDENTS,
        x_id=_id(item),
        x_property_id=x_property_id,
        leases=() if lease is None else (lease,),
        links=links,
        fields={
            "first_name": values.text(item.get("FirstName")),
            "middle_name": None,
            "last_name": values.text(item.get("LastName")),
            "email_1": values.text(item.get("Email")),
            "email_2": None,
            "phone_1": phones[0][0],
            "phone_1_type": phones[0][1],
            "phone_2": phones[1][0],
            "phone_2_type": phones[1][1],
            **_address(item),
            "date_of_birth": None,
            "leases_meta_data": [] if lease is None else [_lease_row(lease)],
            "custom_data": {},
        },
    )


def is_of(item: Upstream, resident: Resident) -> bool:
    """Whether a note is this tenant's. UUIDs are the same whatever the case of their digits."""
    entity_id = values.identifier(item.get("EntityId"))
    return entity_id is not None and entity_id.lower() == resident.x_id.lower()


def found_event(item: Upstream, resident: Resident) -> FoundEvent:
    """From `GET /tenants/notes`. A note has no time of its own, only that of its last change."""
    note = values.text(item.get("Body")) or ""
    return FoundEvent(
        x_id=_id(item),
        x_resident_id=resident.x_id,
        text=note,
        x_property_id=resident.x_property_id,
        stamped_at=values.utc_instant(item.get("LastUpdatedAt")),
        fields={
            "x_leasing_agent_id": None,
            "x_type_id": None,
            "x_location_id": None,
            "event_name": "Note",
            "event_datetime": None,
            "appointment_datetime": None,
            "type_raw": "Note",
            "notes": note,
            "agent_name": None,
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


def _is_shown(item: Upstream) -> bool:
    """What AppFolio's users put away is hidden, with the moment in `HiddenAt`."""
    return values.text(item.get("HiddenAt")) is None


def _is_vacant(item: Upstream) -> bool | None:
    """GUESS: a unit names its occupancy in `CurrentOccupancyId`, and null there means vacant."""
    if "CurrentOccupancyId" not in item:
        return None
    return values.identifier(item["CurrentOccupancyId"]) is None


def _roles(item: Upstream) -> list[str]:
    """GUESS: `Role` names the role. Any role with "leasing agent" in its name is the contract's
    LEASING_AGENT, because customers name their own roles."""
    name = values.text(item.get("Role"))
    if name is None:
        return []
    return ["LEASING_AGENT"] if "leasing agent" in name.lower() else [_upper_snake(name)]


def _phones(item: Upstream) -> tuple[tuple[str | None, str | None], tuple[str | None, str | None]]:
    """GUESS: `MobilePhone` and `Phone` hold one number each; the mobile comes first."""
    found: list[tuple[str | None, str | None]] = [
        (number, kind)
        for key, kind in (("MobilePhone", "MOBILE"), ("Phone", "HOME"))
        if (number := values.text(item.get(key))) is not None
    ]
    found += [(None, None), (None, None)]
    return found[0], found[1]


def _lease(item: Upstream) -> Lease | None:
    """GUESS: the occupancy is the lease; `Status` tells where it stands."""
    x_id = values.identifier(item.get("OccupancyId"))
    said = values.text(item.get("Status"))
    status = _STATUS.get((said or "").strip().lower())
    if x_id is None or status is None:
        return None
    return Lease(
        x_id=x_id,
        status=status,
        x_property_id=values.identifier(item.get("PropertyId")),
        x_unit_id=values.identifier(item.get("UnitId")),
        move_in=values.calendar_date(item.get("MoveInOn")),
        move_out=values.calendar_date(item.get("MoveOutOn")),
        resident_type=said,
    )


def _lease_row(lease: Lease) -> dict[str, str | None]:
    return {
        "lease_id": lease.x_id,
        "x_resident_type": lease.resident_type,
        "resident_type_normalized": lease.status.upper(),
        "move_in_date": values.iso(lease.move_in),
        "move_out_date": values.iso(lease.move_out),
        "notice_date": None,
    }


def _name(item: Upstream) -> str | None:
    parts = [part for key in ("FirstName", "LastName") if (part := values.text(item.get(key)))]
    return " ".join(parts) or None


def _address(item: Upstream) -> dict[str, str | None]:
    return {
        "address_1": values.text(item.get("Address1")),
        "address_2": values.text(item.get("Address2")),
        "city": values.text(item.get("City")),
        "state": values.text(item.get("State")),
        "zip": values.text(item.get("Zip")),
        "country": None,
    }


def _upper_snake(words: str) -> str:
    return "_".join(words.replace("-", " ").split()).upper()
