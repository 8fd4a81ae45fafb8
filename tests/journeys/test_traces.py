"""Traces of real processes: one from the caller's own span to the PMS and to the webhook, taken by a
collector that is the tests' own."""

import re
import secrets
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from frontdesk.tracing.exporting import WARN_EVERY_SECONDS
from tests.cli.shell import Shell
from tests.journeys.fleet import Fleet, Ground, fleet, ground, run
from tests.journeys.served import NOTE_VENDOR, call, until
from tests.tracing.collector import Taken, taking

PATH = "/v1/events/residents"

Started = Callable[..., AbstractContextManager[Fleet]]

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def standing(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """What the fleets here stand on, one after the other."""
    with ground(database_url, tmp_path_factory.mktemp("ground")) as standing:
        yield standing


@pytest.fixture
def started(standing: Ground, database_url: str, tmp_path: Path) -> Started:
    """Starts an API and a worker, with variables of their own."""
    return partial(fleet, database_url, tmp_path, vendors={NOTE_VENDOR}, on=standing)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes export what they have ten times a second."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")


def traceparent(*, sampled: bool = True) -> tuple[str, str, str]:
    """A caller's own trace and span, and the header that says so."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-0{int(sampled)}"


def send(running: Fleet, text: str, **headers: str) -> str:
    """Accept a note; its job."""
    api = running.api
    body = {
        "integration_id": api.integrations[NOTE_VENDOR],
        "resident_id": api.residents(NOTE_VENDOR, 1)[0]["id"],
        "notes": text,
    }
    status, answer = api.call("POST", PATH, body, **headers)
    assert status == 200, answer
    return str(answer["job_id"])


def listens(running: Fleet, receiver: Taken) -> None:
    body = {
        "url": receiver.url,
        "triggers": ["WRITE_OPERATION_SUCCESS"],
        "active": True,
        # What is set for every delivery gives way to the trace that it belongs to.
        "headers": [{"header": "TraceParent", "value": "00-mine"}],
    }
    status, answer = running.api.call("POST", "/v1/webhooks/", body)
    assert status == 200, answer


def test_one_trace_leads_from_the_caller_to_the_pms_and_to_the_webhook_and_no_strangers_does(
    started: Started,
) -> None:
    with (
        taking() as collector,
        taking("/hook") as receiver,
        started(FRONTDESK_TRACES=collector.url) as running,
    ):
        listens(running, receiver)
        leads_from_the_caller_to_the_pms_and_to_the_webhook(running, collector, receiver)
        strangers_and_one_that_is_none_are_not_gone_on_with(running, collector)


def leads_from_the_caller_to_the_pms_and_to_the_webhook(
    running: Fleet, collector: Taken, receiver: Taken
) -> None:
    api = running.api
    trace, callers_span, header = traceparent()
    text = f"Of a trace {uuid.uuid4()}"
    job = send(running, text, traceparent=header)
    assert api.ended(job)["state"] == "succeeded"
    account = {"frontdesk.job_id": job, "frontdesk.vendor": NOTE_VENDOR}

    def told() -> bool:
        return len(collector.of(trace, "client")) >= 2 and bool(receiver.headers)

    until(told, seconds=30)
    (server,) = collector.of(trace, "server")
    (attempt,) = collector.of(trace, "consumer")
    clients = {span.name: span for span in collector.of(trace, "client")}
    pms, webhook = clients["POST"], clients["send webhook"]

    assert (server.process, server.parent) == ("api", callers_span)
    assert server.name == f"POST {PATH}"
    assert server.attributes.items() >= account.items()
    assert server.attributes["http.response.status_code"] == 200
    assert server.attributes["frontdesk.integration_id"] == api.integrations[NOTE_VENDOR]
    assert re.fullmatch("[0-9a-f]{24}", str(server.attributes["frontdesk.request_id"]))

    assert (attempt.process, attempt.parent) == ("worker", server.id)
    assert attempt.attributes.items() >= account.items()
    assert attempt.attributes["frontdesk.attempt"] == 1
    assert attempt.attributes["frontdesk.outcome"] == "delivered"
    assert 200 <= int(attempt.attributes["frontdesk.upstream_status"]) < 300
    assert 0 <= float(attempt.attributes["frontdesk.queue_seconds"]) < 60

    assert (pms.process, pms.parent) == ("worker", attempt.id)
    assert pms.attributes["server.address"] == "127.0.0.1"
    assert pms.attributes["frontdesk.job_id"] == job

    assert (webhook.process, webhook.parent) == ("worker", server.id)
    assert webhook.attributes["http.response.status_code"] == 200
    assert receiver.headers[0]["traceparent"] == f"00-{trace}-{webhook.id}-01"

    # What is read for no request in particular begins traces of its own, and says for whom.
    reads = [span for span in collector.spans if span.kind == "client" and not span.parent]
    assert reads
    assert {span.process for span in reads} == {"worker"}
    assert {s.attributes["frontdesk.integration_id"] for s in reads} <= set(
        api.integrations.values()
    )

    everything = b"".join(collector.bodies)
    assert text.encode() not in everything
    assert api.token.encode() not in everything


def strangers_and_one_that_is_none_are_not_gone_on_with(running: Fleet, collector: Taken) -> None:
    strange, _, header = traceparent()
    url = f"{running.api.url}{PATH}?secret=in-the-query"
    assert call("POST", url, {}, token="fd_nobody", traceparent=header)[0] == 401
    job = send(running, "Its trace is none", traceparent="00-0-0-zz")
    running.api.ended(job)

    def own() -> str | None:
        attempts = [s for s in collector.spans if s.attributes.get("frontdesk.job_id") == job]
        return next((s.trace for s in attempts if s.kind == "consumer"), None)

    trace = until(own, seconds=30)
    (server,) = until(lambda: collector.of(trace, "server"))
    assert server.parent == ""
    refused = [s for s in collector.spans if s.attributes.get("http.response.status_code") == 401]
    assert [(s.name, s.parent) for s in refused] == [("POST", "")]
    assert refused[0].trace != strange
    assert b"in-the-query" not in b"".join(collector.bodies)

    # Not to be recorded, says a caller whose word counts: nothing of it is, at any stage.
    unwanted, _, header = traceparent(sampled=False)
    running.api.ended(send(running, "Not recorded", traceparent=header))
    last = send(running, "Recorded")
    running.api.ended(last)
    until(lambda: [s for s in collector.spans if s.attributes.get("frontdesk.job_id") == last])
    assert not [span for span in collector.spans if span.trace == unwanted]


def test_a_collector_that_is_away_costs_a_warning_and_nothing_else(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    with taking() as collector:
        nobody = collector.url
    # A queue of two: it overflows at once.
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    began = time.monotonic()
    with started(FRONTDESK_TRACES=nobody) as running:
        api, (worker,) = running.api, running.workers
        for number in range(5):
            job = send(running, f"Number {number}", traceparent=traceparent()[2])
            assert api.ended(job)["state"] == "succeeded"
        until(lambda: "traces_not_exported" in api.command.said(), seconds=30)
        until(lambda: "traces_not_exported" in worker.said(), seconds=30)
        for command in (api.command, worker):
            warnings = command.said().count("traces_not_exported")
            assert warnings <= 1 + (time.monotonic() - began) / WARN_EVERY_SECONDS
            assert "Failed to export" not in command.said()
            assert "Traceback" not in command.said()
            command.process.send_signal(signal.SIGTERM)
            assert command.process.wait(60) == 0


def test_what_is_left_is_exported_when_a_process_ends(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    with (
        taking() as collector,
        started(FRONTDESK_TRACES=collector.url) as running,
    ):
        trace, _, header = traceparent()
        running.api.ended(send(running, "Last words", traceparent=header))
        assert not collector.of(trace, "server")
        for command in (running.api.command, *running.workers):
            assert command.stop() == 0
        assert collector.of(trace, "server")
        assert collector.of(trace, "consumer")


@pytest.mark.parametrize(
    "wrong",
    ["127.0.0.1:4318", "grpc://127.0.0.1", "http://", "http://user:hidden@127.0.0.1/"],
)
def test_a_collector_that_cannot_be_one_is_refused_at_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("FRONTDESK_TRACES", wrong)
    shell = Shell(capsys)
    shell("worker", code=2)
    assert "FRONTDESK_TRACES" in shell.errors
    assert "hidden" not in shell.errors


def test_traces_without_their_packages_are_refused_at_the_start(tmp_path: Path) -> None:
    # A folder in front of the installed one, in which the package is broken: as if it were missing.
    missing = tmp_path / "opentelemetry" / "sdk"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ImportError('missing')")
    refused = run(
        {"FRONTDESK_TRACES": "http://127.0.0.1:9/v1/traces", "PYTHONPATH": str(tmp_path)},
        tmp_path,
        "worker",
    )
    assert refused.returncode == 2, refused.stderr
    assert "frontdesk[traces]" in refused.stderr
    assert "Traceback" not in refused.stderr
