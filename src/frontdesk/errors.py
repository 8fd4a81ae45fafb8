"""The errors that a caller can be told, as values of the domain; `http` turns them into answers.

Codes and statuses are the contract's and never change meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Code(Enum):
    """A stable error code and its HTTP status."""

    INVALID_REQUEST = ("invalid_request", 400)
    UNKNOWN_REFERENCE = ("unknown_reference", 400)
    UNAUTHENTICATED = ("unauthenticated", 401)
    FORBIDDEN = ("forbidden", 403)
    NOT_FOUND = ("not_found", 404)
    NOT_SUPPORTED = ("not_supported", 405)
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405)
    CONFLICT = ("conflict", 409)
    TOO_LARGE = ("too_large", 413)
    UNSUPPORTED_MEDIA_TYPE = ("unsupported_media_type", 415)
    IDEMPOTENCY_MISMATCH = ("idempotency_mismatch", 422)
    RATE_LIMITED = ("rate_limited", 429)
    INTERNAL = ("internal", 500)
    UNAVAILABLE = ("unavailable", 503)

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a request, for `details.issues[]`. Fields that are None are left out.
    `last_seen` (RFC 3339) where the check was made against a cached record."""

    code: str
    path: tuple[str | int, ...]
    message: str
    expected: str | None = None
    received: str | None = None
    last_seen: str | None = None

    def shown(self) -> dict[str, Any]:
        """The issue as the caller sees it."""
        shown: dict[str, Any] = {
            "code": self.code,
            "path": list(self.path),
            "message": self.message,
        }
        for name in ("expected", "received", "last_seen"):
            if (value := getattr(self, name)) is not None:
                shown[name] = value
        return shown


class ApiError(Exception):
    """A request that is answered with an error of the contract."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        issues: Sequence[Problem] = (),
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        if issues:
            self.details["issues"] = [issue.shown() for issue in issues]
        self.headers: dict[str, str] = dict(headers or {})


def invalid(issues: Sequence[Problem], hint: str = "") -> ApiError:
    """400 for a body or query: `unknown_reference` on top only if every issue is one."""
    only_references = all(issue.code == "unknown_reference" for issue in issues)
    count = len(issues)
    first = issues[0].message
    message = first if count == 1 else f"The request has {count} problems; the first: {first}"
    return ApiError(
        Code.UNKNOWN_REFERENCE if only_references else Code.INVALID_REQUEST,
        f"{message} {hint}".strip(),
        issues=issues,
    )


def not_found(what: str) -> ApiError:
    """404 for an id in a path, whosever it may be."""
    return ApiError(Code.NOT_FOUND, f"There is no {what} with this id.")
