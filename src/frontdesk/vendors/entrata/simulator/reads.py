"""Entrata's reads for a catalog: properties, units, customers, leases, pick lists."""

from __future__ import annotations

from collections.abc import Iterable

from frontdesk.sandbox.simulator import Json, Reply
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.entrata.simulator import picklists
from frontdesk.vendors.entrata.simulator.envelope import (
    Call,
    Params,
    Refusal,
    flattened,
    paged,
    success,
)

_CANCELLED = 2


def property_of(params: Params, scene: Scene) -> Json:
    """The property that a call names. Raises the refusal of a missing or unknown one."""
    number = params.required("propertyId")
    found = scene.get("properties", number)
    if found is None:
        raise Refusal(404, f"Property {number} was not found.")
    return found


def named_properties(params: Params, scene: Scene) -> list[Json]:
    """The properties that a call names in `propertyIds`. Raises like `property_of`."""
    numbers = params.identities("propertyIds")
    if numbers is None:
        raise Refusal(400, "propertyIds is required.")
    found = [scene.get("properties", number) for number in sorted(numbers)]
    if None in found:
        raise Refusal(404, "One of the properties was not found.")
    return [place for place in found if place is not None]


def get_properties(call: Call, scene: Scene) -> Reply:
    """`properties/getProperties`: active ones, or all with `showAllStatus`."""
    allowed = frozenset({"propertyIds", "propertyLookupCode", "showAllStatus"})
    params = Params(call.params, allowed)
    numbers = params.identities("propertyIds")
    code = params.text("propertyLookupCode")
    every_status = params.flag("showAllStatus")
    rows = [
        {
            "PropertyID": place["id"],
            "MarketingName": place["name"],
            "Type": "Apartment",
            "LookupCode": place["code"],
            "YearBuilt": "1999",
            "webSite": "https://www.example.com",
            "IsDisabled": int(not place["isActive"]),
            "Address": {
                "@attributes": {"AddressType": "Primary"},
                "Address": place["street"],
                "City": place["city"],
                "State": place["state"],
                "PostalCode": place["postalCode"],
                "Country": "US",
            },
        }
        for place in scene.every("properties")
        if (numbers is None or place["id"] in numbers)
        and (code is None or place["code"] == code)
        and (every_status or place["isActive"])
    ]
    page, headers = paged(call, rows)
    return success(call, {"PhysicalProperty": {"Property": flattened(page)}}, *headers)


def get_property_units(call: Call, scene: Scene) -> Reply:
    """`propertyunits/getPropertyUnits`: units under their properties, paged by unit."""
    allowed = frozenset(
        {
            "propertyIds",
            "availableUnitsOnly",
            "usePropertyPreferences",
            "includeDisabledFloorplans",
            "includeDisabledUnits",
        }
    )
    params = Params(call.params, allowed)
    places = named_properties(params, scene)
    taken = {
        lease["unitId"]
        for lease in scene.every("leases")
        if lease["status"] in ("Current", "Notice")
    }
    only_free = params.flag("availableUnitsOnly")
    units = [
        unit
        for place in places
        for unit in scene.children("units", place["id"])
        if not (only_free and unit["id"] in taken)
    ]
    page, headers = paged(call, units)
    shown: list[Json] = []
    for place in places:
        here = [_unit(unit, taken) for unit in page if unit["propertyId"] == place["id"]]
        if here:
            shown.append(
                {
                    "propertyId": place["id"],
                    "propertyName": place["name"],
                    "unitCount": place["unitCount"],
                    "units": {"unit": flattened(here)},
                }
            )
    return success(call, {"properties": {"property": flattened(shown)}}, *headers)


def _unit(unit: Json, taken: set[int]) -> Json:
    return {
        "id": unit["id"],
        "unitNumber": unit["unitNumber"],
        "buildingId": unit["buildingId"],
        "buildingName": unit["buildingName"],
        "floorplanId": unit["floorplanId"],
        "floorplanName": unit["floorplanName"],
        "noOfBedrooms": unit["bedrooms"],
        "noOfBathrooms": unit["bathrooms"],
        "squareFeet": unit["squareFeet"],
        "unitAddress": {
            "address": unit["street"],
            "city": unit["city"],
            "state": unit["state"],
            "postalCode": unit["postalCode"],
            "country": "US",
        },
        "unitSpaces": {
            "unitSpace": {
                "unitSpaceId": unit["id"] + 100_000,
                "unitNumber": unit["unitNumber"],
                "availabilityStatus": "Occupied" if unit["id"] in taken else "Available",
            }
        },
    }


