"""A process full of callers who mean no good: `python -m tests.attack.attackers`.

Reads one `Order` as JSON from the first line of stdin; writes `ready` when its connections stand, attacks
until another line comes (or stdin ends), and writes one `Report` as JSON. A connection that the server ends
is counted by what it was told, and made anew, so that the attack does not wear off.
"""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from frontdesk.cli.open_files import raise_open_files

AGAIN_SECONDS = 0.5
"""From the end of a connection to the next attempt."""
DRIP_SECONDS = 2.0
CONNECTING_AT_ONCE = 64
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Order:
    """What to do. `source`: the loopback address to come from: each has its own ports."""

    kind: str
    url: str
    token: str
    connections: int
    source: str = "127.0.0.1"


@dataclass
class Report:
    """What came of it. `ended`: connections by how the server ended them, or what it answered."""

    made: int = 0
    held: int = 0
    ended: dict[str, int] = field(default_factory=dict)


class Attack:
    """All connections of an order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        parts = urlsplit(order.url)
        self.address = (str(parts.hostname), int(parts.port or 80))
        self.ended: Counter[str] = Counter()
        self.made = 0
        self.held = 0
        self.stopping = False
        self._gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(self) -> None:
        """One connection after another, until the end."""
        loop = asyncio.get_running_loop()
        while not self.stopping:
            gone = loop.create_future()
            made = KINDS[self.order.kind]
            caller = made(self, gone)
            try:
                async with self._gate:
                    if self.stopping:
                        return
                    await loop.create_connection(
                        lambda caller=caller: caller,  # type: ignore[misc]
                        sock=await self._connected(loop),
                    )
            except OSError as error:
                self.ended[f"not connected: {error.strerror}"] += 1
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self.made += 1
            self.held += 1
            how = await gone
            self.held -= 1
            if not self.stopping:
                self.ended[how] += 1
                await asyncio.sleep(AGAIN_SECONDS * (0.5 + random.random()))

    async def _connected(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        if self.order.kind == "unread":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            made.bind((self.order.source, 0))
            await loop.sock_connect(made, self.address)
        except OSError:
            made.close()
            raise
        return made


class Silent(asyncio.Protocol):
    """Connects, and says nothing. What the others share: knowing how it ended."""

    def __init__(self, attack: Attack, gone: "asyncio.Future[str]") -> None:
        self.attack = attack
        self.gone = gone
        self.answer = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of it.
        self.transport = cast("asyncio.Transport", transport)
        self.begin()

    def begin(self) -> None:
        """What is sent first."""

    def data_received(self, data: bytes) -> None:
        if len(self.answer) < 12:
            self.answer += data[:12]

    def connection_lost(self, exc: Exception | None) -> None:
        how = self.answer[9:12].decode("latin-1") or "closed"
        if not self.gone.done():
            self.gone.set_result("reset" if exc is not None and how == "closed" else how)

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """A head with the token, without the blank line at its end."""
        lines = [f"{method} {path} HTTP/1.1", "Host: frontdesk"]
        lines += [f"Authorization: Bearer {self.attack.order.token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n").encode()


class Kept(Silent):
    """Asks once, is answered, and keeps the connection."""

    def begin(self) -> None:
        self.transport.write(self.head("GET", "/healthz") + b"\r\n")

    def data_received(self, data: bytes) -> None:
        """The answer is none to the connection's end."""


class Dripping(Silent):
    """Begins, and goes on byte by byte."""

    def begin(self) -> None:
        self.transport.write(self.beginning())
        self.later()

    def beginning(self) -> bytes:
        """What comes before the first single byte."""
        return b""

    def later(self) -> None:
        """The next byte, at some time."""
        asyncio.get_running_loop().call_later(DRIP_SECONDS * (0.5 + random.random()), self.drip)

    def drip(self) -> None:
        """One more byte."""
        if not self.transport.is_closing():
            self.transport.write(b"a")
            self.later()


