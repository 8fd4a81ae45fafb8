"""The figures of real processes: what was sent is counted where it was done, at an address of its own, and
told to nobody else."""

import re
from pathlib import Path

import pytest

from tests.journeys.fleet import Fleet, fleet
from tests.journeys.served import NOTE_VENDOR, Command, until
from tests.metrics.scraped import Sample, scraped, value_of
from tests.tracing.collector import taking

SENT = 5


def _figures_of(command: Command) -> str:
    """The address that the process logs."""

    def look() -> str | None:
        found = re.search(r"http://127\.0\.0\.1:\d+/metrics", command.said())
        return found[0] if found else None

    return until(look, seconds=30)


@pytest.mark.timeout(200)
def test_api_and_worker_show_what_they_did_and_export_no_trace_that_no_setting_asks_for(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with taking() as collector:
        # What other programs take for a setting.
        base = collector.url.removesuffix("/v1/traces")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", base)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with fleet(
            database_url, tmp_path, vendors={NOTE_VENDOR}, FRONTDESK_METRICS_PORT="0"
        ) as running:
            show_what_they_did(running)
            traced = {"traceparent": f"00-{'7' * 32}-{'7' * 16}-01"}
            resident = running.api.residents(NOTE_VENDOR, 1)[0]
            body = {
                "integration_id": running.api.integrations[NOTE_VENDOR],
                "resident_id": resident["id"],
                "notes": "Untraced",
            }
            status, answer = running.api.call("POST", "/v1/events/residents", body, **traced)
            assert status == 200, answer
            assert running.api.ended(answer["job_id"])["state"] == "succeeded"
        # They have ended, and have flushed whatever they had.
        assert collector.bodies == []


def show_what_they_did(running: Fleet) -> None:
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
        sent = value_of(samples, "frontdesk_sends_total", vendor=NOTE_VENDOR, outcome="delivered")
        return samples if sent == SENT else None

    of_worker = until(all_sent, seconds=30)
    assert value_of(of_worker, "frontdesk_send_seconds_count", vendor=NOTE_VENDOR) == SENT
    assert value_of(of_worker, "frontdesk_workers") == 1
    assert value_of(of_worker, "frontdesk_integrations_without_worker") == 0
