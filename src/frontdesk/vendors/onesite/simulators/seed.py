"""OneSite's view of the sandbox's community: sites, buildings, units, leases, residents, agents.

Rows are kept under PascalCase names; a route that writes some in lower case does so itself. Staff
show only as leasing agents of a site.
"""

from __future__ import annotations

from datetime import date, timedelta

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
from frontdesk.vendors.onesite.simulators.picklists import ACTIVITY_TYPES

PMC_ID = "1234567"
FIRST_ACTIVITY = 800_001
WRITTEN_TO = frozenset({"Current", "Future Lease", "Applicant - Lease Signed", "Former"})
"""Statuses of leases that have an activity log; the others are applications."""


def site_id(place: Property) -> int:
    """OneSite's id of a property."""
    return 7_654_320 + place.number


def unit_id(unit: Unit) -> int:
    """OneSite's id of a unit."""
    return 900 + unit.number


def lease_id(tenancy: Tenancy) -> int:
    """OneSite's id of a lease."""
    return 500 + tenancy.number


def member_id(resident: Resident) -> int:
    """OneSite's id of a person."""
    return 2_000 + resident.number


def agent_id(employee: Employee) -> int:
    """OneSite's id of a leasing agent."""
    return 6_000 + employee.number


def building_id(unit: Unit) -> int:
    """OneSite's id of the building of a unit."""
    return 40 * unit.place.number + int(unit.building[-1])


def seed(scene: Scene, community: Community) -> None:
    """Write the whole view."""
    for place in community.properties:
        scene.put("sites", site_id(place), _site(place))
    occupied = {t.unit for t in community.tenancies if t.status in (Status.CURRENT, Status.NOTICE)}
    for unit in community.units:
        parent = site_id(unit.place)
        scene.put("buildings", building_id(unit), _building(unit), parent=parent)
        scene.put("units", unit_id(unit), _unit(unit, vacant=unit not in occupied), parent=parent)
    number = 1
    for place in community.properties:
        for employee in community.employees:
            if employee.is_leasing_agent and employee.is_active and place in employee.properties:
                name = f"{employee.first_name} {employee.last_name}"
                row = {"Value": str(agent_id(employee)), "Text": name}
                scene.put("agents", number, row, parent=site_id(place))
                number += 1
    row_number = 1
    for tenancy in community.tenancies:
        parent = site_id(tenancy.unit.place)
        scene.put("leases", lease_id(tenancy), _lease(tenancy), parent=parent)
        for resident in tenancy.residents:
            row = _resident(tenancy, resident, community.anchor)
            scene.put("residents", row_number, row, parent=parent)
            row_number += 1
    _seed_activities(scene, community)


def _day(day: date | None) -> str:
    return f"{day.isoformat()}T00:00:00" if day is not None else ""


def _status(tenancy: Tenancy) -> str:
    if tenancy.status is Status.FUTURE:
        return "Future Lease" if tenancy.number % 2 else "Applicant - Lease Signed"
    return {
        Status.CURRENT: "Current",
        Status.NOTICE: "Current",
        Status.PAST: "Former",
        Status.APPLICANT: "Applicant",
        Status.CANCELLED: "Former Applicant",
    }[tenancy.status]


def _site(place: Property) -> Json:
    return {
        "active": place.is_active,
        "timezone": place.timezone,
        "wire": {
            "SiteID": str(site_id(place)),
            "SiteName": place.name,
            "Address": f"1 {place.street}",
            "City": place.city,
            "State": place.state,
            "Zip": place.postal_code,
        },
    }


def _building(unit: Unit) -> Json:
    return {
        "BuildingID": str(building_id(unit)),
        "BuildingNumber": unit.building[-1],
        "BuildingName": unit.building,
        "Address": f"1 {unit.place.street}",
        "City": unit.place.city,
        "State": unit.place.state,
        "Zip": unit.place.postal_code,
    }


