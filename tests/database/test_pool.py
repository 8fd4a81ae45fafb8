"""The four verbs, and what becomes of each when the database goes away."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from tests.database.commands import LONGEST_WAIT

from frontdesk.database import pool
from frontdesk.database.embedded import attach_or_start
from frontdesk.database.pool import (
    CommitUnknown,
    Connection,
    Database,
    DatabaseUnavailable,
    TransactionLost,
)

SLEEP = "SELECT pg_sleep(60)"
SLEEP_AT_COMMIT = """
CREATE TABLE slow (number int);
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sleep();
"""


async def backend_in_sleep(database: Database) -> int:
    """The pid of the backend that sleeps in pg_sleep, once it does."""
    async with asyncio.timeout(LONGEST_WAIT):
        while True:
            pid = await database.fetch_value(
                "SELECT pid FROM pg_stat_activity"
                " WHERE wait_event = 'PgSleep' AND datname = current_database()"
            )
            if pid is not None:
                return int(pid)
            await asyncio.sleep(0.01)


async def end(database: Database, function: str = "pg_terminate_backend") -> None:
    pid = await backend_in_sleep(database)
    await database.fetch_value(f"SELECT {function}($1)", pid)


async def test_verbs_answer_rows_row_value_and_tag(database: Database) -> None:
    assert await database.execute("CREATE TABLE t (n int, j jsonb)") == "CREATE TABLE"
    assert await database.execute("INSERT INTO t VALUES ($1, $2)", 1, '{"a": 1}') == "INSERT 0 1"
    assert await database.fetch_value("SELECT j FROM t") == '{"a": 1}'
    assert [tuple(row) for row in await database.fetch("SELECT n FROM t")] == [(1,)]
    row = await database.fetch_row("SELECT n, j FROM t")
    assert row is not None
    assert row["n"] == 1
    assert await database.fetch_row("SELECT 1 WHERE false") is None
    assert await database.fetch_value("SELECT 1 WHERE false") is None


async def test_transaction_commits_at_the_end_and_rolls_back_on_an_error(
    database: Database,
) -> None:
    await database.execute("CREATE TABLE t (n int)")

    async def insert(connection: Connection, number: int) -> None:
        await connection.execute("INSERT INTO t VALUES ($1)", number)

    async with database.transaction() as transaction:
        await insert(transaction, 1)
        assert await database.fetch_value("SELECT count(*) FROM t") == 0

    async def fail() -> None:
        async with database.transaction() as transaction:
            await insert(transaction, 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert [row["n"] for row in await database.fetch("SELECT n FROM t")] == [1]


async def test_task_cancelled_in_a_transaction_leaves_a_usable_connection(
    database_url: str,
) -> None:
    database = await Database.connect(database_url, minimum=1, maximum=2)
    await database.execute("CREATE TABLE t (n int)")

    async def work() -> None:
        async with database.transaction() as transaction:
            await transaction.execute("INSERT INTO t VALUES (1)")
            await transaction.execute(SLEEP)

    task = asyncio.create_task(work())
    await backend_in_sleep(database)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(4):
        assert await database.fetch_value("SELECT count(*) FROM t") == 0
    await database.close()


async def test_error_that_the_block_swallowed_does_not_look_like_a_commit(
    database: Database,
) -> None:
    await database.execute("CREATE TABLE t (n int)")

    async def swallow() -> None:
        async with database.transaction() as transaction:
            await transaction.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(asyncpg.DivisionByZeroError):
                await transaction.fetch("SELECT 1 / 0")

    with pytest.raises(TransactionLost):
        await swallow()
    assert await database.fetch_value("SELECT count(*) FROM t") == 0


async def test_no_server_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as raised:
        await Database.connect(f"postgresql://frontdesk:hush@/frontdesk?host={tmp_path}&port=5432")
    assert not isinstance(raised.value, CommitUnknown)
    assert "hush" not in str(raised.value)


async def test_wrong_statement_is_an_error_of_the_caller_and_no_outage(database: Database) -> None:
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await database.execute("SELEKT 1")
    with pytest.raises(asyncpg.InterfaceError):
        await database.fetch("SELECT $1::int")
    with pytest.raises(asyncpg.DataError):
        await database.fetch("SELECT $1::int", "seven")
    await database.execute("CREATE TABLE t (n int UNIQUE)")
    await database.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("INSERT INTO t VALUES (1)")


async def test_backend_ended_in_a_statement_of_its_own_leaves_the_commit_unknown(
    database: Database,
) -> None:
    statement = asyncio.create_task(database.execute(SLEEP))
    await end(database)
    with pytest.raises(CommitUnknown):
        await statement
    assert await database.fetch_value("SELECT 1") == 1


async def test_backend_ended_before_the_commit_was_sent_is_a_definite_no(
    database: Database,
) -> None:
    async def work() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(SLEEP)

    task = asyncio.create_task(work())
    await end(database)
    with pytest.raises(DatabaseUnavailable) as raised:
        await task
    assert not isinstance(raised.value, CommitUnknown)
    assert raised.value.__cause__ is not None


async def test_backend_ended_during_commit_leaves_it_unknown(database: Database) -> None:
    await database.execute(SLEEP_AT_COMMIT)

    async def work() -> None:
        async with database.transaction() as transaction:
            await transaction.execute("INSERT INTO slow VALUES (1)")

    task = asyncio.create_task(work())
    await end(database)
    with pytest.raises(CommitUnknown):
        await task


async def test_connection_lost_between_two_statements_is_a_definite_no(
    database: Database,
) -> None:
    async def work() -> None:
        async with database.transaction() as transaction:
            pid = await transaction.fetch_value("SELECT pg_backend_pid()")
            await database.execute("SELECT pg_terminate_backend($1, 10000)", pid)
            async with asyncio.timeout(LONGEST_WAIT):
                while True:
                    await transaction.execute("SELECT 1")

    for _ in range(3):
        with pytest.raises(DatabaseUnavailable) as raised:
            await work()
        assert not isinstance(raised.value, CommitUnknown)
    assert await database.fetch_value("SELECT 1") == 1


async def test_statement_that_the_server_cancelled_is_a_definite_no(database: Database) -> None:
    statement = asyncio.create_task(database.execute(SLEEP))
    await end(database, "pg_cancel_backend")
    with pytest.raises(DatabaseUnavailable) as raised:
        await statement
    assert not isinstance(raised.value, CommitUnknown)


async def test_statement_that_takes_too_long_is_given_up(database: Database) -> None:
    with pytest.raises(CommitUnknown, match="in time"):
        await database.execute(SLEEP, patience=0.1)
    assert await database.fetch_value("SELECT 1") == 1


async def test_full_pool_is_unavailable_and_nothing_was_sent(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_ACQUIRE_PATIENCE", 0.1)
    database = await Database.connect(database_url, maximum=1)
    async with database.transaction():
        with pytest.raises(DatabaseUnavailable) as raised:
            await database.execute("SELECT 1")
        assert not isinstance(raised.value, CommitUnknown)
    await database.close()


async def test_too_many_connections_is_unavailable(database: Database, database_url: str) -> None:
    role = f"limited_{os.getpid()}"
    await database.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
    try:
        limited_url = database_url.replace("frontdesk@", f"{role}@")
        first = await Database.connect(limited_url, minimum=1, maximum=1)
        with pytest.raises(DatabaseUnavailable):
            await Database.connect(limited_url, minimum=1)
        await first.close()
    finally:
        await database.execute(f"DROP ROLE {role}")


async def test_standby_is_unavailable_and_its_connection_is_not_used_again(
    database: Database, database_url: str
) -> None:
    await database.execute("CREATE TABLE t (n int)")
    name = await database.fetch_value("SELECT current_database()")
    await database.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    standby = await Database.connect(database_url, minimum=1, maximum=1)
    with pytest.raises(DatabaseUnavailable) as raised:
        await standby.execute("INSERT INTO t VALUES (1)")
    assert not isinstance(raised.value, CommitUnknown)
    await database.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert await standby.execute("INSERT INTO t VALUES (1)") == "INSERT 0 1"
    await standby.close()


async def test_of_several_hosts_the_one_that_takes_writes_is_used(
    server_url: str, tmp_path: Path
) -> None:
    host = server_url.split("host=")[1].split("&")[0]
    url = (
        f"postgresql://frontdesk@/frontdesk?host={tmp_path},{host}&port=5432,5432"
        "&target_session_attrs=read-write"
    )
    database = await Database.connect(url)
    assert await database.fetch_value("SELECT pg_is_in_recovery()") is False
    await database.close()


async def test_migration_under_a_cached_statement_is_no_outage_for_a_lone_statement(
    database_url: str,
) -> None:
    database = await Database.connect(database_url, maximum=1)
    await database.execute("CREATE TABLE t (n int)")
    await database.fetch("SELECT * FROM t")
    await database.execute("ALTER TABLE t ADD m int")
    assert await database.fetch("SELECT * FROM t") == []
    async with database.transaction() as transaction:
        assert await transaction.fetch("SELECT * FROM t") == []
    await database.execute("ALTER TABLE t ADD o int")
    with pytest.raises(DatabaseUnavailable) as raised:
        async with database.transaction() as transaction:
            await transaction.fetch("SELECT * FROM t")
    assert not isinstance(raised.value, CommitUnknown)
    assert await database.fetch("SELECT * FROM t") == []
    await database.close()


async def test_pool_recovers_by_itself_from_a_killed_server(data_dir: Path) -> None:
    started = "SELECT pg_postmaster_start_time()"
    async with await attach_or_start(data_dir) as server:
        database = await Database.connect(server.url, minimum=4, maximum=4)
        before = after = await database.fetch_value(started)
        os.kill(server.postmaster_pid, signal.SIGKILL)
        async with asyncio.timeout(LONGEST_WAIT):
            while before == after:
                try:
                    after = await database.fetch_value(started)
                except DatabaseUnavailable:
                    await asyncio.sleep(0.01)
        assert (
            await asyncio.gather(*(database.fetch_value("SELECT 1") for _ in range(8))) == [1] * 8
        )
        await database.close()


async def test_nothing_is_asked_of_the_server_when_a_connection_goes_back(
    database_url: str,
) -> None:
    database = await Database.connect(database_url, maximum=1)
    await database.fetch_value("SELECT 1")
    observer = await Database.connect(database_url, maximum=1)
    last = await observer.fetch_value(
        "SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND backend_type = 'client backend' AND datname = current_database()"
        " AND application_name = 'frontdesk' AND query NOT LIKE 'CREATE DATABASE%'"
    )
    assert last == "SELECT 1"
    await observer.close()
    await database.close()


async def test_use_after_close_is_unavailable(database_url: str) -> None:
    database = await Database.connect(database_url)
    await database.close()
    with pytest.raises(DatabaseUnavailable):
        await database.fetch("SELECT 1")
