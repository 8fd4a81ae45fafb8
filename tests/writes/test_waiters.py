"""Waiting for writes: together, bounded, and gone at once when the process stops."""

import asyncio
import time
from collections.abc import Collection
from typing import Any
from uuid import UUID

from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.ids import new_id
from frontdesk.writes.waiters import Waiters
from tests.conftest import until


class Looked:
    """Answers the waiters' question from memory, and counts the questions."""

    def __init__(self) -> None:
        self.ended: set[UUID] = set()
        self.marks: dict[UUID, str] = {}
        self.questions: list[int] = []
        self.away = False

    async def asked(self) -> bool:
        return bool(self.questions)

    async def __call__(self, ids: Collection[UUID]) -> list[dict[str, Any]]:
        self.questions.append(len(ids))
        if self.away:
            raise DatabaseUnavailable("away")
        return [
            {"id": one, "mark": self.marks.get(one, ""), "ended": one in self.ended} for one in ids
        ]


async def test_many_waiters_are_one_question_and_none_is_asked_without_them() -> None:
    look = Looked()
    waiters = Waiters(look, 100)
    jobs = [new_id() for _ in range(50)]
    waiting = [asyncio.create_task(waiters.until_ended(job, 20)) for job in jobs]
    await until(look.asked)
    look.ended.update(jobs)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert max(look.questions) == 50
    asked = len(look.questions)
    await asyncio.sleep(0.15)
    assert len(look.questions) <= asked + 1


async def test_time_that_is_up_a_full_house_and_a_missing_write_let_go() -> None:
    look = Looked()
    waiters = Waiters(look, 1)
    begun = time.monotonic()
    holding = asyncio.create_task(waiters.until_ended(new_id(), 0.3))
    await asyncio.sleep(0)
    assert waiters.full
    await asyncio.wait_for(waiters.until_ended(new_id(), 20), 0.2)
    await holding
    assert time.monotonic() - begun >= 0.3

    async def nothing(ids: Collection[UUID]) -> list[dict[str, Any]]:
        return []

    await asyncio.wait_for(Waiters(nothing, 1).until_ended(new_id(), 20), 5)


async def test_any_step_wakes_a_stream_but_not_a_waiter_for_the_end() -> None:
    look = Looked()
    waiters = Waiters(look, 10)
    job = new_id()
    look.marks[job] = "queued0"
    moved = asyncio.create_task(waiters.until_moved(job, "queued0", 20))
    ended = asyncio.create_task(waiters.until_ended(job, 20))
    await asyncio.sleep(0.06)
    assert not moved.done()
    look.marks[job] = "sending1"
    await asyncio.wait_for(moved, 5)
    assert not ended.done()
    look.ended.add(job)
    await asyncio.wait_for(ended, 5)


async def test_a_stream_that_was_let_in_waits_on_in_a_full_house() -> None:
    waiters = Waiters(Looked(), 1)
    holding = asyncio.create_task(waiters.until_ended(new_id(), 20))
    await asyncio.sleep(0)
    following = asyncio.create_task(waiters.until_moved(new_id(), "", 20))
    await asyncio.sleep(0.05)
    assert not following.done()
    waiters.drain()
    await asyncio.wait_for(asyncio.gather(holding, following), 1)


async def test_draining_lets_everybody_go_now_and_from_now_on() -> None:
    waiters = Waiters(Looked(), 10)
    waiting = [asyncio.create_task(waiters.until_ended(new_id(), 20)) for _ in range(3)]
    await asyncio.sleep(0.01)
    waiters.drain()
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    await asyncio.wait_for(waiters.until_ended(new_id(), 20), 1)


async def test_a_database_that_goes_and_comes_back_costs_no_waiter() -> None:
    look = Looked()
    waiters = Waiters(look, 10)
    job = new_id()
    look.away = True
    waiting = asyncio.create_task(waiters.until_ended(job, 20))
    await until(look.asked)
    look.away = False
    look.ended.add(job)
    await asyncio.wait_for(waiting, 5)
