"""How long it took until a killed worker's integrations were in a living worker's hands.

Pure, from the samples. Only time counts in which the database and another worker were up: without
them there is nothing to take over, and nobody who could.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from torture.sampling import Sample

Intervals = Sequence[tuple[float, float]]

_REGISTERED = re.compile(r'"worker_id": ?"([0-9a-f-]{36})"[^\n]*"event": ?"worker_registered"')
_REGISTERED_FIRST = re.compile(
    r'"event": ?"worker_registered"[^\n]*"worker_id": ?"([0-9a-f-]{36})"'
)


@dataclass(frozen=True, slots=True)
class Takeover:
    """One killed worker: how many integrations it held, and the seconds that count until the last
    one was claimed (`claimed` False: some never were)."""

    slot: str
    at: float
    held: int
    seconds: float
    claimed: bool


def worker_ids(log: str) -> frozenset[str]:
    """The ids under which a worker process held leases, from its own log."""
    return frozenset(_REGISTERED.findall(log)) | frozenset(_REGISTERED_FIRST.findall(log))


def takeover(
    slot: str,
    killed_at: float,
    ids: Collection[str],
    samples: Sequence[Sample],
    counted: Intervals,
    until: float,
) -> Takeover | None:
    """What became of the leases of the worker that had these ids. None: it held none.

    `counted`: when the database and another worker were up. `until`: the end of the samples.
    """
    first = max(0, bisect_right(samples, killed_at, key=lambda sample: sample.at) - 1)
    waiting: set[str] = set()
    held: set[str] = set()
    last = killed_at
    for sample in samples[first:]:
        for integration_id, (worker_id, alive) in sample.leases.items():
            if worker_id in ids:
                if integration_id not in held:
                    held.add(integration_id)
                    waiting.add(integration_id)
            elif integration_id in waiting and alive:
                waiting.discard(integration_id)
                last = max(last, sample.at)
        if held and not waiting and sample.at > killed_at:
            break
    if not held:
        return None
    end = until if waiting else last
    seconds = overlap(counted, killed_at, end)
    return Takeover(slot, killed_at, len(held), seconds, not waiting)


def overlap(intervals: Iterable[tuple[float, float]], begin: float, end: float) -> float:
    """Seconds of [begin, end] that lie in the intervals, which do not overlap one another."""
    return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in intervals)


def both(one: Intervals, other: Intervals) -> list[tuple[float, float]]:
    """When both are so."""
    met = [(max(first, begin), min(last, end)) for first, last in one for begin, end in other]
    return sorted((first, last) for first, last in met if first < last)


def either(intervals: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The union, as intervals that do not overlap."""
    merged: list[tuple[float, float]] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
