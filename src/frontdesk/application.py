"""Puts the product together: the only place that knows every feature's service and endpoints.

A process opens its services once and closes them at its end. Nothing is decided here but who gets
whom.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI

from frontdesk.accounts.service import AccountService
from frontdesk.database.pool import Database
from frontdesk.http.app import check_paths, create_base_app
from frontdesk.integrations import endpoints as integration_endpoints
from frontdesk.integrations.service import IntegrationService
from frontdesk.integrations.vault import Vault, load_key
from frontdesk.settings import Settings

Role = Literal["api", "worker", "command"]

# A worker's loops each hold a connection for moments, a command asks one thing after the other.
_CONNECTIONS_OF_A_COMMAND = 2


@dataclass(frozen=True)
class Services:
    """Every feature's service, on one pool of connections."""

    settings: Settings
    database: Database
    vault: Vault
    accounts: AccountService
    integrations: IntegrationService
    catalog: Any
    delivery: Any
    events: Any
    writes: Any
    intake: Any

    async def close(self) -> None:
        """Answer who waits, end what runs, and disconnect."""
        await self.stop()
        await self.database.close()

    async def stop(self) -> None:
        """Answer everybody who waits here; new requests may still be served."""


async def open_services(settings: Settings, database_url: str, *, role: Role) -> Services:
    """The services of a process, on a database whose schema is current.

    Raises DatabaseUnavailable, EncryptionKeyError (KeyMismatch where the database's credentials are
    stored with another key).
    """
    embedded = settings.database_url is None
    vault = Vault(load_key(settings, settings.data_dir, embedded=embedded))
    maximum = _CONNECTIONS_OF_A_COMMAND if role == "command" else settings.database_connections
    database = await Database.connect(
        database_url,
        minimum=1,
        maximum=maximum,
        pooler=settings.database_pooler == "transaction",
        application_name=f"frontdesk {role}",
    )
    try:
        services = _composed(settings, database, vault)
        await services.integrations.check_key()
    except BaseException:
        await database.close()
        raise
    return services


def create_app(services: Services) -> FastAPI:
    """The HTTP API of these services. They stay open: whoever opened them closes them."""
    app = create_base_app(
        database=services.database,
        doorkeeper=services.accounts,
        slow_down=services.settings.request_limit_slow_down,
        on_stop=services.stop,
    )
    app.state.services = services
    for routes in _routes():
        app.router.routes.extend(routes)
    app.include_router(integration_endpoints.router)
    check_paths(app)
    return app


def _composed(settings: Settings, database: Database, vault: Vault) -> Services:
    accounts = AccountService(database)
    integrations = IntegrationService(
        database,
        vault,
        settings.allowed_addresses,
        deliveries=_Transitional(),
        writes=_Transitional(),
        catalog=_Transitional(),
    )
    return Services(
        settings=settings,
        database=database,
        vault=vault,
        accounts=accounts,
        integrations=integrations,
        catalog=None,
        delivery=None,
        events=None,
        writes=None,
        intake=None,
    )


def _routes() -> Sequence[Any]:
    return ()


class _Transitional:
    """Stands in until the features are there. Goes away before this lands."""

    async def budget_status(self, integration_id: Any) -> dict[str, Any]:
        return {
            "updated_at": None,
            "api_ratelimits": [],
            "queue_depth": 0,
            "expected_start": None,
        }

    async def probe_at_once(self, integration_id: Any) -> None: ...

    async def cancel_waiting(self, integration_id: Any) -> int:
        return 0

    async def manual_sync(self, *_: Any) -> None: ...

    async def begin_data_access(self, *_: Any) -> None: ...
