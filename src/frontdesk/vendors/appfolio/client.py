"""AppFolio's wire: REST and JSON, Basic plus a developer header, filtered lists, numbered pages.

Builds requests and says what an answer means; it opens no connection, and it never takes a status
for the whole answer. Source: AppFolio Stack (Database API v0) and public clients of it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from frontdesk.vendors import values
from frontdesk.vendors.contract import (
    Access,
    Answer,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Request,
    Session,
)
from frontdesk.vendors.times import retry_after

PAGE_SIZE = 1_000
"""The most that a list gives at once, and what it gives unasked."""

MOST_PAGES = 5_000
"""Where reading a whole list gives up: a list that never ends is no list."""

EVERYTHING_SINCE = "1970-01-01T00:00:00Z"
"""A list without filter is refused; this one leaves nothing out."""

# Its case matters: AppFolio's gateway was seen to miss the header when it was spelt in lower case.
_DEVELOPER_HEADER = "X-AppFolio-Developer-ID"
_KEY_HEADER = "Idempotency-Key"
_SECRET_HEADERS = frozenset({"authorization", _DEVELOPER_HEADER.lower()})

_MAINTENANCE = 533
_CREDENTIAL = 701
_OWN_CODES = frozenset({_MAINTENANCE, _CREDENTIAL})

_REFUSALS: Mapping[int, str] = {
    400: "invalid",
    403: "forbidden",
    404: "not_found",
    405: "invalid",
    409: "conflict",
    413: "too_long",
    415: "invalid",
    422: "invalid",
}
"""Statuses that refuse this one event for good, when AppFolio's own words come with them."""


def notes_path(tenant_id: str, note_id: str | None = None) -> str:
    """The path to which a tenant's notes are written, or at which one note is changed."""
    path = f"/api/v0/tenants/{quote(tenant_id, safe='')}/notes"
    return path if note_id is None else f"{path}/{quote(note_id, safe='')}"


def note_body(note: str) -> dict[str, str]:
    """GUESS: the one key of a note is `Body`, with a capital."""
    return {"Body": note}


def request(
    access: Access,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    body: object = None,
    key: str | None = None,
) -> Request:
    """A request with its credentials. `path` starts with `/api/v0`; `key` is the idempotency key
    (up to 256 printable ASCII characters)."""
    credentials = access.credentials
    user = f"{credentials['clientId']}:{credentials['clientSecret']}"
    headers = {
        "Authorization": "Basic " + base64.b64encode(user.encode()).decode("ascii"),
        _DEVELOPER_HEADER: str(credentials["developerId"]),
        "Accept": "application/json",
    }
    if body is not None:
        headers["Content-Type"] = "application/json"
    if key is not None:
        headers[_KEY_HEADER] = key
    return Request(
        method=method,
        url=f"{access.base_url}{path}" + (f"?{urlencode(query)}" if query else ""),
        headers=headers,
        body=None if body is None else orjson.dumps(body),
        secret_headers=_SECRET_HEADERS,
    )


def note_outcome(answer: Answer, expected_id: str | None = None) -> Outcome:
    """What the answer to writing a note means. `expected_id`: the note that was to be changed.

    A replay (`Idempotent-Replayed`) is the answer that was lost, and counts as that one."""
    if answer.status not in (200, 201):
        return failure(answer, keyed=expected_id is None)
    try:
        x_id = _written_id(values.mapping(values.parsed(answer.body)))
    except values.Unreadable:
        return _unknown(answer, "unreadable_answer", "AppFolio's success answer is cut short.")
    if x_id is None:
        return _unknown(answer, "unreadable_answer", "AppFolio's success answer names no note.")
    if expected_id is not None and x_id.lower() != expected_id.lower():
        return _unknown(answer, "unexpected_answer", "AppFolio's answer names another note.")
    return Outcome(OutcomeKind.DELIVERED, x_id=x_id, upstream_status=answer.status)


