"""Query parameters of the operations that make or follow a write: read strictly, every problem at
once. A parameter that is not known or stands twice is a 400, because ignoring it would do something
else than was asked for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.datastructures import QueryParams

from frontdesk.errors import Problem, invalid
from frontdesk.http.openapi import leads_to

LONGEST_WAIT_SECONDS = 30
LONGEST_VALUE = 1000

_SECONDS = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")
_NUMBER = re.compile(r"[0-9]{1,10}")

WAIT_PARAMETER: dict[str, Any] = {
    "name": "wait",
    "in": "query",
    "required": False,
    "description": "Hold the answer until the write has ended, for at most so many seconds.",
    "schema": {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT_SECONDS},
}
KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same request with the same key gives the same answer and the same job for "
    "24 hours, with `Idempotent-Replayed: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
REPLAYED_HEADER: dict[str, Any] = {
    "Idempotent-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "The answer is that of an earlier request with the same key.",
    }
}

WRITE_LINKS = leads_to(
    "getWriteStatus", "streamWriteStatus", "retryWrite", root_job_id="$response.body#/job_id"
) | leads_to("cancelWrite", "listLogsOfJob", job_id="$response.body#/job_id")
"""Where an answer that names a write's job leads."""


class Parameters:
    """The parameters of one request. Every reading notes its problem; `check` raises them all."""

    def __init__(self, parameters: QueryParams, known: Sequence[str]) -> None:
        self._given: dict[str, str] = {}
        self._problems: list[Problem] = []
        if not parameters:
            return
        for name, value in parameters.multi_items():
            if name not in known:
                listed = f"; there are: {', '.join(known)}" if known else ""
                self._refuse(
                    name[:80], f"{name[:80]} is no parameter here{listed}.", code="unknown_field"
                )
            elif name in self._given:
                self._refuse(name, f"{name} stands more than once.", code="repeated_field")
            elif "\0" in value or len(value) > LONGEST_VALUE:
                self._refuse(name, f"{name} cannot have this value.")
            else:
                self._given[name] = value

    def flag(self, name: str) -> bool:
        """`true` or `false`; absent is false."""
        text = self._given.get(name, "false")
        if text not in ("true", "false"):
            self._refuse(name, f"{name} must be true or false.", "true or false")
        return text == "true"

    def is_given(self, name: str, only: str) -> bool:
        """Whether a parameter stands there that has only one value."""
        text = self._given.get(name)
        if text not in (None, only):
            self._refuse(name, f"{name} must be {only}.", only)
        return text == only

    def wait(self) -> float | None:
        """Seconds to wait, or None where the caller did not ask for it."""
        text = self._given.get("wait")
        if text is None:
            return None
        if not _SECONDS.fullmatch(text) or float(text) > LONGEST_WAIT_SECONDS:
            expected = f"seconds from 0 to {LONGEST_WAIT_SECONDS}"
            self._refuse("wait", f"wait must be {expected}.", expected)
            return None
        return float(text)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """An integer between two others."""
        text = self._given.get(name)
        if text is None:
            return default
        if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
            expected = f"integer from {low} to {high}"
            self._refuse(name, f"{name} must be an {expected}.", expected)
            return default
        return int(text)

    def texts(self, names: Sequence[str]) -> Mapping[str, str]:
        """Those of these parameters that were given, as sent."""
        return {name: self._given[name] for name in names if name in self._given}

    def check(self) -> None:
        """Raises ApiError 400 with every problem."""
        if self._problems:
            raise invalid(self._problems)

    def _refuse(
        self, name: str, message: str, expected: str | None = None, code: str = "invalid_value"
    ) -> None:
        self._problems.append(Problem(code, ("query", name), message, expected))
