"""Reads Entrata's catalog, page by page: which calls bring a model, and how far a page reaches.

Properties come as one list, units and residents per property, pick lists from one property (types,
sub types, results) or from all of them at once (leasing agents, who may serve several). Entrata
filters none of these by change date, so every sync is a whole one.

Each property tells a customer of several properties with its own leases only. Stored
like that, the last one would hide the others, and an event would go to the wrong lease without
a word: so the walk begins by finding such customers, and gives each of their records all leases.
"""

from collections.abc import Sequence

import orjson

from frontdesk.vendors.contract import Page, Record, Session
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.entrata import client, nodes, records
from frontdesk.vendors.entrata.nodes import Node
from frontdesk.vendors.entrata.paging import (
    Place,
    leaf,
    property_after,
    walk_order,
    whole,
)

_RESIDENT_STATUSES = "3,4,5,6"
"""Future, current, notice, past: applicants and cancelled leases are no residents."""


async def page(session: Session, model: Model, cursor: str | None) -> Page:
    """One page of a model; empty for a model that Entrata does not have. Raises `NoAnswer`,
    `ReadRefused`."""
    if model is Model.PROPERTIES:
        return await _properties(session, cursor)
    if model is Model.UNITS:
        return await _units(session, cursor)
    if model is Model.RESIDENTS:
        return await _residents(session, cursor)
    if model is Model.EMPLOYEES:
        return await _agents(session)
    if model in (Model.EVENT_TYPES, Model.EVENT_SUB_TYPES, Model.EVENT_RESULTS):
        return await _pick_list(session, model)
    return Page(())


async def _properties(session: Session, cursor: str | None) -> Page:
    place = Place.read(cursor) if cursor else Place()
    found = await leaf(session, "getProperties", {}, _property_nodes, place)
    return Page(
        _distinct([records.property_record(item) for item in found.items]),
        found.after.cursor() if found.after else None,
        found.total,
    )


async def _units(session: Session, cursor: str | None) -> Page:
    order = walk_order(session.x_property_ids)
    if not order:
        return Page(())
    place = Place.read(cursor) if cursor else Place(order[0])
    x_property_id = place.x_property_id or order[0]
    params = {"propertyIds": x_property_id}
    found = await leaf(session, "getPropertyUnits", params, _unit_nodes, place)
    read = [records.unit_record(item, x_property_id) for item in found.items]
    after = found.after or _next_property(order, x_property_id)
    return Page(_distinct(read), after.cursor() if after else None)


async def _residents(session: Session, cursor: str | None) -> Page:
    """One page of one property's customers with their leases. The cursor carries, beside the place,
    the few customers who are at several properties."""
    order = walk_order(session.x_property_ids)
    if not order:
        return Page(())
    if cursor:
        at, shared = orjson.loads(cursor)
        place = Place.read(at)
    else:
        place, shared = Place(order[0]), await _shared_customers(session, order)
    x_property_id = place.x_property_id or order[0]
    params = _resident_params(x_property_id)
    found = await leaf(session, "getCustomers", params, _customer_nodes, place)
    wanted = {x_property_id} if found.items else set()
    for item in found.items:
        wanted.update(shared.get(nodes.identifier(item, "id", "customerId") or "", ()))
    leases: dict[str, list[records.LeaseOf]] = {}
    for x_id in walk_order(list(wanted)):
        for x_customer_id, lease in await _leases(session, x_id):
            leases.setdefault(x_customer_id, []).append(lease)
    read = [records.resident_record(item, leases, x_property_id) for item in found.items]
    after = found.after or _next_property(order, x_property_id)
    next_cursor = orjson.dumps([after.cursor(), shared]).decode() if after else None
    return Page(_distinct(read), next_cursor)


async def _shared_customers(session: Session, order: Sequence[str]) -> dict[str, list[str]]:
    """Customers whom several properties tell, with those properties."""
    told_by: dict[str, list[str]] = {}
    for x_property_id in order if len(order) > 1 else ():
        params = _resident_params(x_property_id)
        for item in await whole(session, "getCustomers", params, _customer_nodes):
            x_id = nodes.identifier(item, "id", "customerId")
            if x_id is not None and x_property_id not in told_by.setdefault(x_id, []):
                told_by[x_id].append(x_property_id)
    return {x_id: places for x_id, places in told_by.items() if len(places) > 1}


async def _leases(session: Session, x_property_id: str) -> list[tuple[str, records.LeaseOf]]:
    params = _resident_params(x_property_id)
    items = await whole(session, "getLeases", params, _lease_nodes)
    return [part for item in items for part in records.leases_of(item, x_property_id)]


def _next_property(order: Sequence[str], x_property_id: str) -> Place | None:
    following = property_after(order, x_property_id)
    return None if following is None else Place(following)


async def _agents(session: Session) -> Page:
    """All agents at once: read property by property, an agent of two properties would be stored
    with the last one only, and be refused at the other."""
    names: dict[str, Node] = {}
    serves: dict[str, list[str]] = {}
    for x_property_id in walk_order(session.x_property_ids):
        for item in records.agent_nodes(await _pick_lists(session, x_property_id)):
            x_id = nodes.identifier(item, "id")
            if x_id is not None:
                names.setdefault(x_id, item)
                if x_property_id not in serves.setdefault(x_id, []):
                    serves[x_id].append(x_property_id)
    return Page(
        tuple(records.agent_record(item, x_id, serves[x_id]) for x_id, item in names.items())
    )


async def _pick_list(session: Session, model: Model) -> Page:
    """GUESS: the first property's lists are everybody's; they stand outside `property` in the
    answer, unlike the agents."""
    order = walk_order(session.x_property_ids)
    if not order:
        return Page(())
    result = await _pick_lists(session, order[0])
    if model is Model.EVENT_TYPES:
        return Page(_distinct(records.event_types(result)))
    if model is Model.EVENT_SUB_TYPES:
        return Page(_distinct(records.event_sub_types(result)))
    return Page(_distinct(records.event_results(result)))


async def _pick_lists(session: Session, x_property_id: str) -> Node:
    params = {"propertyId": nodes.wire_number(x_property_id)}
    answer = await session.call(
        client.request(session.access, "getLeadPickLists", params, request_id="1")
    )
    result = client.read_result(answer)
    if nodes.listed(result, "eventTypes", "eventType") is None:
        client.refuse(answer, "Entrata's pick lists hold no event types.")
    return result


def _resident_params(x_property_id: str) -> dict[str, object]:
    return {
        "propertyId": nodes.wire_number(x_property_id),
        "leaseStatusTypeIds": _RESIDENT_STATUSES,
    }


def _property_nodes(result: Node) -> Sequence[Node] | None:
    found = nodes.listed(result, "PhysicalProperty", "Property")
    return found if found is not None else nodes.listed(result, "properties", "property")


def _unit_nodes(result: Node) -> Sequence[Node] | None:
    properties = nodes.listed(result, "properties", "property")
    if properties is None:
        return nodes.listed(result, "units", "unit")
    return [unit for item in properties for unit in nodes.listed(item, "units", "unit") or ()]


def _customer_nodes(result: Node) -> Sequence[Node] | None:
    return nodes.listed(result, "customers", "customer")


def _lease_nodes(result: Node) -> Sequence[Node] | None:
    return nodes.listed(result, "leases", "lease")


def _distinct(read: Sequence[Record | None]) -> tuple[Record, ...]:
    """Records without those that have no id, each id once: one upsert cannot touch a row twice."""
    found = {record.x_id: record for record in read if record is not None}
    return tuple(found.values())