def failure(answer: Answer, *, keyed: bool = False) -> Outcome:
    """What an answer that is no success means. Never `delivered`. `keyed`: the request bore an
    idempotency key."""
    status = answer.status
    told = _refusal(answer)
    said = told.words if told is not None else f"AppFolio answered {status}."
    # 401 and 429 are given before a request is acted upon, by whatever stands in front of the API
    # as well (RFC 9110, 15.5.2; RFC 6585, 4), and 701 is nobody's but AppFolio's: no error body is
    # needed to be certain.
    if status in (401, _CREDENTIAL) or (told is not None and told.code == _CREDENTIAL):
        return Outcome(OutcomeKind.UNAUTHORISED, "unauthorised", said, upstream_status=status)
    if status == 429:
        return _not_now(answer, "rate_limited", said, throttled=True)
    if told is None:
        code = "server_error" if status >= 500 else "unexpected_answer"
        return _unknown(answer, code, said)
    if told.code == _MAINTENANCE:
        return _not_now(answer, "maintenance", said)
    if told.code == 409 and keyed:
        # The first request of this key is still at work. Whether it writes is told by its replay:
        # to ask again with the same key is safe, however it ends.
        return _not_now(answer, "in_flight", said)
    if told.code == 400 and _lacks_a_header(told.words):
        # No event is at fault: without this, each of them would be refused for good.
        return Outcome(OutcomeKind.UNAUTHORISED, "unauthorised", said, upstream_status=status)
    if told.code in _REFUSALS:
        code = _REFUSALS[told.code]
        if told.code == 422 and keyed and _means_the_key(told.words):
            code = "idempotency_mismatch"
        return Outcome(OutcomeKind.REJECTED, code, said, upstream_status=status)
    return _unknown(answer, "server_error" if status >= 500 else "unexpected_answer", said)


async def listed(
    session: Session, path: str, filters: Mapping[str, str], page: int
) -> tuple[tuple[Mapping[str, Any], ...], int | None]:
    """One page of a list (from 1): its objects, and the number of the next page (None at the end).

    The end is where AppFolio names no next page; a short page is none, and the path that it names
    is not called: it could name anything. Raises `NoAnswer`, `ReadRefused`.
    """
    query = {f"filters[{name}]": value for name, value in filters.items()}
    query |= {"page[number]": str(page), "page[size]": str(PAGE_SIZE)}
    answer = await session.call(request(session.access, "GET", path, query))
    if answer.status != 200:
        raise ReadRefused(failure(answer))
    try:
        found = values.mapping(values.parsed(answer.body))
    except values.Unreadable as error:
        raise _refused(answer, "AppFolio's list is cut short.") from error
    items, after = found.get("data"), found.get("next_page_path")
    if not isinstance(items, list) or not isinstance(after, str | None):
        raise _refused(answer, "AppFolio's answer is no list.")
    if any(not isinstance(item, Mapping) or _id_of(item) is None for item in items):
        raise _refused(answer, "AppFolio's list holds an entry without an id.")
    if after and not items:
        # To go on could be without end, to stop could lose what follows.
        raise _refused(answer, "AppFolio's list names a page after an empty one.")
    return tuple(items), page + 1 if after else None


async def listed_whole(
    session: Session, path: str, filters: Mapping[str, str]
) -> tuple[Mapping[str, Any], ...]:
    """Every page of a list. Raises `NoAnswer`, `ReadRefused`."""
    found: list[Mapping[str, Any]] = []
    page: int | None = 1
    for _ in range(MOST_PAGES):
        items, page = await listed(session, path, filters, page or 1)
        found.extend(items)
        if page is None:
            return tuple(found)
    raise ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unexpected_answer", "A list does not end."))


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A refusal in AppFolio's own form."""

    code: int
    words: str


def _refusal(answer: Answer) -> _Refusal | None:
    """The refusal that a body states, None where it is not AppFolio's own: `{code, message}` or
    `{status, error}` whose number is that of the answer, or one of AppFolio's own two."""
    try:
        error = values.mapping(values.parsed(answer.body))
    except values.Unreadable:
        return None
    for code_key, words_key in (("code", "message"), ("status", "error")):
        code, words = values.number(error.get(code_key)), values.text(error.get(words_key))
        if words is None or not isinstance(code, int):
            continue
        if answer.status >= 400 and (code == answer.status or code in _OWN_CODES):
            return _Refusal(code, values.message(words))
    return None


def _written_id(note: Mapping[str, Any]) -> str | None:
    """GUESS: the answer to a written note names it as `Id`, like the answers to other writes."""
    return _id_of(note)


def _means_the_key(words: str) -> bool:
    """GUESS: a 422 for another body under the same key speaks of idempotency."""
    return "idempoten" in words.lower()


def _lacks_a_header(words: str) -> bool:
    """GUESS: a missing developer id is told in the words that one client reported."""
    return "header missing" in words.lower()


def _id_of(item: Mapping[str, Any]) -> str | None:
    return values.identifier(item.get("Id"))


def _not_now(answer: Answer, code: str, words: str, *, throttled: bool = False) -> Outcome:
    return Outcome(
        OutcomeKind.NOT_NOW,
        code,
        words,
        upstream_status=answer.status,
        retry_after=retry_after(answer.headers),
        throttled=throttled,
    )


def _unknown(answer: Answer, code: str, words: str) -> Outcome:
    return Outcome(OutcomeKind.UNKNOWN, code, words, upstream_status=answer.status)


def _refused(answer: Answer, words: str) -> ReadRefused:
    return ReadRefused(_unknown(answer, "unreadable_answer", words))