def get_customers(call: Call, scene: Scene) -> Reply:
    """`customers/getCustomers`: everyone with a lease at the property."""
    allowed = frozenset({"propertyId", "customerIds", "leaseStatusTypeIds"})
    params = Params(call.params, allowed)
    place = property_of(params, scene)
    numbers = params.identities("customerIds")
    statuses = params.identities("leaseStatusTypeIds")
    rows: list[Json] = []
    for customer in scene.every("customers"):
        leases = [
            lease["id"]
            for lease in customer["leases"]
            if lease["propertyId"] == place["id"]
            and (statuses is None or lease["statusId"] in statuses)
        ]
        if leases and (numbers is None or customer["id"] in numbers):
            rows.append(
                {
                    "@attributes": {"Id": customer["id"], "PropertyId": place["id"]},
                    "LeaseId": flattened(leases),
                    "FirstName": customer["firstName"],
                    "MiddleName": customer["middleName"] or "",
                    "LastName": customer["lastName"],
                    "UnitNumber": customer["unitNumber"],
                    "BuildingName": customer["buildingName"],
                    "Address": customer["street"],
                    "City": customer["city"],
                    "State": customer["state"],
                    "PostalCode": customer["postalCode"],
                    "Email": customer["email"] or "",
                    "PhoneNumber": customer["mobilePhone"] or customer["homePhone"] or "",
                }
            )
    page, headers = paged(call, rows)
    return success(call, {"Customers": {"Customer": flattened(page)}}, *headers)


def search_customers(call: Call, scene: Scene) -> Reply:
    """`customers/searchCustomers`: by part of a name, a telephone number, or the unit."""
    params = Params(call.params, frozenset({"propertyId", "search"}))
    place = property_of(params, scene)
    search = params.text("search")
    if search is None:
        raise Refusal(400, "search is required.")
    digits = "".join(filter(str.isdecimal, search))

    def meant(customer: Json) -> bool:
        name = f"{customer['firstName']} {customer['lastName']}"
        phones = f"{customer['mobilePhone']} {customer['homePhone']}"
        return (
            search.casefold() in name.casefold()
            or search == customer["unitNumber"]
            or (len(digits) >= 4 and digits in phones)
        )

    rows = [
        {
            "id": customer["id"],
            "namePrefix": "",
            "firstName": customer["firstName"],
            "middleName": customer["middleName"] or "",
            "lastName": customer["lastName"],
            "email": customer["email"] or "",
            "unitNumber": customer["unitNumber"],
            "buildingName": customer["buildingName"],
            "address": customer["street"],
            "city": customer["city"],
            "state": customer["state"],
            "postalCode": customer["postalCode"],
        }
        for customer in scene.every("customers")
        if meant(customer) and any(x["propertyId"] == place["id"] for x in customer["leases"])
    ]
    page, headers = paged(call, rows)
    return success(call, {"customers": {"customer": flattened(page)}}, *headers)


def get_leases(call: Call, scene: Scene) -> Reply:
    """`leases/getLeases` r2: leases of a property; the cancelled only when asked for by status."""
    allowed = frozenset(
        {
            "propertyId",
            "applicationId",
            "customerId",
            "leaseStatusTypeIds",
            "leaseIds",
            "unitNumber",
            "includeLeaseHistory",
            "includeDemographics",
            "includeOtherIncomeLeases",
            "includeArTransactions",
            "includeAddOns",
        }
    )
    params = Params(call.params, allowed)
    place = property_of(params, scene)
    statuses = params.identities("leaseStatusTypeIds")
    numbers = params.identities("leaseIds")
    customer = params.identity("customerId")
    application = params.identity("applicationId")
    unit = params.text("unitNumber")
    rows = [
        lease
        for lease in scene.children("leases", place["id"])
        if (lease["statusId"] != _CANCELLED if statuses is None else lease["statusId"] in statuses)
        and (numbers is None or lease["id"] in numbers)
        and (customer is None or customer in lease["customerIds"])
        and (application is None or any(a["id"] == application for a in lease["applications"]))
        and (unit is None or lease["unitNumber"] == unit)
    ]
    page, headers = paged(call, rows)
    shown = [_lease(lease, scene) for lease in page]
    return success(call, {"currencyCode": "USD", "leases": {"lease": flattened(shown)}}, *headers)


