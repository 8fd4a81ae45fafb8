"""The PMS both sides send to: Buildium-shaped, raw, 20 ms slow, never the bottleneck.

It is no simulator: it refuses nothing but an unknown credential, tenant or path, throttles
nothing, and keeps its world in memory. It exists to note when each note arrived. The simulators of
the product are the ones that speak Buildium's rules.

A control interface under ``/_bench`` answers without latency:

- ``GET /_bench/state``: ``{arrivals, duplicates, in_flight, peak_in_flight, cpu_seconds}``;
  ``arrivals`` counts each marker once
- ``GET /_bench/arrivals?prefix=P``: ``[[marker, arrived_ns], ...]`` in order of arrival
- ``POST /_bench/reset``: forgets arrivals and peak, keeps the notes

A marker is the first word of a note's text. ``arrived_ns`` is CLOCK_MONOTONIC when the last byte
of the request had been read, comparable with every process of the same machine.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httptools
import uvloop

from bench.world import World

LATENCY_SECONDS = 0.020
DEFAULT_LIMIT, MAXIMUM_LIMIT = 50, 1000


class Ledger:
    """Every note that arrived, by marker, and how many requests were under way at once."""

    def __init__(self) -> None:
        self.notes: dict[int, list[dict[str, Any]]] = {}
        self.count = 0
        self.forget()
        self.in_flight = 0

    def forget(self) -> None:
        """Drop arrivals, duplicates and the peak; the notes stay readable."""
        self.arrivals: list[tuple[str, int]] = []
        self.seen: set[str] = set()
        self.duplicates = 0
        self.peak_in_flight = 0

    def write(self, tenant_id: int, text: str, arrived_ns: int) -> dict[str, Any]:
        """Keep a note and when it came; give the record as Buildium shows it."""
        marker = text.split(" ", 1)[0]
        if marker in self.seen:
            self.duplicates += 1
        self.seen.add(marker)
        self.arrivals.append((marker, arrived_ns))
        self.count += 1
        note = {
            "Id": self.count,
            "Note": text,
            "LastUpdatedByUser": {
                "Id": 1,
                "FirstName": "Bench",
                "LastName": "Key",
                "Href": "/v1/users/1",
                "UpdatedDateTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            },
        }
        self.notes.setdefault(tenant_id, []).append(note)
        return note


class Exchange(asyncio.Protocol):
    """One keep-alive connection; answers in the order of its requests, as nobody pipelines here."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world = world
        self.ledger = ledger
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection to answer on."""
        # uvloop's transports do not inherit asyncio's, so there is nothing to check.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        """Answer nothing more."""
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; a peer that does not speak HTTP is cut off."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            if self.transport is not None:
                self.transport.close()

    def on_message_begin(self) -> None:
        """Start a request."""
        self.url = b""
        self.body = b""
        self.client_id = ""

    def on_url(self, url: bytes) -> None:
        """Collect the target, which may come in pieces."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the one header that tells whose world is meant."""
        if name.lower() == b"x-buildium-client-id":
            self.client_id = value.decode()

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Note the arrival, and answer after the latency."""
        arrived_ns = time.monotonic_ns()
        target = urlsplit(self.url.decode())
        method = self.parser.get_method().decode()
        if target.path.startswith("/_bench/"):
            self._send(*self._control(method, target.path, parse_qs(target.query)))
            return
        answer = self._buildium(method, target.path, target.query, arrived_ns)
        self.ledger.in_flight += 1
        self.ledger.peak_in_flight = max(self.ledger.peak_in_flight, self.ledger.in_flight)
        self.loop.call_later(LATENCY_SECONDS, self._finish, *answer)

    def _finish(self, status: int, payload: object, headers: str = "") -> None:
        self.ledger.in_flight -= 1
        self._send(status, payload, headers)

    def _send(self, status: int, payload: object, headers: str = "") -> None:
        if self.transport is None:
            return
        body = json.dumps(payload, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"Content-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)

    def _control(self, method: str, path: str, query: dict[str, list[str]]) -> tuple[int, object]:
        ledger = self.ledger
        match method, path:
            case "GET", "/_bench/state":
                return 200, {
                    "arrivals": len(ledger.seen),
                    "duplicates": ledger.duplicates,
                    "in_flight": ledger.in_flight,
                    "peak_in_flight": ledger.peak_in_flight,
                    "cpu_seconds": time.process_time(),
                }
            case "GET", "/_bench/arrivals":
                prefix = query.get("prefix", [""])[0]
                return 200, [entry for entry in ledger.arrivals if entry[0].startswith(prefix)]
            case "POST", "/_bench/reset":
                ledger.forget()
                return 200, {}
            case _:
                return 404, {}

    def _buildium(
        self, method: str, path: str, query: str, arrived_ns: int
    ) -> tuple[int, object, str]:
        records = self.world.of_client(self.client_id)
        if records is None:
            return _refusal(401, "The client id is not known.")
        parts = path[path.find("/v1/") + len("/v1/") :].split("/")
        match method, parts:
            case "POST", ["leases", "tenants", tenant, "notes"]:
                tenant_id = int(tenant) if tenant.isdigit() else 0
                if tenant_id not in records.tenant_ids:
                    return _refusal(404, "The tenant does not exist.")
                note = self.ledger.write(tenant_id, json.loads(self.body)["Note"], arrived_ns)
                return 201, note, f"Location: {path}/{note['Id']}\r\n"
            case "GET", ["leases", "tenants", tenant, "notes"]:
                kept = self.ledger.notes.get(int(tenant) if tenant.isdigit() else 0, [])
                return _page(kept, query)
            case "GET", ["leases", "tenants", tenant, "notes", note_id]:
                kept = self.ledger.notes.get(int(tenant) if tenant.isdigit() else 0, [])
                return _one(kept, note_id)
            case "GET", _:
                collection = records.collections.get("/".join(parts))
                if collection is not None:
                    return _page(collection, query)
                collection = records.collections.get("/".join(parts[:-1]))
                if collection is not None:
                    return _one(collection, parts[-1])
        return _refusal(404, "There is no such path.")


def _page(records: list[dict[str, Any]], query: str) -> tuple[int, object, str]:
    """Cut the page that ``limit`` and ``offset`` ask for; a change filter finds no old record."""
    asked = parse_qs(query)
    if "lastupdatedfrom" in asked:
        records = []
    limit = min(int(asked.get("limit", [str(DEFAULT_LIMIT)])[0]), MAXIMUM_LIMIT)
    offset = int(asked.get("offset", ["0"])[0])
    return 200, records[offset : offset + limit], f"X-Total-Count: {len(records)}\r\n"


def _one(records: list[dict[str, Any]], record_id: str) -> tuple[int, object, str]:
    for record in records:
        if str(record["Id"]) == record_id:
            return 200, record, ""
    return _refusal(404, "The record does not exist.")


def _refusal(status: int, message: str) -> tuple[int, object, str]:
    return status, {"UserMessage": message, "ErrorCode": None, "Errors": []}, ""


async def serve() -> None:
    """Serve on a free port of 127.0.0.1, print ``{"url"}`` once it listens, until stdin ends."""
    loop = asyncio.get_running_loop()
    world, ledger = World.seeded(), Ledger()
    server = await loop.create_server(lambda: Exchange(world, ledger), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    # The harness holds the other end: when it dies by any means, this process ends too.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
