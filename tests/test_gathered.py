"""Questions that are asked together."""

import asyncio
from collections.abc import Sequence

import pytest
import structlog

from frontdesk.gathered import Gathered


async def test_who_comes_while_a_question_is_under_way_joins_the_next_one() -> None:
    crowds: list[list[int]] = []
    go_on = asyncio.Event()

    async def ask(questions: Sequence[int]) -> list[int]:
        crowds.append(list(questions))
        await go_on.wait()
        return [question * 2 for question in questions]

    gathered = Gathered(ask, most=3)
    first = asyncio.create_task(gathered.get(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(gathered.get(n)) for n in range(2, 6)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert crowds == [[1], [2, 3, 4], [5]]


async def test_an_error_is_each_callers_own_and_the_next_crowd_is_asked() -> None:
    async def ask(questions: Sequence[int]) -> list[int]:
        if 0 in questions:
            raise ValueError("zero")
        return list(questions)

    gathered = Gathered(ask)
    results = await asyncio.gather(gathered.get(0), gathered.get(1), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    assert await gathered.get(1) == 1


async def test_a_caller_who_goes_away_takes_nobodys_answer_with_him() -> None:
    go_on = asyncio.Event()

    async def ask(questions: Sequence[int]) -> list[int]:
        await go_on.wait()
        return list(questions)

    gathered = Gathered(ask)
    tasks = [asyncio.create_task(gathered.get(n)) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert [await tasks[0], await tasks[2]] == [0, 2]
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]


async def test_what_is_asked_for_many_callers_is_not_logged_under_the_first_ones_request() -> None:
    seen: list[dict[str, object]] = []

    async def ask(questions: Sequence[int]) -> list[int]:
        seen.append(structlog.contextvars.get_contextvars())
        return list(questions)

    with structlog.contextvars.bound_contextvars(request_id="the first"):
        await Gathered(ask).get(1)
    assert seen == [{}]
