"""Runs the catalog's read jobs for the integrations that this worker holds, one at a time each."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import structlog

from frontdesk.catalog.known import SyncedIntegration
from frontdesk.catalog.service import CatalogService
from frontdesk.catalog.sync import BACKGROUND, SCHEDULED, Unauthorised
from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.delivery import clock
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.reading import Reader
from frontdesk.delivery.relooking import Relooker
from frontdesk.delivery.stopping import Stopping
from frontdesk.vendors.contract import FoundEvent, Resident

log = structlog.get_logger(__name__)

AHEAD_EVERY_SECONDS = 2.0
"""One step of reading ahead in so many seconds for all integrations whose writes are out, by turns: it
must not cost them time, and must not stand still under a load that never ends."""


class Syncer:
    """The reads of one worker process."""

    def __init__(
        self,
        catalog: CatalogService,
        reader: Reader,
        stopping: Stopping,
        relooker: Relooker,
    ) -> None:
        self._runner = catalog.sync_runner(self._found)
        self._reader = reader
        self._stopping = stopping
        self._relooker = relooker
        self._holdings: Mapping[UUID, Holding] = {}
        self._busy: set[UUID] = set()
        self._next_ahead: dict[UUID, float] = {}
        self._stop = asyncio.Event()

    def is_busy(self, holding: Holding) -> bool:
        """Whether reads of this integration are under way."""
        return holding.integration.id in self._busy

    def stop(self) -> None:
        """Begin nothing more; what is under way ends with its page."""
        self._stop.set()

    async def start_due(
        self, holdings: Mapping[UUID, Holding], start: Callable[[Awaitable[None]], None]
    ) -> None:
        """Begin syncs whose time has come, and carry on with every job that is due."""
        self._holdings = holdings
        await self._runner.schedule_due()
        idle = [
            integration_id
            for integration_id, holding in holdings.items()
            if integration_id not in self._busy and holding.may_read
        ]
        if not idle:
            return
        for integration_id in await self._runner.due(idle):
            # The lease may have gone, or come back, while the database was asked.
            holding = holdings.get(integration_id)
            if holding is None or integration_id in self._busy or self._stop.is_set():
                continue
            self._busy.add(integration_id)
            start(self._read(holding))

    async def _read(self, holding: Holding) -> None:
        # This is a task of its own, so it ends with it.
        structlog.contextvars.bind_contextvars(integration_id=str(holding.integration.id))
        integration_id = holding.integration.id
        session = self._reader.session(holding, "sync")
        try:
            # Looked up anew at each step: a lease that has gone ends the reading.
            while self._holdings.get(integration_id) is holding and not self._stop.is_set():
                if not holding.may_read:
                    return
                if not await self._runner.run_step(
                    holding.integration, holding.connector, session, least=self._least(holding)
                ):
                    return
        except Unauthorised as error:
            await self._stopping.unauthorised(holding, str(error))
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", doing="sync", reason=str(error))
        finally:
            self._busy.discard(integration_id)

    def _least(self, holding: Holding) -> int:
        """How urgent a read must be for its turn now."""
        if not holding.writing:
            return BACKGROUND
        moment = clock.now()
        if moment < self._next_ahead.get(holding.integration.id, 0.0):
            return SCHEDULED
        busy = sum(1 for other in self._holdings.values() if other.writing)
        self._next_ahead[holding.integration.id] = moment + AHEAD_EVERY_SECONDS * max(1, busy)
        return BACKGROUND

    async def _found(
        self, integration: SyncedIntegration, resident: Resident, found: tuple[FoundEvent, ...]
    ) -> None:
        """Before a read's events are stored: those that writes are waiting for become theirs."""
        holding = self._holdings.get(integration.id)
        if holding is not None and resident.id:
            await self._reader.tie_found(holding, UUID(resident.id), found)
            await self._relooker.found(holding, UUID(resident.id), found)
