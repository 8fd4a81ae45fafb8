"""API, worker and sandbox processes on a database that is given, as an operator starts them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rich.progress import Progress

from frontdesk.cli.sandboxed import set_up
from frontdesk.vendors.registry import vendors
from tests.conftest import ENCRYPTION_KEY, in_a_thread
from tests.journeys.load import Target
from tests.journeys.served import START_SECONDS, Command, Served, call, until

SPEED_UP = 20
"""The simulators' limits and the budgets are this much wider: what is tried is not the budget."""


@dataclass(frozen=True)
class Fleet:
    """Processes on one database; each `Served` is an API process."""

    apis: list[Served]
    workers: list[Command]
    variables: Mapping[str, str]
    folder: Path

    @property
    def api(self) -> Served:
        return self.apis[0]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of an operator, to its end."""
        return run(self.variables, self.folder, *arguments)

    def targets(self, each: int, settles_within: float) -> list[Target]:
        """`each` residents of every vendor at whom a lost answer is settled within so many seconds,
        and to whom a note can be sent."""
        found = []
        for vendor, integration in self.api.integrations.items():
            if settles_after(vendor) <= settles_within:
                fit = [r for r in self.api.residents(vendor, 40) if self._takes(integration, r)]
                found += [
                    Target(vendor, integration, resident["id"], resident["x_id"])
                    for resident in fit[:each]
                ]
        return found

    def _takes(self, integration: str, resident: Mapping[str, str]) -> bool:
        body = {"integration_id": integration, "resident_id": resident["id"], "kind": "note"}
        status, _ = self.api.call(
            "POST",
            "/v1/events/residents?dry_run=true&ignore_unknown_fields=true",
            {**body, "event_datetime": "2026-03-02T16:30:00Z", "notes": "?"},
        )
        return status == 200


def settles_after(vendor: str) -> float:
    """Seconds until it is known of a write without an answer whether it took effect."""
    known = vendors()[vendor]
    read_back = known.declaration.read_back
    if not read_back.possible:
        return float("inf")
    return read_back.late_effect_s + read_back.visible_after_s


@contextmanager
def fleet(
    database_url: str,
    folder: Path,
    *,
    apis: int = 1,
    workers: int = 1,
    migrate: bool = True,
    **more: str,
) -> Iterator[Fleet]:
    """The processes, with an account, a token and a synced integration of every vendor. `migrate`:
    bring the database up to date first."""
    variables = {
        "DATABASE_URL": database_url,
        "FRONTDESK_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "FRONTDESK_ALLOWED_ADDRESSES": "127.0.0.0/8",
        "FRONTDESK_WORKER_LEASE_SECONDS": "6",
        "FRONTDESK_BUDGET_FACTOR": str(SPEED_UP),
        **more,
    }
    numbers = count()
    with ExitStack() as stack:

        def start(name: str, *options: str) -> Command:
            command = Command(
                *(name, *options, "--data-dir", str(folder / "data")),
                log=folder / f"{name}{next(numbers)}.log",
                **variables,
            )
            stack.callback(command.end)
            return command

        sandbox = start("sandbox", "--port", "0", "--throttle-factor", str(SPEED_UP))
        if migrate:
            applied = run(variables, folder, "migrate", "--json")
            assert applied.returncode == 0, applied.stderr
        api_processes = [start("api", "--port", "0") for _ in range(apis)]
        worker_processes = [start("worker") for _ in range(workers)]
        sandbox_url, *urls = (answering_at(command) for command in (sandbox, *api_processes))
        token = new_token(variables, folder)
        found = in_a_thread(set_up(urls[0], sandbox_url, token, Progress(disable=True)))
        served = [
            Served(
                command=command,
                data_dir=folder / "data",
                url=url,
                token=token,
                sandbox_url=sandbox_url,
                integrations=found.integrations,
            )
            for command, url in zip(api_processes, urls, strict=True)
        ]
        yield Fleet(served, worker_processes, variables, folder)


def answering_at(command: Command) -> str:
    """The address that the command says it answers at, once it does."""

    def look() -> str | None:
        assert command.process.poll() is None, command.said()
        match = re.search(r"answers? at (http://\S+)", command.said())
        return match[1] if match else None

    url = until(look, seconds=START_SECONDS)
    if "simulators" not in command.said():
        until(lambda: call("GET", f"{url}/readyz")[0] == 200, seconds=START_SECONDS)
    return url


def run(
    variables: Mapping[str, str], folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "frontdesk", *arguments],
        env={**os.environ, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def new_token(variables: Mapping[str, str], folder: Path) -> str:
    """A token of a new account without a request limit."""

    def answer(*arguments: str) -> dict[str, str]:
        done = run(variables, folder, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(done.stdout)
        return found

    account = answer("account", "create", "--limit", "0")
    return answer("token", "create", "--account", account["id"])["token"]
