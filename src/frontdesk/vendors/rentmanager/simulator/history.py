"""A tenant's history: saving notes, calls, e-mails and visits, and reading them back.

Saving creates, or changes the entry whose id is given; there is no idempotency key, so a repeated
POST makes a second entry. An e-mail here is the record of one: nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from frontdesk.sandbox.simulator import Json, Malformed, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.rentmanager.simulator.answers import (
    Refusal,
    error_model,
    invalid,
    missing,
)
from frontdesk.vendors.rentmanager.simulator.lists import EMBEDS, listed, shown
from frontdesk.vendors.rentmanager.simulator.seed import (
    API_USER_ID,
    SERVER_ZONE,
    STAFF_USER_ID,
    server_stamp,
)

KINDS: Mapping[str, str] = {
    "historynotes": "Note",
    "historycalls": "Call",
    "historyemails": "Email",
    "historyvisits": "Visit",
}
"""What is saved at each resource (in lower case)."""

_FILTERABLE = ("HistoryID", "HistoryType", "HistoryCategoryID", "HistoryDate", "CreateUserID",
               "UpdateUserID", "ParentID", "IsPinned", "CreateDate", "UpdateDate")  # fmt: skip
_TEXTS = ("Note",)
_ALSO_TEXTS = ("Note", "Result", "HistoryEndDate")
_FLAGS = ("IsPinned", "IsLocked", "IsShowInPOComments")
_ALSO_FLAGS = (*_FLAGS, "IsFirstContact", "IsCompleted", "IsContactMade")
_DISPOSITION = re.compile(
    rb'content-disposition:[^\r\n]*name="([^"]*)"[^\r\n]*filename="([^"]*)"', re.IGNORECASE
)


def save(request: Request, scene: Scene, tenant: int, resource: str) -> Reply:
    """`POST /Tenants/{id}/HistoryNotes` and its kin: 200 with the saved entries."""
    owner = tenant_or_404(scene, tenant)
    entries = _entries(request)
    drafts = [_draft(request, scene, owner, KINDS[resource.lower()], entry) for entry in entries]
    return Reply.json(200, [_stored(scene, owner, *draft) for draft in drafts])


def list_of_tenant(request: Request, scene: Scene, tenant: int, resource: str) -> Reply:
    """`GET /Tenants/{id}/History`, or of one kind."""
    tenant_or_404(scene, tenant)
    return listed(request, _of_kind(scene.children("history", tenant), resource), _FILTERABLE)


def list_all(request: Request, scene: Scene, resource: str) -> Reply:
    """`GET /History`, `/HistoryNotes` and its kin."""
    return listed(request, _of_kind(scene.every("history"), resource), _FILTERABLE)


def read_one(request: Request, scene: Scene, number: int, resource: str) -> Reply:
    """`GET /HistoryNotes/{id}` and its kin: the entry, or an empty 404."""
    entry = scene.get("history", number)
    if entry is None or not _of_kind([entry], resource):
        raise Refusal(missing())
    return Reply.json(200, shown(request, entry))


def upload(request: Request, scene: Scene, number: int) -> Reply:
    """`POST /HistoryNotes/{id}/UploadAttachments`: files beside a note, all or none of them."""
    entry = scene.get("history", number)
    if entry is None or entry["HistoryType"] != "Note":
        raise Refusal(missing())
    files = [name.decode("utf-8", "replace") for _, name in _DISPOSITION.findall(request.body)]
    if request.content_type != "multipart/form-data" or not files or not all(files):
        # Nothing is kept of it: the same upload may be sent again.
        raise Refusal(error_model(request, 500, "The attachments could not be uploaded."))
    first = scene.next_number("attachments")
    kept = [{"FileID": first + index, "Name": name} for index, name in enumerate(files)]
    for file in kept:
        scene.put("attachments", int(file["FileID"]), file, parent=number)
    return Reply.json(200, kept)


def tenant_or_404(scene: Scene, number: int) -> Json:
    """The tenant of that id. Raises the empty 404."""
    row = scene.get("tenants", number)
    if row is None:
        raise Refusal(missing())
    return row


def _of_kind(entries: Iterable[Json], resource: str) -> list[Json]:
    kind = KINDS.get(resource.lower())
    return [entry for entry in entries if kind is None or entry["HistoryType"] == kind]


def _entries(request: Request) -> list[Json]:
    if request.content_type not in ("application/json", "text/json"):
        words = f"The request entity's media type '{request.content_type}' is not supported."
        raise Refusal(Reply.json(415, {"Message": words}))
    try:
        body = request.json
    except Malformed:
        raise Refusal(invalid("items", "The body could not be read as JSON.")) from None
    if not isinstance(body, list) or not body or not all(isinstance(one, dict) for one in body):
        raise Refusal(invalid("items", "The body is a list of entries."))
    return body


def _draft(
    request: Request, scene: Scene, owner: Json, kind: str, entry: Json
) -> tuple[Json, Json, bool]:
    """The entry as it will stand, what was sent, and whether it is new. Raises `Refusal`."""
    number = entry.get("HistoryID")
    existing = None
    if number not in (None, 0):
        existing = scene.get("history", _whole(number, "HistoryID"))
        if (
            existing is None
            or existing["ParentID"] != owner["TenantID"]
            or existing["HistoryType"] != kind
        ):
            raise Refusal(missing())
        _check_stale(request, entry, existing)
    fields = _fields(entry, kind)
    if existing is None and not fields.get("Note"):
        raise Refusal(error_model(request, 400, "A history entry needs a Note."))
    _check_category(request, scene, fields, kind)
    author = API_USER_ID if scene.origin == "api" else STAFF_USER_ID
    stamp = server_stamp(scene.now)
    if existing is not None:
        return {**existing, **fields, "UpdateUserID": author, "UpdateDate": stamp}, entry, False
    local = scene.now.astimezone(_zone(scene, owner)).replace(tzinfo=None, microsecond=0)
    new = {
        "HistoryType": kind,
        "HistoryCategoryID": None,
        "HistoryDate": local.isoformat(),
        "IsLocked": False,
        "IsPinned": False,
        **fields,
        "CreateUserID": author,
        "UpdateUserID": author,
        "ParentID": owner["TenantID"],
        "CreateDate": stamp,
        "UpdateDate": stamp,
    }
    return new, entry, True


def _stored(scene: Scene, owner: Json, entry: Json, sent: Json, is_new: bool) -> Json:
    if is_new:
        entry = {"HistoryID": scene.next_number("history"), **entry}
    number = int(entry["HistoryID"])
    scene.put("history", number, entry, parent=owner["TenantID"])
    scene.effect(
        x_id=str(number),
        x_resident_id=str(owner["TenantID"]),
        # A call or an e-mail does not say who sought whom, so it is of neither direction.
        kind={"Note": "note", "Visit": "visit"}.get(entry["HistoryType"], "other"),
        text=entry.get("Note") or "",
        occurred_at=_occurred(entry["HistoryDate"], _zone(scene, owner)),
        fields={"resource": f"History{entry['HistoryType']}s", "entry": sent},
        operation="create" if is_new else "update",
    )
    return {key: value for key, value in entry.items() if value is not None and key != EMBEDS}


def _fields(entry: Json, kind: str) -> Json:
    """What of the sent entry is written: what the model has, in its types; the rest is passed
    over, as the framework does."""
    fields: Json = {}
    for name in _TEXTS if kind == "Note" else _ALSO_TEXTS:
        if entry.get(name) is not None:
            if not isinstance(entry[name], str):
                raise Refusal(invalid(f"items[0].{name}", "The value is not a string."))
            fields[name] = entry[name]
    for name in _FLAGS if kind == "Note" else _ALSO_FLAGS:
        if entry.get(name) is not None:
            if not isinstance(entry[name], bool):
                raise Refusal(invalid(f"items[0].{name}", "The value is not a boolean."))
            fields[name] = entry[name]
    if entry.get("HistoryCategoryID") is not None:
        fields["HistoryCategoryID"] = _whole(entry["HistoryCategoryID"], "HistoryCategoryID")
    if entry.get("HistoryDate") is not None:
        fields["HistoryDate"] = _date(entry["HistoryDate"])
    return fields


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise Refusal(invalid(f"items[0].{name}", "The value is not an Int32."))
    return value


def _date(value: Any) -> str:
    """A date or date-time in the years that a database of theirs can hold; an offset is turned into
    the server's local time."""
    moment = _read_date(value)
    if moment is None or not 1753 <= moment.year <= 9998:
        raise Refusal(invalid("items[0].HistoryDate", "The value is not a DateTime."))
    return moment.replace(microsecond=0).isoformat()


