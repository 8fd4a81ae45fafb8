"""Buildium's connector: a resident event is a tenant note, and nothing of an event but its text.

It refuses what a note cannot hold instead of writing it into the text. The id of a note comes with
the answer; Buildium has no idempotency key, so an uncertain note is looked for among the tenant's.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.buildium import client, reads
from frontdesk.vendors.buildium.declaration import DECLARATION, LONGEST_NOTE
from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    FoundEvent,
    Issue,
    Outcome,
    Page,
    Plan,
    QuotaReport,
    Record,
    Refused,
    Request,
    Resident,
    Session,
    Trace,
)
from frontdesk.vendors.declaration import Declaration, Model

_LISTS: Mapping[Model, tuple[str, Callable[[Mapping[str, Any]], Record]]] = {
    Model.PROPERTIES: ("/v1/rentals", reads.property_record),
    Model.UNITS: ("/v1/rentals/units", reads.unit_record),
    Model.RESIDENTS: ("/v1/leases/tenants", reads.resident_record),
}


class BuildiumConnector:
    """See `frontdesk.vendors.contract.Connector`. Holds no state."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def plan(self, intent: EventIntent) -> Plan:
        note = str(intent.fields.get("notes") or "")
        issues: list[Issue] = []
        if not note:
            issues.append(Issue("required", ("notes",), "Buildium takes no empty note."))
        if len(note) > LONGEST_NOTE:
            issues.append(
                Issue(
                    "too_long",
                    ("notes",),
                    f"Buildium takes notes of up to {LONGEST_NOTE} characters.",
                    expected=str(LONGEST_NOTE),
                    received=str(len(note)),
                )
            )
        if intent.operation == "update" and intent.x_event_id is None:
            issues.append(Issue("vendor_rule", (), "Buildium's id of this note is not known yet."))
        if issues:
            raise Refused(issues)
        tenant = intent.resident.x_id
        return Plan(
            operation=intent.operation,
            route="tenant_note",
            payload={"tenant_id": tenant, "note": note},
            trace=Trace(x_resident_id=tenant, where={}, text=note),
            x_event_id=intent.x_event_id if intent.operation == "update" else None,
        )

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:  # noqa: ARG002 — Buildium echoes no request id
        tenant, note = str(plan.payload["tenant_id"]), plan.payload["note"]
        method = "POST" if plan.x_event_id is None else "PUT"
        path = client.notes_path(tenant, plan.x_event_id)
        return client.request(access, method, path, body={"Note": note})

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        return client.note_outcome(answer, expected_id=plan.x_event_id)

    async def read(
        self, session: Session, model: Model, cursor: str | None, since: datetime | None
    ) -> Page:
        if model is Model.EMPLOYEES:
            return await self._employees(session, _offset(cursor))
        if model not in _LISTS:
            return Page(())
        path, record = _LISTS[model]
        query: dict[str, str] = {}
        if model is Model.RESIDENTS and since is not None:
            query["lastupdatedfrom"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        items, after, total = await client.listed(session, path, query, _offset(cursor))
        return _page(tuple(record(item) for item in items), after, total)

    async def read_events(
        self,
        session: Session,
        resident: Resident,
        where: Mapping[str, str] | None = None,  # noqa: ARG002 — a tenant has one place for notes
    ) -> tuple[FoundEvent, ...]:
        items = await client.listed_whole(session, client.notes_path(resident.x_id))
        return tuple(reads.found_event(item, resident) for item in items)

    def refined_budget(self, answer: Answer) -> QuotaReport | None:  # noqa: ARG002 — no quota headers
        return None

    async def _employees(self, session: Session, offset: int) -> Page:
        items, after, total = await client.listed(
            session, "/v1/users", {"usertypes": "Staff"}, offset
        )
        role_names: dict[str, str] = {}
        if any("Name" not in values.mapping(item.get("UserRole")) for item in items):
            roles = await client.listed_whole(session, "/v1/userroles")
            role_names = {str(role["Id"]): str(role.get("Name") or "") for role in roles}
        records = tuple(reads.employee_record(item, role_names) for item in items)
        return _page(records, after, total)


def _offset(cursor: str | None) -> int:
    return int(cursor) if cursor else 0


def _page(records: tuple[Record, ...], after: int | None, total: int | None) -> Page:
    return Page(records, None if after is None else str(after), total)
