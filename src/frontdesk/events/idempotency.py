"""`Idempotency-Key`: reading the header, and the fingerprint that tells one request from another.

The fingerprint is over what a request means, not over its bytes: the order of keys, white space and
nulls do not count, nor does how long the caller is willing to wait. Knows nothing of storage.
"""

import hashlib
from collections.abc import Iterable, Sequence

import orjson
from pydantic_core import from_json

from frontdesk.errors import Problem, invalid

MAX_KEY_LENGTH = 255


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


def fingerprint(
    method: str, path: str, body: bytes, query: Iterable[tuple[str, str]]
) -> str | None:
    """SHA-256 (hex) of the request's meaning; None where the body is no JSON, which is refused
    before any key matters. `query` is every parameter but `wait`."""
    try:
        parsed = from_json(body) if body else None
        if isinstance(parsed, dict):
            parsed = {name: value for name, value in parsed.items() if value is not None}
        meaning = [method, path.rstrip("/"), sorted(query), parsed]
        return hashlib.sha256(orjson.dumps(meaning, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except (ValueError, TypeError):
        # Not JSON, or a number that no field takes: either way a 400 follows.
        return None
