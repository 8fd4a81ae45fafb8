"""Entrata's view of the sandbox's community: properties, units, customers, leases, applications.

Staff show at Entrata only as leasing agents of a property; the others exist, and are refused as
agents. An application belongs to one customer of one lease (a guess: the real list names no
customer).
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
from frontdesk.sandbox.world import Scene, stamp
from frontdesk.vendors.entrata.simulator import mountain
from frontdesk.vendors.entrata.simulator.picklists import EVENT_TYPES

LEASE_STATUSES = {
    Status.APPLICANT: (1, "Applicant"),
    Status.CANCELLED: (2, "Cancelled"),
    Status.FUTURE: (3, "Future"),
    Status.CURRENT: (4, "Current"),
    Status.NOTICE: (5, "Notice"),
    Status.PAST: (6, "Past"),
}
_PREFERRED = (Status.CURRENT, Status.NOTICE, Status.FUTURE, Status.PAST, Status.APPLICANT)


def property_id(place: Property) -> int:
    """Entrata's id of a property."""
    return 5000 + place.number


def unit_id(unit: Unit) -> int:
    """Entrata's id of a unit."""
    return 900 + unit.number


def customer_id(resident: Resident) -> int:
    """Entrata's id of a resident."""
    return 61000 + resident.number


def lease_id(tenancy: Tenancy) -> int:
    """Entrata's id of a lease."""
    return 88000 + tenancy.number


def agent_id(employee: Employee) -> int:
    """Entrata's id of a member of staff."""
    return 30 + employee.number


def seed(scene: Scene, community: Community) -> None:
    """Write the whole view."""
    for place in community.properties:
        scene.put("properties", property_id(place), _property(place, community))
    for unit in community.units:
        scene.put("units", unit_id(unit), _unit(unit), parent=property_id(unit.place))
    for employee in community.employees:
        scene.put(
            "staff",
            agent_id(employee),
            {
                "id": agent_id(employee),
                "name": f"{employee.first_name} {employee.last_name}",
                "agentAt": [property_id(place) for place in employee.properties]
                if employee.is_leasing_agent and employee.is_active
                else [],
            },
        )
    application = 70_001
    for tenancy in community.tenancies:
        applications: list[Json] = []
        for resident in tenancy.applicants:
            applications.append(_application(application, tenancy, resident))
            scene.put("applications", application, applications[-1], parent=lease_id(tenancy))
            application += 1
        parent = property_id(tenancy.unit.place)
        scene.put("leases", lease_id(tenancy), _lease(tenancy, applications), parent=parent)
    for resident in community.residents:
        leases = [t for t in community.tenancies if resident in t.residents]
        scene.put("customers", customer_id(resident), _customer(resident, leases))
    _seed_events(scene, community)


def _property(place: Property, community: Community) -> Json:
    return {
        "id": property_id(place),
        "name": place.name,
        "code": place.code,
        "isActive": place.is_active,
        "street": f"1 {place.street}",
        "city": place.city,
        "state": place.state,
        "postalCode": place.postal_code,
        "unitCount": sum(unit.place == place for unit in community.units),
    }


def _unit(unit: Unit) -> Json:
    return {
        "id": unit_id(unit),
        "propertyId": property_id(unit.place),
        "unitNumber": unit.label,
        "buildingId": 400 + unit.place.number * 10 + int(unit.building[-1]),
        "buildingName": unit.building,
        "floor": unit.floor,
        "floorplanId": 20 + unit.bedrooms,
        "floorplanName": f"Plan {unit.bedrooms}",
        "bedrooms": unit.bedrooms,
        "bathrooms": unit.bathrooms,
        "squareFeet": unit.square_feet,
        "street": unit.street,
        "city": unit.place.city,
        "state": unit.place.state,
        "postalCode": unit.place.postal_code,
    }


def _application(number: int, tenancy: Tenancy, resident: Resident) -> Json:
    return {
        "id": number,
        "propertyId": property_id(tenancy.unit.place),
        "leaseId": lease_id(tenancy),
        "leaseIntervalId": 90_000 + tenancy.number,
        "customerId": customer_id(resident),
        "applicantId": 65_000 + resident.number,
    }


