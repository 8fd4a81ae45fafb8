"""One server for the tests of a process, one database for each test."""

import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.database.commands import HOLDER, data_directory

from frontdesk.database.pool import Database


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory of the test's own, on which no server has been started."""
    with data_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    # In a process of its own: a hold on a server belongs to one event loop, and each test has
    # another.
    with (
        data_directory() as directory,
        subprocess.Popen(
            [sys.executable, str(HOLDER), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder,
    ):
        assert holder.stdout is not None
        assert holder.stdin is not None
        line = holder.stdout.readline()
        assert line, "the server did not start"
        yield json.loads(line)["url"]
        holder.stdin.close()
        holder.wait()


@pytest.fixture
async def database_url(server_url: str) -> AsyncIterator[str]:
    """The URL of an empty database."""
    name = f"t{uuid.uuid4().hex}"
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        yield server_url.replace("@/frontdesk?", f"@/{name}?")
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, minimum=0, maximum=4)
    yield database
    await database.close()
