"""AppFolio's view of the sandbox's community: properties, units, tenants, leases, users, old notes.

AppFolio keeps a tenant for each occupancy: somebody with two leases is two tenants of one name. An
applicant, or somebody whose lease was cancelled, is no tenant.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from frontdesk.sandbox.community import Community, Property, Resident, Status, Tenancy, Unit
from frontdesk.sandbox.simulator import Json
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.appfolio.simulator.answers import guid, written

BUSY_TENANT = 11
"""The tenant who has 60 old notes."""

FURTHER = 1000
"""What is added to a resident's number for each occupancy after his first."""

_STATUSES = {
    Status.CURRENT: "Current",
    Status.NOTICE: "Notice",
    Status.FUTURE: "Future",
    Status.PAST: "Past",
}


def seed(scene: Scene, community: Community) -> None:
    """Write the whole view."""
    noon = datetime.combine(community.anchor, time(12), tzinfo=UTC)
    for place in community.properties:
        _put(scene, "properties", place.number, _property(place, noon), noon - timedelta(days=60))
    signed = [t for t in community.tenancies if t.status in _STATUSES]
    living = {t.unit: t for t in signed if t.status in (Status.CURRENT, Status.NOTICE)}
    for unit in community.units:
        moment = noon - timedelta(days=unit.number)
        _put(scene, "units", unit.number, _unit(unit, living.get(unit)), moment)
    occupancies: dict[int, int] = {}
    for tenancy in signed:
        moment = noon - timedelta(days=tenancy.number)
        tenants: list[str] = []
        for resident in tenancy.residents:
            count = occupancies.get(resident.number, 0)
            occupancies[resident.number] = count + 1
            number = resident.number + FURTHER * count
            tenant = _tenant(tenancy, resident, community.anchor)
            tenants.append(guid("tenant", number))
            _put(scene, "tenants", number, tenant, noon - timedelta(days=resident.number))
        _put(scene, "leases", tenancy.number, _lease(tenancy, tenants), moment)
    for employee in community.employees:
        user: Json = {
            "FirstName": employee.first_name,
            "LastName": employee.last_name,
            "Email": employee.email,
            "Role": _role(employee.number, is_leasing_agent=employee.is_leasing_agent),
            "HiddenAt": None if employee.is_active else written(noon - timedelta(days=40)),
        }
        _put(scene, "users", employee.number, user, noon - timedelta(days=30))
    _seed_notes(scene, community, noon)


_KINDS = {
    "properties": "property",
    "units": "unit",
    "tenants": "tenant",
    "leases": "lease",
    "users": "user",
}


def _put(scene: Scene, collection: str, number: int, wire: Json, updated: datetime) -> None:
    own = {"Id": guid(_KINDS[collection], number), **wire, "LastUpdatedAt": written(updated)}
    scene.put(collection, number, own)


def _role(number: int, *, is_leasing_agent: bool) -> str:
    return "Leasing Agent" if is_leasing_agent else ("Property Manager", "Maintenance")[number % 2]


def _property(place: Property, noon: datetime) -> Json:
    return {
        "Name": place.name,
        "PropertyType": "Multi-Family",
        "Address1": f"1 {place.street}",
        "Address2": None,
        "City": place.city,
        "State": place.state,
        "Zip": place.postal_code,
        "HiddenAt": None if place.is_active else written(noon - timedelta(days=60)),
    }


def _unit(unit: Unit, living: Tenancy | None) -> Json:
    return {
        "PropertyId": guid("property", unit.place.number),
        "Name": unit.label,
        "Address1": unit.street,
        "Address2": f"Unit {unit.label}",
        "City": unit.place.city,
        "State": unit.place.state,
        "Zip": unit.place.postal_code,
        "Bedrooms": unit.bedrooms,
        # Decimals travel as strings.
        "Bathrooms": f"{unit.bathrooms:.1f}",
        "SquareFeet": unit.square_feet,
        "MarketRent": f"{900 + unit.square_feet}.00",
        "CurrentOccupancyId": None if living is None else guid("occupancy", living.number),
        "HiddenAt": None,
    }


def _tenant(tenancy: Tenancy, resident: Resident, today: date) -> Json:
    return {
        "FirstName": resident.first_name,
        "LastName": resident.last_name,
        "Email": resident.email,
        "Phone": _phone(resident.home_phone),
        "MobilePhone": _phone(resident.mobile_phone),
        "PropertyId": guid("property", tenancy.unit.place.number),
        "UnitId": guid("unit", tenancy.unit.number),
        "OccupancyId": guid("occupancy", tenancy.number),
        "Status": _STATUSES[tenancy.status],
        "MoveInOn": tenancy.starts.isoformat(),
        "MoveOutOn": tenancy.ends.isoformat()
        if tenancy.status is Status.NOTICE or tenancy.ends < today
        else None,
        "LeaseStartDate": tenancy.starts.isoformat(),
        "LeaseEndDate": tenancy.ends.isoformat(),
        "CurrentRent": f"{900 + tenancy.unit.square_feet}.00",
        "PrimaryTenant": resident == tenancy.residents[0],
        "HiddenAt": None,
    }


def _lease(tenancy: Tenancy, tenants: list[str]) -> Json:
    return {
        "OccupancyId": guid("occupancy", tenancy.number),
        "PropertyId": guid("property", tenancy.unit.place.number),
        "UnitId": guid("unit", tenancy.unit.number),
        "TenantIds": tenants,
        "StartOn": tenancy.starts.isoformat(),
        "EndOn": tenancy.ends.isoformat(),
    }


def _phone(number: str | None) -> str | None:
    return None if number is None else f"({number[:3]}) {number[3:6]}-{number[6:]}"


def _seed_notes(scene: Scene, community: Community, noon: datetime) -> None:
    number = 1
    for resident in community.residents[:12]:
        count = 60 if resident.number == BUSY_TENANT else resident.number % 3
        for index in range(count):
            note: Json = {
                "Id": guid("note", number),
                "Body": f"Spoke in the office, matter {index + 1}: all is well",
                "EntityId": guid("tenant", resident.number),
                "LastUpdatedAt": written(noon - timedelta(days=count - index)),
            }
            scene.put("notes", number, note, parent=resident.number)
            number += 1
