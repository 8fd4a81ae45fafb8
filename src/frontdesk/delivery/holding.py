"""An integration in this worker's hands: what is known of it while the lease lasts."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from frontdesk.delivery import clock
from frontdesk.delivery.budgets import ScopeGate
from frontdesk.delivery.circuit import Circuit
from frontdesk.integrations.service import Integration
from frontdesk.vendors.contract import Access, Connector, Login
from frontdesk.vendors.declaration import Declaration

BASELINE_SECONDS = 600.0
"""How long a reading of a resident's events counts as what was there before a first attempt."""


@dataclass(slots=True)
class Scope:
    """One budget scope: its gate, and the lock under which records are matched to its writes (two
    writes must not be given one record)."""

    gate: ScopeGate
    matching: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, eq=False)
class Holding:
    """One integration, under one lease. `blocked`, `opened_at` (of its
    circuit) and `closed_until` are by `clock.now`."""

    worker_id: UUID
    epoch: int
    integration: Integration
    connector: Connector
    scope: Scope
    login: Login | None = None
    circuit: Circuit = field(default_factory=Circuit)
    writing: int = 0
    opened_at: float = 0.0
    closed_until: float = 0.0
    blocked: dict[str, float] = field(default_factory=dict)
    baselines: dict[UUID, float] = field(default_factory=dict)
    turn: int = 0

    @property
    def declaration(self) -> Declaration:
        return self.connector.declaration

    @property
    def access(self) -> Access:
        return Access(self.integration.base_url, self.integration.credentials)

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.declaration.secrets_of(self.integration.credentials)

    @property
    def is_closed(self) -> bool:
        """Whether the circuit lets nothing through at this moment."""
        return clock.now() < self.closed_until

    @property
    def free(self) -> int:
        """How many more writes may go out now."""
        if self.is_closed:
            return 0
        own = self.integration.max_job_concurrency - self.writing
        if self.circuit.probing:
            own = min(own, 1 - self.writing)
        return max(0, min(own, self.scope.gate.free))

    def has_baseline(self, resident_id: UUID) -> bool:
        """Whether the resident's events at the PMS were read a short while ago."""
        read_at = self.baselines.get(resident_id)
        return read_at is not None and clock.now() - read_at < BASELINE_SECONDS

    def note_baseline(self, resident_id: UUID) -> None:
        """The resident's events have just been read. Old notes are dropped: the map stays small."""
        if len(self.baselines) > 10_000:
            limit = clock.now() - BASELINE_SECONDS
            self.baselines = {key: at for key, at in self.baselines.items() if at > limit}
        self.baselines[resident_id] = clock.now()


@dataclass(slots=True, eq=False)
class Place:
    """A claimed write's place among its integration's calls. Given back once: when the PMS has
    answered, so that the next call need not wait for the commit of this one's outcome."""

    holding: Holding
    freed: Callable[[UUID], None]
    held: bool = True

    def give_back(self) -> None:
        """The call is over, or will not be made."""
        if self.held:
            self.held = False
            self.holding.writing -= 1
            self.holding.scope.gate.release()
            self.freed(self.holding.integration.id)
