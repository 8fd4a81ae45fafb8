"""`api`, `worker`, `sandbox`: one process each, as many as you like against one database.

Each drains on SIGTERM and on Ctrl-C and then ends with 0; a second signal ends it at once.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import structlog
import typer

from frontdesk.cli.environment import (
    DataDirOption,
    data_dir_of,
    read_settings,
    services_of,
    wait_for_database,
)
from frontdesk.cli.failure import SURROUNDINGS, CommandFailed
from frontdesk.cli.lifeline import (
    ListenOption,
    ParentOption,
    ReadyOption,
    end_with,
    inherited_socket,
    report_ready,
)
from frontdesk.cli.open_files import connections_within, raise_open_files
from frontdesk.cli.output import answers
from frontdesk.observability import configure
from frontdesk.settings import Settings
from frontdesk.tracing.exporting import TracesUnavailableError, check_available, tracing

DEFAULT_PORT = 8420
DEFAULT_SANDBOX_PORT = 8421
SOCKET_BYTES = 128 << 10
"""Of each connection that the kernel keeps, each way (Linux doubles it)."""

if TYPE_CHECKING:
    from frontdesk.application import Services

T = TypeVar("T")
_log = structlog.get_logger(__name__)


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")
    ] = DEFAULT_PORT,
    data_dir: DataDirOption = None,
    parent: ParentOption = None,
    ready_fd: ReadyOption = None,
    listen_fd: ListenOption = None,
) -> None:
    """Answer HTTP requests. Start as many as you like against one DATABASE_URL."""
    end_with(parent)
    settings = read_settings(data_dir)
    configure(level=settings.log_level, style=settings.log_format, process="api")
    if listen_fd is None:
        listener = listen(host, port)
        url = address_of(listener)
    else:
        listener = inherited_socket(listen_fd)
        url = address_of(listener)

    def ready() -> None:
        report_ready(ready_fd, url=url)
        if ready_fd is None:
            answers().print(f"Frontdesk answers at {url} (documentation: {url}/docs)")

    run_loop(_api(settings, listener, ready, migrated=ready_fd is None))


def worker(
    data_dir: DataDirOption = None,
    parent: ParentOption = None,
    ready_fd: ReadyOption = None,
) -> None:
    """Deliver what was accepted, and keep the catalogs. Start as many as you like."""
    end_with(parent)
    settings = read_settings(data_dir)
    configure(level=settings.log_level, style=settings.log_format, process="worker")
    raise_open_files()

    def ready() -> None:
        report_ready(ready_fd)
        if ready_fd is None:
            answers().print("The worker is at work.")

    run_loop(_worker(settings, ready, migrated=ready_fd is None))


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")
    ] = DEFAULT_SANDBOX_PORT,
    data_dir: DataDirOption = None,
    throttle_factor: Annotated[
        float, typer.Option(help="Multiplies the vendors' own limits.")
    ] = 1.0,
    latency: Annotated[float, typer.Option(min=0, help="Seconds added to every answer.")] = 0.0,
    seed: Annotated[
        int | None, typer.Option(help="Which invented people live in a new world.")
    ] = None,
    customers: Annotated[
        int,
        typer.Option(
            min=1,
            max=16,
            help="Customers of each vendor, each with credentials and a world of his own "
            "(GET /_sandbox/customers lists them).",
        ),
    ] = 1,
    hostile: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            help="Misbehave in every way that a PMS can, by a schedule that this number chooses "
            "(POST /_sandbox/hostility changes it while running).",
        ),
    ] = None,
    parent: ParentOption = None,
    ready_fd: ReadyOption = None,
) -> None:
    """Run the vendors' simulators alone: a pretended PMS for every vendor, at one address."""
    from frontdesk.sandbox.app import DEFAULT_SEED, SandboxOptions, run
    from frontdesk.sandbox.repository import WorldBusyError, WorldOutdatedError

    end_with(parent)
    settings = read_settings(data_dir)
    configure(level=settings.log_level, style=settings.log_format, process="sandbox")
    raise_open_files()

    def ready(url: str) -> None:
        report_ready(ready_fd, url=url)
        if ready_fd is None:
            answers().print(f"The simulators answer at {url} (what they hold: {url}/_sandbox)")

    options = SandboxOptions(
        throttle_factor=throttle_factor,
        seed=DEFAULT_SEED if seed is None else seed,
        latency_seconds=latency,
        customers=customers,
        hostile=hostile,
    )
    try:
        run(
            host=host,
            port=port,
            data_dir=sandbox_dir(data_dir_of(settings)),
            options=options,
            on_ready=ready,
        )
    except (WorldBusyError, WorldOutdatedError) as error:
        raise CommandFailed(str(error), code=SURROUNDINGS) from error
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def sandbox_dir(data_dir: Path) -> Path:
    """Where the simulators keep their worlds."""
    return data_dir / "sandbox"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, or CommandFailed that says what is in the way."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        # A start right after a stop: the old connections' remains must not hold the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What is accepted has the same. By itself the kernel would take megabytes for each who does not
        # read, and a thousand of them all the memory that it has for connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    listener.setblocking(False)
    return listener


