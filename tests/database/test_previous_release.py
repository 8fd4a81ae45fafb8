"""A rolling deploy: the previous release on today's schema, and today's code on that release's schema.

The previous release is checked out from this repository's own history, and runs with the libraries of
today's environment.
"""

import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import ENCRYPTION_KEY, in_a_thread, url_of
from tests.journeys.fleet import Fleet, fleet, run
from tests.journeys.served import NOTE_VENDOR

from frontdesk.database.releases import previous_release

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]


def git(*arguments: str) -> None:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (
        f"git {arguments[0]} failed; this test needs git, and the repository with its whole history "
        f"(git fetch --unshallow): {done.stderr}"
    )


@pytest.fixture(scope="module")
def previous() -> Iterator[Path]:
    """The source folder of the previous release."""
    with tempfile.TemporaryDirectory(prefix="frontdesk-previous-") as folder:
        checkout = Path(folder) / "checkout"
        git("worktree", "add", "--detach", "--force", str(checkout), previous_release().commit)
        try:
            yield checkout / "src"
        finally:
            git("worktree", "remove", "--force", str(checkout))


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """The URL of a database without a schema."""
    name = f"t{uuid.uuid4().hex}"

    async def administer(statement: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    in_a_thread(administer(f"CREATE DATABASE {name}"))
    yield url_of(postgres_url, name)
    in_a_thread(administer(f"DROP DATABASE {name} WITH (FORCE)"))


def schema_version(url: str) -> int:
    async def look() -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval("SELECT max(version) FROM schema_migrations"))
        finally:
            await connection.close()

    return in_a_thread(look())


def carries_events(running: Fleet) -> None:
    """Three notes of one resident are accepted, arrive once and in order, and say so."""
    resident = running.api.residents(NOTE_VENDOR, 1)[0]
    texts = [f"{word} of {uuid.uuid4()}" for word in ("First", "Second", "Third")]
    jobs = [running.api.send(NOTE_VENDOR, resident, text) for text in texts]
    for job in jobs:
        assert running.api.ended(job)["write_status"] == "SUCCESS"
    arrived = [effect["text"] for effect in running.api.effects(" of ")]
    assert arrived == texts


def migrate(url: str, folder: Path, **more: str) -> None:
    variables = {"DATABASE_URL": url, "FRONTDESK_ENCRYPTION_KEY": ENCRYPTION_KEY, **more}
    done = run(variables, folder, "migrate", "--json")
    assert done.returncode == 0, done.stderr


def test_previous_release_serves_on_todays_schema(
    previous: Path, empty_database: str, tmp_path: Path
) -> None:
    migrate(empty_database, tmp_path)
    assert schema_version(empty_database) > previous_release().schema_version
    with fleet(empty_database, tmp_path, by_commands=True, PYTHONPATH=str(previous)) as running:
        carries_events(running)


def test_todays_code_serves_on_the_previous_releases_schema_and_says_what_needs_a_migration(
    previous: Path, empty_database: str, tmp_path: Path
) -> None:
    migrate(empty_database, tmp_path, PYTHONPATH=str(previous))
    assert schema_version(empty_database) == previous_release().schema_version

    with fleet(
        empty_database, tmp_path, by_commands=True, FRONTDESK_MIGRATE_ON_START="false"
    ) as running:
        carries_events(running)
        status, answer = running.api.call("GET", "/v1/webhooks/")
        assert status == 503, answer
        assert "migration" in answer["error"]["message"]
        carries_events_after_migrating(running)
    assert schema_version(empty_database) > previous_release().schema_version


def carries_events_after_migrating(running: Fleet) -> None:
    """The migrations run beneath the processes, which go on and have everything from then on."""
    applied = running.run("migrate", "--json")
    assert applied.returncode == 0, applied.stderr
    assert running.api.get("/v1/webhooks/")["results"] == []
    resident = running.api.residents(NOTE_VENDOR, 1)[0]
    job = running.api.send(NOTE_VENDOR, resident, f"After the migration {uuid.uuid4()}")
    assert running.api.ended(job)["write_status"] == "SUCCESS"


def test_a_schema_older_than_the_previous_releases_is_refused(
    empty_database: str, tmp_path: Path
) -> None:
    variables = {
        "DATABASE_URL": empty_database,
        "FRONTDESK_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "FRONTDESK_MIGRATE_ON_START": "false",
    }
    refused = run(variables, tmp_path, "worker")
    assert refused.returncode == 2
    assert "frontdesk migrate" in refused.stderr
