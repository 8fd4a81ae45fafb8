"""Reads and syncs are counted once each, with what came of them, for Prometheus."""

import asyncio
from collections import Counter

import pytest
from prometheus_client.exposition import generate_latest

from frontdesk.catalog.sync import SyncRunner, Unauthorised
from frontdesk.database.pool import Database
from frontdesk.metrics.counts import REGISTRY
from frontdesk.vendors.contract import NoAnswer, OutcomeKind
from frontdesk.vendors.declaration import Model
from tests.catalog.test_sync_failures import failing, integration, pms, refusal, run_impatiently
from tests.catalog.world import PaperConnector, PaperIntegration, PaperSession
from tests.metrics.scraped import parsed

__all__ = ["integration", "pms"]


class Counted:
    """What was counted of the tests' vendor since it was made."""

    def __init__(self) -> None:
        self._before = self._now()

    def since(self) -> dict[str, float]:
        """Name and outcome (`reads delivered`) → how many; `read seconds`, `sync seconds` → of how
        many there are durations."""
        return dict(self._now() - self._before)

    @staticmethod
    def _now() -> "Counter[str]":
        found: Counter[str] = Counter()
        for sample in parsed(generate_latest(REGISTRY).decode()):
            if sample.labels.get("vendor") != "PAPER":
                continue
            if sample.name in ("frontdesk_reads_total", "frontdesk_syncs_total"):
                kind = sample.name.split("_")[1]
                found[f"{kind} {sample.labels['outcome']}"] += int(sample.value)
            elif sample.name in ("frontdesk_read_seconds_count", "frontdesk_sync_seconds_count"):
                found[f"{sample.name.split('_')[1]} seconds"] += int(sample.value)
        return found


async def _ended(database: Database, integration: PaperIntegration) -> int:
    counted: int = await database.fetch_value(
        "SELECT count(*) FROM attempts WHERE integration_id = $1", integration.id
    )
    return counted


async def test_a_whole_sync_is_one_that_succeeded(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    counted = Counted()
    await run_impatiently(database, integration, pms)
    found = counted.since()
    assert found["syncs succeeded"] == found["sync seconds"] == 1
    assert found["reads delivered"] == found["read seconds"] >= await _ended(database, integration)
    assert set(found) == {"syncs succeeded", "sync seconds", "reads delivered", "read seconds"}


async def test_a_sync_of_which_a_part_failed_ended_partly(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    counted = Counted()
    pms.before = failing(Model.EMPLOYEES, NoAnswer("timed out", sent=True))
    await run_impatiently(database, integration, pms)
    found = counted.since()
    assert (found["syncs partly"], found["sync seconds"]) == (1, 1)
    assert found["reads unknown"] == 8
    assert found["reads unknown"] + found["reads delivered"] == found["read seconds"]


async def test_a_sync_that_brought_nothing_failed(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    def refuse(model: Model, cursor: str | None) -> None:
        raise refusal(OutcomeKind.REJECTED)

    counted = Counted()
    pms.before = refuse
    await run_impatiently(database, integration, pms)
    found = counted.since()
    assert found["syncs failed"] == found["sync seconds"] == 1
    assert found["reads rejected"] == found["read seconds"]
    assert "reads delivered" not in found


async def test_refused_credentials_are_counted_although_they_stop_the_worker_s_reads(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    counted = Counted()
    pms.before = failing(Model.PROPERTIES, refusal(OutcomeKind.UNAUTHORISED))
    with pytest.raises(Unauthorised):
        await SyncRunner(database).run_step(integration, pms, PaperSession())
    assert counted.since() == {"reads unauthorised": 1, "read seconds": 1}


async def test_a_step_that_was_cut_off_is_counted_by_whoever_does_it_again(
    database: Database, pms: PaperConnector, integration: PaperIntegration
) -> None:
    counted = Counted()
    pms.before = failing(Model.PROPERTIES, asyncio.CancelledError(), times=1)  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):
        await SyncRunner(database).run_step(integration, pms, PaperSession())
    assert counted.since() == {}
    await SyncRunner(database).run_step(integration, pms, PaperSession())
    assert counted.since() == {"reads delivered": 1, "read seconds": 1}
