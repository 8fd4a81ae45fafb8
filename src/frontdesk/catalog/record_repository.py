"""SQL that fills the catalog: one statement per page and model, built once from `models.SPECS`.

Invariants: a row is found by (integration, PMS id) and never deleted; `last_seen` moves with every
sight of the record, `updated_at` only when something that a caller can see has changed; a reference
to a record that is not here yet leaves the row `unresolved`, and is looked at again when rows of
that table arrive.
"""

# ruff: noqa: S608 — names put into SQL are constants of the code; values are arguments

from functools import cache
from typing import Any
from uuid import UUID

from frontdesk.catalog.models import REFERRING, SPECS, Kind, Link, ModelSpec
from frontdesk.catalog.values import as_json
from frontdesk.database.pool import Connection
from frontdesk.database.pool import Record as Row
from frontdesk.vault.sealing import MARK
from frontdesk.vendors.declaration import Model

_PROPERTY = (
    "(SELECT p.id FROM properties AS p WHERE p.integration_id = $2 AND p.x_id = r.x_property_id)"
)

# A new property takes part, or not, as its integration says.
_NEW_PROPERTY_SWITCHES = """
INSERT INTO integration_properties (id, integration_id, property_id, enabled)
SELECT gen_random_uuid(), p.integration_id, p.id, i.new_properties_are_enabled
FROM properties AS p JOIN integrations AS i ON i.id = p.integration_id
WHERE p.account_id = $1 AND p.integration_id = $2
ON CONFLICT (integration_id, property_id) DO NOTHING
"""

# Rows are written in the order of their PMS ids, or two readers of one resident would deadlock.
_STORE_FOUND_EVENTS = """
INSERT INTO events AS kept (
    id, account_id, integration_id, vendor, x_id, x_property_id, property_id, resident_id, data,
    extra, stamped_at, author)
SELECT r.id, resident.account_id, $1, resident.vendor, r.x_id,
    coalesce(r.x_property_id, resident.x_property_id), coalesce(p.id, resident.property_id),
    resident.id,
    r.data || jsonb_build_object('event_type_id', t.id),
    jsonb_build_object('found', r.data || jsonb_build_object('event_type_id', t.id)),
    r.stamped_at, r.author
FROM jsonb_to_recordset($3::jsonb) AS r(
    id uuid, x_id text, x_property_id text, x_type_id text, data jsonb, stamped_at timestamptz,
    author text)
JOIN residents AS resident ON resident.id = $2 AND resident.integration_id = $1
LEFT JOIN properties AS p ON p.integration_id = $1 AND p.x_id = r.x_property_id
LEFT JOIN event_types AS t ON t.integration_id = $1 AND t.x_id = r.x_type_id
ORDER BY r.x_id
ON CONFLICT (integration_id, x_id) DO UPDATE SET
    data = merged_event(
        kept.data, kept.origin_job_id IS NOT NULL, kept.extra->'found', EXCLUDED.data),
    extra = kept.extra || EXCLUDED.extra,
    x_property_id = coalesce(kept.x_property_id, EXCLUDED.x_property_id),
    property_id = coalesce(kept.property_id, EXCLUDED.property_id),
    resident_id = coalesce(kept.resident_id, EXCLUDED.resident_id),
    stamped_at = coalesce(EXCLUDED.stamped_at, kept.stamped_at),
    author = coalesce(EXCLUDED.author, kept.author),
    last_seen = clock_timestamp(),
    updated_at = CASE WHEN kept.data IS DISTINCT FROM merged_event(
            kept.data, kept.origin_job_id IS NOT NULL, kept.extra->'found', EXCLUDED.data)
        THEN clock_timestamp() ELSE kept.updated_at END
"""

# In the order in which they are written, for the same reason.
_KEPT_EVENTS = """
SELECT id, account_id, x_id, data, extra, origin_job_id IS NOT NULL AS own FROM events
WHERE integration_id = $1 AND x_id = ANY ($2)
    AND ($3::text IS NULL OR strpos(data::text, $3) > 0 OR strpos(extra::text, $3) > 0)
ORDER BY x_id FOR NO KEY UPDATE
"""
# What a record says does not change by this, so `updated_at` does not move.
_PUT_TEXTS = """
UPDATE events AS e SET data = n.data, extra = n.extra
FROM jsonb_to_recordset($1::jsonb) AS n(id uuid, data jsonb, extra jsonb) WHERE e.id = n.id
"""
_ACCOUNT_OF = "SELECT account_id FROM residents WHERE id = $2 AND integration_id = $1"

