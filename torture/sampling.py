"""Looks at the leases all the time: who holds what, and whether the database answers at all.

In a thread with a loop of its own: while the harness starts a process or waits for a killed one, it
must not take its own pause for the product's.
"""

import asyncio
import json
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from torture import clock
from torture.repository import LOST, TortureRepository

EVERY_SECONDS = 0.2
PATIENCE_SECONDS = 1.0
LONGEST_GAP_SECONDS = 2.0
"""What lies between two looks that are further apart, nobody has seen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The leases at one moment: integration → (its worker, whether that one lives)."""

    at: float
    leases: dict[str, tuple[str | None, bool]]


@dataclass
class Sampler:
    """The samples of the run, each written down in `path`. `database_up` holds the intervals in
    which every look was answered."""

    url: str
    path: Path
    samples: list[Sample] = field(default_factory=list)
    database_up: list[tuple[float, float]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _failure: BaseException | None = None

    def start(self) -> None:
        """Sample until `stop`."""
        self._thread = threading.Thread(target=self._work, name="sampler", daemon=True)
        self._thread.start()

    def raise_failure(self) -> None:
        """Raise what ended it, if it has ended by itself."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End it; all samples are there then."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        try:
            asyncio.run(self._sample_for_ever())
        except BaseException as error:  # noqa: BLE001 — told to the run, which raises it
            self._failure = error

    async def _sample_for_ever(self) -> None:
        repository = TortureRepository(self.url)
        before: float | None = None
        with self.path.open("w", encoding="utf-8") as file:
            while not self._stop.is_set():
                began = clock.now()
                try:
                    held = await repository.leases(PATIENCE_SECONDS)
                except LOST:
                    before = None
                else:
                    leases = {one.integration_id: (one.worker_id, one.alive) for one in held}
                    if not self.samples or self.samples[-1].leases != leases:
                        # Most say the same as the one before.
                        self.samples.append(Sample(began, leases))
                        file.write(json.dumps(asdict(self.samples[-1])) + "\n")
                    if before is not None and began - before <= LONGEST_GAP_SECONDS:
                        self._was_up(before, began)
                    before = began
                await asyncio.sleep(EVERY_SECONDS)
        await repository.close()

    def _was_up(self, begin: float, end: float) -> None:
        if self.database_up and self.database_up[-1][1] == begin:
            self.database_up[-1] = (self.database_up[-1][0], end)
        else:
            self.database_up.append((begin, end))
