"""`doctor`: looks at database, migrations, clock, keys and templates, and says what to do about each.

It changes nothing: no migration is applied, no key is made, no row is written. An embedded server
that does not run is started for the moment; one that was never made is not made here.
"""

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from frontdesk.cli.environment import (
    DataDirOption,
    data_dir_of,
    database_url,
    open_database,
    read_settings,
)
from frontdesk.cli.failure import FAILED, CommandFailed
from frontdesk.cli.output import JsonOption, answers, print_json, print_table
from frontdesk.cli.private_files import TOKEN_FILE
from frontdesk.database.binaries import BinariesMissingError, find_binaries
from frontdesk.database.diagnosis import durability, server_clock, server_version
from frontdesk.database.embedded import EmbeddedServerError
from frontdesk.database.migrate import MigrationError, current_version, pending
from frontdesk.database.pool import Database, DatabaseUnavailable
from frontdesk.database.upgrade import major_of
from frontdesk.settings import Settings
from frontdesk.vault import KEY_FILE, EncryptionKeyError, Vault, VaultService, load_keys
from frontdesk.vendors import templates
from frontdesk.vendors.registry import vendors

OLDEST_POSTGRES = 15
CLUSTER = "postgres"
"""The embedded server's folder in the data directory."""

# Beyond this, `send_before` and vendors' stamps would be judged wrongly.
MOST_SKEW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is empty where all is well."""

    subject: str
    ok: bool
    found: str
    advice: str = ""


def doctor(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Look at database, migrations, clock, keys and templates, and say what to do. Exit code 1 if
    not all is well."""
    findings = asyncio.run(_findings(read_settings(data_dir)))
    well = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": well, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(
            ("", "subject", "found", "what to do"),
            (("ok" if f.ok else "FAIL", f.subject, f.found, f.advice) for f in findings),
        )
        answers().print("All is well." if well else "Not all is well.")
    if not well:
        raise typer.Exit(FAILED)


async def _findings(settings: Settings) -> list[Finding]:
    findings = [finding async for finding in _of_database(settings)]
    findings.extend(_of_files(data_dir_of(settings)))
    if settings.templates_dir is not None:
        findings.extend(_of_templates(settings.templates_dir))
    return findings


async def _of_database(settings: Settings) -> AsyncIterator[Finding]:
    where = "embedded server" if settings.database_url is None else "DATABASE_URL"
    if settings.database_url is None and not (data_dir_of(settings) / CLUSTER).exists():
        yield Finding("database", ok=True, found="none yet; serve makes one on its first start")
        yield _key_alone(settings)
        return
    if settings.database_url is None and (refusal := _unopenable(data_dir_of(settings) / CLUSTER)):
        yield refusal
        yield _key_alone(settings)
        return
    try:
        async with database_url(settings) as url, open_database(settings, url) as database:
            yield await _version(database, where)
            yield await _durability(database)
            yield await _migrations(database)
            yield await _clock(database)
            yield await _keys(settings, database)
    except (EmbeddedServerError, DatabaseUnavailable, CommandFailed) as error:
        advice = (
            "See postgres.log in the data directory."
            if settings.database_url is None
            else "Check the URL, the server and the network between; the password is not shown."
        )
        yield Finding("database", ok=False, found=f"{where}: {error}", advice=advice)
        yield _key_alone(settings)


def _unopenable(cluster: Path) -> Finding | None:
    """What is said of data that no PostgreSQL here can open."""
    major = major_of(cluster)
    if major is None:
        return None
    try:
        find_binaries(major)
    except BinariesMissingError as error:
        return Finding(
            "database",
            ok=False,
            found=f"embedded server: data of PostgreSQL {major}, which is not here",
            advice=str(error),
        )
    return None


async def _version(database: Database, where: str) -> Finding:
    version = await server_version(database)
    if version // 10_000 < OLDEST_POSTGRES:
        return Finding(
            "database",
            ok=False,
            found=f"{where}: PostgreSQL {version // 10_000}",
            advice=f"Upgrade to PostgreSQL {OLDEST_POSTGRES} or later.",
        )
    found = f"{where}: PostgreSQL {version // 10_000}.{version % 10_000}"
    return Finding("database", ok=True, found=found)


async def _durability(database: Database) -> Finding:
    level, standbys = await durability(database)
    if level == "off":
        return Finding(
            "durability",
            ok=False,
            found="synchronous_commit is off: a crash of the server takes back what was accepted",
            advice="Set it to on, for this database and role too (ALTER ROLE … RESET …).",
        )
    if standbys and level in ("local", "remote_write"):
        return Finding(
            "durability",
            ok=False,
            found=f"synchronous_commit is {level}: a failover may take back what was accepted",
            advice="Set it to on, so that a commit waits until a standby has it on disk.",
        )
    found = f"on disk here, and at standbys: {standbys}" if standbys else "on disk of this server"
    return Finding("durability", ok=True, found=f"a commit is {found}")


