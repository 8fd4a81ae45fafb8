"""A connection of the API, with a bound for everything that the other side decides: how long it takes to
ask, to send, to read, how large a head may be, and how many there are.

uvicorn bounds only the idle time after an answer. It measures neither a request that never becomes whole
nor an answer that nobody reads, and its parser keeps a head of any size. There is no timer for each
connection: each has a deadline, and one look at all of them twice a second finds who is past it.
"""

import asyncio
import math
import os
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from frontdesk.errors import Code
from frontdesk.metrics import counts

HEAD_BYTES = 32 << 10
"""Request line and headers together; as much again for what stands between a body's chunks."""
MOST_HEADERS = 100
MOST_PIPELINED = 16
"""Requests that may wait behind the one that is being answered."""
LEAST_PACE = 1024
"""Bytes a second below which a body that comes, or an answer that goes, counts as standing still."""
LINGER_SECONDS = 5.0
"""For the rest of a body whose request is answered already: who sends on may not have read it yet."""
CUT_AT_ONCE = 50
"""Connections ended at one look: thousands at once would hold up who behaves."""
LOOK_EVERY = 5
"""Ticks of the server (tenths of a second) between two looks at all deadlines."""

_GO_ON = b"HTTP/1.1 100 "
_LENGTH = b"\r\ncontent-length: "


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the settings say; seconds."""

    connections: int = 20_000
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    unread_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that no application gives, because there is no request that could be given to it."""

    status: int
    code: Code
    message: str


MALFORMED = Refusal(400, Code.INVALID_REQUEST, "This is not a request that HTTP/1.1 knows.")
SLOW = Refusal(408, Code.INVALID_REQUEST, "The request did not arrive in time.")
LARGE = Refusal(
    431,
    Code.TOO_LARGE,
    f"The request's head is larger than {HEAD_BYTES:,} bytes or {MOST_HEADERS} headers.",
)
FULL = Refusal(503, Code.UNAVAILABLE, "All connections are in use; nothing was accepted.")


class RefusedHeadError(Exception):
    """Thrown in the parser's callback: it goes no further with this connection."""


class Crowd:
    """All connections of a process: who waits for a request, and who is past his deadline."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        # In the order in which they began to wait: the first has waited longest.
        self.waiting: dict[Connection, None] = {}
        self._due: deque[Connection] = deque()

    def make_room(self) -> bool:
        """End the connection that has waited longest for a request; False where none waits."""
        if not self.waiting:
            return False
        next(iter(self.waiting)).cut("room")
        return True

    def tick(self, counter: int, connections: set[Any]) -> None:
        """Called ten times a second: end some of those that are past their deadline."""
        now = asyncio.get_running_loop().time()
        if counter % LOOK_EVERY == 0 and not self._due:
            self._due.extend(one for one in connections if one.deadline <= now)
        for _ in range(min(CUT_AT_ONCE, len(self._due))):
            self._due.popleft().look(now)


class Answering(asyncio.Transport):
    """The transport as one answer sees it: a head whose body follows at once goes out with it, in one
    packet. uvicorn writes them one by one, and each costs both sides a call of the kernel."""

    __slots__ = ("_began", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._began = False
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write; but keep the head of an answer whose length is known until its body comes."""
        if self._head:
            data, self._head = self._head + data, b""
        elif not self._began and bytes(data[: len(_GO_ON)]) != _GO_ON:
            self._began = True
            if _LENGTH in bytes(data):
                self._head = bytes(data)
                return
        self._transport.write(data)

    def flush(self) -> None:
        """Write what was kept: nothing follows."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Close when all is written."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is about to end."""
        return self._transport.is_closing()


class BoundedConfig(Config):
    """uvicorn's configuration, and who is connected."""

    crowd: Crowd


