"""Figures of what the database holds: by integration for the worst alone, read by one process for all."""

import asyncio
from typing import Any

import pytest

from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.metrics.listener import Figures
from frontdesk.metrics.repository import WORST, FiguresRepository
from frontdesk.settings import Settings
from frontdesk.writes.intake import Intake
from tests.conftest import LiveServer, make_settings, session, until
from tests.database.proxy import Proxy
from tests.delivery.stock import Stock, new_write, stock
from tests.integrations.world import PATH as INTEGRATIONS
from tests.metrics.scraped import parsed, value_of


async def _queued(database: Database, integrations: int) -> Stock:
    """An account with so many integrations; the n-th has n + 1 events, the oldest n minutes old."""
    the = await stock(database, integrations=integrations)
    intake = Intake(database, queue=10_000, batch=128)
    writes = [
        new_write(the, new_id(), integration_id=integration_id)
        for place, integration_id in enumerate(the.integration_ids)
        for _ in range(place + 1)
    ]
    await asyncio.gather(*(intake.submit(write) for write in writes))
    await intake.close()
    for place, integration_id in enumerate(the.integration_ids):
        await database.execute(
            "UPDATE writes SET submitted_at = clock_timestamp() - make_interval(mins => $2) "
            "WHERE integration_id = $1",
            integration_id,
            place,
        )
    return the


@pytest.fixture
async def emptied(database: Database) -> Database:
    """The module's database without what the tests before have left."""
    await database.execute(
        "TRUNCATE accounts, integrations, writes, leases, metrics_snapshot CASCADE"
    )
    return database


async def test_only_the_worst_integrations_have_series_of_their_own(emptied: Database) -> None:
    extra = 5
    the = await _queued(emptied, WORST + extra)
    figures = Figures(emptied, 1.0)
    samples = parsed((await figures.text()).decode())
    await figures.close()

    depths = [sample for sample in samples if sample.name == "frontdesk_queue_depth"]
    own = {sample.labels["integration"] for sample in depths} - {"others"}
    assert own == {str(one) for one in the.integration_ids[extra:]}
    total = sum(range(1, WORST + extra + 1))
    assert value_of(samples, "frontdesk_queue_depth", vendor="ANY") == total
    assert value_of(samples, "frontdesk_queue_depth", integration="others") == sum(
        range(1, extra + 1)
    )
    oldest = value_of(
        samples, "frontdesk_queue_oldest_seconds", integration=str(the.integration_ids[-1])
    )
    assert (WORST + extra - 1) * 60 <= oldest < (WORST + extra) * 60


async def test_an_integration_without_a_queue_has_no_series(emptied: Database) -> None:
    the = await stock(emptied, integrations=2)
    figures = Figures(emptied, 1.0)
    text = (await figures.text()).decode()
    await figures.close()
    assert not [one for one in the.integration_ids if str(one) in text]
    samples = parsed(text)
    assert value_of(samples, "frontdesk_integrations_active", vendor="ANY") == 2
    assert value_of(samples, "frontdesk_integrations_without_worker", vendor="ANY") == 2
    assert value_of(samples, "frontdesk_queue_depth", vendor="ANY", integration="others") == 0


async def test_an_event_that_waited_for_its_time_is_waited_for_since_then(
    emptied: Database,
) -> None:
    the = await stock(emptied)
    intake = Intake(emptied, queue=10, batch=10)
    await intake.submit(
        new_write(the, new_id(), input={"notes": "later", "send_at": "2026-01-31t09:30:00z"})
    )
    await intake.close()
    await emptied.execute(
        "UPDATE writes SET submitted_at = '2020-01-01Z', input = input || jsonb_build_object("
        "'send_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))"
    )
    found = await FiguresRepository(emptied).figures()
    assert found is not None
    assert 0 <= found[0]["queue"][0]["oldest"] < 600


async def test_figures_are_read_once_for_all_processes(
    emptied: Database, database_url: str
) -> None:
    another = await Database.connect(database_url, maximum=2)
    try:
        first = await FiguresRepository(emptied).figures()
        await stock(emptied)
        second = await FiguresRepository(another).figures()
        assert first is not None
        assert second is not None
        assert second[0] == first[0]
        await emptied.execute(
            "UPDATE metrics_snapshot SET taken_at = taken_at - interval '1 minute'"
        )
        third = await FiguresRepository(another).figures()
        assert third is not None
        assert third[0] != first[0]
    finally:
        await another.close()


