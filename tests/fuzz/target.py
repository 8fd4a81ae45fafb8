"""Something that reads what others wrote."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes and returns; an exception is a crash. `seeds` are good inputs."""

    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], object]
