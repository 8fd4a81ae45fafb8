"""The worker process: holds integrations by lease, claims their writes, and carries them out.

Its loops: a heartbeat that keeps every lease alive; one that takes over what nobody holds; one that
claims as many writes as there are free slots; one that reads catalogs; ones that learn ids and look
again for what is uncertain; one that moves scheduled writes into their lanes; ones that expire and
purge. None waits for another, and a PMS that hangs costs its own integration only.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

import structlog

from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import CommitUnknown, Database, DatabaseUnavailable
from frontdesk.delivery import clock
from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.delivery.budgets import Budgets
from frontdesk.delivery.chores import Chores
from frontdesk.delivery.claiming import Claims
from frontdesk.delivery.finishing import Finisher, completion
from frontdesk.delivery.holding import Holding, Place
from frontdesk.delivery.leasing import Leases
from frontdesk.delivery.logins import Logins
from frontdesk.delivery.lookup_repository import LookupRepository
from frontdesk.delivery.lost_claims import LostClaims
from frontdesk.delivery.outcomes import Transition, after_fault
from frontdesk.delivery.reading import Reader, pause
from frontdesk.delivery.reconcile import Reconciler
from frontdesk.delivery.relooking import Relooker
from frontdesk.delivery.repository import Claimed, DeliveryRepository
from frontdesk.delivery.sending import SEND_WITHIN_SECONDS, Sender
from frontdesk.delivery.slots import SLOW_TIMES, Slots
from frontdesk.delivery.stopping import Stopping
from frontdesk.delivery.syncing import Syncer
from frontdesk.delivery.tracing import traced
from frontdesk.delivery.wire import Wire
from frontdesk.integrations.service import IntegrationService
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.retention.service import RetentionService
from frontdesk.settings import Settings
from frontdesk.vault import Texts
from frontdesk.vendors.registry import vendors

log = structlog.get_logger(__name__)

LEASES_EVERY_SECONDS = 1.0
POLL_SECONDS = 1.0
POLL_SECONDS_WITHOUT_LISTEN = 0.05
CHORES_EVERY_SECONDS = 0.5
DATABASE_PAUSE_SECONDS = 0.5
RETENTION_EVERY_SECONDS = 60.0

CLAIMS_AT_ONCE = 2
"""While one claim is under way, other integrations need not wait for its end."""


class WorkerServices(Protocol):
    """What a worker needs of the composition."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def integrations(self) -> IntegrationService: ...
    @property
    def catalog(self) -> CatalogService: ...
    @property
    def retention(self) -> RetentionService: ...


async def run_worker(services: WorkerServices, stop: asyncio.Event) -> None:
    """Work until `stop`, then drain: no new claims, what is in flight is given
    `FRONTDESK_DRAIN_SECONDS`, the rest is left as unknown, and the leases go back."""
    await Worker(services, stop).run()


