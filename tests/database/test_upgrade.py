"""The data of an older PostgreSQL: refused without harm, and taken to the newer one."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.database.commands import data_directory

from frontdesk.cli.app import run
from frontdesk.database.binaries import find_binaries, inspect
from frontdesk.database.embedded import attach_or_start
from frontdesk.database.placement import EmbeddedServerError
from frontdesk.database.upgrade import major_of, upgrade

pytestmark = pytest.mark.long

OLD = Path("/usr/lib/postgresql/15/bin")
SETTING = "deadlock_timeout = '1234ms'\n"


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("FRONTDESK_POSTGRES_BIN", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with data_directory() as directory:
        yield directory


@pytest.fixture
def old_data(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of PostgreSQL 15 with a setting of the operator's, a table and a sequence."""
    if inspect(OLD) is None or find_binaries().major == 15:
        pytest.skip("needs Debian's PostgreSQL 15 beside a newer one")
    with monkeypatch.context() as context:
        context.setenv("FRONTDESK_POSTGRES_BIN", str(OLD))
        asyncio.run(
            asked(
                data_dir,
                "CREATE TABLE kept AS SELECT n, 'é' || n AS word FROM generate_series(1, 5000) AS n;"
                "CREATE SEQUENCE places; SELECT setval('places', 4711)",
            )
        )
    assert major_of(data_dir / "postgres") == 15
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write(SETTING)
    return data_dir


async def asked(data_dir: Path, sql: str) -> None:
    async with await attach_or_start(data_dir) as server:
        connection = await asyncpg.connect(server.url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


async def held(data_dir: Path) -> tuple[object, ...]:
    """What the tests put in, and the version that has it now."""
    async with await attach_or_start(data_dir) as server:
        connection = await asyncpg.connect(server.url)
        try:
            row = await connection.fetchrow(
                "SELECT count(*) AS rows, max(word) FILTER (WHERE n = 77) AS word, "
                "(SELECT last_value FROM places) AS place, "
                "current_setting('deadlock_timeout') AS setting FROM kept"
            )
            assert row is not None
            return (*row.values(), server.version.partition(".")[0])
        finally:
            await connection.close()


def files(folder: Path) -> dict[str, bytes]:
    """Names and contents, without what every start writes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "log"
    }


def test_data_goes_to_the_newer_one_and_the_old_is_kept(
    old_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = str(find_binaries().major)
    assert run(["upgrade-database", "--data-dir", str(old_data), "--old-bin", str(OLD)]) == 0
    said = capsys.readouterr()
    assert "1 tables, 5000 rows" in said.out
    assert asyncio.run(held(old_data)) == (5000, "é77", 4711, "1234ms", newest)
    assert major_of(old_data / "postgres-15") == 15
    assert not (old_data / "postgres.upgrade").exists()
    assert run(["upgrade-database", "--data-dir", str(old_data)]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_server_that_runs_is_left_alone(old_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setenv("FRONTDESK_POSTGRES_BIN", str(OLD))

        async def beside_it() -> None:
            async with await attach_or_start(old_data):
                upgrade(old_data, OLD, print)

        with pytest.raises(EmbeddedServerError, match="Frontdesk runs on"):
            asyncio.run(beside_it())
    assert major_of(old_data / "postgres") == 15


def test_a_restore_that_fails_changes_nothing_and_can_be_repeated(
    old_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = old_data / "postgres" / "postgresql.auto.conf"
    before = conf.read_text()
    with monkeypatch.context() as context:
        context.setenv("FRONTDESK_POSTGRES_BIN", str(OLD))
        # Gone since 16: the old server takes it, the new one does not.
        asyncio.run(asked(old_data, "ALTER SYSTEM SET vacuum_defer_cleanup_age = 5"))
    with pytest.raises(EmbeddedServerError, match=r"vacuum_defer_cleanup_age"):
        upgrade(old_data, OLD, print)
    assert major_of(old_data / "postgres") == 15
    assert not (old_data / "postgres-15").exists()
    conf.write_text(before)
    done = upgrade(old_data, OLD, print)
    assert done is not None
    assert done.rows == 5000


def test_a_swap_that_was_broken_off_is_no_empty_database(old_data: Path) -> None:
    (old_data / "postgres").rename(old_data / "postgres-15")
    with pytest.raises(EmbeddedServerError, match="upgrade-database"):
        asyncio.run(asked(old_data, "SELECT 1"))
    assert not (old_data / "postgres").exists()
    assert upgrade(old_data, OLD, print) is not None
    assert asyncio.run(held(old_data))[0] == 5000


@pytest.mark.parametrize("command", ["doctor", "migrate"])
def test_data_that_no_program_here_can_open_is_refused_and_left_as_it_is(
    data_dir: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = data_dir / "postgres"
    cluster.mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        os.chown(cluster, 65534, 65534)
    (cluster / "PG_VERSION").write_text("9\n")
    before = files(cluster)
    assert run([command, "--data-dir", str(data_dir)]) == (1 if command == "doctor" else 2)
    said = capsys.readouterr()
    words = " ".join((said.out + said.err).split())
    assert "PostgreSQL 9" in words
    assert "upgrade-database" in words
    assert files(cluster) == before
