"""Which driver errors mean that the database is away, and which that a commit's fate is unknown.

A caller that sees `DatabaseUnavailable` may answer 503 and try later; every other error of the
driver is a bug or a broken rule of the schema, and passes through unchanged. A table, column or
function that is not there is not called a bug: during a deploy a process may be newer than the schema,
and what it has no use for yet must not end it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from asyncpg.exceptions import (
    InternalClientError,
    InvalidCachedStatementError,
    OutdatedSchemaCacheError,
)

# A migration ran under our feet: the statement did not take effect, and works when tried again.
_STALE = (InvalidCachedStatementError, OutdatedSchemaCacheError)

# SQLSTATE classes and codes of a server that is there, and cannot serve now.
_CLASSES = (
    "08",  # connection exceptions; pgbouncer says all of its refusals with 08P01
    "53",  # out of disk, memory or connections
)
_CODES = {
    "25006",  # a read-only standby answered (a failover is under way)
    "57014",  # cancelled, by a statement timeout or an operator
    "57P01",  # shut down by an administrator
    "57P02",  # a backend crashed and took the others with it
    "57P03",  # starting up, shutting down, recovering
    "57P04",  # database dropped
    "57P05",  # idle session ended
    "25P03",  # idle transaction ended
}
_NOT_THERE = {
    "42P01",  # undefined table
    "42703",  # undefined column
    "42883",  # undefined function
}
# Refusals in the server's own words: these statements did not take effect.
_DEFINITE_CODES = {"25006", "57014", "25P03", "57P03"}
_DEFINITE_CLASSES = ("53",)
# How the driver calls a pool's connection that was lost while nothing was under way on it: what
# is tried on it afterwards never leaves.
_GONE = "has been released back to the pool"


class DatabaseUnavailable(Exception):  # noqa: N818 (it names a state, for callers to answer with)
    """The database cannot be used now. Unless it is a CommitUnknown, nothing was committed."""


class CommitUnknown(DatabaseUnavailable):
    """The connection was lost while a commit was under way: it may have happened, or not."""


class SchemaBehind(DatabaseUnavailable):
    """The schema lacks what this statement needs: a migration is pending. Nothing was committed."""


class TransactionLost(Exception):  # noqa: N818 (as above)
    """COMMIT was answered with ROLLBACK: an error in the transaction had been caught and ignored.

    A bug of the caller's, which must not look like a commit.
    """


@contextmanager
def unavailable(*, commits: bool) -> Iterator[None]:
    """Turn the driver's connection errors into DatabaseUnavailable.

    `commits`: the statement inside ends a transaction, so that a lost answer is CommitUnknown.
    """
    try:
        yield
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        # No host of several takes writes; or the server said goodbye between two messages, of
        # which the driver makes "another operation is in progress".
        InternalClientError,
    ) as error:
        if getattr(error, "sqlstate", None) in _NOT_THERE:
            raise SchemaBehind(
                f"A migration of the database is pending (run: frontdesk migrate): {error}"
            ) from error
        if not _is_away(error):
            raise
        text = f"The database is not available: {_describe(error)}"
        if commits and not _is_definite(error):
            raise CommitUnknown(f"{text} (it is unknown whether this was committed)") from error
        raise DatabaseUnavailable(text) from error


def _is_away(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        state = getattr(error, "sqlstate", None) or ""
        return state in _CODES or state.startswith(_CLASSES) or isinstance(error, _STALE)
    if isinstance(error, asyncpg.InterfaceError):
        # Wrong arguments are InterfaceErrors as well; only the words tell these from a closed
        # connection, of which the driver has several.
        words = ("clos", _GONE)
        return not isinstance(error, ValueError) and any(word in str(error) for word in words)
    return True


def _is_definite(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None) or ""
    refused = state in _DEFINITE_CODES or state.startswith(_DEFINITE_CLASSES)
    return refused or isinstance(error, _STALE) or _GONE in str(error)


def _describe(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
