"""AppFolio's connector: a resident event is a tenant note, and nothing of an event but its text.

It refuses what a note cannot hold instead of writing it into the text. A new note bears an
idempotency key, the same at every attempt, so an answer that was lost is asked for again; a change
to a note, and a note older than its key, is looked for among the tenant's.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from frontdesk.vendors.appfolio import client, reads
from frontdesk.vendors.appfolio.declaration import DECLARATION
from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    FoundEvent,
    Issue,
    Outcome,
    OutcomeKind,
    Page,
    Plan,
    QuotaReport,
    ReadRefused,
    Record,
    Refused,
    Request,
    Resident,
    Session,
    Trace,
)
from frontdesk.vendors.declaration import Declaration, Model

_LISTS: Mapping[Model, tuple[str, Callable[[Mapping[str, Any]], Record]]] = {
    Model.PROPERTIES: ("/api/v0/properties", reads.property_record),
    Model.UNITS: ("/api/v0/units", reads.unit_record),
    Model.EMPLOYEES: ("/api/v0/users", reads.employee_record),
    Model.RESIDENTS: ("/api/v0/tenants", reads.resident_record),
}
_NOTES = "/api/v0/tenants/notes"


class AppfolioConnector:
    """See `frontdesk.vendors.contract.Connector`. Holds no state."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def plan(self, intent: EventIntent) -> Plan:
        note = str(intent.fields.get("notes") or "")
        issues: list[Issue] = []
        if not note:
            issues.append(Issue("required", ("notes",), "AppFolio takes no empty note."))
        if intent.operation == "update" and intent.x_event_id is None:
            issues.append(Issue("vendor_rule", (), "AppFolio's id of this note is not known yet."))
        if issues:
            raise Refused(issues)
        tenant = intent.resident.x_id
        note_id = intent.x_event_id if intent.operation == "update" else None
        return Plan(
            operation=intent.operation,
            route="tenant_note",
            payload={"tenant_id": tenant, "note": note},
            trace=Trace(
                x_resident_id=tenant,
                where={} if note_id is None else {"note_id": note_id},
                text=note,
            ),
            x_event_id=note_id,
        )

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:
        path = client.notes_path(str(plan.payload["tenant_id"]), plan.x_event_id)
        body = client.note_body(str(plan.payload["note"]))
        if plan.x_event_id is not None:
            return client.request(access, "PATCH", path, body=body)
        return client.request(access, "POST", path, body=body, key=request_id)

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        return client.note_outcome(answer, expected_id=plan.x_event_id)

    async def read(
        self, session: Session, model: Model, cursor: str | None, since: datetime | None
    ) -> Page:
        if model not in _LISTS:
            return Page(())
        path, record = _LISTS[model]
        items, after = await client.listed(session, path, _changed(since), _page_of(cursor))
        records = tuple(record(item) for item in items)
        return Page(records, None if after is None else str(after))

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        note_id = (where or {}).get("note_id")
        if note_id is not None:
            items = await client.listed_whole(session, _NOTES, {"Id": note_id})
        else:
            items = await _notes_of(session, resident.x_id)
        return tuple(
            reads.found_event(item, resident) for item in items if reads.is_of(item, resident)
        )

    def refined_budget(self, answer: Answer) -> QuotaReport | None:  # noqa: ARG002 — no quota headers
        return None


async def _notes_of(session: Session, tenant_id: str) -> tuple[Mapping[str, Any], ...]:
    """The notes of a tenant, and perhaps those of others.

    GUESS: the list takes `filters[EntityId]`. It is safe to be wrong: where the filter is ignored,
    everybody's notes come, and where it is refused, they are asked for without it."""
    try:
        return await client.listed_whole(session, _NOTES, {**_changed(None), "EntityId": tenant_id})
    except ReadRefused as refused:
        if refused.outcome.kind is not OutcomeKind.REJECTED or refused.outcome.code != "invalid":
            raise
    return await client.listed_whole(session, _NOTES, _changed(None))


def _changed(since: datetime | None) -> dict[str, str]:
    """The filter that every list needs."""
    if since is None:
        return {"LastUpdatedAtFrom": client.EVERYTHING_SINCE}
    return {"LastUpdatedAtFrom": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _page_of(cursor: str | None) -> int:
    return int(cursor) if cursor else 1
