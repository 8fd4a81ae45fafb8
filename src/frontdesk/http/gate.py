"""The two layers that every request passes, as plain ASGI: on the hot path each costs microseconds.

`Envelope`: a request id, the path without a trailing slash, and any error as the contract's answer.
`Authentication`: the bearer token and the account's request limit, for paths under `/v1`. Neither
reads a body nor knows an endpoint.
"""

import asyncio
import os
import time
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontdesk.accounts.guesses import Guesses
from frontdesk.accounts.limits import Allowance
from frontdesk.accounts.service import Caller, prefix_in
from frontdesk.audit.actor import Actor, act_as
from frontdesk.errors import ApiError, Code
from frontdesk.http.answers import error_answer, told
from frontdesk.ids import parse_id
from frontdesk.metrics import counts
from frontdesk.outgoing.addresses import carried, read_address
from frontdesk.tracing import arrivals, spans

PROTECTED = "/v1"
ADMINISTRATION = "/v1/admin"
SLOW_DOWN_SECONDS = 2.0
NO_ROUTE = "none"
"""What stands for the template of a request that reached no route."""

_log = structlog.get_logger(__name__)


class Doorkeeper(Protocol):
    """Who knows the callers: `accounts`."""

    async def authenticate(self, token: str) -> Caller | None: ...

    def was_good(self, token: str) -> bool: ...

    async def count_request(self, caller: Caller, *, administers: bool = False) -> Allowance: ...


class Envelope:
    """Outermost: gives every answer its headers, and every error its shape."""

    def __init__(
        self,
        app: ASGIApp,
        allowed: Callable[[Scope], Collection[str]],
        template: Callable[[Scope], str],
    ) -> None:
        self._app = app
        self._allowed = allowed
        self._template = template

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Ours, not the caller's: an id that stands in every log line must not be chosen outside.
        request_id = os.urandom(12).hex()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id, client=client_address(scope))
        path = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            # Every path answers with and without the slash; routes are declared without.
            scope["path"] = path[:-1]
        began = time.monotonic()
        arrival = state["arrival"] = arrivals.arrival(counts.method_of(scope["method"]), request_id)
        begun = False
        status = 0
        head = [(b"x-request-id", request_id.encode())]

        async def enveloped(message: Message) -> None:
            nonlocal begun, status
            if message["type"] == "http.response.start":
                begun = True
                status = message["status"]
                allowance: Allowance | None = state.get("allowance")
                message["headers"] = [
                    *message.get("headers", ()),
                    *head,
                    *(() if allowance is None else _limit_headers(allowance)),
                ]
            await send(message)

        try:
            await self._app(scope, receive, enveloped)
        except ClientDisconnect:
            # Nobody is left to answer to.
            _log.debug("client went away", path=scope["path"])
        except Exception as error:
            answer = told(error, request_id=request_id, allowed=lambda: self._allowed(scope))
            if begun:
                # Half an answer is out: only a broken connection tells that it is not whole.
                _log.error("answer broken off", path=scope["path"], exc_info=error)
                raise
            await error_answer(answer)(scope, receive, enveloped)
        finally:
            # 0: nobody was left to answer to.
            seconds = time.monotonic() - began
            route = self._template(scope)
            counts.request_answered(scope["method"], route, status, seconds)
            if arrival is not None:
                arrival.end(None if route == NO_ROUTE else route, status, _integration_of(scope))


class Authentication:
    """Lets a request under `/v1` through if its token is good and its account has requests left."""

    def __init__(
        self, app: ASGIApp, doorkeeper: Doorkeeper, *, slow_down: bool, guesses: Guesses
    ) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._slow_down = slow_down
        self._guesses = guesses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not _is_under(path, PROTECTED):
            await self._app(scope, receive, send)
            return
        caller = await self._caller(scope)
        structlog.contextvars.bind_contextvars(token_prefix=caller.token_prefix)
        state = scope["state"]
        state["caller"] = caller
        if (arrival := state["arrival"]) is not None:
            arrival.admit(scope["headers"], caller.account_id)
        act_as(Actor(caller.token_prefix, client_address(scope), state["request_id"]))
        allowance = await self._doorkeeper.count_request(
            caller, administers=_is_under(path, ADMINISTRATION)
        )
        state["allowance"] = allowance
        if not allowance.allowed:
            raise ApiError(
                Code.RATE_LIMITED,
                f"This account's limit of {allowance.limit} requests a minute is reached; "
                f"go on in {allowance.reset} s.",
                headers={"Retry-After": str(allowance.reset)},
            )
        if allowance.slow and self._slow_down:
            await asyncio.sleep(SLOW_DOWN_SECONDS)
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        """Raises ApiError 401; 429, without a look at the token, where too many that were none came
        from this address."""
        token = _bearer(scope)
        if token is None:
            raise _unauthenticated()
        address = client_address(scope)
        wait = self._guesses.seconds_to_wait(address)
        # Many callers may share an address (a proxy, a customer's network): who was let in lately is
        # not shut out because another one guesses, or goes on with a token that is revoked.
        if wait and not self._doorkeeper.was_good(token):
            raise ApiError(
                Code.RATE_LIMITED,
                f"Too many requests without a valid token came from this address; go on in {wait} s.",
                headers={"Retry-After": str(wait)},
            )
        caller = await self._doorkeeper.authenticate(token)
        if caller is None:
            self._guesses.failed(address)
            _log.info("authentication failed", client=address, token_prefix=prefix_in(token))
            raise _unauthenticated()
        return caller


def _is_under(path: str, head: str) -> bool:
    return path.startswith(head) and path[len(head) : len(head) + 1] in ("", "/")


def _integration_of(scope: Scope) -> dict[str, str]:
    """The integration that the path names, if it is an id: anything else is the caller's to choose."""
    named = scope.get("path_params", {}).get("integration_id")
    found = parse_id(named) if isinstance(named, str) else None
    return {} if found is None else {spans.INTEGRATION_ID: str(found)}


def client_address(scope: Scope) -> str:
    """Who is on the other side: the peer's address, or what a trusted proxy says of him (the server
    has judged that by `FRONTDESK_TRUSTED_PROXIES`). For logs, the audit trail and throttling."""
    client = scope.get("client")
    if not client:
        return "unknown"
    return _shown_address(str(client[0]))


@lru_cache(maxsize=4096)
def _shown_address(text: str) -> str:
    # Kept, because the same callers come again and again: reading it took 3 % of a busy process.
    address = read_address(text)
    # A proxy may pass on whatever it was told: what is no address must not pass for one.
    return "unknown" if address is None else str(carried(address))


def _bearer(scope: Scope) -> str | None:
    """The token of the one Authorization header; None for none, several, or another scheme."""
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                return None
            found = value
    if found is None:
        return None
    scheme, _, token = found.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _unauthenticated() -> ApiError:
    # One wording for a missing, malformed, unknown, revoked and expired token.
    return ApiError(
        Code.UNAUTHENTICATED,
        "A valid token is needed: send it as `Authorization: Bearer <token>`.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _limit_headers(allowance: Allowance) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-ratelimit-limit", b"%d" % allowance.limit),
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", b"%d" % allowance.reset),
    )
