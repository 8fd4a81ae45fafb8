"""The figures of real processes: what was sent is counted where it was done, at an address of its own."""

import re
from pathlib import Path

import pytest

from tests.journeys.fleet import fleet
from tests.journeys.served import NOTE_VENDOR, Command, until
from tests.metrics.scraped import Sample, scraped, value_of

SENT = 5


def _figures_of(command: Command) -> str:
    """The address that the process logs."""

    def look() -> str | None:
        found = re.search(r"http://127\.0\.0\.1:\d+/metrics", command.said())
        return found[0] if found else None

    return until(look, seconds=30)


@pytest.mark.timeout(200)
def test_api_and_worker_show_what_they_did(database_url: str, tmp_path: Path) -> None:
    with fleet(database_url, tmp_path, FRONTDESK_METRICS_PORT="0") as running:
        api, (worker,) = running.api, running.workers
        residents = api.residents(NOTE_VENDOR, SENT)
        jobs = [api.send(NOTE_VENDOR, resident, "figures") for resident in residents]
        for job in jobs:
            assert api.ended(job)["state"] == "succeeded"

        of_api = scraped(_figures_of(api.command))
        route = "/v1/events/residents"
        answered = {"route": route, "method": "POST", "status": "200"}
        assert value_of(of_api, "frontdesk_http_requests_total", **answered) == SENT
        assert value_of(of_api, "frontdesk_http_request_seconds_count", route=route) == SENT
        assert value_of(of_api, "frontdesk_intake_batch_writes_sum") == SENT
        assert value_of(of_api, "frontdesk_database_up") == 1

        def all_sent() -> list[Sample] | None:
            samples = scraped(_figures_of(worker))
            sent = value_of(
                samples, "frontdesk_sends_total", vendor=NOTE_VENDOR, outcome="delivered"
            )
            return samples if sent == SENT else None

        of_worker = until(all_sent, seconds=30)
        assert value_of(of_worker, "frontdesk_send_seconds_count", vendor=NOTE_VENDOR) == SENT
        assert value_of(of_worker, "frontdesk_workers") == 1
        assert value_of(of_worker, "frontdesk_integrations_without_worker") == 0
