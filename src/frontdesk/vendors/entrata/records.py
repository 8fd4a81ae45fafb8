"""Entrata's objects, turned into the catalog's records: pure, one function a model.

An object without an id gives None: nothing could ever refer to it. What Entrata does not tell stays
None. Field names: Entrata's API documentation and public client code; where methods differ in
capitals, `nodes` does not mind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from frontdesk.vendors import values
from frontdesk.vendors.contract import Lease, LeaseStatus, Record
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.entrata import nodes
from frontdesk.vendors.entrata.declaration import DECLARATION
from frontdesk.vendors.entrata.nodes import Node

_STATUS_IDS: Mapping[str, LeaseStatus] = {
    "1": "applicant",
    "2": "cancelled",
    "3": "future",
    "4": "current",
    "5": "notice",
    "6": "past",
}
_STATUS_WORDS: Mapping[str, LeaseStatus] = {
    **{word: word for word in _STATUS_IDS.values()},
    "canceled": "cancelled",
    "on notice": "notice",
}
_RANK: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past", "applicant", "cancelled")


@dataclass(frozen=True, slots=True)
class LeaseOf:
    """One customer's part in one lease: the lease as he has it, and what it tells about him."""

    lease: Lease
    notice: date | None
    customer: Node


def property_record(item: Node) -> Record | None:
    """From `getProperties`."""
    x_id = nodes.identifier(item, "PropertyID", "id")
    if x_id is None:
        return None
    address = nodes.child(item, "Address")
    disabled = values.truth(nodes.value(item, "IsDisabled"))
    kind = nodes.text(item, "Type")
    return Record(
        model=Model.PROPERTIES,
        x_id=x_id,
        x_property_id=x_id,
        fields={
            "name": nodes.text(item, "MarketingName", "PropertyName", "name"),
            "code": nodes.text(item, "PropertyCode", "LookupCode", "GeneralID"),
            "is_active": disabled is not True,
            **_address(address),
            "number_of_units": values.number(nodes.value(item, "NumberOfUnits", "UnitCount")),
            "type_normalized": None if kind is None else "_".join(kind.split()).upper(),
            "timezone": None,
        },
    )


def unit_record(item: Node, x_property_id: str) -> Record | None:
    """From `getPropertyUnits`."""
    x_id = nodes.identifier(item, "id", "unitId", "PropertyUnitId")
    if x_id is None:
        return None
    spaces = nodes.listed(item, "unitSpaces", "unitSpace") or ()
    states = [
        word.lower()
        for node in (item, *spaces)
        if (word := nodes.text(node, "availabilityStatus", "occupancyStatus", "status"))
    ]
    vacant = any("vacant" in word for word in states)
    occupied = any("occupied" in word for word in states)
    return Record(
        model=Model.UNITS,
        x_id=x_id,
        x_property_id=x_property_id,
        fields={
            "number": nodes.text(item, "unitNumber", "marketingUnitNumber"),
            "building_name": nodes.text(item, "buildingName"),
            "building_number": nodes.text(item, "buildingNumber"),
            "floor": nodes.text(item, "floor", "floorNumber"),
            "bedrooms": values.number(nodes.value(item, "noOfBedrooms", "bedrooms")),
            "bathrooms": values.number(nodes.value(item, "noOfBathrooms", "bathrooms")),
            "square_feet": values.number(nodes.value(item, "squareFeet")),
            "is_vacant": vacant if vacant or occupied else None,
            "is_available": True if any(word == "available" for word in states) else None,
            **_address(nodes.child(item, "unitAddress", "address")),
        },
    )


def event_types(result: Node) -> list[Record | None]:
    """From `getLeadPickLists`. All are taken to apply to residents: nothing says otherwise."""
    return [
        Record(
            model=Model.EVENT_TYPES,
            x_id=x_id,
            fields={
                "x_location_id": None,
                "code": x_id,
                "models": ["residents", "leads"],
                "name": nodes.text(item, "name", "entrataName"),
                "class": DECLARATION.class_of(x_id).value,
            },
        )
        for item in nodes.listed(result, "eventTypes", "eventType") or ()
        if (x_id := nodes.identifier(item, "id")) is not None
    ]


