"""All SQL of the sandbox: one SQLite file that holds the world and the effects.

A commit reaches the operating system before the call returns, so a killed process loses nothing
that it answered for. A machine that loses power may lose the last moments: the sandbox refuses to
pay for a disk flush on every simulated note.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE world (
  vendor TEXT PRIMARY KEY,
  seed INTEGER NOT NULL,
  anchor TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE record (
  vendor TEXT NOT NULL,
  collection TEXT NOT NULL,
  number INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  hidden_until REAL NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (vendor, collection, number)
) WITHOUT ROWID;
CREATE TABLE effect (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  vendor TEXT NOT NULL,
  written_at TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX effect_by_time ON effect (written_at);
"""

# What version 1 had not; a world of that version is kept.
SCHEMA_SINCE_1 = """
CREATE TABLE setting (
  name TEXT PRIMARY KEY,
  body TEXT NOT NULL
) WITHOUT ROWID
"""

# `json.dumps` makes one for every call that asks for anything but its defaults.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class WorldBusyError(RuntimeError):
    """Another process has this data directory's world open."""


class WorldOutdatedError(RuntimeError):
    """The world on disk was written by another version of the sandbox."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of one collection. `vendor` names the world, which is the vendor's code for its
    first customer. `hidden_until` is Unix time; 0 means seen by all at once."""

    vendor: str
    collection: str
    number: int
    parent: int
    hidden_until: float
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One effect. `written_at` is ISO 8601 UTC with microseconds: text order is time order."""

    vendor: str
    written_at: str
    body: dict[str, Any]


class Repository:
    """The open file. Only one process may hold it: what it caches would be wrong otherwise."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=3.0)
        try:
            self._open(path)
        except BaseException:
            self._connection.close()
            raise

    def _open(self, path: Path) -> None:
        try:
            # Exclusive locking makes a second process fail here instead of answering from a stale
            # cache, and the lock ends with the process, however it ends.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise WorldBusyError(
                f"{path} is in use by another sandbox; stop it, or choose another data directory"
            ) from error
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        missing = {0: SCHEMA + SCHEMA_SINCE_1, 1: SCHEMA_SINCE_1}.get(version)
        if missing is not None:
            for statement in missing.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            self._connection.execute("ROLLBACK")
            raise WorldOutdatedError(f"{path} is of another version; delete it to seed a new world")
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def worlds(self) -> dict[str, tuple[int, str]]:
        """World (a vendor's code, and which further customer) to (seed, ISO date of its seeding)."""
        rows = self._connection.execute("SELECT vendor, seed, anchor FROM world")
        return {vendor: (seed, anchor) for vendor, seed, anchor in rows}

    def records(self, vendor: str) -> Iterator[Row]:
        """Every record of a world, by collection and number."""
        rows = self._connection.execute(
            "SELECT vendor, collection, number, parent, hidden_until, body FROM record"
            " WHERE vendor = ? ORDER BY collection, number",
            (vendor,),
        )
        for vendor_, collection, number, parent, hidden_until, body in rows:
            yield Row(vendor_, collection, number, parent, hidden_until, json.loads(body))

    def write(
        self,
        records: Iterable[tuple[Row, str]],
        effects: Iterable[EffectRow],
        world: tuple[str, int, str] | None = None,
    ) -> None:
        """Store records (new, or in place of their old selves), each with its body `as_text`, and
        effects, or nothing."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "INSERT INTO record (vendor, collection, number, parent, hidden_until, body)"
                " VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (vendor, collection, number) DO UPDATE SET"
                " parent = excluded.parent, hidden_until = excluded.hidden_until,"
                " body = excluded.body",
                [
                    (r.vendor, r.collection, r.number, r.parent, r.hidden_until, text)
                    for r, text in records
                ],
            )
            connection.executemany(
                "INSERT INTO effect (vendor, written_at, body) VALUES (?, ?, ?)",
                [(e.vendor, e.written_at, as_text(e.body)) for e in effects],
            )
            if world is not None:
                connection.execute(
                    "INSERT INTO world (vendor, seed, anchor) VALUES (?, ?, ?)", world
                )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def effects(
        self, *, vendor: str | None = None, after: int = 0, since: str = ""
    ) -> list[dict[str, Any]]:
        """Effects in the order of writing, each with its `sequence`.

        `after` keeps those with a greater sequence, `since` those written at that time or later.
        """
        rows = self._connection.execute(
            "SELECT sequence, body FROM effect"
            " WHERE sequence > ? AND written_at >= ? AND (? IS NULL OR vendor = ?)"
            " ORDER BY sequence",
            (after, since, vendor, vendor),
        )
        return [{"sequence": sequence, **json.loads(body)} for sequence, body in rows]

    def setting(self, name: str) -> dict[str, Any] | None:
        """What was kept under a name, or None."""
        row = self._connection.execute(
            "SELECT body FROM setting WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def keep(self, name: str, body: dict[str, Any] | None) -> None:
        """Keep something under a name, in place of what was there; None forgets it."""
        if body is None:
            self._connection.execute("DELETE FROM setting WHERE name = ?", (name,))
            return
        self._connection.execute(
            "INSERT INTO setting (name, body) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            (name, as_text(body)),
        )

    def clear(self) -> None:
        """Forget every world and every effect; settings stay, and sequences go on, so that no old one comes again."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for table in ("record", "effect", "world"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 (three literals)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise


def as_text(body: dict[str, Any]) -> str:
    """A body as it is stored."""
    return _ENCODER.encode(body)
