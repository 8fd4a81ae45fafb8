"""A page of a log reads about as many rows as it shows, however many there are.

Asked of the database itself: every statement of the logs is explained as it runs, and what its plan
read is counted. Nothing here is about time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import orjson

from frontdesk.database.pool import Database, Record
from frontdesk.ids import new_id
from frontdesk.writes import logs_repository as logs
from frontdesk.writes.logs_repository import WriteFilter
from frontdesk.writes.status import FAILED_STATES

ROWS = 40_000
PAGE = 100
MOST_READ = 3_000
"""Rows of writes or attempts that a page of a hundred may read: some for each of a few integrations."""

_ACCOUNT, _OTHER = new_id(), new_id()
_LARGE, _SMALL, _STRANGE = new_id(), new_id(), new_id()
_JOB = new_id()

_INTEGRATION = """
INSERT INTO integrations (id, account_id, vendor, name, active, base_url, credentials, budget_scope,
    max_job_concurrency) VALUES ($1, $2, 'V', '', true, '', '', '', 1)
"""
# One in a thousand failed; the small integration has one write in four hundred, the latest of it long ago.
_WRITES = """
INSERT INTO writes (id, account_id, integration_id, vendor, operation, resident_id, state, budget_key,
    input, plan, event, event_id, external_reference, error_code, submitted_at, finished_at, expires_at)
SELECT gen_random_uuid(), $1, CASE WHEN n > $4 - 100 THEN $3::uuid ELSE $2::uuid END, 'V', 'create',
    gen_random_uuid(), CASE WHEN n % 1000 = 7 THEN 'failed' ELSE 'succeeded' END, 'k', '{}', '{"a": 1}', '{}',
    gen_random_uuid(), CASE WHEN n % 5000 = 9 THEN 'ticket' END,
    CASE WHEN n % 1000 = 7 THEN 'down' END, now() - make_interval(secs => n), now(), now()
