"""All SQL about keys, and about sealed values wherever they stand.

Which columns hold sealed values is told by their comments in the database (migration 0015), so that
a new table is rotated without being named here. Names of tables and columns come from the database's
own catalogue, and are quoted.
"""

# ruff: noqa: S608 — what is put into SQL here are quoted names of the database's own catalogue

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from frontdesk.database.pool import Connection, Database, Record
from frontdesk.vault.sealing import MARK, UNNAMED, How, mark_of_head

# Two processes that start at once must agree on which key was the first.
LOCK_KEYS = "LOCK TABLE encryption_keys IN SHARE ROW EXCLUSIVE MODE"
KNOWN_KEYS = "SELECT fingerprint FROM encryption_keys ORDER BY created_at, fingerprint"
KEEP_KEY = "INSERT INTO encryption_keys (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING"
FORGET_KEY = "DELETE FROM encryption_keys WHERE fingerprint = $1"
DROPPED_KEYS = "SELECT fingerprint FROM dropped_keys"
NOTE_DROPPED = "INSERT INTO dropped_keys (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING"
HAS_KEYS = "SELECT to_regclass('encryption_keys') IS NOT NULL"
KNOWS_TEXTS = (
    "SELECT EXISTS (SELECT FROM pg_description WHERE description LIKE 'sealed texts of %')"
)
IS_MIGRATED = "SELECT to_regclass('vault_secrets') IS NOT NULL"
SECRET = "SELECT sealed FROM vault_secrets WHERE name = $1"  # noqa: S105 (a statement)
_KEEP_SECRET = """
    INSERT INTO vault_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
"""  # noqa: S105 (a statement)

# A table without a primary key could not be walked in portions.
SEALED_COLUMNS = """
    SELECT c.relname AS table_name, a.attname AS column_name,
        (regexp_match(d.description, '^sealed (\\w+) of'))[1] AS how,
        (regexp_match(d.description, '^sealed \\w+ of (\\w+)$'))[1] AS owner,
        format_type(a.atttypid, a.atttypmod) AS type,
        keys.names AS key_names, keys.types AS key_types
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
        AND d.objsubid = a.attnum
    LEFT JOIN LATERAL (
        SELECT array_agg(k.attname::text ORDER BY u.place) AS names,
            array_agg(format_type(k.atttypid, k.atttypmod) ORDER BY u.place) AS types
        FROM pg_index AS i
        CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS u(attnum, place)
        JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = u.attnum
        WHERE i.indrelid = c.oid AND i.indisprimary) AS keys ON true
    WHERE c.relnamespace = current_schema()::regnamespace AND d.description LIKE 'sealed %'
    ORDER BY c.relname, a.attname
"""

_PATIENCE = 600.0


class BadCommentError(Exception):
    """A column's comment begins with `sealed`, and does not say what the vault can do with it."""


RowKey = tuple[Any, ...]
"""The values of a row's primary key."""

