"""`serve`: API, worker and database in one command, and with `--sandbox` the simulators as well.

It holds no logic of the product: it keeps processes running, says when they are ready, and drains
them in an order in which nobody loses what he needs: API and worker, then sandbox, then database.
"""

import asyncio
import fcntl
import ipaddress
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from urllib.parse import urlsplit

import structlog
import typer

from frontdesk.accounts.service import AccountService
from frontdesk.cli.children import Child, Part, stop_all
from frontdesk.cli.environment import (
    DataDirOption,
    bring_up_to_date,
    data_dir_of,
    database_url,
    open_database,
    read_settings,
)
from frontdesk.cli.failure import SURROUNDINGS, CommandFailed
from frontdesk.cli.lifeline import ParentOption, end_with
from frontdesk.cli.open_files import raise_open_files
from frontdesk.cli.output import answers, progress_bar
from frontdesk.cli.private_files import TOKEN_FILE, write_whole
from frontdesk.cli.processes import DEFAULT_PORT, address_of, listen
from frontdesk.observability import configure
from frontdesk.settings import Settings

STATE_FILE = "serve.json"
"""In the data directory while `serve` runs: what the ready file says."""

_LOCK_FILE = "serve.lock"
_SANDBOX_PORT_FILE = "sandbox.port"
# What a part needs beyond its own drain, before it counts as hung.
_EXTRA_SECONDS = 5.0

if TYPE_CHECKING:
    from frontdesk.cli.sandboxed import Surroundings

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class _Stopped(Exception):  # noqa: N818 (somebody asked us to, which is no error)
    """The command was asked to stop while something else was awaited."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The options of `serve`."""

    sandbox: bool
    sandbox_url: str | None
    host: str
    port: int
    ready_file: Path | None
    api_processes: int
    workers: int
    hostile: int | None


def serve(
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run the vendors' simulators too, ready to try.")
    ] = False,
    sandbox_url: Annotated[
        str | None, typer.Option(help="The same against simulators that run already.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0: a free one.")
    ] = DEFAULT_PORT,
    data_dir: DataDirOption = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Written when requests are answered, removed at the end (JSON)."),
    ] = None,
    api_processes: Annotated[int, typer.Option(min=1, max=64, help="API processes.")] = 1,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Worker processes.")] = 1,
    hostile: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            help="With --sandbox: once all is set up, let the simulators misbehave by this schedule.",
        ),
    ] = None,
    parent: ParentOption = None,
) -> None:
    """Run API, worker and database in one command; with --sandbox, something to try them on."""
    end_with(parent)
    if sandbox and sandbox_url:
        raise CommandFailed("Give --sandbox or --sandbox-url, not both.", code=SURROUNDINGS)
    if hostile is not None and not sandbox:
        raise CommandFailed(
            "--hostile goes with --sandbox; a sandbox that runs already has its own.",
            code=SURROUNDINGS,
        )
    settings = read_settings(data_dir)
    configure(level=settings.log_level, style=settings.log_format, process="serve")
    raise_open_files()
    options = Serving(
        sandbox=sandbox,
        sandbox_url=sandbox_url.rstrip("/") if sandbox_url else None,
        host=host,
        port=port,
        ready_file=ready_file.absolute() if ready_file else None,
        api_processes=api_processes,
        workers=workers,
        hostile=hostile,
    )
    with _alone(data_dir_of(settings)):
        # Left behind by a kill: whoever looks at them would send requests to nobody.
        for stale in (data_dir_of(settings) / STATE_FILE, options.ready_file):
            if stale is not None:
                stale.unlink(missing_ok=True)
        # Not uvloop: the children must be spawned from the main thread, plainly.
        asyncio.run(_serve(settings, options))


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """One `serve` a data directory; the kernel frees the lock of a killed one."""
    lock = os.open(data_dir / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(
                f"Another serve runs on {data_dir}. Stop it, or pass another --data-dir.",
                code=SURROUNDINGS,
            ) from None
        yield
    finally:
        os.close(lock)


async def _serve(settings: Settings, options: Serving) -> None:
    stop = asyncio.Event()
    data_dir = data_dir_of(settings)
    children: list[Child] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _ask_to_stop, stop, children)
    patience = settings.drain_seconds + _EXTRA_SECONDS
    async with AsyncExitStack() as stack:
        try:
            url = await _unless(stop, stack.enter_async_context(database_url(settings)))
            sandbox_url = options.sandbox_url
            sandbox: Child | None = None
            if options.sandbox:
                sandbox = stack.enter_context(_kept(children, _sandbox_part(settings)))
                stack.push_async_callback(sandbox.stop, patience)
            await _unless(stop, bring_up_to_date(settings, url))
            listener = stack.enter_context(listen(options.host, options.port))
            parts = stack.enter_context(_all_kept(children, _parts(settings, options, listener)))
            stack.push_async_callback(stop_all, parts, patience)
            if sandbox is not None:
                sandbox_url = str((await _unless(stop, sandbox.ready()))["url"])
                # Integrations are set up in peace, whatever an earlier start asked for.
                await _unless(stop, _hostile(sandbox_url, None))
                _remember_port(data_dir, sandbox_url)
            for part in parts:
                await _unless(stop, part.ready())
            address = address_of(listener)
            surroundings = None
            if sandbox_url is not None:
                surroundings = await _unless(
                    stop, _surroundings(settings, url, address, sandbox_url)
                )
            if sandbox is not None and sandbox_url is not None and options.hostile is not None:
                await _unless(stop, _hostile(sandbox_url, options.hostile))
            async with _announced(data_dir, options, address, sandbox_url, surroundings):
                await stop.wait()
        except _Stopped:
            _log.info("stopped before it was ready")


