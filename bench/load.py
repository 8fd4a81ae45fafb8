"""The load generator: a process of its own that posts events and times the answers.

``python -m bench.load`` reads one ``Order`` as JSON from stdin and writes one ``Report`` as JSON to
stdout. Raw asyncio and httptools, so that it takes little of the machine that both sides share;
what it took stands in the report. It judges nothing: the first answer that is no 2xx is quoted.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Literal, cast
from urllib.parse import urlsplit

import httptools
import uvloop

NOTE = "Called about the broken dryer, will ring back on Friday morning"


@dataclass(frozen=True)
class Order:
    """What to post. Each client holds one connection and sends again when it has its answer."""

    kind: Literal["timed", "count", "paced"]
    """``timed``: for ``seconds``; ``count``: ``count`` events; ``paced``: ``rate`` a second,
    whether or not the earlier ones have been answered, for ``seconds``."""
    url: str
    token: str
    targets: list[tuple[str, str]]
    """Integration id and resident id, gone through in turn."""
    prefix: str
    """Start of each marker; the number of the event follows."""
    clients: int
    seconds: float = 0.0
    warm_up_seconds: float = 0.0
    count: int = 0
    rate: float = 0.0


@dataclass
class Report:
    """What came of an order; times are CLOCK_MONOTONIC nanoseconds."""

    accepted: int = 0
    """2xx answers after the warm-up."""
    window_seconds: float = 0.0
    latencies_ms: dict[str, float] = field(default_factory=dict)
    """``p50`` and ``p99`` from the first byte sent to the last read, after the warm-up."""
    events: list[tuple[str, int, int]] = field(default_factory=list)
    """``paced`` only: marker, when it was sent, when it was answered."""
    refused: dict[str, int] = field(default_factory=dict)
    """Answers that were no 2xx, by status; ``0`` counts cut connections."""
    first_refusal: str = ""
    cpu_share: float = 0.0
    """Of one core, over the whole order."""


class Client(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.transport: asyncio.Transport | None = None
        self.marker = ""
        self.sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with a fresh parser and offer itself."""
        # uvloop's transports do not inherit asyncio's, so there is nothing to check.
        self.transport = cast("asyncio.Transport", transport)
        self.parser = httptools.HttpResponseParser(self)
        self.run.idle(self)

    def send(self, marker: str, request: bytes) -> None:
        """Put one request on the wire."""
        assert self.transport is not None
        self.marker, self.body = marker, b""
        self.sent_ns = time.monotonic_ns()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Keep the body: it is quoted if the answer is a refusal."""
        self.body += body

    def on_message_complete(self) -> None:
        """Count the answer and offer itself for the next request."""
        self.run.answered(self, self.parser.get_status_code(), time.monotonic_ns())
        self.marker = ""
        if self.parser.should_keep_alive():
            self.parser = httptools.HttpResponseParser(self)
            self.run.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a request whose answer was lost, and connect again."""
        if self.marker:
            self.body = f"connection lost: {exc}".encode()
            self.run.answered(self, 0, time.monotonic_ns())
            self.marker = ""
        self.run.lost(self)


class Run:
    """One order being carried out."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.report = Report()
        self.loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        address = urlsplit(order.url)
        self.host, self.port = address.hostname or "127.0.0.1", address.port or 80
        self.head = (
            f"POST {address.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Bearer {order.token}\r\nContent-Type: application/json\r\n"
        )
        self.number = 0
        self.ended = 0
        self.latencies: list[int] = []
        self.statuses: Counter[int] = Counter()
        self.free: deque[Client] = deque()
        self.owed = 0
        self.first_ns = self.last_ns = 0
        self.connects: set[asyncio.Task[None]] = set()

    async def carry_out(self) -> Report:
        """Post what the order says and give the report."""
        order = self.order
        started, cpu = time.monotonic_ns(), time.process_time()
        self.first_ns = started + int(order.warm_up_seconds * 1e9)
        self.last_ns = self.first_ns + int(order.seconds * 1e9)
        for _ in range(order.clients):
            await self._connect(Client(self))
        if order.kind == "paced":
            await self._pace(started)
        await self.done.wait()
        elapsed = time.monotonic_ns() - started
        window = order.seconds if order.kind == "timed" else elapsed / 1e9
        self.latencies.sort()
        report = self.report
        report.accepted, report.window_seconds = len(self.latencies), window
        report.latencies_ms = {
            name: self.latencies[min(int(len(self.latencies) * part), len(self.latencies) - 1)]
            / 1e6
            for name, part in (("p50", 0.50), ("p99", 0.99))
            if self.latencies
        }
        report.refused = {str(status): n for status, n in self.statuses.items()}
        report.cpu_share = (time.process_time() - cpu) * 1e9 / elapsed
        return report

    async def _connect(self, client: Client) -> None:
        await self.loop.create_connection(lambda: client, self.host, self.port)

    async def _pace(self, started: int) -> None:
        """Owe one event each ``1/rate`` seconds; a slow peer does not slow the owing down."""
        interval = 1 / self.order.rate
        total = int(self.order.rate * (self.order.warm_up_seconds + self.order.seconds))
        for due in range(total):
            wait = due * interval - (time.monotonic_ns() - started) / 1e9
            if wait > 0:
                await asyncio.sleep(wait)
            if self.free:
                self._post(self.free.popleft())
            else:
                self.owed += 1

    def idle(self, client: Client) -> None:
        """Give a free client its next request, if there is one to send now."""
        match self.order.kind:
            case "timed" if time.monotonic_ns() < self.last_ns:
                self._post(client)
            case "timed":
                self.done.set()
            case "count" if self.number < self.order.count:
                self._post(client)
            case "count":
                pass
            case "paced" if self.owed:
                self.owed -= 1
                self._post(client)
            case "paced":
                self.free.append(client)

    def lost(self, client: Client) -> None:
        """Replace a connection that the peer closed."""
        if client in self.free:
            self.free.remove(client)
        if not self.done.is_set():
            task = self.loop.create_task(self._connect(client))
            self.connects.add(task)
            task.add_done_callback(self.connects.discard)

    def _post(self, client: Client) -> None:
        integration_id, resident_id = self.order.targets[self.number % len(self.order.targets)]
        marker = f"{self.order.prefix}{self.number}"
        self.number += 1
        body = (
            f'{{"integration_id":"{integration_id}","resident_id":"{resident_id}",'
            f'"event_type":"Note","notes":"{marker} {NOTE}"}}'
        )
        request = f"{self.head}Content-Length: {len(body)}\r\n\r\n{body}"
        client.send(marker, request.encode())

    def answered(self, client: Client, status: int, now: int) -> None:
        """Book one answer; ``status`` 0 is a cut connection."""
        self.ended += 1
        if not 200 <= status < 300:
            self.statuses[status] += 1
            self.report.first_refusal = (
                self.report.first_refusal or f"{status} {client.body.decode()[:500]}"
            )
        elif self.order.kind == "count" or self.first_ns <= now <= self.last_ns:
            self.latencies.append(now - client.sent_ns)
        if self.order.kind == "paced":
            if self.first_ns <= client.sent_ns and 200 <= status < 300:
                self.report.events.append((client.marker, client.sent_ns, now))
            total = int(self.order.rate * (self.order.warm_up_seconds + self.order.seconds))
            if self.ended == total:
                self.done.set()
        elif self.order.kind == "count" and self.ended == self.order.count:
            self.done.set()


async def main() -> None:
    """Carry out the order on stdin."""
    order = Order(**json.load(sys.stdin))
    report = await Run(order).carry_out()
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    uvloop.run(main())
