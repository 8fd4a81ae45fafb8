"""A restore, for real: dumped under load with PostgreSQL's own program, wiped, restored, and gone on
with, while the PMSs have had in the meantime what the dump still waits to send."""

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from frontdesk.database.binaries import find_binaries
from tests.conftest import in_a_thread, url_of
from tests.journeys.checking import verdict
from tests.journeys.fleet import answering_at, fleet, settling_within
from tests.journeys.load import Caller, Load
from tests.journeys.served import Command, Served, until

pytestmark = pytest.mark.long

HELD_BACK_SECONDS = 2.0
SETTLES_WITHIN_SECONDS = 40.0


def _program(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(find_binaries().directory / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _wiped(postgres_url: str, name: str) -> None:
    """The database as it is after the loss of its machine: empty."""

    async def wipe() -> None:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    in_a_thread(wipe())


def _in_the_dump(api: Served, callers: list[Caller]) -> list[Caller]:
    """The callers with those of their events that the restored database knows."""
    return [
        Caller(
            caller.target,
            [
                (job, text)
                for job, text in caller.accepted
                if api.call("GET", f"/v1/admin/write-status/{job}")[0] == 200
            ],
        )
        for caller in callers
    ]


@pytest.mark.timeout(400)
def test_after_a_restore_nothing_in_the_backup_is_lost_or_sent_twice(
    database_url: str, postgres_url: str, tmp_path: Path
) -> None:
    name = urlsplit(database_url).path.lstrip("/")
    dump = tmp_path / "backup"
    vendors = settling_within(SETTLES_WITHIN_SECONDS)
    with fleet(database_url, tmp_path, vendors=vendors) as running:
        (worker,) = running.workers
        targets = running.targets(2, SETTLES_WITHIN_SECONDS)
        assert targets
        load = Load(
            [running.api.url], running.api.token, targets, word="restored", pause_seconds=0.1
        )
        with load:
            until(lambda: all(len(caller.accepted) > 2 for caller in load.callers), seconds=60)
            # The worker pauses with events in hand and others behind them: that is what is dumped.
            os.kill(worker.process.pid, signal.SIGSTOP)
            time.sleep(HELD_BACK_SECONDS)
            _program("pg_dump", "--format=custom", f"--file={dump}", database_url)
            os.kill(worker.process.pid, signal.SIGCONT)
            time.sleep(HELD_BACK_SECONDS)
        # All of it reaches the PMSs, what the dump waits to send too.
        before = verdict(running.api, load.callers, "restored", patience=90)
        assert before.holds, before

        worker.kill()
        running.api.command.kill()
        _wiped(postgres_url, name)
        _program("pg_restore", "--no-owner", f"--dbname={url_of(database_url, name)}", str(dump))
        said = running.run("restored", "--json")
        assert said.returncode == 0, said.stderr
        assert json.loads(said.stdout)["looked_for"] >= len(targets)

        started = [
            Command(
                *arguments,
                *("--data-dir", str(tmp_path / "data")),
                log=tmp_path / f"{arguments[0]} again.log",
                **running.variables,
            )
            for arguments in (("api", "--port", "0"), ("worker",))
        ]
        try:
            api = replace(running.api, url=answering_at(started[0]))
            known = _in_the_dump(api, load.callers)
            assert 0 < sum(len(c.accepted) for c in known) < load.accepted
            after = verdict(api, known, "restored", patience=120)
        finally:
            for command in started:
                command.end()
    # What was accepted after the dump is at the PMSs too: `unasked`, which no backup can help.
    assert replace(after, unasked=[]).holds, after
