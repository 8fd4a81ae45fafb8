"""Feeds bent inputs to what reads them, and tells of the first that breaks it, as short as it gets.

The inputs are drawn from a seed: the same seed and count try the same inputs. An input that takes
longer than `LONGEST_SECONDS` is a hang.
"""

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from tests.fuzz.mutation import EDIT, MOST_EDITS, mutated
from tests.fuzz.target import Target

LONGEST_SECONDS = 10.0
"""Of the processor's time: a busy machine makes no hang."""

FEW_EDITS = 3
"""Most inputs are bent so often at most: after more, nothing but the first look at them is tried."""


class Hangs(BaseException):
    """The input was not done with in time."""


@dataclass(frozen=True)
class Crash:
    """An input that breaks its reader."""

    target: Target
    data: bytes
    error: BaseException

    def __str__(self) -> str:
        shown = self.data if len(self.data) <= 4_000 else self.data[:4_000] + b"..."
        return f"{self.target.name} breaks on {shown!r}: {type(self.error).__name__}: {self.error}"


@contextmanager
def time_limit() -> Iterator[Callable[[], None]]:
    """Gives a function that begins the time of one input. For the main thread."""

    def hangs(number: int, frame: FrameType | None) -> None:
        raise Hangs(f"not done after {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGVTALRM, hangs)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_SECONDS) and None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def search(
    targets: Sequence[Target],
    inputs: int,
    seed: str,
    told: Callable[[int], None] = lambda _: None,
) -> Crash | None:
    """Try so many inputs, those of each target in turn; the seeds themselves come first. `told` is
    called now and then with how many were tried."""
    chance = random.Random(seed)
    with time_limit() as begin:
        for target in targets:
            for data in (*target.seeds, b""):
                begin()
                error = _error(target, data)
                if error is not None:
                    return Crash(target, data, error)
        pairs = [(target, data) for target in targets for data in target.seeds]
        for number in range(inputs):
            target, data = pairs[number % len(pairs)]
            most = MOST_EDITS if number % 10 == 0 else FEW_EDITS
            program = chance.randbytes(EDIT * chance.randint(1, most))
            begin()
            error = _error(target, mutated((data,), 0, program))
            if error is not None:
                return _shortest(target, data, program, error, begin)
            if number % 512 == 511:
                told(number + 1)
    told(inputs)
    return None


def _error(target: Target, data: bytes) -> BaseException | None:
    try:
        target.run(data)
    except (Exception, Hangs) as error:  # noqa: BLE001 — whatever it is, it is what is looked for
        return error
    return None


def _shortest(
    target: Target, seed: bytes, program: bytes, error: BaseException, begin: Callable[[], None]
) -> Crash:
    """The same crash with as few edits as it needs."""
    place = 0
    while place < len(program):
        shorter = program[:place] + program[place + EDIT :]
        begin()
        found = _error(target, mutated((seed,), 0, shorter))
        if found is not None and type(found) is type(error):
            program, error = shorter, found
        else:
            place += EDIT
    return Crash(target, mutated((seed,), 0, program), error)
