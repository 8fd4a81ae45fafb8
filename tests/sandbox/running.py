"""Sandboxes for tests: one in the test's own event loop, one in a process that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from frontdesk.sandbox.app import WORLD_FILE, Sandbox, SandboxOptions, serve_sandbox
from frontdesk.sandbox.discovery import find_simulators
from frontdesk.sandbox.repository import Repository

_PROGRAM = """
import json, sys
from pathlib import Path
from frontdesk.sandbox.app import SandboxOptions, run
run(host="127.0.0.1", port=0, data_dir=Path(sys.argv[1]), options=SandboxOptions(),
    on_ready=lambda url: print(json.dumps(url), flush=True))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """A header's value, whatever its case."""
        return next((v for k, v in self.headers.items() if k.lower() == name.lower()), None)


class SandboxClient:
    """Calls a sandbox; every call on a connection of its own, so that a cut hits one call alone."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        json_body: object = None,
        body: bytes | None = None,
        seconds: float = 20.0,
    ) -> Answer:
        """One call. Raises aiohttp's errors, and TimeoutError after `seconds`."""
        data = json.dumps(json_body).encode() if json_body is not None else body
        sent = {"Content-Type": "application/json"} if json_body is not None else {}
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=seconds),
            skip_auto_headers=("Content-Type",),
        ) as session:
            # It would ask a second time by itself, on a new connection too: one call is one request.
            # aiohttp's own test client has no other way to say so.
            session._retry_connection = False
            async with session.request(
                method, self.url + path, data=data, headers={**sent, **(headers or {})}
            ) as response:
                return Answer(response.status, dict(response.headers), await response.read())

    async def overview(self) -> Any:
        """`GET /_sandbox`."""
        return (await self.call("GET", "/_sandbox")).json

    async def effects(self, query: str = "") -> list[dict[str, Any]]:
        """`GET /_sandbox/effects`."""
        answer = await self.call("GET", f"/_sandbox/effects{query}")
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.json
        return found

    async def effects_with(self, text: str) -> list[dict[str, Any]]:
        """The effects of exactly this text."""
        return [effect for effect in await self.effects() if effect["text"] == text]

    async def fault(self, **fields: object) -> Any:
        """Ask for a fault."""
        answer = await self.call("POST", "/_sandbox/faults", json_body=fields)
        assert answer.status == 201, answer.body
        return answer.json


def _begin_world(data_dir: Path, options: SandboxOptions) -> None:
    """A new data directory gets a copy of the world that a sandbox of these options seeds: inventing
    it costs several times what reading it does, and hundreds of tests want the same one anew."""
    stored = data_dir / WORLD_FILE
    if stored.exists():
        return
    today = datetime.now(UTC).date()
    data_dir.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(_seeded_world(options.only, options.seed, options.customers, today))


@cache
def _seeded_world(only: str | None, seed: int, customers: int, today: date) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / WORLD_FILE
        with contextlib.closing(Repository(path)) as repository:
            simulators = find_simulators()
            Sandbox(
                repository,
                simulators if only is None else {only: simulators[only]},
                SandboxOptions(only=only, seed=seed, customers=customers),
            )
        return path.read_bytes()


@asynccontextmanager
async def running_sandbox(
    data_dir: Path, only: str | None = None, **options: float | None
) -> AsyncIterator[SandboxClient]:
    """A sandbox in this event loop; `options` are those of `SandboxOptions`."""
    chosen = SandboxOptions(only=only, **options)  # type: ignore[arg-type]  # seed is a whole number
    _begin_world(data_dir, chosen)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve_sandbox(
            host="127.0.0.1",
            port=0,
            data_dir=data_dir,
            options=chosen,
            on_ready=ready.set_result,
        )
    )
    serving.add_done_callback(lambda _: ready.cancel())
    try:
        url = await ready
    except asyncio.CancelledError:
        serving.result()
        raise
    try:
        yield SandboxClient(url)
    finally:
        serving.cancel()
        await serving


class SandboxProcess:
    """A sandbox in a process of its own, as `frontdesk sandbox` runs it."""

    def __init__(self, data_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, problem = self._process.communicate()
            raise RuntimeError(problem)
        self.url: str = json.loads(line)

    @property
    def client(self) -> SandboxClient:
        """A client of it."""
        return SandboxClient(self.url)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        self._process.communicate(timeout=20)
        return self._process.returncode


async def read_until_end(url: str, request: bytes) -> bytes:
    """Send raw bytes and read until the peer ends the connection in order. Raises
    ConnectionResetError where it ends it with a reset."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(-1), 20)
    finally:
        writer.close()


def raw_post(url: str, path: str, headers: dict[str, str], body: object) -> bytes:
    """A POST with a JSON body, as bytes."""
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Content-Type: application/json", f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data
