"""The running sandbox: one HTTP server for every simulator that is found, and for `/_sandbox`.

One process, one event loop, no threads: the order in which requests are answered is the order in
which their effects were stored. It refuses to start on a world that another process has open.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from aiohttp import web

from frontdesk.sandbox.arrivals import ArrivalLog
from frontdesk.sandbox.community import Community, build_community
from frontdesk.sandbox.discovery import find_simulators
from frontdesk.sandbox.endpoints import CREDENTIAL_SETS, SandboxEndpoints
from frontdesk.sandbox.exchange import Exchange
from frontdesk.sandbox.faults import FaultBook
from frontdesk.sandbox.hostility import Hostility
from frontdesk.sandbox.repository import Repository
from frontdesk.sandbox.simulator import Simulator
from frontdesk.sandbox.throttle import Throttle
from frontdesk.sandbox.world import Scene, World

DEFAULT_SEED = 20260101
WORLD_FILE = "sandbox.sqlite3"
DRAIN_SECONDS = 5.0
MAX_BODY_BYTES = 4 << 20
MOST_CUSTOMERS = CREDENTIAL_SETS
BACKLOG = 4_096
"""Connections that the kernel keeps until they are looked at: past it, it answers none for seconds."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How the sandbox behaves as a whole.

    `throttle_factor` multiplies every vendor's published limits; `seed` chooses the invented people
    of a new world (a stored world keeps its own until a reset); `latency_seconds` is added to every
    answer of every simulator. `only` names the vendor to simulate; None: every one that is found.
    `customers` is how many customers each vendor has, each with a credential set, a world and a
    path of its own. `hostile` is the seed of the misfortunes that befall every request, as long as
    nothing else is asked for at run time; None: none.
    """

    throttle_factor: float = 1.0
    seed: int = DEFAULT_SEED
    latency_seconds: float = 0.0
    only: str | None = None
    customers: int = 1
    hostile: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.customers <= MOST_CUSTOMERS:
            raise ValueError(f"customers is a number from 1 to {MOST_CUSTOMERS}")


class Sandbox:
    """Every simulator with its world, throttles and faults."""

    def __init__(
        self, repository: Repository, simulators: Mapping[str, Simulator], options: SandboxOptions
    ) -> None:
        self.repository = repository
        self.simulators = dict(simulators)
        self.faults = FaultBook()
        self.arrivals = ArrivalLog()
        self.hostility = Hostility(repository, options.hostile)
        self.stopping = asyncio.Event()
        self._options = options
        self.throttle = Throttle(options.throttle_factor)
        self._exchanges = {
            (vendor, customer): Exchange(
                simulator,
                World(vendor, repository, customer),
                self.throttle,
                self.faults,
                self.arrivals,
                self.hostility,
                options.latency_seconds,
                self.stopping,
            )
            for vendor, simulator in simulators.items()
            for customer in range(1, options.customers + 1)
        }
        self._seed_missing()

    def _seed_missing(self) -> None:
        seeded = self.repository.worlds()
        today = datetime.now(UTC).date()
        for exchange in self._exchanges.values():
            if exchange.world.key in seeded:
                continue
            # Every customer's people have the same ids, as at a PMS that counts from 1 for each.
            number = self._options.seed + exchange.world.customer - 1
            seed = partial(_seed_world, exchange.simulator, build_community(number, today))
            exchange.world.populate(seed, seed=number, anchor=today)

    def examples(self, vendor: str) -> dict[str, object]:
        """Ids worth knowing in the vendor's world."""
        exchange = self._exchanges[vendor, 1]
        return dict(exchange.world.play(exchange.simulator.examples))

    def customers(self) -> list[tuple[str, int, str]]:
        """Every customer of every vendor: the vendor, his number, and the path he calls."""
        return [
            (vendor, customer, exchange.prefix)
            for (vendor, customer), exchange in self._exchanges.items()
        ]

    def reset(self) -> None:
        """Back to the seeded world: no effects, no faults, no counted requests. What is asked for at
        run time beside faults (hostility) stays, and begins anew."""
        self.cancel_late_effects()
        self.faults.remove()
        self.arrivals.clear()
        self.hostility.begin_anew()
        self.throttle.clear()
        self.repository.clear()
        for exchange in self._exchanges.values():
            exchange.world.load()
            exchange.pages.clear()
        self._seed_missing()

    def cancel_late_effects(self) -> None:
        """Effects that have not come yet never will."""
        for exchange in self._exchanges.values():
            for task in exchange.later:
                task.cancel()
            # A task that is cancelled before it began releases nothing.
            exchange.locks.clear()

    def application(self) -> web.Application:
        """The HTTP application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(SandboxEndpoints(self).routes())
        # The first customer's path is the beginning of the others', and so comes last.
        for exchange in reversed(self._exchanges.values()):
            app.router.add_route("*", exchange.prefix, exchange.serve)
            app.router.add_route("*", f"{exchange.prefix}/{{tail:.*}}", exchange.serve)
        return app


def _seed_world(simulator: Simulator, community: Community, scene: Scene) -> None:
    simulator.seed(scene, community)


async def serve_sandbox(
    *,
    host: str,
    port: int,
    data_dir: Path,
    options: SandboxOptions,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until cancelled; then finish what is in flight (up to 5 s) and return.

    `port` 0 takes a free one. `on_ready` is called once with the address, when requests are
    answered. Raises `WorldBusyError` or `WorldOutdatedError` where the data directory is another
    process's or another version's, and OSError where the address is taken.
    """
    with contextlib.closing(_open(data_dir)) as repository:
        found = find_simulators()
        chosen = found if options.only is None else {options.only: found[options.only]}
        sandbox = Sandbox(repository, chosen, options)
        runner = web.AppRunner(
            sandbox.application(), access_log=None, shutdown_timeout=DRAIN_SECONDS
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, reuse_address=True, backlog=BACKLOG)
            await site.start()
            bound = runner.addresses[0][1]
            on_ready(f"http://{_in_url(host)}:{bound}")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
        finally:
            # Hanging answers end first, or the drain would wait for connections nobody will close.
            sandbox.stopping.set()
            await runner.cleanup()
            sandbox.cancel_late_effects()


def run(
    *,
    host: str,
    port: int,
    data_dir: Path,
    options: SandboxOptions,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM, on an event loop of its own. Raises as `serve_sandbox`."""

    async def main() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if task is not None:
                loop.add_signal_handler(number, task.cancel)
        await serve_sandbox(
            host=host, port=port, data_dir=data_dir, options=options, on_ready=on_ready
        )

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _open(data_dir: Path) -> Repository:
    data_dir.mkdir(parents=True, exist_ok=True)
    return Repository(data_dir / WORLD_FILE)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # uvloop has no build for every platform; the standard loop does as well
        return None
    return uvloop.new_event_loop


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
