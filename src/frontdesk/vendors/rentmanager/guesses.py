"""What is assumed of Rent Manager's wire, one function a fact.

No public source confirms these; the declaration lists them. Whoever learns better changes one
function here and the line there, and nothing else.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from frontdesk.vendors import values
from frontdesk.vendors.contract import Answer, LeaseStatus
from frontdesk.vendors.declaration import EventClass

NOTE, CALL, EMAIL, VISIT = "Note", "Call", "Email", "Visit"
KINDS = (NOTE, CALL, EMAIL, VISIT)
"""What `HistoryType` says of the entries that can be written."""


def kind_of(word: object) -> str | None:
    """GUESS: the words of `HistoryType`. Their case and a plural or a prefix are not looked at."""
    plain = (values.text(word) or "").strip().lower().removeprefix("history").rstrip("s")
    return next((kind for kind in KINDS if kind.lower() == plain), None)


def category_kinds(value: object) -> tuple[str, ...]:
    """GUESS: what a category is for, from its `HistoryCategoryTypes`: a list of objects that name
    it in `HistoryCategoryType`; a list or an enumeration of words is read as well."""
    words: list[object] = []
    if isinstance(value, str):
        words = list(value.split(","))
    elif isinstance(value, list):
        words = [
            item.get("HistoryCategoryType") if isinstance(item, Mapping) else item for item in value
        ]
    found = [values.text(word) for word in words]
    return tuple(dict.fromkeys(kind_of(word) or word.strip() for word in found if word))


def category_class(name: str | None, kinds: tuple[str, ...]) -> EventClass:
    """GUESS: a category for notes is a note's, whatever else it is for; of one for calls or e-mails
    alone, only the name can tell whether they come in."""
    if not kinds or NOTE in kinds:
        return EventClass.NOTE
    words = (name or "").lower()
    comes_in = any(word in words for word in ("incoming", "inbound", "received", "from tenant"))
    if CALL in kinds:
        return EventClass.CALL_IN if comes_in else EventClass.CALL_OUT
    if EMAIL in kinds:
        return EventClass.EMAIL_IN if comes_in else EventClass.EMAIL_OUT
    return EventClass.VISIT if VISIT in kinds else EventClass.OTHER


def lease_status(lease: Mapping[str, Any], today: date) -> LeaseStatus:
    """GUESS: a lease's dates alone say where it stands; whoever moves out today has moved out."""
    moves_in = values.calendar_date(lease.get("MoveInDate"))
    moved_out = values.calendar_date(lease.get("MoveOutDate"))
    if moved_out is not None and moved_out <= today:
        return "past"
    if moves_in is not None and moves_in > today:
        return "future"
    noticed = moved_out is not None or values.calendar_date(lease.get("NoticeDate")) is not None
    return "notice" if noticed else "current"


def is_one_login_too_many(answer: Answer) -> bool:
    """GUESS: the words in which the eleventh login is refused. It passes by itself, as tokens end."""
    words = answer.body.decode("utf-8", errors="replace").lower()
    return any(word in words for word in ("too many", "maximum", "limit"))


def partner_login_body() -> Mapping[str, Any]:
    """GUESS: a partner's login says everything in its header."""
    return {}
