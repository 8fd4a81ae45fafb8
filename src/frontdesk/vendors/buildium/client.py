"""Buildium's wire: REST and JSON, two key headers, offset paging, one error model.

Builds requests and says what an answer means; it opens no connection, and it never takes a status
for the whole answer. Source: Buildium Open API reference and observed answers.
"""

from collections.abc import Mapping
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
"""The most that a list gives at once."""

MOST_PAGES = 1_000
"""Where reading one tenant's notes gives up: a list that never ends is no list."""

_ID_HEADER = "x-buildium-client-id"
_SECRET_HEADER = "x-buildium-client-secret"  # noqa: S105 — the name of a header
_SECRET_HEADERS = frozenset({_ID_HEADER, _SECRET_HEADER})

_REFUSALS: Mapping[int, str] = {
    400: "invalid",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    415: "invalid",
    422: "invalid",
}
"""Documented statuses that refuse this one event for good."""


def notes_path(tenant_id: str, note_id: str | None = None) -> str:
    """The path of a tenant's notes, or of one note."""
    path = f"/v1/leases/tenants/{quote(tenant_id, safe='')}/notes"
    return path if note_id is None else f"{path}/{quote(note_id, safe='')}"


def request(
    access: Access,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    body: object = None,
) -> Request:
    """A request with its keys. `path` starts with `/v1` and is case-sensitive upstream."""
    headers = {
        _ID_HEADER: str(access.credentials["clientId"]),
        _SECRET_HEADER: str(access.credentials["secret"]),
        "accept": "application/json",
    }
    if body is not None:
        headers["content-type"] = "application/json"
    return Request(
        method=method,
        url=f"{access.base_url}{path}" + (f"?{urlencode(query)}" if query else ""),
        headers=headers,
        body=None if body is None else orjson.dumps(body),
        secret_headers=_SECRET_HEADERS,
    )


def note_outcome(answer: Answer, expected_id: str | None = None) -> Outcome:
    """What the answer to writing a note means. `expected_id`: the note that was to be changed."""
    if not 200 <= answer.status < 300:
        return failure(answer)
    try:
        note = values.mapping(values.parsed(answer.body))
    except values.Unreadable:
        return _unknown(answer, "unreadable_answer", "Buildium's success answer is cut short.")
    x_id = values.identifier(note.get("Id"))
    if x_id is None:
        return _unknown(answer, "unreadable_answer", "Buildium's success answer names no note.")
    if expected_id is not None and x_id != expected_id:
        return _unknown(answer, "unexpected_answer", "Buildium's answer names another note.")
    writer = values.mapping(note.get("LastUpdatedByUser"))
    return Outcome(
        OutcomeKind.DELIVERED,
        x_id=x_id,
        author=values.identifier(writer.get("Id")),
        upstream_status=answer.status,
    )


def failure(answer: Answer) -> Outcome:
    """What an answer that is no success means. Never `delivered`."""
    words = _error_words(answer.body)
    said = words or f"Buildium answered {answer.status}."
    # 401 and 429 are given before a request is acted upon, by whatever stands in front of the API
    # as well (RFC 9110, 15.5.2; RFC 6585, 4): no error body is needed to be certain.
    if answer.status == 401:
        return Outcome(
            OutcomeKind.UNAUTHORISED, "unauthorised", said, upstream_status=answer.status
        )
    if answer.status == 429:
        return Outcome(
            OutcomeKind.NOT_NOW,
            "rate_limited",
            said,
            upstream_status=answer.status,
            retry_after=retry_after(answer.headers),
            throttled=True,
        )
    if words is not None and answer.status == 503:
        return Outcome(
            OutcomeKind.NOT_NOW,
            "unavailable",
            said,
            upstream_status=answer.status,
            retry_after=retry_after(answer.headers),
        )
    if words is not None and answer.status in _REFUSALS:
        return Outcome(
            OutcomeKind.REJECTED, _REFUSALS[answer.status], said, upstream_status=answer.status
        )
    code = "server_error" if answer.status >= 500 else "unexpected_answer"
    return _unknown(answer, code, said)


async def listed(
    session: Session, path: str, query: Mapping[str, str], offset: int
) -> tuple[tuple[Mapping[str, Any], ...], int | None, int | None]:
    """One page of a list: its objects, the next offset (None at the end), the total if told.

    The end is where nothing comes, or where the total is reached; a page shorter than asked is the
    end only where no total is told, because the server may give less than it was asked for.
    Raises `NoAnswer`, `ReadRefused`.
    """
    paged = {**query, "orderby": "Id asc", "limit": str(PAGE_SIZE), "offset": str(offset)}
    answer = await session.call(request(session.access, "GET", path, paged))
    if answer.status != 200:
        raise ReadRefused(failure(answer))
    try:
        found = values.parsed(answer.body)
    except values.Unreadable as error:
        raise _refused(answer, "Buildium's list is cut short.") from error
    if not isinstance(found, list):
        raise _refused(answer, "Buildium's answer is no list.")
    if any(not isinstance(item, Mapping) or _id_of(item) is None for item in found):
        raise _refused(answer, "Buildium's list holds an entry without an id.")
    reached = offset + len(found)
    whole = values.count(answer.headers.get("x-total-count"))
    if whole is not None and whole < reached:
        # It is contradicted by what came with it, and must not end the list.
        whole = None
    if not found or (reached >= whole if whole is not None else len(found) < PAGE_SIZE):
        return tuple(found), None, whole
    return tuple(found), reached, whole


async def listed_whole(
    session: Session, path: str, query: Mapping[str, str] | None = None
) -> tuple[Mapping[str, Any], ...]:
    """Every page of a list. Raises `NoAnswer`, `ReadRefused`."""
    found: list[Mapping[str, Any]] = []
    offset: int | None = 0
    for _ in range(MOST_PAGES):
        page, offset, _total = await listed(session, path, query or {}, offset or 0)
        found.extend(page)
        if offset is None:
            return tuple(found)
    raise ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unexpected_answer", "A list does not end."))


def _id_of(item: Mapping[str, Any]) -> str | None:
    return values.identifier(item.get("Id"))


def _error_words(body: bytes) -> str | None:
    """Upstream's words where the body is Buildium's error model or its AWS gateway's, else None."""
    try:
        error = values.mapping(values.parsed(body))
    except values.Unreadable:
        return None
    if "UserMessage" in error:
        details = [
            ": ".join(words)
            for entry in values.objects(error.get("Errors"))
            if (words := [t for key in ("Key", "Value") if (t := values.text(entry.get(key)))])
        ]
        return values.message(error["UserMessage"], *details) or "Buildium gave no reason."
    if isinstance(error.get("message"), str):
        return values.message(error["message"]) or None
    return None


def _unknown(answer: Answer, code: str, words: str) -> Outcome:
    return Outcome(OutcomeKind.UNKNOWN, code, words, upstream_status=answer.status)


def _refused(answer: Answer, words: str) -> ReadRefused:
    return ReadRefused(_unknown(answer, "unreadable_answer", words))
