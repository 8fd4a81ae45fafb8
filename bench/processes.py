"""Child processes that end with the bench: each leads a group of its own and logs to a file.

Nothing is left behind: ``Children`` ends every group when its block is left, by an error and by
Ctrl-C too. Children that read stdin also end when this process is killed outright.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from bench.load import Order, Report

READY_SECONDS = 60.0
STOP_SECONDS = 40.0
HASTY_STOP_SECONDS = 5.0
"""After an error or Ctrl-C, when nothing that a child still has to do matters."""
ROOT = Path(__file__).resolve().parent.parent


class BenchError(Exception):
    """The bench cannot go on; the message says what failed and quotes the log."""


class Child:
    """One child process and the log it writes to."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    def fail_if_ended(self) -> None:
        """Raise with the end of the log if the process is gone."""
        if self.process.poll() is not None:
            raise BenchError(
                f"{self.name} ended with code {self.process.returncode}:\n{self.log_end()}"
            )

    def log_end(self) -> str:
        """Give the last lines that it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])

    def first_line(self, seconds: float = READY_SECONDS) -> dict[str, Any]:
        """Read the one JSON line that it prints once it is ready; it must not print before."""
        assert self.process.stdout is not None
        # A child that hangs before it is ready is ended, which ends the read below.
        deadline = _Alarm(seconds, self.kill)
        line = self.process.stdout.readline()
        deadline.cancel()
        if not line:
            self.process.wait()
            self.fail_if_ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """Ask it to end, and end its whole group if it does not within ``patience`` seconds."""
        # A child that speaks ends with its stdin; a signal would keep it from tidying up.
        if self.process.stdin is not None:
            self.process.stdin.close()
        elif self.process.poll() is None:
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End every process of its group at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class _Alarm:
    """Calls back once if it is not cancelled in time."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._timer = threading.Timer(seconds, act)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in kept:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class Children:
    """Starts child processes and ends them all when the block is left."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A second Ctrl-C in the middle of this would leave processes behind.
        with _deaf_to_interrupts():
            # Last started, first stopped: what others stand on (the database) goes last.
            while self._children:
                self._children.pop().stop(STOP_SECONDS if kind is None else HASTY_STOP_SECONDS)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        speaks: bool = False,
    ) -> Child:
        """Start a command from the repository's root.

        With ``speaks`` its stdout can be read by ``first_line`` and its stdin is held open until
        it is stopped; otherwise both streams go to the log.
        """
        log = self._logs / f"{name}-{len(list(self._logs.iterdir()))}.log"
        with log.open("w") as sink:
            process = subprocess.Popen(
                list(command),
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE if speaks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if speaks else sink,
                stderr=sink,
                text=True,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def stop(self, child: Child) -> None:
        """Stop one child before the others."""
        child.stop()
        self._children.remove(child)


def python(*arguments: str) -> list[str]:
    """Give the command line of a module or script under this very interpreter."""
    return [sys.executable, *arguments]


def run_json(
    command: Sequence[str], environment: Mapping[str, str] | None = None, stdin: str = ""
) -> Any:
    """Run a command to its end and parse what it printed as JSON."""
    done = subprocess.run(
        list(command),
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BenchError(
            f"{' '.join(command[1:4])} ended with code {done.returncode}:\n{done.stderr[-2000:]}"
        )
    return json.loads(done.stdout)


def carry_out(order: Order, timeout: float) -> Report:
    """Have the load generator carry out an order; any answer that is no 2xx is an error here."""
    try:
        answer = subprocess.run(
            python("-m", "bench.load"),
            cwd=ROOT,
            input=json.dumps(asdict(order)),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"the load generator did not end within {timeout:.0f} s") from error
    if answer.returncode:
        raise BenchError(f"the load generator failed:\n{answer.stderr[-2000:]}")
    report = Report(**json.loads(answer.stdout))
    if report.refused:
        raise BenchError(f"refused {report.refused}, the first: {report.first_refusal}")
    return report


class JsonHttp:
    """A plain HTTP client for the harness's own calls, outside every measurement."""

    def __init__(self, url: str, token: str = "") -> None:
        self._address = urlsplit(url).netloc
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make one call on a connection of its own; an answer that is no 2xx is an error."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        with contextlib.closing(connection):
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, self._headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        if not 200 <= answer.status < 300:
            raise BenchError(f"{method} {path} answered {answer.status}: {text[:1000]}")
        return json.loads(text)


def wait_until(
    ready: Callable[[], bool], what: str, child: Child | None = None, seconds: float = READY_SECONDS
) -> None:
    """Poll until it is so; raise when time is up or the child has ended."""
    deadline = time.monotonic() + seconds
    while not ready():
        if child is not None:
            child.fail_if_ended()
        if time.monotonic() > deadline:
            quoted = f":\n{child.log_end()}" if child else ""
            raise BenchError(f"{what}: not within {seconds:.0f} s{quoted}")
        time.sleep(0.05)


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Tell whether something accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
