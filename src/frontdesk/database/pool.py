"""The pool of connections, and the four verbs with which the repositories speak SQL.

A statement outside a transaction commits by itself. No state is ever kept in a session (no SET,
no session advisory locks, no temporary tables, no cursors across statements), so that nothing is
reset when a connection goes back, and a pgbouncer in transaction mode may stand in between.
Maps no types of its own: json comes and goes as text.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg

from frontdesk.database.errors import (
    CommitUnknown,
    DatabaseUnavailable,
    SchemaBehind,
    TransactionLost,
    unavailable,
)
from frontdesk.database.hosts import Hosts
from frontdesk.database.listener import Listener

__all__ = [
    "CommitUnknown",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "Record",
    "SchemaBehind",
    "TransactionLost",
]

Record = asyncpg.Record
# asyncpg's proxy has all methods of a connection, and is not one to the type checker.
_PoolConnection = Any
# Generic to the type checker only.
if TYPE_CHECKING:
    _DriverConnection = asyncpg.Connection[Record]
else:
    _DriverConnection = asyncpg.Connection

# Whatever the driver raises on a connection that is of no more use.
_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_ACQUIRE_PATIENCE = 10.0
_ROLLBACK_PATIENCE = 5.0
STATEMENT_PATIENCE = 15.0
"""Seconds after which a statement that was not answered is given up, if nobody says otherwise."""

# A process that is stopped inside a transaction would hold its row locks for as long as it sleeps.
_IDLE_IN_TRANSACTION = "60s"
# It answers nothing any more (a machine that failed sends no reset), or has become a standby.
_SERVER_GONE = (TimeoutError, asyncpg.ReadOnlySQLTransactionError)


class Connection(Protocol):
    """What runs SQL: a transaction, or the database itself (each statement on its own).

    `patience` in seconds replaces the database's `command_timeout` for one statement, and bounds the
    wait for a connection. Every verb raises DatabaseUnavailable; other errors of the driver pass
    through.
    """

    async def fetch(self, sql: str, *args: object, patience: float | None = None) -> list[Record]:
        """All rows."""
        ...

    async def fetch_row(
        self, sql: str, *args: object, patience: float | None = None
    ) -> Record | None:
        """The first row, or None."""
        ...

    async def fetch_value(self, sql: str, *args: object, patience: float | None = None) -> Any:
        """The first column of the first row, or None."""
        ...

    async def execute(self, sql: str, *args: object, patience: float | None = None) -> str:
        """The command tag (`INSERT 0 1`). Without arguments it may hold several statements."""
        ...


class _Connection(_DriverConnection):
    """A connection that knows since when it has been there, by `time.monotonic`."""

    made_at = 0.0


class Database:
    """A pool on one PostgreSQL cluster; may be shared by every task of the process."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Record]",
        *,
        pooler: bool,
        connect: Callable[[], Any],
    ) -> None:
        self._pool = pool
        self._pooler = pooler
        self._connect = connect
        self._listeners: set[Listener] = set()
        # When a server was last found gone: what was connected before leads nowhere.
        self._gone_at = 0.0

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        minimum: int = 1,
        maximum: int = 10,
        pooler: bool = False,
        application_name: str = "frontdesk",
        command_timeout: float = STATEMENT_PATIENCE,
    ) -> "Database":
        """Connect to `url` (libpq style; several hosts with `target_session_attrs` work: hosts.py).

        `pooler`: a pgbouncer in transaction mode is in between. Then each statement runs in a
        transaction of its own, because the driver's prepare and execute could else reach two
        different servers; no statement is prepared by name; and there is no LISTEN.

        Raises DatabaseUnavailable if `minimum` connections cannot be had now.
        """
        settings = {"application_name": application_name}
        if not pooler:
            # pgbouncer refuses start-up parameters that it does not know.
            settings["idle_in_transaction_session_timeout"] = _IDLE_IN_TRANSACTION

        hosts = Hosts(url)

        async def connect_pooled(*_url: Any, **options: Any) -> "asyncpg.Connection[Record]":
            began = time.monotonic()
            connection = await hosts.connect(**options)
            connection.made_at = began  # type: ignore[attr-defined] # it is a _Connection
            return connection

        async def connect_one() -> "asyncpg.Connection[Record]":
            return await hosts.connect(
                command_timeout=command_timeout,
                server_settings={"application_name": f"{application_name} listener"},
            )

        with unavailable(commits=False):
            pool = await asyncpg.create_pool(
                url,
                # No floor to be kept: in an outage the driver would log a traceback at every try.
                init_size=minimum,
                min_size=0,
                max_size=maximum,
                connection_class=_Connection,
                connect=connect_pooled,
                command_timeout=command_timeout,
                statement_cache_size=0 if pooler else 512,
                max_cached_statement_lifetime=0,
                server_settings=settings,
                reset=_no_reset,
            )
        return cls(pool, pooler=pooler, connect=connect_one)

    @property
    def can_listen(self) -> bool:
        """Whether `listen` hears anything; if not, the caller must poll."""
        return not self._pooler

    async def fetch(self, sql: str, *args: object, patience: float | None = None) -> list[Record]:
        """All rows of one statement, committed when it returns (or CommitUnknown)."""
        async with self._statement(patience) as connection:
            return await connection.fetch(sql, *args, patience=patience)

    async def fetch_row(
        self, sql: str, *args: object, patience: float | None = None
    ) -> Record | None:
        """The first row, or None."""
        async with self._statement(patience) as connection:
            return await connection.fetch_row(sql, *args, patience=patience)

    async def fetch_value(self, sql: str, *args: object, patience: float | None = None) -> Any:
        """The first column of the first row, or None."""
        async with self._statement(patience) as connection:
            return await connection.fetch_value(sql, *args, patience=patience)

    async def execute(self, sql: str, *args: object, patience: float | None = None) -> str:
        """The command tag of one statement."""
        async with self._statement(patience) as connection:
            return await connection.execute(sql, *args, patience=patience)

    @asynccontextmanager
    async def transaction(self, patience: float | None = None) -> AsyncIterator[Connection]:
        """One transaction: committed at the end of the block, rolled back if it raises. `patience`
        in seconds: for a connection, for BEGIN and for COMMIT.

        Raises CommitUnknown if the connection is lost during COMMIT, and TransactionLost if the
        block swallowed an error of the database, after which nothing can be committed.
        """
        connection = await self._acquire(patience)
        try:
            with unavailable(commits=False):
                await connection.execute("BEGIN", timeout=patience)
            try:
                yield _Statements(connection, commits=False)
            except DatabaseUnavailable:
                # Not on a connection that may answer nothing any more: closing it rolls back too.
                raise
            except BaseException:
                await _roll_back(connection)
                raise
            with unavailable(commits=True):
                tag = await connection.execute("COMMIT", timeout=patience)
            if tag != "COMMIT":
                raise TransactionLost(f"COMMIT was answered with {tag}.")
        except DatabaseUnavailable as error:
            self._forget(connection, error)
            raise
        finally:
            await self._release(connection)

    async def listen(self, channel: str, callback: Callable[[str], None]) -> Listener:
        """Call `callback(payload)` for every NOTIFY on `channel`, until the listener is closed.

        On a connection of its own, made again after a loss; then, since notifications were
        missed, `callback("")` is called once. Does nothing where `can_listen` is False.
        """
        listener = Listener(channel, callback, self._connect if self.can_listen else None)
        self._listeners.add(listener)
        await listener.start()
        return listener

    async def close(self) -> None:
        """Close the listeners, wait up to 5 s for running statements, and disconnect."""
        for listener in self._listeners:
            await listener.close()
        self._listeners.clear()
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except _LOST:
            # The server is away, or a statement hangs: nothing is left to be polite to.
            self._pool.terminate()

    @asynccontextmanager
    async def _statement(self, patience: float | None) -> AsyncIterator[Connection]:
        if self._pooler:
            async with self.transaction(patience) as transaction:
                yield transaction
            return
        connection = await self._acquire(patience)
        try:
            yield _Statements(connection, commits=True)
        except DatabaseUnavailable as error:
            self._forget(connection, error)
            raise
        finally:
            await self._release(connection)

    async def _acquire(self, patience: float | None = None) -> _PoolConnection:
        while True:
            with unavailable(commits=False):
                connection: _PoolConnection = await self._pool.acquire(
                    timeout=min(_ACQUIRE_PATIENCE, patience or _ACQUIRE_PATIENCE)
                )
            if connection.made_at > self._gone_at:
                return connection
            _discard(connection)
            await self._release(connection)

    def _forget(self, connection: _PoolConnection, error: DatabaseUnavailable) -> None:
        _discard(connection)
        if isinstance(error.__cause__, _SERVER_GONE):
            # The others lead to the same server. Tried one by one, each would cost its user the
            # whole patience, or a refusal; new ones are made as they are needed.
            self._gone_at = time.monotonic()

    async def _release(self, connection: _PoolConnection) -> None:
        try:
            await self._pool.release(connection)
        except _LOST:
            # The driver has thrown the connection away. What the statement said stands: an
            # error here must not turn a commit into a failure.
            return


