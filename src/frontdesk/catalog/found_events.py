"""Stores a resident's events as the PMS shows them, their texts sealed if the setting says so.

What the PMS shows again must not look changed, and a text is sealed differently each time. So what
is kept is opened first, and a text that says the same goes in again in the very form it lies there:
clear, or sealed with whichever key. What is still clear is sealed on this occasion.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from frontdesk.catalog import record_repository
from frontdesk.catalog.values import cleaned, from_json
from frontdesk.database.pool import Connection
from frontdesk.vault import Texts


async def store_found_events(
    connection: Connection,
    texts: Texts,
    integration_id: UUID,
    resident_id: UUID,
    rows: list[dict[str, Any]],
) -> None:
    """Store `rows` (of `records.event_rows`); an own event keeps its id and origin. Until the end of
    the caller's transaction nobody else changes those that are kept."""
    if not rows:
        return
    x_ids = [row["x_id"] for row in rows]
    account_id = None
    if texts.sealing:
        account_id = await record_repository.account_of(connection, integration_id, resident_id)
    kept: dict[str, Mapping[str, Any]] = {}
    sealed_now: list[tuple[UUID, dict[str, Any], dict[str, Any]]] = []
    for row in await record_repository.kept_events(
        connection, integration_id, x_ids, only_sealed=not texts.sealing
    ):
        account_id = row["account_id"]
        data, extra = from_json(row["data"]), from_json(row["extra"])
        if not (texts.is_as_wished(data) and texts.is_as_wished(extra)):
            data = texts.sealed_where_clear(account_id, data)
            extra = texts.sealed_where_clear(account_id, extra)
            sealed_now.append((row["id"], data, extra))
        # As `merged_event` compares: our own event with what was found the last time.
        kept[row["x_id"]] = extra.get("found", data) if row["own"] else data
    if sealed_now:
        await record_repository.put_texts(connection, sealed_now)
    if account_id is not None and (texts.sealing or kept):
        rows = [
            {
                **row,
                "data": texts.in_kept_form(
                    account_id, cleaned(row["data"]), kept.get(row["x_id"], {})
                ),
            }
            for row in rows
        ]
    await record_repository.store_found_events(connection, integration_id, resident_id, rows)
