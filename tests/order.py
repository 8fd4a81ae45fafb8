"""The order in which a run's tests begin."""

from pathlib import Path

import pytest

LONG_BEGIN_WITHIN = 0.6
"""Part of a worker's share before which each of its long modules has begun."""


def spread(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The modules marked `long` spread over the workers, and over the first part of each one's share:
    the end of a run would else be one worker's, with the longest journey just begun. Not all at once:
    each starts many processes. xdist deals the list out in equal parts, one after the other."""
    if workers < 2:
        return items
    long: dict[Path, list[pytest.Item]] = {}
    short: list[pytest.Item] = []
    for item in items:
        if item.get_closest_marker("long") is None:
            short.append(item)
        else:
            long.setdefault(item.path, []).append(item)
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        modules = list(long.values())[worker::workers]
        room = len(items) * (worker + 1) // workers - len(ordered) - sum(map(len, modules))
        fill, short = short[: max(0, room)], short[max(0, room) :]
        begun = 0
        for number, module in enumerate(modules):
            turn = (number + worker / workers) / len(modules)
            place = int(len(fill) * LONG_BEGIN_WITHIN * turn)
            ordered += fill[begun:place] + module
            begun = place
        ordered += fill[begun:]
    return ordered + short
