"""What a simulator is: the small protocol between the chassis and one vendor's pretended server.

The shapes here are free of any web framework, so that a simulator states its vendor's wire in plain
values and the chassis alone touches sockets. A simulator's `handle` is synchronous on purpose: it
runs in one piece inside one stored transaction, so no two requests can interleave inside it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl

from frontdesk.sandbox.community import Community
from frontdesk.sandbox.world import Scene

Json = dict[str, Any]


class Malformed(ValueError):  # noqa: N818 (expected: each vendor words its own refusal)
    """A request body that is no JSON."""


class Operation(StrEnum):
    """What a request is for, as far as faults are concerned."""

    READ = "read"
    WRITE = "write"
    LOGIN = "login"


class Request:
    """One HTTP request as a simulator sees it.

    `path` is what follows the vendor's prefix (`/v1/...`), decoded, its case untouched;
    `query_string` is raw; header names are lower case. `base_url` is the address up to and
    including the prefix, for links in answers.
    """

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query_string: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        base_url: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers: Mapping[str, str] = headers or {}
        self.body = body
        self.base_url = base_url

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """Every value of every query parameter, in order; names keep their case."""
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query_string, keep_blank_values=True):
            values.setdefault(name, []).append(value)
        return values

    @cached_property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def _parsed(self) -> tuple[bool, Any]:
        try:
            value = json.loads(self.body.decode("utf-8"))
            if rb"\ud" in self.body.lower():
                # A lone surrogate passes `loads`, and then no store and no answer can hold it.
                json.dumps(value, ensure_ascii=False).encode("utf-8")
        except (UnicodeError, json.JSONDecodeError, RecursionError):
            return False, None
        return True, value

    @property
    def json(self) -> Any:
        """The body as JSON. Raises `Malformed` if it is none (also for one nested too deep)."""
        readable, value = self._parsed
        if not readable:
            raise Malformed("the body is not JSON")
        return value

    @property
    def json_object(self) -> Json:
        """The body if it is a JSON object, else an empty one: for looking, never for judging."""
        readable, value = self._parsed
        return value if readable and isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, headers in order, body bytes."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, status: int, value: object, *headers: tuple[str, str]) -> Reply:
        """An answer whose body is `value` as JSON."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, body, (("Content-Type", "application/json; charset=utf-8"), *headers))

    def with_headers(self, *headers: tuple[str, str]) -> Reply:
        """The same answer with more headers."""
        return replace(self, headers=(*self.headers, *headers))


@dataclass(frozen=True, slots=True)
class Window:
    """`amount` requests in any `seconds` seconds; `name` is the vendor's word for the window."""

    name: str
    amount: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """A vendor's published throttles; `concurrency` counts requests in flight. `per` says in words
    what they are counted by: the credential, and what else a request's `scope` tells apart."""

    windows: tuple[Window, ...] = ()
    concurrency: int | None = None
    per: str = "credential"


@dataclass(frozen=True, slots=True)
class Share:
    """One window as it stands for one caller; `reset` is whole seconds until a place comes free."""

    name: str
    limit: int
    remaining: int
    reset: int


