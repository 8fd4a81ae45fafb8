"""MRI's wire: one address with the API's name in the query, a Basic user of four parts, entries in
XML to write and JSON lists to read.

Builds requests and says what an answer means. An error may stand inside a normal answer, so no
status is taken for the whole of one. Source: public client code and the reference API's
documentation.
"""

import base64
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit
from xml.etree.ElementTree import Element

from frontdesk.vendors import values, xml
from frontdesk.vendors.contract import Access, Answer, Outcome, OutcomeKind, Request
from frontdesk.vendors.mri import guesses, names
from frontdesk.vendors.times import retry_after

PATH = "/mriapiservices/api.asp"

THROTTLED_PAUSE_S = 5.0
"""How long to be silent after a 429: MRI tells no time. Its window of 300 s rolls, so that calls
become free all the while, and the budget keeps their pace."""

_USER = ("clientId", "databaseName", "username", "partnerKey")
_REFUSING = frozenset({400, 403, 404, 405, 409, 413, 415, 422})
_MARKUP = ("<", "{", "[")


def request(
    access: Access, method: str, api: str, query: Mapping[str, str], body: bytes | None = None
) -> Request:
    """A request to one API: XML where it has a body, else a question for JSON."""
    user = "/".join(str(access.credentials[part]) for part in _USER)
    basic = base64.b64encode(f"{user}:{access.credentials['password']}".encode()).decode("ascii")
    kind = "json" if body is None else "xml"
    headers = {"authorization": f"Basic {basic}", "accept": f"application/{kind}"}
    if body is not None:
        headers["content-type"] = "application/xml; charset=utf-8"
    # The names of the protocol's own parameters begin with a plain `$`, as everybody sends them.
    sent = urlencode({"$api": api, "$format": kind, **query}, safe="$")
    return Request(
        method=method,
        url=f"{_address(access.base_url)}?{sent}",
        headers=headers,
        body=body,
        secret_headers=frozenset({"authorization"}),
    )


def entry(api: str, fields: Mapping[str, str]) -> bytes:
    """A document of one entry: its root is the API's name in lower case."""
    inside = "".join(f"<{name}>{xml.escape(text)}</{name}>" for name, text in fields.items())
    root = api.lower()
    return f"<{root}><entry>{inside}</entry></{root}>".encode()


def write_outcome(
    answer: Answer, api: str, x_resident_id: str, text: str, expected_id: str | None = None
) -> Outcome:
    """What the answer to writing an action means. `text`: what was sent, which an error may quote.
    `expected_id`: the action that was to be changed."""
    if not 200 <= answer.status < 300:
        return failure(answer, text)
    try:
        root = xml.parse(answer.body)
    except xml.NotXmlError:
        return unknown(answer, "unreadable_answer", "MRI's answer is no whole XML document.")
    if xml.name_of(root) != api.lower():
        return unknown(answer, "unexpected_answer", "MRI's answer is another API's document.")
    entries = list(xml.children(root, "entry"))
    said = error_words(root)
    x_id = xml.text_of(entries[0], names.of("action.id")) if len(entries) == 1 else None
    if said is not None:
        if expected_id is None and x_id is not None:
            return unknown(answer, "contradictory_answer", said)
        return refused(answer, said)
    result = next((node.text for node in xml.descendants(root, "Result")), None)
    if len(entries) != 1:
        return unknown(answer, "unexpected_answer", result or "MRI's answer holds no single entry.")
    if x_id is None or not _is_number(x_id):
        words = values.message(result) or "MRI's answer names no action."
        return unknown(answer, "unexpected_answer", words)
    resident = xml.text_of(entries[0], names.of("action.resident"))
    if resident not in (None, x_resident_id) or expected_id not in (None, x_id):
        return unknown(answer, "unexpected_answer", "MRI's answer speaks of another action.")
    return Outcome(OutcomeKind.DELIVERED, x_id=x_id, upstream_status=answer.status)


def failure(answer: Answer, text: str = "") -> Outcome:
    """What an answer that is no success means. Never `delivered`."""
    words = plain_words(answer)
    said = words or f"MRI answered {answer.status}."
    # 401 and 429 are given before a request is acted upon, by whatever stands in front of the API
    # as well (RFC 9110, 15.5.2; RFC 6585, 4): no words are needed to be certain.
    if answer.status == 401:
        return _outcome(answer, OutcomeKind.UNAUTHORISED, "unauthorised", said)
    if answer.status == 429:
        wait = retry_after(answer.headers)
        return Outcome(
            OutcomeKind.NOT_NOW,
            "rate_limited",
            said,
            upstream_status=429,
            retry_after=THROTTLED_PAUSE_S if wait is None else wait,
            throttled=True,
        )
    if answer.status == 500:
        page = _text_of(answer.body) or ""
        # A page that quotes an event about deadlocks is no deadlock.
        if guesses.is_deadlock(page) and not guesses.is_deadlock(text):
            words = words or "MRI names a database deadlock."
            return _outcome(answer, OutcomeKind.NOT_NOW, "deadlock", words)
    if answer.status in _REFUSING:
        inside = _error_inside(answer.body)
        if words is not None or inside is not None:
            return refused(answer, words or inside or said)
    code = "server_error" if answer.status >= 500 else "unexpected_answer"
    return unknown(answer, code, said)


def error_words(root: Element) -> str | None:
    """The words of every error in an answer, or None where there is no error in it."""
    said = [
        words
        for error in xml.descendants(root, "Error")
        if (words := xml.text_of(error, "Message") or (error.text or "").strip())
    ]
    return values.message(*said) or None


def unknown(answer: Answer, code: str, words: str) -> Outcome:
    """What cannot be told from the answer."""
    return _outcome(answer, OutcomeKind.UNKNOWN, code, words)


def plain_words(answer: Answer) -> str | None:
    """The body where it is plain text, as MRI's own refusals are: no page and no document."""
    text = (_text_of(answer.body) or "").strip()
    kind = answer.headers.get("content-type", "").lower()
    if not text or "html" in kind or text.startswith(_MARKUP):
        return None
    if any(not (mark.isprintable() or mark.isspace()) for mark in text):
        return None
    return values.message(text) or None


def refused(answer: Answer, words: str) -> Outcome:
    """What MRI's own words in an error mean."""
    if guesses.is_deadlock(words):
        return _outcome(answer, OutcomeKind.NOT_NOW, "deadlock", words)
    return _outcome(answer, OutcomeKind.REJECTED, "refused", words)


def _error_inside(body: bytes) -> str | None:
    try:
        return error_words(xml.parse(body))
    except xml.NotXmlError:
        return None


def _outcome(answer: Answer, kind: OutcomeKind, code: str, words: str) -> Outcome:
    return Outcome(kind, code, values.message(words), upstream_status=answer.status)


def _text_of(body: bytes) -> str | None:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _is_number(x_id: str) -> bool:
    return x_id.isascii() and x_id.isdigit() and x_id.strip("0") != "" and len(x_id) <= 20


def _address(base_url: str) -> str:
    """The API's page at a base URL: customers are told the farm's host or the whole address."""
    whole = urlsplit(base_url).path.lower().endswith("/api.asp")
    return base_url if whole else f"{base_url}{PATH}"
