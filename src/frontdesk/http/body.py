"""Reading a request's body: its size, its media type, and JSON as strict as the contract has it.

Refused with a clear 4xx, before any schema looks at it: more than the limit, another media type,
malformed JSON, nesting that nobody means, a key that stands twice in one object (which of the two
was meant?) and a NUL in a string (no PMS and no database column takes one).
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from starlette.requests import Request

from frontdesk.errors import ApiError, Code, Problem, invalid
from frontdesk.http.problems import problems_of

BODY_LIMIT = 1 << 20
DEEPEST = 64
"""Levels of nesting that a body may have; far more than any schema here has."""

MOST_UNDER_WAY = 256 << 20
"""Bytes of bodies that this process holds before they are whole: a thousand callers who each keep back the
end of a large one would fill its memory. Past it 503."""

_PATIENCE_BYTES = 16 << 20
_PATIENCE_SECONDS = 5.0


class Body(BaseModel):
    """What the schemas of request bodies share: strict JSON types, unknown keys refused, and a
    field that is `null` counts as absent."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: inner for name, inner in value.items() if inner is not None}
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Says of every field that may be absent that it may be null: also of one with a default."""
        made = handler(schema)
        stated = handler.resolve_ref_schema(made)
        required = stated.get("required", ())
        for name, inner in stated.get("properties", {}).items():
            if name not in required and not _takes_null(inner):
                stated["properties"][name] = _or_null(inner)
        return made


_ABOUT = ("title", "description", "default")


def _takes_null(schema: JsonSchemaValue) -> bool:
    return any(one.get("type") == "null" for one in (schema, *schema.get("anyOf", ())))


def _or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    value = {name: inner for name, inner in schema.items() if name not in _ABOUT}
    about = {name: schema[name] for name in _ABOUT if name in schema}
    return {"anyOf": [value, {"type": "null"}], **about}


Model = TypeVar("Model", bound=Body)


class _UnderWay:
    """What the bodies that are being read hold together."""

    def __init__(self) -> None:
        self.bytes = 0


_under_way = _UnderWay()


async def read_body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The body, of at most `limit` bytes, of the media type JSON (no type counts as JSON).

    Raises ApiError 413, 415.
    """
    _check_media_type(request)
    return await _read(request, limit)


