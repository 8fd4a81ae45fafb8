"""Spans: what every room says of the work that it does. Off, each of these costs a look at a variable.

No room but this one knows OpenTelemetry, and nothing of it is imported while traces are off. A span says
which ids it is about, how long something took and how it ended, in words of ours: no body, no header, no
query string, no address of a page, and no text of an error, whoever wrote it.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Protocol

Kind = Literal["server", "client", "consumer", "internal"]
Value = str | int | float | bool

REQUEST_ID = "frontdesk.request_id"
ACCOUNT_ID = "frontdesk.account_id"
INTEGRATION_ID = "frontdesk.integration_id"
JOB_ID = "frontdesk.job_id"
VENDOR = "frontdesk.vendor"

METHOD = "http.request.method"
STATUS = "http.response.status_code"
HOST = "server.address"
PORT = "server.port"

HEADER = "traceparent"
"""The header of the W3C's Trace Context."""


class Span(Protocol):
    """Something that was done. In its block it is the current one: spans that begin there are its
    children, and log lines bear its trace's id."""

    def __enter__(self) -> "Span": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def tell(self, attributes: Mapping[str, Value]) -> None:
        """Add to what is known of it."""

    def fail(self, word: str) -> None:
        """It did not do what it was to do; `word` is one of ours, such as an outcome."""

    def rename(self, name: str) -> None:
        """Its name is known now."""


class Recorder(Protocol):
    """Who makes spans, where they are wanted."""

    def begin(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Value],
        parent: str | None,
        began_ns: int | None,
    ) -> Span: ...

    def current(self) -> Span: ...

    def carried(self) -> str | None: ...


class _Nothing:
    """The span of a process that makes none."""

    __slots__ = ()

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def tell(self, attributes: Mapping[str, Value]) -> None:
        del attributes

    def fail(self, word: str) -> None:
        del word

    def rename(self, name: str) -> None:
        del name


NOTHING: Span = _Nothing()

_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """From now on this process's spans go to this recorder; None: nowhere."""
    global _recorder
    _recorder = recorder


def is_on() -> bool:
    """Whether spans are made. Ask before what a span would be told is put together."""
    return _recorder is not None


def begin(
    name: str,
    kind: Kind,
    attributes: Mapping[str, Value],
    *,
    parent: str | None = None,
    began_ns: int | None = None,
) -> Span:
    """A span for a `with` block. `parent` is a `traceparent` that was carried here; one that is none
    counts as absent. Without one, the span belongs to the current one, or begins a trace. `began_ns`:
    nanoseconds since 1970, if it began before now."""
    if _recorder is None:
        return NOTHING
    return _recorder.begin(name, kind, attributes, parent, began_ns)


def current() -> Span:
    """The span in whose block this runs; one that takes everything and does nothing where none is."""
    return NOTHING if _recorder is None else _recorder.current()


def carried() -> str | None:
    """The current span as a `traceparent`, to go on with elsewhere; None where there is none."""
    return None if _recorder is None else _recorder.carried()
