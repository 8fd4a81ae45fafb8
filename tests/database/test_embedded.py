"""Who starts the server, who may share it, who ends it."""

import asyncio
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from tests.database.commands import (
    LONGEST_WAIT,
    command,
    ids_of,
    is_alive,
    mode,
    program_of,
    wait_until,
)

from frontdesk.database.binaries import find_binaries
from frontdesk.database.embedded import EmbeddedServer, EmbeddedServerError, attach_or_start
from frontdesk.database.leftovers import processes_of
from frontdesk.database.placement import SOCKET_NAME, place


async def value(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_first_command_makes_the_database_and_a_later_start_finds_its_rows(
    data_dir: Path,
) -> None:
    async with await attach_or_start(data_dir) as server:
        await value(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        version = str(await value(server.url, "SHOW server_version_num"))
        assert server.version.startswith(str(int(version) // 10000))
    async with await attach_or_start(data_dir) as server:
        assert await value(server.url, "SELECT answer FROM kept") == 42


async def test_server_keeps_what_the_product_stands_on(data_dir: Path) -> None:
    async with await attach_or_start(data_dir) as server:
        for setting, wanted in {
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": "100",
            "max_locks_per_transaction": "256",
            "jit": "off",
            "server_encoding": "UTF8",
            "lc_collate": "C",
            "listen_addresses": "",
            "data_checksums": "on",
            "TimeZone": "UTC",
        }.items():
            if setting == "lc_collate":
                sql = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
            else:
                sql = f"SHOW {setting}"
            assert await value(server.url, sql) == wanted, setting
        assert await value(server.url, "SELECT current_database()") == "frontdesk"


async def test_nobody_else_may_enter_the_directory_of_the_socket(data_dir: Path) -> None:
    async with await attach_or_start(data_dir) as server:
        directory = Path(parse_qs(urlsplit(server.url).query)["host"][0])
        assert directory == place(data_dir).run_dir
        assert mode(directory) == 0o700
        assert mode(data_dir / "postgres") == 0o700
        assert mode(data_dir / "postgres.log") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to give up")
async def test_postgres_is_not_root_when_we_are(data_dir: Path) -> None:
    async with await attach_or_start(data_dir) as server:
        assert "0" not in ids_of(server.postmaster_pid)


async def test_commands_that_start_at_once_share_one_server(data_dir: Path) -> None:
    commands = await asyncio.gather(*(command(data_dir) for _ in range(4)))
    try:
        assert len({one.postmaster for one in commands}) == 1
        assert len({one.supervisor for one in commands}) == 1
    finally:
        assert await asyncio.gather(*(one.leave() for one in commands)) == [0, 0, 0, 0]
    assert processes_of(data_dir / "postgres") == []


async def test_server_outlives_the_command_that_started_it_and_ends_with_the_last(
    data_dir: Path,
) -> None:
    starter = await command(data_dir)
    async with await attach_or_start(data_dir) as attached:
        assert attached.postmaster_pid == starter.postmaster
        assert await starter.leave() == 0
        assert await value(attached.url, "SELECT 1") == 1
        assert is_alive(starter.postmaster)
    assert processes_of(data_dir / "postgres") == []


async def test_server_survives_the_kill_of_its_starter_while_another_is_attached(
    data_dir: Path,
) -> None:
    starter = await command(data_dir)
    async with await attach_or_start(data_dir) as attached:
        await starter.kill()
        started = await value(attached.url, "SELECT pg_postmaster_start_time()")
        other = await command(data_dir)
        assert await value(other.url, "SELECT pg_postmaster_start_time()") == started
        await other.leave()


async def test_interrupt_at_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    async with await attach_or_start(data_dir) as server:
        for pid in (server.supervisor_pid, server.postmaster_pid):
            assert os.getsid(pid) != os.getsid(0)
        os.kill(server.supervisor_pid, signal.SIGTERM)
        os.kill(server.supervisor_pid, signal.SIGINT)
        assert await value(server.url, "SELECT 1") == 1


async def test_supervisor_that_hangs_is_replaced(data_dir: Path) -> None:
    stuck = await command(data_dir)
    await value(stuck.url, "CREATE TABLE kept AS SELECT 1")
    os.kill(stuck.supervisor, signal.SIGSTOP)
    await stuck.kill()
    async with await attach_or_start(data_dir) as server:
        assert server.supervisor_pid != stuck.supervisor
        assert await value(server.url, "SELECT count(*) FROM kept") == 1


async def test_command_gets_its_server_back_after_the_supervisor_is_killed(data_dir: Path) -> None:
    async with await attach_or_start(data_dir) as server:
        url, supervisor = server.url, server.supervisor_pid
        os.kill(supervisor, signal.SIGKILL)
        deadline = time.monotonic() + LONGEST_WAIT
        while server.supervisor_pid == supervisor:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        while True:
            try:
                assert await value(url, "SELECT 1") == 1
                break
            except (OSError, asyncpg.PostgresError):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("closed", [False, True], ids=["long_path", "long_path_in_closed_folder"])
async def test_data_directory_may_have_any_path(data_dir: Path, closed: bool) -> None:
    deep = data_dir / ("very-long-" * 8) / ("and longer still, with spaces " * 3)
    deep.mkdir(parents=True)
    os.chmod(data_dir, 0o700 if closed else 0o711)  # noqa: PTH101 (its own method is called blocking)
    modes = [mode(parent) for parent in deep.parents]
    run_dir = place(deep).run_dir
    async with await attach_or_start(deep) as server:
        directory = parse_qs(urlsplit(server.url).query)["host"][0]
        assert directory == str(run_dir)
        assert len(f"{directory}/{SOCKET_NAME}") <= 103
        assert await value(server.url, "SELECT 1") == 1
        # An attaching command finds the same place.
        other = await command(deep)
        assert other.postmaster == server.postmaster_pid
        await other.leave()
    assert processes_of(deep / "postgres") == []
    assert not run_dir.exists()
    assert [mode(parent) for parent in deep.parents] == modes


async def test_run_directory_that_somebody_else_made_is_refused(data_dir: Path) -> None:
    run_dir = place(data_dir).run_dir
    run_dir.mkdir()
    run_dir.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match=f"{run_dir} should be a directory"):
        await attach_or_start(data_dir)
    assert mode(run_dir) == 0o755


async def test_link_in_place_of_the_run_directory_is_refused(data_dir: Path) -> None:
    target = data_dir / "elsewhere"
    run_dir = place(data_dir).run_dir
    target.mkdir(mode=0o700)
    run_dir.symlink_to(target)
    with pytest.raises(EmbeddedServerError):
        await attach_or_start(data_dir)
    assert list(target.iterdir()) == []


async def test_data_directory_of_another_major_version_is_refused_with_a_way_out(
    data_dir: Path,
) -> None:
    async with await attach_or_start(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 9.*upgrade-database"):
        await attach_or_start(data_dir)


async def test_folder_that_is_no_database_is_left_alone(data_dir: Path) -> None:
    cluster = data_dir / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "thesis.txt").write_text("years of work")
    with pytest.raises(EmbeddedServerError, match="no PostgreSQL database"):
        await attach_or_start(data_dir)
    assert (cluster / "thesis.txt").read_text() == "years of work"


async def test_initialisation_that_was_cut_off_is_done_again(data_dir: Path) -> None:
    unfinished = data_dir / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    async with await attach_or_start(data_dir) as server:
        assert await value(server.url, "SELECT 1") == 1
    assert not unfinished.exists()


async def test_setting_that_postgres_refuses_is_told_in_its_own_words(data_dir: Path) -> None:
    async with await attach_or_start(data_dir):
        pass
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = plenty\n")
    with pytest.raises(EmbeddedServerError, match="shared_buffers"):
        await attach_or_start(data_dir)


async def test_stranger_with_the_pid_of_the_old_postmaster_is_neither_feared_nor_killed(
    data_dir: Path,
) -> None:
    placement = place(data_dir)
    async with await attach_or_start(data_dir) as server:
        lines = (placement.cluster / "postmaster.pid").read_text().splitlines()
        await value(server.url, "CREATE TABLE kept AS SELECT 1")
    # Of the same user, or postgres would know by itself that it cannot be a server.
    stranger = await asyncio.create_subprocess_exec("sleep", "600", user=placement.uid, cwd="/")
    try:
        text = "\n".join([str(stranger.pid), *lines[1:]]) + "\n"
        placement.run_dir.mkdir(mode=0o700)
        for path in (
            placement.cluster / "postmaster.pid",
            placement.run_dir / f"{SOCKET_NAME}.lock",
        ):
            path.write_text(text)
            os.chown(path, placement.uid, -1)
        async with await attach_or_start(data_dir) as server:
            assert await value(server.url, "SELECT count(*) FROM kept") == 1
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_control_socket_left_by_a_killed_supervisor_is_no_obstacle(data_dir: Path) -> None:
    placement = place(data_dir)
    run_dir = placement.run_dir
    run_dir.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(run_dir / "control"))
    (data_dir / "postgres.supervisor").write_text(f"{os.getpid()}\n{run_dir}\n")
    async with await attach_or_start(data_dir) as server:
        assert server.supervisor_pid != os.getpid()


async def test_environment_of_the_caller_does_not_change_the_server(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "LC_ALL": "xx_YY",
        "TZ": "Asia/Tokyo",
    }.items():
        monkeypatch.setenv(name, text)
    async with await attach_or_start(data_dir) as server:
        assert await value(server.url, "SHOW port") == "5432"
        assert await value(server.url, "SHOW TimeZone") == "UTC"


async def test_caller_in_a_folder_with_modules_of_the_same_names_starts_the_right_one(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("frontdesk", "json", "socket"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    async with await attach_or_start(data_dir) as server:
        assert await value(server.url, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs for another user")
async def test_programs_in_a_folder_closed_to_others_are_copied_for_the_server(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = find_binaries().directory.parent
    if installed.is_relative_to("/usr"):
        pytest.skip("a system-wide installation does not move")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = closed / installed.parent.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, package / installed.name / part, symlinks=True)
    libraries = f"{package.name}.libs"
    shutil.copytree(installed.parent.with_name(libraries), closed / libraries)
    moved = package / installed.name
    monkeypatch.setenv("FRONTDESK_POSTGRES_BIN", str(moved / "bin"))
    program = Path()
    try:
        async with await attach_or_start(data_dir) as server:
            assert await value(server.url, "SELECT 1") == 1
            program = program_of(server.postmaster_pid)
            assert not program.is_relative_to(closed)
    finally:
        if program.is_relative_to("/var/cache/frontdesk"):
            shutil.rmtree(program.parents[3])


async def test_use_before_the_start_says_so(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    with pytest.raises(EmbeddedServerError, match="not been started"):
        _ = server.url
    await server.stop()


async def test_stop_and_start_may_be_called_twice(data_dir: Path) -> None:
    server = await attach_or_start(data_dir)
    await server.start()
    await server.stop()
    await server.stop()
    wait_until(lambda: processes_of(data_dir / "postgres") == [], "the server ended")
    await server.start()
    assert await value(server.url, "SELECT 1") == 1
    await server.stop()
