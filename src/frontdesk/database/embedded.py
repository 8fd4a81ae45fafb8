"""The embedded PostgreSQL server, as a command sees it: attach to it, or start it.

`async with await attach_or_start(data_dir) as server:` gives `server.url`. Whoever comes first
starts the server, later commands attach to it, and the last to leave stops it: so it lives as
long as anybody needs it, whoever started it, and ends with a `kill -9` of the last. The server
itself is kept by a supervisor process of its own (`supervisor.py`).

Nothing here listens on the network, and no server that was given by URL is ever touched.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import asyncpg
import structlog

from frontdesk.database.cluster import DATABASE, ROLE
from frontdesk.database.placement import (
    CONTROL_NAME,
    EmbeddedServerError,
    Placement,
    check_run_dir,
    place,
)

__all__ = ["EmbeddedServer", "EmbeddedServerError", "attach_or_start"]

# Making a new data directory on a slow disk is by far the longest part of it.
_START_PATIENCE = 60.0
# A supervisor greets whoever connects at once, unless it is stopped or hung.
_GREETING_PATIENCE = 3.0
_STOP_PATIENCE = 15.0
_ROUNDS = 4
_log = structlog.get_logger(__name__)


async def attach_or_start(data_dir: Path) -> "EmbeddedServer":
    """The running, answering server of `data_dir`; leave it with `stop()` or `async with`.

    Raises EmbeddedServerError, whose message says what to do.
    """
    server = EmbeddedServer(data_dir)
    await server.start()
    return server


class EmbeddedServer:
    """One command's hold on the embedded server of a data directory.

    Keep it in the process that started it: the hold is a descriptor, closed on exec, but shared
    with a child that is forked without one, which would then keep the server running.
    If the supervisor dies meanwhile, the server is started again under the same URL.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._news: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """`postgresql://frontdesk@/frontdesk?host=<socket directory>&port=5432`."""
        if "socket_dir" not in self._news:
            raise EmbeddedServerError("The embedded server has not been started.")
        # The port is said, or PGPORT of the caller's environment would decide.
        host = quote(self._news["socket_dir"], safe="/")
        return f"postgresql://{ROLE}@/{DATABASE}?host={host}&port=5432"

    @property
    def version(self) -> str:
        """PostgreSQL's version, such as `18.6`; empty before the start."""
        return str(self._news.get("version", ""))

    @property
    def supervisor_pid(self) -> int:
        return int(self._news["supervisor"])

    @property
    def postmaster_pid(self) -> int:
        """Of the server as last heard of; another after a restart."""
        return int(self._news["postmaster"])

    async def start(self) -> None:
        """Attach or start; returns when a statement has been answered."""
        if self._keeping is not None:
            return
        try:
            await self._attach()
        except OSError as error:
            raise EmbeddedServerError(
                f"The embedded server of {self._data_dir} cannot be started: {error}"
            ) from error
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Leave. If we are the last, returns when the server has stopped. May be called twice."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        if self._writer is None or self._reader is None:
            return
        try:
            self._writer.write(b"detach\n")
            async with asyncio.timeout(_STOP_PATIENCE):
                # Until "detached" (others remain) or "stopped", after which it closes.
                while await self._reader.readline():
                    continue
        except (OSError, TimeoutError):
            _log.warning("embedded server did not say goodbye", data_dir=str(self._data_dir))
        await self._hang_up()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _attach(self) -> None:
        placement = place(self._data_dir)
        deadline = time.monotonic() + _START_PATIENCE
        async with _locked(placement.start_lock, deadline):
            for _ in range(_ROUNDS):
                if not await self._connect(placement):
                    await self._spawn(placement)
                if await self._is_ready(deadline):
                    break
                # It was just ending as we came: the next round starts another.
                await self._hang_up()
            else:
                raise EmbeddedServerError(
                    f"The embedded server's supervisor ends without a word; see {placement.log}."
                )
        await self._until_it_answers(deadline)

    async def _connect(self, placement: Placement) -> bool:
        """Attach to the supervisor that holds the lock, if there is one and it listens."""
        holder = _holder(placement.supervisor_lock)
        if holder is None:
            return False
        pid, run_dir = holder
        try:
            # Or a stranger's socket under /tmp could pose as our database.
            check_run_dir(run_dir, placement.uid)
            reader, writer = await asyncio.open_unix_connection(str(run_dir / CONTROL_NAME))
        except (FileNotFoundError, ConnectionError):
            return False
        self._reader, self._writer = reader, writer
        try:
            async with asyncio.timeout(_GREETING_PATIENCE):
                if await self._hear():
                    return True
        except TimeoutError:
            _log.warning("embedded server's supervisor is silent; ending it", pid=pid)
            # Its postgres goes with it, and its successor clears up.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self._hang_up()
        return False

    async def _spawn(self, placement: Placement) -> None:
        ours, theirs = socket.socketpair()
        try:
            await asyncio.to_thread(_spawn_supervisor, placement, theirs.fileno())
        except subprocess.CalledProcessError as error:
            ours.close()
            raise EmbeddedServerError(
                f"The embedded server's supervisor did not start; see {placement.log}."
            ) from error
        finally:
            theirs.close()
        self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)

    async def _is_ready(self, deadline: float) -> bool:
        """Wait for the supervisor's verdict; False if it ended without one."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                while self._news.get("state") != "ready":
                    if self._news.get("state") == "failed":
                        await self._hang_up()
                        raise EmbeddedServerError(self._news["detail"])
                    if not await self._hear():
                        return False
        except TimeoutError:
            await self._hang_up()
            raise EmbeddedServerError(
                f"The embedded server of {self._data_dir} was not ready within "
                f"{_START_PATIENCE:.0f} s; see postgres.log there."
            ) from None
        return True

    async def _until_it_answers(self, deadline: float) -> None:
        # "ready" is the postmaster's word; a backend that was killed a moment ago makes the
        # server recover, and it refuses connections meanwhile.
        while True:
            try:
                connection = await asyncpg.connect(self.url, timeout=5)
            except asyncpg.TooManyConnectionsError:
                return  # Busy, and well.
            except (OSError, TimeoutError, asyncpg.PostgresError) as error:
                if time.monotonic() > deadline:
                    await self._hang_up()
                    raise EmbeddedServerError(
                        f"The embedded server of {self._data_dir} runs, but refuses "
                        f"connections: {error}"
                    ) from error
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    async def _hear(self) -> bool:
        """Take in one line of news; False when the supervisor has closed."""
        if self._reader is None:
            return False
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return False
        if not line.endswith(b"\n"):
            return False
        # Added to what is known: the address stays known while a successor starts.
        self._news |= json.loads(line)
        return True

    async def _keep(self) -> None:
        while True:
            while await self._hear():
                _log.info("embedded server", **self._news)
            _log.error("embedded server lost its supervisor; starting again")
            await self._hang_up()
            try:
                await self._attach()
            except (EmbeddedServerError, OSError) as error:
                _log.error("embedded server did not start", reason=str(error))
                await asyncio.sleep(1)

    async def _hang_up(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        self._news.pop("state", None)
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def _locked(path: Path, deadline: float) -> AsyncIterator[None]:
    """One command at a time decides. The kernel frees the lock of a killed one."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"Another command has been starting the server for long (it holds {path})."
                    ) from None
                await asyncio.sleep(0.02)
        yield
    finally:
        os.close(lock)


def _holder(lock_path: Path) -> tuple[int, Path] | None:
    """The pid and run directory of the supervisor that lives, from the lock that it holds."""
    try:
        lock = os.open(lock_path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        lines = os.pread(lock, 4096, 0).decode(errors="replace").split("\n")
        # Just taken, and not yet written: whoever is spawned now waits for it.
        return (int(lines[0]), Path(lines[1])) if len(lines) == 3 else None
    else:
        return None
    finally:
        os.close(lock)


def _spawn_supervisor(placement: Placement, descriptor: int) -> None:
    package_root = str(Path(__file__).parents[2])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [package_root, *filter(None, [environment.get("PYTHONPATH")])]
    )
    with placement.open_log() as log:
        # -P: a file in the caller's working directory must not pass for one of our modules.
        subprocess.run(  # noqa: S603 (our own module)
            [
                *(sys.executable, "-P", "-m", "frontdesk.database.supervisor"),
                *(str(placement.data_dir), str(descriptor)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment,
            pass_fds=(descriptor,),
            # Ctrl-C at the terminal is for the commands.
            start_new_session=True,
            check=True,
        )
