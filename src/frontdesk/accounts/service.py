"""Accounts and their tokens: made and revoked by operators, checked on every request.

A token is shown once, when it is made; the database keeps a SHA-256 of it. Why a token was refused
is never told.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from frontdesk.accounts.last_use import LastUse
from frontdesk.accounts.limits import Allowance, RequestLimits
from frontdesk.accounts.repository import COMMON, AccountRepository
from frontdesk.audit.service import AuditTrail
from frontdesk.database.pool import Database, Record
from frontdesk.ids import new_id
from frontdesk.remembered import Remembered

SCOPES = ("events:write", "events:read", "admin:read", "admin:write", "webhooks")
DEFAULT_REQUESTS_PER_MINUTE = 150

# A revocation must hold within 1 s in every process: half of it for the memory, half for the
# question to the database.
_REMEMBERED_SECONDS = 0.5
_ADMIN = "admin"
_TOKEN = re.compile(r"fd_([0-9a-z]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
_PREFIX_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Account:
    """An account; `requests_per_minute` None: no limit."""

    id: UUID
    name: str
    requests_per_minute: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token as an operator sees it. `prefix` names it and may be shown."""

    id: UUID
    account_id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: the only time that `secret` (the whole token) is to be seen."""

    token: Token
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `token_prefix` names his token in logs."""

    account_id: UUID
    token_id: UUID
    token_prefix: str
    scopes: frozenset[str]
    requests_per_minute: int | None


class AccountService:
    """Everything about accounts and tokens, the request limit included."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._repository = AccountRepository(database)
        self._audit = AuditTrail()
        self._callers = Remembered(self._look_up, _REMEMBERED_SECONDS)
        self._limits = RequestLimits(self._repository.take_requests)
        self._last_use = LastUse(self._repository.write_uses)

    async def close(self) -> None:
        """Write down what is only noted yet."""
        await self._last_use.close()

    async def create_account(
        self, name: str = "", requests_per_minute: int | None = DEFAULT_REQUESTS_PER_MINUTE
    ) -> Account:
        """A new account. `requests_per_minute` None: no limit. Raises ValueError below 1."""
        if requests_per_minute is not None and requests_per_minute < 1:
            raise ValueError("The request limit must be at least 1 a minute.")
        async with self._database.transaction() as transaction:
            row = await self._repository.insert_account(
                transaction, new_id(), name, requests_per_minute
            )
            shown = {"name": name, "requests_per_minute": requests_per_minute}
            await self._audit.record(
                transaction, row["id"], "account.create", row["id"], after=shown
            )
        return _account(row)

    async def accounts(self) -> list[Account]:
        """All accounts, oldest first."""
        return [_account(row) for row in await self._repository.accounts()]

    async def create_token(
        self,
        account_id: UUID,
        name: str = "",
        *,
        scopes: Sequence[str] = SCOPES,
        expires_at: datetime | None = None,
    ) -> NewToken:
        """A new token of the account: 256 random bits, of which only a hash is kept.

        Raises ValueError for a scope that does not exist, LookupError without such an account.
        """
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise ValueError(f"There is no scope {unknown[0]!r}; there are: {', '.join(SCOPES)}.")
        prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(12))
        secret = f"fd_{prefix}_{secrets.token_urlsafe(32)}"
        async with self._database.transaction() as transaction:
            row = await self._repository.insert_token(
                transaction,
                new_id(),
                account_id,
                name,
                prefix,
                _digest(secret),
                scopes,
                expires_at,
            )
            if row is None:
                raise LookupError(f"There is no account {account_id}.")
            shown = {name: row[name] for name in ("name", "prefix", "scopes", "expires_at")}
            await self._audit.record(transaction, account_id, "token.create", prefix, after=shown)
        return NewToken(_token(row), secret)

    async def tokens(self, account_id: UUID | None = None) -> list[Token]:
        """The account's tokens (or all), revoked ones included, oldest first."""
        return [_token(row) for row in await self._repository.tokens(account_id)]

    async def revoke_token(self, reference: str) -> Token | None:
        """Revoke the token with this prefix or id; None if there is none. It is refused in this
        process from now on, in all others within 1 s."""
        async with self._database.transaction() as transaction:
            row = await self._repository.revoke_token(transaction, _prefix_of(reference))
            if row is None:
                return None
            await self._audit.record(
                transaction,
                row["account_id"],
                "token.revoke",
                row["prefix"],
                after={"revoked_at": row["revoked_at"]},
            )
        self._callers.forget_all()
        return _token(row)

    async def authenticate(self, token: str) -> Caller | None:
        """Who the token's holder is; None for one that is malformed, unknown, revoked or expired.
        Raises DatabaseUnavailable."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        caller = await self._callers.get((match[1], _digest(token)))
        if caller is not None:
            self._last_use.note(caller.token_id)
        return caller

    def was_good(self, token: str) -> bool:
        """Whether the token was good when this process asked for it last. It may be revoked since:
        `authenticate` tells."""
        match = _TOKEN.fullmatch(token)
        return match is not None and self._callers.last((match[1], _digest(token))) is not None

    async def count_request(self, caller: Caller, *, administers: bool = False) -> Allowance:
        """Take one request of the caller's account off its minute, or off that for administration.
        Raises DatabaseUnavailable."""
        return await self._limits.take(
            caller.account_id, caller.requests_per_minute, _ADMIN if administers else COMMON
        )

    async def _look_up(self, key: tuple[str, bytes]) -> Caller | None:
        prefix, digest = key
        row = await self._repository.token_by_prefix(prefix)
        if row is None or not hmac.compare_digest(row["digest"], digest) or not row["valid"]:
            return None
        return Caller(
            account_id=row["account_id"],
            token_id=row["id"],
            token_prefix=row["prefix"],
            scopes=frozenset(row["scopes"]),
            requests_per_minute=row["requests_per_minute"],
        )


def prefix_in(token: str) -> str | None:
    """The prefix of what looks like a token: for logs, which never hold the rest."""
    match = _TOKEN.fullmatch(token)
    return None if match is None else match[1]


def _digest(token: str) -> bytes:
    # Unsalted and fast is right here: the input is 256 random bits, which nobody can guess.
    return hashlib.sha256(token.encode()).digest()


def _prefix_of(reference: str) -> str:
    """An operator may paste the whole token, `fd_` and the prefix, the prefix, or the id."""
    match = re.fullmatch(r"fd_([0-9a-z]{12})(?:_.*)?", reference)
    return match[1] if match else reference


def _account(row: Record) -> Account:
    return Account(row["id"], row["name"], row["requests_per_minute"], row["created_at"])


def _token(row: Record) -> Token:
    return Token(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        prefix=row["prefix"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
