"""Which methods a path takes where several paths would fit: those of the one that has its letters.

The router goes on to a path with a parameter where the one that is declared letter for letter does not
take the method: a PUT of `/v1/webhooks/callback-secret` would look for a webhook of that name. OpenAPI
lets the letters come first, and a caller is told what the document says of the path that he wrote.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from frontdesk.errors import ApiError, Code


@dataclass(frozen=True)
class _Declared:
    methods: frozenset[str]
    endpoint: Callable[..., Any] | None


class LettersFirst(BaseRoute):
    """Takes, and refuses, what a path without a parameter is asked for by another method than its own.
    Stands before every route with a parameter; routes that are added later it does not know."""

    def __init__(self, app: FastAPI) -> None:
        self._declared: dict[str, _Declared] = {}
        for route in iter_route_contexts(app.routes):
            if route.path is None or "{" in route.path or not route.methods:
                continue
            before = self._declared.get(route.path, _Declared(frozenset(), route.endpoint))
            self._declared[route.path] = _Declared(before.methods | route.methods, before.endpoint)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whole, so that no other route is asked. The endpoint is for whoever names the path."""
        if scope["type"] != "http":
            return Match.NONE, {}
        declared = self._declared.get(scope["path"])
        if declared is None or scope["method"] in declared.methods:
            return Match.NONE, {}
        return Match.FULL, {"endpoint": declared.endpoint}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ApiError 405."""
        del receive, send
        raise not_taken(self._declared[scope["path"]].methods)


def not_taken(methods: Collection[str]) -> ApiError:
    """405: the path takes these methods."""
    named = ", ".join(sorted(methods))
    return ApiError(
        Code.METHOD_NOT_ALLOWED,
        f"This path does not take this method; it takes {named or 'none'}.",
        headers={"Allow": named},
    )
