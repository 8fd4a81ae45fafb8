"""Child processes of `serve`: started, waited for, started again when they die, and drained.

A child that cannot run here at all (exit code 2) ends the start instead of being tried for ever. A
child that dies later is started again with a growing pause; its work waits in the database.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from frontdesk.cli.failure import SURROUNDINGS, CommandFailed

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
SETTLED_AFTER = 30.0
"""Seconds after which a process that ran counts as sound: the next pause is the first again."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One child to keep running: a Frontdesk command line and what it needs to inherit."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()


class Child:
    """One part of `serve`, kept running until it is stopped.

    Start it from the main thread's loop: Linux ends a child with the *thread* that spawned it.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.pid: int | None = None
        self._ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._keeping = asyncio.create_task(self._keep())

    async def ready(self) -> dict[str, Any]:
        """What it said when it was up for the first time. Raises CommandFailed if it cannot be."""
        return await asyncio.shield(self._ready)

    async def stop(self, patience: float) -> None:
        """Ask it to drain (SIGTERM); after `patience` seconds, end it. Safe to call twice."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(patience):
                    await process.wait()
            except TimeoutError:
                _log.warning("a part did not drain in time", part=self.part.name, seconds=patience)
                self.kill()
                await process.wait()
        self._keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeping
        # Whoever still waits for it to be up must not wait for ever.
        if not self._ready.done():
            self._ready.cancel()

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            began = time.monotonic()
            code = await self._run()
            if self._stopping:
                return
            if code == SURROUNDINGS and not self._ready.done():
                self._ready.set_exception(
                    CommandFailed(
                        f"{self.part.name} cannot run here; its own message is above.",
                        code=SURROUNDINGS,
                    )
                )
                return
            if time.monotonic() - began >= SETTLED_AFTER:
                pause = FIRST_PAUSE
            _log.error("a part ended", part=self.part.name, code=code, restart_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _run(self) -> int:
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *frontdesk_command(
                    *self.part.arguments,
                    *("--parent", str(os.getpid())),
                    *("--ready-fd", str(writing)),
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                env={**os.environ, **self.part.environment},
                pass_fds=(writing, *self.part.descriptors),
                # Ctrl-C at the terminal is for serve alone: it decides who drains when.
                start_new_session=True,
            )
        finally:
            os.close(writing)
        self.pid = self._process.pid
        hearing = asyncio.create_task(self._hear(reading))
        try:
            return await self._process.wait()
        finally:
            await hearing

    async def _hear(self, descriptor: int) -> None:
        """Read the one line that the child writes when it is up; nothing if it dies before."""
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb", 0)
        )
        try:
            line = await stream.readline()
        finally:
            transport.close()
        if line and not self._ready.done():
            self._ready.set_result(json.loads(line))


def frontdesk_command(*arguments: str) -> Sequence[str]:
    """The command line of another Frontdesk process of this very installation."""
    # -P: a file in the working directory must not pass for one of our modules.
    return (sys.executable, "-P", "-m", "frontdesk", *arguments)


async def stop_all(children: Sequence[Child], patience: float) -> None:
    """Drain these children side by side."""
    await asyncio.gather(*(child.stop(patience) for child in children))
