"""Frontdesk as the bench runs it: its public command line and HTTP contract, nothing else.

One API process and a worker for every two cores, as commands of their own on one data directory, so
that the workers can be stopped while a backlog is accepted. The database is the embedded one, on the
same machine, and needs the other core; the rival gets a second server of the same binaries and
configuration.
"""

import os
from pathlib import Path
from typing import Any

from bench.processes import (
    Child,
    Children,
    JsonHttp,
    free_port,
    listens,
    python,
    run_json,
    wait_until,
)
from bench.sides import EVENTS_PATH, in_turn
from bench.world import RESIDENTS_PER_INTEGRATION, World

VENDOR = "BUILDIUM"
JOB_CONCURRENCY = 8
"""Per integration: with eight integrations, 64 notes are under way at once."""


class Frontdesk:
    """The product: accepts from the start, delivers while a worker runs."""

    name = "frontdesk"
    pools: tuple[int, ...] = (JOB_CONCURRENCY,)

    def __init__(self, children: Children, folder: Path, pms_url: str) -> None:
        self._children = children
        self._workers: list[Child] = []
        self._data = folder / "data"
        self._environment = {
            "FRONTDESK_BUDGET_FACTOR": "1000",
            "FRONTDESK_ALLOWED_ADDRESSES": "127.0.0.0/8",
            "FRONTDESK_LOG_LEVEL": "warning",
        }
        children.start(
            "postgres", python("-m", "bench.postgres", str(self._data)), speaks=True
        ).first_line()
        self._run("migrate")
        account = self._run("account", "create", "--limit", "0", "--name", "bench")
        token = self._run("token", "create", "--account", str(account["id"]))
        self.token = str(token["token"])
        port = free_port()
        api = self._start("api", "--port", str(port))
        wait_until(lambda: listens(port), "Frontdesk's API", api)
        base = f"http://127.0.0.1:{port}"
        self.url = f"{base}{EVENTS_PATH}"
        self._http = JsonHttp(base, self.token)
        self.start_delivering(JOB_CONCURRENCY)
        self.targets = in_turn(self._connect_all(pms_url))
        self.stop_delivering()

    def start_delivering(self, pool: int) -> None:
        """Start the workers; ``pool`` is what every integration was given from the start."""
        assert pool == JOB_CONCURRENCY
        workers = max(1, (os.cpu_count() or 1) // 2)
        self._workers = [self._start("worker") for _ in range(workers)]

    def check(self) -> None:
        """Raise with the end of its log if a worker has died."""
        for worker in self._workers:
            worker.fail_if_ended()

    def stop_delivering(self) -> None:
        """Stop the workers: they drain and hand their leases back."""
        for worker in self._workers:
            self._children.stop(worker)
        self._workers = []

    def _connect_all(self, pms_url: str) -> list[tuple[str, str]]:
        """Create an integration per account of the world, wait for its sync, list residents."""
        integrations = [
            self._http.call(
                "POST",
                "/v1/admin/integrations/",
                {
                    "integration_vendor": VENDOR,
                    "name": account.client_id,
                    "credentials": {"clientId": account.client_id, "secret": account.secret},
                    "active": True,
                    "base_url": pms_url,
                    "max_job_concurrency": JOB_CONCURRENCY,
                },
            )["result"]["id"]
            for account in World.seeded().accounts.values()
        ]
        wait_until(
            lambda: all(self._synced(integration) for integration in integrations),
            "the first sync of every integration",
            self._workers[0],
        )
        return [
            (integration, resident["id"])
            for integration in integrations
            for resident in self._residents(integration)
        ]

    def _synced(self, integration_id: str) -> bool:
        answer = self._http.call("GET", f"/v1/admin/integrations/{integration_id}")
        return answer["results"]["last_completed_sync"] is not None

    def _residents(self, integration_id: str) -> list[dict[str, Any]]:
        answer = self._http.call("GET", f"/v1/residents/?integration_id={integration_id}&limit=250")
        residents: list[dict[str, Any]] = answer["results"]
        assert len(residents) == RESIDENTS_PER_INTEGRATION, len(residents)
        return residents

    def _start(self, command: str, *arguments: str) -> Child:
        return self._children.start(
            f"frontdesk-{command}",
            python("-m", "frontdesk", command, "--data-dir", str(self._data), *arguments),
            self._environment,
        )

    def _run(self, *arguments: str) -> dict[str, Any]:
        """Run a command to its end with ``--json``."""
        answer: dict[str, Any] = run_json(
            python("-m", "frontdesk", *arguments, "--data-dir", str(self._data), "--json"),
            self._environment,
        )
        return answer
