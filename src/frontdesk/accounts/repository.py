"""All SQL of accounts, tokens and request limits."""

# ruff: noqa: S608 — what is put into SQL here is a constant of this file; values are arguments

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from frontdesk.database.pool import Connection, Database, Record, SchemaBehind

COMMON = "events"
"""The purpose whose minutes every schema has."""

_LISTED = "id, account_id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at"

INSERT_ACCOUNT = """
    INSERT INTO accounts (id, name, requests_per_minute) VALUES ($1, $2, $3)
    RETURNING id, name, requests_per_minute, created_at
"""

ACCOUNTS = "SELECT id, name, requests_per_minute, created_at FROM accounts ORDER BY created_at, id"

INSERT_TOKEN = f"""
    INSERT INTO tokens (id, account_id, name, prefix, digest, scopes, expires_at)
    SELECT $1, id, $3, $4, $5, $6, $7 FROM accounts WHERE id = $2
    RETURNING {_LISTED}
"""

TOKENS = f"""
    SELECT {_LISTED} FROM tokens
    WHERE $1::uuid IS NULL OR account_id = $1 ORDER BY created_at, id
"""

# A second revocation keeps the first's time.
REVOKE_TOKEN = f"""
    UPDATE tokens SET revoked_at = coalesce(revoked_at, clock_timestamp())
    WHERE prefix = $1 OR id::text = $1
    RETURNING {_LISTED}
"""

BY_PREFIX = """
    SELECT t.id, t.account_id, t.prefix, t.digest, t.scopes, a.requests_per_minute,
        t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp()) AS valid
    FROM tokens AS t JOIN accounts AS a ON a.id = t.account_id
    WHERE t.prefix = $1
"""

# At most once a minute for each token, over all processes. A row that another process is writing is
# left to it: two that write the same tokens in different order would deadlock.
WRITE_USES = """
    UPDATE tokens AS t SET last_used_at = moved.used_at
    FROM (
        SELECT t.id, clock_timestamp() - make_interval(secs => used.ago) AS used_at
        FROM tokens AS t JOIN unnest($1::uuid[], $2::double precision[]) AS used(id, ago)
            ON used.id = t.id
        WHERE t.last_used_at IS NULL
            OR t.last_used_at < clock_timestamp() - make_interval(secs => used.ago + 60)
        FOR UPDATE OF t SKIP LOCKED) AS moved
    WHERE t.id = moved.id
"""

TAKE_REQUESTS = "SELECT granted, left_over, reset FROM take_requests($1, $2, $3)"
TAKE_REQUESTS_FOR = "SELECT granted, left_over, reset FROM take_requests_for($1, $2, $3, $4)"


class AccountRepository:
    """Accounts and tokens as rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert_account(
        self, connection: Connection, account_id: UUID, name: str, per_minute: int | None
    ) -> Record:
        row = await connection.fetch_row(INSERT_ACCOUNT, account_id, name, per_minute)
        assert row is not None  # noqa: S101 — an INSERT that returns without a row is a broken driver
        return row

    async def accounts(self) -> list[Record]:
        return await self._database.fetch(ACCOUNTS)

    async def insert_token(
        self,
        connection: Connection,
        token_id: UUID,
        account_id: UUID,
        name: str,
        prefix: str,
        digest: bytes,
        scopes: Sequence[str],
        expires_at: datetime | None,
    ) -> Record | None:
        """None: there is no such account."""
        return await connection.fetch_row(
            INSERT_TOKEN, token_id, account_id, name, prefix, digest, list(scopes), expires_at
        )

    async def tokens(self, account_id: UUID | None) -> list[Record]:
        return await self._database.fetch(TOKENS, account_id)

    async def revoke_token(self, connection: Connection, reference: str) -> Record | None:
        return await connection.fetch_row(REVOKE_TOKEN, reference)

    async def token_by_prefix(self, prefix: str) -> Record | None:
        return await self._database.fetch_row(BY_PREFIX, prefix)

    async def write_uses(self, uses: Mapping[UUID, float]) -> None:
        """When these tokens were used: so many seconds ago."""
        await self._database.execute(WRITE_USES, list(uses), list(uses.values()))

    async def take_requests(
        self, account_id: UUID, purpose: str, per_minute: int, want: int
    ) -> tuple[int, int, float]:
        """(granted, left for others, seconds until the minute ends)."""
        row = None
        if purpose != COMMON:
            try:
                row = await self._database.fetch_row(
                    TAKE_REQUESTS_FOR, account_id, purpose, per_minute, want
                )
            except SchemaBehind:
                # The schema is the one before migration 0015: then there is one minute for all.
                row = None
        if row is None:
            row = await self._database.fetch_row(TAKE_REQUESTS, account_id, per_minute, want)
        assert row is not None  # noqa: S101 — the functions always return their OUT row
        return row["granted"], row["left_over"], row["reset"]
