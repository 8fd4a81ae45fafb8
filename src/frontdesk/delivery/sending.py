"""Carries one claimed write to its PMS and says what came of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import structlog

from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.delivery import clock
from frontdesk.delivery.budgets import Budgets
from frontdesk.delivery.finishing import Finisher, completion
from frontdesk.delivery.holding import Holding, Place
from frontdesk.delivery.logins import Logins
from frontdesk.delivery.outcomes import NOT_SENT, Transition, after_send
from frontdesk.delivery.reading import Reader
from frontdesk.delivery.repository import Claimed
from frontdesk.delivery.stopping import Stopping
from frontdesk.delivery.wire import Exchange, NotSent, Wire
from frontdesk.integrations.service import PmsToken
from frontdesk.metrics import counts
from frontdesk.vendors.contract import (
    Answer,
    NoAnswer,
    Outcome,
    OutcomeKind,
    Plan,
    ReadRefused,
    Request,
    Unaskable,
)
from frontdesk.vendors.masking import mask, masked, masked_headers
from frontdesk.writes.plans import load_plan, same_address

log = structlog.get_logger(__name__)

DATABASE_PAUSE_SECONDS = 0.5
AHEAD_PAUSE_SECONDS = 1.0

SEND_WITHIN_SECONDS = 2.0
"""Between the commit that puts an attempt on disk and its first byte; past it nothing is sent."""

SHOWN_ANSWER_CHARACTERS = 20_000
KEY_KNOWN_FOR = timedelta(hours=23)
"""Vendors that know idempotency keys keep them for 24 hours; an hour is left for what is under way."""


class _Prepared(NamedTuple):
    """A send may leave: the token that it bears, if its vendor has logins."""

    token: PmsToken | None


class Sender:
    """Sends writes for one worker process."""

    def __init__(
        self,
        wire: Wire,
        budgets: Budgets,
        stopping: Stopping,
        finisher: Finisher,
        reader: Reader,
        logins: Logins,
    ) -> None:
        self._wire = wire
        self._budgets = budgets
        self._stopping = stopping
        self._finisher = finisher
        self._reader = reader
        self._logins = logins

    async def send(self, place: Place, write: Claimed, leave_before: float) -> None:
        """One attempt, from its request to its recorded outcome. `leave_before` is by `clock.now`.
        The place is given back as soon as the PMS has answered."""
        holding = place.holding
        plan = load_plan(write.plan)
        try:
            prepared = await self._prepare(holding, write, plan)
        except DatabaseUnavailable as error:
            # Nothing has left: to call it unknown would make the lane wait for what cannot be.
            log.warning("database_unavailable", doing="prepare a send", reason=str(error))
            await self.not_sent(holding, write, "the database was away", DATABASE_PAUSE_SECONDS)
            return
        if prepared is None:
            return
        token = prepared.token
        # With a vendor's own idempotency key, every attempt of a write must bear the same one.
        keyed = holding.declaration.idempotency_key
        request = self._logins.bearing(
            holding,
            holding.connector.request(
                plan, holding.access, str(write.id if keyed else write.attempt_id)
            ),
            token,
        )
        exchange: Exchange | None = None
        began = clock.now()
        try:
            exchange = await self._wire.send(
                request, timeout_s=holding.declaration.timeout_s, send_before=leave_before
            )
            outcome = holding.connector.judge(plan, exchange.answer)
        except NotSent:
            holding.scope.connecting.was_late()
            await self.not_sent(holding, write, "the moment to send it had passed")
            return
        except NoAnswer as error:
            outcome = _without_answer(error)
        answered_at = clock.now()
        if exchange is not None:
            holding.note_call(answered_at - began)
        if exchange is not None and await self._is_outdated(holding, token, exchange.answer):
            # Nothing was written, and the credentials may be good: with a new token it goes again.
            transition = Transition("retrying")
        else:
            try:
                await self._react(holding, plan, outcome, exchange, began)
            except DatabaseUnavailable as error:
                # Others learn it from an answer of their own. This write's must not be lost with it:
                # its completion waits for the database.
                log.warning("database_unavailable", doing="react to an answer", reason=str(error))
            transition = after_send(outcome, holding.declaration, write.failures)
        place.give_back()
        counts.send_ended(holding.integration.vendor, outcome.kind.value, answered_at - began)
        row = completion(write, transition, outcome=outcome.kind.value)
        secrets = (*holding.secrets, token.value) if token is not None else holding.secrets
        row |= _attempt_record(secrets, request, exchange, outcome)
        moved = await self._finisher.finish(holding.worker_id, row)
        if moved and transition.resolution == "pending":
            self._reader.expect_record(holding)

    async def not_sent(
        self, holding: Holding, write: Claimed, why: str, delay: float = 0.0
    ) -> None:
        """The request never left: the write waits where it was before."""
        counts.send_ended(holding.integration.vendor, NOT_SENT)
        transition = Transition("retrying" if write.attempts > 1 else "queued", delay=delay)
        row = completion(write, transition, outcome=NOT_SENT)
        row |= {"code": NOT_SENT, "message": why, "send_within": SEND_WITHIN_SECONDS}
        await self._finisher.finish(holding.worker_id, row)

    async def not_begun(self, holding: Holding, write: Claimed, why: str) -> None:
        """It was claimed, and nothing was done for it."""
        if write.state == "reconciling":
            row = completion(
                write, Transition("reconciling", delay=AHEAD_PAUSE_SECONDS), outcome=NOT_SENT
            )
            await self._finisher.finish(holding.worker_id, row)
        else:
            await self.not_sent(holding, write, why)

    async def _prepare(self, holding: Holding, write: Claimed, plan: Plan) -> _Prepared | None:
        """Everything that comes before the send. None where it is not to be sent now, which has
        been recorded then."""
        if not await self._may_go_to(holding, write):
            return None
        if write.unsettled and not is_keyed(holding, write, plan):
            # It waited for so long that the PMS has forgotten its key: it is looked for instead.
            row = completion(write, Transition("reconciling"), outcome=NOT_SENT)
            await self._finisher.finish(holding.worker_id, row)
            return None
        if not await self._knows_what_was_there(holding, write, plan):
            return None
        try:
            token = await self._logins.token(holding)
        except (NoAnswer, ReadRefused) as error:
            await self._not_prepared(holding, write, "no login at the PMS: ", error)
            return None
        if holding.is_closed:
            # The circuit opened after the claim, by another write's outcome.
            await self.not_sent(holding, write, "the PMS is not being called at the moment")
            return None
        return _Prepared(token)

    async def _is_outdated(self, holding: Holding, token: PmsToken | None, answer: Answer) -> bool:
        try:
            return await self._logins.is_outdated(holding, token, answer)
        except DatabaseUnavailable as error:
            # It was refused, and this process forgets it at least.
            log.warning("database_unavailable", doing="discard a token", reason=str(error))
            return True

    async def _may_go_to(self, holding: Holding, write: Claimed) -> bool:
        """Whether the address that the event names is still the resident's, and the integration still
        lets the PMS send messages: either may have changed since the event was accepted, and a message
        must not reach whom it no longer belongs to, nor anybody where none is wanted any more."""
        named = write.plan.get("email_to")
        if write.plan.get("email_send") and not holding.integration.allow_email_send:
            message = "This integration does not allow any more that the PMS sends messages; nothing was sent."
        elif named is None or same_address(named, await self._reader.primary_email(holding, write)):
            return True
        else:
            message = (
                "email_to is no longer the resident's primary e-mail address; nothing was sent."
            )
        refused = Outcome(OutcomeKind.REJECTED, code="not_allowed", message=message)
        transition = after_send(refused, holding.declaration, write.failures)
        row = completion(write, transition, outcome=NOT_SENT)
        row |= {"code": refused.code, "message": message, "send_within": SEND_WITHIN_SECONDS}
        await self._finisher.finish(holding.worker_id, row)
        return False

    async def _knows_what_was_there(self, holding: Holding, write: Claimed, plan: Plan) -> bool:
        """Where the PMS stamps no records, what a resident had before the first attempt must be
        known, or an older record of the same words could pass for ours. Reading it takes longer
        than an attempt may wait: the write is claimed again when it is done."""
        read_back = holding.declaration.read_back
        if not read_back.possible or read_back.stamped or plan.operation == "update":
            return True
        if await self._reader.has_baseline(holding, write):
            return True
        try:
            await self._reader.read_baseline(holding, write, plan)
        except Unaskable:
            # It will not be looked for either: what is there makes no difference.
            return True
        except (NoAnswer, ReadRefused) as error:
            why = "what the PMS already holds could not be read first: "
            await self._not_prepared(holding, write, why, error)
            return False
        await self.not_sent(holding, write, "what the PMS already holds was read first")
        return False

    async def _not_prepared(
        self, holding: Holding, write: Claimed, why: str, error: NoAnswer | ReadRefused
    ) -> None:
        """A call that must come before the send failed: the send waits."""
        wait = 1.0
        if isinstance(error, ReadRefused):
            wait = error.outcome.retry_after or wait
            await self.refused_read(holding, error)
        await self.not_sent(holding, write, mask(why + str(error), holding.secrets), wait)

    async def refused_read(self, holding: Holding, error: ReadRefused) -> None:
        """A read's own outcome may stop the integration."""
        if error.outcome.kind is OutcomeKind.UNAUTHORISED:
            await self._stopping.unauthorised(holding, str(error))

    async def _react(
        self,
        holding: Holding,
        plan: Plan,
        outcome: Outcome,
        exchange: Exchange | None,
        began: float,
    ) -> None:
        """What the outcome means for everything else of this integration. Before it is recorded,
        so that nothing more is claimed in between."""
        if exchange is None:
            await self._stopping.no_answer(holding, outcome.message)
            return
        if outcome.kind is OutcomeKind.UNAUTHORISED:
            await self._stopping.unauthorised(holding, outcome.message)
            return
        await self._stopping.answered(holding, began)
        report = holding.connector.refined_budget(exchange.answer)
        if report is not None:
            await self._budgets.note_quota(
                holding.integration, holding.declaration, plan.budget_key, report
            )
        if outcome.throttled:
            seconds = outcome.retry_after if outcome.retry_after is not None else 0.2
            holding.blocked[plan.budget_key] = clock.now() + seconds
            await self._budgets.slow_down(
                holding.integration, holding.declaration, plan.budget_key, seconds
            )


