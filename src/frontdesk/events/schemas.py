"""The body of a request as it is read: strict types, every problem at once, each with its path.

Knows the fields and no PMS. What is valid by itself goes on even when something else is not, so
that the checks that follow can name their problems in the same answer. Never guesses: a number in
quotes is no number, a date-time without offset no instant. Takes parsed JSON: malformed text, NUL
characters and repeated keys are refused before (`http.body`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, NotRequired
from urllib.parse import urlsplit

import email_validator
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import TypedDict

from frontdesk.errors import Problem, invalid
from frontdesk.events.fields import (
    CLOCK_PATTERN,
    DATE_PATTERN,
    INSTANT_PATTERN,
    MAX_CALL_SECONDS,
    MAX_REFERENCE_LENGTH,
    MAX_URL_LENGTH,
)

# Addresses are judged by syntax alone: `.test` or `.local` is as good as any other domain here, and
# whether a mail can arrive is the PMS's business. The library offers this list for editing.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_CLOCK = re.compile(CLOCK_PATTERN)
_DATE = re.compile(DATE_PATTERN)
_INSTANT = re.compile(INSTANT_PATTERN)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_SHOWN_CHARACTERS = 120


def read_instant(text: str) -> datetime:
    """An RFC 3339 date-time with offset, years 1900 to 2199. Raises ValueError."""
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text.upper())


@lru_cache(maxsize=1024)
def read_moment(text: str) -> datetime | date:
    """An instant, or a bare date (`YYYY-MM-DD`). Raises ValueError. Remembered, because a request
    needs each of its moments four times."""
    return date.fromisoformat(text) if _DATE.fullmatch(text) else read_instant(text)


def _checked(check: Callable[[str], object], expected: str) -> AfterValidator:
    """Keeps the caller's own spelling; says what was expected where `check` raises ValueError."""

    def validate(text: str) -> str:
        try:
            check(text)
        except ValueError:
            raise PydanticCustomError(
                "invalid_value", "must be {expected}", {"expected": expected}
            ) from None
        return text

    return AfterValidator(validate)


def _check_clock(text: str) -> None:
    if not _CLOCK.fullmatch(text):
        raise ValueError(text)


def _check_email(text: str) -> None:
    email_validator.validate_email(
        text.strip(), check_deliverability=False, globally_deliverable=False, test_environment=True
    )


def _check_uri(text: str) -> None:
    if not _URI.fullmatch(text):
        raise ValueError(text)
    urlsplit(text)  # raises for a malformed host


Text = str
Instant = Annotated[
    str, _checked(read_instant, "an RFC 3339 date-time with offset, such as 2026-03-02T16:30:00Z")
]
Moment = Annotated[
    str, _checked(read_moment, "an RFC 3339 date-time with offset, such as 2026-03-02T16:30:00Z")
]
Clock = Annotated[str, _checked(_check_clock, "a wall-clock time, HH:MM or HH:MM:SS")]
Email = Annotated[str, _checked(_check_email, "one e-mail address")]
Uri = Annotated[str, _checked(_check_uri, "an absolute URI")]
Status = Literal["COMPLETED", "OPEN", "REVIEW", "DENIED"]
CallStatus = Literal[
    "BUSY", "ABANDONED", "DISCONNECTED", "FAILURE_TO_CONNECT", "NO_ANSWER", "ANSWER", "VOICEMAIL"
]
EventKind = Literal[
    "note",
    "call_in",
    "call_out",
    "email_in",
    "email_out",
    "text",
    "chat",
    "visit",
    "appointment",
    "task",
]
ExternalReference = Annotated[str, Field(min_length=1, max_length=MAX_REFERENCE_LENGTH)]
CallbackUrl = Annotated[str, Field(min_length=1, max_length=MAX_URL_LENGTH)]

_STRICT = ConfigDict(strict=True, extra="forbid")


