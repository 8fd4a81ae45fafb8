"""`Idempotency-Key`: reading the header, and the fingerprint that tells one request from another.

The fingerprint is over what a request means, not over its bytes: the order of keys, white space and
nulls do not count, nor does how long the caller is willing to wait. Knows nothing of storage.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from frontdesk.errors import Problem, invalid

MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key, and the fingerprint (hex) of the request that bears it."""

    key: str
    fingerprint: str


def read_key(values: Sequence[str]) -> str | None:
    """The key from the request's `Idempotency-Key` headers. Raises `ApiError` 400 unless there is
    none, or one of 1 to 255 printable ASCII characters."""
    if not values:
        return None
    key = values[0]
    printable = key.isascii() and key.isprintable()
    if len(values) > 1 or not 1 <= len(key) <= MAX_KEY_LENGTH or not printable:
        expected = f"one header of 1 to {MAX_KEY_LENGTH} printable ASCII characters"
        raise invalid(
            [
                Problem(
                    "invalid_value",
                    ("header", "Idempotency-Key"),
                    f"Idempotency-Key must be {expected}.",
                    expected,
                )
            ]
        )
    return key


def fingerprint(method: str, path: str, body: Any, query: Iterable[tuple[str, str]]) -> str:
    """SHA-256 (hex) of the request's meaning. `body` is the parsed body; `query` is every
    parameter, of which `wait` does not count."""
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    counted = sorted((name, value) for name, value in query if name != "wait")
    meaning = [method, path.rstrip("/"), counted, body]
    return hashlib.sha256(orjson.dumps(meaning, option=orjson.OPT_SORT_KEYS)).hexdigest()
