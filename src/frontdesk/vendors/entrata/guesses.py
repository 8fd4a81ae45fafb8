"""What no public source confirms about Entrata's write, one function a guess.

Each is named in `DECLARATION.guesses`. A simulator that accepts them proves nothing about Entrata;
when the real form becomes known, it is changed here and nowhere else.
"""

from collections.abc import Mapping
from typing import Any

from frontdesk.vendors.entrata import nodes

Fields = Mapping[str, Any]


def sub_type_and_result(sub_type: str | None, result: str | None) -> dict[str, Any]:
    """GUESS: `subtypeId` and `eventResultId` (documented names) stand beside `typeId`."""
    found: dict[str, Any] = {}
    if sub_type is not None:
        found["subtypeId"] = nodes.wire_number(sub_type)
    if result is not None:
        found["eventResultId"] = nodes.wire_number(result)
    return found


def agent_unit_title(agent: str | None, unit: str | None, title: str | None) -> dict[str, Any]:
    """GUESS: the spellings `agentId`, `unitId`, `title`."""
    found: dict[str, Any] = {}
    if agent is not None:
        found["agentId"] = nodes.wire_number(agent)
    if unit is not None:
        found["unitId"] = nodes.wire_number(unit)
    if title is not None:
        found["title"] = title
    return found


def call_data(fields: Fields) -> dict[str, Any]:
    """GUESS: a call is written as `callData`, in the shape in which it is read. Duration is in
    seconds; the status goes out in the contract's own word."""
    names = {
        "callFrom": "call_phone_number_from",
        "ringThrough": "call_phone_number_to",
        "duration": "call_duration",
        "callStatus": "call_status",
        "audioLink": "call_audio_link",
    }
    found = {ours: fields[theirs] for ours, theirs in names.items() if theirs in fields}
    return {"callData": found} if found else {}


def email_data(fields: Fields) -> dict[str, Any]:
    """GUESS: an e-mail is written as an `emailData` object; nothing public tells any key."""
    names = {
        "from": "email_from",
        "to": "email_to",
        "cc": "email_cc",
        "bcc": "email_bcc",
        "subject": "email_subject",
        "body": "email_body",
        "send": "email_send",
    }
    found = {ours: fields[theirs] for ours, theirs in names.items() if theirs in fields}
    return {"emailData": found} if found else {}


def hazard_note(type_id: str, comment: str | None) -> dict[str, Any]:
    """GUESS: `hazardNote` belongs to hazard notes (436) only and holds the same text as the
    comment, by which the event is recognised when it is read back."""
    return {"hazardNote": comment} if type_id == "436" and comment else {}


def reason_id(reasons: str | None) -> str | None:
    """A reason that is a number is `eventReasonId`."""
    word = (reasons or "").strip()
    return word if word.isascii() and word.isdigit() else None


def with_reason(reasons: str | None, comment: str | None) -> str | None:
    """GUESS: a reason in words belongs before the comment, on a line of its own."""
    if not reasons or not reasons.strip() or reason_id(reasons) is not None:
        return comment
    return reasons if not comment else f"{reasons}\n{comment}"
