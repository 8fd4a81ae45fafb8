"""Puts the product together: the only place that knows every feature's service. Their endpoints stand
in `api.py`, so that a worker or a command loads no web framework.

A process opens its services once and closes them at its end. Nothing is decided here but who gets
whom.
"""

from dataclasses import dataclass
from typing import Literal

from frontdesk.accounts.service import AccountService
from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Database
from frontdesk.delivery.service import DeliveryService
from frontdesk.events.bulk import BulkEvents
from frontdesk.events.service import EventsService
from frontdesk.integrations.service import IntegrationService
from frontdesk.retention.erasure import ErasureService
from frontdesk.retention.service import RetentionService
from frontdesk.settings import Settings
from frontdesk.vault import Texts, Vault, VaultService, load_keys
from frontdesk.vendors import templates
from frontdesk.vendors.registry import vendors
from frontdesk.webhooks.service import WebhookService
from frontdesk.writes.intake import Intake
from frontdesk.writes.service import WritesService

Role = Literal["api", "worker", "command"]

# A worker's loops each hold a connection for moments, a command asks one thing after the other.
_CONNECTIONS_OF_A_COMMAND = 2


@dataclass(frozen=True)
class Services:
    """Every feature's service, on one pool of connections."""

    settings: Settings
    database: Database
    vault: Vault
    texts: Texts
    keys: VaultService
    accounts: AccountService
    integrations: IntegrationService
    catalog: CatalogService
    delivery: DeliveryService
    events: EventsService
    bulk_events: BulkEvents
    writes: WritesService
    intake: Intake
    erasure: ErasureService
    webhooks: WebhookService
    retention: RetentionService

    @property
    def draining(self) -> bool:
        """Whether this process is about to end."""
        return self.writes.waiters.draining

    def begin_drain(self) -> None:
        """Answer at once whoever waits for the end of a write; requests are served as before.
        May be called more than once."""
        self.writes.drain()

    async def close(self) -> None:
        """Finish what is under way and disconnect."""
        self.begin_drain()
        await self.intake.close()
        await self.accounts.close()
        await self.database.close()


async def open_services(settings: Settings, database_url: str, *, role: Role) -> Services:
    """The services of a process, on a database whose schema is current.

    Raises DatabaseUnavailable, EncryptionKeyError (KeyMismatch where the database's credentials are
    stored with another key; also where the schema is too old to encrypt texts), BadTemplateError.
    """
    use_templates(settings)
    embedded = settings.database_url is None
    vault = Vault(load_keys(settings, settings.data_dir, embedded=embedded))
    maximum = _CONNECTIONS_OF_A_COMMAND if role == "command" else settings.database_connections
    database = await Database.connect(
        database_url,
        minimum=1,
        maximum=maximum,
        pooler=settings.database_pooler == "transaction",
        application_name=f"frontdesk {role}",
        command_timeout=settings.database_patience_seconds,
    )
    try:
        services = _composed(settings, database, vault)
        await services.keys.check()
        if settings.encrypt_personal_data and role != "command":
            await services.keys.check_texts()
    except BaseException:
        await database.close()
        raise
    return services


def use_templates(settings: Settings) -> None:
    """Take the operator's vendor templates, each tried first. Raises BadTemplateError."""
    templates.use_folder(settings.templates_dir)
    for code, vendor in vendors().items():
        for template in vendor.declaration.templates:
            templates.check(code, template)


def _composed(settings: Settings, database: Database, vault: Vault) -> Services:
    accounts = AccountService(database)
    delivery = DeliveryService(database, settings.budget_factor)
    texts = Texts(vault, sealing=settings.encrypt_personal_data)
    catalog = CatalogService(database, vault.erased_name, texts)
    intake = Intake(database, queue=settings.intake_queue, batch=settings.intake_batch, texts=texts)
    writes = WritesService(database, intake, vault, waiters=settings.waiters, texts=texts)
    integrations = IntegrationService(
        database,
        vault,
        settings.allowed_addresses,
        deliveries=delivery,
        writes=writes,
        catalog=catalog,
    )
    delivery.serve(integrations)
    webhooks = WebhookService(database, vault, settings, texts)
    events = EventsService(database, integrations, catalog, writes, intake, webhooks)
    return Services(
        settings=settings,
        database=database,
        vault=vault,
        texts=texts,
        keys=VaultService(database, vault),
        accounts=accounts,
        integrations=integrations,
        catalog=catalog,
        delivery=delivery,
        events=events,
        bulk_events=BulkEvents(events, intake),
        writes=writes,
        intake=intake,
        erasure=ErasureService(database, vault.erased_name),
        webhooks=webhooks,
        retention=RetentionService(database, settings),
    )
