"""What a span holds and what it never does, where it goes, and that nobody waits for it."""

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from frontdesk.delivery.wire import Wire
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.tracing import exporting, spans
from frontdesk.tracing.arrivals import Arrival
from frontdesk.tracing.exporting import tracing
from frontdesk.vendors.contract import NoAnswer, Plan, Request, Trace
from frontdesk.writes.plans import TRACEPARENT, dump_plan, load_plan, of_retry
from tests.conftest import make_settings
from tests.tracing.collector import Taken, Told, taking

TOKEN = "fd_abcdefghij12_" + "S3cr3t-_" * 5 + "xyz"
CALLERS = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


@contextmanager
def collecting(**changes: object) -> Iterator[Taken]:
    """Spans of this process are taken; all of them are there when the block has ended."""
    with taking() as collector, tracing(make_settings(traces=collector.url, **changes), "test"):
        yield collector


def trace_of(traceparent: str) -> str:
    return traceparent.split("-")[1]


def test_an_error_is_told_by_its_class_and_never_by_its_words() -> None:
    def fail() -> None:
        with spans.begin("work", "internal", {"said": f"Bearer {TOKEN}", "long": "x" * 5000}):
            raise ValueError("Robin's password is hunter2")

    with collecting() as collector, pytest.raises(ValueError, match="hunter2"):
        fail()
    (span,) = collector.spans
    assert span.failed
    assert span.attributes["error.type"] == "ValueError"
    assert TOKEN.rpartition("_")[2] not in str(span.attributes["said"])
    assert len(str(span.attributes["long"])) == 200
    assert b"hunter2" not in b"".join(collector.bodies)


def test_spans_are_children_of_the_block_around_them_or_of_what_was_carried() -> None:
    with collecting() as collector:
        with spans.begin("outer", "server", {}, parent=CALLERS):
            carried = spans.carried()
            with spans.begin("inner", "client", {}):
                pass
        assert carried is not None
        with spans.begin("later", "consumer", {}, parent=carried):
            pass
        with spans.begin("alone", "consumer", {}, parent="00-nothing"):
            pass
        assert spans.carried() is None
    found = {span.name: span for span in collector.spans}
    assert (found["outer"].trace, found["outer"].parent) == tuple(CALLERS.split("-")[1:3])
    assert found["inner"].parent == found["later"].parent == found["outer"].id
    assert found["alone"].parent == ""
    assert found["alone"].trace != found["outer"].trace


@pytest.mark.parametrize("headers", [[], [CALLERS, CALLERS], ["00-nothing"], ["é"]])
def test_a_request_without_one_readable_traceparent_begins_a_trace(headers: list[str]) -> None:
    with collecting() as collector:
        arrival = Arrival("GET", "r1")
        arrival.admit([(b"traceparent", text.encode("latin-1")) for text in headers], "a1")
        arrival.end("/v1/things/{id}", 503, {})
    (span,) = collector.spans
    assert (span.parent, span.name, span.failed) == ("", "GET /v1/things/{id}", True)
    assert span.trace != trace_of(CALLERS)


async def test_a_call_of_a_pms_bears_no_trace_and_its_span_neither_path_nor_header() -> None:
    allowed = AllowedAddresses.parse("127.0.0.0/8")
    wire = Wire(connections=2, allowed=allowed)
    with collecting() as collector, taking() as pms:
        url = pms.url.replace("/v1/traces", "/residents/robin?apikey=canary-in-query")
        headers = {"X-Key": "canary-in-header"}
        request = Request("POST", url, headers, b"canary-in-body")
        with spans.begin("send", "consumer", {}, parent=CALLERS):
            await wire.send(request, timeout_s=5)
        pms.status = 500
        await wire.send(request, timeout_s=5)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        gone = Request("POST", f"http://127.0.0.1:{port}/robin", headers, b"")
        with pytest.raises(NoAnswer):
            await wire.send(gone, timeout_s=5)
        await wire.close()
    assert len(pms.headers) == 2
    assert not [
        head for head in pms.headers if {"traceparent", "tracestate", "baggage"} & set(head)
    ]
    calls = [span for span in collector.spans if span.kind == "client"]
    assert [span.attributes.get("http.response.status_code") for span in calls] == [200, 500, None]
    assert calls[0].trace == trace_of(CALLERS)
    assert calls[2].attributes["error.type"] == "NoAnswer"
    everything = b"".join(collector.bodies)
    assert b"robin" not in everything
    assert b"canary" not in everything


def test_a_retry_belongs_to_the_trace_of_whoever_asks_for_it() -> None:
    plan = Plan("create", "note", {}, Trace("r1", {}, "hello"))
    assert TRACEPARENT not in dump_plan(plan)
    with collecting():
        with spans.begin("first", "server", {}):
            stored = dump_plan(plan)
        assert load_plan(stored) == plan
        with spans.begin("second", "server", {}):
            second = spans.carried()
            again = of_retry(dict(stored))
    assert second is not None
    assert again == {**stored, TRACEPARENT: second}
    assert trace_of(second) != trace_of(stored[TRACEPARENT])
    assert TRACEPARENT not in of_retry(dict(stored))


def test_a_share_counts_for_traces_that_begin_here_and_callers_decide_about_theirs() -> None:
    with collecting(traces_share=0.0) as collector:
        with spans.begin("ours", "server", {}):
            carried = spans.carried()
        # At another process it is not recorded either.
        with spans.begin("goes on", "consumer", {}, parent=carried):
            pass
        with spans.begin("theirs", "server", {}, parent=CALLERS):
            pass
    assert [span.name for span in collector.spans] == ["theirs"]


def test_a_process_without_traces_loads_nothing_that_makes_them() -> None:
    code = (
        "import sys; import frontdesk.api; import frontdesk.delivery.worker; "
        "from frontdesk.cli.processes import spans_of; from frontdesk.settings import Settings\n"
        "with spans_of(Settings(), 'api'):\n"
        "    from frontdesk.tracing import spans; assert not spans.is_on()\n"
        "    assert spans.begin('x', 'server', {}) is spans.NOTHING\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FRONTDESK_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_nobody_waits_for_a_collector_that_takes_the_call_and_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "FLUSH_SECONDS", 0.2)
    released = threading.Event()
    called = threading.Event()

    def hang(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            called.set()
            released.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang, args=(listener,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces"
        with tracing(make_settings(traces=url), "test"):
            # Four times as many as the queue holds.
            for _ in range(8192):
                with spans.begin("work", "internal", {}):
                    pass
            assert called.wait(20)
            with spans.begin("more", "internal", {}):
                pass
        # It has not answered yet, and all this is over.
        assert thread.is_alive()
        assert not spans.is_on()
        released.set()
        thread.join(10)


def test_each_process_says_which_it_is_and_an_operators_names_come_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "front desk of the west")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=west")
    with collecting() as collector, spans.begin("work", "internal", {}):
        pass
    (span,) = collector.spans
    assert isinstance(span, Told)
    assert span.process == "test"
    assert b"front desk of the west" in collector.bodies[0]
    assert collector.headers[0]["x-tenant"] == "west"