def is_keyed(holding: Holding, write: Claimed, plan: Plan) -> bool:
    """Whether the PMS still knows the idempotency key that the first send of this write bore, so
    that sending it again does nothing twice. The retry of another write has a key of its own."""
    if not holding.declaration.idempotency_key or plan.operation == "update":
        return False
    if write.retry_of is not None or write.first_sent_at is None:
        return False
    return write.claimed_at - write.first_sent_at < KEY_KNOWN_FOR


def _attempt_record(
    secrets: tuple[str, ...], request: Request, exchange: Exchange | None, outcome: Outcome
) -> dict[str, Any]:
    """What an operator sees of the attempt: request and answer, without secrets."""
    record: dict[str, Any] = {
        "code": outcome.code,
        "message": mask(outcome.message, secrets),
        "upstream_status": outcome.upstream_status,
        "author": outcome.author,
        "request": masked(request, secrets),
    }
    if exchange is not None:
        record["sent_at"] = exchange.sent_at
        record["answer"] = _shown(exchange.answer, secrets)
    return record


def _shown(answer: Answer, secrets: tuple[str, ...]) -> Mapping[str, Any]:
    # PostgreSQL's jsonb takes no NUL, and a hostile body may hold one.
    body = answer.body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return {
        "status": answer.status,
        "headers": masked_headers(answer.headers, secrets),
        "body": mask(body[:SHOWN_ANSWER_CHARACTERS], secrets),
        "received_at": datetime.now(UTC),
    }


def _without_answer(error: NoAnswer) -> Outcome:
    if error.sent:
        return Outcome(OutcomeKind.UNKNOWN, code="no_answer", message=str(error))
    return Outcome(OutcomeKind.NOT_NOW, code="not_connected", message=str(error))
