"""SQL that reads the catalog: lists, single records, and the look-up of an event's references.

Invariant: every statement names the account; a record of another account does not exist here.
"""

# ruff: noqa: S608 — names put into SQL are constants of the code; values are arguments

from collections.abc import Sequence
from uuid import UUID

from frontdesk.catalog.listing import TOTAL_LIMIT, Listing, Ordering, Statement
from frontdesk.catalog.models import Filter, ModelSpec
from frontdesk.database.pool import Connection, Record
from frontdesk.vendors.declaration import EVENT_KINDS

Question = tuple[UUID | str | bool | None, ...]

_SHARED = (
    "id, created_at, updated_at, last_seen, x_id, x_property_id, integration_id, vendor, "
    "property_id, data"
)

# One row a question whose integration is the account's, whatever else is known of it: each of the
# joins is a look-up by primary key. A kind is looked up in the map only where one was named; OFFSET 0
# keeps the planner from writing that look-up out once for each of its uses.
_RESOLVE = """
SELECT q.place, i.last_completed_sync IS NOT NULL AS first_sync_done,
    r.id AS resident_id, r.x_id AS resident_x_id, r.x_property_id AS resident_x_property_id,
    r.property_id AS resident_property_id, r.email_1 AS resident_email,
    r.leases AS resident_leases, r.extra AS resident_extra, r.unit_ids AS resident_unit_ids,
    r.last_seen AS resident_last_seen, r.events_read_at AS resident_events_read_at,
    u.id AS unit_id, u.x_id AS unit_x_id, u.x_property_id AS unit_x_property_id,
    u.property_id AS unit_property_id, u.unit_number AS unit_name, u.extra AS unit_extra,
    u.last_seen AS unit_last_seen,
    e.id AS employee_id, e.x_id AS employee_x_id, e.x_property_id AS employee_x_property_id,
    e.property_id AS employee_property_id, e.data->>'name' AS employee_name,
    e.extra AS employee_extra, e.last_seen AS employee_last_seen, e.roles AS employee_roles,
    e.property_ids AS employee_property_ids, e.links AS employee_links,
    t.id AS type_id, t.x_id AS type_x_id, t.x_property_id AS type_x_property_id,
    t.property_id AS type_property_id, t.data->>'name' AS type_name, t.extra AS type_extra,
    t.last_seen AS type_last_seen, t.models AS type_models, t.class AS type_class,
    s.id AS sub_type_id, s.x_id AS sub_type_x_id, s.x_property_id AS sub_type_x_property_id,
    s.property_id AS sub_type_property_id, s.data->>'name' AS sub_type_name,
    s.extra AS sub_type_extra, s.last_seen AS sub_type_last_seen,
    s.event_type_id AS sub_type_event_type_id,
    o.id AS result_id, o.x_id AS result_x_id, o.x_property_id AS result_x_property_id,
    o.property_id AS result_property_id, o.data->>'name' AS result_name, o.extra AS result_extra,
    o.last_seen AS result_last_seen, o.event_type_ids AS result_event_type_ids,
    k.kind_type_id, k.note_type_id,
    CASE WHEN q.kind IS NOT NULL AND k.kind_type_id IS NULL THEN ARRAY(
        SELECT kind FROM unnest($11::text[]) AS kind WHERE event_type_of_kind(i.id, kind) IS NOT NULL)
    END AS mapped_kinds,
    (SELECT jsonb_agg(jsonb_build_array(
            p.id, p.x_id, coalesce(c.enabled, true), coalesce(c.timezone, p.data->>'timezone')))
        FROM properties AS p
        LEFT JOIN integration_properties AS c
            ON c.integration_id = p.integration_id AND c.property_id = p.id
        WHERE p.integration_id = i.id AND p.x_id = ANY (ARRAY(
            SELECT r.x_property_id
            UNION ALL SELECT lease->>'x_property_id' FROM jsonb_array_elements(r.leases) AS lease))
    ) AS properties
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[],
    $8::uuid[], $9::text[], $10::boolean[]) WITH ORDINALITY AS q(account_id, integration_id,
    resident_id, unit_id, employee_id, type_id, sub_type_id, result_id, kind, or_note, place)
JOIN integrations AS i ON i.id = q.integration_id AND i.account_id = q.account_id
LEFT JOIN LATERAL (
    SELECT m.kind_type_id, CASE WHEN q.or_note AND m.kind_type_id IS NULL
        THEN event_type_of_kind(i.id, 'note') END AS note_type_id
    FROM (SELECT CASE WHEN q.kind IS NOT NULL
        THEN event_type_of_kind(i.id, q.kind) END AS kind_type_id OFFSET 0) AS m
    OFFSET 0) AS k ON true
LEFT JOIN residents AS r ON r.id = q.resident_id AND r.integration_id = i.id
LEFT JOIN units AS u ON u.id = q.unit_id AND u.integration_id = i.id
LEFT JOIN employees AS e ON e.id = q.employee_id AND e.integration_id = i.id
LEFT JOIN event_types AS t ON t.integration_id = i.id
    AND t.id = coalesce(q.type_id, k.kind_type_id, k.note_type_id)
LEFT JOIN event_sub_types AS s ON s.id = q.sub_type_id AND s.integration_id = i.id
LEFT JOIN event_results AS o ON o.id = q.result_id AND o.integration_id = i.id
"""