class SlowHead(Dripping):
    """A head that never ends."""

    def beginning(self) -> bytes:
        return self.head("GET", "/v1/residents") + b"X-Slow: "


class SlowBody(Dripping):
    """A body that takes a day."""

    def beginning(self) -> bytes:
        return self.head("POST", "/v1/events/residents", Content_Length="100000") + b"\r\n{"


class Unread(Dripping):
    """Asks for the longest answer there is, sixteen times, and never reads. What it sends now and then
    tells it whether it is still listened to."""

    def begin(self) -> None:
        # Not yet: uvloop begins to read when this has returned, whatever was said before.
        asyncio.get_running_loop().call_soon(self.transport.pause_reading)
        super().begin()

    def beginning(self) -> bytes:
        return (self.head("GET", "/openapi.json") + b"\r\n") * 16


class Oversized(Silent):
    """One monster after another, about one a second."""

    def begin(self) -> None:
        later = random.random() * 2
        asyncio.get_running_loop().call_later(later, self.send)

    def send(self) -> None:
        """One of them."""
        if not self.transport.is_closing():
            monster = random.choice(tuple(MONSTERS.values()))
            self.transport.write(monster(self))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.close()


def _posted(caller: Silent, body: bytes, **headers: str) -> bytes:
    declared = {"Content_Length": str(len(body)), "Content_Type": "application/json", **headers}
    return caller.head("POST", "/v1/events/residents", **declared) + b"\r\n" + body


MONSTERS: Mapping[str, Callable[[Silent], bytes]] = {
    "header": lambda c: c.head("GET", "/v1/residents", X="a" * MEBIBYTE) + b"\r\n",
    "headers": lambda c: c.head("GET", "/v1/residents") + b"X: a\r\n" * 20_000 + b"\r\n",
    "url": lambda c: c.head("GET", "/v1/residents?" + "a" * MEBIBYTE) + b"\r\n",
    "body": lambda c: _posted(c, b" " * (MEBIBYTE + 2)),
    "chunked body": lambda c: (
        c.head("POST", "/v1/events/residents", Transfer_Encoding="chunked")
        + b"\r\n"
        + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 20
    ),
    "length without body": lambda c: _posted(c, b"{}", Content_Length=str(1 << 40)),
    "depth": lambda c: _posted(c, b"[" * 500_000 + b"]" * 500_000),
    "idempotency key": lambda c: _posted(c, b"{}", Idempotency_Key="k" * 20_000),
    "page": lambda c: c.head("GET", f"/v1/residents?limit={10**18}&offset={10**30}") + b"\r\n",
    "pipelined garbage": lambda c: (c.head("GET", "/healthz") + b"\r\n") * 500 + b"\0" * 70_000,
}

KINDS: Mapping[str, type[Silent]] = {
    "idle": Silent,
    "kept": Kept,
    "slow-head": SlowHead,
    "slow-body": SlowBody,
    "unread": Unread,
    "half-open": SlowBody,
    "oversized": Oversized,
}


async def run(order: Order) -> Report:
    """Attack until a line comes."""
    attack = Attack(order)
    tasks = [asyncio.create_task(attack.one()) for _ in range(order.connections)]
    # Past its limits a server holds fewer; then this many attempts count as well.
    while True:
        if max(attack.made, sum(attack.ended.values())) >= order.connections:
            break
        await asyncio.sleep(0.05)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if order.kind == "half-open":
        # Gone without a word, as far as the server can see: nothing is read, sent or closed. Whoever
        # started this process wakes it.
        os.kill(os.getpid(), signal.SIGSTOP)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await asyncio.sleep(0.2)
    attack.stopping = True
    held = attack.held
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Report(made=attack.made, held=held, ended=dict(attack.ended))


def main() -> None:
    """One order."""
    raise_open_files()
    order = Order(**json.loads(sys.stdin.readline()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(run(order))
    sys.stdout.write(json.dumps(asdict(report)) + "\n")


if __name__ == "__main__":
    main()
