"""A key is replaced while API and worker serve: commands from another process, events all the while."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from frontdesk.vault import KEY_FILE, Keyring
from tests.journeys.served import NOTE_VENDOR, Served, fresh_data_dir, serving, until

pytestmark = pytest.mark.long


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with fresh_data_dir() as folder:
        yield folder


def command(data_dir: Path, *arguments: str, code: int = 0) -> Any:
    """What a command answers, run beside the serving processes."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "frontdesk", *arguments),
            *("--json", "--data-dir", str(data_dir)),
        ],
        env={k: v for k, v in os.environ.items() if k != "DATABASE_URL"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return json.loads(ran.stdout) if ran.stdout.strip() else ran.stderr


class Traffic:
    """Sends notes until it is stopped; every answer is kept."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.jobs: list[str] = []
        self.wrong: list[str] = []

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def more(self, count: int) -> None:
        """Wait until so many more have been accepted."""
        aim = len(self.jobs) + count
        until(lambda: len(self.jobs) >= aim or self.wrong, seconds=60)

    def _run(self) -> None:
        residents = self._served.residents(NOTE_VENDOR, 4)
        while not self._stop.wait(0.1):
            body = {
                "integration_id": self._served.integrations[NOTE_VENDOR],
                "resident_id": residents[len(self.jobs) % 4]["id"],
                "notes": f"under rotation {len(self.jobs)}",
            }
            status, answer = self._served.call("POST", "/v1/events/residents", body)
            if status == 200:
                self.jobs.append(answer["job_id"])
            else:
                self.wrong.append(f"{status}: {answer}")


@pytest.mark.timeout(300)
def test_a_key_is_replaced_while_everything_serves(data_dir: Path) -> None:
    with serving(data_dir) as served:
        (old,) = Keyring.of_file(data_dir / KEY_FILE).keys
        with Traffic(served) as traffic:
            traffic.more(3)
            added = command(data_dir, "keys", "add")["fingerprint"]
            traffic.more(3)
            rotated = command(data_dir, "keys", "rotate")
            assert rotated["fingerprint"] == added
            assert rotated["resealed"]["integrations.credentials"] == len(served.integrations)
            assert rotated["unreadable"] == {}
            traffic.more(3)
            command(data_dir, "keys", "drop", old.fingerprint[:12])
            traffic.more(3)
        assert traffic.wrong == []
        for job_id in traffic.jobs:
            assert served.ended(job_id)["state"] == "succeeded"
        states = command(data_dir, "keys", "list")
        assert [(s["fingerprint"], s["seals"], s["known"]) for s in states] == [(added, True, True)]
        assert command(data_dir, "doctor")["ok"]
        assert "not read again" not in served.command.said()
        assert len(served.effects("under rotation")) == len(traffic.jobs)
