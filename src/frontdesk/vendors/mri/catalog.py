"""Reads MRI's catalog: which calls bring a model, and how far a page reaches.

Properties and action codes come page by page, leasing agents at once (an agent has a row for each
property), units and residents property by property, each property whole: a lease's rows may lie on
two pages. No read tells which leases changed since a time, so every sync is a whole one.

Each property tells a resident of several properties with its own leases only. Stored like that, the
last one would hide the others: so the walk begins by finding such residents, and gives each of
their records all rows.
"""

from collections.abc import Iterable, Sequence

import orjson

from frontdesk.vendors.contract import Page, Record, Session
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.mri import names, records
from frontdesk.vendors.mri.paging import Item, leaf, whole

RENT_ROLL = "MRI_S-PMRM_ResidentialRentRoll"
RESIDENTS = "MRI_S-PMRM_ResidentsByPropertyID"
LEASES = "MRI_S-PMRM_ResidentLeaseDetailsByPropertyID"


async def page(session: Session, model: Model, cursor: str | None) -> Page:
    """One page of a model; empty for a model that MRI does not have. Raises `NoAnswer`,
    `ReadRefused`."""
    if model is Model.PROPERTIES:
        found = await leaf(session, names.of("api.properties"), {}, int(cursor or 0))
        return _page(map(records.property_record, found.items), found.after)
    if model is Model.EVENT_TYPES:
        found = await leaf(session, names.of("api.action_codes"), {}, int(cursor or 0))
        return _page(map(records.event_type_record, found.items), found.after)
    if model is Model.EMPLOYEES:
        return Page(records.agent_records(await whole(session, names.of("api.leasing_agents"), {})))
    if model is Model.UNITS:
        return await _units(session, cursor)
    if model is Model.RESIDENTS:
        return await _residents(session, cursor)
    return Page(())


async def _units(session: Session, cursor: str | None) -> Page:
    place = cursor or _next_place(session.x_property_ids, None)
    if place is None:
        return Page(())
    rows = await whole(session, RENT_ROLL, {"PROPERTYID": place})
    return Page(records.unit_records(rows), _next_place(session.x_property_ids, place))


async def _residents(session: Session, cursor: str | None) -> Page:
    """One property's residents. The cursor carries, beside the property, the few residents who are
    at several."""
    if cursor:
        place, shared = orjson.loads(cursor)
    else:
        place = _next_place(session.x_property_ids, None)
        if place is None:
            return Page(())
        shared = await _shared_residents(session)
    rows = list(await _lease_rows(session, place))
    here = {x_id for row in rows if (x_id := records.resident_id(row)) is not None}
    for other in sorted({x for x_id in here for x in shared.get(x_id, ())} - {place}):
        rows += [
            row
            for row in await _lease_rows(session, other)
            if (x_id := records.resident_id(row)) in here and x_id in shared
        ]
    after = _next_place(session.x_property_ids, place)
    next_cursor = None if after is None else orjson.dumps([after, shared]).decode()
    return Page(records.resident_records(rows), next_cursor)


async def _shared_residents(session: Session) -> dict[str, list[str]]:
    """Residents whom several properties tell, with those properties."""
    told_by: dict[str, set[str]] = {}
    order = sorted(set(session.x_property_ids))
    for place in order if len(order) > 1 else ():
        for row in await whole(session, RESIDENTS, {"RMPROPID": place}):
            if (x_id := records.resident_id(row)) is not None:
                told_by.setdefault(x_id, set()).add(place)
    return {x_id: sorted(places) for x_id, places in told_by.items() if len(places) > 1}


async def _lease_rows(session: Session, place: str) -> tuple[Item, ...]:
    return await whole(session, LEASES, {"RMPROPID": place})


def _next_place(x_property_ids: Sequence[str], place: str | None) -> str | None:
    """The property after this one, in an order that the ids alone give: a cursor means the same
    after properties were switched on or off."""
    return min((x_id for x_id in x_property_ids if place is None or x_id > place), default=None)


def _page(read: Iterable[Record | None], after: int | None) -> Page:
    # Each id once: one upsert cannot touch a row twice.
    found = {record.x_id: record for record in read if record is not None}
    return Page(tuple(found.values()), None if after is None else str(after))
