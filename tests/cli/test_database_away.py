"""`api` and `worker` that are started before their database wait for it, and not for ever."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ENCRYPTION_KEY
from tests.database.proxy import Proxy
from tests.journeys.served import surroundings, until

pytestmark = pytest.mark.long

LONGEST = 60.0


@contextmanager
def started(
    part: str, url: str, folder: Path, *, wait: float
) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, object]]]]:
    """The process, and what it has logged so far."""
    environment = {
        name: value for name, value in surroundings().items() if not name.startswith("FRONTDESK_")
    }
    environment |= {
        "DATABASE_URL": url,
        "FRONTDESK_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "FRONTDESK_DATA_DIR": str(folder),
        "FRONTDESK_DATABASE_START_SECONDS": str(wait),
        "FRONTDESK_LOG_FORMAT": "json",
    }
    options = ("--port", "0") if part == "api" else ()
    process = subprocess.Popen(
        [sys.executable, "-m", "frontdesk", part, *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines: list[dict[str, object]] = []

    def read(stream: Iterator[str]) -> None:
        for line in stream:
            line_read = json.loads(line) if line.startswith("{") else {"event": line}
            lines.append(line_read)

    reader = threading.Thread(target=read, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait()
        reader.join()


def waits(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        line
        for line in lines
        if (line["event"], line.get("doing")) == ("database_unavailable", "start")
    ]


@pytest.fixture
def nowhere() -> str:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"postgresql://frontdesk:sesame@127.0.0.1:{port}/frontdesk"


@pytest.mark.parametrize("part", ["api", "worker"])
def test_a_database_that_comes_late_is_waited_for(
    part: str, database_url: str, tmp_path: Path
) -> None:
    with Proxy(database_url) as proxy:
        proxy.refuse()
        with started(part, proxy.url, tmp_path, wait=LONGEST) as (process, lines):
            until(lambda: len(waits(lines)) >= 2, seconds=LONGEST)
            assert process.poll() is None
            proxy.accept()
            assert process.stdout is not None
            assert process.stdout.readline(), lines
            process.send_signal(signal.SIGTERM)
            assert process.wait(LONGEST) == 0


@pytest.mark.parametrize("part", ["api", "worker"])
def test_a_database_that_does_not_come_ends_it_with_2(
    part: str, nowhere: str, tmp_path: Path
) -> None:
    with started(part, nowhere, tmp_path, wait=1.5) as (process, lines):
        assert process.wait(LONGEST) == 2
    assert waits(lines)
    assert "not available" in str(lines[-1])
    assert "sesame" not in str(lines)


def test_a_stop_ends_the_waiting_at_once(nowhere: str, tmp_path: Path) -> None:
    with started("worker", nowhere, tmp_path, wait=3600) as (process, lines):
        until(lambda: bool(waits(lines)), seconds=LONGEST)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST) == -signal.SIGTERM
