"""Propertyware's REST wire: three key headers, offset paging whose total drifts, one error model.

Builds requests and says what an answer means; it opens no connection, and it never takes a status
for the whole answer. Sources: Propertyware's REST reference and published answers.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

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

PAGE_SIZE = 500
"""The most that a list gives at once."""

MOST_PAGES = 2_000
"""Where reading a whole list gives up: a list that never ends is no list."""

_KEYS: Mapping[str, str] = {
    "x-propertyware-client-id": "clientId",
    "x-propertyware-client-secret": "clientSecret",
    "x-propertyware-system-id": "systemId",
}
_REFUSALS: Mapping[int, str] = {
    400: "invalid",
    403: "forbidden",
    404: "not_found",
    406: "invalid",
    415: "invalid",
}

Item = Mapping[str, Any]


def has_keys(access: Access) -> bool:
    """Whether the integration can read by REST: it has all three keys."""
    return all(access.credentials.get(name) for name in _KEYS.values())


def notes_path(lease_id: str) -> str:
    """The path of a lease's notes."""
    return f"/leases/{quote(lease_id, safe='')}/notes"


def request(access: Access, path: str, query: Mapping[str, str] | None = None) -> Request:
    """A read. Paths and parameter names are case-sensitive upstream."""
    headers = {header: str(access.credentials[name]) for header, name in _KEYS.items()}
    return Request(
        method="GET",
        url=f"{access.base_url}/pw/api/rest/v1{path}" + (f"?{urlencode(query)}" if query else ""),
        headers={**headers, "accept": "application/json"},
        secret_headers=frozenset({"x-propertyware-client-secret"}),
    )


def failure(answer: Answer) -> Outcome:
    """What an answer that is no success means. Never `delivered`."""
    words = _error_words(answer.body)
    said = words or f"Propertyware answered {answer.status}."
    if answer.status == 401:
        return _outcome(OutcomeKind.UNAUTHORISED, "unauthorised", said, answer)
    if answer.status == 429:
        return throttled(answer, said)
    # The error's own code is the same for all: the status and the words are what there is.
    if words is not None and answer.status in _REFUSALS:
        return _outcome(OutcomeKind.REJECTED, _REFUSALS[answer.status], said, answer)
    code = "server_error" if answer.status >= 500 else "unexpected_answer"
    return _outcome(OutcomeKind.UNKNOWN, code, said, answer)


def throttled(answer: Answer, words: str) -> Outcome:
    """A 429: given before a request is acted upon (RFC 6585, 4), by whatever stands in front."""
    return Outcome(
        OutcomeKind.NOT_NOW,
        "rate_limited",
        words,
        upstream_status=answer.status,
        retry_after=retry_after(answer.headers),
        throttled=True,
    )


async def listed(
    session: Session, path: str, query: Mapping[str, str], offset: int
) -> tuple[tuple[Item, ...], int | None, int | None]:
    """One page of a list, ordered by id: its objects, the next offset (None at the end), and the
    total where it can be believed. Raises `NoAnswer`, `ReadRefused`.

    The total on the last page was seen to be that page's own count, so it never ends a list: a list
    ends where nothing comes, or less than asked while the total promises no more.
    """
    paged = {**query, "orderby": "id", "limit": str(PAGE_SIZE), "offset": str(offset)}
    items, answer = await _items(session, path, paged)
    told = values.count(answer.headers.get("x-total-count"))
    reached = offset + len(items)
    total = told if told is not None and told >= reached else None
    if not items or (len(items) < PAGE_SIZE and (total is None or total <= reached)):
        return items, None, total
    return items, reached, total


async def pages(session: Session, path: str) -> AsyncIterator[tuple[Item, ...]]:
    """Every page of a list. Raises `NoAnswer`, `ReadRefused`."""
    offset: int | None = 0
    for _ in range(MOST_PAGES):
        page, offset, _total = await listed(session, path, {}, offset or 0)
        yield page
        if offset is None:
            return
    raise _endless()


async def lease_notes(session: Session, lease_id: str) -> tuple[Item, ...]:
    """All notes of a lease. Raises `NoAnswer`, `ReadRefused`.

    Whether this list is paged is told in two ways. A page that repeats the one before it is the
    whole list again; and "not there" is believed of a whole list only.
    """
    found: dict[str, Item] = {}
    for page in range(MOST_PAGES):
        query = {"limit": str(PAGE_SIZE), "offset": str(page * PAGE_SIZE)}
        items, _ = await _items(session, notes_path(lease_id), query)
        new = {str(id_of(item)): item for item in items if str(id_of(item)) not in found}
        found |= new
        if len(items) != PAGE_SIZE or not new:
            return tuple(found.values())
    raise _endless()


def id_of(item: Item) -> str | None:
    """The id of an object."""
    return values.identifier(item.get("id"))


async def _items(
    session: Session, path: str, query: Mapping[str, str]
) -> tuple[tuple[Item, ...], Answer]:
    answer = await session.call(request(session.access, path, query))
    if answer.status != 200:
        raise ReadRefused(failure(answer))
    try:
        found = values.parsed(answer.body)
    except values.Unreadable as error:
        raise _refused(answer, "Propertyware's list is cut short.") from error
    if not isinstance(found, list):
        raise _refused(answer, "Propertyware's answer is no list.")
    if not _whole(found):
        raise _refused(answer, "Propertyware's list holds an entry without an id.")
    return tuple(found), answer


def _whole(found: Sequence[object]) -> bool:
    return all(isinstance(item, Mapping) and id_of(item) is not None for item in found)


def _error_words(body: bytes) -> str | None:
    """Upstream's words where the body is Propertyware's error model, else None."""
    try:
        error = values.mapping(values.parsed(body))
    except values.Unreadable:
        return None
    if "userMessage" not in error:
        return None
    details = [
        ": ".join(words)
        for entry in values.objects(error.get("errors"))
        if (words := [t for key in ("key", "message") if (t := values.text(entry.get(key)))])
    ]
    return values.message(error["userMessage"], *details) or "Propertyware gave no reason."


def _outcome(kind: OutcomeKind, code: str, words: str, answer: Answer) -> Outcome:
    return Outcome(kind, code, words, upstream_status=answer.status)


def _refused(answer: Answer, words: str) -> ReadRefused:
    return ReadRefused(_outcome(OutcomeKind.UNKNOWN, "unreadable_answer", words, answer))


def _endless() -> ReadRefused:
    return ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unexpected_answer", "A list does not end."))