def event_sub_types(result: Node) -> list[Record | None]:
    """From `getLeadPickLists`."""
    found: list[Record | None] = []
    for item in nodes.listed(result, "eventSubTypes", "eventSubType") or ():
        x_id, x_type_id = nodes.identifier(item, "id"), nodes.identifier(item, "eventTypeId")
        if x_id is not None:
            found.append(
                Record(
                    model=Model.EVENT_SUB_TYPES,
                    x_id=x_id,
                    fields={
                        "x_location_id": None,
                        "x_event_type_id": x_type_id,
                        "name": nodes.text(item, "name"),
                    },
                    links={} if x_type_id is None else {"x_event_type_id": x_type_id},
                )
            )
    return found


def event_results(result: Node) -> list[Record | None]:
    """From `getLeadPickLists`, where a result stands once for each of its event types."""
    names: dict[str, str | None] = {}
    types: dict[str, list[str]] = {}
    for item in nodes.listed(result, "eventResults", "eventResult") or ():
        x_id = nodes.identifier(item, "id")
        if x_id is None:
            continue
        names.setdefault(x_id, nodes.text(item, "name"))
        of_result = types.setdefault(x_id, [])
        for word in (nodes.text(item, "eventTypeId") or "").split(","):
            if word.strip() and word.strip() not in of_result:
                of_result.append(word.strip())
    return [
        Record(
            model=Model.EVENT_RESULTS,
            x_id=x_id,
            fields={"x_location_id": None, "name": name},
            links={"x_event_type_ids": types[x_id]},
        )
        for x_id, name in names.items()
    ]


def agent_nodes(result: Node) -> Sequence[Node]:
    """The leasing agents of `getLeadPickLists`, which stand under the property."""
    found: list[Node] = []
    for owner in nodes.listed(result, "property") or (result,):
        found.extend(nodes.listed(owner, "leasingAgents", "leasingAgent") or ())
    return found


def agent_record(item: Node, x_id: str, x_property_ids: list[str]) -> Record:
    """A leasing agent with every property that he serves. No read tells of other staff."""
    return Record(
        model=Model.EMPLOYEES,
        x_id=x_id,
        x_property_id=x_property_ids[0] if len(x_property_ids) == 1 else None,
        fields={
            "x_location_id": None,
            "name": nodes.text(item, "name"),
            "email": nodes.text(item, "email", "emailAddress"),
            "is_active": True,
            "roles": ["LEASING_AGENT"],
        },
        links={"x_property_ids": x_property_ids},
        extra={"x_property_ids": x_property_ids},
    )


def leases_of(item: Node, x_property_id: str) -> list[tuple[str, LeaseOf]]:
    """From `getLeases`: each customer of a lease, with the lease as it is for him."""
    x_id = nodes.identifier(item, "id", "leaseId")
    if x_id is None:
        return []
    found: list[tuple[str, LeaseOf]] = []
    for customer in nodes.listed(item, "customers", "customer") or ():
        x_customer_id = nodes.identifier(customer, "id", "customerId")
        status = _status(item, customer)
        if x_customer_id is None or status is None:
            continue
        lease = Lease(
            x_id=x_id,
            status=status,
            x_property_id=nodes.identifier(item, "propertyId") or x_property_id,
            x_unit_id=nodes.identifier(item, "unitId", "propertyUnitId"),
            x_application_id=_application(item, x_customer_id),
            move_in=nodes.day(customer, "moveInDate") or nodes.day(item, "moveInDate"),
            move_out=nodes.day(customer, "moveOutDate") or nodes.day(item, "moveOutDate"),
            resident_type=nodes.text(customer, "customerType", "relationshipName"),
        )
        notice = nodes.day(customer, "noticeDate") or nodes.day(item, "noticeDate")
        found.append((x_customer_id, LeaseOf(lease, notice, customer)))
    return found


def resident_record(
    item: Node, leases: Mapping[str, Sequence[LeaseOf]], x_property_id: str
) -> Record | None:
    """From `getCustomers`, completed from the customer's leases."""
    x_id = nodes.identifier(item, "id", "customerId")
    if x_id is None:
        return None
    own = sorted(leases.get(x_id, ()), key=lambda part: _RANK.index(part.lease.status))
    told = (item, *(part.customer for part in own))
    phones = _phones(told)
    units = [part.lease.x_unit_id for part in own if part.lease.x_unit_id is not None]
    return Record(
        model=Model.RESIDENTS,
        x_id=x_id,
        x_property_id=own[0].lease.x_property_id if own else x_property_id,
        leases=tuple(part.lease for part in own),
        links={"x_unit_id": units[0], "x_unit_ids": sorted(set(units))} if units else {},
        fields={
            "first_name": _first(told, "firstName"),
            "middle_name": _first(told, "middleName"),
            "last_name": _first(told, "lastName"),
            "email_1": _first(told, "email", "emailAddress"),
            "email_2": _first(told, "additionalEmail", "alternateEmail"),
            "phone_1": phones[0][0],
            "phone_1_type": phones[0][1],
            "phone_2": phones[1][0],
            "phone_2_type": phones[1][1],
            **_resident_address(told),
            "date_of_birth": values.iso(
                next((d for node in told if (d := nodes.day(node, "dateOfBirth"))), None)
            ),
            "leases_meta_data": [_lease_row(part) for part in own],
            "custom_data": {},
        },
    )


