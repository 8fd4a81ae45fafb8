"""Each file once, whole, in order, whoever comes first."""

import asyncio
from itertools import chain
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import until

from frontdesk.database.migrate import MigrationError, current_version, migrate, pending
from frontdesk.database.pool import Database

FIRST = "CREATE TABLE first (n int);\n"
SECOND = """
CREATE FUNCTION double(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    -- A semicolon; and a second one, in a body.
    RETURN n * 2;
END $$;
INSERT INTO first VALUES (double(21));
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text(SECOND)
    (tmp_path / "README.md").write_text("not a migration")
    return tmp_path


async def test_files_run_in_order_once_and_progress_is_told(
    database: Database, folder: Path
) -> None:
    steps: list[tuple[int, int, str]] = []
    assert await current_version(database) == 0
    assert await pending(database, directory=folder) == ["0001_first", "0002_second"]
    done = await migrate(database, lambda *step: steps.append(step), directory=folder)
    assert done == ["0001_first", "0002_second"]
    assert steps == [(0, 2, "0001_first"), (1, 2, "0002_second"), (2, 2, "0002_second")]
    assert await database.fetch_value("SELECT n FROM first") == 42
    assert await current_version(database) == 2
    assert await pending(database, directory=folder) == []
    assert await migrate(database, directory=folder) == []


async def test_processes_that_migrate_at_once_apply_each_file_once(
    database_url: str, folder: Path
) -> None:
    databases = [await Database.connect(database_url, maximum=2) for _ in range(5)]
    done = await asyncio.gather(*(migrate(one, directory=folder) for one in databases))
    assert sorted(chain.from_iterable(done)) == ["0001_first", "0002_second"]
    assert await databases[0].fetch_value("SELECT count(*) FROM first") == 1
    for one in databases:
        await one.close()


async def test_a_file_gives_way_to_a_transaction_that_it_would_deadlock_with(
    database: Database, tmp_path: Path
) -> None:
    """Each holds one table and wants the other's: whoever serves must not be the one that is ended."""
    (tmp_path / "0001_tables.sql").write_text(
        "CREATE TABLE held (n int); CREATE TABLE wanted (n int);"
    )
    await migrate(database, directory=tmp_path)
    (tmp_path / "0002_both.sql").write_text("CREATE INDEX ON wanted (n); CREATE INDEX ON held (n);")
    async with database.transaction() as serving:
        await serving.execute("INSERT INTO held VALUES (1)")
        migrating = asyncio.create_task(migrate(database, directory=tmp_path))

        async def migration_holds_the_other() -> bool:
            return bool(
                await database.fetch_value(
                    "SELECT EXISTS (SELECT FROM pg_locks "
                    "WHERE relation = 'wanted'::regclass AND mode = 'ShareLock' AND granted)"
                )
            )

        await until(migration_holds_the_other)
        await serving.execute("INSERT INTO wanted VALUES (1)")
    assert await migrating == ["0002_both"]
    assert await database.fetch_value("SELECT (SELECT n FROM held) + (SELECT n FROM wanted)") == 2


async def test_file_that_fails_leaves_nothing_of_itself_and_all_before_it(
    database: Database, folder: Path
) -> None:
    (folder / "0003_third.sql").write_text("CREATE TABLE third (n int); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database, directory=folder)
    assert await current_version(database) == 2
    assert await database.fetch_value("SELECT to_regclass('third')") is None
    (folder / "0003_third.sql").write_text("CREATE TABLE third (n int);")
    assert await migrate(database, directory=folder) == ["0003_third"]


async def test_changed_file_is_refused_before_anything_runs(
    database: Database, folder: Path
) -> None:
    await migrate(database, directory=folder)
    (folder / "0001_first.sql").write_text(FIRST + "DROP TABLE first;")
    (folder / "0003_third.sql").write_text("CREATE TABLE third (n int);")
    for run in (migrate(database, directory=folder), pending(database, directory=folder)):
        with pytest.raises(MigrationError, match="0001_first was changed"):
            await run
    assert await current_version(database) == 2


async def test_other_line_ends_are_no_change(database: Database, folder: Path) -> None:
    await migrate(database, directory=folder)
    (folder / "0001_first.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())
    assert await pending(database, directory=folder) == []


async def test_older_program_runs_beside_a_newer_schema(database: Database, folder: Path) -> None:
    await migrate(database, directory=folder)
    (folder / "0002_second.sql").unlink()
    assert await pending(database, directory=folder) == []
    assert await migrate(database, directory=folder) == []


async def test_number_before_an_applied_one_is_refused(database: Database, folder: Path) -> None:
    (folder / "0002_second.sql").rename(folder / "0004_second.sql")
    await migrate(database, directory=folder)
    (folder / "0003_late.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="next free number"):
        await migrate(database, directory=folder)


async def test_migration_of_another_branch_is_told_from_a_newer_program(
    database: Database, folder: Path
) -> None:
    await migrate(database, directory=folder)
    (folder / "0001_first.sql").unlink()
    with pytest.raises(MigrationError, match="0001_first, which this program does not know"):
        await pending(database, directory=folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [("add_table.sql", "not named like"), ("0001_other.sql", "share a number")],
)
async def test_names_that_leave_the_order_open_are_refused(
    database: Database, folder: Path, name: str, message: str
) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=message):
        await migrate(database, directory=folder)


async def test_the_product_s_own_migrations_apply_to_an_empty_database(
    database: Database,
) -> None:
    waiting = await pending(database)
    assert waiting
    assert await migrate(database) == waiting
    assert await current_version(database) == int(waiting[-1][:4])