class _Statements:
    """The four verbs on one connection."""

    __slots__ = ("_commits", "_connection")

    def __init__(self, connection: _PoolConnection, *, commits: bool) -> None:
        self._connection = connection
        self._commits = commits

    async def fetch(self, sql: str, *args: object, patience: float | None = None) -> list[Record]:
        with unavailable(commits=self._commits):
            rows: list[Record] = await self._connection.fetch(sql, *args, timeout=patience)
            return rows

    async def fetch_row(
        self, sql: str, *args: object, patience: float | None = None
    ) -> Record | None:
        with unavailable(commits=self._commits):
            row: Record | None = await self._connection.fetchrow(sql, *args, timeout=patience)
            return row

    async def fetch_value(self, sql: str, *args: object, patience: float | None = None) -> Any:
        with unavailable(commits=self._commits):
            return await self._connection.fetchval(sql, *args, timeout=patience)

    async def execute(self, sql: str, *args: object, patience: float | None = None) -> str:
        with unavailable(commits=self._commits):
            tag: str = await self._connection.execute(sql, *args, timeout=patience)
            return tag


async def _roll_back(connection: _PoolConnection) -> None:
    try:
        await connection.execute("ROLLBACK", timeout=_ROLLBACK_PATIENCE)
    except _LOST:
        # The connection is lost, which rolls back as well; the first error is the one to tell.
        _discard(connection)


def _discard(connection: _PoolConnection) -> None:
    # It may look open for a while yet; or lead to a server that has become a standby, where a new
    # one finds the primary.
    with suppress(asyncpg.InterfaceError):  # The driver has seen to it already.
        connection.terminate()


async def _no_reset(_connection: object) -> None:
    """No session state, nothing to reset: that would cost a round trip after each statement."""
