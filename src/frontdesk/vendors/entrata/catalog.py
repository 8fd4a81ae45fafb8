"""Reads Entrata's catalog, page by page: which calls bring a model, and how far a page reaches.

Properties come as one list, units and residents per property, pick lists from one property (types,
sub types, results) or from all of them at once (leasing agents, who may serve several). Entrata
filters none of these by change date, so every sync is a whole one.
"""

from collections.abc import Mapping, Sequence

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
    if model in (Model.UNITS, Model.RESIDENTS):
        return await _of_property(session, model, cursor)
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


async def _of_property(session: Session, model: Model, cursor: str | None) -> Page:
    order = walk_order(session.x_property_ids)
    if not order:
        return Page(())
    place = Place.read(cursor) if cursor else Place(order[0])
    x_property_id = place.x_property_id or order[0]
    if model is Model.UNITS:
        params = {"propertyIds": x_property_id}
        found = await leaf(session, "getPropertyUnits", params, _unit_nodes, place)
        read = [records.unit_record(item, x_property_id) for item in found.items]
    else:
        found = await leaf(
            session, "getCustomers", _resident_params(x_property_id), _customer_nodes, place
        )
        leases = await _leases(session, x_property_id) if found.items else {}
        read = [records.resident_record(item, leases, x_property_id) for item in found.items]
    after = found.after
    if after is None:
        following = property_after(order, x_property_id)
        after = None if following is None else Place(following)
    return Page(_distinct(read), after.cursor() if after else None)


async def _leases(session: Session, x_property_id: str) -> Mapping[str, list[records.LeaseOf]]:
    """A property's leases by customer."""
    found: dict[str, list[records.LeaseOf]] = {}
    for item in await whole(session, "getLeases", _resident_params(x_property_id), _lease_nodes):
        for x_customer_id, lease in records.leases_of(item, x_property_id):
            found.setdefault(x_customer_id, []).append(lease)
    return found


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
