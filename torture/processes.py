"""The processes of the run: started, killed, stopped, started again; each keeps its log.

A `Slot` is a place that is always filled (`worker-2`); what runs there is one generation after the
other, each with a log of its own. Whatever ends is started again at once, whoever ended it, until
`Fleet.settle`. All of them end with the harness.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torture import clock

ROOT = Path(__file__).resolve().parent.parent
LOOK_SECONDS = 0.05
RESTART_PAUSE_SECONDS = 0.5
STOP_SECONDS = 40.0


class TortureError(Exception):
    """The run cannot go on; the message says why."""


@dataclass(eq=False)
class Generation:
    """One process of a slot, from its start to its end (None: it runs)."""

    slot: str
    process: "subprocess.Popen[bytes]"
    log: Path
    began: float
    ended: float | None = None
    ready: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        """Everything that it wrote so far."""
        return self.log.read_text(errors="replace")


@dataclass(eq=False)
class Slot:
    """A place in the fleet. `ready_mark` is what its log says once it works; `stops` are the
    intervals in which it was stopped, the last one open while it is."""

    name: str
    kind: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready_mark: str
    generations: list[Generation] = field(default_factory=list)
    stops: list[list[float]] = field(default_factory=list)

    @property
    def current(self) -> Generation:
        return self.generations[-1]

    @property
    def is_stopped(self) -> bool:
        return bool(self.stops) and len(self.stops[-1]) == 1

    def up_intervals(self, until: float) -> list[tuple[float, float]]:
        """When a process of this slot was ready and running."""
        alive = [
            (generation.ready, generation.ended or until)
            for generation in self.generations
            if generation.ready is not None
        ]
        stopped = [(stop[0], stop[1] if len(stop) > 1 else until) for stop in self.stops]
        return without(alive, stopped)


def without(
    intervals: Sequence[tuple[float, float]], holes: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """The intervals minus the holes."""
    left = list(intervals)
    for begin, end in holes:
        parts = []
        for first, last in left:
            parts += [(first, min(last, begin)), (max(first, end), last)]
        left = [(first, last) for first, last in parts if first < last]
    return left


class Fleet:
    """Every slot of the run, and the task that keeps each one filled."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.slots: dict[str, Slot] = {}
        self.fallen: list[str] = []
        """What ended although nobody of the harness had killed it: slot, code."""
        self._watch: asyncio.Task[None] | None = None
        logs.mkdir(parents=True, exist_ok=True)

    def of_kind(self, kind: str) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.kind == kind]

    def start(
        self,
        name: str,
        kind: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        ready_mark: str,
    ) -> Slot:
        """Fill a new slot. Call from the main thread: its processes end with that."""
        slot = Slot(name, kind, command, environment, ready_mark)
        self.slots[name] = slot
        self._fill(slot)
        return slot

    async def until_ready(self, slots: Sequence[Slot], seconds: float = 90.0) -> None:
        """Wait until each says that it works. Raises TortureError with the log's end."""
        deadline = clock.now() + seconds
        for slot in slots:
            while slot.current.ready is None:
                self._look(slot)
                if slot.current.process.poll() is not None or clock.now() > deadline:
                    raise TortureError(f"{slot.name} did not start:\n{slot.current.said()[-3000:]}")
                await asyncio.sleep(LOOK_SECONDS)

    def keep_filled(self) -> None:
        """From now on, whatever ends is started again."""
        self._watch = asyncio.create_task(self._fill_for_ever())

    # --- what is done to them -----------------------------------------------------------------

    def kill(self, slot: Slot) -> Generation:
        """SIGKILL, also to a stopped one, and the next one starts at once."""
        victim = slot.current
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
        victim.ended = clock.now()
        victim.process.wait()
        if slot.is_stopped:
            slot.stops[-1].append(victim.ended)
        self._fill(slot)
        return victim

    def stop(self, slot: Slot) -> Generation:
        """SIGSTOP."""
        generation = slot.current
        slot.stops.append([clock.now()])
        with contextlib.suppress(ProcessLookupError):
            os.kill(generation.pid, signal.SIGSTOP)
        return generation

    def wake(self, slot: Slot, generation: Generation) -> None:
        """SIGCONT, if it is still the one that was stopped."""
        if slot.current is generation and slot.is_stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(generation.pid, signal.SIGCONT)
            slot.stops[-1].append(clock.now())

    # --- the end --------------------------------------------------------------------------------

    async def end(self) -> list[str]:
        """Ask all to end, last started first; gives those that had to be killed."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        stubborn = []
        for slot in reversed(self.slots.values()):
            self.wake(slot, slot.current)
            with contextlib.suppress(ProcessLookupError):
                slot.current.process.terminate()
        for slot in reversed(self.slots.values()):
            try:
                await asyncio.to_thread(slot.current.process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                stubborn.append(slot.name)
                slot.current.process.kill()
        return stubborn

    # --- inside ---------------------------------------------------------------------------------

    def _fill(self, slot: Slot) -> None:
        log = self._logs / f"{slot.name}.{len(slot.generations) + 1:03d}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, *slot.command],
                cwd=ROOT,
                env={**os.environ, **slot.environment},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        slot.generations.append(Generation(slot.name, process, log, clock.now()))

    def _look(self, slot: Slot) -> None:
        if slot.current.ready is None and slot.ready_mark in slot.current.said():
            slot.current.ready = clock.now()

    async def _fill_for_ever(self) -> None:
        while True:
            for slot in self.slots.values():
                self._look(slot)
                code = slot.current.process.poll()
                if code is None:
                    continue
                if slot.current.ended is None:
                    slot.current.ended = clock.now()
                    self.fallen.append(f"{slot.name} with code {code} ({slot.current.log.name})")
                # A command that finds no database ends at once: no reason to start it in a circle.
                if clock.now() - slot.current.ended > RESTART_PAUSE_SECONDS:
                    self._fill(slot)
            await asyncio.sleep(LOOK_SECONDS)
