"""A command's surroundings: settings, data directory, database, services.

A command attaches to the embedded server of its data directory, or starts it for its own
duration; with `DATABASE_URL` it starts nothing. It refuses to guess: a setting that cannot be read
ends the command before anything is touched.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import asyncpg
import structlog
import typer
from pydantic import ValidationError

from frontdesk.cli.failure import SURROUNDINGS, CommandFailed
from frontdesk.cli.output import progress_bar
from frontdesk.database.diagnosis import server_version
from frontdesk.database.embedded import attach_or_start
from frontdesk.database.migrate import current_version, migrate, pending
from frontdesk.database.pool import Database, DatabaseUnavailable
from frontdesk.database.releases import previous_release
from frontdesk.observability import mask_text
from frontdesk.settings import Settings

if TYPE_CHECKING:
    from frontdesk.application import Services

log = structlog.get_logger(__name__)

_LOOK_AGAIN_SECONDS = 1.0

Role = Literal["api", "worker", "command"]

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the embedded server, keys and token.",
        show_default="/var/lib/frontdesk as root, else ~/.local/share/frontdesk",
    ),
]


def default_data_dir() -> Path:
    """Where data lies if nobody says."""
    if os.geteuid() == 0:
        return Path("/var/lib/frontdesk")
    return Path.home() / ".local" / "share" / "frontdesk"


def read_settings(data_dir: Path | None = None) -> Settings:
    """The settings of this process, their data directory decided: option, setting, default.

    Raises CommandFailed that names every setting that cannot be read, without its value.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"{variable_name(str(issue['loc'][0]))}: {issue['msg']}" for issue in error.errors()
        )
        raise CommandFailed(f"A setting cannot be used. {wrong}", code=SURROUNDINGS) from None
    if settings.database_url is not None and not settings.database_url.get_secret_value().strip():
        # Neither way of reading it is safe to guess: a deployment whose secret did not arrive would
        # start on an empty database of its own.
        raise CommandFailed(
            "DATABASE_URL is set, but empty: name a database, or unset it for the embedded one.",
            code=SURROUNDINGS,
        )
    chosen = data_dir or settings.data_dir or default_data_dir()
    return settings.model_copy(update={"data_dir": chosen.expanduser().absolute()})


def variable_name(field: str) -> str:
    """The environment variable of a setting, by its field (or the alias that an error names)."""
    known = Settings.model_fields.get(field)
    if known is not None and isinstance(known.validation_alias, str):
        return known.validation_alias
    return field if known is None else f"FRONTDESK_{field.upper()}"


def data_dir_of(settings: Settings) -> Path:
    """The data directory that `read_settings` decided, made if it is not there."""
    chosen = settings.data_dir or default_data_dir()
    try:
        # Others may pass through (never list) as root, or the account that PostgreSQL runs as
        # could not reach its own folder inside.
        chosen.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(
            f"The data directory {chosen} cannot be made ({error.strerror}). "
            "Pass --data-dir with a directory that this user may write to.",
            code=SURROUNDINGS,
        ) from error
    return chosen


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """The URL of the database: the one that is set, or the embedded server's while it is needed."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    async with await attach_or_start(data_dir_of(settings)) as server:
        yield server.url


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what a database refuses about its URL into words; the password is in none of them."""
    try:
        yield
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.ClientConfigurationError,
        OSError,
        ValueError,
    ) as error:
        raise CommandFailed(
            f"The database of DATABASE_URL cannot be used: {mask_text(str(error))}",
            code=SURROUNDINGS,
        ) from None


@asynccontextmanager
async def open_database(settings: Settings, url: str) -> AsyncIterator[Database]:
    """A small pool for a command's own statements."""
    with _explained():
        database = await Database.connect(
            url,
            minimum=1,
            maximum=2,
            pooler=settings.database_pooler == "transaction",
            application_name="frontdesk command",
            command_timeout=settings.database_patience_seconds,
        )
    try:
        yield database
    finally:
        await database.close()


async def bring_up_to_date(settings: Settings, url: str) -> list[str]:
    """Apply the migrations that are missing, with a progress bar; gives their names.

    Safe while other processes do the same: one of them applies, the others wait.
    """
    async with open_database(settings, url) as database:
        with progress_bar() as bar:
            task = bar.add_task("Migrating the database", total=None)

            def show(done: int, total: int, name: str) -> None:
                bar.update(task, completed=done, total=total, description=f"Migrating: {name}")

            return await migrate(database, show)


async def wait_for_database(settings: Settings) -> None:
    """Wait for a database that is away, as long as the settings say: a machine that comes up starts
    everything at once, and a failover takes some seconds. Raises DatabaseUnavailable after that. What a
    database that is there refuses (a password, a name) is not waited for, and the embedded server is no
    such database. To be called before signals are taken over: until then one simply ends the process."""
    if settings.database_url is None:
        return
    url = settings.database_url.get_secret_value()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.database_start_seconds
    while True:
        try:
            async with open_database(settings, url) as database:
                # Asked, not only connected to: a pooler takes connections while its database is away.
                await server_version(database)
        except DatabaseUnavailable as error:
            left = deadline - loop.time()
            if left <= 0:
                raise
            log.warning(
                "database_unavailable",
                doing="start",
                reason=mask_text(str(error)),
                seconds_left=round(left),
            )
            await asyncio.sleep(min(_LOOK_AGAIN_SECONDS, left))
        else:
            return


async def _check_schema(settings: Settings, url: str, role: Role) -> None:
    async with open_database(settings, url) as database:
        version, missing = await current_version(database), await pending(database)
    oldest = previous_release().schema_version
    if version < oldest:
        raise CommandFailed(
            f"The database's schema (version {version}) is older than that of the previous release "
            f"({oldest}). Run: frontdesk migrate",
            code=SURROUNDINGS,
        )
    # A command's output is its answer; `doctor` says it there.
    if missing and role != "command":
        log.warning("migrations_pending", version=version, pending=missing)


@asynccontextmanager
async def services_of(
    settings: Settings, role: Role = "command", *, migrated: bool = True
) -> "AsyncIterator[Services]":
    """The product's services, on a database whose schema is up to date, or at least that of the
    previous release where the operator migrates by himself (`migrate_on_start`). Raises CommandFailed
    where it is older.

    `migrated` brings the schema up to date first (the embedded server always is: nobody else would
    do it).
    """
    # Late: half a second of imports, which `--help` and `keys new` have no use for.
    from frontdesk.application import open_services

    async with database_url(settings) as url:
        if settings.database_url is None or (migrated and settings.migrate_on_start):
            await bring_up_to_date(settings, url)
        else:
            await _check_schema(settings, url, role)
        with _explained():
            services = await open_services(settings, url, role=role)
        try:
            yield services
        finally:
            await services.close()
