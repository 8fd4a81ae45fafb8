"""Rows that delivery's tests stand on, written without any service: an account, integrations, writes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.integrations.integration import Integration
from frontdesk.vendors.contract import Plan, Trace
from frontdesk.writes.intake import NewWrite
from frontdesk.writes.plans import dump_plan

PLAN = dump_plan(
    Plan(
        operation="create",
        route="note",
        payload={"text": "hello"},
        trace=Trace("r1", {"tenant": "r1"}, "hello", None, (datetime(2026, 1, 2, tzinfo=UTC),)),
    )
)


@dataclass(frozen=True)
class Stock:
    """An account with integrations at a vendor that does not matter here."""

    account_id: UUID
    integration_ids: tuple[UUID, ...]


async def stock(database: Database, *, integrations: int = 1, scope: str | None = None) -> Stock:
    """A new account; each integration with a budget scope of its own unless one is named."""
    account_id = new_id()
    await database.execute("INSERT INTO accounts (id, name) VALUES ($1, 'a')", account_id)
    ids = tuple(new_id() for _ in range(integrations))
    for integration_id in ids:
        await database.execute(
            """INSERT INTO integrations (id, account_id, vendor, name, active, base_url, credentials,
                budget_scope, max_job_concurrency)
            VALUES ($1, $2, 'ANY', 'i', true, 'http://127.0.0.1:9', '', $3, 8)""",
            integration_id,
            account_id,
            scope or f"scope {integration_id}",
        )
    return Stock(account_id, ids)


def new_write(the: Stock, resident_id: UUID, **changes: Any) -> NewWrite:
    """A write for the first integration unless `integration_id` names another."""
    values: dict[str, Any] = {
        "id": new_id(),
        "account_id": the.account_id,
        "integration_id": the.integration_ids[0],
        "vendor": "ANY",
        "operation": "create",
        "resident_id": resident_id,
        "budget_key": "",
        "input": {"notes": "hello"},
        "plan": PLAN,
        "event": {"x_property_id": None, "property_id": None, "data": {"notes": "hello"}},
        "warnings": [],
        "event_id": new_id(),
        "external_reference": None,
        "expiry_hours": 72,
    }
    return NewWrite(**{**values, **changes})


def integration(account_id: UUID, **changes: Any) -> Integration:
    """An integration as a worker holds it, in a budget scope of its own."""
    name = new_id()
    plain: dict[str, Any] = {
        "id": name,
        "account_id": account_id,
        "vendor": "ANY",
        "name": "i",
        "active": True,
        "is_archived": False,
        "base_url": "http://127.0.0.1:9",
        "credentials": {},
        "credentials_version": 1,
        "budget_scope": f"scope {name}",
        "max_request_frequency": None,
        "max_request_cadence": None,
        "max_job_concurrency": 8,
        "sync_frequency": 1,
        "sync_cadence": "DAY",
        "new_properties_are_enabled": True,
        "on_uncertain": "hold",
        "mark_notes": False,
        "write_expiry_hours": 72,
        "allow_email_send": False,
        "timezone": None,
        "last_completed_sync": None,
        "updated_at": datetime.now(UTC),
    }
    return Integration(**{**plain, **changes})
