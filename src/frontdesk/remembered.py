"""Answers that are remembered for a moment, so that a hot path asks the database twice a second
and not two thousand times.

An answer's age counts from before it was asked for: nobody is told anything that was untrue for
longer than `seconds` plus the time of one question. Errors are never remembered.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """`get(key)` is `ask(key)`, at most `seconds` old. Callers that want the same key at the same
    time share one question. Past `most` keys everything is forgotten, which costs a question."""

    def __init__(
        self, ask: Callable[[Key], Awaitable[Value]], seconds: float, *, most: int = 10_000
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._most = most
        self._kept: dict[Key, tuple[float, Value]] = {}
        self._asking: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """The value; raises what `ask` raises."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] > monotonic():
            return kept[1]
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._question(key))
            self._asking[key] = task
            task.add_done_callback(_retrieved)
        # A caller that goes away must not take the others' answer with it.
        return await asyncio.shield(task)

    def last(self, key: Key) -> Value | None:
        """What was answered last, however long ago; None where that is not known any more."""
        kept = self._kept.get(key)
        return None if kept is None else kept[1]

    def forget(self, key: Key) -> None:
        """The next `get` asks again, even if a question is under way: its answer may be old."""
        self._kept.pop(key, None)
        self._asking.pop(key, None)

    def forget_all(self) -> None:
        """`forget` for every key."""
        self._kept.clear()
        self._asking.clear()

    async def _question(self, key: Key) -> Value:
        asked = monotonic()
        mine = asyncio.current_task()
        try:
            value = await self._ask(key)
            if self._asking.get(key) is mine:
                if len(self._kept) >= self._most:
                    self._kept.clear()
                self._kept[key] = (asked + self._seconds, value)
            return value
        finally:
            if self._asking.get(key) is mine:
                del self._asking[key]


def _retrieved(task: "asyncio.Task[Value]") -> None:
    # All of its callers may have gone away: then nobody else looks at its error.
    if not task.cancelled():
        task.exception()
