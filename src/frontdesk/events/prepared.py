"""An event that passed every rule, and what becomes of it: the write that is stored, or the request
that a dry run shows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.catalog.known import KnownEvent, PropertyState, Resolved
from frontdesk.events.answers import changed_record, new_record
from frontdesk.events.fields import UPDATE_FIELDS
from frontdesk.events.rules import Checked, OperationName
from frontdesk.events.schemas import read_instant
from frontdesk.ids import new_id
from frontdesk.integrations.service import Integration
from frontdesk.vendors.contract import Access, Connector, Plan, Vendor
from frontdesk.vendors.masking import MASK, masked
from frontdesk.writes.idempotency import Key
from frontdesk.writes.intake import NewWrite
from frontdesk.writes.plans import dump_plan

DRY_RUN_REQUEST_ID = "dry-run"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an event goes: the integration, its PMS, and (for an update) the event to change."""

    integration: Integration
    vendor: Vendor
    connector: Connector
    operation: OperationName
    event: KnownEvent | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """An event that breaks no rule, planned."""

    checked: Checked
    resolved: Resolved
    place: PropertyState | None
    plan: Plan


def answered(target: Target, prepared: Prepared) -> dict[str, Any]:
    """The accepted input. Of an update, the integration and the resident follow from the event."""
    accepted = prepared.checked.accepted
    if target.event is None:
        return accepted
    resident = prepared.resolved.resident
    return {
        "integration_id": str(target.integration.id),
        "resident_id": None if resident is None else str(resident.id),
        **accepted,
    }


def dry_run(target: Target, plan: Plan, warnings: list[dict[str, Any]]) -> dict[str, Any]:
    """The very request that the PMS would get, secrets masked, as the answer of a dry run."""
    integration = target.integration
    request = target.connector.request(
        plan, Access(integration.base_url, integration.credentials), DRY_RUN_REQUEST_ID
    )
    if target.vendor.login is not None:
        request = target.vendor.login.with_token(request, MASK)
    secrets = target.vendor.declaration.secrets_of(integration.credentials)
    return {"valid": True, "request": masked(request, secrets), "warnings": warnings}


def new_write(
    job_id: UUID,
    account_id: UUID,
    target: Target,
    prepared: Prepared,
    warnings: list[dict[str, Any]],
    key: Key | None,
    answer: dict[str, Any],
) -> NewWrite:
    """The durable write of this event."""
    accepted, resolved = prepared.checked.accepted, prepared.resolved
    resident = resolved.resident
    if resident is None:  # pragma: no cover — nothing is planned without one
        raise TypeError("a write has a resident")
    if target.event is None:
        event_id, record = new_id(), new_record(accepted, resolved, prepared.place)
    else:
        event_id = target.event.id
        record = changed_record(accepted, resolved, target.event)
    return NewWrite(
        id=job_id,
        account_id=account_id,
        integration_id=target.integration.id,
        vendor=target.integration.vendor,
        operation=target.operation,
        resident_id=resident.id,
        budget_key=prepared.plan.budget_key,
        input=answered(target, prepared),
        plan=dump_plan(
            prepared.plan,
            email_to=accepted.get("email_to"),
            email_send=accepted.get("email_send") is True,
            changes=() if target.event is None else accepted.keys() & set(UPDATE_FIELDS),
        ),
        event=record,
        warnings=warnings,
        event_id=event_id,
        external_reference=accepted.get("external_reference"),
        expiry_hours=target.integration.write_expiry_hours,
        send_at=_instant(accepted.get("send_at")),
        expires_at=_instant(accepted.get("expires_at")),
        idempotency_key=None if key is None else key.key,
        fingerprint=None if key is None else key.fingerprint,
        answer=None if key is None else answer,
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else read_instant(text)
