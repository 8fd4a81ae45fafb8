"""Reads that fail: what is tried again, what ends, and what of it may be seen."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from frontdesk.catalog.service import CatalogService
from frontdesk.catalog.sync import SyncRunner, Unauthorised
from frontdesk.catalog.values import from_json
from frontdesk.database.pool import Database, Record
from frontdesk.vendors.contract import NoAnswer, Outcome, OutcomeKind, ReadRefused
from frontdesk.vendors.declaration import Model
from tests.catalog.world import (
    SECRET,
    PaperConnector,
    PaperIntegration,
    PaperSession,
    a_property,
    a_resident,
    a_whole_pms,
    an_integration,
    rows,
    run_all,
    store,
    vendors_with,
)


@pytest.fixture
def pms(monkeypatch: pytest.MonkeyPatch) -> PaperConnector:
    """A PMS with some of everything, which the registry knows alone."""
    connector = PaperConnector(a_whole_pms())
    for module in ("sync", "service"):
        monkeypatch.setattr(f"frontdesk.catalog.{module}.vendors", vendors_with(connector))
    return connector


@pytest.fixture
async def integration(database: Database, pms: PaperConnector) -> PaperIntegration:
    """An integration with a sync before it; nobody else's is due."""
    await database.execute("UPDATE integrations SET active = false")
    made = await an_integration(database)
    await SyncRunner(database).schedule_due()
    return made


def failing(model: Model, error: Exception, times: int = 10**6) -> Callable[..., None]:
    left = [times]

    def fail(asked: Model, cursor: str | None) -> None:
        if asked is model and left[0] > 0:
            left[0] -= 1
            raise error

    return fail


def refusal(kind: OutcomeKind, message: str = "no", **more: object) -> ReadRefused:
    return ReadRefused(Outcome(kind, "told", message, **more))  # type: ignore[arg-type] # by name


async def job(database: Database, integration: PaperIntegration, job_type: str) -> Record:
    row = await database.fetch_row(
        "SELECT * FROM read_jobs WHERE integration_id = $1 AND job_type = $2",
        integration.id,
        job_type,
    )
    assert row is not None
    return row


async def attempts(database: Database, integration: PaperIntegration) -> list[Record]:
    return await database.fetch(
        "SELECT * FROM attempts WHERE integration_id = $1 ORDER BY created_at, number",
        integration.id,
    )


async def run_impatiently(
    database: Database, integration: PaperIntegration, pms: PaperConnector
) -> None:
    """As `run_all`, without waiting for a backoff."""
    runner = SyncRunner(database)
    for _ in range(200):
        await database.execute(
            "UPDATE read_jobs SET not_before = now() - interval '1 second' "
            "WHERE integration_id = $1 AND finished_at IS NULL",
            integration.id,
        )
        if not await runner.run_step(integration, pms, PaperSession()):
            return
    raise AssertionError("it does not end")


