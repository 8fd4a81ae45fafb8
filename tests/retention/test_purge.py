"""Purge by age: what is old goes, and nothing that anybody needs goes with it."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from frontdesk.application import Services
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.retention.service import LEAST_DAYS, RetentionService
from frontdesk.writes.intake import Accepted, Intake, NewWrite
from tests.conftest import make_settings
from tests.delivery.stock import Stock, new_write, stock

AGES = dict.fromkeys(LEAST_DAYS, 30)


@pytest.fixture
def retention(services: Services) -> RetentionService:
    return services.retention


async def accept(database: Database, *writes: NewWrite) -> None:
    intake = Intake(database, queue=500, batch=100)
    for write in writes:
        assert isinstance(await intake.submit(write), Accepted)
    await intake.close()


async def age(database: Database, write: NewWrite, days: int, state: str = "succeeded") -> None:
    """Let a write have been accepted, sent and ended (unless `queued`) so long ago."""
    ended = state != "queued"
    await database.execute(
        "UPDATE writes SET state = $2, submitted_at = now() - $3::interval, ready_at = NULL,"
        " attempts = 1, first_sent_at = now() - $3::interval,"
        " finished_at = CASE WHEN $4 THEN now() - $3::interval END WHERE id = $1",
        write.id,
        state,
        timedelta(days=days),
        ended,
    )
    await database.execute(
        """INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number,
            created_at, finished_at, outcome, request, answer)
        VALUES ($1, $2, $3, 'create_resident_event', 'send', 1, now() - $4::interval,
            now() - $4::interval, 'unknown', '{"body": "x"}', '{"body": "y"}')""",
        write.id,
        write.account_id,
        write.integration_id,
        timedelta(days=days),
    )


async def there(database: Database, write: NewWrite) -> tuple[bool, bool, bool]:
    """Whether the write, its attempt, and the attempt's body are there."""
    row = await database.fetch_row(
        """SELECT EXISTS (SELECT FROM writes WHERE id = $1) AS write,
            EXISTS (SELECT FROM attempts WHERE job_id = $1) AS attempt,
            EXISTS (SELECT FROM attempts WHERE job_id = $1 AND request IS NOT NULL
                AND answer IS NOT NULL) AS body""",
        write.id,
    )
    assert row is not None
    return row["write"], row["attempt"], row["body"]


async def test_ended_writes_go_with_their_attempts_and_bodies_go_before_rows(
    database: Database, retention: RetentionService
) -> None:
    the = await stock(database)
    fresh, middle, old = (new_write(the, new_id()) for _ in range(3))
    await accept(database, fresh, middle, old)
    for write, days in ((fresh, 1), (middle, 40), (old, 100)):
        await age(database, write, days)
    ages = {**AGES, "writes": 90, "attempts": 60}
    counted = await retention.count(ages)
    gone = await retention.purge(ages)
    assert counted["writes"] == gone["writes"] == 1
    assert await there(database, fresh) == (True, True, True)
    assert await there(database, middle) == (True, True, False)
    assert await there(database, old) == (False, False, False)
    again = await retention.purge(ages)
    assert set(again.values()) == {0}


async def test_what_has_not_ended_keeps_all_that_reconcile_needs_and_so_does_what_it_retries(
    database: Database, retention: RetentionService
) -> None:
    the = await stock(database)
    waiting, uncertain = new_write(the, new_id()), new_write(the, new_id())
    await accept(database, waiting, uncertain)
    await age(database, waiting, 500, "queued")
    await age(database, uncertain, 500, "uncertain")
    retry = new_write(the, uncertain.resident_id, retry_of=uncertain.id)
    await accept(database, retry)
    await retention.purge(dict(LEAST_DAYS))
    assert await there(database, waiting) == (True, True, True)
    assert await there(database, uncertain) == (True, True, True)
    # Once the retry has ended nothing needs its predecessor.
    await age(database, retry, 0)
    await retention.purge(dict(LEAST_DAYS))
    assert await there(database, uncertain) == (False, False, False)
    assert await there(database, retry) == (True, True, True)


async def test_an_idempotency_key_holds_for_its_24_hours_however_few_days_are_asked_for(
    database: Database, retention: RetentionService
) -> None:
    the = await stock(database)
    for key, hours in (("fresh", 23), ("old", 26)):
        await accept(
            database,
            new_write(the, new_id(), idempotency_key=key, fingerprint="aa", answer={"n": 1}),
        )
        await database.execute(
            "UPDATE idempotency_keys SET created_at = now() - $2::interval WHERE key = $1",
            key,
            timedelta(hours=hours),
        )
    await retention.purge(dict.fromkeys(LEAST_DAYS, 0) | {"writes": 8, "attempts": 8})
    rows = await database.fetch(
        "SELECT key FROM idempotency_keys WHERE account_id = $1", the.account_id
    )
    assert [row["key"] for row in rows] == ["fresh"]


