"""The clock by which deadlines are kept: it goes on while process or machine is asleep."""

import time


def _boottime_clock() -> int:
    # Linux stops CLOCK_MONOTONIC while a machine is suspended; a lease would then seem alive after
    # the sleep. macOS has no CLOCK_BOOTTIME, and its CLOCK_MONOTONIC counts sleep already.
    return getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


_CLOCK = _boottime_clock()


def now() -> float:
    """Seconds since the machine started, sleep included. Only differences mean something."""
    return time.clock_gettime(_CLOCK)
