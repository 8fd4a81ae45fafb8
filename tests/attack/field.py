"""Where it takes place: a server, attackers and a well-behaved caller, each in processes of its own."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.attack import attackers, steady
from tests.journeys.served import NOTE_VENDOR, Served, surroundings, until

PER_PROCESS = 2_500
"""Connections of one attacking process, which has a loopback address of its own."""
RESIDENTS = 40
STOP_SECONDS = 120.0


@dataclass(frozen=True)
class Figures:
    """What a process holds now."""

    rss: int
    open_files: int
    cpu_seconds: float

    @classmethod
    def of(cls, pid: int) -> "Figures":
        """Of the process."""
        folder = Path(f"/proc/{pid}")
        lines = (folder / "status").read_text().splitlines()
        kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return cls(
            kibibytes * 1024,
            len(list((folder / "fd").iterdir())),
            ticks / os.sysconf("SC_CLK_TCK"),
        )


class Field:
    """A server that can be attacked; `api` is the pid of the process that answers."""

    def __init__(self, served: Served, api: int) -> None:
        self.served = served
        self.api = api
        integration = served.integrations[NOTE_VENDOR]
        self._targets = [
            (integration, str(resident["id"]))
            for resident in served.residents(NOTE_VENDOR, RESIDENTS)
        ]

    def figures(self) -> Figures:
        """Of the API process."""
        return Figures.of(self.api)

    def steady(self, rate: float, seconds: float) -> steady.Report:
        """A well-behaved caller, to his end."""
        order = steady.Order(self.served.url, self.served.token, self._targets, rate, seconds)
        done = subprocess.run(
            [sys.executable, "-m", "tests.attack.steady"],
            env=surroundings(),
            input=json.dumps(asdict(order)),
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + STOP_SECONDS,
        )
        return steady.Report(**json.loads(done.stdout))

    @contextmanager
    def attacked(self, kind: str, connections: int) -> Iterator[attackers.Report]:
        """Under attack from when all connections stand; the report is filled at the end."""
        report = attackers.Report()
        running: list[subprocess.Popen[str]] = []
        try:
            for number, part in enumerate(_parts(connections)):
                running.append(self._attackers(kind, part, f"127.0.0.{2 + number}"))
            for one in running:
                assert one.stdout is not None
                assert one.stdout.readline() == "ready\n", f"{kind}: it ended"
            yield report
            ended: Counter[str] = Counter()
            for one in running:
                if kind == "half-open":
                    until(lambda one=one: _stopped(one.pid))  # type: ignore[misc]
                    one.send_signal(signal.SIGCONT)
                said, _ = one.communicate("enough\n", timeout=STOP_SECONDS)
                part_report = attackers.Report(**json.loads(said))
                report.made += part_report.made
                report.held += part_report.held
                ended.update(part_report.ended)
            report.ended = dict(ended)
        finally:
            for one in running:
                if one.poll() is None:
                    one.kill()
                    one.wait(STOP_SECONDS)

    def _attackers(self, kind: str, connections: int, source: str) -> subprocess.Popen[str]:
        order = attackers.Order(kind, self.served.url, self.served.token, connections, source)
        started = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.attackers"],
            env=surroundings(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert started.stdin is not None
        started.stdin.write(json.dumps(asdict(order)) + "\n")
        started.stdin.flush()
        return started


def _parts(connections: int) -> Iterator[int]:
    while connections > 0:
        yield min(connections, PER_PROCESS)
        connections -= PER_PROCESS


def _stopped(pid: int) -> bool:
    """Whether it has stopped itself, as it should before it is woken."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
