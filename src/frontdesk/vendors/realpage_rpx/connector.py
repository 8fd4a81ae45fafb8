"""RPX's connector: plans an activity, sends it, judges the answer, and reads OneSite's lists and
activity logs back. It holds no state and makes no call itself.
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
from frontdesk.vendors.onesite import activities, answers, catalog
from frontdesk.vendors.onesite.gateway import Operation
from frontdesk.vendors.onesite.plan import planned
from frontdesk.vendors.realpage_rpx.client import GATEWAY
from frontdesk.vendors.realpage_rpx.declaration import DECLARATION


class RealPageRpxConnector:
    """See `frontdesk.vendors.contract.Connector`."""

    @property
    def declaration(self) -> Declaration:
        return DECLARATION

    def plan(self, intent: EventIntent) -> Plan:
        if intent.operation == "update":
            raise Refused([Issue("not_supported", (), DECLARATION.unsupported_reason)])
        return planned(intent)

    def request(self, plan: Plan, access: Access, request_id: str) -> Request:  # noqa: ARG002 — OneSite echoes no request id
        values = dict(plan.payload)
        return GATEWAY.request(access, Operation.ADD_ACTIVITY, values.pop("site_id"), values)

    def judge(self, plan: Plan, answer: Answer) -> Outcome:  # noqa: ARG002 — there is one write
        return answers.write_outcome(answer, GATEWAY.method(Operation.ADD_ACTIVITY))

    async def read(
        self,
        session: Session,
        model: Model,
        cursor: str | None,  # noqa: ARG002 — no list of OneSite's has pages
        since: datetime | None,  # noqa: ARG002 — no list filters by change date
    ) -> Page:
        return await catalog.page(session, GATEWAY, model)

    async def read_events(
        self, session: Session, resident: Resident, where: Mapping[str, str] | None = None
    ) -> tuple[FoundEvent, ...]:
        return await activities.found(session, GATEWAY, resident, where)

    def refined_budget(self, answer: Answer) -> QuotaReport | None:  # noqa: ARG002 — no quota headers
        return None
