"""`keys`: make the key that encrypts, and let another take its place while everything serves.

No key is shown but by `keys new`; everywhere else it is called by its fingerprint.
"""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from frontdesk.cli.environment import DataDirOption, data_dir_of, read_settings, services_of
from frontdesk.cli.failure import FAILED, SURROUNDINGS, CommandFailed
from frontdesk.cli.output import (
    JsonOption,
    answers,
    asides,
    print_json,
    print_table,
    progress_bar,
)
from frontdesk.observability import configure
from frontdesk.settings import Settings
from frontdesk.vault import KeyInUseError, KeyState, Rotation, key_file_of, new_key
from frontdesk.vault.keys import add_key

keys_commands = typer.Typer(help="The keys that encrypt credentials.", no_args_is_help=True)


@keys_commands.callback()
def _logged_aside() -> None:
    """A key that is read again is logged: beside the answer, never in it."""
    configure(level="warning", process="command")


_BY_RESTART = (
    "The keys stand in FRONTDESK_ENCRYPTION_KEY, which no command can change. Make one with "
    "`frontdesk keys new` and restart the processes one after the other, first with `OLD,NEW`, then "
    "with `NEW,OLD`; then `frontdesk keys rotate` and `frontdesk keys drop`, and at last restart "
    "them with `NEW` alone."
)


@keys_commands.command("new")
def print_new_key() -> None:
    """Print a fresh key: for FRONTDESK_ENCRYPTION_KEY, or a file with mode 0600."""
    typer.echo(new_key())


@keys_commands.command("list")
def list_keys(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the keys by their fingerprints: which are here, which seals, which the database knows."""

    async def every() -> list[KeyState]:
        async with services_of(read_settings(data_dir)) as services:
            return await services.keys.state()

    states = asyncio.run(every())
    if as_json:
        print_json([asdict(state) for state in states])
        return
    print_table(
        ("fingerprint", "here", "seals", "in use", "dropped"),
        (
            (
                s.fingerprint,
                *("yes" if is_so else "no" for is_so in (s.here, s.seals, s.known)),
                "yes" if s.dropped else "no",
            )
            for s in states
        ),
    )


@keys_commands.command("add")
def add(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Add a fresh key to the key file. Every process that reads the file can open with it from then
    on; it seals nothing before `keys rotate`."""
    settings = read_settings(data_dir)
    file = _key_file(settings)
    key = add_key(file)
    if as_json:
        print_json({"fingerprint": key.fingerprint, "file": str(file)})
        return
    answers().print(f"Added the key {key.fingerprint} to {file}.")
    asides().print(
        "Copy the file to every other machine that has one of its own, and keep a copy apart from "
        "the backups; then: frontdesk keys rotate"
    )


@keys_commands.command("rotate")
def rotate(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Let the newest key seal, and encrypt everything anew with it, while everything serves. Safe to
    break off and to repeat."""

    async def run() -> Rotation:
        async with services_of(read_settings(data_dir)) as services:
            with progress_bar() as bar:
                task = bar.add_task("Sealing anew", total=None)

                def show(done: int, total: int, column: str) -> None:
                    bar.update(task, completed=done, total=total, description=f"Sealing: {column}")

                return await services.keys.rotate(show)

    try:
        rotation = asyncio.run(run())
    except KeyInUseError as error:
        raise CommandFailed(str(error), code=SURROUNDINGS) from error
    if as_json:
        print_json(asdict(rotation))
    else:
        rows = [
            (name, rotation.resealed.get(name, 0), rotation.unreadable.get(name, 0))
            for name in sorted({*rotation.resealed, *rotation.unreadable})
        ]
        print_table(("values", "encrypted anew", "unreadable"), rows)
        answers().print(f"Everything readable is encrypted with {rotation.fingerprint}.")
    if rotation.unreadable:
        raise CommandFailed(
            "Some values open with no key that is here; enter those credentials anew.", code=FAILED
        )


@keys_commands.command("drop")
def drop(
    fingerprint: Annotated[str, typer.Argument(help="The key's fingerprint; see `keys list`.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget a key by which nothing is encrypted any more, and take it out of the key file. Keep a
    copy for as long as there are backups from its time."""

    async def run() -> tuple[str, Path | None]:
        async with services_of(read_settings(data_dir)) as services:
            found = [
                state.fingerprint
                for state in await services.keys.state()
                if state.fingerprint.startswith(fingerprint) and fingerprint
            ]
            if len(found) != 1:
                raise KeyInUseError("There is no such key; see `frontdesk keys list`.")
            await services.keys.drop(found[0])
            return found[0], services.vault.ring.file

    try:
        dropped, file = asyncio.run(run())
    except KeyInUseError as error:
        raise CommandFailed(str(error), code=FAILED) from error
    if as_json:
        print_json({"fingerprint": dropped, "file": None if file is None else str(file)})
        return
    answers().print(f"Dropped the key {dropped}.")
    if file is None:
        asides().print("Take it out of FRONTDESK_ENCRYPTION_KEY, and restart the processes.")


def _key_file(settings: Settings) -> Path:
    embedded = settings.database_url is None
    file = key_file_of(
        settings.model_copy(update={"data_dir": data_dir_of(settings)}), embedded=embedded
    )
    if file is None:
        none = "There is no key yet: make one with `frontdesk keys new`."
        raise CommandFailed(
            none if settings.encryption_key is None else _BY_RESTART, code=SURROUNDINGS
        )
    return file


__all__ = ["keys_commands"]
