"""MRI's view of the sandbox's community: properties, rent roll, names, tenancies, agents, codes and
old actions.

The first resident of a lease holds it (`Current`, `Old`, `New`); the others are `Other Resident`.
A unit is named within its building, a lease within its unit. Staff who are no leasing agents do not
show, as no read of MRI tells them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

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
from frontdesk.vendors.mri.simulator.actions import FIRST_ACTION
from frontdesk.vendors.mri.simulator.answers import midnight

LONGEST_FIRST_NAME = 15
LONGEST_LAST_NAME = 19
BUSY_RESIDENT = 11
"""The resident who has more old actions than a page holds."""

MANY_ACTIONS = 640

CODES = (
    ("NT", "Note", "note"),
    ("PH", "Phone call", "other"),
    ("CI", "Incoming call", "call_in"),
    ("CO", "Outgoing call", "call_out"),
    ("EI", "E-mail received", "email_in"),
    ("EO", "E-mail sent", "email_out"),
    ("TX", "Text message", "text"),
    ("VS", "Visit to the office", "visit"),
    ("AP", "Appointment", "appointment"),
    ("FU", "Follow up", "task"),
    ("L", "Letter", "other"),
)
"""Code, description, and what an effect calls it."""

_LEASE_STATUS = {
    Status.CURRENT: ("C", "Current"),
    Status.NOTICE: ("C", "Current"),
    Status.FUTURE: ("N", "New"),
    Status.PAST: ("O", "Old"),
}


def property_id(place: Property) -> str:
    """MRI's id of a property."""
    return f"{place.code}01"


def name_id(resident: Resident) -> str:
    """MRI's id of a person: ten digits."""
    return f"{4100 + resident.number:010}"


def agent_id(employee: Employee) -> str:
    """MRI's id of a leasing agent."""
    return f"AGENT{employee.number:02}"


def building_id(unit: Unit) -> str:
    """MRI's id of a building within its property."""
    return f"{int(unit.building.rpartition(' ')[2]):02}"


def seed(scene: Scene, community: Community) -> None:
    """Write the whole view."""
    for place in community.properties:
        scene.put("properties", place.number, _property(place, community))
    lease_ids: dict[int, str] = {}
    signed: dict[int, int] = {}
    for tenancy in community.tenancies:
        if tenancy.status in _LEASE_STATUS:
            signed[tenancy.unit.number] = signed.get(tenancy.unit.number, 0) + 1
            lease_ids[tenancy.number] = str(signed[tenancy.unit.number])
    _seed_units(scene, community, lease_ids)
    number = 0
    for tenancy in community.tenancies:
        for resident in tenancy.residents:
            number += 1
            lease_id = lease_ids.get(tenancy.number)
            row = {
                "place": property_id(tenancy.unit.place),
                "person": _person(resident, tenancy, lease_id, community.anchor),
                "lease": None
                if lease_id is None
                else _lease(resident, tenancy, lease_id, community.anchor),
            }
            scene.put("tenancies", number, row)
    for resident in community.residents:
        own = [t for t in community.tenancies if resident in t.residents]
        zone = own[-1].unit.place.timezone if own else community.properties[0].timezone
        wire = _name(resident, own[-1] if own else None, lease_ids, community)
        scene.put("names", int(name_id(resident)), {"zone": zone, "wire": wire})
    number = 0
    for employee in community.employees:
        for place in employee.properties if employee.is_leasing_agent else ():
            number += 1
            scene.put("agents", number, _agent(employee, place))
    for number, (code, description, kind) in enumerate(CODES, start=1):
        body = {"ActionCodeID": code, "Description": description, "kind": kind}
        scene.put("codes", number, body)
    _seed_actions(scene, community)


def _property(place: Property, community: Community) -> Json:
    return {
        "PropertyID": property_id(place),
        "PropertyName": place.name,
        "Active": "Y" if place.is_active else "N",
        "Address": f"1 {place.street}",
        "City": place.city,
        "State": place.state,
        "Zipcode": place.postal_code,
        "NumberOfUnits": str(sum(unit.place == place for unit in community.units)),
        # One property tells no time zone: it must be said at the integration.
        "TimeZone": place.timezone if place.is_active else None,
    }


def _seed_units(scene: Scene, community: Community, lease_ids: dict[int, str]) -> None:
    number = 0
    for unit in community.units:
        running: list[Tenancy | None] = [
            t
            for t in community.tenancies
            if t.unit == unit and t.status in (Status.CURRENT, Status.NOTICE)
        ]
        for tenancy in running or [None]:
            number += 1
            lead = None if tenancy is None else tenancy.residents[0]
            body = {
                "PropertyID": property_id(unit.place),
                "BuildingID": building_id(unit),
                "UnitID": unit.label,
                "LeaseID": None if tenancy is None else lease_ids[tenancy.number],
                "ResidentNameID": None if lead is None else name_id(lead),
                "FirstName": None if lead is None else lead.first_name[:LONGEST_FIRST_NAME],
                "LastName": None if lead is None else lead.last_name[:LONGEST_LAST_NAME],
                **_address(unit),
                "IsCurrent": "N" if tenancy is None else "Y",
            }
            scene.put("units", number, body)


def _address(unit: Unit) -> Json:
    return {
        "Address": f"{unit.street} #{unit.label}",
        "City": unit.place.city,
        "State": unit.place.state,
        "Zipcode": unit.place.postal_code,
    }


def _phone(number: str | None) -> str | None:
    return None if number is None else f"({number[:3]}) {number[3:6]}-{number[6:]}"


