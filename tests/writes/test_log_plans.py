"""A page of a log reads about as many rows as it shows, however many there are.

Asked of the database itself: every statement of the logs is explained as it runs, and what its plan
read is counted. Nothing here is about time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import orjson
import pytest

from frontdesk.database.pool import Database, Record
from frontdesk.ids import new_id
from frontdesk.writes import logs_repository as logs
from frontdesk.writes.logs_repository import WriteFilter
from frontdesk.writes.status import FAILED_STATES
from tests.conftest import in_a_thread

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
    gen_random_uuid(), CASE WHEN n % 1000 = 7 THEN 'failed' ELSE 'succeeded' END, 'k', '{}', '{}', '{}',
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


@pytest.fixture(scope="module")
def filled(database_url: str) -> None:
    in_a_thread(_fill(database_url))


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (WriteFilter(), PAGE),
        (WriteFilter(integration_id=_SMALL), PAGE),
        (WriteFilter(integration_id=_STRANGE), 0),
        (WriteFilter(states=FAILED_STATES, only_failures=True), ROWS // 1000),
        (WriteFilter(states=frozenset({"succeeded"})), PAGE),
        (WriteFilter(since=datetime.now(UTC) - timedelta(minutes=1)), None),
        (WriteFilter(external_reference="ticket"), ROWS // 5000),
        (WriteFilter(external_reference="none"), 0),
        (WriteFilter(integration_id=_SMALL, states=FAILED_STATES, only_failures=True), 0),
    ],
    # Named: an id with a time or a random id in it would differ between the workers of a run.
    ids=["all", "small", "strange", "failed", "sent", "since", "reference", "none", "small failed"],
)
async def test_a_page_of_writes_reads_little(
    database: Database, wanted: WriteFilter, expected: int | None
) -> None:
    explained = Explained(database)
    rows = await logs.writes(cast("Any", explained), _ACCOUNT, wanted, limit=PAGE, offset=0)
    assert expected is None or len(rows) == min(PAGE, expected)
    assert explained.scanned == []
    assert explained.read <= MOST_READ


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("integration_id", [None, _SMALL, _STRANGE], ids=["all", "small", "none"])
@pytest.mark.parametrize("directions", [("desc", "desc"), ("asc", "asc")], ids=["new", "old"])
@pytest.mark.parametrize("deep", [False, True], ids=["first", "cursor"])
async def test_a_page_of_attempts_reads_little(
    database: Database, integration_id: UUID | None, directions: tuple[str, str], deep: bool
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
    assert explained.scanned == []
    assert explained.read <= MOST_READ


@pytest.mark.usefixtures("filled")
async def test_attempts_of_one_job_and_the_count_read_no_more_than_they_need(
    database: Database,
) -> None:
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


@pytest.mark.usefixtures("filled")
async def test_a_bulk_retry_finds_what_failed_among_what_did_not(database: Database) -> None:
    explained = Explained(database)
    wanted = WriteFilter(states=frozenset({"failed"}), only_failures=True, error_code="down")
    rows = await logs.to_retry(cast("Any", explained), _ACCOUNT, wanted, limit=PAGE)
    assert len(rows) == min(PAGE, ROWS // 1000)
    assert explained.scanned == []
    assert explained.read <= MOST_READ
