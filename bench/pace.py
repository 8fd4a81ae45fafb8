"""How fast this machine and this Python are at the moment: a fixed loop, timed before each run.

Machines that are shared, or that slow down as they grow warm, give the same code half its rate an hour
later, and interpreters that were built without optimisation give it two thirds. Figures whose paces
differ are not compared but by their ratios.
"""

import time

STEPS = 1_000_000
ROUNDS = 5


def pace() -> float:
    """Million steps a second: the best of some rounds, so that a short interruption does not count."""
    best = 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        total = 0
        for step in range(STEPS):
            total += step
        best = max(best, STEPS / (time.perf_counter() - began) / 1e6)
    return best
