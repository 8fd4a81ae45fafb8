"""No lane starves, and no integration holds another one back: each is served by the very next claim."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from frontdesk.database.pool import Database
from frontdesk.delivery.outcomes import Transition
from frontdesk.delivery.repository import Claimed, DeliveryRepository
from frontdesk.ids import new_id
from frontdesk.writes.intake import Intake
from tests.delivery.stock import Stock, new_write, stock
from tests.delivery.test_claiming import finish

SUCCEEDED = Transition("succeeded", ends=True, x_id=None, resolution="exact")

# As many writes as are asked for, each ready, in as many lanes.
_BACKLOG = """
INSERT INTO writes (id, account_id, integration_id, vendor, operation, resident_id, budget_key,
    ready_at, input, plan, event, event_id, expires_at)
SELECT gen_random_uuid(), $1, $2::uuid, 'ANY', 'create', lane.id, '',
    CASE WHEN lane.place = 1 THEN clock_timestamp() - interval '1 hour' END,
    '{}', '{}', '{"data": {}}', gen_random_uuid(), clock_timestamp() + interval '72 hours'
FROM (SELECT n, (n - 1) / ($3::int / $4::int) AS number, (n - 1) % ($3::int / $4::int) + 1 AS place
      FROM generate_series(1, $3::int) AS n) AS rows,
LATERAL (SELECT md5($2::uuid::text || rows.number)::uuid AS id, rows.place) AS lane
ORDER BY n
"""


@pytest.fixture
def repository(database: Database) -> DeliveryRepository:
    return DeliveryRepository(database)


@pytest.fixture(autouse=True)
async def _nobody_else(database: Database) -> None:
    await database.execute("DELETE FROM writes")
    await database.execute("UPDATE integrations SET is_archived = true")
    await database.execute("UPDATE leases SET worker_id = NULL")
    await database.execute("DELETE FROM workers")


async def backlog(database: Database, the: Stock, writes: int, lanes: int) -> None:
    """A backlog of the first integration, the heads of its lanes an hour old."""
    await database.execute(
        _BACKLOG, the.account_id, the.integration_ids[0], writes, lanes, patience=120
    )


async def accept(database: Database, the: Stock, integration_id: UUID) -> UUID:
    """One event in a lane of its own."""
    write = new_write(the, new_id(), integration_id=integration_id)
    intake = Intake(database, queue=10, batch=10)
    await intake.submit(write)
    await intake.close()
    return write.id


async def worker(repository: DeliveryRepository) -> UUID:
    worker_id = new_id()
    await repository.register(worker_id, 60)
    await repository.acquire_leases(worker_id)
    return worker_id


async def claim(
    repository: DeliveryRepository, worker_id: UUID, free: Sequence[tuple[UUID, int]]
) -> list[Claimed]:
    """One claim of so many writes of each integration."""
    asked: list[dict[str, Any]] = [
        {"integration_id": i, "budget_key": "", "free": n, "budgets": [], "life": 1.0}
        for i, n in free
    ]
    claimed, _ = await repository.claim(worker_id, asked, 2.0)
    return claimed


@pytest.mark.parametrize("lanes", [1, 20_000])
async def test_a_backlog_of_one_integration_does_not_hold_back_anothers_write(
    database: Database, repository: DeliveryRepository, lanes: int
) -> None:
    the = await stock(database, integrations=2)
    busy, other = the.integration_ids
    await backlog(database, the, 20_000, lanes)
    me = await worker(repository)
    write_id = await accept(database, the, other)
    claimed = await claim(repository, me, [(busy, 8), (other, 8)])
    assert write_id in {write.id for write in claimed}
    assert len(claimed) == 1 + min(8, lanes)


async def test_a_pms_that_hangs_costs_its_own_integration_only(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database, integrations=2)
    hanging, other = the.integration_ids
    await backlog(database, the, 100, 100)
    me = await worker(repository)
    # All of its places are taken, and nothing ever comes back.
    assert len(await claim(repository, me, [(hanging, 8)])) == 8
    write_id = await accept(database, the, other)
    assert [w.id for w in await claim(repository, me, [(hanging, 0), (other, 8)])] == [write_id]


async def test_an_open_circuit_costs_its_own_integration_only(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database, integrations=2)
    broken, other = the.integration_ids
    await backlog(database, the, 100, 100)
    me = await worker(repository)
    epoch = (await repository.held(me))[broken]
    await repository.close_until(broken, epoch, 60.0, "circuit", "no answer")
    write_id = await accept(database, the, other)
    claimed = await claim(repository, me, [(broken, 8), (other, 8)])
    assert [write.id for write in claimed] == [write_id]


async def test_a_lane_with_a_long_queue_does_not_starve_another_lane(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    (integration_id,) = the.integration_ids
    await backlog(database, the, 1_000, 1)
    me = await worker(repository)
    write_id = await accept(database, the, integration_id)
    # One place only: the long lane is first, because it has waited longest; then it queues again.
    (first,) = await claim(repository, me, [(integration_id, 1)])
    assert first.id != write_id
    assert await finish(repository, me, first, SUCCEEDED)
    (second,) = await claim(repository, me, [(integration_id, 1)])
    assert second.id == write_id


async def test_a_claim_looks_at_what_it_takes_however_long_the_queue(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database, integrations=2)
    busy, other = the.integration_ids
    await backlog(database, the, 200_000, 100_000)
    await database.execute("ANALYZE writes", patience=120)
    me = await worker(repository)
    await accept(database, the, other)
    before = await _looked_at(database)
    assert len(await claim(repository, me, [(busy, 8), (other, 8)])) == 9
    after = await _looked_at(database)
    assert after["scans"] == before["scans"], "the whole table was read"
    assert after["entries"] - before["entries"] < 200


async def _looked_at(database: Database) -> dict[str, int]:
    """How often the table was read from end to end, and how many entries of its indexes were read."""
    async with database.transaction() as transaction:
        await transaction.execute("SELECT pg_stat_force_next_flush()")
    row = await database.fetch_row(
        """SELECT (SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'writes') AS scans,
            (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'writes')
                AS entries"""
    )
    assert row is not None
    return dict(row)
