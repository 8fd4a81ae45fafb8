"""Frontdesk's own commands as processes of their own, as an operator starts them."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

START_SECONDS = 90.0
"""Generous: the tests' machine may be busy, and no test here is about how fast a start is."""

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.25

_LASTING = ("serve", "api", "worker", "sandbox")


def surroundings(**variables: str) -> dict[str, str]:
    """The environment of a process under test."""
    # Of the tests' own environment, nothing about databases: each command is told its own.
    inherited = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    # Nothing here speaks TLS, and to read the authorities of all the world is a twentieth of a second.
    return {**inherited, "SSL_CERT_FILE": os.devnull, **variables}


class Command:
    """A running `frontdesk` command; its output lies in `log`."""

    def __init__(self, *arguments: str, log: Path, **variables: str) -> None:
        self.log = log
        # So that a test run that is killed leaves nothing running behind.
        tied = ("--parent", str(os.getpid())) if arguments[0] in _LASTING else ()
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "frontdesk", *arguments, *tied],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=surroundings(**{"FRONTDESK_DRAIN_SECONDS": "20", **variables}),
                start_new_session=True,
            )

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM; gives the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL to the process itself, and to nobody else."""
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise

    def said(self) -> str:
        """Everything that it wrote."""
        return self.log.read_text(errors="replace")


@dataclass(frozen=True)
class Served:
    """A `serve` that is ready, and what its ready file says."""

    command: Command
    data_dir: Path
    url: str
    token: str
    sandbox_url: str
    integrations: Mapping[str, str]

    def call(
        self, method: str, path: str, body: object | None = None, **headers: str
    ) -> tuple[int, Any]:
        """One call with the token; the status and the JSON."""
        return call(method, f"{self.url}{path}", body, token=self.token, **headers)

    def get(self, path: str) -> Any:
        """The JSON of a 200."""
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def run(self, *arguments: str, code: int = 0) -> Any:
        """What a command answers that is run beside it, on the same data: its JSON, or what it says."""
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "frontdesk", *arguments),
                *("--json", "--data-dir", str(self.data_dir)),
            ],
            env=surroundings(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == code, ran.stdout + ran.stderr
        return json.loads(ran.stdout) if ran.stdout.strip() else ran.stderr

    def residents(self, vendor: str, count: int) -> list[dict[str, Any]]:
        """Residents of the vendor's integration, always the same ones."""
        integration = self.integrations[vendor]
        path = f"/v1/residents?integration_id={integration}&limit={count}&order-by=created_at:asc"
        found: list[dict[str, Any]] = self.get(path)["results"]
        assert len(found) == count
        return found

    def send(self, vendor: str, resident: Mapping[str, Any], notes: str) -> str:
        """Send a note; gives its job id."""
        body = {
            "integration_id": self.integrations[vendor],
            "resident_id": resident["id"],
            "notes": notes,
        }
        status, answer = self.call("POST", "/v1/events/residents", body)
        assert status == 200, answer
        return str(answer["job_id"])

    def status(self, job_id: str, wait: int = 0) -> dict[str, Any]:
        """How far the write has come."""
        found: dict[str, Any] = self.get(f"/v1/admin/write-status/{job_id}?wait={wait}")
        return found

    def ended(self, job_id: str) -> dict[str, Any]:
        """The status once the write has ended."""
        return until(lambda: finished(self.status(job_id, wait=10)), seconds=60)

    def effects(self, marker: str) -> list[dict[str, Any]]:
        """What the simulators hold whose text has the marker, in the order of writing."""
        status, found = call("GET", f"{self.sandbox_url}/_sandbox/effects")
        assert status == 200
        return [effect for effect in found if marker in effect["text"]]

    def fault(self, **fault: Any) -> None:
        """Ask the simulators for a fault."""
        status, answer = call("POST", f"{self.sandbox_url}/_sandbox/faults", fault)
        assert status == 201, answer


NOTE_VENDOR = "BUILDIUM"
"""A vendor that takes a note and nothing but a note."""


@contextmanager
def fresh_data_dir() -> Iterator[Path]:
    """A data directory to be made: directly under /tmp, because pytest's own folders are closed to
    the account that PostgreSQL gets when the tests run as root."""
    with tempfile.TemporaryDirectory(
        prefix="fd-journey-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101 (not our process's umask to decide)
        yield Path(folder) / "data"


@contextmanager
def serving(data_dir: Path, *options: str, **variables: str) -> Iterator[Served]:
    """`serve --sandbox` on the data directory, ready; stopped at the end if it still runs."""
    ready_file = data_dir.parent / "ready.json"
    ready_file.unlink(missing_ok=True)
    command = Command(
        *("serve", "--sandbox", "--port", "0", "--data-dir", str(data_dir)),
        *("--ready-file", str(ready_file), *options),
        log=data_dir.parent / "serve.log",
        **variables,
    )
    try:
        state = until_ready(command, ready_file)
        yield Served(command=command, data_dir=data_dir, **state)
    finally:
        command.end()


def until_ready(command: Command, ready_file: Path) -> dict[str, Any]:
    """What the ready file says, once it is there; fails at once if the command ends before."""

    def look() -> dict[str, Any] | None:
        if command.process.poll() is not None:
            raise AssertionError(f"it ended with {command.process.returncode}:\n{command.said()}")
        return json.loads(ready_file.read_text()) if ready_file.exists() else None

    return until(look, seconds=START_SECONDS)


def until(look: Callable[[], T | None], *, seconds: float = 20.0) -> T:
    """What `look` gives, soon after that is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(pause)
        # To look is work for the processes that are waited for.
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def finished(status: dict[str, Any]) -> dict[str, Any] | None:
    """The status if the write has ended."""
    return status if status["finished_at"] is not None else None


def call(
    method: str,
    url: str,
    body: object | None = None,
    *,
    token: str | None = None,
    **headers: str,
) -> tuple[int, Any]:
    """One HTTP call; the status and the JSON, whatever the status is."""
    request = urllib.request.Request(url, method=method)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def processes_of(data_dir: Path) -> dict[int, str]:
    """Processes that name the data directory in their command line, by pid."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True
    )
    found = {}
    for line in listed.stdout.splitlines():
        pid, state, arguments = line.split(None, 2)
        if f"{data_dir}" in arguments and not state.startswith("Z"):
            found[int(pid)] = arguments
    return found


def part_of(data_dir: Path, name: str) -> int:
    """The pid of a part of `serve`: `api`, `worker` or `sandbox`."""
    return until(
        lambda: next(
            (
                pid
                for pid, arguments in processes_of(data_dir).items()
                if f"-m frontdesk {name} " in arguments
            ),
            None,
        )
    )
