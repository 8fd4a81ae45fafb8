"""Entrata's pick lists: event types with their classes, sub types, results, and what goes by lease.

Type ids and sub type ids are those seen at the real system; result ids are invented.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A sub type or result; `type_id` is the event type it belongs to."""

    id: int
    name: str
    type_id: int


EVENT_TYPES = {
    1: "Email - Incoming",
    2: "Email - Outgoing",
    3: "Call - Incoming",
    4: "Call - Outgoing",
    5: "Text - Incoming",
    6: "Text - Outgoing",
    7: "Online Chat",
    8: "Notes",
    9: "Onsite Visit",
    10: "Online Guest Card",
    15: "Scheduled Follow-Up",
    17: "Scheduled Appointment",
    56: "Late Notice Reset",
    59: "Delinquency Notes",
    78: "Tour",
    173: "Resident Visit",
    320: "Unit Notes",
    335: "Lease Retrieved By Collections Agency",
    436: "Hazard Notes",
}

_CLASSES = {
    1: "email_in",
    2: "email_out",
    3: "call_in",
    4: "call_out",
    5: "text",
    6: "text",
    7: "chat",
    8: "note",
    9: "visit",
    15: "task",
    17: "appointment",
    59: "note",
    78: "visit",
    173: "visit",
    320: "note",
}

SUB_TYPES = (
    Item(453, "Leasing Appointment", 17),
    Item(454, "Tour", 17),
    Item(525, "Virtual Tour", 17),
    Item(560, "Self-Guided Tour", 17),
    Item(524, "Self-Guided Tour", 78),
)

RESULTS = (
    Item(11, "Scheduled", 17),
    Item(12, "Completed", 17),
    Item(13, "No Show", 17),
    Item(21, "Left Voicemail", 4),
    Item(22, "Spoke With Resident", 4),
    Item(23, "No Answer", 4),
    Item(24, "Answered", 3),
    Item(25, "Missed", 3),
    Item(31, "Received", 5),
    Item(32, "Sent", 6),
    Item(33, "Undelivered", 6),
    Item(41, "Done", 15),
    Item(42, "Put Off", 15),
    Item(51, "Toured", 78),
    Item(61, "Delivered", 2),
    Item(62, "Bounced", 2),
)

TAKEN_BY_LEASE = frozenset({4, 5, 6, 8, 15, 56, 335, 436})
"""The event types that `sendLeaseActivities` takes."""

COMMENT_BY_LEASE = frozenset({4, 5, 6})
"""The types that need `comment` and `eventResultId` there."""

FOLLOW_UP = 15
"""The type that needs `leasingAgentId` and `scheduleDateTime` there."""

HAZARD = 436

LEAD_STATUSES = ((1, "Guest Card Completed"), (3, "Application Completed"), (5, "Lease Approved"))
RELATIONSHIPS = ((1, "Primary"), (2, "Roommate"), (3, "Guarantor"))


def class_of(type_id: int) -> str:
    """The class word of an event type."""
    return _CLASSES.get(type_id, "other")
