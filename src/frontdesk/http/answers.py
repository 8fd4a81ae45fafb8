"""Answers: JSON, and every failure in the one shape that the contract gives errors.

Turns whatever a handler raised into an `ApiError`. It never shows an exception's own text unless
that was written for the caller: an unexpected error tells nothing but the request id.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from frontdesk.database.pool import CommitUnknown, DatabaseUnavailable, SchemaBehind
from frontdesk.errors import ApiError, Code, invalid
from frontdesk.http.methods import not_taken
from frontdesk.http.problems import problems_of

_log = structlog.get_logger(__name__)

_RETRY_AFTER = {"Retry-After": "1"}
_BY_STATUS = {code.status: code for code in Code if code is not Code.UNKNOWN_REFERENCE} | {
    400: Code.INVALID_REQUEST,
    405: Code.METHOD_NOT_ALLOWED,
}


def json_answer(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer. Date-times become RFC 3339 with offset, UUIDs strings."""
    body = orjson.dumps(content, default=_other, option=orjson.OPT_UTC_Z)
    return Response(body, status, headers, media_type="application/json")


def error_answer(error: ApiError) -> Response:
    """The error in the contract's shape."""
    shape = {
        "error": {
            "code": error.code.word,
            "message": error.message,
            "details": error.details,
        }
    }
    return json_answer(shape, error.code.status, error.headers)


def told(error: Exception, *, request_id: str, allowed: Callable[[], Collection[str]]) -> ApiError:
    """What the caller is told about an error; logs what he is not told.

    `allowed` names the path's methods, for a 405.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, DatabaseUnavailable):
        _log.warning("database unavailable", error=str(error))
        return unavailable(error)
    if isinstance(error, RequestValidationError):
        return invalid(problems_of(error.errors(), drop=1))
    if isinstance(error, HTTPException):
        return _of_status(error, allowed)
    _log.error("request failed", exc_info=error)
    return ApiError(
        Code.INTERNAL,
        "Something went wrong here. It has been logged under the request id in `details`.",
        details={"request_id": request_id},
    )


def unavailable(error: DatabaseUnavailable) -> ApiError:
    """503: whether anything was stored is said in `details.outcome`."""
    if isinstance(error, CommitUnknown):
        return ApiError(
            Code.UNAVAILABLE,
            "The connection to the database was lost before it was known whether this was stored. "
            "Look before you repeat it.",
            details={"outcome": "unknown"},
            headers=_RETRY_AFTER,
        )
    if isinstance(error, SchemaBehind):
        return ApiError(
            Code.UNAVAILABLE,
            "A migration of the database is pending, and this needs it; nothing was stored. The "
            "operator of this service applies it with: frontdesk migrate.",
            details={"outcome": "not_accepted"},
            headers=_RETRY_AFTER,
        )
    return ApiError(
        Code.UNAVAILABLE,
        "The database cannot be reached at the moment; nothing was stored. Try again.",
        details={"outcome": "not_accepted"},
        headers=_RETRY_AFTER,
    )


def _of_status(error: HTTPException, allowed: Callable[[], Collection[str]]) -> ApiError:
    """The framework's own refusals in our words."""
    if isinstance(error.__cause__, ApiError):
        return error.__cause__
    if error.status_code == HTTPStatus.NOT_FOUND:
        return ApiError(Code.NOT_FOUND, "There is no such path here; /openapi.json lists them all.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return not_taken(allowed())
    code = _BY_STATUS.get(error.status_code, Code.INVALID_REQUEST)
    return ApiError(code, str(error.detail), headers=error.headers)


def _other(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (UUID, datetime)):  # pragma: no cover — orjson knows these itself
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
