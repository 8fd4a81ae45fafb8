"""Looks at the leases all the time: who holds what, and whether the database answers at all."""

import asyncio
from dataclasses import dataclass, field

from torture import clock
from torture.repository import LOST, TortureRepository

EVERY_SECONDS = 0.2
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The leases at one moment: integration → (its worker, whether that one lives)."""

    at: float
    leases: dict[str, tuple[str | None, bool]]


@dataclass
class Sampler:
    """Every sample of the run. `database_up` holds intervals between two good samples in a row."""

    repository: TortureRepository
    samples: list[Sample] = field(default_factory=list)
    database_up: list[tuple[float, float]] = field(default_factory=list)

    async def run(self) -> None:
        """Sample until cancelled."""
        before: float | None = None
        while True:
            began = clock.now()
            try:
                held = await self.repository.leases(PATIENCE_SECONDS)
            except LOST:
                before = None
            else:
                leases = {one.integration_id: (one.worker_id, one.alive) for one in held}
                if not self.samples or self.samples[-1].leases != leases:
                    # Most samples say the same as the one before.
                    self.samples.append(Sample(began, leases))
                if before is not None:
                    self._was_up(before, began)
                before = began
            await asyncio.sleep(EVERY_SECONDS)

    def _was_up(self, begin: float, end: float) -> None:
        if self.database_up and self.database_up[-1][1] == begin:
            self.database_up[-1] = (self.database_up[-1][0], end)
        else:
            self.database_up.append((begin, end))