async def test_while_one_process_reads_the_others_take_what_is_kept(emptied: Database) -> None:
    await FiguresRepository(emptied).figures()
    await emptied.execute("UPDATE metrics_snapshot SET taken_at = taken_at - interval '1 minute'")
    async with emptied.transaction() as reading:
        await reading.execute("SELECT pg_advisory_xact_lock(7031)")
        kept = await FiguresRepository(emptied).figures()
    assert kept is not None
    assert kept[1] > 59


async def test_a_count_that_took_long_is_not_begun_again_soon(emptied: Database) -> None:
    await FiguresRepository(emptied).figures()
    await emptied.execute(
        "UPDATE metrics_snapshot SET took = 6, taken_at = taken_at - interval '1 minute'"
    )
    kept = await FiguresRepository(emptied).figures()
    assert kept is not None
    assert kept[1] > 59


async def test_a_schema_without_kept_figures_shows_the_counters_all_the_same(
    emptied: Database,
) -> None:
    await emptied.execute("ALTER TABLE metrics_snapshot RENAME TO not_yet")
    try:
        figures = Figures(emptied, 1.0)
        samples = parsed((await figures.text()).decode())
        await figures.close()
    finally:
        await emptied.execute("ALTER TABLE not_yet RENAME TO metrics_snapshot")
    assert value_of(samples, "frontdesk_database_up") == 1
    assert "process_start_time_seconds" in {sample.name for sample in samples}
    assert "frontdesk_queue_depth" not in {sample.name for sample in samples}


async def test_a_database_that_answers_nothing_costs_the_gauges_and_not_the_counters(
    database_url: str,
) -> None:
    with Proxy(database_url) as proxy:
        database = await Database.connect(proxy.url, maximum=2, command_timeout=1)
        try:
            figures = Figures(database, 1.0)
            proxy.swallow()
            samples = parsed((await figures.text()).decode())
            await figures.close()
            assert value_of(samples, "frontdesk_database_up") == 0
            assert "process_start_time_seconds" in {sample.name for sample in samples}
        finally:
            proxy.flow()
            await database.close()


async def test_what_a_budget_has_left_is_told_where_it_is_least(emptied: Database) -> None:
    from frontdesk.vendors.registry import vendors

    declaration = next(
        vendor.declaration for vendor in vendors().values() if vendor.declaration.budget.windows
    )
    window = declaration.budget.windows[0]
    the = await stock(emptied, integrations=2)
    await emptied.execute("UPDATE integrations SET vendor = $1", declaration.vendor)
    for place, integration_id in enumerate(the.integration_ids):
        await emptied.fetch(
            "SELECT * FROM take_budget($1, '', $2::jsonb, $3, 0, 1)",
            f"scope {integration_id}",
            f"[[{window.requests}, {window.seconds}]]",
            window.requests // (place + 1),
        )
    figures = Figures(emptied, 1.0)
    samples = parsed((await figures.text()).decode())
    await figures.close()
    left = [sample for sample in samples if sample.name == "frontdesk_budget_left_ratio"]
    assert [(one.labels["vendor"], one.value) for one in left] == [(declaration.vendor, 0.0)]


async def test_the_api_shows_no_figures_to_its_callers(server: LiveServer) -> None:
    assert Settings.model_fields["metrics_port"].default is None
    assert Settings.model_fields["metrics_host"].default == "127.0.0.1"
    async with session(server.url) as client, client.get("/metrics") as answer:
        assert answer.status == 404


async def test_requests_are_counted_by_template_and_never_by_what_was_asked_for(
    server: LiveServer, client: Any
) -> None:
    del server
    asked = str(new_id())
    for path in (f"/v1/admin/integrations/{asked}", f"/nothing/{asked}", "/v1/admin/integrations/"):
        async with client.get(path):
            pass
    from prometheus_client import generate_latest

    from frontdesk.metrics.counts import REGISTRY

    name = "frontdesk_http_requests_total"
    route = f"{INTEGRATIONS}/{{integration_id}}"

    async def all_counted() -> bool:
        # An answer is counted once it is out: the last one may not be yet.
        samples = parsed(generate_latest(REGISTRY).decode())
        return (
            value_of(samples, name, method="GET", route=route, status="404") >= 1
            and value_of(samples, name, method="GET", route=INTEGRATIONS, status="200") >= 1
            and value_of(samples, name, method="GET", route="none", status="404") >= 1
        )

    await until(all_counted)
    assert asked not in generate_latest(REGISTRY).decode()
    assert make_settings().metrics_port is None
