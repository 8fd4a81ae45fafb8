"""Entrata's connector: plans an event by lease or by application, sends it, judges both levels of
the answer, and reads the catalog and the events back. It holds no state and makes no call itself.
"""

from collections.abc import Mapping
from datetime import datetime

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
    Refused,
    Request,
    Resident,
    Session,
)
from frontdesk.vendors.declaration import Declaration, Model
from frontdesk.vendors.entrata import catalog, client, events
from frontdesk.vendors.entrata.declaration import DECLARATION
from frontdesk.vendors.entrata.plan import planned

_ITEMS: Mapping[str, tuple[str, str]] = {
    "sendLeaseActivities": ("events", "event"),
    "updateLeads": ("prospects", "prospect"),
}
"""Where each write's answer says what became of the event."""


class EntrataConnector:
    """See `frontdesk.vendors.contract.Connector`."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def plan(self, intent: EventIntent) -> Plan:
        if intent.operation == "update":
            raise Refused([Issue("not_supported", (), DECLARATION.unsupported_reason)])
        return planned(intent)

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:
        return client.request(access, plan.budget_key, plan.payload, request_id)

    def judge(self, plan: Plan, answer: Answer) -> Outcome:
        return client.write_outcome(answer, *_ITEMS[plan.budget_key])

    async def read(
        self,
        session: Session,
        model: Model,
        cursor: str | None,
        since: datetime | None,  # noqa: ARG002 — no list of Entrata's filters by change date
    ) -> Page:
        return await catalog.page(session, model, cursor)

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        return await events.found(session, resident, where)

    def refined_budget(self, answer: Answer) -> QuotaReport | None:
        return client.quota(answer)