def _unit(unit: Unit, *, vacant: bool) -> Json:
    return {
        "UnitID": str(unit_id(unit)),
        "UnitNumber": unit.label,
        "BuildingID": str(building_id(unit)),
        "BuildingName": unit.building,
        "Floor": str(unit.floor),
        "FloorplanID": str(20 + unit.bedrooms),
        "FloorplanName": f"Plan {unit.bedrooms}",
        "Bedrooms": str(unit.bedrooms),
        "Bathrooms": str(unit.bathrooms),
        "RentableSqft": str(unit.square_feet),
        "GrossSqft": str(unit.square_feet + 40),
        "Vacant": "T" if vacant else "F",
        "Available": "T" if vacant else "F",
    }


def _lease(tenancy: Tenancy) -> Json:
    head = tenancy.residents[0]
    moved_out = tenancy.ends if tenancy.status is Status.PAST else None
    return {
        "status": _status(tenancy),
        "members": [member_id(resident) for resident in tenancy.residents],
        "wire": {
            "LeaseID": str(lease_id(tenancy)),
            "SiteID": str(site_id(tenancy.unit.place)),
            "UnitID": str(unit_id(tenancy.unit)),
            "UnitDesignation": tenancy.unit.label,
            "LeaseBeginDate": _day(tenancy.starts),
            "LeaseEndDate": _day(tenancy.ends),
            "MoveInDate": _day(tenancy.starts),
            "InactiveDate": _day(moved_out),
            "LeaseStatusText": _status(tenancy),
            "HeadofHouseholdName": f"{head.first_name} {head.last_name}",
        },
    }


def _resident(tenancy: Tenancy, resident: Resident, today: date) -> Json:
    leaving = tenancy.status in (Status.NOTICE, Status.PAST)
    head = resident == tenancy.residents[0]
    return {
        "ResidentMemberID": str(member_id(resident)),
        "ResidentHouseholdID": str(3_000 + tenancy.number),
        "LeaseID": str(lease_id(tenancy)),
        "UnitID": str(unit_id(tenancy.unit)),
        "UnitNumber": tenancy.unit.label,
        "FirstName": resident.first_name,
        "LastName": resident.last_name,
        "Email": resident.email or "",
        "CellPhone": resident.mobile_phone or "",
        "HomePhone": resident.home_phone or "",
        "LeaseStatus": _status(tenancy),
        "BeginDate": _day(tenancy.starts),
        "EndDate": _day(tenancy.ends),
        "MoveInDate": _day(tenancy.starts) if tenancy.starts <= today else "",
        "MoveOutDate": _day(tenancy.ends) if leaving else "",
        "NoticeGivenDate": _day(tenancy.notice_given),
        "HohBit": "1" if head else "0",
        "SignerBit": "1",
        "ActiveBit": "1" if tenancy.status in (Status.CURRENT, Status.NOTICE) else "0",
        "ContactStatus": "Resident" if tenancy.status is not Status.APPLICANT else "Applicant",
    }


def _seed_activities(scene: Scene, community: Community) -> None:
    number = FIRST_ACTIVITY
    noon = scene.now + timedelta(hours=18)
    # Lease 1 has one old activity, lease 2 none, lease 6 several of both who live there.
    for tenancy, count in (
        (community.tenancies[0], 1),
        (community.tenancies[5], 5),
        (community.tenancies[26], 2),
    ):
        for index in range(count):
            resident = tenancy.residents[index % 2]
            moment = noon - timedelta(days=count - index, minutes=tenancy.number)
            scene.put(
                "activities",
                number,
                {
                    "number": number,
                    "type": list(ACTIVITY_TYPES)[index % len(ACTIVITY_TYPES)],
                    "lease": lease_id(tenancy),
                    "member": member_id(resident),
                    "comments": f"Seen to in the office, matter {index + 1}",
                    "by": "Front office",
                    "at": moment.isoformat(),
                },
                parent=lease_id(tenancy),
            )
            number += 1
