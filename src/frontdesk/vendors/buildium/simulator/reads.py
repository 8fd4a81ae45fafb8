"""Buildium's lists and single records for a sync, with their filters.

A query parameter that the documentation does not name is passed over, as the real API was not seen
to refuse one; a known one with a value that it cannot take is a 400.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.buildium.simulator.answers import (
    between,
    error,
    listed,
    one,
    refuse,
    several,
    several_ids,
    several_words,
)

_TERM_STATUSES = frozenset({"Active", "Past", "Future"})
_PROPERTY_STATUSES = frozenset({"Active", "InActive"})
_USER_TYPES = frozenset({"Staff", "RentalOwner", "AssociationOwner", "Tenant", "Vendor"})

Filter = Callable[[Json], bool]


def _updated(request: Request) -> Filter:
    within = between(request, "lastupdatedfrom", "lastupdatedto")
    return lambda row: within(row["updated"])


def _contains(request: Request, name: str, text_of: Callable[[Json], str | None]) -> Filter:
    wanted = one(request, name)
    if wanted is None:
        return lambda _row: True
    return lambda row: wanted.casefold() in (text_of(row["wire"]) or "").casefold()


def _active(request: Request, name: str, is_active: Filter) -> Filter:
    words = several_words(request, name, _PROPERTY_STATUSES)
    if words is None:
        return lambda _row: True
    return lambda row: ("Active" if is_active(row) else "InActive") in words


def _inactive_properties(scene: Scene) -> frozenset[int]:
    rentals = (row["wire"] for row in scene.every("rentals"))
    return frozenset(wire["Id"] for wire in rentals if not wire["IsActive"])


def _tenants(request: Request, scene: Scene) -> list[Filter]:
    terms = several_words(request, "leasetermstatuses", _TERM_STATUSES)
    properties = several_ids(request, "propertyids")
    units = several_ids(request, "unitids")
    owners = several_ids(request, "rentalownerids")
    number = one(request, "unitnumber")
    buildings = several_words(request, "buildingstatuses", _PROPERTY_STATUSES)
    inactive = _inactive_properties(scene)
    phone = "".join(filter(str.isdecimal, one(request, "phone") or ""))

    def leased(row: Json) -> bool:
        """One and the same lease must answer every filter about leases."""
        if terms is None and properties is None and units is None and number is None:
            return True
        return any(
            (terms is None or lease["LeaseStatus"] in terms)
            and (properties is None or lease["PropertyId"] in properties)
            and (units is None or lease["UnitId"] in units)
            and (number is None or lease["UnitNumber"] == number)
            for lease in row["wire"]["Leases"]
        )

    def called(row: Json) -> bool:
        numbers = ("".join(filter(str.isdecimal, p["Number"])) for p in row["wire"]["PhoneNumbers"])
        return not phone or any(phone in digits for digits in numbers)

    def in_building(row: Json) -> bool:
        return buildings is None or any(
            ("InActive" if lease["PropertyId"] in inactive else "Active") in buildings
            for lease in row["wire"]["Leases"]
        )

    return [
        leased,
        called,
        in_building,
        # No rental of the sandbox has an owner on record, so every owner filter finds nobody.
        lambda _row: owners is None,
        _contains(request, "name", lambda wire: f"{wire['FirstName']} {wire['LastName']}"),
        _contains(request, "email", lambda wire: wire["Email"]),
    ]


def _leases(request: Request, _scene: Scene) -> list[Filter]:
    statuses = several_words(request, "leasestatuses", _TERM_STATUSES)
    properties = several_ids(request, "propertyids")
    units = several_ids(request, "unitids")
    return [
        lambda row: statuses is None or row["wire"]["LeaseStatus"] in statuses,
        lambda row: properties is None or row["wire"]["PropertyId"] in properties,
        lambda row: units is None or row["wire"]["UnitId"] in units,
    ]


def _rentals(request: Request, _scene: Scene) -> list[Filter]:
    properties = several_ids(request, "propertyids")
    return [
        lambda row: properties is None or row["wire"]["Id"] in properties,
        _active(request, "status", lambda row: row["wire"]["IsActive"]),
    ]


def _units(request: Request, scene: Scene) -> list[Filter]:
    properties = several_ids(request, "propertyids")
    inactive = _inactive_properties(scene)
    return [
        lambda row: properties is None or row["wire"]["PropertyId"] in properties,
        _active(request, "buildingstatus", lambda row: row["wire"]["PropertyId"] not in inactive),
    ]


def _users(request: Request, _scene: Scene) -> list[Filter]:
    kinds = several_words(request, "usertypes", _USER_TYPES)
    return [
        lambda row: kinds is None or bool(kinds & set(row["wire"]["UserTypes"])),
        _active(request, "status", lambda row: row["wire"]["IsActive"]),
        _contains(request, "name", lambda wire: f"{wire['FirstName']} {wire['LastName']}"),
        _contains(request, "email", lambda wire: wire["Email"]),
    ]


def _userroles(request: Request, _scene: Scene) -> list[Filter]:
    names = several(request, "names")
    return [lambda row: names is None or row["wire"]["Name"] in names]


_FILTERS: Mapping[str, Callable[[Request, Scene], list[Filter]]] = {
    "tenants": _tenants,
    "leases": _leases,
    "rentals": _rentals,
    "units": _units,
    "users": _users,
    "userroles": _userroles,
}


def _shown(collection: str, wire: Json, base_url: str) -> Json:
    if collection != "rentals":
        return wire
    manager = wire["RentalManager"]
    return {**wire, "RentalManager": {**manager, "Href": base_url + manager["Href"]}}


def list_records(collection: str, request: Request, scene: Scene) -> Reply:
    """One page of a collection."""
    filters = [_updated(request), *_FILTERS[collection](request, scene)]

    def rows() -> Iterator[Json]:
        for row in scene.every(collection):
            if all(keeps(row) for keeps in filters):
                yield _shown(collection, row["wire"], request.base_url)

    return listed(request, rows())


def one_record(collection: str, number: int, request: Request, scene: Scene) -> Reply:
    """One record of a collection, or 404."""
    row = scene.get(collection, number)
    if row is None:
        return error(404, "The requested resource was not found.")
    return Reply.json(200, _shown(collection, row["wire"], request.base_url))


def tenant_or_404(scene: Scene, number: int) -> Json:
    """The tenant of that id. Raises the 404."""
    row = scene.get("tenants", number)
    if row is None:
        raise refuse(404, f"Tenant {number} was not found.")
    wire: Json = row["wire"]
    return wire