_EVENTS_WERE_READ = "UPDATE residents SET events_read_at = $2 WHERE id = $1"


# Shared: an erasure waits for this transaction, and is seen by the next.
_LOCK_ERASED = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text, 4212))"
# A schema from before erasure has erased nobody.
_CAN_ERASE = "SELECT to_regclass('erased_residents') IS NOT NULL"
_ERASED = "SELECT name FROM erased_residents WHERE integration_id = $1 AND name = ANY ($2)"


async def erased(connection: Connection, integration_id: UUID, names: list[str]) -> set[str]:
    """Which of these names (`Vault.erased_name`) are of erased residents; none becomes one before
    the transaction ends."""
    if not names or not await connection.fetch_value(_CAN_ERASE):
        return set()
    await connection.execute(_LOCK_ERASED, integration_id)
    rows = await connection.fetch(_ERASED, integration_id, names)
    return {row["name"] for row in rows}


async def upsert(
    connection: Connection,
    spec: ModelSpec,
    account_id: UUID,
    integration_id: UUID,
    vendor: str,
    rows: list[dict[str, Any]],
) -> int:
    """Store a page of one model (`rows` as `records.row_of` makes them, each PMS id once).
    Returns how many of them are new. The caller's transaction makes page and cursor one."""
    if not rows:
        return 0
    kept = await connection.fetch(
        _upsert(spec.model), account_id, integration_id, vendor, as_json(rows)
    )
    new = sum(1 for row in kept if row["inserted"])
    if new:
        for referring in REFERRING.get(spec.table, ()):
            await connection.execute(_resolve_again(referring.model), account_id, integration_id)
    if spec.model is Model.PROPERTIES:
        await connection.execute(_NEW_PROPERTY_SWITCHES, account_id, integration_id)
    return new


async def store_found_events(
    connection: Connection, integration_id: UUID, resident_id: UUID, rows: list[dict[str, Any]]
) -> None:
    """Store a resident's events as the PMS shows them; an own event keeps its id and origin."""
    if rows:
        await connection.execute(_STORE_FOUND_EVENTS, integration_id, resident_id, as_json(rows))


async def kept_events(
    connection: Connection, integration_id: UUID, x_ids: list[str], *, only_sealed: bool
) -> list[Row]:
    """`id account_id x_id data extra own` of those of these events that are in the cache (and hold
    something sealed), held to the end of the transaction."""
    mark = MARK if only_sealed else None
    return await connection.fetch(_KEPT_EVENTS, integration_id, x_ids, mark)


async def put_texts(
    connection: Connection, rows: list[tuple[UUID, dict[str, Any], dict[str, Any]]]
) -> None:
    """Put (id, data, extra) that say what they said before in another form."""
    items = [{"id": str(row_id), "data": data, "extra": extra} for row_id, data, extra in rows]
    await connection.execute(_PUT_TEXTS, as_json(items))


async def account_of(
    connection: Connection, integration_id: UUID, resident_id: UUID
) -> UUID | None:
    """Whose resident it is."""
    found: UUID | None = await connection.fetch_value(_ACCOUNT_OF, integration_id, resident_id)
    return found


async def events_were_read(connection: Connection, resident_id: UUID, moment: object) -> None:
    """All of this resident's events were read, by a read begun at `moment`."""
    await connection.execute(_EVENTS_WERE_READ, resident_id, moment)


def _linked(link: Link) -> str:
    return (
        f"ARRAY(SELECT t.id FROM {link.table} AS t WHERE t.integration_id = $2 AND t.x_id IN "
        f"(SELECT jsonb_array_elements_text(r.links->'{link.key}')) ORDER BY t.x_id)"
    )


