"""The fields of a resident event, in the contract's order: what each one is, whatever the PMS.

One table feeds the request's parser, the answer's shape and every JSON Schema. What a PMS takes of
these fields is its declaration's to say, never this module's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from frontdesk.vendors.declaration import EVENT_KINDS


class Kind(StrEnum):
    """How a field's value is written in JSON."""

    ID = "id"
    TEXT = "text"
    CHOICE = "choice"
    INSTANT = "instant"
    CLOCK = "clock"
    SECONDS = "seconds"
    URI = "uri"
    EMAIL = "email"
    FLAG = "flag"


CLOCK_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
"""`HH:MM` or `HH:MM:SS`, 00:00 to 23:59:59."""

INSTANT_PATTERN = (
    r"^(19|2[01])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""RFC 3339 with an offset, years 1900 to 2199: beyond them a change of zone could leave the range
that the calendar of the wire can say."""

DATE_PATTERN = r"^(19|2[01])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"

MAX_CALL_SECONDS = 86_400
MAX_REFERENCE_LENGTH = 255
MAX_URL_LENGTH = 2000

CALL_STATUSES = (
    "BUSY",
    "ABANDONED",
    "DISCONNECTED",
    "FAILURE_TO_CONNECT",
    "NO_ANSWER",
    "ANSWER",
    "VOICEMAIL",
)
STATUSES = ("COMPLETED", "OPEN", "REVIEW", "DENIED")

_SCHEMAS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.ID: {"type": "string"},
    Kind.TEXT: {"type": "string"},
    Kind.CHOICE: {"type": "string"},
    Kind.INSTANT: {"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN},
    Kind.CLOCK: {"type": "string", "pattern": CLOCK_PATTERN},
    Kind.SECONDS: {"type": "integer", "minimum": 0, "maximum": MAX_CALL_SECONDS},
    Kind.URI: {"type": "string", "format": "uri"},
    Kind.EMAIL: {"type": "string", "format": "email"},
    Kind.FLAG: {"type": "boolean"},
}


@dataclass(frozen=True, slots=True)
class EventField:
    """One field: its kind, what it means, and an example for the documents."""

    name: str
    kind: Kind
    description: str
    example: Any
    choices: tuple[str, ...] = field(default=())

    def json_schema(self) -> dict[str, Any]:
        """The field's JSON Schema, before any PMS has narrowed it."""
        schema: dict[str, Any] = dict(_SCHEMAS[self.kind])
        if self.choices:
            schema["enum"] = list(self.choices)
        schema["description"] = self.description
        schema["examples"] = [self.example]
        return schema


_ID = "0198c0de-0000-7000-8000-00000000000"

EVENT_FIELDS: tuple[EventField, ...] = (
    EventField("integration_id", Kind.ID, "An active integration of your account.", f"{_ID}1"),
    EventField("resident_id", Kind.ID, "A resident of the integration.", f"{_ID}2"),
    EventField(
        "event_type",
        Kind.CHOICE,
        "The only event of a PMS that has no event types. Elsewhere `Note` counts as not given.",
        "Note",
        ("Note",),
    ),
    EventField(
        "notes",
        Kind.TEXT,
        "The text of the event. How long it may be is the PMS's to say.",
        "Asked for a second key; will call back on Friday.",
    ),
    EventField(
        "event_type_id",
        Kind.ID,
        "An event type of the integration that applies to residents.",
        f"{_ID}3",
    ),
    EventField("event_result_id", Kind.ID, "A result that the event type allows.", f"{_ID}4"),
    EventField("event_sub_type_id", Kind.ID, "A sub type of the event type.", f"{_ID}5"),
    EventField(
        "employee_id",
        Kind.ID,
        "An employee of the integration with the role LEASING_AGENT.",
        f"{_ID}6",
    ),
    EventField(
        "unit_id",
        Kind.ID,
        "A unit of the integration; it picks the lease of a resident who has several.",
        f"{_ID}7",
    ),
    EventField(
        "event_datetime",
        Kind.INSTANT,
        "When the event takes or took place, with its offset from UTC.",
        "2026-03-02T16:30:00Z",
    ),
    EventField("reasons_for_event", Kind.TEXT, "Why the event took place.", "Rent"),
    EventField(
        "appointment_datetime",
        Kind.INSTANT,
        "When the appointment takes place, with its offset from UTC.",
        "2026-03-05T09:00:00-07:00",
    ),
    EventField(
        "time_from",
        Kind.CLOCK,
        "Start of the appointment: wall clock in the offset of `appointment_datetime`.",
        "09:00",
    ),
    EventField(
        "time_to",
        Kind.CLOCK,
        "End of the appointment, after `time_from`, in the same offset.",
        "09:30",
    ),
    EventField("title", Kind.TEXT, "Title of the event.", "Talk about the renewal"),
    EventField("call_phone_number_from", Kind.TEXT, "The number that called.", "+1 303 555 0142"),
    EventField("call_phone_number_to", Kind.TEXT, "The number that was called.", "+1 303 555 0100"),
    EventField("call_status", Kind.CHOICE, "How the call ended.", "ANSWER", CALL_STATUSES),
    EventField("call_duration", Kind.SECONDS, "Length of the call in seconds.", 95),
    EventField(
        "call_audio_link",
        Kind.URI,
        "Where the recording of the call can be heard.",
        "https://recordings.example.com/95",
    ),
    EventField("email_body", Kind.TEXT, "Text of the message.", "Your renewal is ready."),
    EventField("email_subject", Kind.TEXT, "Subject of the message.", "Your renewal"),
    EventField("email_from", Kind.EMAIL, "Who wrote the message.", "office@example.com"),
    EventField(
        "email_to",
        Kind.EMAIL,
        "Who got the message: if given, the resident's primary e-mail address.",
        "resident@example.com",
    ),
    EventField("email_cc", Kind.EMAIL, "Who got a copy.", "manager@example.com"),
    EventField("email_bcc", Kind.EMAIL, "Who got a hidden copy.", "archive@example.com"),
    EventField(
        "email_send",
        Kind.FLAG,
        "Whether the PMS is to send the message for real, if the integration allows it.",
        False,
    ),
    EventField("status", Kind.CHOICE, "Raw status of the event.", "COMPLETED", STATUSES),
    EventField(
        "event_name",
        Kind.TEXT,
        "Name of the event, where the PMS takes a free one.",
        "Courtesy call",
    ),
)

FIELDS: Mapping[str, EventField] = {item.name: item for item in EVENT_FIELDS}

UPDATE_FIELDS = ("event_datetime", "event_type_id", "employee_id", "status", "notes")
"""What an update may change."""

ENVELOPE_FIELDS = frozenset(
    {"integration_id", "external_reference", "kind", "callback_url", "send_at", "expires_at"}
)
"""Fields that are Frontdesk's own, whatever the PMS takes."""

REFERENCE_FIELDS: Mapping[str, str] = {
    "resident_id": "resident",
    "unit_id": "unit",
    "employee_id": "employee",
    "event_type_id": "event type",
    "event_sub_type_id": "event sub type",
    "event_result_id": "event result",
}
"""Fields that name a catalog record, and what the record is called in a message."""

EXTERNAL_REFERENCE_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_REFERENCE_LENGTH,
    "description": "Your own name for this event: echoed in every answer about it.",
    "examples": ["ticket-4711"],
}