def _person(resident: Resident, tenancy: Tenancy, lease_id: str | None, anchor: date) -> Json:
    """A row of the residents of a property, applicants among them."""
    holds = tenancy.residents[0] == resident
    code = _LEASE_STATUS.get(tenancy.status, ("A", ""))[0]
    return {
        "ResidentNameID": name_id(resident),
        "RMPROPID": property_id(tenancy.unit.place),
        "RMBLDGID": building_id(tenancy.unit),
        "UNITID": tenancy.unit.label,
        "RMLEASEID": lease_id,
        "ResidentType": "R" if lease_id is not None else "A",
        "Status": code if holds or lease_id is None else "R",
        "FirstName": resident.first_name[:LONGEST_FIRST_NAME],
        "LastName": resident.last_name[:LONGEST_LAST_NAME],
        "PhoneNumber": _phone(resident.home_phone),
        "Email": resident.email,
        "OccupantOccupyDate": midnight(tenancy.starts),
        "LastUpdateDate": midnight(anchor - timedelta(days=tenancy.number)),
        "Namegroup": name_id(tenancy.residents[0]),
        "WorkPhone1": None,
        "WorkPhone2": None,
        "Cell": _phone(resident.mobile_phone),
        "VacateDate": midnight(tenancy.ends) if tenancy.status is Status.PAST else None,
    }


def _lease(resident: Resident, tenancy: Tenancy, lease_id: str, anchor: date) -> Json:
    holds = tenancy.residents[0] == resident
    running = tenancy.status in (Status.CURRENT, Status.NOTICE)
    left = midnight(tenancy.ends) if tenancy.status is Status.PAST else None
    notice = tenancy.notice_given
    return {
        "ResidentNameID": name_id(resident),
        "PropertyID": property_id(tenancy.unit.place),
        "BuildingID": building_id(tenancy.unit),
        "UnitID": tenancy.unit.label,
        "LeaseID": lease_id,
        **_address(tenancy.unit),
        "BuildingAddress": None,
        "FirstName": resident.first_name[:LONGEST_FIRST_NAME],
        "LastName": resident.last_name[:LONGEST_LAST_NAME],
        "ResidentStatus": _LEASE_STATUS[tenancy.status][1] if holds else "Other Resident",
        "Email": resident.email,
        "Birthday": midnight(resident.born),
        "LeaseStart": midnight(tenancy.starts),
        "OccupyDate": midnight(tenancy.starts),
        "LeaseEnd": midnight(tenancy.ends),
        "LeaseMonthlyRentAmount": f"{900 + tenancy.unit.square_feet}.00",
        "LeaseMoveOut": left,
        "LeaseMonthToMonth": "N",
        "LastUpdateDate": midnight(anchor - timedelta(days=tenancy.number)),
        "IsCurrent": "Y" if running else "N",
        "DateNotified": None if notice is None else midnight(notice),
        "ResidentVacateDate": left if holds else None,
        "Namegroup": name_id(tenancy.residents[0]),
        "PhoneNumber": _phone(resident.home_phone),
        "CellPhoneNumber": _phone(resident.mobile_phone),
        "Minor": "False",
    }


def _name(
    resident: Resident, tenancy: Tenancy | None, lease_ids: dict[int, str], community: Community
) -> Json:
    """A row of `MRI_S-PMRM_Residents`: the person, with his latest lease."""
    lease_id = None if tenancy is None else lease_ids.get(tenancy.number)
    status = "A" if tenancy is None else _LEASE_STATUS.get(tenancy.status, ("A", ""))[0]
    changed = community.anchor - timedelta(days=resident.number)
    return {
        "NameId": name_id(resident),
        "ProspectApplicantResident": "R" if lease_id is not None else "A",
        "NameStatus": status,
        "PropertyId": None if tenancy is None else property_id(tenancy.unit.place),
        "Birthday": midnight(resident.born),
        "LastName": resident.last_name[:LONGEST_LAST_NAME],
        "FirstName": resident.first_name[:LONGEST_FIRST_NAME],
        "PhoneNumber": _phone(resident.home_phone),
        "LastUpdate": datetime.combine(changed, time(17, 37, 25)).isoformat(),
        "BuildingId": None if tenancy is None else building_id(tenancy.unit),
        "UnitId": None if tenancy is None else tenancy.unit.label,
        "LeaseId": lease_id,
        "EMailAddress": resident.email,
        "Cell": _phone(resident.mobile_phone),
    }


def _agent(employee: Employee, place: Property) -> Json:
    return {
        "LeasingAgentID": agent_id(employee),
        "Name": f"{employee.first_name} {employee.last_name}",
        "Email": employee.email,
        "Active": "Y" if employee.is_active else "N",
        "PropertyID": property_id(place),
    }


def _seed_actions(scene: Scene, community: Community) -> None:
    number = FIRST_ACTION
    noon = datetime.combine(community.anchor, time(12), tzinfo=UTC)
    for resident in community.residents[:12]:
        count = MANY_ACTIONS if resident.number == BUSY_RESIDENT else resident.number % 3
        for index in range(count):
            body = {
                "Id": number,
                "NameID": name_id(resident),
                "Status": "COMPLETED",
                "ActionDate": midnight((noon - timedelta(days=count - index)).date()),
                "ActionTime": "10:15:00",
                "ActionCodeID": "VS",
                "ActionDescription": f"Came by about matter {index + 1}: all is well",
                "LeasingAgentID": "AGENT01",
            }
            scene.put("actions", number, body, parent=int(name_id(resident)))
            number += 1
