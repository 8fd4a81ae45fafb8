"""Settles what is not known: whether a write whose outcome was lost is at the PMS.

An uncertain write is never simply sent again. Evidence of a late completion counts first; then the
PMS is asked. *Found* counts at once. *Not found* counts only from a read begun after everything
could have taken effect and become visible; only then is the event sent again.
"""

from datetime import datetime, timedelta

import structlog

from frontdesk.delivery.finishing import Finisher, completion
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.lookup_repository import LookupRepository
from frontdesk.delivery.matching import shows_changes
from frontdesk.delivery.outcomes import Transition, after_send, backoff, delivered, uncertain
from frontdesk.delivery.reading import Reader
from frontdesk.delivery.relooking import Relooker
from frontdesk.delivery.repository import Claimed
from frontdesk.delivery.sending import Sender, is_keyed
from frontdesk.vendors.contract import (
    FoundEvent,
    NoAnswer,
    OutcomeKind,
    Plan,
    ReadRefused,
    Unaskable,
)
from frontdesk.vendors.masking import mask
from frontdesk.writes.plans import load_plan

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
LOOKS_WHILE_SETTLING = 3
"""Where a vendor's figures are long, so many looks at most once the first seconds are over."""
PAUSES_GROW_BY = 3.0
REFUSALS_TO_GIVE_UP = 5