def _check_media_type(request: Request) -> None:
    headers = request.headers
    media_type = headers.get("content-type")
    if media_type is not None and not _is_json(media_type):
        raise ApiError(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "The body must be JSON in UTF-8: send it with `Content-Type: application/json`.",
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "A compressed body is not taken: send it without `Content-Encoding`.",
        )


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    stream = request.stream()
    if declared.isdigit() and int(declared) > limit:
        raise await _too_large(stream, limit)
    # Nearly every body is one chunk; a chunked upload has no declared length, so it is counted.
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in stream:
            size += len(chunk)
            _under_way.bytes += len(chunk)
            if size > limit:
                chunks.clear()
                raise await _too_large(stream, limit)
            if _under_way.bytes > MOST_UNDER_WAY:
                raise _too_many()
            chunks.append(chunk)
    finally:
        _under_way.bytes -= size
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """The value that the body holds. Raises ApiError 400 with every problem of its form."""
    if not body.strip():
        raise _malformed("The body is empty; a JSON object is expected.")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg or "recursion" in error.msg.lower():
            raise _too_deep() from None
        raise _malformed(
            f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    # As many brackets as levels, at least: the common body is not walked at all.
    if body.count(b"{") + body.count(b"[") > DEEPEST and _depth(value) > DEEPEST:
        raise _too_deep()
    problems: list[Problem] = []
    if not _has_a_colon_for_each_key(body, value):
        problems += _repeated_keys(body)
    if b"\\u0000" in body:
        problems += _nul_strings(value)
    if problems:
        raise invalid(problems)
    return value


async def read_json_body(request: Request, limit: int = BODY_LIMIT) -> tuple[bytes, Any]:
    """The body as bytes and as its JSON value. Raises ApiError 400, 413, 415."""
    body = await read_body(request, limit)
    return body, parse_json(body)


async def read_model(request: Request, model: type[Model]) -> Model:
    """The body as `model`. Raises ApiError: 400 names every problem of the body with its path."""
    body, _ = await read_json_body(request)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(problems_of(error.errors(include_url=False))) from None


async def refuse_body(request: Request) -> None:
    """For a POST that takes no body: an empty one or an empty object passes.

    Raises ApiError 400, 413, 415.
    """
    body = await _read(request, BODY_LIMIT)
    if body.strip():
        # Only now: clients name some media type for no body at all.
        _check_media_type(request)
        if parse_json(body) != {}:
            raise _malformed("This operation takes no body.")


def _is_json(media_type: str) -> bool:
    kind, _, parameters = media_type.lower().partition(";")
    kind = kind.strip()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        return False
    charset = parameters.replace(" ", "").replace('"', "")
    return "charset=" not in charset or "charset=utf-8" in charset


def _depth(value: Any) -> int:
    """Levels of nesting, without recursion: the value may be a thousand deep."""
    deepest = 0
    level = [value]
    while level:
        level = [inner for outer in level for inner in _inner(outer)]
        deepest += 1
        if deepest > DEEPEST + 1:
            break
    return deepest


def _inner(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _has_a_colon_for_each_key(body: bytes, value: Any) -> bool:
    """Whether no key can stand twice, by a count: what the parser dropped had a colon of its own, and
    is not written again. The common body is not parsed a second time."""
    # A colon may be written as an escape (3a), which the body's count would miss.
    return b"\\u003" not in body and orjson.dumps(value).count(b":") == body.count(b":")


def _repeated_keys(body: bytes) -> list[Problem]:
    repeated: list[str] = []

    def check(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            counted = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counted.items() if count > 1)

    # What the strict parser has taken, the lenient one takes; only the keys matter here. Long
    # digit strings would be turned into integers at quadratic cost.
    try:
        json.loads(body, object_pairs_hook=check, parse_int=str, parse_float=str)
    except RecursionError:
        # The first value of a repeated key can be far deeper than what was left of the body.
        raise _too_deep() from None
    return [
        Problem("repeated_field", (name,), f"{_shown(name)} stands more than once in one object.")
        for name in repeated
    ]


def _nul_strings(value: Any) -> list[Problem]:
    problems: list[Problem] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while waiting:
        path, inner = waiting.pop()
        if isinstance(inner, dict):
            for name, item in inner.items():
                if "\0" in name:
                    problems.append(
                        Problem("invalid_value", path, "A field's name holds a NUL character.")
                    )
                waiting.append(((*path, name), item))
        elif isinstance(inner, list):
            waiting += [((*path, place), item) for place, item in enumerate(inner)]
        elif isinstance(inner, str) and "\0" in inner:
            name = ".".join(_shown(str(part)) for part in path) or "The body"
            problems.append(Problem("invalid_value", path, f"{name} holds a NUL character."))
    problems.reverse()
    return problems


def _shown(name: str) -> str:
    """A key that the caller sent, fit for a message."""
    return name if len(name) <= 80 else f"{name[:77]}..."


async def _too_large(rest: AsyncIterator[bytes], limit: int) -> ApiError:
    """413. The rest is taken in first, within reason: many clients do not look at an answer before
    they have sent all, and find the connection reset instead."""
    refusal = ApiError(
        Code.TOO_LARGE, f"The body is larger than {limit:,} bytes.", details={"limit": limit}
    )
    size = 0
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for chunk in rest:
                size += len(chunk)
                if size > _PATIENCE_BYTES:
                    break
            else:
                return refusal
    except TimeoutError:
        pass  # as with too many bytes: what follows is not read, so the connection ends
    refusal.headers["Connection"] = "close"
    return refusal


def _too_many() -> ApiError:
    return ApiError(
        Code.UNAVAILABLE,
        "Too many large requests are on their way; nothing was accepted.",
        details={"outcome": "not_accepted"},
        headers={"Retry-After": "1", "Connection": "close"},
    )


def _too_deep() -> ApiError:
    return _malformed(f"The body is nested deeper than {DEEPEST} levels.")


def _malformed(message: str) -> ApiError:
    return invalid([Problem("malformed_json", (), message)])
