"""Rent Manager's connector: a resident event is an entry of the tenant's history.

Notes, calls, e-mails and visits are saved at four places and read at one. The id comes with the
answer; Rent Manager has no idempotency key, so an uncertain entry is looked for in the history.
Its e-mails are records of e-mails: nothing here makes it send one.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    FoundEvent,
    Outcome,
    Page,
    Plan,
    QuotaReport,
    Record,
    Request,
    Resident,
    Session,
)
from frontdesk.vendors.declaration import Declaration, Model
from frontdesk.vendors.rentmanager import client, clock, records
from frontdesk.vendors.rentmanager.declaration import DECLARATION
from frontdesk.vendors.rentmanager.plan import planned
from frontdesk.vendors.times import zone_named

_List = tuple[str, str, str, str, Callable[[Mapping[str, Any], date], Record]]

# Path, id, fields, embeds, reader. Embeds are ignored unless `fields` names them too.
_LISTS: Mapping[Model, _List] = {
    Model.PROPERTIES: (
        "/Properties",
        "PropertyID",
        "PropertyID,Name,ShortName,IsActive,PropertyType,PrimaryAddress",
        "PrimaryAddress",
        records.property_record,
    ),
    Model.UNITS: (
        "/Units",
        "UnitID",
        "UnitID,Name,PropertyID,SquareFootage,IsVacant,PrimaryAddress,UnitType",
        "IsVacant,PrimaryAddress,UnitType",
        records.unit_record,
    ),
    Model.EMPLOYEES: (
        "/Users",
        "UserID",
        "UserID,Name,Firstname,Lastname,Email,IsLeasingAgent,IsActive",
        "",
        records.employee_record,
    ),
    Model.EVENT_TYPES: (
        "/HistoryCategories",
        "HistoryCategoryID",
        "HistoryCategoryID,Name,IsActive,HistoryCategoryTypes",
        "HistoryCategoryTypes",
        records.event_type_record,
    ),
    Model.RESIDENTS: (
        "/Tenants",
        "TenantID",
        "TenantID,Name,FirstName,LastName,PropertyID,Status,Contacts,Leases",
        "Leases,Contacts.PhoneNumbers",
        records.resident_record,
    ),
}


class RentManagerConnector:
    """See `frontdesk.vendors.contract.Connector`. Holds no state."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def plan(self, intent: EventIntent) -> Plan:
        return planned(intent)

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:  # noqa: ARG002 — Rent Manager echoes no request id
        path = client.history_path(str(plan.payload["tenant_id"]), plan.route)
        return client.request(access, "POST", path, body=[plan.payload["entry"]])

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        return client.save_outcome(answer, str(plan.payload["tenant_id"]), plan.x_event_id)

    async def read(
        self,
        session: Session,
        model: Model,
        cursor: str | None,
        since: datetime | None,  # noqa: ARG002 — a lease that changes leaves its tenant's stamp alone
    ) -> Page:
        if model not in _LISTS:
            return Page(())
        path, id_key, fields, embeds, record = _LISTS[model]
        query = {"fields": fields} | ({"embeds": embeds} if embeds else {})
        items, after, total, at = await client.listed(
            session, path, query, int(cursor) if cursor else 1, id_key
        )
        return Page(
            tuple(record(item, at.date()) for item in items),
            None if after is None else str(after),
            total,
        )

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        place = where or {}
        zone = zone_named(place.get("timezone") or resident.timezone) or clock.EASTERN
        stamp = place.get("stamp", "CreateDate")
        path = client.history_path(resident.x_id, "History")
        items = await client.listed_whole(session, path, {}, "HistoryID")
        return tuple(records.found_event(item, resident, zone, stamp) for item in items)

    def refined_budget(self, answer: Answer) -> QuotaReport | None:
        return client.quota(answer)
