"""All SQL about keys, and about sealed values wherever they stand.

Which columns hold sealed values is told by their comments in the database (migration 0015), so that
a new table is rotated without being named here. Names of tables and columns come from the database's
own catalogue, and are quoted.
"""

# ruff: noqa: S608 — what is put into SQL here are quoted names of the database's own catalogue

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record
from frontdesk.vault.sealing import How

# Two processes that start at once must agree on which key was the first.
LOCK_KEYS = "LOCK TABLE encryption_keys IN SHARE ROW EXCLUSIVE MODE"
KNOWN_KEYS = "SELECT fingerprint FROM encryption_keys ORDER BY created_at, fingerprint"
KEEP_KEY = "INSERT INTO encryption_keys (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING"
FORGET_KEY = "DELETE FROM encryption_keys WHERE fingerprint = $1"
DROPPED_KEYS = "SELECT fingerprint FROM dropped_keys"
NOTE_DROPPED = "INSERT INTO dropped_keys (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING"
HAS_KEYS = "SELECT to_regclass('encryption_keys') IS NOT NULL"
IS_MIGRATED = "SELECT to_regclass('vault_secrets') IS NOT NULL"
SECRET = "SELECT sealed FROM vault_secrets WHERE name = $1"  # noqa: S105 (a statement)
_KEEP_SECRET = """
    INSERT INTO vault_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
"""  # noqa: S105 (a statement)

# A table without a primary key of one column could not be walked in portions.
SEALED_COLUMNS = """
    SELECT c.relname AS table_name, a.attname AS column_name,
        (regexp_match(d.description, '^sealed (\\w+) of'))[1] AS how,
        (regexp_match(d.description, '^sealed \\w+ of (\\w+)$'))[1] AS owner,
        (SELECT k.attname FROM pg_index AS i
            JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = i.indkey[0]
            WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1) AS key,
        (SELECT format_type(k.atttypid, k.atttypmod) FROM pg_index AS i
            JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = i.indkey[0]
            WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1) AS key_type
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
        AND d.objsubid = a.attnum
    WHERE c.relnamespace = current_schema()::regnamespace AND d.description LIKE 'sealed %'
    ORDER BY c.relname, a.attname
"""

_PATIENCE = 600.0


class BadCommentError(Exception):
    """A column's comment begins with `sealed`, and does not say what the vault can do with it."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values: in which table, bound to which other column, walked by which key."""

    table: str
    column: str
    how: How
    owner: str
    key: str
    key_type: str

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def value(self) -> str:
        """The sealed bytes of a row `t` in SQL; NULL where nothing sealed stands."""
        column = f"t.{_quoted(self.column)}"
        return f"decode({column}->>'sealed', 'base64')" if self.how == "json" else column


