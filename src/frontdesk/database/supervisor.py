"""The small process that owns one embedded server (`python -m frontdesk.database.supervisor`).

Commands attach by holding a connection to its control socket open; the kernel closes it however
they end. The last one out stops the server, so that a second command outlives the one that
started it, and a `kill -9` of the only one leaves nothing running. A postmaster that dies while
somebody is attached is started again; if this process dies, the postmaster goes with it (Linux;
elsewhere the next start ends it).

Control protocol: one JSON object a line to the client, on connecting and at every change:
`{"state": "starting|ready|failed|detached|stopped", "detail", "socket_dir", "version",
"supervisor", "postmaster"}`. From the client: `detach`, answered when it is done, or a close.

It takes no commands, speaks no SQL, loads no driver, and knows nothing of what is stored. It
ignores SIGTERM and SIGINT on purpose: a service manager sends them to all processes at once,
and the commands need their database to drain.
"""

import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from frontdesk.database.cluster import Cluster, open_cluster, tail
from frontdesk.database.leftovers import clear
from frontdesk.database.placement import (
    CONTROL_NAME,
    EmbeddedServerError,
    Placement,
    make_run_dir,
    place,
)

# A stop that takes longer is cut short: the log replays what a checkpoint did not write.
_STOPS = ((signal.SIGINT, 2.5), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 5.0))
_START_ATTEMPTS = 3
_RESTARTS, _RESTARTS_WITHIN = 10, 60.0
_LOCK_PATIENCE = 10.0
_LONGEST_LOG = 1_000_000