def _unresolved(spec: ModelSpec) -> str:
    missing = "(r.x_property_id IS NOT NULL AND r.found_property_id IS NULL)"
    if spec.link is not None:
        wanted = f"jsonb_array_length(coalesce(r.links->'{spec.link.key}', '[]'))"
        missing += f" OR cardinality(r.linked_ids) < {wanted}"
    return missing


def _link_value(link: Link) -> str:
    return "r.linked_ids" if link.many else "r.linked_ids[1]"


@cache
def _upsert(model: Model) -> str:
    spec = SPECS[model]
    own_property = spec.table == "properties"
    kinds = {field.name: field.kind for field in spec.fields}
    columns: dict[str, str] = {}
    for column, field in spec.columns:
        columns[column] = (
            f"ARRAY(SELECT jsonb_array_elements_text(coalesce(r.data->'{field}', '[]')))"
            if kinds[field] is Kind.TEXTS
            else f"r.data->>'{field}'"
        )
    if model is Model.EVENT_TYPES:
        columns["class"] = "r.class"
    if model is Model.RESIDENTS:
        columns["leases"] = "r.leases"
    if spec.link is not None:
        columns[spec.link.column] = _link_value(spec.link)
    property_id = "r.id" if own_property else _PROPERTY
    linked = "NULL::uuid[]" if spec.link is None else _linked(spec.link)
    extra_names = "".join(f", {name}" for name in columns)
    extra_values = "".join(f", {value}" for value in columns.values())
    extra_sets = "".join(f", {name} = EXCLUDED.{name}" for name in columns)
    # What a property is of does not change: it is its own.
    new_property = "kept.id" if own_property else "EXCLUDED.property_id"
    seen = ["x_property_id", "data", *columns]
    kept_row = ", ".join([f"kept.{name}" for name in seen] + ["kept.property_id"])
    new_row = ", ".join([f"EXCLUDED.{name}" for name in seen] + [new_property])
    return f"""
WITH incoming AS (
    SELECT r.*, {property_id} AS found_property_id, {linked} AS linked_ids
    FROM jsonb_to_recordset($4::jsonb) AS r(
        id uuid, x_id text, x_property_id text, data jsonb, links jsonb, extra jsonb,
        leases jsonb, class text))
INSERT INTO {spec.table} AS kept (
    id, account_id, integration_id, vendor, x_id, x_property_id, property_id, data, links, extra,
    unresolved{extra_names})
SELECT r.id, $1, $2, $3, r.x_id, r.x_property_id, r.found_property_id, r.data, r.links, r.extra,
    {_unresolved(spec)}{extra_values}
FROM incoming AS r
ORDER BY r.x_id
ON CONFLICT (integration_id, x_id) DO UPDATE SET
    x_property_id = EXCLUDED.x_property_id, property_id = {new_property}, data = EXCLUDED.data,
    links = EXCLUDED.links, extra = EXCLUDED.extra, unresolved = EXCLUDED.unresolved{extra_sets},
    last_seen = clock_timestamp(),
    updated_at = CASE WHEN ROW({kept_row}) IS DISTINCT FROM ROW({new_row})
        THEN clock_timestamp() ELSE kept.updated_at END
RETURNING (xmax = 0) AS inserted
"""


@cache
def _resolve_again(model: Model) -> str:
    spec = SPECS[model]
    linked = "NULL::uuid[]" if spec.link is None else _linked(spec.link)
    sets, was, now = "", "kept.property_id", "r.found_property_id"
    if spec.link is not None:
        value = _link_value(spec.link)
        sets = f", {spec.link.column} = {value}"
        was, now = f"{was}, kept.{spec.link.column}", f"{now}, {value}"
    return f"""
UPDATE {spec.table} AS kept SET
    property_id = r.found_property_id, unresolved = {_unresolved(spec)},
    updated_at = clock_timestamp(){sets}
FROM (
    SELECT r.*, {_PROPERTY} AS found_property_id, {linked} AS linked_ids
    FROM {spec.table} AS r
    WHERE r.account_id = $1 AND r.integration_id = $2 AND r.unresolved) AS r
WHERE kept.id = r.id AND ROW({was}) IS DISTINCT FROM ROW({now})
"""
