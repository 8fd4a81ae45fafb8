"""Kills and stops processes at moments that a seed chooses, and notes each.

What is killed is started again at once (a postmaster and its backends by their supervisor, the
supervisor by who holds the server). Which process a moment meets depends on the machine; the
moments, the kinds and the lengths do not.
"""

import asyncio
import contextlib
import math
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from frontdesk.database.leftovers import processes_of
from frontdesk.database.placement import place
from torture import clock
from torture.processes import Fleet, Generation

KILLS = {"worker": 5, "api": 3, "database": 2}
"""Of ten kills, how many meet which kind."""
STOPS = {"worker": 5, "api": 3, "database": 2}
STOPS_PER_KILL = 0.7
SHORTEST_STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Deed:
    """One kill or stop: when, of what; `seconds` for a stop."""

    at: float
    what: str
    kind: str
    target: str
    seconds: float | None = None


@dataclass
class Chaos:
    """Everything that is done to the processes of one run."""

    fleet: Fleet
    data_dir: Path
    seed: int
    longest_stop: float
    tell: Callable[[str], None]
    deeds: list[Deed] = field(default_factory=list)
    killed_workers: list[Generation] = field(default_factory=list)
    database_stops: list[list[float]] = field(default_factory=list)
    _stopped_pids: set[int] = field(default_factory=set)

    async def run(self, seconds: float, kills: int) -> None:
        """Do so many kills, and stops in between, over so many seconds; all is awake at the end."""
        dice = random.Random(f"{self.seed} chaos")
        began = clock.now()
        moments = [(moment, "kill") for moment in _moments(dice, seconds, kills)]
        stops = round(kills * STOPS_PER_KILL)
        moments += [(moment, "stop") for moment in _moments(dice, seconds, stops)]
        stopping: set[asyncio.Task[None]] = set()
        for moment, what in sorted(moments):
            kind = _drawn(dice, KILLS if what == "kill" else STOPS)
            pick, length = dice.random(), dice.random()
            await asyncio.sleep(max(0.0, began + moment - clock.now()))
            if what == "kill":
                self._kill(kind, pick)
            else:
                # As many short as long ones, by orders of magnitude.
                span = math.log(self.longest_stop / SHORTEST_STOP_SECONDS)
                pause = SHORTEST_STOP_SECONDS * math.exp(span * length)
                pause = min(pause, max(SHORTEST_STOP_SECONDS, began + seconds - clock.now()))
                stopping.add(asyncio.create_task(self._stop(kind, pick, pause)))
        await asyncio.sleep(max(0.0, began + seconds - clock.now()))
        await asyncio.gather(*stopping)

    def counts(self) -> Counter[str]:
        """How many of each: `kill worker`, `stop database` …"""
        return Counter(f"{deed.what} {deed.kind}" for deed in self.deeds)

    # --- one deed -------------------------------------------------------------------------------

    def _kill(self, kind: str, pick: float) -> None:
        if kind == "database" and self._kill_database(pick):
            return
        # A server that is just being started has nothing to kill: the turn is an API's.
        slots = self.fleet.of_kind("api" if kind == "database" else kind)
        victim = self.fleet.kill(slots[int(pick * len(slots))])
        assert victim.ended is not None
        if kind == "worker":
            self.killed_workers.append(victim)
        killed = victim.slot.rpartition("-")[0]
        self._note(Deed(victim.ended, "kill", killed, f"{victim.slot} ({victim.log.name})"))

    def _kill_database(self, pick: float) -> bool:
        """Its postmaster, one of its other processes, or its supervisor; whether there was one."""
        placed = place(self.data_dir)
        pids = sorted(processes_of(placed.cluster))
        if not pids:
            return False
        if pick < 0.2:
            pid, name = int(placed.supervisor_lock.read_text().split("\n")[0]), "supervisor"
        elif pick < 0.6:
            pid, name = _postmaster(placed.cluster) or pids[0], "postmaster"
        else:
            pid, name = pids[int((pick - 0.6) / 0.4 * len(pids))], "backend"
        self._note(Deed(clock.now(), "kill", "database", f"{name} {pid}"))
        _signal(pid, signal.SIGKILL)
        return True

    async def _stop(self, kind: str, pick: float, seconds: float) -> None:
        if kind == "database":
            await self._stop_database(pick, seconds)
            return
        slots = [slot for slot in self.fleet.of_kind(kind) if not slot.is_stopped]
        if not slots:
            return
        slot = slots[int(pick * len(slots))]
        generation = self.fleet.stop(slot)
        target = f"{slot.name} ({generation.log.name})"
        self._note(Deed(clock.now(), "stop", kind, target, round(seconds, 1)))
        try:
            await asyncio.sleep(seconds)
        finally:
            self.fleet.wake(slot, generation)

    async def _stop_database(self, pick: float, seconds: float) -> None:
        """All of its processes, or one alone, which may hold locks that the others wait for."""
        pids = sorted(set(processes_of(place(self.data_dir).cluster)) - self._stopped_pids)
        if not pids:
            return
        if pick < 0.5:
            pids = [pids[int(pick * 2 * len(pids))]]
        self._stopped_pids |= set(pids)
        interval = [clock.now()]
        self.database_stops.append(interval)
        target = f"{len(pids)} processes: {pids[0]} …"
        self._note(Deed(interval[0], "stop", "database", target, round(seconds, 1)))
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)
            self._stopped_pids -= set(pids)
            interval.append(clock.now())

    def _note(self, deed: Deed) -> None:
        self.deeds.append(deed)
        length = "" if deed.seconds is None else f" for {deed.seconds} s"
        self.tell(f"{deed.what} {deed.kind}: {deed.target}{length}")


def _moments(dice: random.Random, seconds: float, count: int) -> list[float]:
    """Spread over the time, each somewhere in its own part of it."""
    part = seconds / max(1, count)
    return [part * number + dice.uniform(0, part) for number in range(count)]


def _drawn(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def _postmaster(cluster: Path) -> int | None:
    try:
        return int((cluster / "postmaster.pid").read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        return None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
