"""The audit trail: what administrators did, put down in the transaction that does it.

What is put down is what its account can see anyhow: no credential, no secret, of a URL nothing but its
host, and of a resident nothing but his id here.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from frontdesk.audit import repository
from frontdesk.audit.actor import acting
from frontdesk.database.pool import Connection, Database, Record
from frontdesk.http.paging import ListQuery
from frontdesk.ids import new_id


class AuditTrail:
    """Adds to the trail, for a feature that changes something."""

    def __init__(self) -> None:
        self._can_keep = False
        self._can_keep_of_nobody = False

    async def record(
        self,
        connection: Connection,
        account_id: UUID | None,
        action: str,
        subject_id: object,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Put down that whoever acts here did `action` (`<what>.<verb>`). Of `before` and `after` only
        what differs is kept where there are both. Does nothing where nobody acts. `account_id` None:
        it concerns the whole database, and only operators see it."""
        actor = acting()
        if actor is None:
            return
        if not self._can_keep:
            self._can_keep = await repository.can_keep(connection)
        if not self._can_keep:
            return
        if account_id is None and not self._can_keep_of_nobody:
            self._can_keep_of_nobody = await repository.can_keep_of_nobody(connection)
            if not self._can_keep_of_nobody:
                return
        if before is not None and after is not None:
            names = [name for name in after if before.get(name) != after[name]]
            before = {name: before.get(name) for name in names}
            after = {name: after[name] for name in names}
        await repository.add(
            connection,
            new_id(),
            account_id,
            actor.name,
            actor.client,
            actor.request_id,
            action,
            action.partition(".")[0],
            str(subject_id),
            _json(before),
            _json(after),
        )


async def newest(
    database: Database, account_id: UUID | None, action: str | None, limit: int
) -> list[Record]:
    """For operators: the newest entries of whoever's, or of this account or action alone."""
    return await repository.newest(database, account_id, action, limit)


async def page(database: Database, account_id: UUID, query: ListQuery) -> tuple[list[Record], int]:
    """The account's trail; up to `limit + 1` rows."""
    return await repository.page(database, account_id, query, query.filters)


def told(row: Mapping[str, Any] | Record, names: Iterable[str]) -> dict[str, Any]:
    """These columns of a row, as the trail may hold them: of a URL its host alone, because what
    follows it is often a secret."""
    return {name: _host_of(row[name]) if name.endswith("url") else row[name] for name in names}


def _host_of(url: str | None) -> str | None:
    if not url:
        return url
    parts = urlsplit(url)
    rest = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()