FROM generate_series(1, $4::integer) AS n
"""
_ATTEMPTS = """
INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number, created_at)
SELECT id, account_id, integration_id, 'create_resident_event', 'send', 1, submitted_at FROM writes
"""


class Explained:
    """Runs each statement and its plan; counts the rows that were read of the large tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.read = 0
        self.scanned: list[str] = []

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        await self._explain(sql, *args)
        return await self._database.fetch(sql, *args)

    async def fetch_value(self, sql: str, *args: object) -> Any:
        await self._explain(sql, *args)
        return await self._database.fetch_value(sql, *args)

    async def _explain(self, sql: str, *args: object) -> None:
        plan = await self._database.fetch_value(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
        for node in _nodes(orjson.loads(plan)[0]["Plan"]):
            if node.get("Relation Name") in ("writes", "attempts"):
                self.read += (
                    node["Actual Rows"]
                    + node.get("Rows Removed by Filter", 0)
                    + node.get("Rows Removed by Index Recheck", 0)
                ) * node["Actual Loops"]
                if node["Node Type"] == "Seq Scan":
                    self.scanned.append(node["Relation Name"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


async def _fill(database_url: str) -> None:
    database = await Database.connect(database_url, maximum=1, command_timeout=300)
    try:
        for account in (_ACCOUNT, _OTHER):
            await database.execute("INSERT INTO accounts (id, name) VALUES ($1, '')", account)
        owners = {_LARGE: _ACCOUNT, _SMALL: _ACCOUNT, _STRANGE: _OTHER}
        for integration, account in owners.items():
            await database.execute(_INTEGRATION, integration, account)
        await database.execute(_WRITES, _ACCOUNT, _LARGE, _SMALL, ROWS)
        await database.execute(_WRITES, _OTHER, _STRANGE, _STRANGE, ROWS)
        await database.execute(_ATTEMPTS)
        for table in ("writes", "attempts", "integrations"):
            await database.execute(f"ANALYZE {table}")
    finally:
        await database.close()


WRITES: dict[str, tuple[WriteFilter, int | None]] = {
    "all": (WriteFilter(), PAGE),
    "small": (WriteFilter(integration_id=_SMALL), PAGE),
    "strange": (WriteFilter(integration_id=_STRANGE), 0),
    "failed": (WriteFilter(states=FAILED_STATES, only_failures=True), ROWS // 1000),
    "sent": (WriteFilter(states=frozenset({"succeeded"})), PAGE),
    "since": (WriteFilter(since=datetime.now(UTC) - timedelta(minutes=1)), None),
    "reference": (WriteFilter(external_reference="ticket"), ROWS // 5000),
    "none": (WriteFilter(external_reference="none"), 0),
    "small failed": (
        WriteFilter(integration_id=_SMALL, states=FAILED_STATES, only_failures=True),
        0,
    ),
}
"""What a page of writes is asked for by, and how many there are; None: nobody knows."""

ATTEMPTS = [
    (name, integration_id, directions, deep)
    for name, integration_id in (("all", None), ("small", _SMALL), ("none", _STRANGE))
    for directions in (("desc", "desc"), ("asc", "asc"))
    for deep in (False, True)
]
"""Which integration's attempts, in which order, and whether after a cursor far down."""


async def test_no_page_of_a_log_reads_much_however_much_there_is(
    database: Database, database_url: str
) -> None:
    # One test: the many rows cost seconds, and every worker that had a part of it would make its own.
    await _fill(database_url)
    for name, (wanted, expected) in WRITES.items():
        await _writes_read_little(database, name, wanted, expected)
    for name, integration_id, directions, deep in ATTEMPTS:
        await _attempts_read_little(database, name, integration_id, directions, deep=deep)
    await _one_jobs_attempts_and_the_count_read_no_more_than_they_need(database)
    await _a_bulk_retry_finds_what_failed_among_what_did_not(database)


async def _writes_read_little(
    database: Database, name: str, wanted: WriteFilter, expected: int | None
) -> None:
    explained = Explained(database)
    rows = await logs.writes(cast("Any", explained), _ACCOUNT, wanted, limit=PAGE, offset=0)
    assert expected is None or len(rows) == min(PAGE, expected), name
    assert explained.scanned == [], name
    assert explained.read <= MOST_READ, name


async def _attempts_read_little(
    database: Database,
    name: str,
    integration_id: UUID | None,
    directions: tuple[str, str],
    *,
    deep: bool,
) -> None:
    explained = Explained(database)
    after = (datetime.now(UTC) - timedelta(seconds=ROWS // 2), _JOB) if deep else None
    await logs.attempts(
        cast("Any", explained),
        _ACCOUNT,
        job_id=None,
        integration_id=integration_id,
        directions=directions,
        after=after,
        limit=PAGE + 1,
        offset=0,
    )
    assert explained.scanned == [], (name, directions, deep)
    assert explained.read <= MOST_READ, (name, directions, deep)


async def _one_jobs_attempts_and_the_count_read_no_more_than_they_need(database: Database) -> None:
    explained = Explained(database)
    await logs.attempts(
        cast("Any", explained),
        _ACCOUNT,
        job_id=_JOB,
        integration_id=None,
        directions=("desc", "desc"),
        after=None,
        limit=PAGE,
        offset=0,
    )
    assert (explained.scanned, explained.read) == ([], 0)
    counted = await logs.count_attempts(
        cast("Any", explained), _ACCOUNT, job_id=None, integration_id=None, at_most=1000
    )
    assert counted == 1001
    assert explained.read <= 2 * 1001


async def _a_bulk_retry_finds_what_failed_among_what_did_not(database: Database) -> None:
    explained = Explained(database)
    wanted = WriteFilter(states=frozenset({"failed"}), only_failures=True, error_code="down")
    rows = await logs.to_retry(cast("Any", explained), _ACCOUNT, wanted, limit=PAGE)
    assert len(rows) == min(PAGE, ROWS // 1000)
    assert explained.scanned == []
    assert explained.read <= MOST_READ
