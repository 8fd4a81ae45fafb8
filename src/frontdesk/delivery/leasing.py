"""Which integrations this worker holds, and since when: the heartbeat, take-overs, a fair share.

A lease is alive as long as its worker's heartbeat is. Whoever missed it starts again as a new worker
with nothing in its hands; what it had is settled by whoever takes it over.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

import structlog

from frontdesk.delivery import clock
from frontdesk.delivery.budgets import ScopeGate
from frontdesk.delivery.holding import Holding, Scope
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.ids import new_id
from frontdesk.integrations.service import IntegrationService
from frontdesk.settings import Settings
from frontdesk.vendors.registry import vendors

log = structlog.get_logger(__name__)

LEAVE_SECONDS = 2.0
"""How long nothing new is begun for what is to be given back while it is at work. A PMS that takes longer to
answer keeps its worker: its events are not held up for an even share."""

STAY_SECONDS = 60.0
"""How long it is left alone after that."""

_LOOK_SECONDS = 0.05


class Leases:
    """The leases of one worker process. `changed` is called with each integration that was taken up
    or whose settings changed; `is_busy` tells whether one must not be given away now."""

    def __init__(
        self,
        repository: DeliveryRepository,
        integrations: IntegrationService,
        settings: Settings,
        *,
        changed: Callable[[UUID], None],
        is_busy: Callable[[Holding], bool],
    ) -> None:
        self._repository = repository
        self._integrations = integrations
        self._settings = settings
        self._changed = changed
        self._is_busy = is_busy
        self._scopes: dict[str, Scope] = {}
        self._alive_until = 0.0
        # The epochs of those that are held, or looked at and not to be served: this release does not
        # know their PMS.
        self._known: dict[UUID, int] = {}
        # Scopes that could not be given back, and until when (by `clock.now`) they stay.
        self._staying: dict[str, float] = {}
        self.worker_id = new_id()
        self.holdings: dict[UUID, Holding] = {}

    @property
    def alive(self) -> bool:
        """Whether the last heartbeat still counts, by this process's own clock."""
        return clock.now() < self._alive_until

    async def heartbeat(self) -> None:
        """Keep every lease alive, or, if they are lost, begin anew."""
        lease_seconds = self._settings.worker_lease_seconds
        began = clock.now()
        if self._alive_until and await self._repository.heartbeat(self.worker_id, lease_seconds):
            self._alive_until = began + lease_seconds
            return
        if self._alive_until:
            # Whatever was held may be somebody else's by now: start as a new worker, with nothing.
            log.warning("leases_lost", worker_id=str(self.worker_id))
            for integration_id in list(self._known):
                self._let_go(integration_id)
            self.worker_id = new_id()
        await self._repository.register(self.worker_id, lease_seconds)
        # Before it holds anything: whoever looks at leases finds the process behind each.
        log.info("worker_registered", worker_id=str(self.worker_id))
        self._alive_until = began + lease_seconds
        await self.balance()

    async def balance(self) -> None:
        """Take over what nobody holds, give back what is more than a fair share, follow changes."""
        if not self.alive:
            return
        worker_id = self.worker_id
        known = dict(self._known)
        await self._repository.acquire_leases(worker_id)
        # What is held is asked for: the answer to an earlier statement may have been lost, and nobody
        # else can take what stands in a living worker's name.
        held = await self._repository.held(worker_id)
        if taken := {key: held[key] for key in held if self._known.get(key) != held[key]}:
            await self._take_up(worker_id, taken)
        if worker_id == self.worker_id:
            for integration_id in known.keys() - held.keys():
                self._let_go(integration_id)
        await self._follow_changes()
        await self._give_back(await self._repository.share())

    async def _take_up(self, worker_id: UUID, taken: dict[UUID, int]) -> None:
        closed = await self._repository.closed(taken)
        loaded = await self._integrations.load(list(taken))
        if worker_id != self.worker_id:
            # The heartbeat found these leases lost meanwhile: they are not the new worker's.
            return
        self._known |= taken
        for integration in loaded:
            vendor = vendors().get(integration.vendor)
            if vendor is None or vendor.connector is None:
                continue
            holding = Holding(
                worker_id,
                taken[integration.id],
                integration,
                vendor.connector,
                self._scope(integration.budget_scope, vendor.declaration.budget.concurrency),
                vendor.login,
            )
            if integration.id in closed:
                # Its last holder had stopped: go on with a probe, not with a crowd.
                holding.circuit.openings = 1
            self.holdings[integration.id] = holding
            self._changed(integration.id)
        log.info("leases_taken", count=len(taken), held=len(self.holdings))

    async def _follow_changes(self) -> None:
        changed = await self._repository.changed(
            {key: holding.integration.updated_at for key, holding in self.holdings.items()}
        )
        if not changed:
            return
        for integration in await self._integrations.load(list(changed)):
            holding = self.holdings.get(integration.id)
            if holding is None:
                # Lost while it was loaded; whoever takes it up next loads it anew.
                continue
            if integration.is_archived:
                self._let_go(integration.id)
                continue
            if integration.credentials_version != holding.integration.credentials_version:
                holding.closed_until = 0.0
            if integration.budget_scope != holding.integration.budget_scope:
                holding.scope = self._scope(
                    integration.budget_scope, holding.declaration.budget.concurrency
                )
            holding.integration = integration
            self._changed(integration.id)

    def _scope(self, name: str, concurrency: int | None) -> Scope:
        scope = self._scopes.get(name)
        if scope is None:
            capacity = min(self._settings.worker_slots, concurrency or self._settings.worker_slots)
            scope = self._scopes[name] = Scope(ScopeGate(capacity))
        return scope

    async def _give_back(self, share: int) -> None:
        """Whole scopes beyond this worker's share of them: those that are at rest, then as many of the
        others as are still too many. Under a backlog none would ever be at rest by itself, and a worker
        that was added to carry some of it would carry nothing."""
        scopes: dict[str, list[Holding]] = {}
        for holding in self.holdings.values():
            scopes.setdefault(holding.integration.budget_scope, []).append(holding)
        surplus = len(scopes) - share
        if surplus <= 0:
            self._staying.clear()
            return
        at_rest = [name for name in scopes if self._is_at_rest(scopes[name])][:surplus]
        await self._release(scopes[name] for name in at_rest)
        now = clock.now()
        self._staying = {name: until for name, until in self._staying.items() if until > now}
        movable = [name for name in scopes if name not in self._staying and name not in at_rest]
        leaving = movable[: surplus - len(at_rest)]
        for name in await self._let_end({name: scopes[name] for name in leaving}):
            self._staying[name] = clock.now() + STAY_SECONDS

    async def _let_end(self, scopes: dict[str, list[Holding]]) -> Iterable[str]:
        """Begin nothing more for these, and give each back as soon as what it has under way has ended.
        The names of those that took too long, which go on as before."""
        give_up_at = clock.now() + LEAVE_SECONDS
        for holding in _all(scopes.values()):
            holding.leaving = True
        try:
            while scopes and self.alive and clock.now() < give_up_at:
                await self._release(one for one in scopes.values() if self._is_at_rest(one))
                scopes = {name: one for name, one in scopes.items() if any(map(self._is_mine, one))}
                if scopes:
                    await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for holding in _all(scopes.values()):
                holding.leaving = False
                if self._is_mine(holding):
                    self._changed(holding.integration.id)
        return scopes.keys()

    def _is_at_rest(self, holdings: Iterable[Holding]) -> bool:
        return not any(
            holding.writing or holding.ahead or self._is_busy(holding) for holding in holdings
        )

    def _is_mine(self, holding: Holding) -> bool:
        return self.holdings.get(holding.integration.id) is holding

    async def _release(self, scopes: Iterable[list[Holding]]) -> None:
        """Give them back, but for those of which an outcome is still on its way to the disk."""
        ids = [holding.integration.id for holding in _all(scopes)]
        if ids:
            for integration_id in await self._repository.release(self.worker_id, ids):
                self._let_go(integration_id)

    def _let_go(self, integration_id: UUID) -> None:
        self.holdings.pop(integration_id, None)
        self._known.pop(integration_id, None)

    async def beat(self) -> None:
        """Keep the leases alive while draining: no new ones."""
        await self._repository.heartbeat(self.worker_id, self._settings.worker_lease_seconds)

    async def leave(self, reason: str) -> None:
        """Hand everything back; what is still out is unknown from now on."""
        await self._repository.leave(self.worker_id, reason)


def _all(scopes: Iterable[Iterable[Holding]]) -> Iterator[Holding]:
    return (holding for holdings in scopes for holding in holdings)
