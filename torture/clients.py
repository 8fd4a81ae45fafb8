"""The clients: one for each lane, all at a steady rate, with a record on disk of what was accepted.

A client sends its resident's next event after the previous one's 2xx, and repeats one under the same
idempotency key, to whichever API process comes next, until it has a 2xx. So the order of a lane is
the order of its record.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import aiohttp

from torture import clock
from torture.world import EVENTS, QUERY, Customer, body_for

ANSWER_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """One 2xx, as the client wrote it down. `place`: the how manieth of its lane."""

    marker: str
    key: str
    job_id: str
    vendor: str
    integration_id: str
    resident_id: str
    place: int
    tries: int
    replayed: bool
    at: float


class Record:
    """The append-only file; a line is on its way to the disk before the next event is sent."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        self.lines: list[Accepted] = []

    def add(self, accepted: Accepted) -> None:
        self.lines.append(accepted)
        self._file.write(json.dumps(asdict(accepted)) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Clients:
    """All lanes of all customers."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Sequence[str],
        customers: Iterable[Customer],
        record: Record,
        seed: int,
    ) -> None:
        self._session = session
        self._urls = itertools.cycle(urls)
        self._customers = list(customers)
        self._record = record
        self._random = random.Random(seed)
        self.accepted = 0
        self.waiting = 0
        self.troubles: Counter[str] = Counter()
        """What came instead of a 2xx and was tried again, as the promise allows."""
        self.unexpected: list[str] = []
        """What must not come, whatever breaks; that event is given up."""

    async def run(self, seconds: float) -> None:
        """Send for so long, then wait until every event that was begun has its 2xx."""
        until = clock.now() + seconds
        async with asyncio.TaskGroup() as group:
            for number, customer in enumerate(self._customers):
                queues = [asyncio.Queue[bool]() for _ in customer.residents]
                group.create_task(self._pace(customer, queues, until))
                for lane, queue in enumerate(queues):
                    group.create_task(self._lane(customer, f"{number:02d}-{lane:02d}", lane, queue))

    async def _pace(
        self, customer: Customer, queues: Sequence["asyncio.Queue[bool]"], until: float
    ) -> None:
        """One event after the other, at the customer's rate, round its lanes. The rate does not
        wait for answers: what a dead API holds up comes afterwards, as it would."""
        every = 1 / customer.rate
        due = clock.now() + self._random.uniform(0, every)
        turns = itertools.cycle(queues)
        while due < until:
            await asyncio.sleep(max(0.0, due - clock.now()))
            next(turns).put_nowait(True)
            self.waiting += 1
            due += every
        for queue in queues:
            queue.put_nowait(False)

    async def _lane(
        self, customer: Customer, name: str, lane: int, queue: "asyncio.Queue[bool]"
    ) -> None:
        place = 0
        while await queue.get():
            place += 1
            marker = f"torture-{name}-{place:05d}."
            await self._send(customer, customer.residents[lane], marker, place)
            self.waiting -= 1

    async def _send(self, customer: Customer, resident_id: str, marker: str, place: int) -> None:
        body = body_for(customer.integration_id, resident_id, marker)
        headers = {"Idempotency-Key": marker}
        for tries in itertools.count(1):
            trouble = ""
            try:
                async with self._session.post(
                    f"{next(self._urls)}{EVENTS}?{QUERY}",
                    json=body,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
                ) as answer:
                    status = answer.status
                    if status == 503:
                        trouble = "503"
                    elif 200 <= status < 300:
                        job_id = str((await answer.json())["job_id"])
                        replayed = "Idempotent-Replayed" in answer.headers
                    else:
                        self.unexpected.append(f"{status}: {(await answer.text())[:500]}")
                        return
            except TimeoutError:
                trouble = "no answer in time"
            except (aiohttp.ClientError, OSError) as error:
                trouble = type(error).__name__
            if not trouble:
                self.accepted += 1
                self._record.add(
                    Accepted(
                        marker=marker,
                        key=marker,
                        job_id=job_id,
                        vendor=customer.vendor,
                        integration_id=customer.integration_id,
                        resident_id=resident_id,
                        place=place,
                        tries=tries,
                        replayed=replayed,
                        at=clock.wall(clock.now()),
                    )
                )
                return
            self.troubles[trouble] += 1
            await asyncio.sleep(self._random.uniform(0.05, min(LONGEST_PAUSE_SECONDS, 0.2 * tries)))