def _parts(settings: Settings, options: Serving, listener: socket.socket) -> list[Part]:
    environment = {"FRONTDESK_ALLOWED_ADDRESSES": _allowed(settings, options)}
    where = ("--data-dir", str(settings.data_dir))

    def with_port(place: int) -> dict[str, str]:
        # One address shows the figures of one process.
        if not settings.metrics_port:
            return environment
        return {**environment, "FRONTDESK_METRICS_PORT": str(settings.metrics_port + place)}

    apis = [
        Part(
            name=f"api {number + 1}" if options.api_processes > 1 else "api",
            arguments=("api", *where, "--listen-fd", str(listener.fileno())),
            environment=with_port(number),
            descriptors=(listener.fileno(),),
        )
        for number in range(options.api_processes)
    ]
    workers = [
        Part(
            name=f"worker {number + 1}" if options.workers > 1 else "worker",
            arguments=("worker", *where),
            environment=with_port(options.api_processes + number),
        )
        for number in range(options.workers)
    ]
    return [*apis, *workers]


def _sandbox_part(settings: Settings) -> Part:
    data_dir = data_dir_of(settings)
    port = _free_or_any(_remembered_port(data_dir))
    # Chosen here, so that the sandbox comes back at the same address if it dies: the integrations
    # know it by that.
    return Part(
        name="sandbox",
        arguments=(
            "sandbox",
            *("--port", str(port)),
            *("--data-dir", str(data_dir)),
            *("--throttle-factor", str(settings.budget_factor)),
        ),
    )


@contextmanager
def _kept(children: list[Child], part: Part) -> Iterator[Child]:
    with _all_kept(children, [part]) as kept:
        yield kept[0]


@contextmanager
def _all_kept(children: list[Child], parts: list[Part]) -> Iterator[list[Child]]:
    """Start these parts. Draining them is awaited elsewhere; here is the last resort."""
    kept = [Child(part) for part in parts]
    children.extend(kept)
    try:
        yield kept
    finally:
        for child in kept:
            child.kill()


