"""A collector of spans, and a receiver of webhooks, each on a real socket and in threads of its own."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

KINDS = {
    SentSpan.SPAN_KIND_INTERNAL: "internal",
    SentSpan.SPAN_KIND_SERVER: "server",
    SentSpan.SPAN_KIND_CLIENT: "client",
    SentSpan.SPAN_KIND_CONSUMER: "consumer",
}


@dataclass(frozen=True)
class Told:
    """A span as it was exported. Ids in hex; `parent` empty for the root of a trace."""

    process: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: Mapping[str, str | int | float | bool]


@dataclass
class Taken:
    """What came, by path; a collector's bodies are protobuf."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    @property
    def spans(self) -> list[Told]:
        return [span for body in list(self.bodies) for span in decoded(body)]

    def of(self, trace: str, kind: str) -> list[Told]:
        """The spans of a kind in a trace."""
        return [span for span in self.spans if span.trace == trace and span.kind == kind]


@contextmanager
def taking(path: str = "/v1/traces") -> Iterator[Taken]:
    """Take every POST, and keep it."""
    taken = Taken("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            taken.headers.append({name.lower(): value for name, value in self.headers.items()})
            taken.bodies.append(body)
            self.send_response(taken.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base's name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    taken.url = f"http://127.0.0.1:{server.server_port}{path}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def decoded(body: bytes) -> Iterator[Told]:
    """The spans of one export."""
    for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {one.key: plain(one.value) for one in of_process.resource.attributes}
        for of_library in of_process.scope_spans:
            for span in of_library.spans:
                yield Told(
                    process=str(resource["frontdesk.process"]),
                    name=span.name,
                    kind=KINDS[span.kind],
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    attributes={one.key: plain(one.value) for one in span.attributes},
                )


def plain(value: AnyValue) -> str | int | float | bool:
    """An attribute's value."""
    which = value.WhichOneof("value")
    assert which in ("string_value", "int_value", "double_value", "bool_value"), which
    found: str | int | float | bool = getattr(value, which)
    return found