_EVENT = """
SELECT id, account_id, integration_id, vendor, resident_id, x_id, x_property_id, property_id, origin_job_id,
    last_seen, data
FROM events WHERE id = $2 AND account_id = $1
"""

RESIDENT_COLUMNS = """
    r.id, r.x_id, r.x_property_id, r.property_id, r.email_1, r.leases, r.extra, r.unit_ids,
    r.last_seen, r.events_read_at,
    coalesce(
        (SELECT coalesce(c.timezone, p.data->>'timezone') FROM properties AS p
            LEFT JOIN integration_properties AS c
                ON c.integration_id = p.integration_id AND c.property_id = p.id
            WHERE p.id = r.property_id AND p.integration_id = r.integration_id),
        (SELECT i.timezone FROM integrations AS i WHERE i.id = r.integration_id)
    ) AS timezone
"""
"""Of `residents AS r`, what `rows.resident_of` reads: times without offset are read in the zone in
which they were written."""

_RESIDENT = f"""
SELECT {RESIDENT_COLUMNS}
FROM residents AS r WHERE r.id = $2 AND r.integration_id = $1
"""

# What was in the cache before a moment; ordered by nothing, the caller makes a set of it.
_EVENTS_BEFORE = """
SELECT x_id FROM events
WHERE integration_id = $1 AND resident_id = $2 AND x_id IS NOT NULL AND created_at < $3
"""

_ENABLED_PROPERTIES = """
SELECT p.x_id FROM properties AS p
LEFT JOIN integration_properties AS c
    ON c.integration_id = p.integration_id AND c.property_id = p.id
WHERE p.integration_id = $1 AND coalesce(c.enabled, true)
ORDER BY p.x_id
"""

_EVENTS_ARE_FRESH = """
SELECT r.integration_id,
    r.events_read_at IS NOT NULL
        AND r.events_read_at > clock_timestamp() - make_interval(secs => $3) AS fresh,
    i.vendor, i.active AND NOT i.is_archived AS reachable
FROM residents AS r JOIN integrations AS i ON i.id = r.integration_id
WHERE r.id = $2 AND r.account_id = $1
"""

_COUNTS = " UNION ALL ".join(
    f"SELECT '{table}' AS model, count(*) AS n FROM {table} "
    "WHERE account_id = $1 AND integration_id = $2"
    for table in (
        "properties",
        "units",
        "employees",
        "event_types",
        "event_sub_types",
        "event_results",
        "residents",
        "timezones",
        "events",
    )
)


async def page(connection: Connection, listing: Listing) -> list[Record]:
    """The records of a page and, if there are more, one more. The last columns are the order's
    values, for the cursor."""
    statement = page_statement(listing)
    return await connection.fetch(statement.sql, *statement.arguments)


async def count(connection: Connection, listing: Listing) -> int | None:
    """How many records the whole list has; None past `TOTAL_LIMIT`. Stops counting there."""
    arguments: list[object] = []
    where = _conditions(listing, arguments)
    total: int = await connection.fetch_value(
        f"SELECT count(*) FROM (SELECT FROM {listing.spec.table} WHERE {where} "
        f"LIMIT {TOTAL_LIMIT + 1}) AS counted",
        *arguments,
    )
    return total if total <= TOTAL_LIMIT else None


async def one(
    connection: Connection, spec: ModelSpec, account_id: UUID, record_id: UUID
) -> Record | None:
    """One record of an account."""
    return await connection.fetch_row(
        f"SELECT {_columns(spec)} FROM {spec.table} WHERE account_id = $1 AND id = $2",
        account_id,
        record_id,
    )


async def resolve(connection: Connection, questions: Sequence[Question]) -> list[Record | None]:
    """For each question (account, integration, resident, unit, employee, type, sub type, result; a
    kind; whether a note's type will do) the records with these ids as far as they are this
    integration's; None where the integration is not the account's."""
    rows = await connection.fetch(
        _RESOLVE, *(list(part) for part in zip(*questions, strict=True)), list(EVENT_KINDS)
    )
    by_place = {row["place"]: row for row in rows}
    return [by_place.get(place) for place in range(1, len(questions) + 1)]


async def event(connection: Connection, account_id: UUID, event_id: UUID) -> Record | None:
    """An event of the cache."""
    return await connection.fetch_row(_EVENT, account_id, event_id)


