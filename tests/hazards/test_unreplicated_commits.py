"""A commit that stands on the primary alone, because its wait for the synchronous standby was broken
off: to whoever reads it looks like any other, and a failover would take it back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from frontdesk.database.migrate import migrate
from frontdesk.database.pool import Database, DatabaseUnavailable
from frontdesk.errors import ApiError
from frontdesk.ids import new_id
from frontdesk.writes import intake as intake_module
from frontdesk.writes.intake import Accepted, Intake, NewWrite, Replayed
from tests.delivery.stock import new_write, stock
from tests.hazards.conftest import eventually
from tests.journeys.replicated import ReplicatedPair
from tests.journeys.served import fresh_data_dir

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture
def pair() -> Iterator[ReplicatedPair]:
    """A primary and its synchronous standby."""
    with fresh_data_dir() as data_dir:
        pair = ReplicatedPair(data_dir.parent)
        try:
            pair.start()
            yield pair
        finally:
            pair.standby.signal(signal.SIGCONT)
            pair.end()


@pytest.fixture
async def pair_database(pair: ReplicatedPair) -> AsyncIterator[Database]:
    """The product's database on both."""
    database = await Database.connect(pair.url, maximum=4, command_timeout=3)
    await migrate(database)
    yield database
    await database.close()


async def _break_off_the_wait(database: Database) -> None:
    """End the backend that waits for the standby, as a crash or an operator would."""

    async def waiting() -> Any:
        return await database.fetch_value(
            "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%accept%'"
        )

    pid = await eventually(waiting)
    await database.fetch_value("SELECT pg_terminate_backend($1)", pid)


async def _stands(database: Database, write: NewWrite) -> bool:
    return bool(await database.fetch_value("SELECT count(*) FROM writes WHERE id = $1", write.id))


@pytest.mark.parametrize("keyed", [False, True])
async def test_write_that_no_standby_has_is_not_said_to_be_accepted(
    pair: ReplicatedPair, pair_database: Database, monkeypatch: pytest.MonkeyPatch, keyed: bool
) -> None:
    monkeypatch.setattr(intake_module, "LEARN_SECONDS", 3.0)
    intake = Intake(pair_database, queue=10, batch=10)
    the = await stock(pair_database)
    key: dict[str, Any] = {"idempotency_key": "k", "fingerprint": "aa", "answer": {}}
    write = new_write(the, new_id(), **(key if keyed else {}))
    pair.standby.signal(signal.SIGSTOP)
    asking = asyncio.create_task(intake.submit(write))
    await _break_off_the_wait(pair_database)
    with pytest.raises(ApiError) as caught:
        await asking
    assert caught.value.details == {"outcome": "unknown", "job_id": str(write.id)}
    assert await _stands(pair_database, write), (
        "it was not there to be mistaken for an accepted one"
    )
    if keyed:
        # The retry that the answer asks for finds the key, which proves no more.
        with pytest.raises(DatabaseUnavailable):
            await intake.look_up(the.account_id, "k", "aa")

    pair.standby.signal(signal.SIGCONT)

    async def settled() -> object:
        try:
            if keyed:
                return await intake.look_up(the.account_id, "k", "aa")
            return await intake.submit(write)
        except (ApiError, DatabaseUnavailable):
            return None

    answer = await eventually(settled, seconds=60)
    assert answer == (Replayed(write.id, {}) if keyed else Accepted())
    await intake.close()
    # And now it outlives the primary.
    pair.primary.kill()
    pair.primary.fence()
    pair.promote()

    async def stands() -> bool:
        try:
            return await _stands(pair_database, write)
        except DatabaseUnavailable:
            return False

    assert await eventually(stands)
