"""Scheduled writes enter their lanes when their time has come: each once, whoever moves them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from frontdesk.database.pool import Database
from frontdesk.delivery import repository as statements
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.ids import new_id
from frontdesk.writes.intake import Intake, NewWrite
from tests.delivery.stock import new_write, stock
from tests.delivery.test_claiming import SUCCEEDED, claim, finish, state, worker


@pytest.fixture
def repository(database: Database) -> DeliveryRepository:
    return DeliveryRepository(database)


@pytest.fixture(autouse=True)
async def _nobody_else(database: Database) -> None:
    await database.execute("UPDATE integrations SET is_archived = true")
    await database.execute("UPDATE writes SET scheduled_for = NULL")
    await database.execute("UPDATE leases SET worker_id = NULL")
    await database.execute("DELETE FROM workers")


def later(**distance: float) -> datetime:
    return datetime.now(UTC) + timedelta(**distance or {"hours": 1})


async def accept(database: Database, *writes: NewWrite) -> None:
    """All in one commit."""
    intake = Intake(database, queue=2000, batch=500)
    await asyncio.gather(*(intake.submit(write) for write in writes))
    await intake.close()


async def due(database: Database, *writes: NewWrite, first: timedelta = timedelta()) -> None:
    """Let the time of these writes have come, one after the other."""
    for place, write in enumerate(writes):
        await database.execute(
            "UPDATE writes SET scheduled_for = now() - interval '1 minute' + $2 WHERE id = $1",
            write.id,
            first + timedelta(seconds=place),
        )


async def test_a_scheduled_write_is_not_sent_before_its_time_and_lets_others_pass(
    database: Database, repository: DeliveryRepository
) -> None:
    the, lane = await stock(database), new_id()
    scheduled, now = new_write(the, lane, send_at=later()), new_write(the, lane)
    await accept(database, scheduled, now)
    me = await worker(repository)
    assert await repository.enter_lanes(100) == 0
    (claimed,) = await claim(repository, me, the)
    assert claimed.id == now.id
    assert await finish(repository, me, claimed, SUCCEEDED)
    assert await claim(repository, me, the) == []
    assert await state(database, scheduled.id) == "scheduled"


async def test_it_joins_the_end_of_its_lane_when_its_time_has_come(
    database: Database, repository: DeliveryRepository
) -> None:
    the, lane = await stock(database), new_id()
    scheduled = new_write(the, lane, send_at=later())
    before = [new_write(the, lane) for _ in range(2)]
    await accept(database, scheduled, *before)
    await due(database, scheduled)
    assert await repository.enter_lanes(100) == 1
    after = new_write(the, lane)
    await accept(database, after)
    me = await worker(repository)
    order = []
    for _ in range(4):
        (claimed,) = await claim(repository, me, the)
        order.append(claimed.id)
        assert await finish(repository, me, claimed, SUCCEEDED)
    assert order == [*(write.id for write in before), scheduled.id, after.id]


async def test_into_an_empty_lane_it_comes_ready(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    scheduled = new_write(the, new_id(), send_at=later())
    await accept(database, scheduled)
    await due(database, scheduled)
    await repository.enter_lanes(100)
    me = await worker(repository)
    assert [write.id for write in await claim(repository, me, the)] == [scheduled.id]


async def test_writes_of_one_time_keep_the_order_of_their_acceptance(
    database: Database, repository: DeliveryRepository
) -> None:
    the, lane, moment = await stock(database), new_id(), later()
    writes = [new_write(the, lane, send_at=moment) for _ in range(20)]
    await accept(database, *writes)
    await database.execute(
        "UPDATE writes SET scheduled_for = now() - interval '1 minute' WHERE resident_id = $1", lane
    )
    # In portions: their borders must not change the order.
    while await repository.enter_lanes(7):
        pass
    rows = await database.fetch(
        "SELECT id FROM writes WHERE resident_id = $1 ORDER BY lane_number", lane
    )
    assert [row["id"] for row in rows] == [write.id for write in writes]


async def test_the_earlier_time_goes_first_whatever_was_accepted_first(
    database: Database, repository: DeliveryRepository
) -> None:
    the, lane = await stock(database), new_id()
    late, early = new_write(the, lane, send_at=later()), new_write(the, lane, send_at=later())
    await accept(database, late, early)
    await due(database, early, late)
    await repository.enter_lanes(100)
    me = await worker(repository)
    assert [write.id for write in await claim(repository, me, the)] == [early.id]


async def test_many_workers_move_each_write_once(database: Database) -> None:
    the = await stock(database)
    writes = [new_write(the, new_id(), send_at=later()) for _ in range(120)]
    await accept(database, *writes)
    await database.execute(
        "UPDATE writes SET scheduled_for = now() WHERE integration_id = $1", the.integration_ids[0]
    )
    before = await database.fetch_value("SELECT last_value FROM lane_numbers")

    async def move() -> None:
        repository = DeliveryRepository(database)
        while await database.fetch_value(
            "SELECT EXISTS (SELECT FROM writes WHERE scheduled_for IS NOT NULL)"
        ):
            await repository.enter_lanes(10)

    await asyncio.gather(*(move() for _ in range(4)))
    rows = await database.fetch(
        "SELECT state, lane_number FROM writes WHERE integration_id = $1", the.integration_ids[0]
    )
    assert {row["state"] for row in rows} == {"queued"}
    # A write moved twice would have drawn two numbers.
    assert sorted(row["lane_number"] for row in rows) == list(range(before + 1, before + 121))


async def test_one_that_is_cancelled_while_it_is_due_is_not_moved(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    scheduled = new_write(the, new_id(), send_at=later())
    await accept(database, scheduled)
    await due(database, scheduled)
    await database.fetch(
        "SELECT end_writes($1, 'cancelled', 'cancelled', 'enough')", [scheduled.id]
    )
    await repository.enter_lanes(100)
    assert await state(database, scheduled.id) == "cancelled"


async def test_a_write_ends_expired_at_the_time_that_its_caller_set(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    write = new_write(the, new_id(), expires_at=later(seconds=-1))
    kept = new_write(the, new_id(), expires_at=later())
    scheduled = new_write(the, new_id(), send_at=later(), expires_at=later(hours=2))
    await accept(database, write, kept, scheduled)
    await database.execute("UPDATE writes SET expires_at = now() WHERE id = $1", scheduled.id)
    await repository.expire()
    assert [await state(database, w.id) for w in (write, kept, scheduled)] == [
        "expired",
        "queued",
        "expired",
    ]
    errors = await database.fetch_value("SELECT errors FROM writes WHERE id = $1", scheduled.id)
    assert orjson.loads(errors)[0]["code"] == "expired"


async def plan_of(database: Database, query: str) -> dict[str, Any]:
    async with database.transaction() as connection:
        text = await connection.fetch_value(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
    plan: dict[str, Any] = orjson.loads(text)[0]["Plan"]
    return plan


def rows_looked_at(plan: dict[str, Any]) -> int:
    """Rows that any node of the plan read, those that it threw away included."""
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return int(max([own, *(rows_looked_at(inner) for inner in plan.get("Plans", ()))]))


async def test_a_long_schedule_costs_those_who_look_for_due_and_expired_writes_nothing(
    database: Database,
) -> None:
    the = await stock(database)
    (integration,) = the.integration_ids
    await database.execute(
        """INSERT INTO writes (id, account_id, integration_id, vendor, operation, resident_id,
            budget_key, state, scheduled_for, lane_number, input, plan, event, event_id, expires_at)
        SELECT gen_random_uuid(), $1, $2, 'ANY', 'create', gen_random_uuid(), '', 'scheduled',
            now() + interval '1 day', without_place() + n, '{}', '{}', '{}', gen_random_uuid(),
            now() + interval '4 days'
        FROM generate_series(1, 20000) AS n""",
        the.account_id,
        integration,
    )
    await database.execute("ANALYZE writes")
    due_writes = """SELECT id FROM writes WHERE scheduled_for <= (SELECT clock_timestamp())
        ORDER BY scheduled_for, lane_number LIMIT 500"""
    for query in (due_writes, statements._EXPIRED):
        assert rows_looked_at(await plan_of(database, query)) < 100
