"""The bare app: middleware, errors, health, the OpenAPI document and its page; no feature.

`/docs` works without a network: its scripts are served from here.
"""

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from frontdesk.accounts.guesses import Guesses
from frontdesk.database.pool import Database, DatabaseUnavailable
from frontdesk.database.releases import is_served
from frontdesk.http.answers import json_answer
from frontdesk.http.gate import NO_ROUTE, Authentication, Doorkeeper, Envelope
from frontdesk.http.openapi import documents, operation

PAUSE_SECONDS = 0.01
"""Some times what writing the longest answer takes: it costs a fraction of a core at most."""

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_DESCRIPTION = """Records resident events in property management systems (PMS): each accepted event
reaches its PMS once, in the order of acceptance, or its owner is told why not.

Every request under `/v1` carries `Authorization: Bearer <token>`. Collection paths answer with and
without the trailing slash. A field that is `null` is treated as absent."""

_STATUS = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}},
}


class _App(FastAPI):
    """FastAPI under our own layers alone. Its own tell errors, bound bodies and make spans, which ours
    do, and every request would pass all of them."""

    def build_middleware_stack(self) -> ASGIApp:
        """The layers that were added, around the one that endpoints need."""
        app: ASGIApp = AsyncExitStackMiddleware(self.router)
        for layer, arguments, options in reversed(self.user_middleware):
            app = layer(app, *arguments, **options)
        return app


def create_base_app(
    *,
    database: Database,
    doorkeeper: Doorkeeper,
    slow_down: bool,
    guesses: Guesses,
    draining: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """The app without a feature. Features declare their paths without a trailing slash. `draining`
    tells whether the process is about to end: it serves what comes, and asks for no more."""
    app = _App(
        title="Frontdesk",
        version=version("frontdesk"),
        summary="Resident events into property management systems: once, in order.",
        description=_DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # The framework's own spans and logs would hold query strings and the text of errors.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.openapi = documents(app)  # type: ignore[method-assign] # the framework's documented way

    def allowed(scope: Scope) -> list[str]:
        return [method for method in _METHODS if _takes(app, scope, method)]

    # The last added is the outermost.
    app.add_middleware(Authentication, doorkeeper=doorkeeper, slow_down=slow_down, guesses=guesses)
    app.add_middleware(Envelope, allowed=allowed, template=_templates(app))
    _add_health(app, database, draining)
    _add_pages(app)
    return app


def check_paths(app: FastAPI) -> None:
    """Refuse a path that could never be reached, because the slash at its end is taken away."""
    paths = [str(route.path) for route in iter_route_contexts(app.routes)]
    wrong = [path for path in paths if len(path) > 1 and path.endswith("/")]
    if wrong:
        raise ValueError(f"Declare paths without a trailing slash: {', '.join(wrong)}")


def _takes(app: FastAPI, scope: Scope, method: str) -> bool:
    asked = {**scope, "method": method}
    return any(route.matches(dict(asked))[0] is Match.FULL for route in app.router.routes)


def _templates(app: FastAPI) -> Callable[[Scope], str]:
    """A function that gives the template of the route that a request reached, `none` where it reached
    none. By endpoint: what was asked for is the caller's to choose, and would be a label of its own."""
    known: dict[object, str] = {}

    def template(scope: Scope) -> str:
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return NO_ROUTE
        if not known:
            for route in iter_route_contexts(app.routes):
                known.setdefault(route.endpoint, str(route.path))
        return known.get(endpoint, NO_ROUTE)

    return template


def _add_health(app: FastAPI, database: Database, draining: Callable[[], bool]) -> None:
    @app.get(
        "/healthz",
        tags=["Health"],
        summary="Whether the process lives",
        **operation("getHealth", _STATUS, protected=False),
    )
    async def healthz() -> Response:
        return json_answer({"status": "ok"})

    @app.get(
        "/readyz",
        tags=["Health"],
        summary="Whether requests can be served: the database answers, and its schema is of this "
        "release or of the one before",
        **_readiness(),
    )
    async def readyz() -> Response:
        if draining():
            # Over connections that were kept: new ones are not taken any more.
            return json_answer({"status": "draining"}, 503, {"Retry-After": "1"})
        try:
            serves = await is_served(database)
        except DatabaseUnavailable:
            return json_answer({"status": "database unavailable"}, 503, {"Retry-After": "1"})
        if not serves:
            return json_answer({"status": "migrations pending"}, 503, {"Retry-After": "1"})
        return json_answer({"status": "ready"})

    del healthz, readyz


def _readiness() -> dict[str, Any]:
    """The operation's document: it says why not in the words in which it says that it can."""
    found = operation("getReadiness", _STATUS, protected=False)
    found["responses"][503] = {
        "description": "Not now: `database unavailable`, `migrations pending` or `draining`.",
        "content": {"application/json": {"schema": _STATUS}},
    }
    return found


class _InTurn(Response):
    """A long answer that anybody may ask for: one is begun at a time, and the next a while later. A
    thousand asked for at once would else be written before anything else is done. Who does not read
    his own holds up nobody's."""

    _next = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, _InTurn._next)
        _InTurn._next = turn + PAUSE_SECONDS
        if turn > now:
            await asyncio.sleep(turn - now)
        await super().__call__(scope, receive, send)


def _add_pages(app: FastAPI) -> None:
    made: list[bytes] = []

    async def openapi(request: Request) -> Response:
        del request
        # Made once: anybody may ask, and each of many unread answers would be a copy of its own.
        if not made:
            made.append(bytes(json_answer(app.openapi()).body))
        return _InTurn(made[0], media_type="application/json")

    async def docs(request: Request) -> Response:
        del request
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Frontdesk API",
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="/docs/static/favicon.png",
        )

    app.router.routes.append(Route("/openapi.json", openapi, methods=["GET"]))
    app.router.routes.append(Route("/docs", docs, methods=["GET"]))
    # The package is here for these files only: it follows the releases of the page's scripts.
    static = files("fastapi_offline") / "static"
    app.mount("/docs/static", StaticFiles(directory=str(static)), name="docs")