def _status(item: Node, customer: Node) -> LeaseStatus | None:
    """GUESS: a customer's own status on a lease outranks the lease's, because a room-mate may have
    moved out of a lease that goes on."""
    own = _STATUS_WORDS.get((nodes.text(customer, "leaseCustomerStatus") or "").strip().lower())
    if own is not None:
        return own
    by_id = _STATUS_IDS.get(nodes.identifier(item, "leaseStatusTypeId", "leaseStatusId") or "")
    if by_id is not None:
        return by_id
    word = nodes.text(item, "leaseStatus", "leaseIntervalStatus") or ""
    return _STATUS_WORDS.get(word.strip().lower())


def _application(item: Node, x_customer_id: str) -> str | None:
    """The customer's application to the lease's present interval, else to its last one that has
    any. GUESS: an application that names no customer is everybody's on the lease."""
    present = nodes.identifier(item, "leaseIntervalId")
    found = nodes.identifier(item, "applicationId")
    for interval in nodes.listed(item, "leaseIntervals", "leaseInterval") or ():
        x_id = _own_application(interval, x_customer_id)
        if x_id is not None:
            found = x_id
            if present is not None and nodes.identifier(interval, "id") == present:
                break
    return found


def _own_application(interval: Node, x_customer_id: str) -> str | None:
    """A room-mate's application is not ours: an event on it would be told of the wrong person."""
    applications = nodes.listed(interval, "applications", "application")
    if not applications:
        return nodes.identifier(interval, "applicationId")
    owners = [nodes.identifier(application, "customerId") for application in applications]
    for wanted in (x_customer_id, None):
        for application, owner in zip(applications, owners, strict=True):
            if owner == wanted:
                return nodes.identifier(application, "applicationId", "id")
    return None


def _first(told: Sequence[Node], *names: str) -> str | None:
    return next((word for node in told if (word := nodes.text(node, *names))), None)


def _phones(told: Sequence[Node]) -> list[tuple[str | None, str | None]]:
    """The first two different numbers, with their kinds."""
    found: dict[str, str | None] = {}
    for node in told:
        if number := nodes.text(node, "phoneNumber"):
            found.setdefault(number, None)
        for phone in nodes.listed(node, "phones", "phone") or ():
            if number := nodes.text(phone, "phoneNumber", "number"):
                kind = nodes.text(phone, "phoneType", "type")
                found[number] = found.get(number) or (kind.upper() if kind else None)
    pairs: list[tuple[str | None, str | None]] = list(found.items())
    return [*pairs[:2], (None, None), (None, None)]


def _address(address: Node) -> dict[str, str | None]:
    return {
        "address_1": nodes.text(address, "address", "address1", "streetLine", "streetAddress"),
        "address_2": nodes.text(address, "address2", "streetLine2"),
        "city": nodes.text(address, "city"),
        "state": nodes.text(address, "state", "stateCode"),
        "zip": nodes.text(address, "postalCode", "zip"),
        "country": nodes.text(address, "country", "countryName", "countryCode"),
    }


def _resident_address(told: Sequence[Node]) -> dict[str, str | None]:
    """The first address that is told: flat in `getCustomers`, a list in `getLeases`."""
    for node in told:
        for address in (node, *(nodes.listed(node, "addresses", "address") or ())):
            found = _address(address)
            if any(found.values()):
                return found
    return _address({})


def _lease_row(part: LeaseOf) -> dict[str, str | None]:
    return {
        "lease_id": part.lease.x_id,
        "x_resident_type": part.lease.resident_type,
        "resident_type_normalized": part.lease.status.upper(),
        "move_in_date": values.iso(part.lease.move_in),
        "move_out_date": values.iso(part.lease.move_out),
        "notice_date": values.iso(part.notice),
    }
