"""Propertyware's lists and single records over REST, with their filters, and the one SOAP list.

A query parameter that is not known is passed over; one whose name differs in its capitals alone is
a path that does not exist, as the documentation says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.propertyware.simulator import soap
from frontdesk.vendors.propertyware.simulator.answers import (
    error,
    instant,
    listed,
    one,
    whole_number,
)

Filter = Callable[[Json], bool]

_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "leases": ("buildingID", "unitID", "portfolioID"),
    "units": ("buildingID", "portfolioID"),
    "buildings": ("portfolioID",),
}
_WORDS: Mapping[str, tuple[str, ...]] = {"contacts": ("type",), "leases": ("status",)}
_PERSON = (
    "firstName", "middleName", "lastName", "email", "mobilePhone", "homePhone", "workPhone",
    "birthDate",
)  # fmt: skip


def list_records(collection: str, request: Request, scene: Scene) -> Reply:
    """One page of a collection."""
    keeps = _filters(collection, request)
    rows = (row for row in scene.every(collection) if all(keep(row) for keep in keeps))
    return listed(request, rows)


def one_record(collection: str, _request: Request, scene: Scene, number: int) -> Reply:
    """One record of a collection, or 404."""
    row = scene.get(collection, number)
    if row is None:
        return error(404, f"There is no record {number} in {collection}.")
    return Reply.json(200, row)


def part_of_record(
    collection: str, part: str, _request: Request, scene: Scene, number: int
) -> Reply:
    """A list that stands inside a record (a lease's contacts, a building's managers)."""
    row = scene.get(collection, number)
    if row is None:
        return error(404, f"There is no record {number} in {collection}.")
    return Reply.json(200, row[part])


def contact_categories(_request: Request, _scene: Scene) -> Reply:
    """`GET /contacts/categories`."""
    return Reply.json(200, [{"id": 1, "name": "Friend"}, {"id": 2, "name": "Emergency"}])


def contacts_by_type(call: soap.Call, scene: Scene) -> Reply:
    """SOAP `getContactsByType(type)`: everybody of the type at once, without paging."""
    wanted = (call.arguments["type"].text or "") if "type" in call.arguments else ""
    found = [
        {"ID": row["id"], **{name: row[name] for name in _PERSON}, "contactType": row["type"]}
        for row in scene.every("contacts")
        if row["type"].casefold() == wanted.strip().casefold()
    ]
    return soap.answered_with_list(call.operation, found, "Contact")


def _filters(collection: str, request: Request) -> list[Filter]:
    found: list[Filter] = []
    for name in _NUMBERS.get(collection, ()):
        number = whole_number(request, name)
        if number is not None:
            found.append(_equals(name, number))
    for name in _WORDS.get(collection, ()):
        word = one(request, name)
        if word is not None:
            found.append(_equals(name, word))
    after = instant(request, "lastModifiedDateTimeStart")
    before = instant(request, "lastModifiedDateTimeEnd")
    if after is not None:
        found.append(lambda row: row["lastModifiedDateTime"] >= after)
    if before is not None:
        found.append(lambda row: row["lastModifiedDateTime"] <= before)
    return found


def _equals(name: str, wanted: object) -> Filter:
    return lambda row: row.get(name) == wanted