class Reconciler:
    """Reconciles writes for one worker process."""

    def __init__(
        self,
        repository: LookupRepository,
        finisher: Finisher,
        reader: Reader,
        sender: Sender,
        relooker: Relooker,
    ) -> None:
        self._repository = repository
        self._finisher = finisher
        self._reader = reader
        self._sender = sender
        self._relooker = relooker

    async def reconcile(self, holding: Holding, write: Claimed) -> None:
        """One look: it ends the write, sends it on, or leaves it for the next look."""
        plan = load_plan(write.plan)
        evidence = await self._repository.evidence(write.id, write.retry_of)
        if evidence is not None:
            transition = after_send(evidence.outcome, holding.declaration, 0)
            if evidence.outcome.kind is OutcomeKind.REJECTED and not evidence.own:
                # What its predecessor was told; asked for again, it is to be tried.
                transition = Transition("retrying", settled=True)
            await self._move(holding, write, transition, "late")
            return
        if is_keyed(holding, write, plan):
            # The PMS itself refuses to do it twice, and says what came of the first time.
            transition = Transition("retrying", delay=backoff(write.failures, None))
            await self._move(holding, write, transition, "resent_with_its_key")
            return
        if not holding.declaration.read_back.possible:
            await self._not_askable(holding, write, "this PMS cannot be asked.")
            return
        settled_at, began = await self._settled_at(holding, write)
        try:
            found = await self._reader.read_events(holding, plan, "write")
        except Unaskable as error:
            await self._not_askable(holding, write, mask(str(error), holding.secrets))
            return
        except (NoAnswer, ReadRefused) as error:
            await self._not_readable(holding, write, began, settled_at, error)
            return
        async with holding.scope.matching:
            transition, word = await self._verdict(holding, write, plan, found, began, settled_at)
            await self._repository.log_read_back(
                write, holding.worker_id, began, word, f"{len(found)} records read"
            )
            moved = await self._move(holding, write, transition, word)
        if moved and transition.state == "succeeded":
            log.info("write_found_at_pms", job_id=str(write.id))

    async def _verdict(
        self,
        holding: Holding,
        write: Claimed,
        plan: Plan,
        found: tuple[FoundEvent, ...],
        began: datetime,
        settled_at: datetime,
    ) -> tuple[Transition, str]:
        if plan.operation == "update":
            return self._verdict_on_update(holding, write, plan, found, began, settled_at)
        event = await self._reader.own_record(holding, write, plan, found)
        if event is not None:
            return delivered(event.x_id, holding.declaration, matched=True), "found"
        if began >= settled_at:
            return Transition("retrying", settled=True), "not_found"
        return self._look_again(began, settled_at, write), "not_found_yet"

    def _verdict_on_update(
        self,
        holding: Holding,
        write: Claimed,
        plan: Plan,
        found: tuple[FoundEvent, ...],
        began: datetime,
        settled_at: datetime,
    ) -> tuple[Transition, str]:
        record = next((event for event in found if event.x_id == plan.x_event_id), None)
        changes = write.plan.get("changes", ("notes",))
        if record is not None and shows_changes(plan.trace, changes, record):
            return delivered(record.x_id, holding.declaration, matched=True), "found"
        if began < settled_at:
            return self._look_again(began, settled_at, write), "not_found_yet"
        if record is None:
            reason = "the record to change is not there any more."
            return uncertain("hold", reason), "gone"
        touched = record.stamped_at is not None and write.send_before is not None
        if touched and record.stamped_at > settled_at:  # type: ignore[operator]
            reason = "somebody changed the record after it was sent."
            return uncertain("hold", reason), "touched"
        return Transition("retrying", settled=True), "not_found"

    async def _settled_at(self, holding: Holding, write: Claimed) -> tuple[datetime, datetime]:
        """From when on a read that does not show the record means that it is not there. Counted
        from the end of the connection: one that hung until our timeout was alive that long. And the
        time now, before the read begins; both by the database's clock, or a wall clock that is
        ahead here would take a record that is not there yet for one that never will be."""
        read_back = holding.declaration.read_back
        ended, now = await self._repository.last_send_ended(write.id, write.retry_of)
        departed = write.send_before or now
        settled_at = max(departed, ended or departed) + timedelta(
            seconds=read_back.late_effect_s + read_back.visible_after_s
        )
        return settled_at, now

    @staticmethod
    def _look_again(began: datetime, settled_at: datetime, write: Claimed) -> Transition:
        left = (settled_at - began).total_seconds()
        waited = 0.0
        if write.send_before is not None:
            waited = max(0.0, (began - write.send_before).total_seconds())
        # Often at first, when the record is most likely to turn up, then ever more seldom: each look
        # costs the vendor's budget a call that a write could have had.
        longest = max(LONGEST_PAUSE_SECONDS, (waited + left) / LOOKS_WHILE_SETTLING)
        pause = min(longest, max(FIRST_PAUSE_SECONDS, PAUSES_GROW_BY * waited))
        return Transition("reconciling", delay=min(pause, left + 0.05))

    async def _not_askable(self, holding: Holding, write: Claimed, reason: str) -> None:
        # Its owner has seen it uncertain and asked for it again: that is his word to send.
        choice = "resend" if write.retry_of else holding.integration.on_uncertain
        await self._move(holding, write, uncertain(choice, reason), "unaskable")

    async def _not_readable(
        self,
        holding: Holding,
        write: Claimed,
        began: datetime,
        settled_at: datetime,
        error: NoAnswer | ReadRefused,
    ) -> None:
        retry_after = None
        failures = write.failures
        if isinstance(error, ReadRefused):
            retry_after = error.outcome.retry_after
            await self._sender.refused_read(holding, error)
        words = mask(str(error), holding.secrets)
        await self._repository.log_read_back(write, holding.worker_id, began, "unreadable", words)
        refused = isinstance(error, ReadRefused) and error.outcome.kind is OutcomeKind.REJECTED
        if refused and failures >= REFUSALS_TO_GIVE_UP and began >= settled_at:
            # In its own words, again and again: this PMS cannot be asked after all.
            choice = "resend" if write.retry_of else holding.integration.on_uncertain
            transition = uncertain(choice, f"the PMS refuses to be asked ({words}).")
            await self._move(holding, write, transition, "unaskable")
            return
        pause = max(FIRST_PAUSE_SECONDS, backoff(min(failures, 5), retry_after))
        await self._move(
            holding, write, Transition("reconciling", delay=pause, failed=True), "unreadable"
        )

    async def _move(
        self, holding: Holding, write: Claimed, transition: Transition, word: str
    ) -> bool:
        row = completion(write, transition, outcome=word)
        moved = await self._finisher.finish(holding.worker_id, row)
        if moved and transition.state == "uncertain":
            self._relooker.expect(holding)
        return moved
