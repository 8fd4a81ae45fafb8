"""One run from nothing to its outcome: start everything, break it under load, let it drain, judge."""

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from bench.processes import Children, free_port, python

from torture import clock
from torture.arrivals import Arrivals, overruns
from torture.chaos import Chaos
from torture.clients import Clients, Record
from torture.judge import effects_of, judge, unknown_to_clients
from torture.processes import Fleet, without
from torture.report import Outcome
from torture.repository import LOST, TortureRepository
from torture.sampling import Sampler
from torture.takeovers import Takeover, both, either, takeover, worker_ids
from torture.weather import Weather
from torture.world import Customer, Figures, SetUp, figures, run_json

APIS = 2
WORKERS = 3
SHARE_OF_BUDGET = 0.6
LONGEST_STOP_SECONDS = 60.0
LONGEST_STOP_SHARE = 0.25
"""Of a short run no process sleeps for longer than this part."""
LOOK_SECONDS = 0.5
TELL_EVERY_SECONDS = 10.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to run. `stated_rate`: events a second for an integration whose vendor states no
    windows; `settles_within`: only vendors whose lost answers can be settled in so many seconds."""

    seconds: float
    seed: int
    kills: int
    vendors: tuple[str, ...] | None
    settles_within: float | None
    customers: int
    lanes: int
    stated_rate: float
    intensity: float
    drain_seconds: float


class Run:
    """The run in one folder, whose contents are the evidence."""

    def __init__(self, asked: Asked, folder: Path, tell: Tell) -> None:
        self._asked = asked
        self._folder = folder
        self._tell = tell
        self._data_dir = folder / "database"

    async def run(self) -> Outcome:
        """Everything, in order. Raises TortureError or BenchError where the run itself could not
        be made."""
        with Children(self._folder / "logs") as children:
            self._tell("starting the database")
            self._data_dir.mkdir(mode=0o711)
            holder = children.start(
                "database", python("-m", "bench.postgres", str(self._data_dir)), speaks=True
            )
            url = holder.first_line()["url"]
            repository = TortureRepository(url)
            fleet = Fleet(self._folder / "logs")
            try:
                outcome = await self._on(fleet, repository, url)
                if outcome.misses():
                    self._tell("dumping the database")
                    (self._folder / "dump").mkdir()
                    await repository.dump(self._folder / "dump")
            finally:
                await fleet.end()
                await repository.close()
        return outcome

    async def _on(self, fleet: Fleet, repository: TortureRepository, url: str) -> Outcome:
        """The run on a database that answers."""
        environment = {
            "DATABASE_URL": url,
            "FRONTDESK_ENCRYPTION_KEY": base64.b64encode(os.urandom(32)).decode(),
            "FRONTDESK_ALLOWED_ADDRESSES": "127.0.0.0/8",
            "FRONTDESK_LOG_FORMAT": "json",
            # At the end nothing is in flight that would be worth waiting for.
            "FRONTDESK_DRAIN_SECONDS": "5",
        }
        (urls, sandbox_url), token, vendors = await asyncio.gather(
            self._start(fleet, environment),
            asyncio.to_thread(_token, environment),
            asyncio.to_thread(figures, self._asked.vendors, self._asked.settles_within),
        )
        async with _session(token) as session:
            set_up = SetUp(session, urls[0], sandbox_url)
            self._tell("reading the catalogs")
            customers = await set_up.customers(
                vendors, self._asked.lanes, SHARE_OF_BUDGET, self._asked.stated_rate
            )
            self._note(customers)
            fleet.keep_filled()
            record = Record(self._folder / "accepted.jsonl")
            storm = _Storm(
                clients=Clients(session, urls, customers, record, self._asked.seed),
                chaos=Chaos(
                    fleet,
                    self._data_dir,
                    self._asked.seed,
                    min(LONGEST_STOP_SECONDS, self._asked.seconds * LONGEST_STOP_SHARE),
                    self._tell,
                ),
                sampler=Sampler(url, self._folder / "samples.jsonl"),
                arrivals=Arrivals(set_up, sandbox_url, self._folder / "arrivals.jsonl"),
                weather=Weather(set_up, sandbox_url, self._asked.seed, self._asked.intensity),
            )
            try:
                drained_in = await self._through(storm, repository, vendors)
            finally:
                record.close()
            effects = await set_up.call("GET", f"{sandbox_url}/_sandbox/effects")
        (self._folder / "effects.json").write_text(json.dumps(effects))
        writes = await repository.writes()
        self._tell("ending the processes")
        stubborn = await fleet.end()
        return Outcome(
            seed=self._asked.seed,
            seconds=self._asked.seconds,
            drained_in=drained_in,
            verdicts=judge(record.lines, writes, effects_of(effects), vendors),
            overruns=overruns(storm.arrivals.found, storm.arrivals.limits),
            takeovers=_takeovers(fleet, storm.chaos, storm.sampler),
            deeds=dict(storm.chaos.counts()),
            kills=sum(deed.what == "kill" for deed in storm.chaos.deeds),
            kills_wanted=self._asked.kills,
            stranded=unknown_to_clients(record.lines, writes),
            unexpected=storm.clients.unexpected,
            unaccepted=storm.clients.waiting,
            retried=dict(storm.clients.troubles),
            fallen=fleet.fallen,
            stubborn=stubborn,
            arrivals=len(storm.arrivals.found),
            arrivals_missed=storm.arrivals.missed,
            played=dict(storm.weather.played),
        )

    async def _start(self, fleet: Fleet, environment: dict[str, str]) -> tuple[list[str], str]:
        """Every process, ready; the addresses of the APIs and of the sandbox."""
        self._tell("starting the processes")
        tied = ("--parent", str(os.getpid()), "--data-dir", str(self._folder / "data"))
        sandbox_port, *ports = (free_port() for _ in range(APIS + 1))
        many = ("--customers", str(self._asked.customers))
        # A free port each, and always the same one: clients find an API again after its restart.
        wanted: list[tuple[str, str, str, tuple[str, ...]]] = [
            ("sandbox", "sandbox", " at http://", ("--port", str(sandbox_port), *many))
        ]
        wanted += [
            (f"api-{number}", "api", " at http://", ("--port", str(port)))
            for number, port in enumerate(ports, 1)
        ]
        wanted += [
            (f"worker-{number}", "worker", "worker_registered", ())
            for number in range(1, WORKERS + 1)
        ]
        slots = [
            fleet.start(name, kind, ("-m", "frontdesk", kind, *options, *tied), environment, mark)
            for name, kind, mark, options in wanted
        ]
        await fleet.until_ready(slots)
        return [f"http://127.0.0.1:{port}" for port in ports], f"http://127.0.0.1:{sandbox_port}"

    def _note(self, customers: Sequence[Customer]) -> None:
        rate = sum(customer.rate for customer in customers)
        self._tell(f"{len(customers)} integrations, {rate:.1f} events a second")
        shown = [
            {
                "vendor": customer.vendor,
                "integration_id": customer.integration_id,
                "lanes": len(customer.residents),
                "rate": customer.rate,
            }
            for customer in customers
        ]
        (self._folder / "customers.json").write_text(json.dumps(shown, indent=1))

    async def _through(
        self, storm: "_Storm", repository: TortureRepository, vendors: Sequence[Figures]
    ) -> float | None:
        """Load and chaos to their end, then the drain; gives the seconds that this took."""
        collecting = asyncio.create_task(storm.arrivals.run())
        await storm.weather.begin()
        storm.sampler.start()
        sending = asyncio.create_task(storm.clients.run(self._asked.seconds))
        breaking = asyncio.create_task(storm.chaos.run(self._asked.seconds, self._asked.kills))
        try:
            while not breaking.done():
                await asyncio.wait([breaking], timeout=TELL_EVERY_SECONDS)
                storm.raise_failure(collecting)
                self._tell(
                    f"accepted {storm.clients.accepted:,}, waiting for a 2xx "
                    f"{storm.clients.waiting:,}"
                )
            breaking.result()
            await storm.weather.clear()
            self._tell("the storm is over; draining")
            drained_in = await self._drain(sending, repository)
            # An effect that is late may still come, and would be a second one.
            late = max(one.late_effect for one in vendors) - (drained_in or 0.0)
            if late > 0 and drained_in is not None:
                self._tell(f"waiting {late:.0f} s for the last late effect")
                await asyncio.sleep(late)
            storm.raise_failure(collecting)
        finally:
            for task in (collecting, sending, breaking):
                task.cancel()
            await asyncio.gather(collecting, sending, breaking, return_exceptions=True)
            storm.sampler.stop()
        await storm.arrivals.collect()
        return drained_in

    async def _drain(
        self, sending: "asyncio.Task[None]", repository: TortureRepository
    ) -> float | None:
        """Seconds until every client had its 2xx and every write had ended; None: never."""
        began = told = clock.now()
        while clock.now() - began < self._asked.drain_seconds:
            left = None
            # Its connection may be one that was killed with the database: the next is a new one.
            with contextlib.suppress(*LOST):
                left = await repository.unfinished()
            if sending.done():
                sending.result()
                if left == 0:
                    return clock.now() - began
            if left is not None and clock.now() - told > TELL_EVERY_SECONDS:
                told = clock.now()
                self._tell(f"draining: {left:,} writes have not ended")
            await asyncio.sleep(LOOK_SECONDS)
        return None


@dataclass(frozen=True, slots=True)
class _Storm:
    """What happens at once."""

    clients: Clients
    chaos: Chaos
    sampler: Sampler
    arrivals: Arrivals
    weather: Weather

    def raise_failure(self, collecting: "asyncio.Task[None]") -> None:
        """Who watches never ends by himself: what has ended has failed."""
        self.sampler.raise_failure()
        if collecting.done():
            collecting.result()


def _token(environment: Mapping[str, str]) -> str:
    """A token of a new account without request limit."""
    account = run_json("account", "create", "--limit", "0", "--json", environment=environment)
    made = run_json(
        "token", "create", "--account", account["id"], "--json", environment=environment
    )
    return str(made["token"])


@asynccontextmanager
async def _session(token: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=120),
    ) as session:
        yield session


def _takeovers(fleet: Fleet, chaos: Chaos, sampler: Sampler) -> list[Takeover]:
    until = clock.now()
    stopped = [(interval[0], interval[1]) for interval in chaos.database_stops]
    database = without(sampler.database_up, stopped)
    found = []
    for victim in chaos.killed_workers:
        assert victim.ended is not None
        others = either(
            interval
            for slot in fleet.of_kind("worker")
            for interval in slot.up_intervals(until)
            # Of its own slot only those who came after it.
            if slot.name != victim.slot or interval[0] >= victim.ended
        )
        one = takeover(
            f"{victim.slot} ({victim.log.name})",
            victim.ended,
            worker_ids(victim.said()),
            sampler.samples,
            both(database, others),
            sampler.database_up[-1][1] if sampler.database_up else until,
        )
        if one is not None:
            found.append(one)
    return found
