"""Behind a pgbouncer in transaction mode, where each transaction may reach another server."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from tests.database.commands import wait_until

from frontdesk.database.migrate import migrate
from frontdesk.database.placement import place
from frontdesk.database.pool import Database

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@pytest.fixture
async def pooled(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, maximum=2, pooler=True)
    yield database
    await database.close()


async def test_each_statement_runs_in_a_transaction_of_its_own(pooled: Database) -> None:
    # In an explicit one, BEGIN set the transaction's time, before the statement had its own.
    assert await pooled.fetch_value("SELECT now() < statement_timestamp()")


async def test_no_statement_is_prepared_by_name(pooled: Database) -> None:
    for number in range(3):
        await pooled.fetch("SELECT $1::int + 1", number)
        await pooled.fetch_row("SELECT $1::text", "a")
    assert await pooled.fetch("SELECT name FROM pg_prepared_statements") == []


async def test_types_that_the_driver_must_look_up_work(pooled: Database) -> None:
    await pooled.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
    assert await pooled.fetch_value("SELECT $1::mood[]", ["good", "bad"]) == ["good", "bad"]
    assert await pooled.fetch("SELECT name FROM pg_prepared_statements") == []


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
async def test_through_pgbouncer_many_clients_share_two_servers(
    database_url: str, tmp_path: Path
) -> None:
    host = database_url.split("host=")[1].split("&")[0]
    name = database_url.split("@/")[1].split("?")[0]
    directory = Path(tempfile.mkdtemp(prefix="fd-pgb-", dir="/tmp"))
    # It refuses to run as root, and must enter the directory of the server's socket.
    account = place(tmp_path).switch_to
    (directory / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = host={host} port=5432 dbname={name} user=frontdesk\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {directory}\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 100\n"
        f"logfile = {directory}/log\n"
    )
    if account is not None:
        for path in (directory, directory / "pgbouncer.ini"):
            os.chown(path, account.uid, account.gid)
    process = await asyncio.create_subprocess_exec(
        str(PGBOUNCER),
        str(directory / "pgbouncer.ini"),
        user=account.uid if account else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await asyncio.to_thread(
            wait_until, (directory / ".s.PGSQL.6432").exists, "pgbouncer listens"
        )
        database = await Database.connect(
            f"postgresql://frontdesk@/{name}?host={directory}&port=6432", maximum=16, pooler=True
        )
        folder = tmp_path / "migrations"
        folder.mkdir()
        (folder / "0001_rows.sql").write_text("CREATE TABLE t (n int); CREATE INDEX ON t (n);")
        assert await migrate(database, directory=folder) == ["0001_rows"]

        async def work(number: int) -> None:
            await database.execute("INSERT INTO t VALUES ($1)", number)
            assert await database.fetch_value("SELECT n FROM t WHERE n = $1", number) == number
            async with database.transaction() as transaction:
                await transaction.execute("UPDATE t SET n = -n WHERE n = $1", number)
                assert await transaction.fetch_value("SELECT n FROM t WHERE n = $1", -number)

        await asyncio.gather(*(work(number) for number in range(1, 101)))
        assert await database.fetch_value("SELECT count(*) FROM t WHERE n < 0") == 100
        await database.close()
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(directory)
    direct = await asyncpg.connect(database_url)
    assert await direct.fetchval("SELECT count(*) FROM t") == 100
    await direct.close()
