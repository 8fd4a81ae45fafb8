"""AppFolio's tenant notes: written, changed, and listed for all tenants together.

A note has no time of its own: AppFolio stamps it (`LastUpdatedAt`). There is no delete.
"""

from __future__ import annotations

from frontdesk.sandbox.simulator import Json, Malformed, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.appfolio.simulator.answers import (
    filters_of,
    guid,
    listed,
    matching,
    number_of,
    refuse,
    written,
)
from frontdesk.vendors.appfolio.simulator.keys import once


def create_note(request: Request, scene: Scene, tenant_id: str) -> Reply:
    """`POST /tenants/{TenantId}/notes`: 201 with `Id` and `Link`, once for each key."""
    return once(request, scene, lambda: _create(request, scene, tenant_id))


def update_note(request: Request, scene: Scene, tenant_id: str, note_id: str) -> Reply:
    """`PATCH /tenants/{TenantId}/notes/{Id}`: 200 with `Id` and `Link`."""
    tenant = _tenant_or_404(scene, tenant_id)
    number = number_of("note", note_id)
    note = scene.get("notes", number) if number is not None else None
    if number is None or note is None or note["EntityId"] != guid("tenant", tenant):
        raise refuse(404)
    return _saved(request, scene, 200, tenant, number)


def list_notes(request: Request, scene: Scene) -> Reply:
    """`GET /tenants/notes`: everybody's, or by `filters[EntityId]` one tenant's."""
    filters = filters_of(request)
    rows = scene.every("notes")
    if "EntityId" in filters:
        tenant = number_of("tenant", filters["EntityId"])
        rows = iter(()) if tenant is None else scene.children("notes", tenant)
    return listed(request, matching(rows, filters))


def _create(request: Request, scene: Scene, tenant_id: str) -> Reply:
    tenant = _tenant_or_404(scene, tenant_id)
    return _saved(request, scene, 201, tenant, scene.next_number("notes"))


def _tenant_or_404(scene: Scene, tenant_id: str) -> int:
    number = number_of("tenant", tenant_id)
    if number is None or scene.get("tenants", number) is None:
        raise refuse(404)
    return number


def _body(request: Request) -> str:
    if request.content_type != "application/json":
        raise refuse(415)
    try:
        body = request.json
    except Malformed:
        raise refuse(400, "The request body could not be parsed as JSON") from None
    if not isinstance(body, dict):
        raise refuse(400, "The request body must be a JSON object")
    unknown = sorted(set(body) - {"Body"})
    if unknown:
        raise refuse(422, f"Unknown attributes: {', '.join(unknown)}")
    note = body.get("Body")
    if not isinstance(note, str) or not note.strip():
        raise refuse(422, "Body can't be blank")
    return note


def _saved(request: Request, scene: Scene, status: int, tenant: int, number: int) -> Reply:
    text = _body(request)
    note: Json = {
        "Id": guid("note", number),
        "Body": text,
        "EntityId": guid("tenant", tenant),
        "LastUpdatedAt": written(scene.now),
    }
    scene.put("notes", number, note, parent=tenant)
    scene.effect(
        x_id=note["Id"],
        x_resident_id=note["EntityId"],
        kind="note",
        text=text,
        occurred_at=scene.now.replace(microsecond=0),
        fields=request.json,
        operation="create" if status == 201 else "update",
    )
    link = f"{request.base_url}/api/v0/tenants/notes?filters[Id]={note['Id']}"
    return Reply.json(status, {"Id": note["Id"], "Link": link})