@dataclass(frozen=True, slots=True)
class Quota:
    """Whether a request may pass, and what is left in each window."""

    allowed: bool
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What a request is about, read without judging it.

    `label` names the call (a method name, where the path does not); `scope` is what the vendor
    counts throttles by, within one credential; `x_resident_ids` are the residents it concerns.
    `lock` is what one request at a time may work on, within one credential (an idempotency key): a
    request that meets another one with its lock still at work is told so by `Scene.is_locked`.
    `listing` names the list that a request reads a page of, alike for every page of it; empty
    where it is none, or not paged.
    """

    operation: Operation
    label: str = ""
    scope: str = ""
    x_resident_ids: frozenset[str] = field(default_factory=frozenset)
    lock: str = ""
    listing: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """How slow the vendor may be, in seconds: after a connection's end until an effect comes, and
    until what was written shows in reads. A hostile sandbox keeps within them."""

    late_effect_seconds: float = 5.0
    read_lag_seconds: float = 1.0


class Simulator(Protocol):
    """One vendor's pretended server. Found as `SIMULATOR` in the vendor's `simulator` module.

    Everything is handed over by position, so that a simulator may name what it does not need `_so`.
    """

    @property
    def vendor(self) -> str:
        """The vendor's code, as in the contract: upper case."""
        ...

    @property
    def guesses(self) -> Sequence[str]:
        """Every behaviour here that no document or observation of the vendor supports."""
        ...

    @property
    def limits(self) -> Limits:
        """The throttles, with the vendor's real numbers."""
        ...

    def credentials(self, number: int, /) -> Mapping[str, str]:
        """The credential set number `number` (from 1), under the contract's credential keys."""
        ...

    def seed(self, scene: Scene, community: Community, /) -> None:
        """Write the vendor's view of the community into an empty world."""
        ...

    def examples(self, scene: Scene, /) -> Mapping[str, object]:
        """Ids worth knowing, each under a name that says what is special about it."""
        ...

    def credential_of(self, request: Request, /) -> str | None:
        """The public id of the credential that the request proves, or None."""
        ...

    def describe(self, request: Request, scene: Scene, /) -> Description:
        """What the request is about; must not raise, whatever the body holds."""
        ...

    def handle(self, request: Request, scene: Scene, /) -> Reply:
        """Answer, and write through `scene`. A refusal writes nothing."""
        ...

    def failure(self, request: Request, status: int, /) -> Reply:
        """An error of this status in the vendor's own words (for faults)."""
        ...

    def throttled(self, request: Request, quota: Quota, /) -> Reply:
        """The vendor's answer to a caller who is too fast."""
        ...

    def unauthorised(self, request: Request, /) -> Reply:
        """The vendor's answer to credentials that it refuses."""
        ...

    def error_in_success(
        self, request: Request, code: int | None, level: str | None, /
    ) -> Reply | None:
        """A failure inside an HTTP 200, or None where the vendor has no such thing.

        `code` is the vendor's error code to show; `level` is `envelope` or `item` where the vendor
        has both.
        """
        ...

    def sign(self, reply: Reply, quota: Quota, /) -> Reply:
        """Add the headers that every answer of the vendor carries."""
        ...


@runtime_checkable
class StatesFigures(Protocol):
    """A simulator that says how slow its vendor may be; others are a little slow."""

    @property
    def figures(self) -> Figures:
        """The vendor's figures."""
        ...


@runtime_checkable
class HasMaintenance(Protocol):
    """A simulator whose vendor has a form of its own to say that it is down for maintenance; others
    fail with 503."""

    def maintenance(self, request: Request, /) -> Reply:
        """The answer during maintenance."""
        ...


def figures_of(simulator: Simulator) -> Figures:
    """How slow a simulator may be."""
    return simulator.figures if isinstance(simulator, StatesFigures) else Figures()


def maintenance_of(simulator: Simulator, request: Request) -> Reply:
    """What a simulator answers during maintenance."""
    if isinstance(simulator, HasMaintenance):
        return simulator.maintenance(request)
    return simulator.failure(request, 503)


def listing_of(request: Request, *page_parameters: str, params: object = None) -> str:
    """A name for the list that a request reads a page of: path, query and `params` (JSON), but for
    the query parameters that say which page."""
    query = {name: v for name, v in request.query.items() if name.lower() not in page_parameters}
    return json.dumps([request.path, query, params], sort_keys=True, default=str)


def derived_secret(vendor: str, public_id: str) -> str:
    """The secret of a sandbox credential id: the same on every machine, and worthless."""
    return hashlib.sha256(f"frontdesk sandbox {vendor} {public_id}".encode()).hexdigest()[:40]


def proves(vendor: str, public_id: str, secret: str) -> bool:
    """Whether `secret` is the one derived for `public_id`."""
    return hmac.compare_digest(derived_secret(vendor, public_id).encode(), secret.encode())