async def _surroundings(
    settings: Settings, database: str, address: str, sandbox_url: str
) -> "Surroundings":
    # Late: the children start while this imports the HTTP client.
    from frontdesk.cli.sandboxed import set_up, token_of

    async with open_database(settings, database) as pool:
        token = await token_of(AccountService(pool), data_dir_of(settings))
    with progress_bar() as bar:
        return await set_up(address, sandbox_url, token, bar)


async def _hostile(sandbox_url: str, seed: int | None) -> None:
    from frontdesk.cli.sandboxed import make_hostile

    await make_hostile(sandbox_url, seed)


@asynccontextmanager
async def _announced(
    data_dir: Path,
    options: Serving,
    address: str,
    sandbox_url: str | None,
    surroundings: "Surroundings | None",
) -> AsyncIterator[None]:
    """Say that it is ready, to people and in the files; take the files away at the end."""
    news = {
        "url": address,
        "token": surroundings.token if surroundings else None,
        "sandbox_url": sandbox_url,
        "integrations": dict(surroundings.integrations) if surroundings else {},
    }
    files = [data_dir / STATE_FILE]
    if options.ready_file is not None:
        files.append(options.ready_file)
    try:
        for path in files:
            write_whole(path, json.dumps(news) + "\n")
        _tell(address, sandbox_url, surroundings, data_dir)
        yield
    finally:
        # First of all that ends: whoever finds the file may send requests.
        for path in files:
            path.unlink(missing_ok=True)


def _tell(
    address: str, sandbox_url: str | None, surroundings: "Surroundings | None", data_dir: Path
) -> None:
    out = answers()
    out.print(f"Frontdesk answers at {address} (documentation: {address}/docs)")
    if surroundings is None or sandbox_url is None:
        out.print("Make an account: frontdesk account create; a token: frontdesk token create")
        return
    out.print(f"The simulators answer at {sandbox_url} (what they hold: {sandbox_url}/_sandbox)")
    for vendor, integration_id in surroundings.integrations.items():
        out.print(f"  {vendor:<16} integration {integration_id}")
    out.print(f"The token lies in {data_dir / TOKEN_FILE}. Ctrl-C stops.")


def _ask_to_stop(stop: asyncio.Event, children: list[Child]) -> None:
    if stop.is_set():
        # Asked twice: somebody is in a hurry, and nothing is lost by it.
        for child in children:
            child.kill()
    stop.set()


async def _unless(stop: asyncio.Event, awaited: Awaitable[T]) -> T:
    """What `awaited` gives, or `_Stopped` if the command is asked to stop before."""
    task = asyncio.ensure_future(awaited)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise _Stopped
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _allowed(settings: Settings, options: Serving) -> str:
    """The address ranges that integrations may reach: those that are set, and the sandbox's."""
    ranges = [settings.allowed_addresses] if settings.allowed_addresses else []
    if options.sandbox:
        ranges.append("127.0.0.0/8")
    if options.sandbox_url is not None:
        host = urlsplit(options.sandbox_url).hostname or ""
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
        except OSError as error:
            raise CommandFailed(
                f"The host of --sandbox-url {options.sandbox_url} is not known ({error}).",
                code=SURROUNDINGS,
            ) from error
        ranges.extend(str(ipaddress.ip_network(address)) for address in sorted(found))
    return ",".join(ranges)


def _remembered_port(data_dir: Path) -> int:
    path = data_dir / _SANDBOX_PORT_FILE
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text.isdecimal() and int(text) < 65536 else 0


def _remember_port(data_dir: Path, sandbox_url: str) -> None:
    write_whole(data_dir / _SANDBOX_PORT_FILE, f"{urlsplit(sandbox_url).port}\n")


def _free_or_any(port: int) -> int:
    """The port if nobody has it, else another that is free at this moment."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise CommandFailed("This machine has no free port.", code=SURROUNDINGS)