async def resident(
    connection: Connection, integration_id: UUID, resident_id: UUID
) -> Record | None:
    """A resident as the connectors need him."""
    return await connection.fetch_row(_RESIDENT, integration_id, resident_id)


async def events_before(
    connection: Connection, integration_id: UUID, resident_id: UUID, moment: object
) -> list[Record]:
    """PMS ids of the resident's events that were in the cache before a moment."""
    return await connection.fetch(_EVENTS_BEFORE, integration_id, resident_id, moment)


async def enabled_properties(connection: Connection, integration_id: UUID) -> list[Record]:
    """PMS ids of the properties that take part."""
    return await connection.fetch(_ENABLED_PROPERTIES, integration_id)


async def events_are_fresh(
    connection: Connection, account_id: UUID, resident_id: UUID, seconds: float
) -> Record | None:
    """Whether all events of a resident were read less than so many seconds ago."""
    return await connection.fetch_row(_EVENTS_ARE_FRESH, account_id, resident_id, seconds)


async def counts(connection: Connection, account_id: UUID, integration_id: UUID) -> dict[str, int]:
    """Records of an integration by model."""
    rows = await connection.fetch(_COUNTS, account_id, integration_id)
    return {row["model"]: row["n"] for row in rows}


def page_statement(listing: Listing) -> Statement:
    """The statement of `page`; its text depends on the shape of the list, never on a value."""
    arguments: list[object] = []
    where = _conditions(listing, arguments)
    ordering = listing.total_ordering()
    if listing.after is not None:
        where += f" AND ({_after(ordering, listing.after, arguments)})"
    keys = "".join(f", {_text_of(item)} AS key_{n}" for n, item in enumerate(ordering))
    order = ", ".join(f"{_expression(item)} {item.direction}" for item in ordering)
    arguments += [listing.limit + 1, listing.offset]
    return Statement(
        f"SELECT {_columns(listing.spec)}{keys} FROM {listing.spec.table} WHERE {where} "
        f"ORDER BY {order} LIMIT ${len(arguments) - 1} OFFSET ${len(arguments)}",
        tuple(arguments),
    )


def _columns(spec: ModelSpec) -> str:
    own = [field.column for field in spec.fields if field.column is not None]
    return ", ".join([_SHARED, *own])


def _conditions(listing: Listing, arguments: list[object]) -> str:
    arguments.append(listing.account_id)
    parts = ["account_id = $1"]
    for item, value in listing.filters:
        arguments.append(value)
        parts.append(_condition(item, f"${len(arguments)}"))
    for span in listing.spans:
        arguments.append(span.moment)
        sign = ">=" if span.side == "gte" else "<="
        parts.append(f"{span.column} {sign} ${len(arguments)}")
    return " AND ".join(parts)


def _condition(item: Filter, place: str) -> str:
    match item.kind:
        case "id" | "text":
            return f"{item.column} = {place}"
        case "folded_text":
            return f"lower({item.column}) = lower({place}::text)"
        case "id_among":
            return f"{item.column} @> ARRAY[{place}::uuid]"
        case "text_among":
            return f"{item.column} @> ARRAY[{place}::text]"
        case "text_or_link":
            return f"({item.column} = {place} OR links->'{item.name}s' ? {place}::text)"


def _expression(item: Ordering) -> str:
    if item.order.data:
        return f"""coalesce(data->>'{item.order.column}', '') COLLATE "C\""""
    return item.order.column


def _text_of(item: Ordering) -> str:
    """The order's value as text that reads back as exactly the same value."""
    if item.order.timestamp:
        return f"(extract(epoch FROM {item.order.column}) * 1000000)::bigint::text"
    return f"{_expression(item)}::text" if not item.order.data else _expression(item)


def _value_of(item: Ordering, place: str) -> str:
    if item.order.timestamp:
        # In whole microseconds: a double of seconds could not name each of them.
        return f"(timestamptz '1970-01-01 00:00:00+00' + {place}::text::bigint * interval '1 us')"
    return f"{place}::text" if item.order.data else f"{place}::text::uuid"


def _after(ordering: tuple[Ordering, ...], after: Sequence[str], arguments: list[object]) -> str:
    """The records behind a place of the order. Where all fields run one way this is a single row
    comparison, which an index answers."""
    values = []
    for item, value in zip(ordering, after, strict=True):
        arguments.append(value)
        values.append(_value_of(item, f"${len(arguments)}"))
    columns = [_expression(item) for item in ordering]
    if len({item.direction for item in ordering}) == 1:
        sign = "<" if ordering[0].direction == "desc" else ">"
        return f"({', '.join(columns)}) {sign} ({', '.join(values)})"
    cases = []
    for n, item in enumerate(ordering):
        sign = "<" if item.direction == "desc" else ">"
        equal = [f"{columns[m]} = {values[m]}" for m in range(n)]
        cases.append("(" + " AND ".join([*equal, f"{columns[n]} {sign} {values[n]}"]) + ")")
    return " OR ".join(cases)