class NewEvent(TypedDict):
    """Body of a create: every field of every PMS. Which of them count, the rules say."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]  # pydantic reads it; typing knows no such key

    integration_id: str
    resident_id: NotRequired[Text | None]
    event_type: NotRequired[Literal["Note"] | None]
    notes: NotRequired[Text | None]
    event_type_id: NotRequired[Text | None]
    event_result_id: NotRequired[Text | None]
    event_sub_type_id: NotRequired[Text | None]
    employee_id: NotRequired[Text | None]
    unit_id: NotRequired[Text | None]
    event_datetime: NotRequired[Moment | None]
    reasons_for_event: NotRequired[Text | None]
    appointment_datetime: NotRequired[Instant | None]
    time_from: NotRequired[Clock | None]
    time_to: NotRequired[Clock | None]
    title: NotRequired[Text | None]
    call_phone_number_from: NotRequired[Text | None]
    call_phone_number_to: NotRequired[Text | None]
    call_status: NotRequired[CallStatus | None]
    call_duration: NotRequired[Annotated[int, Field(ge=0, le=MAX_CALL_SECONDS)] | None]
    call_audio_link: NotRequired[Uri | None]
    email_body: NotRequired[Text | None]
    email_subject: NotRequired[Text | None]
    email_from: NotRequired[Email | None]
    email_to: NotRequired[Email | None]
    email_cc: NotRequired[Email | None]
    email_bcc: NotRequired[Email | None]
    email_send: NotRequired[bool | None]
    status: NotRequired[Status | None]
    event_name: NotRequired[Text | None]
    kind: NotRequired[EventKind | None]
    external_reference: NotRequired[ExternalReference | None]
    callback_url: NotRequired[CallbackUrl | None]
    send_at: NotRequired[Instant | None]
    expires_at: NotRequired[Instant | None]


class ChangedEvent(TypedDict):
    """Body of an update."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]  # as above

    event_datetime: NotRequired[Moment | None]
    event_type_id: NotRequired[Text | None]
    employee_id: NotRequired[Text | None]
    status: NotRequired[Status | None]
    notes: NotRequired[Text | None]
    external_reference: NotRequired[ExternalReference | None]
    callback_url: NotRequired[CallbackUrl | None]


_CREATE: TypeAdapter[Any] = TypeAdapter(NewEvent)
_UPDATE: TypeAdapter[Any] = TypeAdapter(ChangedEvent)


@dataclass(frozen=True, slots=True)
class ReadBody:
    """What of a body can be used: `fields` given (not null) and valid in themselves, as sent;
    `refused` the names whose values are not; `problems` everything that is wrong so far."""

    fields: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    refused: frozenset[str] = frozenset()


def read_new_event(body: Any) -> ReadBody:
    """The parsed body of a create. Raises `ApiError` 400 where it is no object."""
    return _read(_CREATE, body)


def read_changed_event(body: Any) -> ReadBody:
    """The parsed body of an update. Raises `ApiError` 400 where it is no object."""
    return _read(_UPDATE, body)


def _read(adapter: TypeAdapter[Any], body: Any) -> ReadBody:
    try:
        values: dict[str, Any] = adapter.validate_python(body)
    except ValidationError as error:
        return _read_partly(body, error)
    return ReadBody({name: value for name, value in values.items() if value is not None})


def _read_partly(body: Any, error: ValidationError) -> ReadBody:
    details = error.errors(include_url=False, include_context=True)
    problems = tuple(_problem(detail) for detail in details)
    if not isinstance(body, dict):
        raise invalid(problems)
    names = {str(detail["loc"][0]) for detail in details}
    missing = {str(detail["loc"][0]) for detail in details if _is_missing(detail)}
    fields = {
        name: value for name, value in body.items() if name not in names and value is not None
    }
    return ReadBody(fields, problems, frozenset(names - missing))


_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "literal_error": "invalid_value",
    "invalid_value": "invalid_value",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
}


def _is_missing(detail: ErrorDetails) -> bool:
    """A required field that is null is as absent as one that is not there."""
    if detail["type"] == "extra_forbidden":
        return False
    return detail["type"] == "missing" or (detail["input"] is None and bool(detail["loc"]))


def _problem(detail: ErrorDetails) -> Problem:
    kind = "missing" if _is_missing(detail) else detail["type"]
    path = tuple(str(part) if isinstance(part, str) else part for part in detail["loc"])
    name = str(path[0]) if path else "The body"
    context = detail.get("ctx", {})
    expected = context.get("expected")
    match kind:
        case "missing":
            return Problem("required", path, f"{name} is required.")
        case "extra_forbidden":
            return Problem(
                "unknown_field", path, f"There is no field {_shown(name)} in this request."
            )
        case "literal_error" | "invalid_value":
            message = f"{name} must be {expected}."
        case "greater_than_equal" | "less_than_equal":
            message = f"{name} must be between 0 and {MAX_CALL_SECONDS} seconds."
        case "dict_type":
            return Problem("wrong_type", path, "The body must be a JSON object.", "object")
        case _:
            message = f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:]}."
            expected = expected or detail["msg"].rpartition("valid ")[2]
    return Problem(
        _CODES.get(kind, "wrong_type"),
        path,
        message,
        str(expected) if expected else None,
        _shown(detail["input"]),
    )


def _shown(value: object) -> str:
    """A refused value as the caller gets it back: short, and never a second copy of a long text."""
    text = value if isinstance(value, str) else type(value).__name__
    if isinstance(value, bool | int | float):
        text = str(value).lower()[: _SHOWN_CHARACTERS + 1]
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
