"""Spans by OpenTelemetry. Imported only where traces are on."""

from collections.abc import Mapping
from contextvars import Token
from types import TracebackType

import structlog
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from frontdesk.observability import mask_text
from frontdesk.tracing.spans import HEADER, Kind, Span, Value

LONGEST_TEXT = 200

_KINDS = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}

# What log lines are about, spans are about too.
_IDS = ("request_id", "job_id", "integration_id", "delivery_id")

_propagator = TraceContextTextMapPropagator()


class Recording:
    """`Recorder` of one tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Value],
        parent: str | None,
        began_ns: int | None,
    ) -> Span:
        context = None
        if parent is not None:
            # In a context of its own: what cannot be read must not leave the current span's child.
            context = _propagator.extract({HEADER: parent}, context=contexts.Context())
        span = self._tracer.start_span(
            name,
            context=context,
            kind=_KINDS[kind],
            start_time=began_ns,
            record_exception=False,
            set_status_on_exception=False,
        )
        # After the start: of a trace that is not recorded, nothing is put together.
        if span.is_recording():
            known = structlog.contextvars.get_contextvars()
            ids = {f"frontdesk.{which}": known[which] for which in _IDS if which in known}
            span.set_attributes(_clean(ids | dict(attributes)))
        return _Recorded(span)

    def current(self) -> Span:
        return _Recorded(trace.get_current_span())

    def carried(self) -> str | None:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get(HEADER)


class _Recorded:
    """`Span` of OpenTelemetry."""

    __slots__ = ("_bound", "_entered", "_span")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._entered: Token[contexts.Context] | None = None
        self._bound: Mapping[str, Token[str]] = {}

    def __enter__(self) -> Span:
        self._entered = contexts.attach(trace.set_span_in_context(self._span))
        trace_id = trace.format_trace_id(self._span.get_span_context().trace_id)
        self._bound = structlog.contextvars.bind_contextvars(trace_id=trace_id)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            # Its class alone: an error's text may hold whatever somebody put into it.
            self.fail(kind.__name__)
        structlog.contextvars.reset_contextvars(**self._bound)
        if self._entered is not None:
            contexts.detach(self._entered)
        self._span.end()

    def tell(self, attributes: Mapping[str, Value]) -> None:
        if self._span.is_recording():
            self._span.set_attributes(_clean(attributes))

    def fail(self, word: str) -> None:
        self._span.set_attribute("error.type", word)
        self._span.set_status(StatusCode.ERROR)

    def rename(self, name: str) -> None:
        self._span.update_name(name)


def _clean(attributes: Mapping[str, Value]) -> dict[str, Value]:
    """Nobody tells a span a secret; should it happen all the same, it is masked as in a log."""
    return {
        name: mask_text(value)[:LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in attributes.items()
    }
