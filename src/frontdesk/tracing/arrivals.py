"""The span of a request that arrives: begun once it is known who asks.

A `traceparent` is honoured of callers with a good token alone: a stranger could else write into their
traces, or have every request of his recorded.
"""

import time
from collections.abc import Iterable, Mapping

from frontdesk.tracing import spans
from frontdesk.tracing.spans import Span, Value

ROUTE = "http.route"
_HEADER = spans.HEADER.encode()


class Arrival:
    """One request, from its head to the end of its answer."""

    __slots__ = ("_began_ns", "_method", "_request_id", "_span")

    def __init__(self, method: str, request_id: str) -> None:
        self._began_ns = time.time_ns()
        self._method = method
        self._request_id = request_id
        self._span: Span | None = None

    def admit(self, headers: Iterable[tuple[bytes, bytes]], account_id: object) -> None:
        """The caller is known."""
        given = [value for name, value in headers if name == _HEADER]
        # Of two, neither is to be preferred.
        parent = given[0].decode("latin-1") if len(given) == 1 else None
        self._begin(parent, {spans.ACCOUNT_ID: str(account_id)})

    def end(self, route: str | None, status: int, attributes: Mapping[str, Value]) -> None:
        """It was answered; `route` None: it reached none, `status` 0: nobody was left to answer to."""
        span = self._span
        if span is None:
            span = self._begin(None, {})
        if route is not None:
            span.rename(f"{self._method} {route}")
            span.tell({ROUTE: route})
        if status:
            span.tell({spans.STATUS: status})
        span.tell(attributes)
        if status >= 500:
            span.fail(str(status))
        span.__exit__(None, None, None)

    def _begin(self, parent: str | None, attributes: Mapping[str, Value]) -> Span:
        known = {spans.METHOD: self._method, spans.REQUEST_ID: self._request_id}
        span = spans.begin(
            self._method, "server", known | dict(attributes), parent=parent, began_ns=self._began_ns
        )
        # Ended by whoever ends the request, in the same task: not a block of its own.
        self._span = span.__enter__()
        return self._span


def arrival(method: str, request_id: str) -> Arrival | None:
    """A request's span to be; None while traces are off."""
    return Arrival(method, request_id) if spans.is_on() else None
