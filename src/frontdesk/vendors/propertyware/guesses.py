"""What no public source says of Propertyware's wire: one function for each, each a GUESS that is
listed in the declaration. No result against the simulator proves one."""

import re
from datetime import date

from frontdesk.vendors.contract import LeaseStatus, OutcomeKind
from frontdesk.vendors.soap import Fault

PRIVATE = "false"
"""GUESS: a private note is its writer's own; what is written here is for the whole office."""

TENANTS = "TENANT"
"""GUESS: what SOAP calls the contacts that are tenants; the REST filter's word."""

_LOGIN = ("not authenticated", "authentication failed", "invalid login", "invalid user",
          "invalid password", "login failed", "not logged in")  # fmt: skip
_UNCERTAIN = ("timeout", "timed out", "transaction", "deadlock", "connection", "commit")
_MISSING = ("not found", "does not exist", "no such")
_FORBIDDEN = ("permission", "not authorized", "not allowed", "access denied")
_INVALID = ("required", "invalid", "must ")
_OWN = ("com.realpage.", "com.propertyware.")
_UNREAD = ("org.xml.sax.",)
_EXCEPTION = re.compile(r"((?:[a-z]\w*\.)+[A-Z]\w*)(?::\s*(.*))?", re.DOTALL)


def meaning_of(fault: Fault) -> tuple[OutcomeKind, str]:
    """GUESS: what a fault says of the call, and a code for it.

    A fault travels in a 500, whether the service refused the call or broke down in the middle of
    it. It is a refusal where the caller is blamed (`Client`), where Axis could not read the
    arguments, and where the service's own exception (or plain words) say what was wrong with them.
    Anything else may have happened after the note was stored, and is looked up.
    """
    text = fault.text.lower()
    if any(words in text for words in _LOGIN):
        return OutcomeKind.UNAUTHORISED, "unauthorised"
    if "client" in fault.code.rpartition(":")[2].lower().split("."):
        return OutcomeKind.REJECTED, "invalid"
    exception, words = _parted(fault.text)
    if exception.startswith(_UNREAD):
        return OutcomeKind.REJECTED, "invalid"
    if any(word in text for word in _UNCERTAIN) or not words:
        return OutcomeKind.UNKNOWN, "server_fault"
    if not exception or exception.startswith(_OWN):
        for signs, code in ((_FORBIDDEN, "forbidden"), (_MISSING, "not_found")):
            if any(sign in text for sign in signs):
                return OutcomeKind.REJECTED, code
        if exception or any(sign in text for sign in _INVALID):
            return OutcomeKind.REJECTED, "invalid"
    return OutcomeKind.UNKNOWN, "server_fault"


def _parted(text: str) -> tuple[str, str]:
    """The exception's class and its words; text without a class is all words."""
    found = _EXCEPTION.fullmatch(text.strip())
    return ("", text.strip()) if found is None else (found[1], (found[2] or "").strip())


def lease_status(
    *,
    word: str | None,
    active: bool | None,
    starts: date | None,
    ended: date | None,
    notice: date | None,
    today: date,
) -> LeaseStatus:
    """GUESS: the status of a lease. Customers make up their own words for it, so that all but two
    follow from dates. `ended`: when the tenants left, or the lease was terminated."""
    said = (word or "").lower()
    if "cancel" in said or "void" in said:
        return "cancelled"
    if "pending" in said or "applica" in said or "draft" in said:
        return "applicant"
    if ended is not None and ended <= today:
        return "past"
    if starts is not None and starts > today:
        return "future"
    if active is False:
        return "past"
    return "current" if notice is None else "notice"
