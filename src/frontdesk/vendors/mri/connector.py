"""MRI's connector: a resident event is a residential action, of which MRI keeps the date, a code,
a description, a leasing agent and a status.

The id of an action comes with the answer. MRI has no idempotency key, so an uncertain action is
looked for among the resident's, as far as that read can be trusted (it is a guess).
"""

from collections.abc import Mapping
from datetime import date, datetime

from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    FoundEvent,
    Outcome,
    OutcomeKind,
    Page,
    Plan,
    QuotaReport,
    ReadRefused,
    Request,
    Resident,
    Session,
)
from frontdesk.vendors.declaration import Declaration, Model
from frontdesk.vendors.mri import catalog, client, guesses, names, paging, records
from frontdesk.vendors.mri.declaration import DECLARATION
from frontdesk.vendors.mri.plan import planned

_FIELDS = ("resident", "date", "type", "text", "employee", "status")


class MriConnector:
    """See `frontdesk.vendors.contract.Connector`. Holds no state."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def plan(self, intent: EventIntent) -> Plan:
        return planned(intent)

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:  # noqa: ARG002 — MRI echoes no request id
        api = _api(plan)
        fields = {} if plan.x_event_id is None else {names.of("action.id"): plan.x_event_id}
        for field in _FIELDS:
            if field in plan.payload:
                fields[names.of(f"action.{field}")] = _spelt(field, str(plan.payload[field]))
        method = "POST" if plan.x_event_id is None else "PUT"
        return client.request(access, method, api, {}, client.entry(api, fields))

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        resident, text = plan.trace.x_resident_id, plan.trace.text
        return client.write_outcome(answer, _api(plan), resident, text, plan.x_event_id)

    async def read(
        self,
        session: Session,
        model: Model,
        cursor: str | None,
        since: datetime | None,  # noqa: ARG002 — no read tells the leases that changed since
    ) -> Page:
        return await catalog.page(session, model, cursor)

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        api, query = names.of("api.actions"), {names.of("action.resident"): resident.x_id}
        try:
            items = await paging.whole(session, api, query)
        except ReadRefused as error:
            if error.outcome.kind is OutcomeKind.REJECTED and guesses.says_none(str(error)):
                return ()
            raise
        try:
            found = [
                records.found_event(item, resident, (where or {}).get("timezone")) for item in items
            ]
        except ValueError as error:
            words = "MRI's list of actions holds one without an id."
            raise ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unreadable_answer", words)) from error
        return tuple({event.x_id: event for event in found if event is not None}.values())

    def refined_budget(self, answer: Answer) -> QuotaReport | None:  # noqa: ARG002 — no quota headers
        return None


def _api(plan: Plan) -> str:
    return names.of("api.create" if plan.x_event_id is None else "api.update")


def _spelt(field: str, value: str) -> str:
    """A field's value as the wire has it."""
    if field == "date":
        return records.midnight(date.fromisoformat(value))
    return names.status(value) if field == "status" else value