async def test_page_without_answer_is_asked_for_again_later(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.before = failing(Model.PROPERTIES, NoAnswer("timed out", sent=True), times=1)
    assert await SyncRunner(database).run_step(integration, pms, PaperSession())
    failed = await job(database, integration, "sync_properties")
    assert (failed["state"], failed["attempts"], failed["error"]) == ("queued", 1, "timed out")
    assert failed["not_before"] > failed["created_at"]
    await run_impatiently(database, integration, pms)
    assert (await job(database, integration, "sync"))["state"] == "succeeded"


async def test_model_that_never_answers_fails_alone_and_the_sync_is_tried_again_soon(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.before = failing(Model.EMPLOYEES, NoAnswer("timed out", sent=True))
    await run_impatiently(database, integration, pms)
    assert (await job(database, integration, "sync_employees"))["state"] == "failed"
    assert (await job(database, integration, "sync_residents"))["state"] == "succeeded"
    root = await job(database, integration, "sync")
    assert (root["state"], root["error"]) == ("failed", "1 of 7 steps failed")
    told = await database.fetch_row("SELECT * FROM integrations WHERE id = $1", integration.id)
    assert told is not None
    assert told["last_completed_sync"] is not None
    assert (told["next_sync_at"] - datetime.now(UTC)).total_seconds() < 16 * 60


async def test_sync_that_brought_nothing_is_not_a_completed_one(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    def refuse(model: Model, cursor: str | None) -> None:
        raise refusal(OutcomeKind.REJECTED)

    pms.before = refuse
    await run_impatiently(database, integration, pms)
    told = await database.fetch_row("SELECT * FROM integrations WHERE id = $1", integration.id)
    assert told is not None
    assert told["last_completed_sync"] is None


async def test_refusal_in_the_pms_own_words_is_final_at_once(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.before = failing(Model.PROPERTIES, refusal(OutcomeKind.REJECTED, "No permission."))
    await SyncRunner(database).run_step(integration, pms, PaperSession())
    failed = await job(database, integration, "sync_properties")
    assert (failed["state"], failed["error"]) == ("failed", "No permission.")


async def test_throttled_read_waits_as_told_and_uses_no_attempt_up(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    slow_down = refusal(OutcomeKind.NOT_NOW, throttled=True, retry_after=120.0)
    pms.before = failing(Model.PROPERTIES, slow_down)
    for _ in range(20):
        await database.execute(
            "UPDATE read_jobs SET not_before = now() WHERE integration_id = $1", integration.id
        )
        assert await SyncRunner(database).run_step(integration, pms, PaperSession())
    waiting = await job(database, integration, "sync_properties")
    assert (waiting["state"], waiting["attempts"]) == ("queued", 0)
    assert 100 < (waiting["not_before"] - datetime.now(UTC)).total_seconds() < 121
    assert await attempts(database, integration) == []


async def test_refused_credentials_are_reported_and_the_job_waits(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.before = failing(Model.PROPERTIES, refusal(OutcomeKind.UNAUTHORISED), times=1)
    runner = SyncRunner(database)
    with pytest.raises(Unauthorised):
        await runner.run_step(integration, pms, PaperSession())
    can = "SELECT can_authenticate FROM integrations WHERE id = $1"
    assert await database.fetch_value(can, integration.id) is False
    waiting = await job(database, integration, "sync_properties")
    assert (waiting["state"], waiting["attempts"]) == ("queued", 0)
    await run_impatiently(database, integration, pms)
    assert await database.fetch_value(can, integration.id) is True


async def test_fault_of_a_connector_costs_its_job_and_not_the_worker(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.before = failing(Model.UNITS, KeyError("an unexpected shape"))
    await run_impatiently(database, integration, pms)
    assert (await job(database, integration, "sync_units"))["state"] == "failed"
    assert (await job(database, integration, "sync_residents"))["state"] == "succeeded"


@pytest.mark.parametrize(
    "circle",
    [
        lambda model, cursor: "same",
        lambda model, cursor: {"a": "b", "b": "c"}.get(cursor or "", "a"),
    ],
    ids=["the same cursor", "a circle of three"],
)
async def test_pms_whose_pages_go_round_is_not_read_for_ever(
    database: Database,
    pms: PaperConnector,
    integration: PaperIntegration,
    circle: Callable[[Model, str | None], str | None],
) -> None:
    pages = iter(range(10**6))
    pms.pages = {Model.PROPERTIES: [[a_property("p1")]]}

    class Round(PaperConnector):
        async def read(self, session, model, cursor, since):  # type: ignore[no-untyped-def] # as it is
            self.pages = {model: [[a_property(f"p{next(pages)}")]]}
            page = await super().read(session, model, None, since)
            return type(page)(page.records, circle(model, cursor))

    runner = SyncRunner(database)
    going_round = Round()
    for _ in range(40):
        await runner.run_step(integration, going_round, PaperSession())
        if (await job(database, integration, "sync_properties"))["state"] == "failed":
            break
    stopped = await job(database, integration, "sync_properties")
    assert stopped["state"] == "failed"
    assert stopped["pages"] < 20


async def test_pms_that_ignores_the_offset_is_not_read_for_ever(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.next_cursor = lambda model, cursor: str(int(cursor or 0) + 1)
    pms.pages = {Model.PROPERTIES: [[a_property("p1"), a_property("p2")]]}
    await run_impatiently(database, integration, pms)
    stopped = await job(database, integration, "sync_properties")
    assert stopped["state"] == "failed"
    assert "again and again" in stopped["error"]


async def test_attempts_show_the_failed_exchange_without_a_secret(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.before = failing(
        Model.PROPERTIES, refusal(OutcomeKind.UNKNOWN, f"The key {SECRET} is odd."), times=1
    )
    await run_impatiently(database, integration, pms)
    kept = [
        row for row in await attempts(database, integration) if row["job_type"] == "sync_properties"
    ]
    assert [row["outcome"] for row in kept] == ["unknown", "delivered"]
    assert [row["number"] for row in kept] == [1, 2]
    assert from_json(kept[0]["request"])["method"] == "GET"
    assert from_json(kept[0]["answer"])["status"] == 200
    assert kept[1]["answer"] is None
    for row in await attempts(database, integration):
        assert SECRET not in str(dict(row))
    every_job = await database.fetch(
        "SELECT error FROM read_jobs WHERE integration_id = $1", integration.id
    )
    assert SECRET not in str([row["error"] for row in every_job])


async def test_resident_who_cannot_be_read_is_passed_over_in_the_background(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    def refuse_one(model: Model, x_id: str | None) -> None:
        if model is Model.EVENTS and x_id == "r2":
            raise refusal(OutcomeKind.REJECTED)

    pms.before = refuse_one
    await run_impatiently(database, integration, pms)
    assert sorted(set(pms.asked_events)) == ["r1", "r2", "r3"]
    residents = await rows(database, integration, "residents")
    assert residents["r2"]["events_read_at"] is None
    assert residents["r3"]["events_read_at"] is not None
    assert (await job(database, integration, "sync_events"))["state"] == "succeeded"


# --- data access --------------------------------------------------------------------------------


async def checked(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> dict[str, dict[str, dict[str, object]]]:
    await database.execute("DELETE FROM read_jobs WHERE integration_id = $1", integration.id)
    service = CatalogService(database)
    await service.begin_data_access(integration.account_id, integration.id)
    stored = "SELECT data_access FROM integrations WHERE id = $1"
    begun = from_json(await database.fetch_value(stored, integration.id))
    assert begun["residents"]["read"] == {"status": "PROCESSING"}
    await service.begin_data_access(integration.account_id, integration.id)  # one at a time
    try:
        await run_all(SyncRunner(database), integration, pms)
    except Unauthorised:
        assert await run_all(SyncRunner(database), integration, pms) == 0
    found: dict[str, dict[str, dict[str, object]]] = from_json(
        await database.fetch_value(stored, integration.id)
    )
    assert (await job(database, integration, "data_access"))["state"] == "succeeded"
    return found


async def test_data_access_tries_each_read_and_never_a_write(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    await store(database, integration, a_resident("r1"))
    pms.before = failing(Model.UNITS, refusal(OutcomeKind.REJECTED, f"No units for {SECRET}."))
    found = await checked(database, pms, integration)
    assert found["properties"]["read"] == {"status": "SUCCESS"}
    assert found["units"]["read"] == {"status": "FAILED", "error_message": "No units for ***."}
    assert found["units"]["create"] == {"unsupported": True}
    assert found["events"] == {
        "read": {"status": "SUCCESS"},
        "create": {"untested": True},
        "update": {"unsupported": True},
    }
    assert found["timezones"]["read"] == {"unsupported": True}
    assert pms.asked_events == ["r1"]
    # A check stores no record: it only asks whether it may.
    assert await rows(database, integration, "properties") == {}


async def test_data_access_ends_at_refused_credentials_for_every_model(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    pms.before = failing(Model.PROPERTIES, refusal(OutcomeKind.UNAUTHORISED, "Bad key."))
    found = await checked(database, pms, integration)
    failed = {"status": "FAILED", "error_message": "Bad key."}
    assert found["properties"]["read"] == found["residents"]["read"] == failed
