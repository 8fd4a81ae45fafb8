"""JSON that PostgreSQL takes, and back.

A PMS's text may hold what `jsonb` cannot: NUL, or half of a surrogate pair. Such characters are
dropped or replaced here, once, for every record that is stored. Numbers that JSON has no spelling
for have become null before (`models.coerced`).
"""

from typing import Any

import orjson


def as_json(value: Any) -> str:
    """The value as JSON text for a `jsonb` parameter."""
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return orjson.dumps(_clean(value)).decode()
    # A text that really says backslash-u-0000 gets here as well; cleaning leaves it alone.
    return orjson.dumps(_clean(value)).decode() if "\\u0000" in text else text


def from_json(text: str | None) -> Any:
    """The value of a `jsonb` column, None for NULL."""
    return None if text is None else orjson.loads(text)


def cleaned(value: Any) -> Any:
    """The value without what `jsonb` cannot hold: for what is not put there as it is."""
    return _clean(value)


def clean_text(text: str) -> str:
    """The text without what PostgreSQL's `text` refuses."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    # Past 64 bits orjson knows no integer; a PMS's number of that size is an id, and ids are text.
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
