"""What is assumed about MRI that no public source confirms, one function each.

Every one is listed in `DECLARATION.guesses`; the guessed names are in `names.py`.
"""

import re

from frontdesk.vendors.contract import LeaseStatus
from frontdesk.vendors.declaration import EventClass

_NONE_AT_ALL = re.compile(r"\bdoes not have any\b", re.IGNORECASE)
_INWARDS = re.compile(r"\b(in|inbound|incoming|received|from resident)\b")
_OUTWARDS = re.compile(r"\b(out|outbound|outgoing|sent|to resident)\b")
_CLASSES: tuple[tuple[re.Pattern[str], EventClass | None, EventClass | None, EventClass], ...] = (
    # words, the class when it goes inwards, outwards, and when nothing tells
    (re.compile(r"\b(e-?mail)\b"), EventClass.EMAIL_IN, EventClass.EMAIL_OUT, EventClass.OTHER),
    (
        re.compile(r"\b(phone|(tele)?phone call|call)\b"),
        EventClass.CALL_IN,
        EventClass.CALL_OUT,
        EventClass.OTHER,
    ),
    (re.compile(r"\b(text|sms|texted)\b"), None, None, EventClass.TEXT),
    (re.compile(r"\bchat\b"), None, None, EventClass.CHAT),
    (re.compile(r"\bappointment\b"), None, None, EventClass.APPOINTMENT),
    (re.compile(r"\b(visit|tour|walk-?in|show(ed|ing)?)\b"), None, None, EventClass.VISIT),
    (re.compile(r"\b(task|follow[- ]?up|to-?do)\b"), None, None, EventClass.TASK),
    (re.compile(r"\b(notes?|memo|comments?)\b"), None, None, EventClass.NOTE),
)
_STATUSES: dict[str, LeaseStatus] = {
    "current": "current",
    "notice": "notice",
    "old": "past",
    "past": "past",
    "new": "future",
    "future": "future",
    "applicant": "applicant",
    "cancelled": "cancelled",
    "denied": "cancelled",
}


def is_deadlock(words: str) -> bool:
    """GUESS: an error that names a database deadlock wrote nothing and may be sent again, in a 500
    (as documented) and in an error inside a normal answer alike."""
    return "deadlock" in words.lower()


def says_none(words: str) -> bool:
    """GUESS: a refusal in such words (seen with a resident's pets) is how an empty list is told."""
    return _NONE_AT_ALL.search(words) is not None


def class_of(description: str) -> EventClass:
    """GUESS: what an action code stands for, by the words of its description. A call or an e-mail
    that does not say which way it went is neither, and stays `other`."""
    words = description.lower()
    for pattern, inwards, outwards, otherwise in _CLASSES:
        if pattern.search(words):
            if inwards is not None and _INWARDS.search(words):
                return inwards
            if outwards is not None and _OUTWARDS.search(words):
                return outwards
            return otherwise
    return EventClass.OTHER


def lease_status(
    word: str | None, *, is_current: bool | None, has_left: bool, has_notice: bool
) -> LeaseStatus:
    """GUESS: where a lease stands. `Other Resident` (a co-occupant) and words that nobody knows say
    nothing of it: then `IsCurrent` counts, and for a lease that is not current whether anybody has
    moved out."""
    status = _STATUSES.get((word or "").strip().lower())
    if status is None:
        status = "current" if is_current else ("past" if has_left else "future")
    return "notice" if status == "current" and has_notice else status
