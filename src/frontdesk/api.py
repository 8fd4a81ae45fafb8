"""The HTTP API: the only place that knows every feature's endpoints."""

from fastapi import FastAPI

from frontdesk.accounts.guesses import Guesses
from frontdesk.application import Services
from frontdesk.audit import endpoints as audit_endpoints
from frontdesk.catalog import endpoints as catalog_endpoints
from frontdesk.events import endpoints as event_endpoints
from frontdesk.http.app import check_paths, create_base_app
from frontdesk.http.methods import LettersFirst
from frontdesk.integrations import endpoints as integration_endpoints
from frontdesk.retention import endpoints as retention_endpoints
from frontdesk.webhooks import endpoints as webhook_endpoints
from frontdesk.writes import endpoints as write_endpoints


def create_app(services: Services) -> FastAPI:
    """The HTTP API of these services. They stay open: whoever opened them closes them."""
    app = create_base_app(
        database=services.database,
        doorkeeper=services.accounts,
        slow_down=services.settings.request_limit_slow_down,
        guesses=Guesses(services.settings.failed_authentications),
        draining=lambda: services.draining,
    )
    app.state.services = services
    # First: the hot path is found at once.
    app.router.routes[:0] = event_endpoints.routes()
    for features in (
        event_endpoints,
        write_endpoints,
        catalog_endpoints,
        integration_endpoints,
        webhook_endpoints,
        retention_endpoints,
        audit_endpoints,
    ):
        app.include_router(features.router)
    check_paths(app)
    # Behind the hot path, which is made of letters itself, and before all that has parameters.
    app.router.routes.insert(1, LettersFirst(app))
    return app