def _read_date(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            moment = moment.astimezone(SERVER_ZONE).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return moment


def _check_stale(request: Request, entry: Json, existing: Json) -> None:
    for name in ("UpdateDate", "ConcurrencyID"):
        if entry.get(name) is not None and entry[name] != existing.get(name):
            raise Refusal(
                error_model(
                    request,
                    409,
                    "The record has been changed since it was read.",
                    exception="ConcurrencyException",
                )
            )


def _check_category(request: Request, scene: Scene, fields: Json, kind: str) -> None:
    number = fields.get("HistoryCategoryID")
    if number is None:
        return
    category = scene.get("categories", number)
    if category is None:
        raise Refusal(error_model(request, 400, f"There is no history category {number}."))
    kinds = [one["HistoryCategoryType"] for one in category[EMBEDS]["HistoryCategoryTypes"]]
    if kind not in kinds or not category["IsActive"]:
        words = f"The history category {category['Name']} is not available for this entry."
        raise Refusal(error_model(request, 400, words))


def _zone(scene: Scene, owner: Json) -> ZoneInfo:
    row = scene.get("zones", owner.get("PropertyID") or 0)
    return ZoneInfo(row["zone"]) if row is not None else SERVER_ZONE


def _occurred(text: str, zone: ZoneInfo) -> datetime:
    """The instant of a local time, the earlier one where the clock shows it twice."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
