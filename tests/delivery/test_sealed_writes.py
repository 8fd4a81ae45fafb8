"""Writes whose plans and texts are sealed, beside others that are not."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from frontdesk.database.pool import Database
from frontdesk.delivery.finishing import Finisher
from frontdesk.delivery.lookup_repository import LookupRepository
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.errors import ApiError
from frontdesk.ids import new_id
from frontdesk.vault import CLEAR, Texts, Vault
from frontdesk.writes.intake import Accepted, Intake, Mismatched, NewWrite, Replayed
from frontdesk.writes.schemas import RetryWrites
from frontdesk.writes.service import WritesService
from tests.delivery.stock import PLAN, Stock, new_write, stock

KEY = b"0123456789abcdef0123456789abcdef"
OFF = Texts(Vault(KEY))
ON = Texts(Vault(KEY), sealing=True)
STRANGE = Texts(Vault(KEY[::-1]), sealing=True)


async def accepted(database: Database, texts: Texts, *writes: NewWrite) -> None:
    intake = Intake(database, queue=10, batch=10, texts=texts)
    for write in writes:
        assert isinstance(await intake.submit(write), Accepted)
    await intake.close()


@pytest.mark.parametrize("mine", [ON, OFF], ids=["mine sealed", "mine clear"])
async def test_a_twin_is_known_whether_its_plan_is_sealed_or_not(
    database: Database, mine: Texts
) -> None:
    the, resident = await stock(database), new_id()
    other = {**PLAN, "trace": {**PLAN["trace"], "text": "another"}}
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]
    for moment, texts, plan in zip(
        moments, (ON, OFF, ON, OFF), (PLAN, PLAN, other, other), strict=True
    ):
        write = new_write(the, resident, plan=plan)
        await accepted(database, texts, write)
        await database.execute(
            "UPDATE writes SET state = 'succeeded', resolution = 'pending', finished_at = now(), "
            "first_sent_at = $2 WHERE id = $1",
            write.id,
            moment,
        )
    write = new_write(the, resident)
    await accepted(database, mine, write)
    twins = await LookupRepository(database, ON).twins(the.integration_ids[0], write.id, PLAN)
    assert twins == moments[:2]


async def held(database: Database, the: Stock) -> UUID:
    """A living worker that holds the integration."""
    worker_id = new_id()
    await DeliveryRepository(database).register(worker_id, 60)
    await database.execute(
        "INSERT INTO leases (integration_id, worker_id, epoch) VALUES ($1, $2, 1)",
        the.integration_ids[0],
        worker_id,
    )
    return worker_id


def ask(the: Stock) -> dict[str, Any]:
    return {
        "integration_id": the.integration_ids[0],
        "budget_key": "",
        "free": 10,
        "budgets": [],
        "life": 1.0,
    }


async def test_a_plan_that_no_key_opens_strands_none_of_its_batch(database: Database) -> None:
    the = await stock(database)
    good, bad = new_write(the, new_id()), new_write(the, new_id())
    await accepted(database, ON, good)
    await accepted(database, STRANGE, bad)
    claimed, _ = await DeliveryRepository(database, ON).claim(
        await held(database, the), [ask(the)], 2.0
    )
    plans = {write.id: write.plan for write in claimed}
    assert plans[good.id] == PLAN
    assert plans[bad.id].keys() == {"sealed"}


async def test_what_a_pms_said_of_a_write_is_stored_sealed_and_told_in_the_clear(
    database: Database,
) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accepted(database, ON, write)
    worker_id = await held(database, the)
    repository = DeliveryRepository(database, ON)
    (claimed,), _ = await repository.claim(worker_id, [ask(the)], 2.0)
    words = "there is no tenant with a dog"
    row = {
        "write_id": claimed.id,
        "account_id": claimed.account_id,
        "number": 1,
        "epoch": 1,
        "from_state": "sending",
        "state": "failed",
        "ends": True,
        "delay": 0,
        "failed": True,
        "outcome": "rejected",
        "code": "refused",
        "message": words,
        "error": {
            "code": "refused",
            "message": words,
            "retryable": False,
            "upstream_status": 422,
        },
    }
    finisher = Finisher(repository, ON)
    await repository.finish(worker_id, [finisher._sealed(row)])
    stored = await database.fetch_row(
        "SELECT w::text AS write, a::text AS attempt, a.id FROM writes AS w "
        "JOIN attempts AS a ON a.job_id = w.id WHERE w.id = $1",
        write.id,
    )
    assert stored is not None
    assert "dog" not in stored["write"] + stored["attempt"]
    assert "hello" not in stored["write"]
    intake = Intake(database, queue=10, batch=10, texts=ON)
    service = WritesService(database, intake, Vault(KEY), waiters=1, texts=ON)
    status = await service.status(the.account_id, write.id)
    assert status["errors"] == [words]
    assert (await service.logs.attempt_data(the.account_id, stored["id"]))["message"] == words
    logs = await service.logs.writes(the.account_id, {}, limit=10, offset=0)
    (log,) = logs["results"]["logs"]
    assert (log["parameters"], log["error"]) == ({"notes": "hello"}, words)
    await intake.close()


@pytest.mark.parametrize("then", [ON, OFF], ids=["sealed again", "in the clear"])
async def test_a_retry_says_what_the_first_one_said(database: Database, then: Texts) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accepted(database, ON, write)
    await database.execute(
        "UPDATE writes SET state = 'failed', finished_at = now(), ready_at = NULL WHERE id = $1",
        write.id,
    )
    intake = Intake(database, queue=10, batch=10, texts=then)
    service = WritesService(database, intake, Vault(KEY), waiters=1, texts=then)
    strange = WritesService(database, intake, Vault(KEY), waiters=1, texts=STRANGE)
    with pytest.raises(ApiError, match="a key that is not here"):
        await strange.retry(the.account_id, write.id)
    answer, _ = await service.retry(the.account_id, write.id)
    row = await database.fetch_row("SELECT * FROM writes WHERE id = $1", UUID(answer["job_id"]))
    assert row is not None
    assert ON.open_json(row["id"], row["plan"]) == PLAN
    assert ON.loads_whole(the.account_id, row["input"]) == {"notes": "hello"}
    assert ON.loads_whole(the.account_id, row["event"])["data"] == {"notes": "hello"}
    assert ("hello" in row["plan"] + row["input"] + row["event"]) is (then is OFF)
    await intake.close()


async def test_of_many_retries_the_one_that_no_key_opens_costs_the_others_nothing(
    database: Database,
) -> None:
    the = await stock(database)
    good, bad = new_write(the, new_id()), new_write(the, new_id())
    await accepted(database, ON, good)
    await accepted(database, STRANGE, bad)
    await database.execute(
        "UPDATE writes SET state = 'failed', finished_at = now(), ready_at = NULL "
        "WHERE account_id = $1",
        the.account_id,
    )
    intake = Intake(database, queue=10, batch=10, texts=ON)
    service = WritesService(database, intake, Vault(KEY), waiters=1, texts=ON)
    answer, _ = await service.retry_many(
        the.account_id, RetryWrites.model_validate({"filter": {"time_range": "day"}})
    )
    await intake.close()
    assert [job["root_job_id"] for job in answer["jobs"]] == [str(good.id)]
    assert [job["root_job_id"] for job in answer["failed"]] == [str(bad.id)]


async def test_an_answer_is_replayed_in_the_clear_and_stored_sealed(database: Database) -> None:
    the = await stock(database)
    answer = {"job_id": "j", "data": {"notes": "hello"}}
    key = {"idempotency_key": "k", "fingerprint": "00ff", "answer": answer}
    await accepted(database, ON, new_write(the, new_id(), **key))
    kept = await database.fetch_value(
        "SELECT answer::text FROM idempotency_keys WHERE account_id = $1", the.account_id
    )
    assert orjson.loads(kept)["job_id"] == "j"
    assert "hello" not in kept
    # Nor does the fingerprint of the request confirm a guess of what it said.
    assert not await database.fetch_value(
        "SELECT fingerprint = '\\x00ff' FROM idempotency_keys WHERE account_id = $1", the.account_id
    )
    for texts in (ON, OFF):
        intake = Intake(database, queue=10, batch=10, texts=texts)
        assert isinstance(await intake.look_up(the.account_id, "k", "00fe"), Mismatched)
        looked_up = await intake.look_up(the.account_id, "k", "00ff")
        again = await intake.submit(new_write(the, new_id(), **key))
        assert isinstance(looked_up, Replayed)
        assert isinstance(again, Replayed)
        assert looked_up.answer == again.answer == answer
        await intake.close()


async def test_switched_off_everything_is_stored_as_it_was_given(database: Database) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accepted(database, CLEAR, write)
    row = await database.fetch_row("SELECT plan, input, event FROM writes WHERE id = $1", write.id)
    assert row is not None
    assert orjson.loads(row["plan"]) == PLAN
    assert orjson.loads(row["input"]) == {"notes": "hello"}
