"""`kill -9` of anything: the next start is ready within 5 s, with every committed row."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from tests.database.commands import Command, command, wait_until

from frontdesk.database.embedded import EmbeddedServer, attach_or_start
from frontdesk.database.leftovers import processes_of

pytestmark = pytest.mark.long

# The promise itself, on a machine that is not busy with other things; a start takes a tenth of it.
READY_WITHIN = 5.0
ROUNDS = 3


def in_time(begun: float) -> bool:
    """Whether the promise is kept, by this machine's share in it: of what runs beside the tests, each
    process has its part of a core."""
    shares = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return time.monotonic() - begun < READY_WITHIN * shares


async def kill_starter(writer: Command) -> None:
    writer.process.kill()


async def kill_supervisor(writer: Command) -> None:
    os.kill(writer.supervisor, signal.SIGKILL)


async def kill_postmaster(writer: Command) -> None:
    os.kill(writer.postmaster, signal.SIGKILL)


async def kill_backend(writer: Command) -> None:
    connection = await asyncpg.connect(writer.url)
    pid = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND pid <> pg_backend_pid()"
    )
    os.kill(pid, signal.SIGKILL)
    connection.terminate()


async def kill_everything(writer: Command) -> None:
    writer.process.kill()
    for pid in (writer.supervisor, writer.postmaster):
        os.kill(pid, signal.SIGKILL)


async def kill_postmaster_with_starter(writer: Command) -> None:
    os.kill(writer.postmaster, signal.SIGKILL)
    writer.process.kill()


async def rows(server: EmbeddedServer) -> set[int]:
    async with asyncio.timeout(READY_WITHIN * 4):
        while True:
            try:
                connection = await asyncpg.connect(server.url)
            except (OSError, asyncpg.PostgresError):
                # The postmaster learns of a killed backend some milliseconds later, and until
                # then it had answered.
                await asyncio.sleep(0.01)
                continue
            try:
                return {row["number"] for row in await connection.fetch("SELECT number FROM rows")}
            finally:
                connection.terminate()


@pytest.mark.parametrize(
    "kill",
    [
        kill_starter,
        kill_supervisor,
        kill_postmaster,
        kill_backend,
        kill_everything,
        kill_postmaster_with_starter,
    ],
    ids=lambda kill: kill.__name__,
)
async def test_start_right_after_a_kill_has_every_committed_row(
    data_dir: Path, kill: Callable[[Command], Awaitable[None]]
) -> None:
    committed: set[int] = set()
    for _ in range(ROUNDS):
        writer = await command(data_dir, "write")
        committed |= await writer.committed(50)
        await kill(writer)
        begun = time.monotonic()
        async with await attach_or_start(data_dir) as server:
            assert in_time(begun)
            await writer.kill()
            committed |= await writer.committed_until_the_end()
            assert committed <= await rows(server)
    assert len(committed) >= 50 * ROUNDS


async def test_database_ends_with_the_killed_command_that_started_it(data_dir: Path) -> None:
    starter = await command(data_dir)
    cluster = data_dir / "postgres"
    assert starter.postmaster in processes_of(cluster)
    await starter.kill()
    wait_until(lambda: processes_of(cluster) == [], "postgres ended with its command")


async def test_database_ends_with_its_killed_supervisor(data_dir: Path) -> None:
    starter = await command(data_dir)
    os.kill(starter.supervisor, signal.SIGSTOP)
    await starter.kill()
    cluster = data_dir / "postgres"
    assert starter.postmaster in processes_of(cluster)
    os.kill(starter.supervisor, signal.SIGKILL)
    wait_until(lambda: processes_of(cluster) == [], "postgres ended with its supervisor")


async def test_leftover_server_that_is_stopped_is_ended_by_the_next_start(
    data_dir: Path,
) -> None:
    starter = await command(data_dir, "write")
    committed = await starter.committed(20)
    stopped = processes_of(data_dir / "postgres")
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    os.kill(starter.supervisor, signal.SIGKILL)
    await starter.kill()
    assert processes_of(data_dir / "postgres"), "a stopped server cannot have ended by itself"
    begun = time.monotonic()
    async with await attach_or_start(data_dir) as server:
        assert in_time(begun)
        assert committed <= await rows(server)
        assert not set(stopped) & set(processes_of(data_dir / "postgres"))


async def test_server_of_another_data_directory_is_left_alone(
    data_dir: Path, server_url: str
) -> None:
    bystander = await asyncpg.connect(server_url)
    try:
        writer = await command(data_dir)
        await kill_everything(writer)
        async with await attach_or_start(data_dir):
            assert await bystander.fetchval("SELECT 1") == 1
        await writer.kill()
    finally:
        await bystander.close()


async def test_commands_that_start_at_once_after_a_kill_share_one_server(data_dir: Path) -> None:
    writer = await command(data_dir, "write")
    committed = await writer.committed(20)
    await kill_everything(writer)
    servers = await asyncio.gather(*(attach_or_start(data_dir) for _ in range(3)))
    try:
        assert len({server.postmaster_pid for server in servers}) == 1
        assert committed <= await rows(servers[0])
    finally:
        await asyncio.gather(*(server.stop() for server in servers))
        await writer.kill()
