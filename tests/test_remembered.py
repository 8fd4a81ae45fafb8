"""Answers that are remembered for a moment."""

import asyncio

import pytest

from frontdesk.remembered import Remembered


class Oracle:
    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False

    async def __call__(self, key: str) -> str:
        self.asked += 1
        answer = f"{key}{self.asked}"
        await self.gate.wait()
        if self.fails:
            raise ValueError(answer)
        return answer


async def test_callers_at_the_same_time_share_one_question() -> None:
    oracle = Oracle()
    remembered = Remembered(oracle, 60)
    assert await asyncio.gather(*(remembered.get("a") for _ in range(10))) == ["a1"] * 10
    assert await remembered.get("b") == "b2"
    assert await remembered.get("a") == "a1"


async def test_an_answer_ages_from_before_it_was_asked_for() -> None:
    oracle = Oracle()
    remembered = Remembered(oracle, 0.05)
    oracle.gate.clear()
    first = asyncio.create_task(remembered.get("a"))
    await asyncio.sleep(0.06)
    oracle.gate.set()
    assert await first == "a1"
    assert await remembered.get("a") == "a2"


async def test_what_was_forgotten_during_a_question_is_asked_again() -> None:
    oracle = Oracle()
    remembered = Remembered(oracle, 60)
    oracle.gate.clear()
    old = asyncio.create_task(remembered.get("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    remembered.forget("a")
    new = asyncio.create_task(remembered.get("a"))
    oracle.gate.set()
    assert await old == "a1"
    assert await new == "a2"
    assert await remembered.get("a") == "a2"


async def test_a_caller_that_goes_away_takes_nobody_with_it() -> None:
    oracle = Oracle()
    remembered = Remembered(oracle, 60)
    oracle.gate.clear()
    leaving = asyncio.create_task(remembered.get("a"))
    staying = asyncio.create_task(remembered.get("a"))
    await asyncio.sleep(0)
    leaving.cancel()
    oracle.gate.set()
    assert await staying == "a1"


async def test_an_error_is_told_to_all_and_not_remembered() -> None:
    oracle = Oracle()
    remembered = Remembered(oracle, 60)
    oracle.fails = True
    told = await asyncio.gather(*(remembered.get("a") for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in told] == ["a1"] * 3
    oracle.fails = False
    assert await remembered.get("a") == "a2"


async def test_its_memory_is_bounded() -> None:
    oracle = Oracle()
    remembered = Remembered(oracle, 60, most=10)
    for number in range(100):
        await remembered.get(str(number))
    assert await remembered.get("99") == "99100"
    with pytest.raises(AssertionError):
        assert await remembered.get("0") == "01"
