"""What an event costs the database does not grow with the number of those that wait, also where the
statistics of the tables are of a time when none did: they are renewed a minute later at best."""

import asyncio
from dataclasses import asdict
from typing import Any, cast
from uuid import UUID

from frontdesk.database.pool import Database
from frontdesk.delivery.finishing import completion
from frontdesk.delivery.outcomes import Transition
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.ids import new_id
from frontdesk.writes import intake_repository
from frontdesk.writes.intake import Intake
from tests.delivery.stock import Stock, new_write, stock

WAITING = 3_000
LANES = 300
MOST_READ = 60
"""Rows of `writes` and `attempts` for one event: accepted, claimed, ended, its lane gone on."""

PLANNED = 8
"""So often a statement is planned anew before its plan is kept."""

_SUCCEEDED = Transition("succeeded", ends=True, x_id=None, resolution="exact")

_READ = """
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint
FROM pg_stat_xact_user_tables WHERE relname IN ('writes', 'attempts')
"""

_ENDED = """
INSERT INTO writes (id, account_id, integration_id, vendor, operation, resident_id, budget_key, state,
    input, plan, event, warnings, event_id, expires_at, finished_at)
SELECT gen_random_uuid(), $1, $2, 'ANY', 'create', gen_random_uuid(), '', 'succeeded', '{}', '{}', '{}',
    '[]', gen_random_uuid(), clock_timestamp(), clock_timestamp()
FROM generate_series(1, 2000)
"""


async def test_an_event_costs_the_same_under_a_backlog_that_the_statistics_do_not_know(
    database_url: str,
) -> None:
    # One connection: it keeps its plans.
    database = await Database.connect(database_url, maximum=1)
    try:
        the = await stock(database)
        me = new_id()
        repository = DeliveryRepository(database)
        await repository.register(me, 600)
        await repository.acquire_leases(me)
        for table in ("writes", "attempts"):
            await database.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        # As on a new database, and after a restore.
        await _stays_cheap(database, the, me)
        # As on one where events were always sent at once.
        await database.execute("TRUNCATE writes, attempts, events")
        await database.execute(_ENDED, the.account_id, the.integration_ids[0])
        await database.execute("VACUUM ANALYZE writes")
        await _stays_cheap(database, the, me)
    finally:
        await database.close()


_DOCUMENTS = """
SELECT a.attrelid::regclass::text || '.' || a.attname AS name
FROM pg_attribute AS a JOIN pg_class AS t ON t.oid = a.attrelid AND t.relkind = 'r'
WHERE t.relnamespace = current_schema()::regnamespace AND a.atttypid = 'jsonb'::regtype
    AND NOT a.attisdropped AND a.attstattarget IS DISTINCT FROM 0
"""


async def test_no_statistics_are_kept_of_whole_documents(database_url: str) -> None:
    database = await Database.connect(database_url, maximum=1)
    try:
        sampled = {row["name"] for row in await database.fetch(_DOCUMENTS)}
    finally:
        await database.close()
    assert sampled == set(), "SET STATISTICS 0, as in migration 0020"


async def _stays_cheap(database: Database, the: Stock, worker_id: UUID) -> None:
    for _ in range(PLANNED):
        await _rows_read(database, the, worker_id)
    intake = Intake(database, queue=WAITING, batch=500)
    lanes = [new_id() for _ in range(LANES)]
    writes = [new_write(the, lanes[number % LANES]) for number in range(WAITING)]
    await asyncio.gather(*(intake.submit(write) for write in writes))
    await intake.close()
    read = [await _rows_read(database, the, worker_id) for _ in range(PLANNED)]
    assert max(read) <= MOST_READ, read


async def _rows_read(database: Database, the: Stock, worker_id: UUID) -> int:
    """Carry one event through; how many rows that read."""
    async with database.transaction() as transaction:
        alone = cast("Any", transaction)
        before = int(await transaction.fetch_value(_READ) or 0)
        repository = DeliveryRepository(alone)
        row = asdict(new_write(the, new_id())) | {"place": 0}
        assert await intake_repository.accept(alone, [row]) == {}
        asked = {
            "integration_id": the.integration_ids[0],
            "budget_key": "",
            "free": 1,
            "budgets": [],
            "life": 1.0,
        }
        (claimed,), _ = await repository.claim(worker_id, [asked], 2.0)
        ended = completion(claimed, _SUCCEEDED, outcome="delivered")
        assert await repository.finish(worker_id, [ended]) == {claimed.id}
        # What earlier transactions read may still be among it.
        return int(await transaction.fetch_value(_READ)) - before
