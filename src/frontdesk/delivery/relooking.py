"""Looks again for writes that ended uncertain: what turns up later has succeeded after all.

A write ends uncertain where its PMS refused to be asked, or where its record could not be seen. Both
may pass. So it is looked for, ever more seldom, until `LOOK_FOR_SECONDS` after its end, and whenever
its resident's events are read anyway. Nothing is ever sent from here.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from frontdesk.delivery import clock
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.lookup_repository import LookupRepository, Pending
from frontdesk.delivery.reading import Reader
from frontdesk.delivery.stopping import Stopping
from frontdesk.vendors.contract import (
    FoundEvent,
    NoAnswer,
    OutcomeKind,
    Plan,
    ReadRefused,
    Unaskable,
)
from frontdesk.writes.plans import load_plan

log = structlog.get_logger(__name__)

LOOK_FOR_SECONDS = 24 * 3600.0
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 3600.0
BATCH = 100
"""Uncertain writes of an integration that one look is for."""


class Relooker:
    """The later looks of one worker process."""

    def __init__(self, repository: LookupRepository, reader: Reader, stopping: Stopping) -> None:
        self._repository = repository
        self._reader = reader
        self._stopping = stopping
        self._due: dict[UUID, float] = {}
        self._pauses: dict[UUID, float] = {}
        self._looking: set[UUID] = set()

    def expect(self, holding: Holding) -> None:
        """A write of this integration has ended uncertain, or may have before it was taken up."""
        if not holding.declaration.read_back.possible:
            return
        integration_id = holding.integration.id
        self._pauses[integration_id] = FIRST_PAUSE_SECONDS
        first = clock.now() + FIRST_PAUSE_SECONDS
        self._due[integration_id] = min(first, self._due.get(integration_id, first))

    def due(self) -> set[UUID]:
        """Integrations for which it is time to look again."""
        moment = clock.now()
        return {integration_id for integration_id, at in self._due.items() if at <= moment}

    def forget(self, integration_id: UUID) -> None:
        """This worker no longer holds the integration."""
        self._due.pop(integration_id, None)
        self._pauses.pop(integration_id, None)

    def is_busy(self, holding: Holding) -> bool:
        """Whether a look is under way for this integration."""
        return holding.integration.id in self._looking

    def begin(self, holding: Holding, start: Callable[[Awaitable[None]], None]) -> None:
        """Start a look, unless one is under way for this integration."""
        integration_id = holding.integration.id
        self._due.pop(integration_id, None)
        if integration_id not in self._looking:
            self._looking.add(integration_id)
            start(self._look_and_plan(holding))

    async def look(self, holding: Holding) -> int:
        """One look for this integration's uncertain writes; how many may turn up later still."""
        writes = await self._repository.uncertain(
            holding.integration.id, None, LOOK_FOR_SECONDS, BATCH
        )
        places: dict[str, list[tuple[Pending, Plan]]] = defaultdict(list)
        for write in writes:
            plan = load_plan(write.plan)
            places[repr(sorted(plan.trace.where.items()))].append((write, plan))
        left = 0
        for of_place in places.values():
            try:
                found = await self._reader.read_events(holding, of_place[0][1], "single")
            except Unaskable:
                continue  # a place that cannot be seen shows nothing later either
            except ReadRefused as error:
                if error.outcome.kind is OutcomeKind.UNAUTHORISED:
                    await self._stopping.unauthorised(holding, str(error))
                left += len(of_place)
                continue
            except NoAnswer:
                left += len(of_place)
                continue
            left += await self._settle(holding, of_place, found)
        return left

    async def found(
        self, holding: Holding, resident_id: UUID, found: tuple[FoundEvent, ...]
    ) -> None:
        """A resident's events were read for another reason: his uncertain writes may be there."""
        if not found or not holding.declaration.read_back.possible:
            return
        writes = await self._repository.uncertain(
            holding.integration.id, resident_id, LOOK_FOR_SECONDS, BATCH
        )
        await self._settle(holding, [(write, load_plan(write.plan)) for write in writes], found)

    async def _settle(
        self,
        holding: Holding,
        writes: list[tuple[Pending, Plan]],
        found: tuple[FoundEvent, ...],
    ) -> int:
        """How many of these writes the PMS still does not show."""
        missing = 0
        for write, plan in writes:
            async with holding.scope.matching:
                event = await self._reader.own_record(holding, write, plan, found)
                if event is None:
                    missing += 1
                    continue
                if await self._repository.settle_uncertain(
                    write, event.x_id, event.fields, event.author
                ):
                    log.info("uncertain_write_found", job_id=str(write.id))
        return missing

    async def _look_and_plan(self, holding: Holding) -> None:
        # This is a task of its own, so it ends with it.
        structlog.contextvars.bind_contextvars(integration_id=str(holding.integration.id))
        integration_id = holding.integration.id
        try:
            left = await self.look(holding)
        finally:
            self._looking.discard(integration_id)
        if left and integration_id in self._pauses:
            pause = min(self._pauses[integration_id] * 2, LONGEST_PAUSE_SECONDS)
            self._pauses[integration_id] = pause
            self._due.setdefault(integration_id, clock.now() + pause)