def _lease(lease: Json, scene: Scene) -> Json:
    customers = [
        _leaseholder(customer, lease, primary=index == 0)
        for index, number in enumerate(lease["customerIds"])
        if (customer := scene.get("customers", number)) is not None
    ]
    interval: Json = {
        "id": lease["leaseIntervalId"],
        "startDate": lease["starts"],
        "endDate": lease["ends"],
        "leaseIntervalTypeId": 1,
        "leaseIntervalTypeName": "Application",
        "leaseIntervalStatusTypeId": lease["statusId"],
    }
    if lease["applications"]:
        interval["applications"] = {"application": flattened(lease["applications"])}
    shown: Json = {
        "id": lease["id"],
        "leaseStatusTypeId": lease["statusId"],
        "propertyId": lease["propertyId"],
        "propertyName": lease["propertyName"],
        "moveInDate": lease["starts"],
        "moveOutDate": lease["ends"] if lease["status"] in ("Past", "Notice") else "",
        "leaseIntervalStatus": lease["status"],
        "leaseIntervalId": lease["leaseIntervalId"],
        "occupancyType": "Conventional",
        "isMonthToMonth": 0,
        "unitId": lease["unitId"],
        "unitNumberSpace": lease["unitNumber"],
        "buildingName": lease["buildingName"],
        "customers": {"customer": flattened(customers)},
        "leaseIntervals": {"leaseInterval": flattened([interval])},
    }
    if lease["noticeGiven"]:
        shown["noticeDate"] = lease["noticeGiven"]
    return shown


def _leaseholder(customer: Json, lease: Json, *, primary: bool) -> Json:
    phones = [
        {"phoneNumber": customer[field], "phoneType": kind}
        for field, kind in (("mobilePhone", "Mobile"), ("homePhone", "Home"))
        if customer[field]
    ]
    shown: Json = {
        "id": customer["id"],
        "customerType": "Primary" if primary else "Roommate",
        "firstName": customer["firstName"],
        "lastName": customer["lastName"],
        "nameFull": f"{customer['firstName']} {customer['lastName']}",
        "emailAddress": customer["email"] or "",
        "leaseCustomerStatus": lease["status"],
        "moveInDate": lease["starts"],
        "moveOutDate": lease["ends"] if lease["status"] in ("Past", "Notice") else "",
    }
    if phones:
        shown["phones"] = {"phone": flattened(phones)}
    return shown


def get_lead_pick_lists(call: Call, scene: Scene) -> Reply:
    """`leads/getLeadPickLists`: r2 needs a property and lists its leasing agents, r1 neither."""
    params = Params(call.params, frozenset({"propertyId"}))

    def rows(values: Iterable[Json]) -> object:
        return flattened([{"@attributes": value} for value in values])

    types = ({"id": i, "name": n, "entrataName": n} for i, n in picklists.EVENT_TYPES.items())
    sub_types = (
        {"id": item.id, "name": item.name, "eventTypeId": item.type_id}
        for item in picklists.SUB_TYPES
    )
    results = (
        {
            "id": item.id,
            "name": item.name,
            "eventTypeId": item.type_id,
            "defaultEventResultId": item.id % 10,
        }
        for item in picklists.RESULTS
    )
    statuses = ({"id": i, "name": n} for i, n in picklists.LEAD_STATUSES)
    relationships = ({"id": i, "name": n} for i, n in picklists.RELATIONSHIPS)
    result: Json = {
        "eventTypes": {"eventType": rows(types)},
        "eventSubTypes": {"eventSubType": rows(sub_types)},
        "eventResults": {"eventResult": rows(results)},
        "leadStatuses": {"leadStatus": rows(statuses)},
        "customerRelationshipTypes": {"customerRelationshipType": rows(relationships)},
    }
    if call.version == "r2":
        place = property_of(params, scene)
        agents = [
            {"id": member["id"], "name": member["name"]}
            for member in scene.every("staff")
            if place["id"] in member["agentAt"]
        ]
        result["property"] = {
            "@attributes": {"id": place["id"], "name": place["name"]},
            "leasingAgents": {"leasingAgent": rows(agents)},
        }
    return success(call, result)
