"""The intake: one commit for many, keys that replay, nothing half accepted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import structlog

from frontdesk.database.pool import CommitUnknown, Database, DatabaseUnavailable
from frontdesk.errors import ApiError
from frontdesk.ids import new_id
from frontdesk.writes import intake as intake_module
from frontdesk.writes import intake_repository
from frontdesk.writes.intake import Accepted, Intake, Mismatched, NewCall, Replayed
from tests.delivery.stock import new_write, stock


@pytest.fixture
async def intake(database: Database) -> AsyncIterator[Intake]:
    intake = Intake(database, queue=500, batch=64)
    yield intake
    await intake.close()


async def _ready(database: Database, write_id: UUID) -> bool:
    return bool(
        await database.fetch_value(
            "SELECT ready_at IS NOT NULL FROM writes WHERE id = $1", write_id
        )
    )


async def test_an_accepted_write_is_in_the_database(database: Database, intake: Intake) -> None:
    write = new_write(await stock(database), new_id())
    assert isinstance(await intake.submit(write), Accepted)
    assert (
        await database.fetch_value("SELECT state FROM writes WHERE id = $1", write.id) == "queued"
    )


async def test_only_the_first_write_of_a_lane_may_be_taken(
    database: Database, intake: Intake
) -> None:
    the = await stock(database)
    lane = new_id()
    first, second = new_write(the, lane), new_write(the, lane)
    other = new_write(the, new_id())
    await asyncio.gather(*(intake.submit(write) for write in (first, second, other)))
    assert await _ready(database, first.id)
    assert not await _ready(database, second.id)
    assert await _ready(database, other.id)


async def test_two_intakes_that_share_lanes_and_keys_do_not_deadlock(database: Database) -> None:
    the = await stock(database)
    lanes = [new_id() for _ in range(10)]
    intakes = [Intake(database, queue=500, batch=64) for _ in range(3)]
    writes = [
        new_write(
            the,
            lanes[(n * 7) % 10],
            idempotency_key=f"k{(n * 13) % 90}",
            fingerprint="aa",
            answer={},
        )
        for n in range(300)
    ]
    results = await asyncio.gather(
        *(intakes[n % 3].submit(write) for n, write in enumerate(writes))
    )
    for intake in intakes:
        await intake.close()
    assert sum(isinstance(result, Accepted) for result in results) == 90
    ready = await database.fetch_value(
        "SELECT count(*) FROM writes WHERE account_id = $1 AND ready_at IS NOT NULL", the.account_id
    )
    assert ready <= 10


async def test_a_key_replays_its_answer_and_refuses_another_request(
    database: Database, intake: Intake
) -> None:
    the = await stock(database)
    first = new_write(the, new_id(), idempotency_key="k", fingerprint="aa", answer={"job_id": "1"})
    assert isinstance(await intake.submit(first), Accepted)
    again = new_write(the, new_id(), idempotency_key="k", fingerprint="aa", answer={"job_id": "2"})
    assert await intake.submit(again) == Replayed(first.id, {"job_id": "1"})
    other = new_write(the, new_id(), idempotency_key="k", fingerprint="bb", answer={})
    assert await intake.submit(other) == Mismatched()
    assert await intake.look_up(the.account_id, "k", "aa") == Replayed(first.id, {"job_id": "1"})
    assert await intake.look_up(new_id(), "k", "aa") is None
    count = await database.fetch_value(
        "SELECT count(*) FROM writes WHERE account_id = $1", the.account_id
    )
    assert count == 1


async def test_a_key_is_free_again_after_24_hours(database: Database, intake: Intake) -> None:
    the = await stock(database)
    first = new_write(the, new_id(), idempotency_key="k", fingerprint="aa", answer={})
    await intake.submit(first)
    await database.execute(
        "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours 1 second' "
        "WHERE account_id = $1",
        the.account_id,
    )
    assert await intake.look_up(the.account_id, "k", "aa") is None
    later = new_write(the, new_id(), idempotency_key="k", fingerprint="bb", answer={})
    assert isinstance(await intake.submit(later), Accepted)


async def test_one_bad_row_fails_alone(database: Database, intake: Intake) -> None:
    the = await stock(database)
    good = [new_write(the, new_id()) for _ in range(5)]
    bad = new_write(the, new_id(), operation="destroy")
    results = await asyncio.gather(
        *(intake.submit(write) for write in [*good[:2], bad, *good[2:]]), return_exceptions=True
    )
    assert [isinstance(result, Accepted) for result in results] == [
        True,
        True,
        False,
        True,
        True,
        True,
    ]


async def test_a_full_queue_refuses_at_once_and_keeps_nothing(database: Database) -> None:
    the = await stock(database)
    intake = Intake(database, queue=1, batch=1)
    results = await asyncio.gather(
        *(intake.submit(new_write(the, new_id())) for _ in range(5)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, ApiError)]
    await intake.close()
    assert refused
    assert all(error.details == {"outcome": "not_accepted"} for error in refused)
    count = await database.fetch_value(
        "SELECT count(*) FROM writes WHERE account_id = $1", the.account_id
    )
    assert count == 5 - len(refused)


async def test_a_commit_of_unknown_fate_is_asked_again_with_the_same_ids(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    the = await stock(database)
    accept = intake_repository.accept
    calls = 0

    async def lost_after_commit(*arguments: Any) -> object:
        nonlocal calls
        calls += 1
        answer = await accept(*arguments)
        if calls == 1:
            raise CommitUnknown("the connection was lost")
        return answer

    monkeypatch.setattr(intake_repository, "accept", lost_after_commit)
    write = new_write(the, new_id(), idempotency_key="k", fingerprint="aa", answer={})
    assert isinstance(await intake.submit(write), Accepted)
    assert calls == 2
    count = await database.fetch_value(
        "SELECT count(*) FROM writes WHERE account_id = $1", the.account_id
    )
    assert count == 1


async def test_a_fate_that_cannot_be_learnt_is_said_to_be_unknown_with_the_job(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        raise CommitUnknown("the connection was lost")

    monkeypatch.setattr(intake_repository, "accept", lost)
    monkeypatch.setattr(intake_module, "LEARN_SECONDS", 0.3)
    write = new_write(await stock(database), new_id())
    with pytest.raises(ApiError) as caught:
        await intake.submit(write)
    assert caught.value.details == {"outcome": "unknown", "job_id": str(write.id)}


async def test_a_database_that_is_away_accepts_nothing(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailable("no connection")

    monkeypatch.setattr(intake_repository, "accept", away)
    with pytest.raises(ApiError) as caught:
        await intake.submit(new_write(await stock(database), new_id()))
    assert caught.value.details == {"outcome": "not_accepted"}


async def test_a_commit_is_not_logged_under_the_request_that_came_first(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    the = await stock(database)
    accept = intake_repository.accept
    seen: list[dict[str, Any]] = []

    async def noted(*arguments: Any) -> Any:
        seen.append(structlog.contextvars.get_contextvars())
        return await accept(*arguments)

    monkeypatch.setattr(intake_repository, "accept", noted)
    with structlog.contextvars.bound_contextvars(request_id="the first"):
        await intake.submit(new_write(the, new_id()))
    await intake.submit(new_write(the, new_id()))
    assert seen == [{}, {}]


async def test_a_call_of_unknown_fate_is_asked_again_and_stored_once(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    the = await stock(database)
    call = NewCall(
        id=new_id(),
        account_id=the.account_id,
        writes=tuple(new_write(the, new_id()) for _ in range(3)),
        answer={"results": [1, 2, 3]},
        idempotency_key="k",
        fingerprint="ab",
    )
    accept = intake_repository.accept_call
    lost: list[int] = []

    async def lost_after_commit(*arguments: Any) -> Any:
        taken = await accept(*arguments)
        if not lost:
            lost.append(1)
            raise CommitUnknown("the connection was lost")
        return taken

    monkeypatch.setattr(intake_repository, "accept_call", lost_after_commit)
    assert isinstance(await intake.submit_call(call), Accepted)
    assert lost
    stored = await database.fetch_value(
        "SELECT count(*) FROM writes WHERE account_id = $1", the.account_id
    )
    assert stored == 3
    # The key holds the call's answer for whoever comes again, under whatever ids.
    again = await intake.submit_call(replace(call, id=new_id()))
    assert again == Replayed(call.id, {"results": [1, 2, 3]})


async def test_a_call_whose_fate_cannot_be_learnt_names_its_jobs(
    database: Database, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: Any) -> Any:
        raise CommitUnknown("the connection was lost")

    the = await stock(database)
    write = new_write(the, new_id())
    monkeypatch.setattr(intake_repository, "accept_call", lost)
    monkeypatch.setattr(intake_module, "LEARN_SECONDS", 0.3)
    with pytest.raises(ApiError) as refused:
        await intake.submit_call(NewCall(new_id(), the.account_id, (write,), {}))
    assert refused.value.details == {"outcome": "unknown", "job_ids": [str(write.id)]}


async def test_calls_wait_within_the_bound_of_the_queue(database: Database) -> None:
    the = await stock(database)
    intake = Intake(database, queue=4, batch=4)

    def call(count: int) -> NewCall:
        writes = tuple(new_write(the, new_id()) for _ in range(count))
        return NewCall(new_id(), the.account_id, writes, {})

    answers = await asyncio.gather(
        *(intake.submit_call(call(3)) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Accepted, ApiError, ApiError]
    assert isinstance(await intake.submit_call(call(3)), Accepted)
    await intake.close()
