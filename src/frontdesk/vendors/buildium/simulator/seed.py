"""Buildium's view of the sandbox's community: rentals, units, tenants, leases, users, old notes.

An applicant or a cancelled lease is no tenancy at Buildium: such people are tenants without leases.
A lease under notice is `Active` and tells of it in `MoveOutData`.
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
from frontdesk.vendors.buildium.simulator.answers import written

API_USER_ID = 99
STAFF_USER_ID = 101
BUSY_TENANT = 11
"""The resident who has more old notes than one page holds by default."""

_STATUSES = {
    Status.CURRENT: "Active",
    Status.NOTICE: "Active",
    Status.FUTURE: "Future",
    Status.PAST: "Past",
}
_ROLES = (
    (1, "Administrator", "May do everything"),
    (2, "Property Manager", "Runs properties"),
    (3, "Leasing Agent", "Shows units and signs leases"),
    (4, "Maintenance", "Repairs"),
)


def property_id(place: Property) -> int:
    """Buildium's id of a property."""
    return 1000 + place.number


def unit_id(unit: Unit) -> int:
    """Buildium's id of a unit."""
    return 2000 + unit.number


def tenant_id(resident: Resident) -> int:
    """Buildium's id of a resident."""
    return 4100 + resident.number


def lease_id(tenancy: Tenancy) -> int:
    """Buildium's id of a lease."""
    return 3000 + tenancy.number


def user_id(employee: Employee) -> int:
    """Buildium's id of a member of staff."""
    return 100 + employee.number


def seed(scene: Scene, community: Community) -> None:
    """Write the whole view."""
    noon = datetime.combine(community.anchor, time(12), tzinfo=UTC)
    manager = next(e for e in community.employees if not e.is_leasing_agent and e.is_active)
    for place in community.properties:
        _put(scene, "rentals", _rental(place, community, manager), noon - timedelta(days=60))
    leased = {t.unit for t in community.tenancies if _STATUSES.get(t.status) == "Active"}
    for unit in community.units:
        moment = noon - timedelta(days=unit.number)
        _put(scene, "units", _unit(unit, occupied=unit in leased), moment)
    signed = [t for t in community.tenancies if t.status in _STATUSES]
    leases: dict[int, Json] = {}
    for tenancy in signed:
        moment = noon - timedelta(days=tenancy.number)
        leases[tenancy.number] = _lease(tenancy, moment)
        _put(scene, "leases", leases[tenancy.number], moment)
    for resident in community.residents:
        moment = noon - timedelta(days=resident.number)
        own = [leases[t.number] for t in signed if resident in t.residents]
        _put(scene, "tenants", _tenant(resident, own, moment), moment)
    _seed_users(scene, community, noon)
    _seed_notes(scene, community, noon)


def _put(scene: Scene, collection: str, wire: Json, updated: datetime) -> None:
    scene.put(collection, wire["Id"], {"wire": wire, "updated": written(updated)})


def _address(street: str, place: Property, second: str | None = None) -> Json:
    return {
        "AddressLine1": street,
        "AddressLine2": second,
        "AddressLine3": None,
        "City": place.city,
        "State": place.state,
        "PostalCode": place.postal_code,
        "Country": "UnitedStates",
    }


def _rental(place: Property, community: Community, manager: Employee) -> Json:
    return {
        "Id": property_id(place),
        "Name": place.name,
        "StructureDescription": None,
        "NumberUnits": sum(unit.place == place for unit in community.units),
        "IsActive": place.is_active,
        "Address": _address(f"1 {place.street}", place),
        "YearBuilt": 1980 + place.number,
        "RentalType": "Residential",
        "RentalSubType": "MultiFamily",
        "RentalManager": {
            "Id": user_id(manager),
            "FirstName": manager.first_name,
            "LastName": manager.last_name,
            "Href": f"/v1/users/{user_id(manager)}",
        },
    }


def _unit(unit: Unit, *, occupied: bool) -> Json:
    return {
        "Id": unit_id(unit),
        "PropertyId": property_id(unit.place),
        "BuildingName": unit.building,
        "UnitNumber": unit.label,
        "Description": None,
        "MarketRent": 900.0 + unit.square_feet,
        "Address": _address(unit.street, unit.place, f"Unit {unit.label}"),
        "UnitBedrooms": ("Studio", "OneBed", "TwoBed", "ThreeBed")[unit.bedrooms],
        "UnitBathrooms": {1.0: "OneBath", 1.5: "OnePointFiveBath", 2.0: "TwoBath"}[unit.bathrooms],
        "UnitSize": unit.square_feet,
        "IsUnitListed": not occupied,
        "IsUnitOccupied": occupied,
    }


