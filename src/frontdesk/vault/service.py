"""The keys of a database: that every process has those it needs, and how one takes another's place.

A key is *known* to the database from the moment it may have sealed something. A process must have
every known key, or it could not open what others seal; one more does no harm. That is what lets a new
key come in while everything serves: first every process can open with it, then it seals, then
nothing is left that the old one has sealed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import orjson

from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Connection, Database, Record
from frontdesk.vault.keys import EncryptionKeyError, KeyMismatch, promote_key, remove_key
from frontdesk.vault.repository import Change, RowKey, SealedColumn, VaultRepository
from frontdesk.vault.sealing import (
    UNNAMED,
    UnreadableError,
    Vault,
    head_of,
    is_sealed_text,
    mark_of_head,
)
from frontdesk.vault.texts import each_string

PORTION = 200
"""Most rows that are looked at, and sealed anew, in one statement."""

MOST_PASSES = 10
_PAUSE_SECONDS = 0.2
"""Until whoever held a row that we had to pass over has let it go."""

_SCOPE_KEY = "scope key"
_DISPOSABLE = ("token",)
"""What a login makes again: a value that no key opens is thrown away."""

Progress = Callable[[int, int, str], None]
"""(done, of how many, in which column)."""


class KeyInUseError(Exception):
    """The key cannot be dropped; the message says why."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key: whether this process has it, seals with it, and whether the database knows it."""

    fingerprint: str
    here: bool
    seals: bool
    known: bool
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Rotation:
    """What `rotate` did: values sealed anew by column, and those that no key opened."""

    fingerprint: str
    resealed: dict[str, int]
    unreadable: dict[str, int]


