"""The run's clock: seconds on one monotonic scale that every part of the harness notes its moments
on, and how it stands to the wall clock that the simulators stamp with."""

import time

now = time.monotonic


def wall(moment: float) -> float:
    """Unix time of a moment of the run."""
    return time.time() - (now() - moment)