def _lease(tenancy: Tenancy, applications: list[Json]) -> Json:
    status_id, status = LEASE_STATUSES[tenancy.status]
    return {
        "id": lease_id(tenancy),
        "propertyId": property_id(tenancy.unit.place),
        "propertyName": tenancy.unit.place.name,
        "unitId": unit_id(tenancy.unit),
        "unitNumber": tenancy.unit.label,
        "buildingName": tenancy.unit.building,
        "statusId": status_id,
        "status": status,
        "leaseIntervalId": 90_000 + tenancy.number,
        "starts": mountain.shown_day(tenancy.starts),
        "ends": mountain.shown_day(tenancy.ends),
        "noticeGiven": mountain.shown_day(tenancy.notice_given) if tenancy.notice_given else None,
        "customerIds": [customer_id(resident) for resident in tenancy.residents],
        "applications": [
            {"id": a["id"], "customerId": a["customerId"], "applicantId": a["applicantId"]}
            for a in applications
        ],
    }


def _customer(resident: Resident, leases: list[Tenancy]) -> Json:
    ordered = sorted(
        (t for t in leases if t.status in _PREFERRED), key=lambda t: _PREFERRED.index(t.status)
    )
    home = ordered[0].unit if ordered else None
    return {
        "id": customer_id(resident),
        "firstName": resident.first_name,
        "middleName": resident.middle_name,
        "lastName": resident.last_name,
        "email": resident.email,
        "mobilePhone": resident.mobile_phone,
        "homePhone": resident.home_phone,
        "unitNumber": home.label if home else "",
        "buildingName": home.building if home else "",
        "street": home.street if home else "",
        "city": home.place.city if home else "",
        "state": home.place.state if home else "",
        "postalCode": home.place.postal_code if home else "",
        "leases": [
            {
                "id": lease_id(t),
                "propertyId": property_id(t.unit.place),
                "statusId": LEASE_STATUSES[t.status][0],
            }
            for t in leases
        ],
    }


def _seed_events(scene: Scene, community: Community) -> None:
    noon = datetime.combine(community.anchor, time(18), tzinfo=UTC)
    number = 400_001
    # Lease 1 has one old activity (a list of one), lease 2 none, lease 6 several.
    for lease, count in ((1, 1), (6, 5), (12, 2)):
        for index in range(count):
            moment = noon - timedelta(days=count - index, minutes=lease)
            type_id = (8, 59, 320)[index % 3]
            event = {
                "id": number,
                "route": "lease",
                "typeId": type_id,
                "type": EVENT_TYPES[type_id],
                "leaseId": 88_000 + lease,
                "leaseIntervalId": 90_000 + lease,
                "propertyId": 5001,
                "date": mountain.shown(moment),
                "comments": f"Seen to in the office, matter {index + 1}",
                "created": stamp(moment),
            }
            scene.put("events", number, event, parent=88_000 + lease)
            number += 1
    for application in (70_001, 70_006):
        row = scene.get("applications", application)
        if row is None:
            raise LookupError(f"the community has no application {application}")
        moment = noon - timedelta(days=2)
        event = {
            "id": number,
            "route": "lead",
            "typeId": 3,
            "type": EVENT_TYPES[3],
            "leaseId": row["leaseId"],
            "leaseIntervalId": row["leaseIntervalId"],
            "propertyId": row["propertyId"],
            "applicationId": application,
            "applicantId": row["applicantId"],
            "date": mountain.shown(moment),
            "comments": "Asked about the pool",
            "eventResultId": 24,
            "callData": {
                "callId": str(number),
                "callFrom": "3035550111",
                "ringThrough": "3035550100",
                "duration": "95",
                "callStatus": "ANSWER",
                "audioLink": "",
            },
            "created": stamp(moment),
        }
        scene.put("events", number, event, parent=application)
        number += 1
