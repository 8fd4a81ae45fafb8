"""Propertyware's view of the sandbox's community: portfolios, buildings, units, leases, contacts,
and old notes on leases.

A person who never had a lease is a contact of type PROSPECT; those two whose leases were cancelled
are tenants without a lease. A note on a lease belongs to the lease, not to one of its tenants.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from frontdesk.sandbox.community import (
    Community,
    Employee,
    Property,
    Resident,
    Status,
    Tenancy,
    Unit,
)
from frontdesk.sandbox.simulator import Json
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.propertyware.simulator.answers import audited

FIRST_NOTE = 9_000_001
BUSY_TENANCY = 6
"""The tenancy whose lease has more old notes than one page of any list holds by default."""

_STATUSES = {
    Status.CURRENT: "Active",
    Status.NOTICE: "Active - Notice Given",
    Status.FUTURE: "Approved",
    Status.PAST: "Terminated",
}


def portfolio_id(place: Property) -> int:
    """Propertyware's id of the portfolio that holds a property."""
    return 60_000 + place.number


def building_id(place: Property) -> int:
    """Propertyware's id of a property's building."""
    return 61_000 + place.number


def unit_id(unit: Unit) -> int:
    """Propertyware's id of a unit."""
    return 62_000 + unit.number


def lease_id(tenancy: Tenancy) -> int:
    """Propertyware's id of a lease."""
    return 64_000 + tenancy.number


def contact_id(resident: Resident) -> int:
    """Propertyware's id of a person."""
    return 73_000 + resident.number


def manager_id(employee: Employee) -> int:
    """Propertyware's id of a member of staff."""
    return 81_000 + employee.number


def seed(scene: Scene, community: Community) -> None:
    """Write the whole view."""
    noon = datetime.combine(community.anchor, time(12), tzinfo=UTC)
    for place in community.properties:
        _put(scene, "portfolios", _portfolio(place), noon - timedelta(days=90))
        _put(scene, "buildings", _building(place, community), noon - timedelta(days=60))
    signed = [tenancy for tenancy in community.tenancies if tenancy.status in _STATUSES]
    occupied = {t.unit for t in signed if t.status in (Status.CURRENT, Status.NOTICE)}
    for unit in community.units:
        wire = _unit(unit, occupied=unit in occupied)
        _put(scene, "units", wire, noon - timedelta(days=unit.number))
    for tenancy in signed:
        _put(scene, "leases", _lease(tenancy), noon - timedelta(days=tenancy.number))
    ever = {resident for tenancy in signed for resident in tenancy.residents}
    cancelled = {
        resident
        for tenancy in community.tenancies
        if tenancy.status is Status.CANCELLED
        for resident in tenancy.residents
    }
    for resident in community.residents:
        kind = "TENANT" if resident in ever | cancelled else "PROSPECT"
        wire = _contact(resident, kind)
        _put(scene, "contacts", wire, noon - timedelta(days=resident.number))
    owner = {**_blank_contact(73_900, "Wilhelmina", "Grantley"), "type": "OWNER"}
    _put(scene, "contacts", owner, noon)
    _seed_notes(scene, signed, noon)


def _put(scene: Scene, collection: str, wire: Json, moment: datetime) -> None:
    scene.put(collection, wire["id"], audited(wire, moment))


def _address(street: str, place: Property, second: str | None = None) -> Json:
    return {
        "address": street,
        "addressCont": second,
        "city": place.city,
        "stateRegion": place.state,
        "postalCode": place.postal_code,
        "country": "USA",
    }


def _portfolio(place: Property) -> Json:
    return {
        "id": portfolio_id(place),
        "name": f"{place.name} Holdings",
        "abbreviation": f"{place.code}-H",
        "active": place.is_active,
    }


def _building(place: Property, community: Community) -> Json:
    return {
        "id": building_id(place),
        "idNumber": place.number,
        "portfolioID": portfolio_id(place),
        "name": place.name,
        "abbreviation": place.code,
        "active": place.is_active,
        "address": _address(f"1 {place.street}", place),
        "countUnit": sum(unit.place == place for unit in community.units),
        "type": "Apartment",
        "propertyType": "RESIDENTIAL",
        "multiUnit": "MULTI",
        "yearBuilt": 1980 + place.number,
        "propertyManagerList": [
            _manager(employee)
            for employee in community.employees
            if place in employee.properties and employee.is_active
        ],
    }