def _lease(tenancy: Tenancy, created: datetime) -> Json:
    status = _STATUSES[tenancy.status]
    return {
        "Id": lease_id(tenancy),
        "PropertyId": property_id(tenancy.unit.place),
        "UnitId": unit_id(tenancy.unit),
        "UnitNumber": tenancy.unit.label,
        "LeaseFromDate": tenancy.starts.isoformat(),
        "LeaseToDate": tenancy.ends.isoformat(),
        "LeaseType": "Fixed",
        "LeaseStatus": status,
        "IsEvictionPending": False,
        "TermType": "Standard",
        "RenewalOfferStatus": None,
        "CurrentTenants": [
            {"Id": tenant_id(r), "FirstName": r.first_name, "LastName": r.last_name}
            for r in tenancy.residents
            if status == "Active"
        ],
        "CurrentNumberOfOccupants": len(tenancy.residents) if status == "Active" else 0,
        "Tenants": [
            {"Id": tenant_id(r), "Status": status, "MoveInDate": tenancy.starts.isoformat()}
            for r in tenancy.residents
        ],
        "Cosigners": [],
        "AutomaticallyMoveOutTenants": False,
        "CreatedDateTime": written(created),
        "MoveOutData": [
            {
                "TenantId": tenant_id(r),
                "MoveOutDate": tenancy.ends.isoformat(),
                "NoticeGivenDate": tenancy.notice_given.isoformat(),
            }
            for r in tenancy.residents
            if tenancy.notice_given is not None
        ],
        "PaymentDueDay": 1,
    }


def _tenant(resident: Resident, leases: list[Json], created: datetime) -> Json:
    phones = [
        {"Number": f"({number[:3]}) {number[3:6]}-{number[6:]}", "Type": kind}
        for number, kind in ((resident.mobile_phone, "Cell"), (resident.home_phone, "Home"))
        if number is not None
    ]
    return {
        "Id": tenant_id(resident),
        "FirstName": resident.first_name,
        "LastName": resident.last_name,
        "Email": resident.email,
        "AlternateEmail": None,
        "PhoneNumbers": phones,
        "CreatedDateTime": written(created),
        "EmergencyContact": None,
        "DateOfBirth": resident.born.isoformat(),
        "SMSOptInStatus": None,
        "Address": None,
        "AlternateAddress": None,
        "MailingPreference": "PrimaryAddress",
        "Leases": leases,
        "Comment": None,
        "TaxId": None,
    }


def _seed_users(scene: Scene, community: Community, noon: datetime) -> None:
    roles = {
        number: {"Id": number, "Name": name, "Description": text} for number, name, text in _ROLES
    }
    members: list[tuple[int, str, str, str, bool, list[str], int | None]] = [
        (API_USER_ID, "Open API", "Integration", "api@example.com", True, ["Staff"], 1)
    ]
    for employee in community.employees:
        role = 3 if employee.is_leasing_agent else 2 + 2 * (employee.number % 2)
        members.append(
            (user_id(employee), employee.first_name, employee.last_name, employee.email,
             employee.is_active, ["Staff"], role)
        )  # fmt: skip
    members.append(
        (201, "Wilhelmina", "Grantley", "owner@example.org", True, ["RentalOwner"], None)
    )
    members.append((202, "Ada", "Brightwater", "portal@example.org", True, ["Tenant"], None))
    for number, first, last, email, is_active, kinds, role_number in members:
        wire: Json = {
            "Id": number,
            "UserTypes": kinds,
            "IsActive": is_active,
            "LastLogin": None,
            "FirstName": first,
            "LastName": last,
            "CompanyName": None,
            "Email": email,
            "AlternateEmail": None,
            "PhoneNumbers": [],
            "UserRole": roles[role_number] if role_number is not None else None,
            "IsCompany": False,
        }
        _put(scene, "users", wire, noon - timedelta(days=30))
    for number, name, text in _ROLES:
        count = sum(member[6] == number for member in members)
        role_wire = {"Id": number, "Name": name, "Description": text, "NumberOfUsers": count}
        _put(scene, "userroles", role_wire, noon - timedelta(days=90))


def _seed_notes(scene: Scene, community: Community, noon: datetime) -> None:
    number = 80
    for resident in community.residents[:12]:
        count = 60 if resident.number == BUSY_TENANT else resident.number % 3
        for index in range(count):
            note = {
                "Id": number,
                "Note": f"Spoke in the office, matter {index + 1}: all is well",
                "tenant": tenant_id(resident),
                "author": STAFF_USER_ID,
                "updated": written(noon - timedelta(days=count - index)),
            }
            scene.put("notes", number, note, parent=tenant_id(resident))
            number += 1
    first = community.residents[0]
    log = {
        "Id": 1,
        "participant": tenant_id(first),
        "author": STAFF_USER_ID,
        "Subject": "Parking",
        "Description": "Asked for a second space",
        "CallDateTime": written(noon - timedelta(days=3)),
    }
    scene.put("phonelogs", 1, log)
