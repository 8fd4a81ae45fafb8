"""What every test may use: a PostgreSQL server for the run, a migrated database per test module, a
real API server over it, accounts and tokens.

`FRONTDESK_TEST_DATABASE_URL` names a running server (as a superuser) to use instead of an embedded
one of the run's own.
"""

import asyncio
import base64
import gc
import hashlib
import os
import socket
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import aiohttp
import asyncpg
import hypothesis
import pytest
import structlog
import uvicorn

from frontdesk.accounts.service import SCOPES
from frontdesk.api import create_app
from frontdesk.application import Role, Services, open_services
from frontdesk.cli import GARBAGE_THRESHOLDS
from frontdesk.database.migrate import migrate
from frontdesk.database.pool import Database
from frontdesk.settings import Settings
from tests.order import spread

# The default shows the local variables of every frame of an error: secrets among them.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

# No test's verdict may hang on how busy the machine is.
hypothesis.settings.register_profile(
    "frontdesk", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("frontdesk")

SERVER_VARIABLE = "FRONTDESK_TEST_DATABASE_URL"
ENCRYPTION_KEY = base64.b64encode(b"a key that only these tests use!").decode()

T = TypeVar("T")

_held: pytest.StashKey["_EmbeddedServer"] = pytest.StashKey()


# --- the server of the run ----------------------------------------------------------------------


class _EmbeddedServer:
    """An embedded server, held from a thread of its own: its event loop must run all the while."""

    def __init__(self) -> None:
        self.url = ""
        self._problem: BaseException | None = None
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._hold()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    async def _hold(self) -> None:
        from frontdesk.database.embedded import attach_or_start

        # Directly under /tmp: pytest's own folders are closed to the account that postgres gets.
        with tempfile.TemporaryDirectory(prefix="fd-test-", dir="/tmp") as folder:
            os.chmod(folder, 0o711)  # noqa: PTH101 — in a thread of its own, which nothing waits for
            try:
                async with await attach_or_start(Path(folder) / "data") as server:
                    self.url = server.url
                    self._ready.set()
                    await asyncio.to_thread(self._stop.wait)
            except BaseException as error:
                self._problem = error
                self._ready.set()
                raise


def pytest_configure(config: pytest.Config) -> None:
    """The controller starts the server before it starts workers, which inherit its address."""
    if hasattr(config, "workerinput") or os.environ.get(SERVER_VARIABLE):
        return
    if config.option.collectonly:
        return
    server = _EmbeddedServer()
    server.start()
    os.environ[SERVER_VARIABLE] = server.url
    config.stash[_held] = server


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started."""
    server = config.stash.get(_held, None)
    if server is not None:
        del os.environ[SERVER_VARIABLE]
        server.stop()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected lives to the end of the run: looking through it again for
    garbage, as often as for an interpreter that has just begun, took an eighth of a worker's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers share the run, what takes long does not come last."""
    items[:] = spread(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """A superuser's URL of the run's server."""
    return os.environ[SERVER_VARIABLE]


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """The name of a migrated database to copy; made once per run and schema."""
    digest = hashlib.sha256()
    for file in sorted(
        (files("frontdesk.database") / "migrations").iterdir(), key=lambda f: f.name
    ):
        if file.name.endswith(".sql"):
            digest.update(file.read_bytes())
    name = f"frontdesk_template_{digest.hexdigest()[:16]}"
    in_a_thread(_make_template(postgres_url, name))
    return name


@pytest.fixture(scope="module")
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A migrated, empty database of the module's own."""
    name = f"t{uuid.uuid4().hex}"
    in_a_thread(_administer(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}"))
    yield url_of(postgres_url, name)
    in_a_thread(_administer(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on the module's database."""
    database = await Database.connect(database_url, minimum=0, maximum=4)
    yield database
    await database.close()


def url_of(server: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


# --- services and the server under test ---------------------------------------------------------


def make_settings(**changes: Any) -> Settings:
    """Settings as tests need them; `changes` by field name."""
    values: dict[str, Any] = {
        "encryption_key": ENCRYPTION_KEY,
        "allowed_addresses": "127.0.0.0/8,::1/128",
        "database_connections": 8,
        "drain_seconds": 5,
        "worker_lease_seconds": 4,
        # All tests call from one address.
        "failed_authentications": 0,
    }
    environment = frozenset(one for one in os.environ.items() if not one[0].startswith("PYTEST_"))
    try:
        return _validated(frozenset((values | changes).items()), environment)
    except TypeError:  # a value that has no hash
        return Settings.model_validate(values | changes)


@cache
def _validated(values: frozenset[tuple[str, Any]], _environment: object) -> Settings:
    """Settings never change: looking for each field in the environment cost more than to open the services."""
    return Settings.model_validate(dict(values))


@pytest.fixture
async def services(database_url: str) -> AsyncIterator[Services]:
    """Services on the module's database, in the test's own process and loop."""
    services = await open_services(make_settings(), database_url, role="command")
    yield services
    await services.close()


class LiveServer:
    """The API behind a real uvicorn on a port of its own, in a thread with a loop of its own."""

    def __init__(self, database_url: str, settings: Settings) -> None:
        self.database_url = database_url
        self.settings = settings
        self.url = ""
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._server: uvicorn.Server | None = None
        self._begin_drain: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "LiveServer":
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem
        return self

    def begin_drain(self) -> None:
        """What a SIGTERM does first."""
        self._begin_drain()

    def stop(self) -> None:
        """Drain and end, as at a SIGTERM."""
        self.begin_drain()
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._problem = error
            self._ready.set()
            raise

    async def _serve(self) -> None:
        services = await open_services(self.settings, self.database_url, role="api")
        try:
            # Named TCP: asyncio leaves Nagle's algorithm on where the protocol is 0, and every answer over a
            # kept connection would wait 40 ms for the acknowledgement of its own head.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._server = uvicorn.Server(
                uvicorn.Config(
                    create_app(services),
                    log_config=None,
                    access_log=False,
                    timeout_graceful_shutdown=max(1, round(self.settings.drain_seconds)),
                )
            )
            loop = asyncio.get_running_loop()
            self._begin_drain = lambda: loop.call_soon_threadsafe(services.begin_drain)
            # The listening socket queues whoever comes before the loop accepts.
            self._ready.set()
            await self._server.serve(sockets=[listener])
        finally:
            await services.close()


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[LiveServer]:
    """An API server on the module's database."""
    live = LiveServer(database_url, make_settings()).start()
    yield live
    live.stop()


@pytest.fixture
def another_server(database_url: str) -> Iterator[Callable[..., LiveServer]]:
    """Starts further API servers on the same database; takes changes of settings."""
    started: list[LiveServer] = []

    def start(**changes: Any) -> LiveServer:
        started.append(LiveServer(database_url, make_settings(**changes)).start())
        return started[-1]

    yield start
    for live in started:
        live.stop()


# --- who calls ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class CallerAccount:
    """An account with a token to call with."""

    id: UUID
    token: str = field(repr=False)
    token_id: UUID

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


MakeAccount = Callable[..., Awaitable[CallerAccount]]


@pytest.fixture
def make_account(services: Services) -> MakeAccount:
    """Makes accounts: `limit` (None: no limit) and the token's `scopes`."""

    async def make(limit: int | None = None, scopes: tuple[str, ...] = SCOPES) -> CallerAccount:
        account = await services.accounts.create_account("a test's", limit)
        made = await services.accounts.create_token(account.id, "a test's", scopes=scopes)
        return CallerAccount(account.id, made.secret, made.token.id)

    return make


@pytest.fixture
async def account(make_account: MakeAccount) -> CallerAccount:
    """An account without a limit, and a token that may do everything."""
    return await make_account()


@pytest.fixture
async def stranger(make_account: MakeAccount) -> CallerAccount:
    """Another such account, which must see nothing of the first."""
    return await make_account()


@asynccontextmanager
async def session(
    url: str, caller: CallerAccount | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of a server, with the caller's token; follows no redirect by itself."""
    headers = caller.headers if caller is not None else {}
    async with aiohttp.ClientSession(url, headers=headers) as client:
        yield client


@pytest.fixture
async def client(
    server: LiveServer, account: CallerAccount
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the module's server that calls as `account`."""
    async with session(server.url, account) as client:
        yield client


@pytest.fixture
async def strange_client(
    server: LiveServer, stranger: CallerAccount
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the module's server that calls as `stranger`."""
    async with session(server.url, stranger) as client:
        yield client


# --- tools --------------------------------------------------------------------------------------


async def until(
    check: Callable[[], Awaitable[T | None]], *, seconds: float = 15, every: float = 0.02
) -> T:
    """What `check` gives, as soon as that is true; fails after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = await check()
        if found:
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {seconds} s: {check}")
        await asyncio.sleep(every)


def in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own: pytest's loop is not to be touched by a fixture."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _make_template(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        # One worker makes it, the others wait here; the lock goes with the connection.
        await connection.execute("SELECT pg_advisory_lock(hashtext($1))", name)
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return
        draft = f"draft_{uuid.uuid4().hex}"
        await connection.execute(f"CREATE DATABASE {draft}")
        database = await Database.connect(url_of(url, draft), maximum=2)
        try:
            await migrate(database)
        finally:
            await database.close()
        await connection.execute(f"ALTER DATABASE {draft} RENAME TO {name}")
    finally:
        await connection.close()


__all__ = [
    "CallerAccount",
    "LiveServer",
    "MakeAccount",
    "Role",
    "in_a_thread",
    "make_settings",
    "session",
    "until",
    "url_of",
]