Change = tuple[RowKey, bytes | str, bytes | str | None]
"""(key of the row, old value, new value); of `texts` the column's whole text, else sealed bytes."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values: in which table, of which type, bound to which other column, and
    walked by which key: (name, type) of each of its columns."""

    table: str
    column: str
    how: How
    owner: str
    keys: tuple[tuple[str, str], ...]
    type: str = "bytea"

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def value(self) -> str:
        """What is opened of a row `t`, in SQL; NULL where nothing stands."""
        column = f"t.{_quoted(self.column)}"
        if self.how == "json":
            return f"decode({column}->>'sealed', 'base64')"
        return f"{column}::text" if self.how == "texts" else column


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

    async def knows_texts(self) -> bool:
        """Whether the schema says which columns may hold sealed texts (migration 0017)."""
        return bool(await self._database.fetch_value(KNOWS_TEXTS))

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
            if row["how"] not in get_args(How) or row["owner"] is None or not row["key_names"]:
                raise BadCommentError(
                    f"The comment of {name} must be `sealed {'|'.join(get_args(How))} of <column>`, "
                    "and its table must have a primary key."
                )
            found.append(
                SealedColumn(
                    row["table_name"],
                    row["column_name"],
                    cast("How", row["how"]),
                    row["owner"],
                    tuple(zip(row["key_names"], row["key_types"], strict=True)),
                    row["type"],
                )
            )
        return found

    async def count(self, column: SealedColumn, *, not_by: bytes) -> int:
        """How many values there are that do not begin so; of bytes alone."""
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
        is_by, how = f"{_head(column, 'head')} = head", "bytea"
        arguments: list[Any] = list(heads)
        if column.how == "texts":
            # A text always names its key.
            is_by, how = f"strpos({column.value}, head) > 0", "text"
            arguments = [mark_of_head(head) for head in heads if head != UNNAMED]
        found: bool = await self._database.fetch_value(
            f"SELECT EXISTS (SELECT FROM {_quoted(column.table)} AS t, unnest($1::{how}[]) AS head "
            f"WHERE {is_by})",
            arguments,
            patience=_PATIENCE,
        )
        return found

    async def portion(
        self, column: SealedColumn, *, not_by: bytes, after: RowKey | None, most: int
    ) -> list[Record]:
        """The next `most` rows by key: `key_0` …, `owner`, and `sealed` (NULL where all of the value
        begins so, or none is there). By rows looked at, so that a portion is bounded also where all
        is done."""
        keys = [f"t.{_quoted(name)}" for name, _ in column.keys]
        arguments: list[object] = [not_by, most]
        left = f"{_head(column, '$1::bytea')} <> $1"
        if column.how == "texts":
            left, arguments[0] = f"{column.value} ~ $1::text", _not_marked(not_by)
        where = ""
        if after is not None:
            arguments += after
            values = [f"${place}::{kind}" for place, (_, kind) in enumerate(column.keys, 3)]
            where = f"WHERE ({', '.join(keys)}) > ({', '.join(values)}) "
        named = ", ".join(f"{key} AS key_{place}" for place, key in enumerate(keys))
        return await self._database.fetch(
            f"SELECT {named}, t.{_quoted(column.owner)} AS owner, "
            f"CASE WHEN {left} THEN {column.value} END AS sealed "
            f"FROM {_quoted(column.table)} AS t {where}ORDER BY {', '.join(keys)} LIMIT $2",
            *arguments,
            patience=_PATIENCE,
        )

    async def replace(self, column: SealedColumn, changes: Sequence[Change]) -> int:
        """Put each change; a value that is another by now, or whose row somebody holds at this
        moment, stays. How many were put. Waits for no row: those who serve lock several at once, and
        must not meet us in the middle."""
        many = len(column.keys)
        kind, stored, new = "bytea", column.value, "free.new"
        if column.how == "json":
            new = "jsonb_build_object('sealed', translate(encode(free.new, 'base64'), E'\\n', ''))"
        elif column.how == "texts":
            kind, stored, new = "text", f"t.{_quoted(column.column)}", f"free.new::{column.type}"
        old = f"n.old::{column.type}" if column.how == "texts" else "n.old"
        names = [f"key_{place}" for place in range(many)]
        arrays = [f"${place}::{kind_of}[]" for place, (_, kind_of) in enumerate(column.keys, 1)]
        arrays += [f"${many + 1}::{kind}[]", f"${many + 2}::{kind}[]"]

        def same(other: str) -> str:
            pairs = zip(column.keys, names, strict=True)
            return " AND ".join(f"t.{_quoted(key)} = {other}.{name}" for (key, _), name in pairs)

        tag = await self._database.execute(
            f"WITH free AS MATERIALIZED (SELECT n.* FROM {_quoted(column.table)} AS t "
            f"JOIN unnest({', '.join(arrays)}) AS n({', '.join(names)}, old, new) "
            f"ON {same('n')} AND {stored} = {old} FOR NO KEY UPDATE OF t SKIP LOCKED) "
            f"UPDATE {_quoted(column.table)} AS t SET {_quoted(column.column)} = {new} "
            f"FROM free WHERE {same('free')}",
            *([key[place] for key, _, _ in changes] for place in range(many)),
            [old_value for _, old_value, _ in changes],
            [new_value for _, _, new_value in changes],
            patience=_PATIENCE,
        )
        return int(tag.rpartition(" ")[2])


def _head(column: SealedColumn, like: str) -> str:
    return f"substring({column.value} FROM 1 FOR length({like}))"


def _not_marked(head: bytes) -> str:
    """A regular expression for a sealed text that does not begin so."""
    after = mark_of_head(head).removeprefix(MARK)
    # Of base64's letters only one means something else to it.
    return f"{MARK}(?!{after.replace('+', '[+]')})[A-Za-z0-9+/]{{40}}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
