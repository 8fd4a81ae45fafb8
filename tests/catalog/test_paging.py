"""Lists while rows arrive: what a cursor stands on, and what a total may cost."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frontdesk.catalog.listing import TOTAL_LIMIT, Listing, Ordering
from frontdesk.catalog.models import SPECS
from frontdesk.catalog.repository import page_statement
from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Database
from frontdesk.vendors.declaration import Model
from tests.catalog.world import PaperIntegration, an_integration
from tests.conftest import in_a_thread

SPEC = SPECS[Model.RESIDENTS]
ORDERS = st.lists(
    st.sampled_from(["created_at", "updated_at", "last_seen", "id", "last_name", "first_name"]),
    min_size=1,
    max_size=3,
    unique=True,
).flatmap(
    lambda names: st.tuples(
        *(st.tuples(st.just(name), st.sampled_from(["asc", "desc"])) for name in names)
    )
)
# Few values, so that many rows are equal in what they are ordered by.
NAMES = st.sampled_from([None, "", "a", "b", "Z", "é"])
ARRIVALS = st.lists(st.tuples(NAMES, st.integers(0, 3)), max_size=4)


async def add(
    database: Database, integration: PaperIntegration, names: list[tuple[str | None, int]]
) -> None:
    for name, minute in names:
        await database.execute(
            """INSERT INTO residents (id, account_id, integration_id, vendor, x_id, data, created_at,
                updated_at, last_seen)
            VALUES (gen_random_uuid(), $1, $2, 'PAPER', gen_random_uuid()::text,
                jsonb_strip_nulls(jsonb_build_object('last_name', $3::text, 'first_name', 'x')),
                $4::timestamptz, $4, $4)""",
            integration.account_id,
            integration.id,
            name,
            datetime(2026, 1, 1, 0, minute, 0, 123457, tzinfo=UTC),
        )


async def walk(
    url: str, before: list[tuple[str | None, int]], arrivals: list[Any], order: Any, limit: int
) -> None:
    # A pool of its own: Hypothesis runs each example in a loop of its own.
    database = await Database.connect(url, maximum=2)
    try:
        integration = await an_integration(database)
        await add(database, integration, before)
        there = {row["id"] for row in await all_rows(database, integration)}
        service = CatalogService(database)
        ordering = [Ordering(SPEC.all_orders[name], direction) for name, direction in order]
        seen: list[Any] = []
        after = None
        coming = iter(arrivals)
        for _ in range(200):
            listing = Listing(
                SPEC, integration.account_id, ordering=ordering, limit=limit, after=after
            )
            assert listing.has_valid_place()
            rows = await service.page(listing)
            seen += [row["id"] for row in rows[:limit]]
            if len(rows) <= limit:
                break
            places = range(len(listing.total_ordering()))
            after = [rows[limit - 1][f"key_{n}"] for n in places]
            await add(database, integration, next(coming, []))
        assert len(seen) == len(set(seen))
        assert there <= set(seen)
        if not any(arrivals):
            whole = await service.page(
                Listing(SPEC, integration.account_id, ordering=ordering, limit=250)
            )
            assert seen == [row["id"] for row in whole]
    finally:
        await database.close()


async def all_rows(database: Database, integration: PaperIntegration) -> list[Any]:
    return await database.fetch(
        "SELECT id FROM residents WHERE integration_id = $1", integration.id
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    before=st.lists(st.tuples(NAMES, st.integers(0, 3)), max_size=12),
    arrivals=st.lists(ARRIVALS, max_size=4),
    order=ORDERS,
    limit=st.integers(1, 5),
)
def test_walk_by_cursor_shows_each_record_once_while_others_arrive(
    database_url: str,
    before: list[tuple[str | None, int]],
    arrivals: list[Any],
    order: Any,
    limit: int,
) -> None:
    in_a_thread(walk(database_url, before, arrivals, order, limit))


async def test_total_is_exact_up_to_ten_thousand_and_unknown_beyond(database: Database) -> None:
    integration = await an_integration(database)
    insert = """INSERT INTO residents (id, account_id, integration_id, vendor, x_id, data)
        SELECT gen_random_uuid(), $1, $2, 'PAPER', gen_random_uuid()::text, '{}'
        FROM generate_series(1, $3)"""
    await database.execute(insert, integration.account_id, integration.id, TOTAL_LIMIT)
    service = CatalogService(database)
    listing = Listing(SPEC, integration.account_id)
    assert await service.total(listing) == TOTAL_LIMIT
    await database.execute(insert, integration.account_id, integration.id, 1)
    assert await service.total(listing) is None


async def test_page_by_cursor_is_found_by_an_index_and_sorts_nothing(database: Database) -> None:
    integration = await an_integration(database)
    await database.execute(
        """INSERT INTO residents (id, account_id, integration_id, vendor, x_id, data)
        SELECT gen_random_uuid(), $1, $2, 'PAPER', gen_random_uuid()::text, '{}'
        FROM generate_series(1, 20000)""",
        integration.account_id,
        integration.id,
    )
    await database.execute("ANALYZE residents")
    service = CatalogService(database)
    rows = await service.page(Listing(SPEC, integration.account_id, limit=100))
    after = [rows[99]["key_0"], rows[99]["key_1"]]
    for filters in ([], [(SPEC.all_filters["integration_id"], integration.id)]):
        listing = Listing(SPEC, integration.account_id, filters=filters, limit=100, after=after)
        statement = page_statement(listing)
        plan = "\n".join(
            row[0]
            for row in await database.fetch(
                f"EXPLAIN (COSTS OFF) {statement.sql}", *statement.arguments
            )
        )
        assert "Index Scan" in plan, plan
        assert "Sort" not in plan, plan
        assert "ROW(created_at, id) <" in plan, plan