async def _migrations(database: Database) -> Finding:
    try:
        missing = await pending(database)
    except MigrationError as error:
        return Finding(
            "migrations",
            ok=False,
            found=str(error),
            advice="Start the version of Frontdesk that this database belongs to.",
        )
    if missing:
        return Finding(
            "migrations",
            ok=False,
            found=f"{len(missing)} pending: {', '.join(missing)}",
            advice="Run: frontdesk migrate (serve does it by itself)",
        )
    return Finding(
        "migrations", ok=True, found=f"current (version {await current_version(database)})"
    )


async def _clock(database: Database) -> Finding:
    before = time.time()
    theirs = await server_clock(database)
    after = time.time()
    # The answer was made at some instant between the two; only what lies outside is skew.
    skew = max(before - theirs, theirs - after, 0.0)
    if skew > MOST_SKEW_SECONDS:
        return Finding(
            "clock",
            ok=False,
            found=f"{skew:.1f} s apart from the database's",
            advice="Let both machines keep time by NTP (timedatectl set-ntp true).",
        )
    return Finding("clock", ok=True, found=f"within {max(skew, 0.001):.3f} s of the database's")


async def _keys(settings: Settings, database: Database) -> Finding:
    mine = _key_alone(settings)
    if not mine.ok:
        return mine
    keys = VaultService(database, _vault(settings))
    states = await keys.state()
    missing = [state.fingerprint for state in states if state.known and not state.here]
    if missing:
        return Finding(
            "keys",
            ok=False,
            found=f"this database also needs {', '.join(missing)}; here: {mine.found}",
            advice="Start with the key that the stored credentials were encrypted with; several may "
            "be in use at once (frontdesk keys list).",
        )
    if states[0].dropped:
        return Finding(
            "keys",
            ok=False,
            found=f"{states[0].fingerprint} seals, and was dropped from this database",
            advice="Put the key first that took its place (frontdesk keys list).",
        )
    return await _rotation(mine, keys, [s.fingerprint for s in states if s.here and not s.seals])


async def _rotation(mine: Finding, keys: VaultService, others: list[str]) -> Finding:
    """How far the change from one key to another has come, where one is under way."""
    if not others:
        return mine
    left = sum((await keys.left()).values())
    advice = (
        "Run: frontdesk keys rotate"
        if left
        else f"When every process has the new key: frontdesk keys drop {others[-1]}"
    )
    found = f"{mine.found}; {left} values are not encrypted with the first"
    return Finding("keys", ok=True, found=found, advice=advice)


def _key_alone(settings: Settings) -> Finding:
    """Whether there is a key at all; the embedded server's is made on its first start, not here."""
    made_on_start = (
        settings.database_url is None
        and settings.encryption_key is None
        and settings.encryption_key_file is None
        and not (data_dir_of(settings) / KEY_FILE).exists()
    )
    if made_on_start:
        return Finding("keys", ok=True, found="none yet; serve makes one on its first start")
    try:
        vault = _vault(settings)
    except EncryptionKeyError as error:
        return Finding("keys", ok=False, found="no usable key", advice=str(error))
    return Finding("keys", ok=True, found=f"fingerprint {', '.join(vault.fingerprints)}")


def _vault(settings: Settings) -> Vault:
    embedded = settings.database_url is None
    return Vault(load_keys(settings, settings.data_dir, embedded=embedded))


def _of_files(data_dir: Path) -> list[Finding]:
    """Files that hold a secret must be their owner's alone."""
    findings = []
    for name in (KEY_FILE, TOKEN_FILE):
        path = data_dir / name
        if not path.exists():
            continue
        status = path.stat()
        private = stat.S_IMODE(status.st_mode) & 0o077 == 0 and status.st_uid == os.geteuid()
        findings.append(
            Finding(
                f"file {name}",
                ok=private,
                found=f"mode {stat.S_IMODE(status.st_mode):04o}, uid {status.st_uid}",
                advice="" if private else f"Run: chmod 600 {path}; and think who has read it.",
            )
        )
    return findings


def _of_templates(folder: Path) -> Iterator[Finding]:
    """The operator's own vendor templates: each is tried, and none may be there for nothing."""
    if not folder.is_dir():
        yield Finding(
            "templates",
            ok=False,
            found=f"{folder} is no folder, so nothing is replaced",
            advice="Make it, or unset FRONTDESK_TEMPLATES_DIR.",
        )
        return
    known: set[Path] = set()
    templates.use_folder(folder)
    for code, vendor in vendors().items():
        for template in vendor.declaration.templates:
            own = templates.replacement(folder, code, template.file)
            if own is None:
                continue
            known.add(own)
            try:
                templates.check(code, template)
            except templates.BadTemplateError as error:
                yield Finding(
                    f"template {own.relative_to(folder)}",
                    ok=False,
                    found=str(error),
                    advice="Put it right or take it away: no process starts with it.",
                )
    # A misspelt name would leave the packaged file in use, and nobody would notice.
    idle = sorted(path for path in folder.rglob("*") if path.is_file() and path not in known)
    for path in idle:
        yield Finding(
            f"template {path.relative_to(folder)}",
            ok=False,
            found="replaces nothing",
            advice="See: frontdesk vendors --templates",
        )
    yield Finding("templates", ok=True, found=f"{len(known)} in use from {folder}")
