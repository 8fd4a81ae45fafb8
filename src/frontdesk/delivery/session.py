"""A connector's reads: within the budget, concurrency and circuit of the integration."""

from collections.abc import Sequence

from frontdesk.delivery.budgets import Budgets, Purpose
from frontdesk.delivery.granted import call_granted
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.logins import Logins
from frontdesk.delivery.stopping import Stopping
from frontdesk.delivery.wire import Wire
from frontdesk.vendors.contract import (
    Access,
    Answer,
    NoAnswer,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Request,
)

THROTTLED_SECONDS = 1.0
"""How long nobody calls after a 429 that names no time."""


class ReadSession:
    """`vendors.contract.Session` for one integration and one purpose."""

    def __init__(
        self,
        holding: Holding,
        budgets: Budgets,
        wire: Wire,
        stopping: Stopping,
        logins: Logins,
        *,
        purpose: Purpose,
        x_property_ids: Sequence[str] = (),
    ) -> None:
        self._holding = holding
        self._budgets = budgets
        self._wire = wire
        self._stopping = stopping
        self._logins = logins
        self._purpose = purpose
        self._x_property_ids = tuple(x_property_ids)

    @property
    def access(self) -> Access:
        """Where and as whom this integration calls."""
        return self._holding.access

    @property
    def x_property_ids(self) -> Sequence[str]:
        """PMS ids of the integration's enabled properties."""
        return self._x_property_ids

    async def call(self, request: Request) -> Answer:
        """Send a read; once more where its token is refused. Raises `NoAnswer`; `ReadRefused` where
        no call may be made for a while."""
        holding = self._holding
        self._check_circuit()
        token = await self._logins.token(holding)
        answer = await self._call(self._logins.bearing(holding, request, token))
        if await self._logins.is_outdated(holding, token, answer):
            token = await self._logins.token(holding)
            answer = await self._call(self._logins.bearing(holding, request, token))
            await self._logins.is_outdated(holding, token, answer)
        return answer

    async def _call(self, request: Request) -> Answer:
        holding = self._holding
        declaration = holding.declaration
        try:
            # The circuit may have opened while it waited, and only a probe may close it.
            exchange, began = await call_granted(
                self._budgets,
                self._wire,
                holding,
                request,
                self._purpose,
                turn=lambda: holding.scope.gate.reading(self._purpose),
                check=self._check_circuit,
            )
        except NoAnswer as error:
            await self._stopping.no_answer(holding, str(error))
            raise
        answer = exchange.answer
        if answer.status not in (401, 403):
            await self._stopping.answered(holding, began)
        report = holding.connector.refined_budget(answer)
        if report is not None:
            await self._budgets.note_quota(
                holding.integration, declaration, request.budget_key, report
            )
        if answer.status == 429:
            await self._budgets.slow_down(
                holding.integration, declaration, request.budget_key, _asked_pause(answer)
            )
        return answer

    def _check_circuit(self) -> None:
        if self._holding.is_closed:
            raise ReadRefused(
                Outcome(
                    OutcomeKind.NOT_NOW,
                    code="circuit",
                    message="The PMS is not being called at the moment, after repeated failures.",
                    retry_after=5.0,
                )
            )


def _asked_pause(answer: Answer) -> float:
    try:
        return min(3600.0, max(0.0, float(answer.headers.get("retry-after", ""))))
    except ValueError:
        return THROTTLED_SECONDS
