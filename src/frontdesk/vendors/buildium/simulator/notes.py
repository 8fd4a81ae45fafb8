"""Buildium's tenant notes and phone logs: the writes, and reading them back.

A note has no time of its own: Buildium stamps it (`UpdatedDateTime`). There is no delete, no
idempotency key and no ETag: a repeated POST makes a second note, as at the real one.
"""

from __future__ import annotations

from typing import Any

from frontdesk.sandbox.simulator import Json, Malformed, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.buildium.simulator.answers import (
    between,
    error,
    instant,
    listed,
    refuse,
    several_ids,
    written,
)
from frontdesk.vendors.buildium.simulator.reads import tenant_or_404
from frontdesk.vendors.buildium.simulator.seed import API_USER_ID, STAFF_USER_ID

MAX_NOTE = 65_535
MAX_SUBJECT = 255


def _object(request: Request) -> Json:
    if request.content_type != "application/json":
        raise refuse(415, "The media type of the request is not supported.")
    try:
        body = request.json
    except Malformed:
        raise refuse(400, "The request body could not be read as JSON.") from None
    if not isinstance(body, dict):
        raise refuse(400, "The request body must be a JSON object.")
    return body


def _checked(body: Json, fields: dict[str, int]) -> None:
    """Every field present, a string, not empty, not too long; no other key."""
    problems = [(key, "The property is not allowed.") for key in body if key not in fields]
    for name, longest in fields.items():
        problem = _problem(body.get(name), longest)
        if problem is not None:
            problems.append((name, problem))
    if problems:
        raise refuse(422, "The request is invalid.", *problems)


def _problem(value: Any, longest: int) -> str | None:
    if value is None:
        return "The field is required."
    if not isinstance(value, str):
        return "The field must be a string."
    if not value:
        return "The field must have a length of at least 1."
    if len(value) > longest:
        return f"The field must have a length of at most {longest:,}."
    return None


def _user(scene: Scene, number: int, base_url: str) -> Json:
    row = scene.get("users", number)
    wire = row["wire"] if row is not None else {"FirstName": "", "LastName": ""}
    return {
        "Id": number,
        "FirstName": wire["FirstName"],
        "LastName": wire["LastName"],
        "Href": f"{base_url}/v1/users/{number}",
    }


def _author(scene: Scene) -> int:
    return API_USER_ID if scene.origin == "api" else STAFF_USER_ID


def _note(note: Json, request: Request, scene: Scene) -> Json:
    user = _user(scene, note["author"], request.base_url)
    return {
        "Id": note["Id"],
        "Note": note["Note"],
        "LastUpdatedByUser": {**user, "UpdatedDateTime": note["updated"]},
    }


def _note_or_404(scene: Scene, tenant: int, number: int) -> Json:
    tenant_or_404(scene, tenant)
    note = scene.get("notes", number)
    if note is None or note["tenant"] != tenant:
        raise refuse(404, f"Note {number} was not found.")
    return note


def _save_note(request: Request, scene: Scene, tenant: int, number: int) -> Json:
    body = _object(request)
    _checked(body, {"Note": MAX_NOTE})
    is_new = scene.get("notes", number) is None
    note = {
        "Id": number,
        "Note": body["Note"],
        "tenant": tenant,
        "author": _author(scene),
        "updated": written(scene.now),
    }
    scene.put("notes", number, note, parent=tenant)
    scene.effect(
        x_id=str(number),
        x_resident_id=str(tenant),
        kind="note",
        text=body["Note"],
        occurred_at=scene.now.replace(microsecond=0),
        fields=body,
        operation="create" if is_new else "update",
    )
    return note


def create_note(request: Request, scene: Scene, tenant: int) -> Reply:
    """`POST /v1/leases/tenants/{tenantId}/notes`: 201 with `Location` and the note."""
    tenant_or_404(scene, tenant)
    number = scene.next_number("notes")
    note = _save_note(request, scene, tenant, number)
    location = f"{request.base_url}/v1/leases/tenants/{tenant}/notes/{number}"
    return Reply.json(201, _note(note, request, scene), ("Location", location))