async def read_job(database: Database, the: Stock, days: int, **changes: Any) -> UUID:
    values = {"job_type": "sync_units", "state": "succeeded", "parameters": {}, **changes}
    job_id = new_id()
    await database.execute(
        """INSERT INTO read_jobs (id, account_id, integration_id, root_job_id, job_type, model, state,
            parameters, created_at, started_at, finished_at)
        VALUES ($1, $2, $3, $1, $4, 'units', $5, $6::jsonb, now() - $7::interval,
            now() - $7::interval, CASE WHEN $5 IN ('succeeded', 'failed') THEN now() - $7::interval END)
        """,
        job_id,
        the.account_id,
        the.integration_ids[0],
        values["job_type"],
        values["state"],
        orjson.dumps(values["parameters"]).decode(),
        timedelta(days=days),
    )
    return job_id


async def test_the_last_read_of_everything_and_the_last_of_all_stay_because_the_next_builds_on_them(
    database: Database, retention: RetentionService
) -> None:
    the = await stock(database)
    since = {"since": "2026-01-01T00:00:00+00:00"}
    await read_job(database, the, 400)
    full = await read_job(database, the, 300)
    await read_job(database, the, 200, parameters=since)
    await read_job(database, the, 150, state="failed")
    last = await read_job(database, the, 100, parameters=since)
    open_still = await read_job(database, the, 99, state="queued")
    await retention.purge(AGES)
    rows = await database.fetch(
        "SELECT id FROM read_jobs WHERE account_id = $1 ORDER BY created_at", the.account_id
    )
    assert [row["id"] for row in rows] == [full, last, open_still]


async def test_dead_workers_and_spent_buckets_go_living_and_counted_ones_stay(
    database: Database, retention: RetentionService
) -> None:
    living, dead = new_id(), new_id()
    await database.execute(
        "INSERT INTO workers (id, expires_at) VALUES ($1, now() + interval '1 minute'),"
        " ($2, now() - interval '40 days')",
        living,
        dead,
    )
    await database.execute(
        """INSERT INTO budget_buckets (scope, method, seconds, bucket, used)
        SELECT 's', '', seconds, floor(extract(epoch FROM now() - age) / (seconds / 60.0)), 1
        FROM (VALUES (60, interval '10 seconds'), (60, interval '40 days'),
            (86400, interval '20 hours'), (86400, interval '40 days')) AS b(seconds, age)"""
    )
    await retention.purge(dict.fromkeys(LEAST_DAYS, 30) | {"budgets": 0})
    rows = await database.fetch("SELECT id FROM workers")
    assert [row["id"] for row in rows] == [living]
    kept = await database.fetch("SELECT seconds FROM budget_buckets WHERE scope = 's' ORDER BY 1")
    assert [row["seconds"] for row in kept] == [60, 86400]


async def test_it_goes_in_portions_and_two_at_once_take_each_row_once(
    database: Database, retention: RetentionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontdesk.retention.service.PORTION", 7)
    monkeypatch.setattr("frontdesk.retention.service._BUSY_PAUSE_SECONDS", 0.01)
    the = await stock(database)
    writes = [new_write(the, new_id()) for _ in range(40)]
    await accept(database, *writes)
    for write in writes:
        await age(database, write, 100)
    portions: list[int] = []

    def told(kind: str, count: int) -> None:
        if kind == "writes":
            portions.append(count)

    results = await asyncio.gather(*(retention.purge({"writes": 30}, told) for _ in range(2)))
    assert sum(result["writes"] for result in results) == sum(portions) == 40
    assert max(portions) <= 7


async def test_bodies_written_in_the_same_moment_are_not_passed_over_at_a_portions_end(
    database: Database, retention: RetentionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontdesk.retention.service.PORTION", 3)
    the = await stock(database)
    writes = [new_write(the, new_id()) for _ in range(10)]
    await accept(database, *writes)
    for write in writes:
        await age(database, write, 50)
    await database.execute(
        "UPDATE attempts SET created_at = date_trunc('day', created_at) WHERE account_id = $1",
        the.account_id,
    )
    await retention.purge({"attempt_bodies": 30})
    assert [await there(database, write) for write in writes] == [(True, True, False)] * 10


async def test_workers_purge_by_themselves_only_if_the_settings_say_so_and_take_turns(
    database: Database,
) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accept(database, write)
    await age(database, write, 100)
    stop = asyncio.Event()
    await RetentionService(database, make_settings()).purge_if_due(stop)
    assert await there(database, write) == (True, True, True)
    asked = RetentionService(database, make_settings(purge_every_hours=1))
    await asked.purge_if_due(stop)
    assert await there(database, write) == (False, False, False)
    other = new_write(the, new_id())
    await accept(database, other)
    await age(database, other, 100)
    # The next worker's turn comes an hour later.
    await asked.purge_if_due(stop)
    assert (await there(database, other))[0]


def test_no_kind_can_be_kept_for_less_than_it_is_needed(retention: RetentionService) -> None:
    with pytest.raises(ValueError, match="at least 8 days"):
        retention.ages({"writes": 7})
    with pytest.raises(ValueError, match="There is no kind"):
        retention.ages({"everything": 100})
