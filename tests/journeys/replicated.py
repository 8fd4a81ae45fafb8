"""A primary and a synchronous streaming standby, from the programs that the embedded server has too.

Nobody restarts them: who dies stays dead, which is what a failover is about. They listen on Unix
sockets only.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from frontdesk.database.cluster import DATABASE, ROLE, open_cluster
from frontdesk.database.leftovers import clear, processes_of
from frontdesk.database.placement import make_run_dir, place
from tests.conftest import in_a_thread

STANDBY = "standby"
_PATIENCE = 60.0


class Server:
    """One PostgreSQL server in a data directory of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.placement = place(data_dir)
        make_run_dir(self.placement)
        self.placement.open_log().close()
        self._postmaster: subprocess.Popen[bytes] | None = None

    @property
    def socket_dir(self) -> str:
        return str(self.placement.run_dir)

    @property
    def url(self) -> str:
        return url_of_hosts([self.socket_dir])

    @property
    def pid(self) -> int:
        assert self._postmaster is not None
        return self._postmaster.pid

    def start(self) -> None:
        """Start it; returns when it answers, as primary or as standby. Call from the main thread:
        the server ends with the thread that started it."""
        cluster = open_cluster(self.placement)
        self._postmaster = cluster.launch()
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.ask("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                if self._postmaster.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"it does not answer:\n{self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def ask(self, *statements: str, patience: float = 30.0) -> Any:
        """Run the statements, each on its own; the first value of the last."""

        async def run() -> Any:
            connection = await asyncpg.connect(self.url, timeout=5, command_timeout=patience)
            try:
                value = None
                for statement in statements:
                    value = await connection.fetchval(statement)
                return value
            finally:
                connection.terminate()

        return in_a_thread(run())

    def signal(self, number: signal.Signals) -> None:
        """The signal to every process of it: as when the machine stops, or goes on."""
        for pid in processes_of(self.placement.cluster):
            # A backend ends by itself as soon as its postmaster has.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._postmaster is None:
            return
        # The postmaster first: it would start its children anew.
        self._postmaster.kill()
        self.signal(signal.SIGKILL)
        self._postmaster.wait(10)
        clear(self.placement)

    def fence(self) -> None:
        """Keep it from ever coming back as a primary: nothing can start on its files any more."""
        cluster = self.placement.cluster
        cluster.rename(cluster.with_name("postgres.fenced"))

    def log(self) -> str:
        """What it had to say."""
        logs = [self.placement.log, *sorted(self.placement.cluster.glob("log/*.log"))]
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in logs if path.exists())

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        self.kill()
        shutil.rmtree(self.placement.run_dir, ignore_errors=True)


class ReplicatedPair:
    """A primary, and a standby without which no commit of the primary is answered."""

    def __init__(self, folder: Path) -> None:
        self.primary = Server(folder / "p")
        self.standby = Server(folder / "s")

    @property
    def url(self) -> str:
        """Both hosts; whichever takes writes."""
        hosts = [self.primary.socket_dir, self.standby.socket_dir]
        return f"{url_of_hosts(hosts)}&target_session_attrs=read-write"

    def start(self) -> None:
        """Start both; returns when the standby is in step, synchronously."""
        self.primary.start()
        # Before the copy, so that the standby has it too: as machines of one configuration do.
        self.primary.ask(
            f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'", "SELECT pg_reload_conf()"
        )
        self._copy()
        self.standby.start()
        deadline = time.monotonic() + _PATIENCE
        while self.sync_state() != "sync":
            assert time.monotonic() < deadline, self.standby.log()
            time.sleep(0.05)

    def sync_state(self) -> str | None:
        """`sync` while commits wait for the standby."""
        state: str | None = self.primary.ask("SELECT sync_state FROM pg_stat_replication")
        return state

    def promote(self) -> None:
        """Make the standby the primary; returns when it takes writes. It has no standby of its own,
        and its commits must wait for none."""
        self.standby.ask(
            "ALTER SYSTEM RESET synchronous_standby_names",
            "SELECT pg_reload_conf()",
            "SELECT pg_promote(true, 60)",
        )

    def end(self) -> None:
        """Leave nothing running."""
        self.primary.end()
        self.standby.end()

    def _copy(self) -> None:
        target, account = self.standby.placement, self.standby.placement.switch_to
        target.cluster.mkdir(mode=0o700)
        if account is not None:
            os.chown(target.cluster, account.uid, account.gid)
        program = open_cluster(self.primary.placement).binaries.directory / "pg_basebackup"
        where = f"host={self.primary.socket_dir} port=5432 user={ROLE} application_name={STANDBY}"
        done = subprocess.run(
            [
                *(str(program), "-d", where, "-D", str(target.cluster)),
                # With the log of meanwhile, and written down as a standby of where it came from.
                *("-X", "stream", "-c", "fast", "--write-recovery-conf"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        assert done.returncode == 0, done.stderr


def url_of_hosts(hosts: list[str]) -> str:
    """The product's database on these sockets."""
    ports = ",".join("5432" for _ in hosts)
    return f"postgresql://{ROLE}@/{DATABASE}?host={quote(','.join(hosts), safe='/,')}&port={ports}"
