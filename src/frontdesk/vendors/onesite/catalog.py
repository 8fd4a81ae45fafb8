"""Reads OneSite's lists: each is one call and one page, for the one site of the integration.

A list that is not in the answer at all ends the read instead of counting as empty. What only
completes a record (buildings, dates of leases) may be missing from the licence; the lists
themselves may not.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from frontdesk.vendors import xml
from frontdesk.vendors.contract import (
    Answer,
    Outcome,
    OutcomeKind,
    Page,
    ReadRefused,
    Record,
    Session,
)
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.onesite import records
from frontdesk.vendors.onesite.answers import refusal, result_of
from frontdesk.vendors.onesite.gateway import Gateway, Operation

_ROWS = {
    Operation.SITES: ("SiteList", "Site"),
    Operation.BUILDINGS: ("BuildingList", "Building"),
    Operation.UNITS: ("UnitList", "Unit"),
    Operation.RESIDENTS: ("ResidentList", "Resident"),
    Operation.LEASES: ("Leases", "Lease"),
    Operation.AGENTS: ("Contents", "PicklistItem"),
    Operation.AGENTS_BY_PROPERTY: ("Contents", "PicklistItem"),
    Operation.ACTIVITY_TYPES: ("Contents", "PicklistItem"),
    Operation.RESULT_CODES: ("Contents", "PicklistItem"),
}
"""Each list's element and its rows'."""


async def page(session: Session, gateway: Gateway, model: Model) -> Page:
    """The whole model. Raises `NoAnswer`, `ReadRefused`."""
    if model is Model.PROPERTIES:
        return await _sites(session, gateway)
    site_id = _site(session, gateway)
    if site_id is None:
        return Page(())
    match model:
        case Model.UNITS:
            return await _units(session, gateway, site_id)
        case Model.EMPLOYEES:
            rows = await _list(session, gateway, gateway.agents, site_id)
            return _page([records.agent_record(row, site_id) for row in rows])
        case Model.EVENT_TYPES:
            rows = await _list(session, gateway, Operation.ACTIVITY_TYPES, site_id)
            return _page([records.activity_type(row) for row in rows])
        case Model.EVENT_RESULTS if gateway.result_codes:
            return await _results(session, gateway, site_id)
        case Model.RESIDENTS:
            return await _residents(session, gateway, site_id)
        case _:
            return Page(())


def _site(session: Session, gateway: Gateway) -> str | None:
    """The integration's site: the one that its credentials name, else the only one there is."""
    own = gateway.own_site(session.access)
    if own is not None:
        return own
    known = session.x_property_ids
    if len(known) > 1:
        raise _several_sites(gateway)
    return known[0] if known else None


def _several_sites(gateway: Gateway) -> ReadRefused:
    # Leases and residents are numbered anew at every site: two sites in one integration would mix
    # up their people.
    words = (
        f"The licence is for several sites; {gateway.site_key} must name one, and each further "
        "site needs an integration of its own."
    )
    return ReadRefused(Outcome(OutcomeKind.REJECTED, "several_sites", words))


async def _sites(session: Session, gateway: Gateway) -> Page:
    own = gateway.own_site(session.access)
    rows = await _if_licensed(session, gateway, Operation.SITES, own)
    found = [record for row in rows if (record := records.site_record(row)) is not None]
    if own is not None:
        listed = [record for record in found if record.x_id == own]
        return Page(tuple(listed[:1]) or (records.bare_site(own),))
    if len(found) > 1:
        raise _several_sites(gateway)
    return Page(tuple(found))


async def _units(session: Session, gateway: Gateway, site_id: str) -> Page:
    rows = await _list(session, gateway, Operation.UNITS, site_id)
    buildings: dict[str, Element] = {}
    for row in await _if_licensed(session, gateway, Operation.BUILDINGS, site_id):
        x_id = xml.text_of(row, "BuildingID")
        if x_id is not None:
            buildings[x_id] = row
    return _page([records.unit_record(row, site_id, buildings) for row in rows])


async def _results(session: Session, gateway: Gateway, site_id: str) -> Page:
    types = await _list(session, gateway, Operation.ACTIVITY_TYPES, site_id)
    x_type_ids = [record.x_id for row in types if (record := records.activity_type(row))]
    rows = await _list(session, gateway, Operation.RESULT_CODES, site_id)
    return _page([records.result_code(row, x_type_ids) for row in rows])


async def _residents(session: Session, gateway: Gateway, site_id: str) -> Page:
    rows = await _list(session, gateway, Operation.RESIDENTS, site_id)
    leases = await _if_licensed(session, gateway, Operation.LEASES, site_id)
    return Page(records.resident_records(rows, site_id, records.lease_dates(leases)))


async def _if_licensed(
    session: Session, gateway: Gateway, operation: Operation, site_id: str | None
) -> Sequence[Element]:
    """The rows of a list that is not indispensable, none where the licence lacks it."""
    try:
        return await _list(session, gateway, operation, site_id)
    except ReadRefused as error:
        if error.outcome.code != "method_not_authorised":
            raise
        return ()


async def _list(
    session: Session, gateway: Gateway, operation: Operation, site_id: str | None
) -> Sequence[Element]:
    request = gateway.request(session.access, operation, site_id, {})
    answer = await session.call(request)
    return _rows(answer, gateway.method(operation), operation)


def _rows(answer: Answer, method: str, operation: Operation) -> Sequence[Element]:
    holder, name = _ROWS[operation]
    result = result_of(answer, method)
    lists = [element for element in result.iter() if xml.name_of(element) == holder.lower()]
    if not lists:
        raise refusal(answer, f"OneSite's {operation} answer holds no {holder}.")
    return [row for inner in lists for row in xml.children(inner, name)]


def _page(read: Sequence[Record | None]) -> Page:
    # each id once: one upsert cannot touch a row twice
    return Page(tuple({record.x_id: record for record in read if record is not None}.values()))