class VaultRepository:
    """Keys as rows, and sealed values in portions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- keys -----------------------------------------------------------------------------------

    async def known_fingerprints(self) -> list[str]:
        """The keys that seal something here, oldest first; none where there is no schema yet."""
        if not await self._database.fetch_value(HAS_KEYS):
            return []
        return [row["fingerprint"] for row in await self._database.fetch(KNOWN_KEYS)]

    async def lock_keys(self, transaction: Connection) -> list[str]:
        """The keys that seal something here, oldest first; nobody changes them meanwhile."""
        await transaction.execute(LOCK_KEYS)
        return [row["fingerprint"] for row in await transaction.fetch(KNOWN_KEYS)]

    async def keep_key(self, transaction: Connection, fingerprint: str) -> None:
        await transaction.execute(KEEP_KEY, fingerprint)

    async def drop_key(self, transaction: Connection, fingerprint: str) -> None:
        await transaction.execute(FORGET_KEY, fingerprint)
        await transaction.execute(NOTE_DROPPED, fingerprint)

    async def dropped(self, connection: Connection) -> list[str]:
        return [row["fingerprint"] for row in await connection.fetch(DROPPED_KEYS)]

    async def is_migrated(self, connection: Connection) -> bool:
        """Whether the tables of migration 0015 are there: an older schema may yet be served."""
        return bool(await connection.fetch_value(IS_MIGRATED))

    async def secret(self, connection: Connection, name: str) -> bytes | None:
        sealed: bytes | None = await connection.fetch_value(SECRET, name)
        return sealed

    async def keep_secret(self, connection: Connection, name: str, sealed: bytes) -> None:
        await connection.execute(_KEEP_SECRET, name, sealed)

    # --- sealed values --------------------------------------------------------------------------

    async def sealed_columns(self) -> list[SealedColumn]:
        """Raises BadCommentError."""
        found = []
        for row in await self._database.fetch(SEALED_COLUMNS):
            name = f"{row['table_name']}.{row['column_name']}"
            if row["how"] not in get_args(How) or row["owner"] is None or row["key"] is None:
                raise BadCommentError(
                    f"The comment of {name} must be `sealed {'|'.join(get_args(How))} of <column>`, "
                    "and its table must have a primary key of one column."
                )
            found.append(
                SealedColumn(
                    row["table_name"],
                    row["column_name"],
                    cast("How", row["how"]),
                    row["owner"],
                    row["key"],
                    row["key_type"],
                )
            )
        return found

    async def count(self, column: SealedColumn, *, not_by: bytes) -> int:
        """How many values there are that do not begin so."""
        counted: int = await self._database.fetch_value(
            f"SELECT count(*) FROM {_quoted(column.table)} AS t WHERE {column.value} IS NOT NULL "
            f"AND {_head(column, '$1::bytea')} <> $1",
            not_by,
            patience=_PATIENCE,
        )
        return counted

    async def rows(self, column: SealedColumn) -> int:
        """How many rows the column has."""
        counted: int = await self._database.fetch_value(
            f"SELECT count(*) FROM {_quoted(column.table)}", patience=_PATIENCE
        )
        return counted

    async def any_by(self, column: SealedColumn, heads: Sequence[bytes]) -> bool:
        """Whether any value begins in one of these ways."""
        found: bool = await self._database.fetch_value(
            f"SELECT EXISTS (SELECT FROM {_quoted(column.table)} AS t, unnest($1::bytea[]) AS head "
            f"WHERE {_head(column, 'head')} = head)",
            list(heads),
            patience=_PATIENCE,
        )
        return found

    async def portion(
        self, column: SealedColumn, *, not_by: bytes, after: object, most: int
    ) -> list[Record]:
        """The next `most` rows by key: `key`, `owner`, and `sealed` (NULL where the value begins so,
        or none is there). By rows looked at, so that a portion is bounded also where all is done."""
        key = f"t.{_quoted(column.key)}"
        return await self._database.fetch(
            f"SELECT {key} AS key, t.{_quoted(column.owner)} AS owner, "
            f"CASE WHEN {_head(column, '$1::bytea')} <> $1 THEN {column.value} END AS sealed "
            f"FROM {_quoted(column.table)} AS t "
            f"WHERE $2::{column.key_type} IS NULL OR {key} > $2 ORDER BY {key} LIMIT $3",
            not_by,
            after,
            most,
            patience=_PATIENCE,
        )

    async def replace(
        self, column: SealedColumn, values: Sequence[tuple[UUID | str, bytes, bytes | None]]
    ) -> int:
        """Put each (key, old value, new value); a value that is another by now stays. How many
        were put."""
        new = "n.new"
        if column.how == "json":
            new = "jsonb_build_object('sealed', translate(encode(n.new, 'base64'), E'\\n', ''))"
        tag = await self._database.execute(
            f"UPDATE {_quoted(column.table)} AS t SET {_quoted(column.column)} = {new} "
            f"FROM unnest($1::{column.key_type}[], $2::bytea[], $3::bytea[]) AS n(key, old, new) "
            f"WHERE t.{_quoted(column.key)} = n.key AND {column.value} = n.old",
            [key for key, _, _ in values],
            [old for _, old, _ in values],
            [new for _, _, new in values],
            patience=_PATIENCE,
        )
        return int(tag.rpartition(" ")[2])


def _head(column: SealedColumn, like: str) -> str:
    return f"substring({column.value} FROM 1 FOR length({like}))"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
