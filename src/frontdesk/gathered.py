"""Questions that are asked together: whoever comes while a question is under way joins the next one.

The reading counterpart of the intake's group commit: there is no timer, a lone caller waits for
nobody, and under load one round trip answers a crowd.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Gathered(Generic[Question, Answer]):
    """`get(question)` is one of the answers of `ask(questions)`, which come in the same order. An
    error of `ask` is raised to each caller of that crowd. At most `most` are asked at once."""

    def __init__(
        self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], *, most: int = 100
    ) -> None:
        self._ask = ask
        self._most = most
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def get(self, question: Question) -> Answer:
        """The answer to this question."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._asking is None:
            # In a context of its own: it asks for many callers, not for the first.
            self._asking = asyncio.create_task(self._ask_all(), context=Context())
        return await answer

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                crowd = self._waiting[: self._most]
                del self._waiting[: self._most]
                await self._ask_one(crowd)
        finally:
            self._asking = None

    async def _ask_one(self, crowd: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in crowd])
        except Exception as error:  # noqa: BLE001 — it is each caller's own, and raised there
            for _, waiting in crowd:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), answer in zip(crowd, answers, strict=True):
            # A caller that has gone away has cancelled his own future, and nobody else's.
            if not waiting.done():
                waiting.set_result(answer)
