"""From pydantic's errors to the contract's issues.

The values that were sent are never repeated: a body may hold credentials. What was received is told
by its JSON type alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from frontdesk.errors import Problem

# Stable words for what callers may handle; everything else is an `invalid_value`.
_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "too_long": "too_long",
    "too_short": "too_short",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "json_invalid": "malformed_json",
}
_LIMITS = {
    "max_length": "at most {} characters",
    "min_length": "at least {} characters",
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "expected": "{}",
}


def problems_of(errors: Iterable[Mapping[str, Any]], *, drop: int = 0) -> list[Problem]:
    """The issues of a `ValidationError.errors()`; `drop` leading parts of each path are ours."""
    return [_problem(error, drop) for error in errors]


def json_type(value: object) -> str:
    """The JSON type of a parsed value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _problem(error: Mapping[str, Any], drop: int) -> Problem:
    kind = str(error["type"])
    # Parts that pydantic adds for its own structure (union members, validators) name no field.
    path = tuple(part for part in tuple(error["loc"])[drop:] if "[" not in str(part))
    name = ".".join(str(part) for part in path) or "The body"
    expected = _expected(kind, error.get("ctx") or {})
    if kind == "missing":
        return Problem("required", path, f"{name} is required.")
    if kind == "extra_forbidden":
        return Problem("unknown_field", path, f"{name} is not a field that is taken here.")
    received = json_type(error["input"]) if "input" in error else None
    if kind.endswith(("_type", "_parsing")):
        code = "wrong_type"
        message = f"{name} must be {_article(expected or 'of another type')}."
    else:
        code = _CODES.get(kind, "invalid_value")
        said = str(error["msg"]).removeprefix("Value error, ")
        message = f"{name} must be {expected}." if expected else f"{name}: {said}"
    return Problem(code, path, message, expected=expected, received=received)


def _expected(kind: str, context: Mapping[str, Any]) -> str | None:
    for name, form in _LIMITS.items():
        if name in context:
            unit = form if kind.startswith("string") else form.removesuffix(" characters")
            return unit.format(context[name])
    if kind.endswith(("_type", "_parsing")):
        word = kind.rsplit("_", 1)[0]
        words = {"bool": "boolean", "int": "integer", "float": "number", "dict": "object"}
        words |= {"list": "array", "model": "object", "model_attributes": "object"}
        return words.get(word, word)
    return None


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" and word != "of another type" else f"a {word}"
