"""An integration in this worker's hands: what is known of it while the lease lasts."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from frontdesk.delivery import clock
from frontdesk.delivery.budgets import Connecting, ScopeGate
from frontdesk.delivery.circuit import Circuit
from frontdesk.integrations.service import Integration
from frontdesk.vendors.contract import Access, Connector, Login
from frontdesk.vendors.declaration import Declaration

BASELINE_SECONDS = 600.0
"""How long a reading of a resident's events counts as what was there before a first attempt."""

AHEAD_SECONDS = 0.1
"""Writes are claimed before their turn, as many as the PMS takes in this time: else each place would
stand empty while the next claim reaches the disk."""

_PACE_WEIGHT = 0.1


@dataclass(slots=True)
class Scope:
    """One budget scope: its gate, how its PMS is connected to, and the lock under which records are
    matched to its writes (two writes must not be given one record)."""

    gate: ScopeGate
    connecting: Connecting = field(default_factory=Connecting)
    matching: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, eq=False)
class Holding:
    """One integration, under one lease. `writing`: writes that hold a place; `ahead`: claimed ones
    that wait for one. `leaving`: nothing more is begun for it, because it is to be given back.
    `blocked`, `opened_at` (of its circuit) and `closed_until` are by `clock.now`; `pace` is how many
    seconds a call takes of late."""

    worker_id: UUID
    epoch: int
    integration: Integration
    connector: Connector
    scope: Scope
    login: Login | None = None
    circuit: Circuit = field(default_factory=Circuit)
    writing: int = 0
    ahead: int = 0
    leaving: bool = False
    pace: float = math.inf
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
    def may_read(self) -> bool:
        """Whether another read may begin now."""
        return not self.is_closed and not self.leaving

    @property
    def free(self) -> int:
        """How many more writes may go out now."""
        if self.is_closed:
            return 0
        own = self.integration.max_job_concurrency - self.writing
        if self.circuit.probing:
            own = min(own, 1 - self.writing)
        return max(0, min(own, self.scope.gate.free))

    @property
    def has_room(self) -> bool:
        """Whether `places` gives any."""
        return any(self._room)

    def places(self, most: int, freed: Callable[[UUID], None]) -> "list[Place]":
        """Places for what a claim may bring, `most` of them: first those that are free now and that
        nobody waits for, then those to wait for. None where it is too early to ask for more."""
        free, ahead = self._room
        return [Place(self, freed, held=number < free) for number in range(min(most, free + ahead))]

    @property
    def _room(self) -> tuple[int, int]:
        """How many places are free and waited for by nobody, and how many more may be waited for."""
        if self.leaving:
            return 0, 0
        free, wished = max(0, self.free - self.ahead), self._wished_ahead
        may_wait = free or self.ahead <= wished // 2
        return free, max(0, wished - self.ahead) if may_wait else 0

    @property
    def _wished_ahead(self) -> int:
        if self.is_closed or self.circuit.probing or not self.scope.gate.free:
            return 0
        own = self.integration.max_job_concurrency
        return min(own, int(own * AHEAD_SECONDS / self.pace))

    def note_call(self, seconds: float) -> None:
        """The PMS answered after so long."""
        known = math.isfinite(self.pace)
        self.pace = self.pace + (seconds - self.pace) * _PACE_WEIGHT if known else seconds

    def note_stall(self) -> None:
        """What was claimed ahead waited in vain: nothing more is, until the PMS has answered."""
        self.pace = math.inf

    def has_baseline(self, resident_id: UUID) -> bool:
        """Whether the resident's events at the PMS were read a short while ago."""
        read_at = self.baselines.get(resident_id)
        return read_at is not None and clock.now() - read_at < BASELINE_SECONDS

    def note_baseline(self, resident_id: UUID, seconds_ago: float = 0.0) -> None:
        """The resident's events were read. Old notes are dropped: the map stays small."""
        if len(self.baselines) > 10_000:
            limit = clock.now() - BASELINE_SECONDS
            self.baselines = {key: at for key, at in self.baselines.items() if at > limit}
        self.baselines[resident_id] = clock.now() - seconds_ago


class Place:
    """A claimed write's place among its integration's calls: held from the start, or waited for in
    the scope's queue. Given back once: when the PMS has answered, so that the next call need not
    wait for the commit of this one's outcome."""

    __slots__ = ("_freed", "_gate", "_waits", "held", "holding")

    def __init__(self, holding: Holding, freed: Callable[[UUID], None], *, held: bool) -> None:
        self.holding = holding
        self.held = False
        self._freed = freed
        self._gate = holding.scope.gate
        self._waits = not held
        if held:
            self._hold()
        else:
            holding.ahead += 1

    def _hold(self) -> None:
        self.held = True
        self.holding.writing += 1
        self._gate.reserve()

    async def take(self, before: float) -> bool:
        """Wait for the place until `before` (by `clock.now`); whether it is held then."""
        if self.held:
            return True
        loop = asyncio.get_running_loop()
        turn = loop.create_future()

        def given_up() -> None:
            if not turn.done():
                turn.set_result(None)

        def offered() -> bool:
            if turn.done():
                # Nobody waits any more.
                return True
            if not self.holding.free:
                return False
            self._hold()
            turn.set_result(None)
            return True

        self._gate.queue(offered)
        too_late = loop.call_later(max(0.0, before - clock.now()), given_up)
        try:
            await turn
        finally:
            too_late.cancel()
        self._stop_waiting()
        return self.held

    def give_back(self) -> None:
        """The call is over, or will not be made."""
        if self.held or self._waits:
            self.cancel()
            self._freed(self.holding.integration.id)

    def cancel(self) -> None:
        """There was nothing to be claimed for it."""
        self._stop_waiting()
        if self.held:
            self.held = False
            self.holding.writing -= 1
            self._gate.release()

    def _stop_waiting(self) -> None:
        if self._waits:
            self._waits = False
            self.holding.ahead -= 1
