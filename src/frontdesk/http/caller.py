"""Who makes the request, for endpoints: put there by the authentication middleware.

An endpoint names the scope that it needs; a token without it gets a 403.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from frontdesk.accounts.service import SCOPES, Caller
from frontdesk.errors import ApiError, Code

__all__ = ["Caller", "caller", "caller_of", "caller_with"]


def caller_of(request: Request, scope: str | None = None) -> Caller:
    """The request's caller. Raises ApiError 403 where his token lacks `scope`."""
    found: Caller = request.scope["state"]["caller"]
    if scope is not None and scope not in found.scopes:
        raise ApiError(
            Code.FORBIDDEN,
            f"This token lacks the scope {scope!r}; make one with it, or use another.",
            details={"scope": scope},
        )
    return found


async def caller(request: Request) -> Caller:
    """FastAPI dependency: the caller, whatever his token may do."""
    return caller_of(request)


def caller_with(scope: str) -> Callable[[Request], Awaitable[Caller]]:
    """FastAPI dependency: the caller, if his token has `scope`."""
    if scope not in SCOPES:
        raise ValueError(f"There is no scope {scope!r}.")

    # Async, or FastAPI would run it in a thread.
    async def with_scope(request: Request) -> Caller:
        return caller_of(request, scope)

    return with_scope