def _manager(employee: Employee) -> Json:
    return {
        "id": manager_id(employee),
        "userID": 82_000 + employee.number,
        "name": f"{employee.first_name} {employee.last_name}",
        "email": employee.email,
        "roleAsString": "Leasing Agent" if employee.is_leasing_agent else "Property Manager",
    }


def _unit(unit: Unit, *, occupied: bool) -> Json:
    return {
        "id": unit_id(unit),
        "idNumber": unit.number,
        "portfolioID": portfolio_id(unit.place),
        "buildingID": building_id(unit.place),
        "name": unit.label,
        "abbreviation": f"{unit.place.code}-{unit.label}",
        "active": True,
        "address": _address(unit.street, unit.place, f"Unit {unit.label}"),
        "floorNumber": unit.floor,
        "numberOfBedrooms": unit.bedrooms,
        "numberOfBathrooms": unit.bathrooms,
        "totalArea": float(unit.square_feet),
        "areaUnits": "Sq Ft",
        "status": "Occupied" if occupied else "Vacant",
        "ready": not occupied,
        "rentable": True,
    }


def _lease(tenancy: Tenancy) -> Json:
    over = tenancy.status is Status.PAST
    return {
        "id": lease_id(tenancy),
        "idNumber": tenancy.number,
        "leaseName": " and ".join(r.last_name for r in tenancy.residents),
        "portfolioID": portfolio_id(tenancy.unit.place),
        "buildingID": building_id(tenancy.unit.place),
        "unitID": unit_id(tenancy.unit),
        "status": _STATUSES[tenancy.status],
        "active": tenancy.status in (Status.CURRENT, Status.NOTICE),
        "startDate": tenancy.starts.isoformat(),
        "endDate": tenancy.ends.isoformat(),
        "moveInDate": None if tenancy.status is Status.FUTURE else tenancy.starts.isoformat(),
        "moveOutDate": tenancy.ends.isoformat() if over else None,
        "noticeGivenDate": None
        if tenancy.notice_given is None
        else tenancy.notice_given.isoformat(),
        "scheduleMoveOutDate": tenancy.ends.isoformat() if tenancy.notice_given else None,
        "terminatedDate": None,
        "contacts": [
            {
                "id": contact_id(resident),
                "firstName": resident.first_name,
                "lastName": resident.last_name,
                "email": resident.email,
                "mobilePhone": resident.mobile_phone,
                "homePhone": resident.home_phone,
                "workPhone": None,
                "company": None,
                "namedOnLease": True,
                "primary": resident == tenancy.residents[0],
            }
            for resident in tenancy.residents
        ],
    }


def _blank_contact(number: int, first: str, last: str) -> Json:
    return {
        "id": number,
        "firstName": first,
        "middleName": None,
        "lastName": last,
        "email": None,
        "altEmail": None,
        "mobilePhone": None,
        "homePhone": None,
        "workPhone": None,
        "otherPhone": None,
        "birthDate": None,
        "address": None,
        "category": None,
        "company": None,
        "namedOnLease": False,
    }


def _contact(resident: Resident, kind: str) -> Json:
    return {
        **_blank_contact(contact_id(resident), resident.first_name, resident.last_name),
        "middleName": resident.middle_name,
        "email": resident.email,
        "mobilePhone": resident.mobile_phone,
        "homePhone": resident.home_phone,
        "birthDate": resident.born.isoformat(),
        "namedOnLease": kind == "TENANT",
        "type": kind,
    }


def _seed_notes(scene: Scene, signed: list[Tenancy], noon: datetime) -> None:
    number = FIRST_NOTE
    for tenancy in signed[:12]:
        count = 120 if tenancy.number == BUSY_TENANCY else tenancy.number % 3
        for index in range(count):
            note = {
                "id": number,
                "subject": "Office",
                "body": f"Spoke in the office, matter {index + 1}: all is well",
                "date": (noon - timedelta(days=count - index)).date().isoformat(),
                "private": False,
                "type": "NOTE",
            }
            scene.put("lease_notes", number, note, parent=lease_id(tenancy))
            number += 1
