"""Rent Manager's view of the sandbox's community: properties, units, tenants with their leases and
contacts, users, history categories, old history.

Applicants are prospects at Rent Manager, not tenants: whoever never had a lease is a tenant without
one here, and a cancelled lease is none. A record keeps under `_embeds` what is shown on demand.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from frontdesk.sandbox.community import Community, Property, Resident, Status, Tenancy, Unit
from frontdesk.sandbox.simulator import Json
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.rentmanager.simulator.lists import EMBEDS

API_USER_ID = 99
STAFF_USER_ID = 41
BUSY_TENANT = 11
"""The resident who has more old history than a small page holds."""

SERVER_ZONE = ZoneInfo("America/New_York")

_LEASED = frozenset({Status.CURRENT, Status.NOTICE, Status.FUTURE, Status.PAST})
_WORDS = (Status.CURRENT, Status.NOTICE, Status.FUTURE, Status.PAST)

# Id, name, whether it is in use, what it is for.
_CATEGORIES = (
    (1, "General", True, ("Note", "Call", "Email", "Visit")),
    (4, "Renewal", True, ("Note",)),
    (5, "Phone call", True, ("Call",)),
    (6, "Incoming call", True, ("Call",)),
    (7, "E-mail", True, ("Email",)),
    (8, "Incoming e-mail", True, ("Email",)),
    (9, "Showing", True, ("Visit",)),
    (10, "Certified letter", True, ("Letter",)),
    (11, "Old system", False, ("Note",)),
)


def property_id(place: Property) -> int:
    """Rent Manager's id of a property."""
    return 10 + place.number


def unit_id(unit: Unit) -> int:
    """Rent Manager's id of a unit."""
    return 900 + unit.number


def tenant_id(resident: Resident) -> int:
    """Rent Manager's id of a resident."""
    return 300 + resident.number


def lease_id(tenancy: Tenancy, resident: Resident) -> int:
    """Rent Manager's id of a resident's lease: each tenant of a unit has one of his own."""
    return 2000 + 10 * tenancy.number + tenancy.residents.index(resident)


def server_stamp(moment: datetime) -> str:
    """A stamp of the server: its own wall clock with its offset."""
    return moment.astimezone(SERVER_ZONE).isoformat()


def seed(scene: Scene, community: Community) -> None:
    """Write the whole view."""
    noon = datetime.combine(community.anchor, time(12), tzinfo=UTC)
    for place in community.properties:
        _put(scene, "properties", "PropertyID", _property(place, noon))
    leased = {t.unit for t in community.tenancies if t.status in (Status.CURRENT, Status.NOTICE)}
    for unit in community.units:
        _put(scene, "units", "UnitID", _unit(unit, vacant=unit not in leased))
    for resident in community.residents:
        tenancies = [
            t for t in community.tenancies if resident in t.residents and t.status in _LEASED
        ]
        leases = [_lease(tenancy, resident, community.anchor) for tenancy in tenancies]
        for lease in leases:
            _put(scene, "leases", "LeaseID", lease)
        _put(scene, "tenants", "TenantID", _tenant(resident, tenancies, leases, noon))
    _seed_users(scene, community)
    for number, name, is_active, kinds in _CATEGORIES:
        types = [
            {"HistoryCategoryTypeID": number * 10 + index, "HistoryCategoryID": number,
             "HistoryCategoryType": kind}
            for index, kind in enumerate(kinds)
        ]  # fmt: skip
        category = {"HistoryCategoryID": number, "Name": name, "IsActive": is_active}
        _put(
            scene,
            "categories",
            "HistoryCategoryID",
            {**category, EMBEDS: {"HistoryCategoryTypes": types}},
        )
    _seed_history(scene, community, noon)


def _put(scene: Scene, collection: str, key: str, wire: Json) -> None:
    scene.put(collection, wire[key], wire)


def _address(number: int, lines: tuple[str, ...], place: Property) -> Json:
    street = "\r\n".join(lines)
    town = f"{place.city}, {place.state} {place.postal_code}"
    return {
        "AddressID": number,
        "AddressTypeID": 1,
        "Address": f"{street}\r\n{town}",
        "Street": street,
        "City": place.city,
        "State": place.state,
        "PostalCode": place.postal_code,
        "IsPrimary": True,
    }


def _property(place: Property, noon: datetime) -> Json:
    address = _address(property_id(place), (f"1 {place.street}",), place)
    return {
        "PropertyID": property_id(place),
        "Name": place.name,
        "ShortName": place.code,
        "IsActive": place.is_active,
        "IsCommercial": False,
        "PropertyType": "Residential",
        "ColorID": None,
        "CreateDate": server_stamp(noon - timedelta(days=400)),
        "UpdateDate": server_stamp(noon - timedelta(days=60)),
        "ConcurrencyID": 3,
        EMBEDS: {"Addresses": [address], "PrimaryAddress": address},
    }


