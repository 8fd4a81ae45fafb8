"""MRI's resident actions: creating, changing and reading them.

An action is told by its `Id`. It has a date at midnight; the time at which it was written down is
`ActionTime`, which no request can set. There is no delete, no idempotency key and no stamp of
writing: a repeated POST makes a second action. What MRI refuses for its content comes back inside
a normal answer, beside the echoed entry.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.mri.simulator.answers import (
    Refusal,
    api_of,
    clock,
    listed,
    midnight,
    needed,
    plain,
    query_date,
    refuse,
    written,
)

FIRST_ACTION = 500_001
STATUSES = ("COMPLETED", "OPEN", "REVIEW", "DENIED")

_FIELDS = ("NameID", "ActionDate", "ActionCodeID", "ActionDescription", "LeasingAgentId")
_ACTION_DATE = re.compile(r"(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d{1,7})?")
_NAME_ID = re.compile(r"\d{10}")


class Wrong(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """What is wrong with an entry, in the words that stand beside it."""


def entry_of(request: Request) -> Json:
    """The one entry of a request, by its fields. Raises `Refusal` for what is none."""
    if request.content_type not in ("application/xml", "text/xml"):
        raise refuse("The content type of the request is not supported.")
    try:
        root = fromstring(request.body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise refuse("The request is not a well formed XML document.") from None
    if root.tag != api_of(request).lower():
        raise refuse(f"The root element must be {api_of(request).lower()}.")
    entries = list(root)
    if len(entries) != 1 or entries[0].tag != "entry":
        raise refuse("The request must hold one entry.")
    entry: Json = {}
    for element in entries[0]:
        if element.tag in entry or len(element):
            raise refuse(f"{element.tag}: The element is not allowed here.")
        entry[element.tag] = element.text or ""
    return entry


def peeked(request: Request) -> Json:
    """The entry for looking, never for judging: empty where there is none."""
    try:
        return entry_of(request)
    except Refusal:
        return {}


def create(request: Request, scene: Scene, *, with_status: bool) -> Reply:
    """A new action: the entry with its `Id`, or with an error in it."""
    entry = entry_of(request)
    fields = (*_FIELDS, "ActionStatus") if with_status else _FIELDS
    try:
        _known_fields(entry, fields)
        resident = _resident(scene, entry.get("NameID", ""))
        action = _checked(scene, {"ActionDate": "", "ActionCodeID": "", **entry})
    except Wrong as wrong:
        return written(request, entry, str(wrong))
    number = scene.next_number("actions", FIRST_ACTION)
    action = {"Id": number, "NameID": entry["NameID"], "Status": None, **action}
    return _kept(request, scene, resident, action, entry, is_new=True)


def update(request: Request, scene: Scene) -> Reply:
    """A changed action. GUESS: what the entry does not name stays as it was."""
    entry = entry_of(request)
    try:
        _known_fields(entry, ("Id", *_FIELDS, "ActionStatus"))
        known = _known(scene, entry)
        resident = _resident(scene, known["NameID"])
        action = {**known, **_checked(scene, entry)}
    except Wrong as wrong:
        return written(request, entry, str(wrong))
    return _kept(request, scene, resident, action, entry, is_new=False)


def list_actions(request: Request, scene: Scene) -> Reply:
    """GUESS: a resident's actions by GET, as the POST writes them; by date where both are given."""
    name_id = needed(request, "NameID")
    start, end = query_date(request, "StartDate"), query_date(request, "EndDate")
    if not _NAME_ID.fullmatch(name_id) or scene.get("names", int(name_id)) is None:
        raise refuse("NAMEID: The specified resident does not exist.")
    first = "" if start is None else midnight(start)
    last = "~" if end is None else midnight(end)
    rows = scene.children("actions", int(name_id))
    return listed(request, (_shown(row) for row in rows if first <= row["ActionDate"] <= last))


