"""What the bench needs of a side, and the rival's: how it is started, fed and stopped."""

import json
import secrets
from pathlib import Path
from typing import Protocol

from bench.processes import (
    Child,
    Children,
    free_port,
    listens,
    python,
    run_json,
    wait_until,
)
from bench.world import World

EVENTS_PATH = "/v1/events/residents"


class Side(Protocol):
    """A running service. It accepts from the start; it delivers only when told to."""

    name: str
    pools: tuple[int, ...]
    """Sizes of its delivering pool to try; the best counts."""
    url: str
    """The endpoint that takes events."""
    token: str
    targets: list[tuple[str, str]]
    """Integration id and resident id, integrations taking turns."""

    def start_delivering(self, pool: int) -> None:
        """Start whatever takes accepted events to the PMS."""

    def check(self) -> None:
        """Raise with the end of its log if what delivers has died."""

    def stop_delivering(self) -> None:
        """Stop it again; accepted events stay."""


def in_turn(targets: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Order targets so that neighbours belong to different integrations."""
    seen: dict[str, int] = {}
    ranked: list[tuple[int, tuple[str, str]]] = []
    for target in targets:
        rank = seen[target[0]] = seen.get(target[0], -1) + 1
        ranked.append((rank, target))
    return [target for _, target in sorted(ranked, key=lambda entry: entry[0])]


class Rival:
    """The hand-written service: PostgreSQL, Redis, one uvicorn process, one Celery worker."""

    name = "rival"
    pools: tuple[int, ...] = (8, 16)

    def __init__(self, children: Children, folder: Path, pms_url: str, redis: str) -> None:
        self._children = children
        self._worker: Child | None = None
        self.token = secrets.token_urlsafe(32)
        database = children.start(
            "postgres", python("-m", "bench.postgres", str(folder / "database")), speaks=True
        ).first_line()
        broker_socket = folder / "redis.sock"
        broker = children.start(
            "redis",
            [
                *(redis, "--port", "0", "--unixsocket", str(broker_socket), "--dir", str(folder)),
                # Nothing is ever saved: the fastest Redis there is.
                *("--save", "", "--appendonly", "no"),
            ],
        )
        wait_until(broker_socket.exists, "redis", broker)
        self._environment = {
            "RIVAL_DATABASE_URL": str(database["url"]),
            "RIVAL_REDIS_URL": f"redis+socket://{broker_socket}",
        }
        seeded = run_json(
            python("-m", "bench.rival.seed"), self._environment, _seed(self.token, pms_url)
        )
        self.targets = in_turn([(str(first), str(second)) for first, second in seeded["targets"]])
        port = free_port()
        api = children.start(
            "rival-api",
            python(
                *("-m", "uvicorn", "bench.rival.app:app", "--port", str(port)),
                *("--loop", "uvloop", "--http", "httptools"),
                *("--no-access-log", "--log-level", "warning"),
            ),
            self._environment,
        )
        wait_until(lambda: listens(port), "the rival's API", api)
        self.url = f"http://127.0.0.1:{port}{EVENTS_PATH}"

    def start_delivering(self, pool: int) -> None:
        """Start one Celery worker of ``pool`` prefork children."""
        self._worker = self._children.start(
            f"rival-worker-{pool}",
            python(
                *("-m", "celery", "-A", "bench.rival.tasks", "worker"),
                *("-P", "prefork", "-c", str(pool), "-O", "fair", "-l", "WARNING"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ),
            self._environment,
        )

    def check(self) -> None:
        """Raise with the end of its log if the worker has died."""
        if self._worker is not None:
            self._worker.fail_if_ended()

    def stop_delivering(self) -> None:
        """Stop the worker."""
        if self._worker is not None:
            self._children.stop(self._worker)
            self._worker = None


def _seed(token: str, pms_url: str) -> str:
    accounts = World.seeded().accounts.values()
    return json.dumps(
        {
            "token": token,
            "integrations": [
                {
                    "base_url": pms_url,
                    "client_id": account.client_id,
                    "secret": account.secret,
                    "residents": [str(tenant) for tenant in sorted(account.tenant_ids)],
                }
                for account in accounts
            ],
        }
    )
