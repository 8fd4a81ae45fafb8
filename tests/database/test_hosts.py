"""Several hosts in one URL, and a server that vanishes without a word."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from tests.database.proxy import Proxy

from frontdesk.database import hosts
from frontdesk.database.hosts import Hosts, urls_of
from frontdesk.database.pool import CommitUnknown, Database, DatabaseUnavailable

NO_HANG_SECONDS = 60.0


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("postgresql://u:p@a:1/db", ["postgresql://u:p@a:1/db"]),
        ("postgresql:///db", ["postgresql:///db"]),
        (
            "postgresql://u:p%2C@a:1,b:2/db?target_session_attrs=read-write",
            [
                "postgresql://u:p%2C@a:1/db?target_session_attrs=read-write",
                "postgresql://u:p%2C@b:2/db?target_session_attrs=read-write",
            ],
        ),
        ("postgresql://u@a,b/db", ["postgresql://u@a/db", "postgresql://u@b/db"]),
        (
            "postgresql://u@/db?host=/one,/two&port=5432,5433&sslmode=disable",
            [
                "postgresql://u@/db?host=/one&port=5432&sslmode=disable",
                "postgresql://u@/db?host=/two&port=5433&sslmode=disable",
            ],
        ),
        (
            "postgresql://u@/db?host=a,b&port=6000",
            [
                "postgresql://u@/db?host=a&port=6000",
                "postgresql://u@/db?host=b&port=6000",
            ],
        ),
        (
            "postgresql://u@[::1]:1,[::2]:2/db",
            ["postgresql://u@[::1]:1/db", "postgresql://u@[::2]:2/db"],
        ),
    ],
)
def test_a_url_of_several_hosts_is_one_url_for_each(url: str, each: list[str]) -> None:
    assert urls_of(url) == each


# A host that is alive on a busy machine may need seconds to fork backends; one that swallows
# everything needs for ever. The patience has to tell the two apart, on any machine.
ALIVE_SECONDS = 8.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "EACH_PATIENCE", ALIVE_SECONDS)
    monkeypatch.setattr(hosts, "ALONE_PATIENCE", ALIVE_SECONDS)


@pytest.fixture
def pair(database_url: str) -> Iterator[tuple[Proxy, Proxy]]:
    """Two ways to one server."""
    with Proxy(database_url) as first, Proxy(database_url) as second:
        yield first, second


@pytest.fixture
async def through_both(pair: tuple[Proxy, Proxy]) -> AsyncIterator[Database]:
    first, second = pair
    url = first.url.replace(first.host, f"{first.host},{second.host}")
    database = await Database.connect(url, minimum=4, maximum=4, command_timeout=2.0)
    yield database
    await database.close()


async def test_a_first_host_that_swallows_everything_does_not_hide_the_second(
    pair: tuple[Proxy, Proxy],
) -> None:
    first, second = pair
    first.swallow()
    url = first.url.replace(first.host, f"{first.host},{second.host}")
    several = Hosts(f"{url}?target_session_attrs=read-write")
    for _ in range(3):
        connection = await several.connect()
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    assert first.connections == 1, "a host that took nobody was asked first again"


async def test_what_a_server_says_is_told_rather_than_that_another_is_away(
    pair: tuple[Proxy, Proxy],
) -> None:
    first, second = pair
    first.refuse()
    url = first.url.replace(first.host, f"{second.host},{first.host}")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await Hosts(url.rpartition("/")[0] + "/nowhere").connect()


async def test_a_host_that_takes_no_writes_is_passed_over_and_all_of_them_are_unavailable(
    database_url: str, database: Database, pair: tuple[Proxy, Proxy]
) -> None:
    name = await database.fetch_value("SELECT current_database()")
    await database.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    first, second = pair
    url = first.url.replace(first.host, f"{first.host},{second.host}")
    with pytest.raises(DatabaseUnavailable) as caught:
        await Database.connect(f"{url}?target_session_attrs=read-write")
    assert not isinstance(caught.value, CommitUnknown)
    assert (first.connections, second.connections) == (1, 1)


async def test_after_one_silence_no_other_connection_to_that_server_is_tried(
    through_both: Database, pair: tuple[Proxy, Proxy]
) -> None:
    first, second = pair
    await asyncio.gather(*(through_both.fetch("SELECT pg_sleep(0.05)") for _ in range(4)))
    assert second.connections == 0
    first.swallow()
    async with asyncio.timeout(NO_HANG_SECONDS):
        with pytest.raises(CommitUnknown):
            await through_both.fetch_value("SELECT 1")
        answers = await asyncio.gather(*(through_both.fetch_value("SELECT 1") for _ in range(8)))
    assert answers == [1] * 8


async def test_transaction_on_a_server_that_vanished_is_given_up_and_committed_nowhere(
    through_both: Database, pair: tuple[Proxy, Proxy], database: Database
) -> None:
    await database.execute("CREATE TABLE t (n int)")

    async def work() -> None:
        async with through_both.transaction() as transaction:
            await transaction.execute("INSERT INTO t VALUES (1)")
            pair[0].swallow()
            await transaction.execute("INSERT INTO t VALUES (2)")

    async with asyncio.timeout(NO_HANG_SECONDS):
        with pytest.raises(DatabaseUnavailable) as caught:
            await work()
        assert not isinstance(caught.value, CommitUnknown)
        pair[0].flow()
        assert await through_both.fetch_value("SELECT count(*) FROM t") == 0


async def test_task_cancelled_on_a_server_that_vanished_ends(
    through_both: Database, pair: tuple[Proxy, Proxy]
) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with through_both.transaction() as transaction:
            pair[0].swallow()
            begun.set()
            await transaction.execute("SELECT 1", patience=3600)

    task = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0.1)
    task.cancel()
    async with asyncio.timeout(NO_HANG_SECONDS):
        with pytest.raises(asyncio.CancelledError):
            await task
        # Whose place it had is free again.
        answers = await asyncio.gather(
            *(through_both.fetch_value("SELECT 1") for _ in range(4)), return_exceptions=True
        )
    assert len(answers) == 4


async def test_a_listener_finds_the_host_that_took_over(
    through_both: Database, pair: tuple[Proxy, Proxy], database: Database
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await through_both.listen("news", heard.put_nowait)
    pair[0].refuse()
    async with asyncio.timeout(NO_HANG_SECONDS):
        assert await heard.get() == "", "it was not woken after the reconnection"
        await database.execute("SELECT pg_notify('news', 'again')")
        assert await heard.get() == "again"


async def test_the_kernel_asks_a_silent_peer_whether_it_is_there(pair: tuple[Proxy, Proxy]) -> None:
    connection = await Hosts(pair[0].url).connect()
    sock = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    await connection.close()
