"""Integrations: made, changed, archived by their account; loaded for those who send and accept.

Nothing here calls a PMS: new credentials are tried by the worker. Credentials leave this module
only inside an `Integration`, whose `repr` hides them.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
import structlog

from frontdesk.audit.service import AuditTrail, told
from frontdesk.database.pool import Connection, Database, Record
from frontdesk.errors import ApiError, Code, Problem, invalid, not_found
from frontdesk.http.paging import ListQuery
from frontdesk.ids import new_id, parse_id
from frontdesk.integrations.addresses import chosen_base_url, is_own
from frontdesk.integrations.checks import (
    frequency_problems,
    sent,
    unknown_source,
    unknown_vendor,
    zone_problems,
)
from frontdesk.integrations.credentials import check_credentials, given
from frontdesk.integrations.integration import Integration
from frontdesk.integrations.neighbours import Catalog, Deliveries, Writes
from frontdesk.integrations.repository import CHANGEABLE, SETTINGS, IntegrationRepository
from frontdesk.integrations.schemas import (
    IntegrationCreate,
    IntegrationUpdate,
    ManualSync,
    PropertyChange,
)
from frontdesk.integrations.sessions import PmsSessions, PmsToken
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.remembered import Remembered
from frontdesk.vault import UnreadableError, Vault
from frontdesk.vendors.declaration import Declaration
from frontdesk.vendors.registry import vendors

__all__ = [
    "Integration",
    "IntegrationService",
    "PmsSessions",
    "PmsToken",
    "data_access_of",
]

_log = structlog.get_logger(__name__)

_REMEMBERED_SECONDS = 0.5
# What the trail tells of an integration; new credentials show as another version.
_TOLD = ("name", "base_url", *SETTINGS, "credentials_version")


class IntegrationService:
    """Everything about integrations but the reading and sending that they are for."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        allowed_addresses: str,
        *,
        deliveries: Deliveries,
        writes: Writes,
        catalog: Catalog,
    ) -> None:
        """Raises ValueError where `allowed_addresses` names no range."""
        self._database = database
        self._repository = IntegrationRepository(database)
        self._vault = vault
        self._allowed = AllowedAddresses.parse(allowed_addresses)
        self._deliveries = deliveries
        self._writes = writes
        self._catalog = catalog
        self._audit = AuditTrail()
        self._remembered = Remembered(self._load_one, _REMEMBERED_SECONDS)
        self.sessions = PmsSessions(database, vault)

    # --- for workers and the intake -----------------------------------------------------------

    async def load(self, ids: Sequence[UUID]) -> list[Integration]:
        """These integrations, as they are now. One whose credentials do not open is left out, and
        logged: it must not hold the others back."""
        loaded = []
        for row in await self._repository.many(ids):
            try:
                loaded.append(self._integration(row))
            except UnreadableError as error:
                _log.error("integration left out", integration_id=str(row["id"]), reason=str(error))
        return loaded

    async def get_owned(self, account_id: UUID, integration_id: UUID) -> Integration | None:
        """The account's integration, at most half a second old; None where it has no such one."""
        found = await self._remembered.get(integration_id)
        return found if found is not None and found.account_id == account_id else None

    # --- for callers --------------------------------------------------------------------------

    async def create(self, account_id: UUID, body: IntegrationCreate) -> Record:
        """A new integration. Raises ApiError 400 with every problem of the body."""
        vendor = vendors().get(body.integration_vendor)
        if vendor is None:
            raise invalid([unknown_vendor(), *zone_problems(body.timezone)])
        declaration = vendor.declaration
        problems = check_credentials(declaration, body.credentials)
        problems += zone_problems(body.timezone)
        based_on: Mapping[str, Any] | Record = {}
        if body.based_on_integration_id is not None:
            source = await self._source(account_id, body.based_on_integration_id)
            if source is None:
                problems.append(unknown_source())
            else:
                based_on = source
        base_url = await chosen_base_url(
            body.base_url, declaration, body.credentials, self._allowed, problems
        )
        settings: dict[str, Any] = {
            name: based_on[name] for name in SETTINGS if based_on.get(name) is not None
        }
        if base_url.sandbox:
            settings["allow_email_send"] = False
        settings |= sent(body, SETTINGS)
        settings.setdefault("max_job_concurrency", declaration.max_job_concurrency)
        problems += frequency_problems(settings)
        if problems:
            raise invalid(problems)
        integration_id = new_id()
        credentials = given(body.credentials)
        values = {
            "id": integration_id,
            "account_id": account_id,
            "vendor": declaration.vendor,
            "name": body.name,
            "base_url": base_url.url,
            **self._sealed(declaration, credentials, integration_id),
            **settings,
        }
        async with self._database.transaction() as transaction:
            row = await self._repository.insert(transaction, values)
            await self._audit.record(
                transaction,
                account_id,
                "integration.create",
                integration_id,
                after=told(row, ("vendor", *_TOLD)),
            )
        return row

    async def change(
        self, account_id: UUID, wanted_id: UUID | None, body: IntegrationUpdate
    ) -> Record:
        """Change what the body names. Raises ApiError 400 with every problem, 404, 409."""
        current = await self.one(account_id, wanted_id)
        integration_id: UUID = current["id"]
        vendor = vendors().get(current["vendor"])
        if vendor is None:
            raise ApiError(
                Code.CONFLICT, f"This version of Frontdesk does not know {current['vendor']}."
            )
        problems = zone_problems(body.timezone)
        changes = sent(body, CHANGEABLE)
        if body.credentials is not None:
            problems += check_credentials(vendor.declaration, body.credentials)
        # Looked up before the transaction: no name server is waited for with a row locked.
        if body.base_url is not None:
            base_url = await chosen_base_url(
                body.base_url, vendor.declaration, {}, self._allowed, problems
            )
            changes["base_url"] = base_url.url
        if body.credentials is not None and not problems:
            base_url = await chosen_base_url(
                None, vendor.declaration, body.credentials, self._allowed, problems
            )
            if "base_url" not in changes and is_own(current["base_url"], vendor.declaration):
                # It follows from the credentials, unless it was named on its own.
                changes["base_url"] = base_url.url
        async with self._database.transaction() as transaction:
            row = await self._changed(
                transaction, account_id, integration_id, vendor.declaration, body, changes, problems
            )
        self._remembered.forget(integration_id)
        if body.credentials is not None:
            await self._deliveries.probe_at_once(integration_id)
        return row

    async def archive(self, account_id: UUID, integration_id: UUID | None) -> None:
        """Archive it and cancel what waits; a second time does no harm. Raises ApiError 404."""
        if integration_id is None:
            raise not_found("integration")
        async with self._database.transaction() as transaction:
            before = await self._repository.lock(transaction, account_id, integration_id)
            if before is None:
                raise not_found("integration")
            await self._repository.archive(transaction, account_id, integration_id)
            if not before["is_archived"]:
                await self._audit.record(
                    transaction,
                    account_id,
                    "integration.archive",
                    integration_id,
                    after={"is_archived": True, "active": False},
                )
        self._remembered.forget(integration_id)
        await self._writes.cancel_waiting(integration_id)

    async def one(self, account_id: UUID, integration_id: UUID | None) -> Record:
        """The integration's row. Raises ApiError 404; None is an id that no record can have."""
        row = None
        if integration_id is not None:
            row = await self._repository.one(account_id, integration_id)
        if row is None:
            raise not_found("integration")
        return row

    async def page(self, account_id: UUID, query: ListQuery) -> tuple[list[Record], int | None]:
        """The account's integrations; up to `limit + 1` rows. Raises ApiError 400."""
        wanted: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, value in query.filters.items():
            if name in ("active", "is_archived"):
                if value not in ("true", "false"):
                    problems.append(
                        Problem("invalid_value", (name,), f"{name} must be true or false.")
                    )
                wanted[name] = value == "true"
            else:
                wanted["vendor" if name == "integration_vendor" else name] = value
        if problems:
            raise invalid(problems)
        return await self._repository.page(account_id, query, wanted)

    async def properties(
        self, account_id: UUID, integration_id: UUID | None, query: ListQuery
    ) -> tuple[list[Record], int | None]:
        """The integration's properties; up to `limit + 1` rows. Raises ApiError 400, 404."""
        row = await self.one(account_id, integration_id)
        wanted: dict[str, Any] = {}
        if (enabled := query.filters.get("enabled")) is not None:
            if enabled not in ("true", "false"):
                raise invalid(
                    [Problem("invalid_value", ("enabled",), "enabled must be true or false.")]
                )
            wanted["enabled"] = enabled == "true"
        if (text := query.filters.get("property_id")) is not None:
            property_id = parse_id(text)
            if property_id is None:
                return [], 0
            wanted["property_id"] = property_id
        return await self._repository.properties(account_id, row["id"], query, wanted)

    async def change_property(
        self,
        account_id: UUID,
        integration_id: UUID | None,
        configuration_id: UUID | None,
        body: PropertyChange,
    ) -> Record:
        """Switch a property on or off, or set its zone. Raises ApiError 400, 404."""
        if problems := zone_problems(body.timezone):
            raise invalid(problems)
        row = await self.one(account_id, integration_id)
        if configuration_id is None:
            raise not_found("property of this integration")
        async with self._database.transaction() as transaction:
            before = await self._repository.lock_property(transaction, row["id"], configuration_id)
            changed = await self._repository.change_property(
                transaction, account_id, row["id"], configuration_id, body.enabled, body.timezone
            )
            if before is None or changed is None:
                raise not_found("property of this integration")
            names = ("enabled", "timezone")
            await self._audit.record(
                transaction,
                account_id,
                "property.update",
                configuration_id,
                before=told(before, names),
                after=told(changed, names),
            )
        return changed

    async def rate_limits(self, account_id: UUID, integration_id: UUID | None) -> dict[str, Any]:
        """The budget and the queue as they stand. Raises ApiError 404."""
        row = await self.one(account_id, integration_id)
        status = await self._deliveries.budget_status(row["id"])
        return {"integration_id": row["id"], **status}

    async def begin_data_access(self, account_id: UUID, integration_id: UUID | None) -> None:
        """Raises ApiError 404, 409."""
        row = await self._reachable(account_id, integration_id)
        await self._catalog.begin_data_access(account_id, row["id"])

    async def manual_sync(
        self, account_id: UUID, integration_id: UUID | None, body: ManualSync
    ) -> None:
        """Raises ApiError 400, 404, 409."""
        row = await self._reachable(account_id, integration_id)
        problems: list[Problem] = []
        ids: list[UUID] = []
        for place, text in enumerate(body.resident_ids):
            resident_id = parse_id(text)
            if resident_id is None:
                path = ("resident_ids", place)
                problems.append(
                    Problem("unknown_reference", path, f"resident_ids.{place} is no resident here.")
                )
            else:
                ids.append(resident_id)
        if problems:
            raise invalid(problems)
        await self._catalog.manual_sync(account_id, row["id"], body.models_to_sync, ids)

    # --- inside -------------------------------------------------------------------------------

    async def _load_one(self, integration_id: UUID) -> Integration | None:
        loaded = await self.load([integration_id])
        return loaded[0] if loaded else None

    def _integration(self, row: Record) -> Integration:
        names = Integration.__dataclass_fields__
        values = {name: row[name] for name in names if name != "credentials"}
        credentials = self._vault.decrypt(row["id"], row["credentials"])
        return Integration(credentials=credentials, **values)

    def _sealed(
        self, declaration: Declaration, credentials: Mapping[str, Any], integration_id: UUID
    ) -> dict[str, Any]:
        return {
            "credentials": self._vault.encrypt(integration_id, credentials),
            "budget_scope": self._vault.budget_scope(declaration, credentials, integration_id),
        }

    async def _reachable(self, account_id: UUID, integration_id: UUID | None) -> Record:
        """The integration, if its PMS is being called at all."""
        row = await self.one(account_id, integration_id)
        if row["is_archived"]:
            raise ApiError(Code.CONFLICT, "This integration is archived.")
        if not row["active"]:
            raise ApiError(
                Code.CONFLICT, "This integration is not active; its PMS is not called meanwhile."
            )
        vendor = vendors().get(row["vendor"])
        if vendor is None or vendor.connector is None:
            raise ApiError(
                Code.NOT_SUPPORTED,
                f"{row['vendor']} cannot be read: Frontdesk has no connector for it.",
            )
        return row

    async def _source(self, account_id: UUID, text: str) -> Record | None:
        source_id = parse_id(text)
        return None if source_id is None else await self._repository.one(account_id, source_id)

    async def _changed(
        self,
        transaction: Connection,
        account_id: UUID,
        integration_id: UUID,
        declaration: Declaration,
        body: IntegrationUpdate,
        changes: dict[str, Any],
        problems: list[Problem],
    ) -> Record:
        row = await self._repository.lock(transaction, account_id, integration_id)
        if row is None:
            raise not_found("integration")
        if row["is_archived"]:
            raise ApiError(Code.CONFLICT, "This integration is archived; it cannot be changed.")
        problems += frequency_problems({**row, **changes})
        if problems:
            raise invalid(problems)
        if body.credentials is not None:
            changes |= self._sealed(declaration, given(body.credentials), integration_id)
        changed = await self._repository.change(transaction, integration_id, changes)
        await self._audit.record(
            transaction,
            account_id,
            "integration.update",
            integration_id,
            before=told(row, _TOLD),
            after=told(changed, _TOLD),
        )
        return changed


def data_access_of(row: Record) -> dict[str, Any]:
    """The stored result of the last data-access check, by model."""
    stored: dict[str, Any] = orjson.loads(row["data_access"])
    return stored
