"""API, worker and sandbox processes on a database that is given, as an operator starts them."""

import json
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from frontdesk.accounts.service import AccountService
from frontdesk.cli.sandboxed import SYNC_PATIENCE
from frontdesk.database.migrate import migrate
from frontdesk.database.pool import Database
from frontdesk.vendors.registry import vendors as known_vendors
from tests.conftest import ENCRYPTION_KEY, in_a_thread
from tests.journeys.load import Target
from tests.journeys.served import START_SECONDS, Command, Served, call, surroundings, until

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
    known = known_vendors()[vendor]
    read_back = known.declaration.read_back
    if not read_back.possible:
        return float("inf")
    return read_back.late_effect_s + read_back.visible_after_s


@dataclass(frozen=True)
class Ground:
    """What a fleet stands on, and another after it on the same database: simulators, and an account."""

    sandbox: Command
    token: str

    @property
    def sandbox_url(self) -> str:
        return answering_at(self.sandbox)


def settling_within(seconds: float) -> set[str]:
    """The vendors at whom it is known that soon of a write without an answer whether it took effect."""
    able = (code for code, vendor in known_vendors().items() if vendor.connector is not None)
    return {code for code in able if settles_after(code) <= seconds}


@contextmanager
def ground(
    database_url: str, folder: Path, *, by_commands: bool = False, **more: str
) -> Iterator[Ground]:
    """On a database, which is brought up to date. `by_commands`: one that is left as it is, and the account
    is made as an operator does."""
    variables = _variables(database_url, more)
    sandbox = Command(
        *("sandbox", "--port", "0", "--throttle-factor", str(SPEED_UP)),
        *("--data-dir", str(folder / "data")),
        log=folder / "sandbox.log",
        **variables,
    )
    try:
        # Started by now: it makes its worlds meanwhile.
        yield Ground(
            sandbox,
            new_token(variables, folder) if by_commands else in_a_thread(_prepared(database_url)),
        )
    finally:
        sandbox.end()


@contextmanager
def fleet(
    database_url: str,
    folder: Path,
    *,
    apis: int = 1,
    workers: int = 1,
    vendors: Collection[str] | None = None,
    on: Ground | None = None,
    by_commands: bool = False,
    settings: Mapping[str, str] | None = None,
    **more: str,
) -> Iterator[Fleet]:
    """The processes, with an account, a token and a synced integration of each of the vendors (None: of
    all). `by_commands`: see `ground`; `settings`: more variables of API and worker."""
    variables = _variables(database_url, {**more, **(settings or {})})
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

        if on is None:
            made = ground(database_url, folder, by_commands=by_commands, **more)
            on = stack.enter_context(made)
        api_processes = [start("api", "--port", "0") for _ in range(apis)]
        worker_processes = [start("worker") for _ in range(workers)]
        urls = [answering_at(command) for command in api_processes]
        served = [
            Served(
                command=command,
                data_dir=folder / "data",
                url=url,
                token=on.token,
                sandbox_url=on.sandbox_url,
                integrations={},
            )
            for command, url in zip(api_processes, urls, strict=True)
        ]
        integrations = synced(served[0], vendors)
        served = [replace(api, integrations=integrations) for api in served]
        yield Fleet(served, worker_processes, variables, folder)


def synced(api: Served, vendors: Collection[str] | None) -> dict[str, str]:
    """An integration of each of the simulators of these vendors (None: of all), its catalog read; one
    that is there is taken."""
    status, overview = call("GET", f"{api.sandbox_url}/_sandbox")
    assert status == 200
    path = "/v1/admin/integrations"
    found: dict[str, str] = {record["vendor"]: record["id"] for record in api.get(path)["results"]}
    for vendor, offered in overview["vendors"].items():
        if vendor in found or (vendors is not None and vendor not in vendors):
            continue
        body = {
            "integration_vendor": vendor,
            "name": vendor,
            "base_url": offered["base_url"],
            "credentials": offered["credentials"],
            "active": True,
        }
        status, answer = api.call("POST", path, body)
        assert status == 200, answer
        found[vendor] = answer["result"]["id"]

    def all_read() -> bool:
        return all(record["last_completed_sync"] for record in api.get(path)["results"])

    until(all_read, seconds=SYNC_PATIENCE)
    return found


def _variables(database_url: str, more: Mapping[str, str]) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "FRONTDESK_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "FRONTDESK_ALLOWED_ADDRESSES": "127.0.0.0/8",
        "FRONTDESK_WORKER_LEASE_SECONDS": "6",
        "FRONTDESK_BUDGET_FACTOR": str(SPEED_UP),
        **more,
    }


async def _prepared(database_url: str) -> str:
    """Migrate, and make what `new_token` makes, in the test's own process."""
    database = await Database.connect(database_url, maximum=2)
    try:
        await migrate(database)
        accounts = AccountService(database)
        account = await accounts.create_account("a fleet's", None)
        return (await accounts.create_token(account.id, "a fleet's")).secret
    finally:
        await database.close()


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
        env=surroundings(**variables),
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
