"""The connection is lost exactly while writes are being committed: each is stored once, and nobody is
told more than is known."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from frontdesk.database import hosts
from frontdesk.database.pool import Database, DatabaseUnavailable
from frontdesk.errors import ApiError, Code
from frontdesk.ids import new_id
from frontdesk.writes import intake as intake_module
from frontdesk.writes.intake import Accepted, Intake, NewWrite, Replayed
from tests.database.proxy import Moment, Proxy
from tests.delivery.stock import Stock, new_write, stock

NO_HANG_SECONDS = 40.0


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def through_proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """The database as it is reached through the proxy, by somebody impatient."""
    monkeypatch.setattr(hosts, "ALONE_PATIENCE", 1.0)
    database = await Database.connect(proxy.url, maximum=4, command_timeout=1.0)
    yield database
    await database.close()


@pytest.fixture
async def intake(through_proxy: Database) -> AsyncIterator[Intake]:
    """An intake behind the proxy."""
    intake = Intake(through_proxy, queue=500, batch=64)
    yield intake
    await intake.close()


def marked(the: Stock, marker: str, **changes: Any) -> NewWrite:
    """A write that can be told by its text on the wire."""
    return new_write(the, new_id(), input={"notes": marker}, **changes)


async def stored(database: Database, the: Stock) -> list[UUID]:
    rows = await database.fetch("SELECT id FROM writes WHERE account_id = $1", the.account_id)
    return [row["id"] for row in rows]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_connection_lost_in_a_commit_stores_every_write_of_the_batch_once(
    database: Database, intake: Intake, proxy: Proxy, moment: Moment
) -> None:
    the = await stock(database)
    writes = [marked(the, f"write {number:03d}") for number in range(20)]
    proxy.lose("write 013", moment)
    results = await asyncio.gather(*(intake.submit(write) for write in writes))
    assert proxy.cuts == 1
    assert all(isinstance(result, Accepted) for result in results)
    assert sorted(await stored(database, the)) == sorted(write.id for write in writes)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_commit_whose_fate_stays_hidden_is_told_with_the_job_and_a_retry_settles_it(
    database: Database,
    intake: Intake,
    proxy: Proxy,
    moment: Moment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake_module, "LEARN_SECONDS", 0.5)
    the = await stock(database)
    keyed: dict[str, Any] = {"idempotency_key": "k", "fingerprint": "aa", "answer": {}}
    write = marked(the, "never heard of", **keyed)
    proxy.lose("never heard of", moment, keeps_away=True)
    with pytest.raises(ApiError) as caught:
        await intake.submit(write)
    assert proxy.cuts == 1
    assert caught.value.code is Code.UNAVAILABLE
    assert caught.value.details == {"outcome": "unknown", "job_id": str(write.id)}
    assert "retry-after" in caught.value.headers

    proxy.accept()
    replay = await intake.look_up(the.account_id, "k", "aa")
    if moment == "after":
        assert replay == Replayed(write.id, {})
    else:
        assert replay is None
    again = marked(the, "never heard of", **keyed)
    result = await intake.submit(again)
    assert result == (Replayed(write.id, {}) if moment == "after" else Accepted())
    assert await stored(database, the) == [write.id if moment == "after" else again.id]


async def test_refused_connections_store_nothing_and_say_so(
    database: Database, through_proxy: Database, intake: Intake, proxy: Proxy
) -> None:
    the = await stock(database)
    proxy.refuse()
    # What is lost on a connection that stood is unknown; there is none from here on.
    with pytest.raises(DatabaseUnavailable):
        await through_proxy.fetch_value("SELECT 1")
    with pytest.raises(ApiError) as caught:
        await intake.submit(marked(the, "refused"))
    assert caught.value.details == {"outcome": "not_accepted"}
    proxy.accept()
    assert isinstance(await intake.submit(marked(the, "let in")), Accepted)
    assert len(await stored(database, the)) == 1


async def test_network_that_swallows_everything_hangs_nobody_and_stores_nothing_twice(
    database: Database, intake: Intake, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "LEARN_SECONDS", 1.0)
    the = await stock(database)
    keyed: dict[str, Any] = {"idempotency_key": "s", "fingerprint": "aa", "answer": {}}
    write = marked(the, "swallowed", **keyed)
    assert isinstance(await intake.submit(marked(the, "before")), Accepted)
    proxy.swallow()
    async with asyncio.timeout(NO_HANG_SECONDS):
        with pytest.raises(ApiError) as caught:
            await intake.submit(write)
        assert caught.value.details == {"outcome": "unknown", "job_id": str(write.id)}
        with pytest.raises(ApiError) as caught:
            await intake.submit(marked(the, "too late"))
        assert caught.value.details["outcome"] == "not_accepted"
        # What was swallowed arrives after all, late, and perhaps while it is sent again.
        proxy.flow()
        result = await intake.submit(marked(the, "swallowed", **keyed))
    assert isinstance(result, Accepted | Replayed)
    assert len(await stored(database, the)) == 2
