"""Entrata's wire: a JSON gateway where every method is a POST and the method's name is in the body.

A failure may come as HTTP 200 or 400 with `response.error`, and a success may carry an item that
failed: both levels are looked at before anything is believed. Source: Entrata's API documentation,
public client code and observed headers. This module opens no connection.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

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
)
from frontdesk.vendors.entrata import nodes
from frontdesk.vendors.times import retry_after

_SERVICES: Mapping[str, tuple[str, str]] = {
    "sendLeaseActivities": ("leases", "r1"),
    "updateLeads": ("leads", "r1"),
    "getProperties": ("properties", "r1"),
    "getPropertyUnits": ("propertyunits", "r1"),
    "getCustomers": ("customers", "r1"),
    "getLeases": ("leases", "r2"),
    "getLeadPickLists": ("leads", "r2"),
    "getLeaseActivities": ("leases", "r1"),
    "getLeadEvents": ("leads", "r1"),
}
"""Method → service path and version."""

_TRANSIENT = 310
_UNAUTHORISED = frozenset({401, 402})
"""GUESS: envelope codes for refused credentials (402 by analogy)."""

_THROTTLED = 429
_SUCCESS = frozenset({"success", "succeeded", "ok"})
_FAILURE = frozenset({"error", "failed", "failure"})
_PERIODS: Mapping[str, int] = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_LIMIT = re.compile(r"\s*(\d{1,9})\s*/\s*([A-Za-z]+?)S?\s*")
_COUNT = re.compile(r"\s*(\d{1,9})(\.\d{1,6})?\s*")


def request(
    access: Access,
    method: str,
    params: Mapping[str, Any],
    request_id: str,
    page: tuple[int, int] | None = None,
) -> Request:
    """A call of one API method. `page`: number (from 1) and size, for a list."""
    service, version = _SERVICES[method]
    org = str(access.credentials["companyId"])
    url = f"{access.base_url}/ext/orgs/{nodes.path_part(org)}/v1/{service}"
    headers = {
        "x-api-key": str(access.credentials["apiKey"]),
        "content-type": "application/json",
        "accept": "application/json",
    }
    if page is not None:
        url += f"?page_no={page[0]}&per_page={page[1]}"
        headers["x-send-pagination-links"] = "1"
    envelope = {
        "auth": {"type": "apikey"},
        "requestId": request_id,
        "method": {"name": method, "version": version, "params": params},
    }
    return Request(
        method="POST",
        url=url,
        headers=headers,
        body=orjson.dumps(envelope),
        secret_headers=frozenset({"x-api-key"}),
        budget_key=method,
    )


def write_outcome(answer: Answer, *item_path: str) -> Outcome:
    """What the answer to a write means; `item_path` leads from `result` to the items."""
    failed, result = _envelope(answer)
    if failed is not None:
        return failed
    items = nodes.listed(result, *item_path)
    if not items:
        return unknown(answer, "unreadable_answer", "Entrata's answer has no item for the event.")
    states = [(nodes.text(item, "status") or "").strip().lower() for item in items]
    if refused := [
        values.message(nodes.text(item, "message")) or "Entrata gave no reason."
        for item, state in zip(items, states, strict=True)
        if state in _FAILURE
    ]:
        # one event is sent at a time, so nothing else can have been written by the same call
        words = values.message(*refused)
        return Outcome(OutcomeKind.REJECTED, "invalid", words, upstream_status=answer.status)
    if all(state in _SUCCESS for state in states):
        return Outcome(OutcomeKind.DELIVERED, upstream_status=answer.status)
    return unknown(answer, "unexpected_answer", "Entrata's answer says neither success nor error.")


def read_result(answer: Answer) -> Mapping[str, Any]:
    """The `result` of a read. Raises `ReadRefused`."""
    failed, result = _envelope(answer, lenient=True)
    if failed is not None:
        raise ReadRefused(failed)
    return result


def refuse(answer: Answer, words: str) -> NoReturn:
    """Ends a read whose answer cannot be what was asked for. Raises `ReadRefused`."""
    raise ReadRefused(unknown(answer, "unreadable_answer", words))


def unknown(answer: Answer, code: str, words: str) -> Outcome:
    """The request went out, and nobody can tell what became of it."""
    return Outcome(OutcomeKind.UNKNOWN, code, words, upstream_status=answer.status)


def quota(answer: Answer) -> QuotaReport | None:
    """The windows of the rate-limit headers, each `(limit, seconds, remaining, seconds to reset)`;
    None where they are absent or do not fit together."""
    limits = answer.headers.get("x-ratelimit-limit", "").split(";")
    remaining = answer.headers.get("x-ratelimit-remaining", "").split(";")
    resets = answer.headers.get("x-ratelimit-reset", "").split(";")
    if not len(limits) == len(remaining) == len(resets) <= len(_PERIODS):
        return None
    windows: list[tuple[int, int, int, float]] = []
    for limit, left, reset in zip(limits, remaining, resets, strict=True):
        stated, rest, wait = (
            _LIMIT.fullmatch(limit),
            _COUNT.fullmatch(left),
            _COUNT.fullmatch(reset),
        )
        if stated is None or rest is None or wait is None:
            return None
        seconds = _PERIODS.get(stated[2].upper())
        if seconds is None:
            return None
        windows.append((int(stated[1]), seconds, int(rest[1]), float(wait[0].strip())))
    return QuotaReport(tuple(windows))


def _envelope(answer: Answer, *, lenient: bool = False) -> tuple[Outcome | None, Mapping[str, Any]]:
    """Either what failed, or the `result` of a success. `lenient`: some reads are documented
    without a `code` in their success; a write never is."""
    if answer.status == _THROTTLED:
        # given before the method runs, with or without a body (RFC 6585, 4)
        return _throttled(answer, _error(answer)[1]), {}
    error_code, words = _error(answer)
    if words is not None:
        return _refusal(answer, error_code, words), {}
    if answer.status == 401:
        said = "Entrata refused the credentials."
        return Outcome(OutcomeKind.UNAUTHORISED, "unauthorised", said, upstream_status=401), {}
    response = _response(answer)
    result = nodes.value(response, "result")
    code = values.number(response.get("code", 200 if lenient else None))
    if answer.status != 200 or code != 200 or not isinstance(result, Mapping):
        code_word = "server_error" if answer.status >= 500 else "unreadable_answer"
        return unknown(answer, code_word, f"Entrata answered {answer.status} without a result."), {}
    return None, values.mapping(result)


def _refusal(answer: Answer, code: int | None, words: str) -> Outcome:
    status = answer.status
    if code == _THROTTLED:
        return _throttled(answer, words)
    if code == _TRANSIENT:
        return Outcome(OutcomeKind.NOT_NOW, "transient", words, upstream_status=status)
    if code in _UNAUTHORISED or status == 401:
        return Outcome(OutcomeKind.UNAUTHORISED, "unauthorised", words, upstream_status=status)
    if code is None or not 300 <= code < 500:
        # a fault inside Entrata, or a code that says nothing: the event may have been written
        return unknown(answer, "server_error", words)
    named = {403: "forbidden", 404: "not_found"}.get(code, "invalid")
    return Outcome(OutcomeKind.REJECTED, named, words, upstream_status=status)


def _throttled(answer: Answer, words: str | None) -> Outcome:
    return Outcome(
        OutcomeKind.NOT_NOW,
        "rate_limited",
        words or "Entrata's request limit is used up.",
        upstream_status=answer.status,
        retry_after=_wait(answer),
        throttled=True,
    )


def _wait(answer: Answer) -> float | None:
    """Seconds until a request may be tried again: the longest reset of a window that has nothing
    left, else the shortest of all (GUESS)."""
    asked = retry_after(answer.headers)
    report = quota(answer)
    if asked is not None or report is None or not report.windows:
        return asked
    used_up = [reset for _, _, remaining, reset in report.windows if remaining == 0]
    return max(used_up) if used_up else min(reset for *_, reset in report.windows)


def _error(answer: Answer) -> tuple[int | None, str | None]:
    """Code and words of `response.error`; no words where there is no error object."""
    error = nodes.value(_response(answer), "error")
    if not isinstance(error, Mapping):
        return None, None
    code = values.number(nodes.value(error, "code"))
    words = values.message(nodes.value(error, "message")) or "Entrata gave no reason."
    return (code if isinstance(code, int) else None), words


def _response(answer: Answer) -> Mapping[str, Any]:
    try:
        return values.mapping(values.mapping(values.parsed(answer.body)).get("response"))
    except values.Unreadable:
        return {}
