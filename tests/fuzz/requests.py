"""What reads a caller's request: its body, its headers, its query. Each either takes an input or
refuses it with the contract's own error."""

import json
from collections.abc import Callable

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from frontdesk.delivery.session import _asked_pause
from frontdesk.errors import ApiError
from frontdesk.events.schemas import read_changed_event, read_new_event
from frontdesk.http.body import DEEPEST, _depth, _is_json, parse_json
from frontdesk.http.gate import _bearer, client_address
from frontdesk.http.paging import Order, list_query, parse_moment, read_cursor
from frontdesk.ids import parse_id
from frontdesk.integrations.schemas import IntegrationCreate
from frontdesk.outgoing.addresses import NOTHING, is_public, read_address
from frontdesk.outgoing.urls import UrlRefused, check_url, host_of, split_url
from frontdesk.vendors import times, xml
from frontdesk.vendors.contract import Answer
from frontdesk.writes.idempotency import MAX_KEY_LENGTH, fingerprint, read_key
from frontdesk.writes.parameters import Parameters
from tests.fuzz.target import Target

ORDERABLE = ("created_at", "updated_at", "id")
EVENT = {
    "integration_id": "018f3b0a-0000-7000-8000-000000000000",
    "resident_id": "018f3b0a-0000-7000-8000-000000000001",
    "event_type_id": "018f3b0a-0000-7000-8000-000000000002",
    "event_datetime": "2026-03-02T16:31:17Z",
    "time_from": "09:07",
    "notes": 'Called about the \u00e4 lease \\ "keys"',
    "call_duration": 47,
    "email_send": False,
    "external_reference": None,
}
INTEGRATION = {
    "integration_vendor": "X",
    "credentials": {"key": "value", "list": []},
    "base_url": "https://pms.example",
    "timezone": "America/Denver",
    "name": "One",
}


def targets() -> tuple[Target, ...]:
    """Every one of them."""
    return (
        Target("event-body", (json.dumps(EVENT).encode(), b"{}", b'{"a":[{"b":1}]}'), _event),
        Target("integration-body", (json.dumps(INTEGRATION).encode(),), _integration),
        Target(
            "authorization", (b"Bearer fd_abc_def", b"bearer  x ", b"Basic eDp5"), _authorization
        ),
        Target(
            "media-type", (b"application/json; charset=utf-8", b"application/a+json"), _media_type
        ),
        Target("idempotency-key", (b"order-4711", b"\xff", b"x" * 255), _idempotency_key),
        Target(
            "list-query",
            (
                b"limit=5&offset=2&order-by=created_at:desc,id:asc&updated_at_gte=2026-01-31T09:30:00Z",
                b"cursor=WyJjcmVhdGVkX2F0OmRlc2MsaWQ6ZGVzYyIsIjIwMjYiLCJ4Il0&state=failed",
            ),
            _list_query,
        ),
        Target("write-query", (b"wait=2.5&dry_run=true&limit=7&kind_fallback=note",), _write_query),
        Target("cursor", (b"WyJpZDphc2MiLCJ4Il0", b"W10"), _cursor),
        Target("date-time", (b"2026-01-31T09:30:00.5Z", b"2026-01-31 09:30-07:00"), _date_time),
        Target("retry-after", (b"120", b"Wed, 21 Oct 2026 07:28:00 GMT", b"1.5"), _retry_after),
        Target("forwarded-client", (b"10.0.0.1", b"2001:db8::1%eth0", b"::ffff:1.2.3.4"), _client),
        Target(
            "receiver-url",
            (
                b"https://hooks.example.com:8443/a?b=1",
                b"https://[::ffff:7f00:1]/",
                b"https://0x7f.1",
            ),
            _receiver_url,
        ),
        Target("xml", (b'<?xml version="1.0"?><a b="c"><d>e&amp;</d><f/></a>',), _xml),
    )


def _text(data: bytes) -> str:
    """As a header arrives."""
    return data.decode("latin-1")


def _refusable(read: Callable[[], object]) -> object:
    """What was read, or None where it was refused as the contract has it."""
    try:
        return read()
    except ApiError as error:
        if not 400 <= error.code.status < 500:
            raise
        return None


def _event(data: bytes) -> None:
    body = _refusable(lambda: parse_json(data))
    assert _depth(body) <= DEEPEST
    _refusable(lambda: read_new_event(body))
    _refusable(lambda: read_changed_event(body))
    if body is not None:
        assert len(fingerprint("POST", "/v1/events/residents", body, ())) == 64


def _integration(data: bytes) -> None:
    if _refusable(lambda: parse_json(data)) is None:
        return
    try:
        IntegrationCreate.model_validate_json(data)
    except ValidationError:
        return


def _authorization(data: bytes) -> None:
    token = _bearer({"headers": [(b"authorization", data)]})
    assert token is None or token == token.strip()


def _media_type(data: bytes) -> None:
    assert _is_json(_text(data)) in (True, False)


def _idempotency_key(data: bytes) -> None:
    key = _refusable(lambda: read_key([_text(data)]))
    assert key is None or (isinstance(key, str) and 0 < len(key) <= MAX_KEY_LENGTH)


def _list_query(data: bytes) -> None:
    parameters = QueryParams(data)
    _refusable(lambda: list_query(parameters, orderable=ORDERABLE, filters=("state",)))


def _write_query(data: bytes) -> None:
    def read() -> None:
        parameters = Parameters(QueryParams(data), ("wait", "dry_run", "limit", "kind_fallback"))
        seconds = parameters.wait()
        parameters.flag("dry_run")
        parameters.is_given("kind_fallback", "note")
        assert 1 <= parameters.number("limit", 5, 1, 9) <= 9
        parameters.check()
        assert seconds is None or 0 <= seconds <= 30

    _refusable(read)


def _cursor(data: bytes) -> None:
    read_cursor(_text(data), (Order("id", "asc"),))
    parse_id(_text(data))


def _date_time(data: bytes) -> None:
    moment = parse_moment(data.decode("utf-8", "replace"))
    assert moment is None or moment.utcoffset() is not None


def _retry_after(data: bytes) -> None:
    for date in ("", "Wed, 21 Oct 2026 07:27:00 GMT", _text(data)):
        headers = {"retry-after": _text(data), "date": date}
        seconds = times.retry_after(headers)
        assert seconds is None or 0 <= seconds <= 86_400
        assert 0 <= _asked_pause(Answer(429, headers, b"")) <= 3_600


def _client(data: bytes) -> None:
    shown = client_address({"client": (_text(data), 0)})
    assert shown == "unknown" or read_address(shown) is not None


def _receiver_url(data: bytes) -> None:
    try:
        url = check_url(_text(data), NOTHING, schemes=("https",))
    except UrlRefused:
        return
    address = read_address(host_of(split_url(url, schemes=("https",))))
    assert address is None or is_public(address)


def _xml(data: bytes) -> None:
    try:
        root = xml.parse(data)
    except xml.NotXmlError:
        return
    assert sum(1 for _ in root.iter()) <= xml.MOST_ELEMENTS
