"""Keeps credentials out of everything that is stored, logged or shown.

A secret can travel in many spellings: as it is, percent-encoded, escaped for JSON or XML, or inside
a base64 token (HTTP Basic). All of them become `***`. What is masked is found by value, never by
the name of the field it stands in: an upstream error that quotes a key is masked as well. This is
no encryption, and it does not look into compressed bodies.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

from frontdesk.vendors.contract import Request

MASK = "***"

_SHORT = 4
"""Below this many characters a secret is masked only where it stands alone: `1` is everywhere."""

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every spelling of every secret replaced by `***`. A very short secret is
    replaced only where it is a whole JSON string or the whole content of an XML element or
    attribute."""
    chosen = _chosen(tuple(secrets))
    return _mask(text, chosen)


def masked_headers(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """An answer's headers, each masked."""
    chosen = _chosen(tuple(secrets))
    if _repeats_none(headers.values(), chosen):
        return dict(headers)
    return {name: _mask(value, chosen) for name, value in headers.items()}


def masked(request: Request, secrets: Iterable[str]) -> dict[str, object]:
    """A request as it may be shown: `{method, url, headers, body}`, the body as text (None where
    there is none). Headers that the request declares secret are masked whole."""
    chosen = _chosen(tuple(secrets))
    url, body = request.url, request.body
    text = None if body is None else body.decode("utf-8", errors="replace")
    headers = {
        name: MASK if name.lower() in request.secret_headers else value
        for name, value in request.headers.items()
    }
    if not _repeats_none((url, text or "", *headers.values()), chosen):
        url = _mask_alone(_mask(url, chosen), chosen)
        headers = {
            name: _mask_alone(_mask(value, chosen), chosen) for name, value in headers.items()
        }
        text = None if text is None else _mask(text, chosen)
    return {"method": request.method, "url": url, "headers": headers, "body": text}


def _repeats_none(texts: Iterable[str], secrets: tuple[str, ...]) -> bool:
    """Whether the texts hold no spelling of any secret, as nearly all do not: one look at all of them
    together tells. Of a very short secret that cannot be said."""
    together = "\n".join(texts)
    return not any(len(secret) < _SHORT for secret in secrets) and not any(
        form in together for forms in _forms(secrets) for form in forms
    )


@lru_cache(maxsize=64)
def _chosen(secrets: tuple[str, ...]) -> tuple[str, ...]:
    # longest first: a secret that contains another must not leave its own remains behind
    return tuple(sorted({secret for secret in secrets if secret}, key=lambda s: (-len(s), s)))


def _mask(text: str, secrets: tuple[str, ...]) -> str:
    spellings, cores = _forms(secrets)
    for core in cores:
        text = _mask_tokens(text, core)
    for spelling in spellings:
        if spelling in text:
            text = text.replace(spelling, MASK)
    for secret in secrets:
        if len(secret) < _SHORT:
            text = _alone_in_document(secret).sub(MASK, text)
    return text


def _mask_alone(text: str, secrets: tuple[str, ...]) -> str:
    """Headers and URLs: a very short secret goes wherever it is a word of its own."""
    for secret in secrets:
        if len(secret) < _SHORT:
            text = re.sub(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])", MASK, text)
    return text


@lru_cache(maxsize=64)
def _forms(secrets: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Plain spellings, longest first, and the base64 cores of all secrets that are long enough."""
    spellings: set[str] = set()
    cores: set[str] = set()
    for secret in secrets:
        if len(secret) < _SHORT:
            continue
        spellings |= _spellings(secret)
        cores |= _base64_cores(secret)
    return (
        tuple(sorted(spellings, key=lambda form: (-len(form), form))),
        tuple(sorted(cores, key=lambda form: (-len(form), form))),
    )


def _spellings(secret: str) -> set[str]:
    percent = {quote(secret, safe=safe, errors="replace") for safe in ("", "/", "/:@!$&'()*+,;=~")}
    percent.add(quote_plus(secret, errors="replace"))
    percent |= {_PERCENT.sub(lambda found: found[0].lower(), form) for form in percent}
    in_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    in_json |= {form.replace("/", "\\/") for form in in_json}
    quotes: tuple[dict[str, str], ...] = (
        {},
        {'"': "&quot;"},
        {'"': "&quot;", "'": "&apos;"},
        {'"': "&quot;", "'": "&#39;"},
        {'"': "&quot;", "'": "&#x27;"},
        {'"': "&#34;", "'": "&#39;"},
    )
    in_xml = {escape(secret, entities) for entities in quotes}
    return {secret} | percent | in_json | in_xml


def _base64_cores(secret: str) -> set[str]:
    """The characters that base64 gives a secret whatever stands around it, for each of the three
    places that its first byte can have in a group."""
    raw = secret.encode("utf-8", errors="replace")
    cores: set[str] = set()
    for place in range(3):
        encoded = base64.b64encode(b"\0" * place + raw).decode("ascii")
        core = encoded[-(-8 * place // 6) : 8 * (place + len(raw)) // 6]
        cores |= {core, core.translate(str.maketrans("+/", "-_"))}
    return cores


def _mask_tokens(text: str, core: str) -> str:
    """Masks each whole base64 token around `core`: a part of it left standing would give away the
    secret's first or last bits."""
    start = text.find(core)
    while start >= 0:
        left, right = start, start + len(core)
        while left > 0 and text[left - 1] in _BASE64:
            left -= 1
        while right < len(text) and text[right] in _BASE64:
            right += 1
        while right < len(text) and text[right] == "=":
            right += 1
        text = text[:left] + MASK + text[right:]
        start = text.find(core, left + len(MASK))
    return text


@lru_cache(maxsize=64)
def _alone_in_document(secret: str) -> re.Pattern[str]:
    forms = "|".join(
        sorted({re.escape(form) for form in _spellings(secret)}, key=len, reverse=True)
    )
    return re.compile(rf"(?<=[\"'>])(?:{forms})(?=[\"'<])")
