"""The command line's table of contents, and the one place where a failure becomes an exit code.

What nobody expected keeps its traceback and exits with 1; what was foreseen is one sentence.
"""

import getpass
import os
import socket
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from frontdesk.audit.actor import COMMAND_LINE, Actor, acting_as
from frontdesk.cli.accounts import account_commands, token_commands
from frontdesk.cli.audit import audit
from frontdesk.cli.demo import demo
from frontdesk.cli.doctor import doctor
from frontdesk.cli.erase import erase
from frontdesk.cli.failure import FAILED, SURROUNDINGS, CommandFailed
from frontdesk.cli.keys import keys_commands
from frontdesk.cli.new_vendor.command import new_vendor
from frontdesk.cli.output import asides
from frontdesk.cli.processes import api, sandbox, worker
from frontdesk.cli.purge import purge
from frontdesk.cli.restored import restored
from frontdesk.cli.serve import serve
from frontdesk.cli.upgrade import upgrade_database
from frontdesk.cli.upkeep import migrate, show_settings
from frontdesk.cli.vendors import vendors
from frontdesk.database.embedded import EmbeddedServerError
from frontdesk.database.migrate import MigrationError
from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.observability import mask_text
from frontdesk.vault import EncryptionKeyError
from frontdesk.vendors.templates import BadTemplateError

app = typer.Typer(
    name="frontdesk",
    help="Resident events into property management systems: once, in order, or told why not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(demo)
app.command()(api)
app.command()(worker)
app.command()(sandbox)
app.command()(migrate)
app.add_typer(account_commands, name="account")
app.add_typer(token_commands, name="token")
app.add_typer(keys_commands, name="keys")
app.command()(upgrade_database)
app.command("settings")(show_settings)
app.command()(audit)
app.command()(purge)
app.command()(erase)
app.command()(restored)
app.command()(doctor)
app.command()(vendors)
app.command()(new_vendor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("frontdesk"))
        raise typer.Exit


@app.callback()
def _everywhere(
    show_version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print it and end."),
    ] = False,
) -> None:
    del show_version


def run(arguments: list[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    try:
        with acting_as(Actor(COMMAND_LINE, _operator())):
            app(args=arguments)
    except SystemExit as ended:
        # Typer's way to end: 0, the code of `typer.Exit`, 1 for Ctrl-C, 2 for a wrong usage.
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except CommandFailed as error:
        return _failed(error, error.code)
    except (
        BadTemplateError,
        EmbeddedServerError,
        DatabaseUnavailable,
        MigrationError,
        EncryptionKeyError,
    ) as error:
        return _failed(error, SURROUNDINGS)
    except BrokenPipeError:
        # Whoever read our answer has had enough; that is his right, and no traceback's business.
        sys.stderr.close()
        return FAILED
    return 0


def _operator() -> str:
    """Who is logged in, on which machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def _failed(error: Exception, code: int) -> int:
    asides().print(f"frontdesk: {mask_text(str(error))}", markup=False)
    return code