def _kept(
    request: Request, scene: Scene, resident: Json, action: Json, entry: Json, *, is_new: bool
) -> Reply:
    zone = ZoneInfo(resident["zone"])
    action["ActionTime"] = clock(scene.now.astimezone(zone))
    scene.put("actions", action["Id"], action, parent=int(action["NameID"]))
    code = next(c for c in scene.every("codes") if c["ActionCodeID"] == action["ActionCodeID"])
    day = date.fromisoformat(action["ActionDate"][:10])
    scene.effect(
        x_id=str(action["Id"]),
        x_resident_id=action["NameID"],
        kind=code["kind"],
        text=action["ActionDescription"],
        occurred_at=datetime.combine(day, time(), tzinfo=zone).astimezone(UTC),
        fields=entry,
        operation="create" if is_new else "update",
    )
    return written(request, _shown(action))


def _shown(action: Json) -> Json:
    """An action as answers have it: the agent's field is spelt in another case than in requests."""
    return {
        "NameID": action["NameID"],
        "ActionDate": action["ActionDate"],
        "ActionTime": action["ActionTime"],
        "ActionCodeID": action["ActionCodeID"],
        "ActionDescription": action["ActionDescription"],
        "LeasingAgentID": action["LeasingAgentID"],
        "ActionStatus": action["Status"],
        "Id": action["Id"],
        "ExternalID": None,
    }


def _checked(scene: Scene, entry: Json) -> Json:
    """The parts of an action that the entry gives."""
    action: Json = {"ActionDescription": "", "LeasingAgentID": None} if "Id" not in entry else {}
    for name in ("ActionDate", "ActionCodeID"):
        if name in entry and not entry[name]:
            raise Wrong(f"{name.upper()}: A value is required.")
    if "ActionDate" in entry:
        action["ActionDate"] = _date(entry["ActionDate"])
    if "ActionCodeID" in entry:
        action["ActionCodeID"] = _code(scene, entry["ActionCodeID"])
    if "ActionDescription" in entry:
        action["ActionDescription"] = entry["ActionDescription"]
    if entry.get("LeasingAgentId"):
        action["LeasingAgentID"] = _agent(scene, entry["LeasingAgentId"])
    if entry.get("ActionStatus"):
        if entry["ActionStatus"] not in STATUSES:
            raise Wrong("ACTIONSTATUS: The specified status does not exist.")
        action["Status"] = entry["ActionStatus"]
    return action


def _known_fields(entry: Json, fields: tuple[str, ...]) -> None:
    for name in entry:
        if name not in fields:
            raise Wrong(f"{name.upper()}: The field is not part of this API.")


def _known(scene: Scene, entry: Json) -> Json:
    """The action that an update names."""
    text = entry.get("Id", "")
    known = scene.get("actions", int(text)) if _is_number(text) else None
    if known is None:
        raise Wrong("ID: The specified action does not exist.")
    if entry.get("NameID", known["NameID"]) != known["NameID"]:
        raise Wrong("NAMEID: The specified action belongs to another resident.")
    return known


def _resident(scene: Scene, name_id: str) -> Json:
    known = scene.get("names", int(name_id)) if _NAME_ID.fullmatch(name_id) else None
    if known is None:
        raise Wrong("NAMEID: The specified resident does not exist.")
    return known


def _date(text: str) -> str:
    """Local midnight, whatever the time of day; an offset is no part of it."""
    found = _ACTION_DATE.fullmatch(text)
    try:
        if found is not None:
            return midnight(date.fromisoformat(found[1]))
    except ValueError:
        pass  # the 31st of February has the form of a date, and is refused below like the rest
    raise Wrong("ACTIONDATE: The date must have the format YYYY-MM-DDT00:00:00.")


def _code(scene: Scene, text: str) -> str:
    if not any(code["ActionCodeID"] == text for code in scene.every("codes")):
        raise Wrong("ACTIONCODEID: The specified action code does not exist.")
    return text


def _agent(scene: Scene, text: str) -> str:
    known = [agent for agent in scene.every("agents") if agent["LeasingAgentID"] == text]
    if not any(agent["Active"] == "Y" for agent in known):
        raise Wrong("LEASINGAGENTID: The specified leasing agent does not exist.")
    return text


def _is_number(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 18


def wrong_method(request: Request, allowed: str) -> Reply:
    """GUESS: a 405 in plain text."""
    words = f"The API {api_of(request)} does not support {request.method}."
    return plain(405, words).with_headers(("Allow", allowed))
