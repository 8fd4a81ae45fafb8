"""Where spans go: to an OTLP collector over HTTP, in batches, by a thread aside from the loop.

What cannot be taken is dropped, never waited for: the queue is bounded, a collector that is away costs a
log line a minute, and the end of a process waits for it for two seconds at most. Sampling, headers for the
collector and the like are said in `docs/guide/operations.md`.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from frontdesk.settings import Settings
from frontdesk.tracing import spans

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

FLUSH_SECONDS = 2.0
WARN_EVERY_SECONDS = 60.0

_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"

log = structlog.get_logger(__name__)


class TracesUnavailableError(Exception):
    """Traces are asked for, and this installation cannot make them."""


def check_available(settings: Settings) -> None:
    """Raises TracesUnavailableError where traces are asked for and their packages are missing."""
    if settings.traces is not None and not _is_installed():
        raise TracesUnavailableError(
            "FRONTDESK_TRACES is set, but the packages that make traces are not installed: install "
            "frontdesk[traces], or unset it."
        )


def _is_installed() -> bool:
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401 — looked for, not used
    except ImportError:
        return False
    return True


@contextmanager
def tracing(settings: Settings, process: str) -> Iterator[None]:
    """Make spans in the block, if the settings name a collector. Raises TracesUnavailableError."""
    check_available(settings)
    if settings.traces is None:
        yield
        return
    # Late: with traces off, a process loads nothing of this.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    from frontdesk.tracing.recording import Recording

    # A refused batch is one message a minute, below, and not several lines for each.
    logging.getLogger(_EXPORTER).setLevel(logging.CRITICAL)
    ours = {
        "service.name": "frontdesk",
        "service.version": version("frontdesk"),
        "frontdesk.process": process,
    }
    processor = BatchSpanProcessor(
        _told(OTLPSpanExporter(endpoint=settings.traces), settings.traces)
    )
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.traces_share),
        resource=Resource(ours).merge(OTELResourceDetector().detect()),
        # Ended below, within a bound of ours.
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    # Not the global one: of what other libraries would tell of themselves, nobody knows what is in it.
    spans.record_with(Recording(provider.get_tracer("frontdesk", version("frontdesk"))))
    log.info("traces", collector=_place(settings.traces), share=settings.traces_share)
    try:
        yield
    finally:
        spans.record_with(None)
        # A daemon: one that still waits for its collector ends with the process.
        ending = threading.Thread(target=provider.shutdown, name="traces ending", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)
        if ending.is_alive():
            log.warning("traces_not_exported", collector=_place(settings.traces), reason="the end")


def _told(exporter: "SpanExporter", url: str) -> "SpanExporter":
    """The exporter, which says at most once a minute how many spans its collector has not taken."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Told(SpanExporter):
        _lost = 0
        _said_at = -WARN_EVERY_SECONDS

        def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
            result = exporter.export(spans)
            if result is not SpanExportResult.SUCCESS:
                self._lost += len(spans)
                if time.monotonic() - self._said_at >= WARN_EVERY_SECONDS:
                    log.warning("traces_not_exported", collector=_place(url), spans=self._lost)
                    self._said_at = time.monotonic()
                    self._lost = 0
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return Told()


def _place(url: str) -> str:
    """Host and port: what else stands in the URL is between operator and collector."""
    return urlsplit(url).netloc
