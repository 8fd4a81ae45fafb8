"""Propertyware's notes: the two SOAP operations that write one, and reading those of a lease.

A note on a contact cannot be read by any call; one on a lease can, by REST. A repeated call makes a
second note: there is no idempotency key, nor an update.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.propertyware.simulator import soap
from frontdesk.vendors.propertyware.simulator.answers import error
from frontdesk.vendors.propertyware.simulator.seed import FIRST_NOTE

_REFUSAL = "com.realpage.propertyware.service.ServiceException"


def attach_to_contact(call: soap.Call, scene: Scene) -> Reply:
    """`attachNoteToContact(note, contact)`."""
    contact = _holder(call, scene, "contact", "Contact", "contacts")
    note = _written(call, scene, "contact_notes", contact["id"], str(contact["id"]))
    return soap.answered(call.operation, note, "Note")


def attach_to_lease(call: soap.Call, scene: Scene) -> Reply:
    """`attachNoteToLease(note, lease)`."""
    lease = _holder(call, scene, "lease", "Lease", "leases")
    subject = soap.text(call.arguments.get("note"), "subject") or ""
    concerned = concerned_by(lease, subject)
    note = _written(call, scene, "lease_notes", lease["id"], concerned)
    return soap.answered_apart(call.operation, note, "Note")


def concerned_by(lease: Json, subject: str) -> str | None:
    """Whom of a lease's tenants a note is about, as somebody in the office would take it: the only
    tenant, or the one whom the subject names by his number or by his whole name."""
    contacts: list[Json] = lease["contacts"]
    if len(contacts) == 1:
        return str(contacts[0]["id"])
    numbers = set(re.findall(r"\d+", subject))
    by_number = [str(c["id"]) for c in contacts if str(c["id"]) in numbers]
    by_name = [str(c["id"]) for c in contacts if f"{c['firstName']} {c['lastName']}" in subject]
    named = by_number or by_name
    return named[0] if len(named) == 1 else None


def residents_of(call: soap.Call, scene: Scene) -> frozenset[str]:
    """Whom a call is about, without judging it."""
    try:
        contact = soap.number(call.arguments.get("contact"), "ID")
        lease_number = soap.number(call.arguments.get("lease"), "ID")
        subject = soap.text(call.arguments.get("note"), "subject") or ""
    except soap.Faulted:
        return frozenset()
    if contact is not None:
        return frozenset({str(contact)})
    lease = None if lease_number is None else scene.get("leases", lease_number)
    if lease is None:
        return frozenset()
    concerned = concerned_by(lease, subject)
    return frozenset({concerned}) if concerned is not None else tenants_of(lease)


def tenants_of(lease: Json) -> frozenset[str]:
    """Everybody on a lease."""
    return frozenset(str(contact["id"]) for contact in lease["contacts"])


def list_lease_notes(_request: Request, scene: Scene, number: int) -> Reply:
    """`GET /leases/{id}/notes`: all of them, whatever `limit` says."""
    if scene.get("leases", number) is None:
        return error(404, f"Lease {number} was not found.")
    return Reply.json(200, list(scene.children("lease_notes", number)))


def _holder(call: soap.Call, scene: Scene, name: str, kind: str, collection: str) -> Json:
    element = soap.typed(call.arguments.get(name), kind)
    number = soap.number(element, "ID")
    found = None if number is None else scene.get(collection, number)
    if found is None:
        raise soap.refused(_REFUSAL, f"{kind} with ID {number} was not found.")
    return found


def _written(
    call: soap.Call, scene: Scene, collection: str, holder: int, concerned: str | None
) -> Json:
    """Store a note and give it as SOAP shows it."""
    note: Element = soap.typed(call.arguments.get("note"), "Note")
    subject, body = soap.text(note, "subject"), soap.text(note, "body")
    private, moment = soap.truth(note, "private"), soap.moment(note, "date")
    if not subject:
        raise soap.refused(_REFUSAL, "The subject of a note is required.")
    if not body:
        raise soap.refused(_REFUSAL, "The body of a note is required.")
    happened = moment or scene.now
    number = max(scene.next_number(name, FIRST_NOTE) for name in ("lease_notes", "contact_notes"))
    # A note shows the day alone.
    stored: dict[str, Any] = {
        "id": number,
        "subject": subject,
        "body": body,
        "date": happened.date().isoformat(),
        "private": private,
        "type": "NOTE",
    }
    scene.put(collection, number, stored, parent=holder)
    scene.effect(
        x_id=str(number),
        x_resident_id=concerned,
        kind="note",
        text=body,
        occurred_at=happened - timedelta(microseconds=happened.microsecond),
        fields={"operation": call.operation, "holder": holder, **stored},
    )
    return {
        "ID": number,
        "body": body,
        "clientData": None,
        "date": happened.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "private": private,
        "subject": subject,
    }