class Worker:
    """One worker process."""

    def __init__(self, services: WorkerServices, stop: asyncio.Event) -> None:
        self._settings = services.settings
        self._database = services.database
        self._retention = services.retention
        self._stop = stop
        texts = services.texts
        self._repository = DeliveryRepository(services.database, texts)
        lookups = LookupRepository(services.database, texts)
        self._budgets = Budgets(
            BudgetRepository(services.database), services.settings.budget_factor
        )
        self._stopping = Stopping(self._repository)
        self._finisher = Finisher(self._repository, texts)
        self._wire = Wire(
            # Twice the slots: reads need connections too.
            connections=services.settings.worker_slots * (SLOW_TIMES + 2),
            allowed=AllowedAddresses.parse(services.settings.allowed_addresses),
            hosts=[host for vendor in vendors().values() for host in vendor.declaration.hosts],
        )
        self._logins = Logins(
            services.integrations.sessions, self._wire, self._budgets, self._stopping
        )
        self._reader = Reader(
            lookups,
            services.catalog,
            self._wire,
            self._budgets,
            self._stopping,
            self._logins,
        )
        self._sender = Sender(
            self._wire, self._budgets, self._stopping, self._finisher, self._reader, self._logins
        )
        self._relooker = Relooker(lookups, self._reader, self._stopping)
        self._reconciler = Reconciler(
            lookups, self._finisher, self._reader, self._sender, self._relooker
        )
        self._syncer = Syncer(services.catalog, self._reader, self._stopping, self._relooker)
        self._leases = Leases(
            self._repository,
            services.integrations,
            services.settings,
            changed=self._taken_up,
            is_busy=self._is_read,
        )
        self._holdings = self._leases.holdings
        self._tasks: set[asyncio.Task[None]] = set()
        self._reads: set[asyncio.Task[None]] = set()
        self._claims = Claims(
            self._budgets, self._holdings, Slots(services.settings.worker_slots), self._freed
        )
        self._lost_claims = LostClaims(
            self._repository, services.settings.database_patience_seconds
        )
        self._carried: dict[UUID, Claimed] = {}
        self._wanted: set[UUID] = set()
        self._claiming: set[UUID] = set()
        self._next_poll = 0.0
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Start, work, drain."""
        lease_seconds = self._settings.worker_lease_seconds
        chores = Chores(self._repository, self._retention, self._stop)
        loops: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (lease_seconds / 5, self._leases.heartbeat),
            (LEASES_EVERY_SECONDS, self._leases.balance),
            (CHORES_EVERY_SECONDS, chores.expire),
            (CHORES_EVERY_SECONDS, chores.enter_lanes),
            (LEASES_EVERY_SECONDS, chores.cancel_stranded),
            (RETENTION_EVERY_SECONDS, chores.purge),
            (CHORES_EVERY_SECONDS, self._read_catalogs),
            (0.1, self._learn_ids),
            (LEASES_EVERY_SECONDS, self._look_for_uncertain),
            (LEASES_EVERY_SECONDS, self._give_back_lost),
        ]
        listener = None
        if self._database.can_listen:
            listener = await self._database.listen("frontdesk_writes", self._notified)
        async with asyncio.TaskGroup() as group:
            finisher = group.create_task(self._finisher.run(), name="finisher")
            running = [
                group.create_task(self._every(seconds, work), name=work.__name__)
                for seconds, work in loops
            ]
            running += [
                group.create_task(self._claim_for_ever(), name=f"claims {number}")
                for number in range(CLAIMS_AT_ONCE)
            ]
            await self._stop.wait()
            await self._drain(running)
            finisher.cancel()
        if listener is not None:
            await listener.close()
        await self._wire.close()

    # --- loops ------------------------------------------------------------------------------------

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again; a database that is away is waited for, nothing else is."""
        while not self._stop.is_set():
            try:
                await work()
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", doing=work.__name__, reason=str(error))
                await pause(DATABASE_PAUSE_SECONDS, self._stop)
                continue
            await pause(seconds, self._stop)

    async def _read_catalogs(self) -> None:
        await self._syncer.start_due(self._holdings, self._start_read)

    async def _learn_ids(self) -> None:
        self._look_for(self._reader)

    async def _look_for_uncertain(self) -> None:
        self._look_for(self._relooker)

    def _look_for(self, looker: Reader | Relooker) -> None:
        for integration_id in looker.due():
            holding = self._holdings.get(integration_id)
            if holding is None:
                looker.forget(integration_id)
            elif holding.may_read and not self._stop.is_set():
                looker.begin(holding, self._start_read)

    def _is_read(self, holding: Holding) -> bool:
        readers = (self._syncer, self._reader, self._relooker)
        return any(reader.is_busy(holding) for reader in readers)

    # --- claiming ---------------------------------------------------------------------------------

    def _notified(self, payload: str) -> None:
        """An intake committed writes of these integrations (none named: of any)."""
        named = {UUID(text) for text in payload.split(",")} if payload else set(self._holdings)
        for integration_id in named & self._holdings.keys():
            self._wanted.add(integration_id)
            self._wake.set()

    def _taken_up(self, integration_id: UUID) -> None:
        self._reader.expect_record(self._holdings[integration_id])
        self._relooker.expect(self._holdings[integration_id])
        self._want(integration_id)

    def _want(self, integration_id: UUID) -> None:
        self._wanted.add(integration_id)
        self._wake.set()

    def _freed(self, integration_id: UUID) -> None:
        """A place came free, or a lane. Most of the time enough is claimed ahead, and nobody need be woken
        for it; but a claim that is under way may have looked before."""
        holding = self._holdings.get(integration_id)
        if integration_id in self._claiming or (holding is not None and holding.has_room):
            self._want(integration_id)

    async def _claim_for_ever(self) -> None:
        poll = POLL_SECONDS if self._database.can_listen else POLL_SECONDS_WITHOUT_LISTEN
        while not self._stop.is_set():
            left = self._next_poll - clock.now()
            if not self._wanted - self._claiming and left > 0:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._wake.wait()
            if clock.now() >= self._next_poll:
                # The net under the notifications: backoffs that ran out, wake-ups that were lost.
                self._wanted |= self._holdings.keys()
                self._next_poll = clock.now() + poll
            mine = self._wanted - self._claiming
            self._wanted -= mine
            self._claiming |= mine
            try:
                await self._claim(mine)
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", doing="claim", reason=str(error))
                await pause(DATABASE_PAUSE_SECONDS, self._stop)
            finally:
                self._claiming -= mine
                if self._wanted:
                    self._wake.set()

    async def _claim(self, wanted: set[UUID]) -> None:
        """One claim for every integration that may have something to send and has room for it."""
        if not self._leases.alive:
            return
        asked = self._claims.ask(wanted)
        if not asked.rows or self._stop.is_set():
            self._claims.cancel(asked)
            return
        try:
            claimed, exhausted = await self._repository.claim(
                self._leases.worker_id, asked.rows, SEND_WITHIN_SECONDS
            )
        except BaseException as error:
            self._claims.cancel(asked)
            if isinstance(error, CommitUnknown):
                self._lost_claims.suspect(asked.places)
            raise
        for dry in exhausted:
            if (holding := self._holdings.get(dry.integration_id)) is not None:
                holding.blocked[dry.budget_key] = clock.now() + dry.wait
                self._want_after(dry.integration_id, dry.wait)
        for write in claimed:
            place, leave_before = asked.place_for(write), asked.leave_before(write)
            self._carried[write.id] = write
            self._start(traced(self._carry, place, write, leave_before))
        # Where no place is left over, it had as many as there was room for: there may be more.
        self._wanted |= {
            integration_id for integration_id, left in asked.places.items() if not left
        }
        self._claims.cancel(asked)
        self._wanted |= self._claims.left_out()

    def _want_after(self, integration_id: UUID, seconds: float) -> None:
        asyncio.get_running_loop().call_later(max(0.005, seconds), self._want, integration_id)

    async def _carry(self, place: Place, write: Claimed, leave_before: float) -> None:
        holding = place.holding
        # This is a task of its own, so these end with it.
        structlog.contextvars.bind_contextvars(
            job_id=str(write.id), integration_id=str(write.integration_id)
        )
        try:
            if not await place.take(leave_before):
                holding.note_stall()
                await self._sender.not_begun(holding, write, "the calls before it took too long")
            elif write.state == "reconciling":
                await self._reconciler.reconcile(holding, write)
            else:
                await self._sender.send(place, write, leave_before)
        except DatabaseUnavailable as error:
            # Whatever was under way, what the PMS has can be looked up when the database is back.
            log.warning("database_unavailable", doing="carry a write", reason=str(error))
            await self._finisher.finish(
                holding.worker_id,
                completion(
                    write,
                    Transition("reconciling", delay=DATABASE_PAUSE_SECONDS),
                    outcome="unknown",
                ),
            )
        except Exception as error:
            # A fault of ours. Whether a request left is not known from here: look, never resend.
            log.exception("write_failed_unexpectedly", error=type(error).__name__)
            await self._finisher.finish(
                holding.worker_id,
                completion(write, after_fault(write.failures), outcome="unknown"),
            )
        finally:
            place.give_back()
            self._claims.finished(place)
            # Its lane may go on now, and who found no room may find some.
            if left_out := self._claims.left_out():
                self._wanted |= left_out
                self._wake.set()
            self._freed(write.integration_id)
        # Not where its end could not be recorded: it may have been sent, and must not pass for one whose
        # claim was lost. Nor where it has been claimed anew by now.
        if self._carried.get(write.id) is write:
            del self._carried[write.id]

    async def _give_back_lost(self) -> None:
        for write in await self._lost_claims.found(self._leases.worker_id, self._carried):
            holding = self._holdings.get(write.integration_id)
            if holding is not None and holding.epoch == write.epoch:
                await self._sender.not_begun(holding, write, "the answer to its claim was lost")
                self._want(write.integration_id)

    # --- tasks and the end ------------------------------------------------------------------------

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _start_read(self, work: Any) -> None:
        task = self._start(work)
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its attempt stays without an end, and is settled as unknown: never as delivered.
            log.error("work_failed", error=type(error).__name__, exc_info=error)

    async def _drain(self, loops: list[asyncio.Task[None]]) -> None:
        heartbeat = asyncio.create_task(self._beat_while_draining())
        self._wake.set()
        self._syncer.stop()
        await asyncio.wait(loops)
        # A read may be waiting a minute for its turn, and leaves nothing behind: its job is handed
        # back for whoever comes next.
        for task in self._reads:
            task.cancel()
        if self._tasks:
            log.info("draining", in_flight=len(self._tasks))
            await asyncio.wait(self._tasks, timeout=self._settings.drain_seconds)
        for task in self._tasks:
            task.cancel()
        heartbeat.cancel()
        await asyncio.gather(*self._tasks, heartbeat, return_exceptions=True)
        with contextlib.suppress(DatabaseUnavailable):
            await self._leases.leave("the worker was stopped before the PMS answered")

    async def _beat_while_draining(self) -> None:
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                await self._leases.beat()
            await asyncio.sleep(self._settings.worker_lease_seconds / 5)