class Connection(HttpToolsProtocol):
    """One connection. `deadline` is a time of the loop; infinite while the other side waits for us."""

    def __init__(
        self,
        config: BoundedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._crowd = config.crowd
        self._bounds = config.crowd.bounds
        self.deadline = math.inf
        self._running: RequestResponseCycle | None = None
        self._answer: Answering | None = None
        self._in_head = False
        self._head_bytes = 0
        self._moved = 0
        self._refusal = MALFORMED

    # --- what the transport tells ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._bounds.connections and not self._crowd.make_room():
            counts.connection_cut("refused")
            self._refuse(FULL)
        self._wait(self._bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.waiting.pop(self, None)
        # uvicorn tells only the last request of a row, which may not be the one that is answered.
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            # Headers, trailers or words between chunks that do not end.
            self._refusal = LARGE
            self.send_400_response("")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._arm()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._arm()

    # --- what the parser tells ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._arm()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self._refusal = LARGE
            raise RefusedHeadError
        if len(self.pipeline) >= MOST_PIPELINED:
            raise RefusedHeadError
        self._in_head = False
        self._head_bytes = 0
        self._crowd.waiting.pop(self, None)
        super().on_headers_complete()
        # The request has its list: trailers, which come later, must not become headers of it.
        self.headers = []
        self._arm()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        self._moved += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()
        self._arm()

    def on_response_complete(self) -> None:
        if self._answer is not None:
            self._answer.flush()
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait(0)
            self._arm()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        self._answer = cycle.transport = Answering(self.transport)
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        del msg
        if self._answering():
            # The answer that is owed goes out; one to what came after it would be taken for that.
            self.flow.pause_reading()
            self.cycle.keep_alive = False
            return
        counts.connection_cut("malformed" if self._refusal is MALFORMED else "large")
        self._refuse(self._refusal)

    # --- deadlines ------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """End the connection if it is still past its deadline and nothing has moved since."""
        if self.deadline > now or self.parser is None:
            return
        least = LEAST_PACE * self._bounds.body_seconds
        if self._sending():
            if self.flow.read_paused or self.cycle.waiting_for_100_continue or self._moved >= least:
                self._arm()  # it is we who are slow, or nobody is
                return
            self.cut("body", SLOW)
        elif (
            self._unread()
            and self._moved - self._unread() >= LEAST_PACE * self._bounds.unread_seconds
        ):
            self._arm()
        elif self._unread():
            self.cut("unread")
        elif self._answering():
            self._arm()
        elif self._in_head:
            self.cut("head", SLOW)
        else:
            self.cut("idle")

    def cut(self, reason: str, refusal: Refusal | None = None) -> None:
        """End the connection, whatever is under way on it."""
        counts.connection_cut(reason)
        self._crowd.waiting.pop(self, None)
        if self._unread():
            # Closing would wait for the rest to be read.
            self.transport.abort()
        elif refusal is None:
            self.transport.close()
        else:
            self._refuse(refusal)

    def _wait(self, seconds: float) -> None:
        """Begin to wait for a request."""
        self._crowd.waiting.pop(self, None)
        self._crowd.waiting[self] = None
        self.deadline = self.loop.time() + seconds

    def _arm(self) -> None:
        """Set the deadline of what the other side has to do next."""
        bounds = self._bounds
        self._moved = 0
        if self.transport.is_closing() or self.flow.write_paused:
            self._moved = self._unread()
            seconds = bounds.unread_seconds
        elif self._sending():
            seconds = bounds.body_seconds
        elif self._answering():
            seconds = math.inf
        elif self._in_head:
            seconds = bounds.head_seconds
        elif self.cycle is not None and self.cycle.more_body:
            seconds = LINGER_SECONDS
        else:
            seconds = bounds.idle_seconds
        self.deadline = self.loop.time() + seconds

    def _answering(self) -> bool:
        """Whether a whole request waits for the end of its answer."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _sending(self) -> bool:
        """Whether the body of a request that is not answered yet is on its way."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and cycle.more_body

    def _unread(self) -> int:
        """Bytes of answers that the other side has not taken."""
        return self.transport.get_write_buffer_size()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in the application's stead, and close."""
        cycle = self.cycle
        begun = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            # Whoever reads the body is told that the rest will not come.
            cycle.disconnected = True
            cycle.message_event.set()
        if not begun:
            self.transport.write(self._written(refusal))
        self.transport.close()
        self._arm()

    def _written(self, refusal: Refusal) -> bytes:
        details = {"outcome": "not_accepted"} if refusal is FULL else {}
        error = {"code": refusal.code.word, "message": refusal.message, "details": details}
        body = orjson.dumps({"error": error})
        headers = [
            *self.server_state.default_headers,
            (b"x-request-id", os.urandom(12).hex().encode()),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        if refusal is FULL:
            headers.append((b"retry-after", b"1"))
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return b"%b%b\r\n%b" % (STATUS_LINE[refusal.status], lines, body)
