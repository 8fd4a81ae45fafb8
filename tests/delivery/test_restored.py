"""After a restore: every unfinished write is looked for first, and each lane keeps its order."""

import asyncio
from datetime import timedelta

import pytest

from frontdesk.database.pool import Database
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.delivery.restoring import WorkersLiveError, mark_restored
from frontdesk.ids import new_id
from tests.delivery.stock import new_write, stock
from tests.delivery.test_claiming import SUCCEEDED, accept, claim, finish, worker


@pytest.fixture(autouse=True)
async def _nobody_else(database: Database) -> None:
    await database.execute("TRUNCATE accounts, integrations, writes, leases, workers CASCADE")


@pytest.fixture
def repository(database: Database) -> DeliveryRepository:
    return DeliveryRepository(database)


async def _states(database: Database) -> list[str]:
    rows = await database.fetch("SELECT state FROM writes ORDER BY lane_number")
    return [row["state"] for row in rows]


async def _all_workers_died(database: Database) -> None:
    await database.execute("UPDATE workers SET expires_at = clock_timestamp()")


async def test_nothing_unfinished_is_sent_after_a_restore_before_it_was_looked_for(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    writes = [new_write(the, new_id()) for _ in range(3)]
    await accept(database, *writes)
    # One is out, one is done, one waits.
    first = await worker(repository)
    out, done = await claim(repository, first, the, free=2)
    await finish(repository, first, done, SUCCEEDED)
    await _all_workers_died(database)

    assert await mark_restored(database) == 2

    second = await worker(repository)
    claimed = await claim(repository, second, the)
    assert {one.id for one in claimed} == {write.id for write in writes} - {done.id}
    assert {one.state for one in claimed} == {"reconciling"}
    assert all(one.unsettled and one.send_before is not None for one in claimed)
    waiting = next(one for one in claimed if one.id != out.id)
    newest = await database.fetch_value("SELECT max(submitted_at) FROM writes")
    assert waiting.first_sent_at is not None
    assert waiting.first_sent_at >= newest
    attempt = await database.fetch_row("SELECT * FROM attempts WHERE job_id = $1", out.id)
    assert attempt is not None
    assert attempt["outcome"] == "unknown"


async def test_a_lane_keeps_its_order_through_a_restore_and_a_take_over(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    resident = new_id()
    writes = [new_write(the, resident) for _ in range(3)]
    await accept(database, *writes)
    await mark_restored(database)
    ended = []
    for _ in writes:
        # Each time another worker takes over: what waits behind must stay behind.
        await _all_workers_died(database)
        worker_id = await worker(repository)
        (claimed,) = await claim(repository, worker_id, the)
        await finish(repository, worker_id, claimed, SUCCEEDED)
        ended.append(claimed.id)
    assert ended == [write.id for write in writes]


async def test_a_scheduled_write_is_looked_for_only_if_its_time_has_come_since(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    now = await database.fetch_value("SELECT clock_timestamp()")
    due = new_write(the, new_id(), send_at=now + timedelta(hours=1))
    later = new_write(the, new_id(), send_at=now + timedelta(days=1))
    await accept(database, due, later)
    await database.execute(
        "UPDATE writes SET scheduled_for = clock_timestamp() WHERE id = $1", due.id
    )
    assert await mark_restored(database) == 1
    claimed = await claim(repository, await worker(repository), the)
    assert [(one.id, one.state) for one in claimed] == [(due.id, "reconciling")]
    assert sorted(await _states(database)) == ["reconciling", "scheduled"]


async def test_said_twice_it_changes_nothing_but_the_moment(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    assert await mark_restored(database) == 1
    before = await database.fetch_value("SELECT first_sent_at FROM writes")
    assert await mark_restored(database) == 1
    assert await database.fetch_value("SELECT first_sent_at FROM writes") == before


async def test_it_is_refused_while_a_worker_lives(database: Database) -> None:
    worker_id = new_id()
    await DeliveryRepository(database).register(worker_id, 1)

    waited: list[float] = []
    with pytest.raises(WorkersLiveError):
        await mark_restored(database, _Heartbeats(database, waited))
    assert len(waited) == 1
    await database.execute("UPDATE workers SET expires_at = clock_timestamp()")
    assert await mark_restored(database) == 0


class _Heartbeats:
    """Told that workers are waited for, it has one of them live on."""

    def __init__(self, database: Database, waited: list[float]) -> None:
        self._database, self._waited = database, waited
        self._tasks: list[object] = []

    def __call__(self, seconds: float) -> None:
        self._waited.append(seconds)
        self._tasks.append(
            asyncio.ensure_future(
                self._database.execute(
                    "UPDATE workers SET expires_at = clock_timestamp() + interval '1 minute'"
                )
            )
        )
