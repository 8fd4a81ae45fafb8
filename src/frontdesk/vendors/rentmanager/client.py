"""Rent Manager's wire: JSON, one token header (delivery's part), page numbers, three error shapes.

Builds requests and says what an answer means; it opens no connection, bears no token, and never
takes a status for the whole answer. Source: Rent Manager Web API help and observed answers.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from frontdesk.vendors import values
from frontdesk.vendors.contract import (
    Access,
    Answer,
    Outcome,
    OutcomeKind,
    QuotaReport,
    ReadRefused,
    Request,
    Session,
)
from frontdesk.vendors.times import retry_after

LOCATION = 1
"""The production location."""

PAGE_SIZE = 500
MOST_PAGES = 1_000
"""Where reading one tenant's history gives up: a list that never ends is no list."""

WINDOW_SECONDS = 60

THROTTLED_PAUSE_S = 5.0
"""How long to be silent after a 429, at most: the minute rolls, so places come back one by one and long
before the reset that the headers name, which is a whole minute away every time."""

_LOCATION_HEADER = "x-rm12api-locationid"
_FORCED_RESET = "AuthenticationForcePasswordResetException"
_PRIVILEGE = ("insufficient privilege", "required privilege")


def history_path(tenant_id: str, resource: str) -> str:
    """The path of a tenant's history, or of its notes, calls, e-mails or visits."""
    return f"/Tenants/{quote(tenant_id, safe='')}/{resource}"


def request(
    access: Access,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    body: object = None,
) -> Request:
    """A request without its token."""
    headers = {_LOCATION_HEADER: str(LOCATION), "accept": "application/json"}
    if body is not None:
        headers["content-type"] = "application/json"
    return Request(
        method=method,
        url=f"{access.base_url}{path}" + (f"?{urlencode(query)}" if query else ""),
        headers=headers,
        body=None if body is None else orjson.dumps(body),
    )


# --- what an answer means ---------------------------------------------------------------------


def save_outcome(answer: Answer, tenant_id: str, expected_id: str | None) -> Outcome:
    """What the answer to saving one history entry means. `expected_id`: the entry to change."""
    if not 200 <= answer.status < 300:
        return failure(answer)
    try:
        saved = values.parsed(answer.body)
    except values.Unreadable:
        return _unknown(answer, "unreadable_answer", "Rent Manager's answer is cut short.")
    if not isinstance(saved, list) or len(saved) != 1 or not isinstance(saved[0], Mapping):
        return _unknown(answer, "unexpected_answer", "Rent Manager's answer is not one entry.")
    entry = saved[0]
    x_id = entry_id(entry)
    if x_id is None:
        return _unknown(answer, "unexpected_answer", "Rent Manager's answer names no entry.")
    if expected_id is not None and x_id != expected_id:
        return _unknown(answer, "unexpected_answer", "Rent Manager's answer names another entry.")
    if values.identifier(entry.get("ParentID")) not in (None, tenant_id):
        return _unknown(answer, "unexpected_answer", "Rent Manager's answer names another tenant.")
    # Whoever changes an entry did not create it: only a new one says as whom we write.
    author = values.identifier(entry.get("CreateUserID")) if expected_id is None else None
    return Outcome(OutcomeKind.DELIVERED, x_id=x_id, author=author, upstream_status=answer.status)


def entry_id(entry: Mapping[str, Any]) -> str | None:
    """The id of a history entry; 0 is the id of one that was not saved."""
    x_id = values.identifier(entry.get("HistoryID"))
    return x_id if x_id is not None and x_id.isdecimal() and int(x_id) > 0 else None


def failure(answer: Answer) -> Outcome:
    """What an answer that is no success means. Never `delivered`."""
    exception, words = _error(answer.body)
    said = words or f"Rent Manager answered {answer.status}."
    status = answer.status
    if status == 401 or (status >= 400 and exception == _FORCED_RESET):
        # Whatever stands in front of the API says 401 before a request is acted upon as well; a
        # password that must be changed is said in a 500.
        return Outcome(OutcomeKind.UNAUTHORISED, "unauthorised", said, upstream_status=status)
    if status == 429:
        wait = retry_after(answer.headers)
        return Outcome(
            OutcomeKind.NOT_NOW,
            "rate_limited",
            said,
            upstream_status=status,
            retry_after=min(_until_reset(answer), THROTTLED_PAUSE_S) if wait is None else wait,
            throttled=True,
        )
    if status == 404 and not answer.body.strip():
        gone = "Rent Manager has no such record."
        return Outcome(OutcomeKind.REJECTED, "not_found", gone, upstream_status=status)
    code = _refusal(status, words)
    if code is not None:
        return Outcome(OutcomeKind.REJECTED, code, said, upstream_status=status)
    return _unknown(answer, "server_error" if status >= 500 else "unexpected_answer", said)


def _refusal(status: int, words: str | None) -> str | None:
    """Why this event is refused for good; None where the answer does not say so in words that are
    Rent Manager's own. The same lack of a privilege comes as 403 from some resources, as 500 from
    others; any other exception in a 500 may have come after the entry was written."""
    if words is None:
        return None
    if status in (403, 500) and any(word in words.lower() for word in _PRIVILEGE):
        return "forbidden"
    return {400: "invalid", 403: "forbidden", 404: "not_found", 409: "conflict"}.get(status)