class VaultService:
    """What operators and starting processes do with keys."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._audit = AuditTrail()
        self._repository = VaultRepository(database)

    async def check(self) -> None:
        """Make sure that this process has the database's keys, and take the scope key. The first
        key that comes is the database's. Raises KeyMismatch."""
        async with self._database.transaction() as transaction:
            known = await self._repository.lock_keys(transaction)
            migrated = await self._repository.is_migrated(transaction)
            dropped = await self._repository.dropped(transaction) if migrated else []
            compare(known, self._vault, dropped)
            await self._repository.keep_key(transaction, self._vault.fingerprint)
            await self._take_scope_key(transaction, known, migrated)

    async def check_texts(self) -> None:
        """Make sure that sealed texts will be found again when a key is replaced: on a schema that does
        not know of them, the key that they need could be dropped. Raises EncryptionKeyError."""
        if not await self._repository.knows_texts():
            raise EncryptionKeyError(
                "FRONTDESK_ENCRYPT_PERSONAL_DATA needs this release's database schema: run "
                "`frontdesk migrate`, then start again."
            )

    async def state(self) -> list[KeyState]:
        """Every key that is here or known: those of this process first, in their order."""
        here = self._vault.fingerprints
        known = await self._repository.known_fingerprints()
        dropped: list[str] = []
        if await self._repository.is_migrated(self._database):
            dropped = await self._repository.dropped(self._database)
        return [
            KeyState(
                fingerprint,
                here=fingerprint in here,
                seals=fingerprint == here[0],
                known=fingerprint in known,
                dropped=fingerprint in dropped,
            )
            for fingerprint in dict.fromkeys([*here, *known])
        ]

    async def left(self) -> dict[str, int]:
        """How many values there are that the sealing key has not sealed, by column; only columns
        with any. Of sealed documents and texts none is counted: there are too many to be read for
        this."""
        head = head_of(self._vault.fingerprint)
        counted = {
            column.name: await self._repository.count(column, not_by=head)
            for column in await self._repository.sealed_columns()
            if column.how not in ("json", "texts")
        }
        return {name: count for name, count in counted.items() if count}

    async def rotate(self, progress: Progress | None = None) -> Rotation:
        """Let the newest key seal, and seal everything anew with it, in portions, while everything
        serves. Broken off, it goes on where it is begun again. Raises KeyInUseError where there is
        but one key."""
        await self._promote()
        if len(self._vault.ring.keys) == 1:
            raise KeyInUseError(
                "There is one key only. First `frontdesk keys add`, or put a second one into "
                "FRONTDESK_ENCRYPTION_KEY."
            )
        await self.check()
        async with self._database.transaction() as transaction:
            # As it begins: broken off, it has changed something as well.
            await self._audit.record(transaction, None, "key.rotate", self._vault.fingerprint)
        columns = await self._repository.sealed_columns()
        resealed: dict[str, int] = {}
        # A process that was about to store something while the key changed stores it after our
        # pass: the next one finds it.
        for _ in range(MOST_PASSES):
            put, unreadable, missed = await self._pass(columns, progress)
            for name, count in put.items():
                resealed[name] = resealed.get(name, 0) + count
            if not put and not missed:
                break
            if missed:
                await asyncio.sleep(_PAUSE_SECONDS)
        return Rotation(self._vault.fingerprint, resealed, unreadable)

    async def drop(self, fingerprint: str) -> None:
        """Make the database forget a key by which nothing is sealed any more, and take it out of
        the key file, if there is one. Raises KeyInUseError."""
        keys = self._vault.ring.keys
        if fingerprint == keys[0].fingerprint:
            raise KeyInUseError(
                "This key seals: another one must take its place first (`frontdesk keys add`, then "
                "`frontdesk keys rotate`)."
            )
        known = await self._repository.known_fingerprints()
        mine = [key for key in keys if key.fingerprint == fingerprint]
        if not mine and fingerprint not in known:
            raise KeyInUseError("There is no such key; see `frontdesk keys list`.")
        # Values from before there was a second key name none: they may be any known key's.
        heads = [head_of(fingerprint), *([UNNAMED] if fingerprint in known else [])]
        used = [
            column.name
            for column in await self._repository.sealed_columns()
            if await self._repository.any_by(column, heads)
        ]
        if used:
            raise KeyInUseError(
                f"Values may still be sealed with this key, in {', '.join(used)}: run "
                "`frontdesk keys rotate` first."
            )
        async with self._database.transaction() as transaction:
            await self._repository.lock_keys(transaction)
            await self._repository.drop_key(transaction, fingerprint)
            await self._audit.record(transaction, None, "key.drop", fingerprint)
        if mine and self._vault.ring.file is not None:
            remove_key(self._vault.ring.file, fingerprint)
            self._vault.ring.look()

    # --- inside ---------------------------------------------------------------------------------

    async def _promote(self) -> None:
        """In a key file: let the newest key that has sealed nothing yet be the first."""
        ring = self._vault.ring
        if ring.file is None:
            return
        ring.look()
        known = await self._repository.known_fingerprints()
        new = [key.fingerprint for key in ring.keys if key.fingerprint not in known]
        if new and ring.keys[0].fingerprint in known:
            promote_key(ring.file, new[-1])
            ring.look()

    async def _take_scope_key(
        self, transaction: Connection, known: list[str], migrated: bool
    ) -> None:
        """The key of the keyed hashes is that of the database's first key, for good."""
        first = next((key for key in self._vault.ring.keys if key.fingerprint in known[:1]), None)
        derived = (first or self._vault.ring.keys[0]).scope_key
        if not migrated:
            self._vault.use_scope_key(derived)
            return
        sealed = await self._repository.secret(transaction, _SCOPE_KEY)
        if sealed is None:
            sealed = self._vault.seal(derived, "secret", _SCOPE_KEY)
            await self._repository.keep_secret(transaction, _SCOPE_KEY, sealed)
        self._vault.use_scope_key(self._vault.open(sealed, "secret", _SCOPE_KEY))

    async def _pass(
        self, columns: list[SealedColumn], progress: Progress | None
    ) -> tuple[dict[str, int], dict[str, int], int]:
        """Seal anew what is left in these columns: values put and values that do not open, by
        column (only columns with any), and how many could not be put now."""
        put: dict[str, int] = {}
        unreadable: dict[str, int] = {}
        missed = 0
        totals = [await self._repository.rows(column) for column in columns]
        done = 0
        for column in columns:
            after: RowKey | None = None
            while rows := await self._repository.portion(
                column, not_by=head_of(self._vault.fingerprint), after=after, most=PORTION
            ):
                after = _key(column, rows[-1])
                changes, lost = self._anew(column, rows)
                moved = await self._repository.replace(column, changes) if changes else 0
                missed += len(changes) - moved
                if moved:
                    put[column.name] = put.get(column.name, 0) + moved
                if lost:
                    unreadable[column.name] = unreadable.get(column.name, 0) + lost
                done += len(rows)
                if progress is not None:
                    progress(done, max(done, sum(totals)), column.name)
        return put, unreadable, missed

    def _anew(self, column: SealedColumn, rows: list[Record]) -> tuple[list[Change], int]:
        changes: list[Change] = []
        lost = 0
        for row in rows:
            old = row["sealed"]
            if old is None:
                continue
            key = _key(column, row)
            if column.how == "texts":
                new, unreadable = self._texts_anew(column, row["owner"], old)
                lost += unreadable
                if new != old:
                    changes.append((key, old, new))
                continue
            try:
                content = self._vault.open(old, column.how, row["owner"])
            except UnreadableError:
                if column.how in _DISPOSABLE:
                    changes.append((key, old, None))
                else:
                    lost += 1
                continue
            changes.append((key, old, self._vault.seal_anew(content, column.how, row["owner"])))
        return changes, lost

    def _texts_anew(self, column: SealedColumn, owner: UUID, stored: str) -> tuple[str, int]:
        """A column's whole text with each sealed string in it sealed by the first key (the very same
        where there is none to be), and how many do not open."""
        mark = mark_of_head(head_of(self._vault.fingerprint))
        renewed = lost = 0

        def renew(text: str) -> str:
            nonlocal renewed, lost
            if not is_sealed_text(text) or text.startswith(mark):
                return text
            try:
                opened = self._vault.open_string(owner, text)
            except UnreadableError:
                lost += 1
                return text
            renewed += 1
            return self._vault.seal_string(owner, opened)

        if column.type == "jsonb":
            changed = orjson.dumps(each_string(orjson.loads(stored), renew)).decode()
        else:
            changed = renew(stored)
        return (changed if renewed else stored), lost


def _key(column: SealedColumn, row: Record) -> RowKey:
    return tuple(row[f"key_{place}"] for place in range(len(column.keys)))


def compare(known: list[str], vault: Vault, dropped: list[str] | None = None) -> None:
    """Refuse keys that are not enough for what a database holds. Raises KeyMismatch."""
    missing = [fingerprint for fingerprint in known if fingerprint not in vault.fingerprints]
    if missing:
        raise KeyMismatch(
            "The encryption key is not the one that this database's credentials are stored with, or "
            "not the only one: missing here is the key with the fingerprint "
            f"{', '.join(missing)}; here is {', '.join(vault.fingerprints)}. Start with every key "
            "that is in use: in FRONTDESK_ENCRYPTION_KEY, FRONTDESK_ENCRYPTION_KEY_FILE, or the key "
            "file in the data directory."
        )
    if vault.fingerprint in (dropped or ()):
        raise KeyMismatch(
            f"The first key (fingerprint {vault.fingerprint}) was dropped from this database: it "
            "must seal nothing here. Put the key first that took its place (`frontdesk keys list`)."
        )