def update_note(request: Request, scene: Scene, tenant: int, number: int) -> Reply:
    """`PUT …/notes/{noteId}`: 200 with the note."""
    _note_or_404(scene, tenant, number)
    return Reply.json(200, _note(_save_note(request, scene, tenant, number), request, scene))


def read_note(request: Request, scene: Scene, tenant: int, number: int) -> Reply:
    """`GET …/notes/{noteId}`."""
    return Reply.json(200, _note(_note_or_404(scene, tenant, number), request, scene))


def list_notes(request: Request, scene: Scene, tenant: int) -> Reply:
    """`GET …/notes`, filtered by when (`updateddatetimefrom`, `…to`) and `lastupdatedbyuserid`."""
    tenant_or_404(scene, tenant)
    within = between(request, "updateddatetimefrom", "updateddatetimeto")
    authors = several_ids(request, "lastupdatedbyuserid")
    return listed(
        request,
        (
            _note(note, request, scene)
            for note in scene.children("notes", tenant)
            if within(note["updated"]) and (authors is None or note["author"] in authors)
        ),
    )


def _phone_log(log: Json, request: Request, scene: Scene) -> Json:
    tenant = scene.get("tenants", log["participant"])
    wire = tenant["wire"] if tenant is not None else {"FirstName": "", "LastName": ""}
    return {
        "Id": log["Id"],
        "Participant": {
            "Id": log["participant"],
            "Type": "Tenant",
            "FirstName": wire["FirstName"],
            "LastName": wire["LastName"],
            "IsCompany": False,
            "CompanyName": None,
            "Href": f"{request.base_url}/v1/leases/tenants/{log['participant']}",
        },
        "LoggedByStaffUser": _user(scene, log["author"], request.base_url),
        "Subject": log["Subject"],
        "Description": log["Description"],
        "CallDateTime": log["CallDateTime"],
    }


def create_phone_log(request: Request, scene: Scene) -> Reply:
    """`POST /v1/communications/phonelogs`: every field required, the time in UTC."""
    body = dict(_object(request))
    participant = body.pop("Participant", None)
    _checked(body, {"Subject": MAX_SUBJECT, "Description": MAX_NOTE, "CallDateTime": 40})
    tenant = participant.get("Id") if isinstance(participant, dict) else None
    if (
        not isinstance(participant, dict)
        or participant.get("Type") != "Tenant"
        or not isinstance(tenant, int)
        or scene.get("tenants", tenant) is None
    ):
        raise refuse(422, "The request is invalid.", ("Participant", "No such participant."))
    moment = instant(body["CallDateTime"], "CallDateTime", status=422)
    number = scene.next_number("phonelogs")
    log = {
        "Id": number,
        "participant": tenant,
        "author": _author(scene),
        "Subject": body["Subject"],
        "Description": body["Description"],
        "CallDateTime": written(moment),
    }
    scene.put("phonelogs", number, log)
    scene.effect(
        x_id=str(number),
        x_resident_id=str(tenant),
        # A phone log does not say who called whom, so it is neither call_in nor call_out.
        kind="other",
        text=body["Description"],
        occurred_at=moment,
        fields=request.json_object,
    )
    location = f"{request.base_url}/v1/communications/phonelogs/{number}"
    return Reply.json(201, _phone_log(log, request, scene), ("Location", location))


def list_phone_logs(request: Request, scene: Scene) -> Reply:
    """`GET /v1/communications/phonelogs`, filtered by `datefrom` and `dateto` (date-times)."""
    within = between(request, "datefrom", "dateto")
    logs = (log for log in scene.every("phonelogs") if within(log["CallDateTime"]))
    return listed(request, (_phone_log(log, request, scene) for log in logs))


def read_phone_log(request: Request, scene: Scene, number: int) -> Reply:
    """`GET /v1/communications/phonelogs/{id}`."""
    log = scene.get("phonelogs", number)
    if log is None:
        return error(404, "The requested resource was not found.")
    return Reply.json(200, _phone_log(log, request, scene))