def _error(body: bytes) -> tuple[str | None, str | None]:
    """The exception's name and upstream's words, of an error model or of the framework's own
    `{Message, ModelState}`; (None, None) for anything else."""
    try:
        error = values.mapping(values.parsed(body))
    except values.Unreadable:
        return None, None
    if "DeveloperMessage" in error or "UserMessage" in error:
        words = values.message(error.get("DeveloperMessage"), error.get("UserMessage"))
        return values.text(error.get("Exception")), words or "Rent Manager gave no reason."
    if isinstance(error.get("Message"), str):
        problems = [
            problem
            for listed in values.mapping(error.get("ModelState")).values()
            if isinstance(listed, list)
            for problem in listed
        ]
        return None, values.message(error["Message"], *problems) or "Rent Manager gave no reason."
    return None, None


def quota(answer: Answer) -> QuotaReport | None:
    """The company's minute by the answer's headers; None where they are absent or unreadable."""
    limit = values.number(answer.headers.get("x-ratelimit-limit"))
    remaining = values.number(answer.headers.get("x-ratelimit-remaining"))
    if not isinstance(limit, int) or not isinstance(remaining, int) or limit <= 0:
        return None
    window = (limit, WINDOW_SECONDS, max(0, remaining), _until_reset(answer))
    return QuotaReport((window,))


def _until_reset(answer: Answer) -> float:
    """Seconds until the minute is over: the header's Unix time against the answer's own `Date`,
    because the two were written by one clock. Never more than the minute."""
    reset = values.number(answer.headers.get("x-ratelimit-reset"))
    sent_at = _date(answer)
    if reset is None or sent_at is None:
        return float(WINDOW_SECONDS)
    return min(max(reset - sent_at.timestamp(), 0.0), float(WINDOW_SECONDS))


def day_of(answer: Answer) -> datetime:
    """When the answer was written: its own `Date`, else now."""
    return _date(answer) or datetime.now(UTC)


def _date(answer: Answer) -> datetime | None:
    try:
        found = parsedate_to_datetime(answer.headers.get("date", ""))
        # -0000 in a date (RFC 5322, 3.3) leaves it without a zone
        return found.replace(tzinfo=UTC) if found.utcoffset() is None else found
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# --- lists --------------------------------------------------------------------------------------


async def listed(
    session: Session, path: str, query: Mapping[str, str], page: int, id_key: str
) -> tuple[tuple[Mapping[str, Any], ...], int | None, int | None, datetime]:
    """One page of a list: its objects, the next page's number (None at the end), the total if told,
    and when it was read.

    No rows come as 204, or as an empty 200. The end is where `Link` names no next page; without it
    where the total is reached, and without that where a page is not full.
    Raises `NoAnswer`, `ReadRefused`.
    """
    paged = {**query, "pagesize": str(PAGE_SIZE), "pagenumber": str(page)}
    answer = await session.call(request(session.access, "GET", path, paged))
    if answer.status not in (200, 204):
        raise ReadRefused(failure(answer))
    whole = values.count(answer.headers.get("x-total-results"))
    if not answer.body.strip():
        if whole is not None and whole > (page - 1) * PAGE_SIZE:
            raise _refused(answer, "Rent Manager's list is empty where it tells of rows.")
        return (), None, whole, day_of(answer)
    try:
        found = values.parsed(answer.body)
    except values.Unreadable as error:
        raise _refused(answer, "Rent Manager's list is cut short.") from error
    if not isinstance(found, list):
        raise _refused(answer, "Rent Manager's answer is no list.")
    if any(
        not isinstance(item, Mapping) or values.identifier(item.get(id_key)) is None
        for item in found
    ):
        raise _refused(answer, "Rent Manager's list holds an entry without an id.")
    if whole is not None and whole < (page - 1) * PAGE_SIZE + len(found):
        # It is contradicted by what came with it, and must not end the list.
        whole = None
    if not found:
        more = False
    elif whole is not None:
        more = page * PAGE_SIZE < whole
    else:
        more = len(found) >= PAGE_SIZE
    more = more or (bool(found) and 'rel="next"' in answer.headers.get("link", "").lower())
    return tuple(found), page + 1 if more else None, whole, day_of(answer)


async def listed_whole(
    session: Session, path: str, query: Mapping[str, str], id_key: str
) -> tuple[Mapping[str, Any], ...]:
    """Every page of a list, each object once. A list that shows fewer than it tells of changed
    while it was read, and is not taken for the whole. Raises `NoAnswer`, `ReadRefused`."""
    found: dict[str, Mapping[str, Any]] = {}
    page: int | None = 1
    for _ in range(MOST_PAGES):
        items, page, total, _at = await listed(session, path, query, page or 1, id_key)
        found.update({str(item[id_key]): item for item in items})
        if page is None:
            if total is not None and len(found) < total:
                words = "Rent Manager's list changed while it was read."
                raise ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unsteady_list", words))
            return tuple(found.values())
    raise ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unexpected_answer", "A list does not end."))


def _unknown(answer: Answer, code: str, words: str) -> Outcome:
    return Outcome(OutcomeKind.UNKNOWN, code, words, upstream_status=answer.status)


def _refused(answer: Answer, words: str) -> ReadRefused:
    return ReadRefused(_unknown(answer, "unreadable_answer", words))