def _unit(unit: Unit, *, vacant: bool) -> Json:
    address = _address(
        1000 + unit.number, (unit.street, f"{unit.building}, {unit.label}"), unit.place
    )
    kind = {
        "UnitTypeID": 50 + unit.bedrooms,
        "Name": f"{unit.bedrooms} bedroom",
        "Bedrooms": unit.bedrooms,
        "Bathrooms": unit.bathrooms,
    }
    return {
        "UnitID": unit_id(unit),
        "Name": unit.label,
        "PropertyID": property_id(unit.place),
        "UnitTypeID": kind["UnitTypeID"],
        "SquareFootage": unit.square_feet,
        EMBEDS: {
            "IsVacant": vacant,
            "Addresses": [address],
            "PrimaryAddress": address,
            "UnitType": kind,
        },
    }


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00"


def _lease(tenancy: Tenancy, resident: Resident, today: date) -> Json:
    gone = tenancy.status is Status.PAST
    noticed = tenancy.notice_given
    starts = tenancy.starts
    if tenancy.status is Status.FUTURE:
        # The community's future leases begin a year before they end, which may have come.
        starts = max(starts, today + timedelta(days=14))
    return {
        "LeaseID": lease_id(tenancy, resident),
        "TenantID": tenant_id(resident),
        "UnitID": unit_id(tenancy.unit),
        "PropertyID": property_id(tenancy.unit.place),
        "IsCommercial": False,
        "MoveInDate": _midnight(starts),
        "MoveOutDate": _midnight(tenancy.ends) if gone else None,
        "ExpectedMoveOutDate": _midnight(tenancy.ends) if noticed is not None else None,
        "NoticeDate": _midnight(noticed) if noticed is not None else None,
        "SortOrder": 1,
        EMBEDS: {"Unit": {"UnitID": unit_id(tenancy.unit), "Name": tenancy.unit.label}},
    }


def _tenant(
    resident: Resident, tenancies: list[Tenancy], leases: list[Json], created: datetime
) -> Json:
    number = tenant_id(resident)
    standing = [t for word in _WORDS for t in tenancies if t.status is word]
    place = standing[0].unit.place if standing else None
    phones = [
        {"PhoneNumberID": number * 2 + index, "PhoneNumberTypeID": index + 1,
         "PhoneNumber": f"({given[:3]}) {given[3:6]}-{given[6:]}", "StrippedPhoneNumber": given,
         "IsPrimary": given == resident.mobile_phone, "ParentID": number}
        for index, given in enumerate((resident.mobile_phone, resident.home_phone))
        if given is not None
    ]  # fmt: skip
    contact = {
        "ContactID": 7000 + resident.number,
        "FirstName": resident.first_name,
        "MiddleName": resident.middle_name,
        "LastName": resident.last_name,
        "IsPrimary": True,
        "IsActive": True,
        "DateOfBirth": _midnight(resident.born),
        "Email": resident.email,
        EMBEDS: {"PhoneNumbers": phones},
    }
    return {
        "TenantID": number,
        "TenantDisplayID": number,
        "Name": f"{resident.first_name} {resident.last_name}",
        "FirstName": resident.first_name,
        "LastName": resident.last_name,
        "IsCompany": False,
        "ColorID": None,
        "PropertyID": property_id(place) if place is not None else None,
        # Notice is a matter of the lease; the tenant is a current one until he has left.
        "Status": _status(standing[0]) if standing else "Past",
        "CreateDate": server_stamp(created - timedelta(days=resident.number)),
        "UpdateDate": server_stamp(created - timedelta(days=resident.number)),
        EMBEDS: {"Contacts": [contact], "Leases": leases, "Addresses": []},
    }


def _status(tenancy: Tenancy) -> str:
    words = {Status.FUTURE: "Future", Status.PAST: "Past"}
    return words.get(tenancy.status, "Current")


def _seed_users(scene: Scene, community: Community) -> None:
    members: list[tuple[int, str, str, str | None, bool, bool]] = [
        (API_USER_ID, "Web", "API", None, False, True)
    ]
    members += [
        (40 + e.number, e.first_name, e.last_name, e.email, e.is_leasing_agent, e.is_active)
        for e in community.employees
    ]
    for number, first, last, email, is_agent, is_active in sorted(members):
        user = {
            "UserID": number,
            "Username": f"{first}.{last}".lower(),
            "Firstname": first,
            "Lastname": last,
            "Name": f"{first} {last}",
            "Email": email,
            "IsLeasingAgent": is_agent,
            "IsActive": is_active,
        }
        _put(scene, "users", "UserID", user)


def _seed_history(scene: Scene, community: Community, noon: datetime) -> None:
    number = 60
    for resident in community.residents[:12]:
        count = 60 if resident.number == BUSY_TENANT else resident.number % 3
        for index in range(count):
            moment = noon - timedelta(days=count - index)
            entry = {
                "HistoryID": number,
                "HistoryType": ("Note", "Call", "Visit")[index % 3],
                "HistoryCategoryID": 1,
                "HistoryDate": _midnight(moment.date()),
                "Note": f"Stopped by the office, matter {index + 1}: all is well",
                "IsLocked": False,
                "IsPinned": False,
                "CreateUserID": STAFF_USER_ID,
                "UpdateUserID": STAFF_USER_ID,
                "ParentID": tenant_id(resident),
                "CreateDate": server_stamp(moment),
                "UpdateDate": server_stamp(moment),
            }
            scene.put("history", number, entry, parent=tenant_id(resident))
            number += 1
    for place in community.properties:
        scene.put("zones", property_id(place), {"zone": place.timezone})