@contextmanager
def metrics_listener(settings: Settings) -> Iterator[socket.socket | None]:
    """The socket on which this process shows its figures; None where it is to show none."""
    if settings.metrics_port is None:
        yield None
        return
    try:
        listener = listen(settings.metrics_host, settings.metrics_port)
    except CommandFailed as error:
        raise CommandFailed(
            f"FRONTDESK_METRICS_PORT: {error} Each process on a machine needs a port of its own.",
            code=SURROUNDINGS,
        ) from error
    with listener:
        _log.info("figures", url=f"{address_of(listener)}/metrics")
        yield listener


@contextmanager
def spans_of(settings: Settings, process: str) -> Iterator[None]:
    """Make spans in the block, if a collector is named."""
    try:
        check_available(settings)
    except TracesUnavailableError as error:
        raise CommandFailed(str(error), code=SURROUNDINGS) from error
    with tracing(settings, process):
        yield


def address_of(listener: socket.socket) -> str:
    """The URL under which a caller on this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared with, not bound to)
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a process's main coroutine on uvloop, where there is one."""
    try:
        import uvloop
    except ImportError:  # not built for every platform; the standard loop does as well
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def settle_garbage_collection() -> None:
    """Take what a process has loaded out of the garbage collector's sight.

    Called once everything is imported. A busy worker spent a quarter of its time on walking the same
    modules and classes again and again (measured); little of what a request makes is a cycle.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def quiet_signals() -> Iterator[None]:
    """SIGTERM and SIGINT do nothing by themselves in the block.

    uvicorn raises the signal that stopped it once more when it has drained, which would turn a
    clean stop into a death by signal.
    """
    before = {
        number: signal.signal(number, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _api(
    settings: Settings, listener: socket.socket, ready: Callable[[], None], *, migrated: bool
) -> None:
    from frontdesk.api import create_app
    from frontdesk.cli.api_server import ApiServer, bounds_of, configuration
    from frontdesk.metrics.listener import serving

    await wait_for_database(settings)
    loop = asyncio.get_running_loop()

    def drain() -> None:
        loop.call_soon_threadsafe(services.begin_drain)

    with quiet_signals(), spans_of(settings, "api"), metrics_listener(settings) as figures:
        async with (
            services_of(settings, "api", migrated=migrated) as services,
            serving(figures, services.database, settings.budget_factor),
        ):
            app = create_app(services)
            # Made now: whoever asked first would keep everybody waiting for it.
            app.openapi()
            config = configuration(
                app,
                settings.drain_seconds,
                settings.trusted_proxies,
                bounds_of(settings, connections_within(settings.connections)),
            )
            server = ApiServer(config, ready, drain)
            settle_garbage_collection()
            await server.serve(sockets=[listener])
            if not server.started:
                raise CommandFailed("The API did not start; its own message is above.")


async def _worker(settings: Settings, ready: Callable[[], None], *, migrated: bool) -> None:
    from frontdesk.metrics.listener import serving

    await wait_for_database(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask_to_stop, stop)
    with spans_of(settings, "worker"), metrics_listener(settings) as figures:
        async with (
            services_of(settings, "worker", migrated=migrated) as services,
            serving(figures, services.database, settings.budget_factor),
        ):
            await _work(services, stop, ready)


async def _work(services: "Services", stop: asyncio.Event, ready: Callable[[], None]) -> None:
    from frontdesk.delivery.worker import run_worker

    settle_garbage_collection()
    ready()
    # Side by side: what is told to callers must not wait for a PMS, nor the other way round.
    async with asyncio.TaskGroup() as group:
        group.create_task(run_worker(services, stop))
        group.create_task(services.webhooks.dispatch(stop))


def _ask_to_stop(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise SystemExit(1)
    stop.set()


def _cannot_listen(host: str, port: int, error: OSError) -> CommandFailed:
    return CommandFailed(
        f"Cannot listen on {host}:{port} ({error.strerror or error}). "
        "Choose another --port; 0 takes a free one.",
        code=SURROUNDINGS,
    )
