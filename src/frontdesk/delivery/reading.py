"""Reads records at the PMS for the sake of writes: what was there before, whether an uncertain
write arrived, and which id a delivered one was given."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.delivery import clock
from frontdesk.delivery.budgets import Budgets, Purpose
from frontdesk.delivery.holding import BASELINE_SECONDS, Holding
from frontdesk.delivery.logins import Logins
from frontdesk.delivery.lookup_repository import LookupRepository, Pending
from frontdesk.delivery.matching import Claim, Known, earliest_stamp, find, matches
from frontdesk.delivery.repository import Claimed
from frontdesk.delivery.session import ReadSession
from frontdesk.delivery.stopping import Stopping
from frontdesk.delivery.wire import Wire
from frontdesk.vendors.contract import (
    FoundEvent,
    NoAnswer,
    OutcomeKind,
    Plan,
    ReadRefused,
    Resident,
    Unaskable,
)
from frontdesk.writes.plans import load_plan

log = structlog.get_logger(__name__)

PENDING_BATCH = 200
FIRST_LOOK_SECONDS = 0.2
LONGEST_LOOK_PAUSE_SECONDS = 300.0


class Reader:
    """Looks records up for one worker process."""

    def __init__(
        self,
        repository: LookupRepository,
        catalog: CatalogService,
        wire: Wire,
        budgets: Budgets,
        stopping: Stopping,
        logins: Logins,
    ) -> None:
        self._repository = repository
        self._catalog = catalog
        self._wire = wire
        self._budgets = budgets
        self._stopping = stopping
        self._logins = logins
        self._due: dict[UUID, float] = {}
        self._looking: set[UUID] = set()
        self._pauses: dict[UUID, float] = defaultdict(lambda: FIRST_LOOK_SECONDS)

    def session(self, holding: Holding, purpose: Purpose) -> ReadSession:
        """A session that reads as this integration."""
        return ReadSession(
            holding, self._budgets, self._wire, self._stopping, self._logins, purpose=purpose
        )

    async def primary_email(self, holding: Holding, write: Claimed) -> str | None:
        """The resident's primary e-mail address as last read."""
        known = await self._catalog.resident(holding.integration.id, write.resident_id)
        return None if known is None else known.resident.email

    async def read_baseline(self, holding: Holding, write: Claimed, plan: Plan) -> None:
        """Bring the resident's existing events into the cache. Raises `NoAnswer`, `ReadRefused`,
        `Unaskable`."""
        began = clock.now()
        found = await self.read_events(holding, plan, "write")
        await self._catalog.store_found_events(holding.integration.id, write.resident_id, found)
        await self._repository.note_baseline(write.resident_id, clock.now() - began)
        holding.note_baseline(write.resident_id)

    async def has_baseline(self, holding: Holding, write: Claimed) -> bool:
        """Whether the resident's events were read a short while ago, here or by another worker."""
        if holding.has_baseline(write.resident_id):
            return True
        age = await self._repository.baseline_age(write.resident_id)
        if age is None or age >= BASELINE_SECONDS:
            return False
        holding.note_baseline(write.resident_id, age)
        return True

    async def read_events(
        self, holding: Holding, plan: Plan, purpose: Purpose
    ) -> tuple[FoundEvent, ...]:
        """The events at the place where this write goes. Raises `NoAnswer`, `ReadRefused`,
        `Unaskable`."""
        trace = plan.trace
        resident = Resident(
            id="", x_id=trace.x_resident_id, x_property_id=None, email=None, leases=()
        )
        return await holding.connector.read_events(
            self.session(holding, purpose), resident, trace.where
        )

    async def own_record(
        self, holding: Holding, write: Claimed | Pending, plan: Plan, found: tuple[FoundEvent, ...]
    ) -> FoundEvent | None:
        """The record among these that this write made. The caller holds `scope.matching` until the
        record is tied, or a twin could be given it too."""
        candidates = [event for event in found if matches(plan.trace, event)]
        if not candidates or write.first_sent_at is None:
            return None
        integration_id = holding.integration.id
        others, cached = await self._repository.tied(
            integration_id, write.id, [event.x_id for event in candidates]
        )

        def claim(first_sent_at: datetime) -> Claim:
            known_before = {x_id for x_id, at in cached.items() if at < first_sent_at}
            skew_s = holding.declaration.read_back.skew_s
            return Claim(earliest_stamp(first_sent_at, skew_s), others | known_before)

        mine = claim(write.first_sent_at)
        twins = await self._repository.twins(integration_id, write.id, write.plan)
        known = Known(
            tied=mine.tied,
            not_stamped_before=mine.not_stamped_before,
            author=await self._repository.author(integration_id),
            twins=[claim(first_sent_at) for first_sent_at in twins],
        )
        return find(plan.trace, candidates, known)

    # --- ids by read-back ---------------------------------------------------------------------

    def expect_record(self, holding: Holding) -> None:
        """A write of this integration has just succeeded without learning its id."""
        integration_id = holding.integration.id
        self._pauses[integration_id] = FIRST_LOOK_SECONDS
        first_look = clock.now() + max(
            FIRST_LOOK_SECONDS, holding.declaration.read_back.visible_after_s
        )
        self._due[integration_id] = min(first_look, self._due.get(integration_id, first_look))

    def due(self) -> set[UUID]:
        """Integrations for which it is time to look for ids."""
        moment = clock.now()
        return {integration_id for integration_id, at in self._due.items() if at <= moment}

    def is_busy(self, holding: Holding) -> bool:
        """Whether a look is under way for this integration."""
        return holding.integration.id in self._looking

    def begin(self, holding: Holding, start: Callable[[Awaitable[None]], None]) -> None:
        """Start looking, unless it is under way for this integration."""
        integration_id = holding.integration.id
        self._due.pop(integration_id, None)
        if integration_id not in self._looking:
            self._looking.add(integration_id)
            start(self._look(holding))

    async def _look(self, holding: Holding) -> None:
        # This is a task of its own, so it ends with it.
        structlog.contextvars.bind_contextvars(integration_id=str(holding.integration.id))
        try:
            await self.learn_ids(holding)
        except DatabaseUnavailable as error:
            # Who waits for an id would wait for ever, if nobody looked again.
            log.warning("database_unavailable", doing="learn ids", reason=str(error))
            self._look_again(holding.integration.id, found_some=False)
        finally:
            self._looking.discard(holding.integration.id)

    async def learn_ids(self, holding: Holding) -> None:
        """Look for the ids of this integration's delivered records, one read for each place."""
        integration_id = holding.integration.id
        pending = await self._repository.without_x_id([integration_id], PENDING_BATCH)
        if not pending:
            return
        places: dict[str, list[tuple[Pending, Plan]]] = defaultdict(list)
        for write in pending:
            plan = load_plan(write.plan)
            places[repr(sorted(plan.trace.where.items()))].append((write, plan))
        missing = 0
        for writes in places.values():
            missing += await self._learn_at(holding, writes)
        if missing or len(pending) == PENDING_BATCH:
            self._look_again(integration_id, found_some=missing < len(pending))

    async def _learn_at(self, holding: Holding, writes: list[tuple[Pending, Plan]]) -> int:
        """How many of these writes, all at one place, are still without an id."""
        began = datetime.now(UTC)
        try:
            found = await self.read_events(holding, writes[0][1], "single")
        except ReadRefused as error:
            if error.outcome.kind is OutcomeKind.UNAUTHORISED:
                await self._stopping.unauthorised(holding, str(error))
            return len(writes)
        except NoAnswer:
            return len(writes)
        except Unaskable:
            return 0
        missing = 0
        for write, plan in writes:
            async with holding.scope.matching:
                event = await self.own_record(holding, write, plan, found)
                if event is None:
                    missing += 1
                    if began - write.finished_at > timedelta(minutes=5):
                        log.warning("record_id_not_found_yet", job_id=str(write.id))
                    continue
                await self._repository.tie(write, event.x_id, event.fields)
        await self._catalog.store_found_events(
            holding.integration.id, writes[0][0].resident_id, found
        )
        holding.note_baseline(writes[0][0].resident_id)
        return missing

    async def tie_found(
        self, holding: Holding, resident_id: UUID, found: tuple[FoundEvent, ...]
    ) -> None:
        """Give those of a resident's events that writes are waiting for to these writes."""
        pending = await self._repository.without_x_id([holding.integration.id], PENDING_BATCH)
        for write in pending:
            if write.resident_id != resident_id:
                continue
            async with holding.scope.matching:
                event = await self.own_record(holding, write, load_plan(write.plan), found)
                if event is not None:
                    await self._repository.tie(write, event.x_id, event.fields)

    def _look_again(self, integration_id: UUID, *, found_some: bool) -> None:
        pause = FIRST_LOOK_SECONDS if found_some else self._pauses[integration_id] * 2
        self._pauses[integration_id] = min(pause, LONGEST_LOOK_PAUSE_SECONDS)
        self._due[integration_id] = clock.now() + self._pauses[integration_id]

    def forget(self, integration_id: UUID) -> None:
        """This worker no longer holds the integration."""
        self._due.pop(integration_id, None)
        self._pauses.pop(integration_id, None)


async def pause(seconds: float, stop: asyncio.Event) -> bool:
    """Wait, at most until the worker stops; whether it goes on."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return True
    return False
