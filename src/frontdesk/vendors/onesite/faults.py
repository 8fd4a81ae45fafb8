"""What a SOAP fault of OneSite means for the one event that was sent.

OneSite sends every fault with HTTP 500, and codes that tell little: its words decide. A fault is a
refusal only where it cannot stand for anything else. Words of trouble inside the server (a
deadlock, a timeout, an internal error) and words that say nothing leave it open whether the event
was written, whatever the status says. Nothing is published about these words: GUESS.
"""

import re

from frontdesk.vendors.contract import OutcomeKind
from frontdesk.vendors.soap import Fault

_WORDS = re.IGNORECASE | re.DOTALL

_BEFORE_ANYTHING_RAN = frozenset(
    {"actionnotsupported", "deserializationfailed", "versionmismatch", "mustunderstand"}
)
"""Codes of the dispatchers of .NET and SOAP: the operation was never entered."""

_CLIENT = frozenset({"client", "sender"})
"""SOAP 1.1, 4.4.1: the message itself was wrong and must not be resent without change."""

_WRAPPED = re.compile(r"\s*server was unable to process (?:the )?request\.?\s*(?:-+>)?\s*", _WORDS)
"""ASP.NET puts this before whatever its operation threw, a refusal as well as a breakdown."""

_METHOD_NOT_LICENSED = re.compile(
    r"not (?:authori[sz]ed|licen[sc]ed|permitted|allowed)\b.{0,40}\b(?:method|operation|function)",
    _WORDS,
)

_WHO = (
    r"(?:licen[sc]e ?key|licen[sc]e|credentials?|password|user ?name|user ?id|login|account"
    r"|pmc ?id|site ?id|pmc|site)"
)
_NOT_KNOWN = (
    r"(?:invalid|not valid|incorrect|wrong|unknown|expired|disabled|inactive|locked|required"
    r"|missing|denied|rejected|failed|not (?:authori[sz]ed|licen[sc]ed|recogni[sz]ed|found)"
    r"|does not exist)"
)
_WHO_IS_REFUSED = re.compile(
    rf"\b{_NOT_KNOWN} {_WHO}\b|\b{_WHO} (?:[\w-]+ )?(?:is |was |has |were )?{_NOT_KNOWN}\b"
    r"|\bauthentication\b|\bunauthori[sz]ed\b|\baccess (?:is |was )?denied\b",
    _WORDS,
)

_TROUBLE = re.compile(
    r"time[ds]?[ -]?out|deadlock|internal|unhandled|object reference|null reference"
    r"|unable to (?:process|connect|complete|reach)|connection|network|temporar|unavailable"
    r"|try again|overload|too busy|out of memory|stack overflow|unexpected error"
    r"|an error (?:has )?occurred|transport|rolled? ?back|shutting down|maintenance",
    _WORDS,
)

_ABOUT_THE_EVENT = re.compile(
    r"lease|resident|member|household|tenant|activit|comment|note\b|notes\b"
    r"|invalid|not valid|required|missing|not found|does not exist|no such|must (?:be|not)"
    r"|cannot be|not allowed|too long|exceed|truncated|constraint|format|out of range",
    _WORDS,
)


def meaning(fault: Fault) -> tuple[OutcomeKind, str]:
    """What follows from a fault, and our word for it."""
    code = fault.code.rpartition(":")[2].lower()
    words = _WRAPPED.sub("", fault.text, count=1)
    if code in _BEFORE_ANYTHING_RAN:
        return OutcomeKind.REJECTED, "not_understood"
    if _METHOD_NOT_LICENSED.search(words):
        return OutcomeKind.REJECTED, "method_not_authorised"
    if _TROUBLE.search(words) or not words.strip():
        return OutcomeKind.UNKNOWN, "server_fault"
    if _WHO_IS_REFUSED.search(words):
        return OutcomeKind.UNAUTHORISED, "unauthorised"
    if _ABOUT_THE_EVENT.search(words) or code.partition(".")[0] in _CLIENT:
        return OutcomeKind.REJECTED, "invalid"
    return OutcomeKind.UNKNOWN, "unclear_fault"