CALLBACK_URL_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_URL_LENGTH,
    "description": "Is told how the write ended, as a webhook is told, signed with the account's "
    "callback secret: https.",
    "examples": ["https://receiver.example.com/frontdesk?call=4711"],
}
SCHEDULE_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "send_at": {
        **_SCHEMAS[Kind.INSTANT],
        "description": "Not before this time: until then the event is `scheduled`, then it joins the "
        "end of its resident's lane. A time that has passed already means at once.",
        "examples": ["2026-03-02T16:30:00Z"],
    },
    "expires_at": {
        **_SCHEMAS[Kind.INSTANT],
        "description": "What has not been sent by then is `expired` and is never sent. In the future, "
        "and after `send_at`. Without it: the integration's `write_expiry_hours` after acceptance "
        "(or after `send_at`).",
        "examples": ["2026-03-03T16:30:00Z"],
    },
}
"""When a new event is sent, and until when."""

KIND_SCHEMA: Mapping[str, Any] = {
    "type": "string",
    "enum": [str(kind) for kind in EVENT_KINDS],
    "description": "What happened, in place of `event_type_id` (which, if given as well, must be the "
    "same type): the type is the one that the integration's event-type map has for this kind. A PMS "
    "without event types holds notes. A kind that the PMS cannot hold is a 400 that says which it "
    "can, unless `kind_fallback=note` asks for a note that states it.",
    "examples": ["note"],
}