class Supervisor:
    """One server's life: opened, kept running while anybody is attached, stopped."""

    def __init__(self, placement: Placement, first: socket.socket) -> None:
        self._placement = placement
        self._clients: set[socket.socket] = set()
        self._leaving: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._door: socket.socket | None = None
        self._cluster: Cluster | None = None
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._attempts = 0
        self._restarts: deque[float] = deque(maxlen=_RESTARTS)
        self._log_begun = 0
        self._news: dict[str, object] = {"state": "starting", "supervisor": os.getpid()}
        self._admit(first)

    def run(self) -> None:
        """Until nobody is attached. Raises EmbeddedServerError where the server cannot run."""
        lock = self._take_lock()
        accepted = False
        try:
            make_run_dir(self._placement)
            accepted = True
            clear(self._placement)
            self._cluster = open_cluster(self._placement)
            self._listen()
            self._launch()
            while self._clients:
                self._turn()
            self._close_door()
            self._stop()
            self._announce("stopped")
        except (EmbeddedServerError, OSError) as error:
            self._close_door()
            self._stop()
            self._announce("failed", str(error))
            raise
        finally:
            if accepted:
                # Under /run or /tmp nobody else would ever remove it. It stays if it holds
                # what is not ours.
                with suppress(OSError):
                    self._placement.run_dir.rmdir()
            os.close(lock)

    def _take_lock(self) -> int:
        placement = self._placement
        lock = os.open(placement.supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + _LOCK_PATIENCE
        # The one before us may still be stopping its server.
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(lock, 100, 0).split(b"\n")[0].decode(errors="replace")
                    message = (
                        f"Another supervisor (pid {holder}) holds {placement.supervisor_lock} "
                        "and does not end. End it, then start again."
                    )
                    self._announce("failed", message)
                    raise EmbeddedServerError(message) from None
                time.sleep(0.02)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n{placement.run_dir}\n".encode(), 0)
        if placement.log.stat().st_size > _LONGEST_LOG:
            os.truncate(placement.log, 0)
        return lock

    def _listen(self) -> None:
        path = self._placement.run_dir / CONTROL_NAME
        path.unlink(missing_ok=True)
        door = self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.setblocking(False)
        door.bind(str(path))
        door.listen(64)
        self._selector.register(door, selectors.EVENT_READ, self._answer_door)
        # Wakes the selector when a child ends.
        wake, signalled = socket.socketpair()
        wake.setblocking(False)
        signalled.setblocking(False)
        self._wake, self._signalled = wake, signalled
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ, self._drain_wake)

    def _answer_door(self, door: socket.socket) -> None:
        try:
            client, _ = door.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self._admit(client)

    def _drain_wake(self, wake: socket.socket) -> None:
        wake.recv(4096)

    def _close_door(self) -> None:
        # Whoever comes now starts a supervisor of its own, which waits for our lock.
        if self._door is not None:
            (self._placement.run_dir / CONTROL_NAME).unlink(missing_ok=True)

    def _admit(self, client: socket.socket) -> None:
        client.setblocking(False)
        self._clients.add(client)
        self._selector.register(client, selectors.EVENT_READ, self._hear)
        self._tell(client)

    def _hear(self, client: socket.socket) -> None:
        try:
            said = client.recv(4096)
        except ConnectionResetError:
            said = b""
        self._selector.unregister(client)
        self._clients.discard(client)
        if not said:
            client.close()
        elif self._clients:
            self._tell(client, "detached")
            client.close()
        else:
            # The last one waits until the server has stopped.
            self._leaving.add(client)

    def _announce(self, state: str, detail: str = "") -> None:
        self._news |= {"state": state, "detail": detail}
        for client in self._clients | self._leaving:
            self._tell(client)

    def _tell(self, client: socket.socket, state: str | None = None) -> None:
        news = self._news if state is None else self._news | {"state": state}
        try:
            client.send(json.dumps(news).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            # It is gone, which its closed connection will say; or stopped, and has years of
            # unread news before it.
            return

    def _turn(self) -> None:
        starting = self._news["state"] == "starting"
        for key, _ in self._selector.select(0.02 if starting else None):
            key.data(key.fileobj)
        if self._postmaster is not None and self._postmaster.poll() is not None:
            self._restart(starting)
        elif starting and self._cluster is not None and self._cluster.is_ready():
            self._attempts = 0
            self._announce("ready")

    def _launch(self) -> None:
        if self._cluster is None:
            raise EmbeddedServerError("There is no cluster to start a server on.")
        self._log_begun = self._placement.log.stat().st_size
        self._postmaster = self._cluster.launch()
        self._news |= {
            "socket_dir": str(self._placement.run_dir),
            "version": self._cluster.binaries.version,
            "postmaster": self._postmaster.pid,
        }
        self._announce("starting")

    def _restart(self, was_starting: bool) -> None:
        if self._postmaster is None:
            return
        now = time.monotonic()
        often = len(self._restarts) == _RESTARTS and now - self._restarts[0] < _RESTARTS_WITHIN
        self._attempts += was_starting
        if often or self._attempts >= _START_ATTEMPTS:
            raise EmbeddedServerError(
                f"PostgreSQL ended with code {self._postmaster.returncode} and does not stay up: "
                f"{self._last_words()}"
            )
        _note(f"postmaster {self._postmaster.pid} ended ({self._postmaster.returncode})")
        self._restarts.append(now)
        clear(self._placement)
        self._launch()

    def _last_words(self) -> str:
        logs = sorted(
            (self._placement.cluster / "log").glob("*.log"), key=lambda log: log.stat().st_mtime
        )
        words = [tail(self._placement.log, self._log_begun)]
        words += [tail(log, max(0, log.stat().st_size - 2000)) for log in logs[-1:]]
        return " / ".join(word for word in words if word) or "it said nothing"

    def _stop(self) -> None:
        postmaster = self._postmaster
        if postmaster is None:
            return
        for number, patience in _STOPS:
            if postmaster.poll() is None:
                postmaster.send_signal(number)
            try:
                postmaster.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        if postmaster.returncode != 0:
            clear(self._placement)


def _note(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Arguments: the data directory, and the descriptor of the first client's connection."""
    data_dir, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    # Nobody's child: the command that started us may end first, or may never look after us.
    if os.fork():
        os._exit(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    first = socket.socket(fileno=descriptor)
    # What was passed to us must not be passed on: the server would keep it open.
    first.set_inheritable(False)
    try:
        Supervisor(place(data_dir), first).run()
    except EmbeddedServerError as error:
        _note(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
