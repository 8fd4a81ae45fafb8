"""AppFolio's front door: Basic and the developer header, routes, windows, and the request id."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from frontdesk.sandbox.community import Community
from frontdesk.sandbox.simulator import (
    Description,
    Figures,
    Limits,
    Operation,
    Quota,
    Reply,
    Request,
    Window,
    derived_secret,
    listing_of,
    proves,
)
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.appfolio.simulator import notes
from frontdesk.vendors.appfolio.simulator.answers import (
    Refusal,
    error,
    filters_of,
    guid,
    listed,
    matching,
)
from frontdesk.vendors.appfolio.simulator.keys import key_of
from frontdesk.vendors.appfolio.simulator.seed import BUSY_TENANT, FURTHER, seed

VENDOR = "APPFOLIO"
DEVELOPER = "sandbox-developer"

_CLIENT_ID = re.compile(r"(sandbox|readonly)-[0-9]{1,6}")

GUESSES = (
    "A note's body is `Body` alone; it is refused with 422 where it is blank or has other keys.",
    "A written note answers 201, a changed one 200, both with `Id` and `Link`.",
    "A body that is no JSON object gets 400, another media type 415, a wrong method 405.",
    "A missing developer header is a 400, missing or malformed Basic a 401, a refused one a 701.",
    "A credential that may only read answers 403 on every write.",
    "A key belongs to its credential; its fingerprint is path and body, byte for byte.",
    "Only what succeeded is kept under a key; a refused request leaves its key free.",
    "A key at work is told with `Retry-After: 1`.",
    "`filters[Id]` takes several ids with commas; a filter that is not known is passed over.",
    "`GET /tenants/notes` takes `filters[EntityId]`.",
    "A page size over 1,000, or a page number below 1, is a 400.",
    "Lists are in the order of writing; `next_page_path` is null at the end.",
    "Somebody with several leases is a tenant for each occupancy.",
    "Tenants have `Email`, `Phone` and `MobilePhone`, units `CurrentOccupancyId`.",
    "Users have `Role` and `HiddenAt`; leases name unit, tenants, `StartOn` and `EndOn`.",
    "A request may take effect 40 s after its connection, and show in lists 1 s after that.",
    "The windows slide, and each credential has its own.",
)

Handler = Callable[..., Reply]


@dataclass(frozen=True, slots=True)
class _Route:
    """One path with its methods; ids in the path are handed to the handler in order."""

    pattern: re.Pattern[str]
    handlers: Mapping[str, Handler]


def _route(path: str, **handlers: Handler) -> _Route:
    return _Route(re.compile("/api/v0" + path.replace("{id}", r"([^/]+)")), handlers)


def _list(collection: str) -> Handler:
    def handler(request: Request, scene: Scene) -> Reply:
        return listed(request, matching(scene.every(collection), filters_of(request)))

    return handler


_ROUTES = (
    _route("/tenants/notes", GET=notes.list_notes),
    _route("/tenants/{id}/notes", POST=notes.create_note),
    _route("/tenants/{id}/notes/{id}", PATCH=notes.update_note),
    *(
        _route(f"/{name}", GET=_list(name))
        for name in ("tenants", "units", "properties", "users", "leases")
    ),
)

_TENANT = re.compile(r"/api/v0/tenants/([^/]+)/notes(/[^/]+)?")


class AppfolioSimulator:
    """The simulator of AppFolio. Any client id `sandbox-<n>` works with its derived secret, and
    `readonly-<n>` (a plan without writes) may read alone."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits(
        windows=(
            Window("SECOND", 8, 1),
            Window("MINUTE", 256, 60),
            Window("HOUR", 4_096, 3_600),
        ),
        per="client id",
    )
    figures = Figures(late_effect_seconds=40.0, read_lag_seconds=1.0)

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`."""
        return _credentials(f"sandbox-{number}")

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, _scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing."""
        tenant = partial(guid, "tenant")
        return {
            "tenant": tenant(5),
            "tenant_without_email": tenant(7),
            "tenant_without_phone": tenant(8),
            "tenant_with_60_notes": tenant(BUSY_TENANT),
            "tenants_of_one_person_current_twice": [tenant(114), tenant(114 + FURTHER)],
            "tenants_of_one_person_past_and_current": [tenant(110), tenant(110 + FURTHER)],
            "tenant_under_notice": tenant(81),
            "property": guid("property", 1),
            "inactive_property": guid("property", 4),
            "unit": guid("unit", 3),
            "leasing_agent": guid("user", 1),
            "staff_without_leasing_agent_role": guid("user", 5),
            "inactive_staff": guid("user", 8),
            "readonly_credentials": _credentials("readonly-1"),
        }

    def credential_of(self, request: Request) -> str | None:
        """The client id, if its secret is right and the developer is known."""
        basic = _basic(request)
        if basic is None or request.headers.get("x-appfolio-developer-id") != DEVELOPER:
            return None
        client_id, secret = basic
        known = _CLIENT_ID.fullmatch(client_id) and proves(VENDOR, client_id, secret)
        return client_id if known else None

    def describe(self, request: Request, _scene: Scene) -> Description:
        """GET reads, everything else writes; the tenant is in the path."""
        operation = Operation.READ if request.method == "GET" else Operation.WRITE
        tenant = _TENANT.fullmatch(request.path)
        return Description(
            operation,
            x_resident_ids=frozenset({tenant[1]} if tenant is not None else ()),
            lock=key_of(request) or "",
            listing=listing_of(request, "page[number]", "page[size]"),
        )

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one request."""
        if not request.headers.get("x-appfolio-developer-id"):
            return error(400, "Required header missing: X-AppFolio-Developer-ID")
        if _basic(request) is None:
            return error(401)
        client_id = self.credential_of(request)
        if client_id is None:
            return self.unauthorised(request)
        for route in _ROUTES:
            match = route.pattern.fullmatch(request.path)
            if match is None:
                continue
            handler = route.handlers.get(request.method)
            if handler is None:
                return error(405).with_headers(("Allow", ", ".join(route.handlers)))
            if request.method != "GET" and client_id.startswith("readonly-"):
                return error(403)
            try:
                return handler(request, scene, *match.groups())
            except Refusal as refusal:
                return refusal.reply
        return error(404)

    def failure(self, _request: Request, status: int) -> Reply:
        """An error in AppFolio's words."""
        return error(status)

    def throttled(self, _request: Request, quota: Quota) -> Reply:
        """429, with the seconds until a place is free in every window that is full."""
        wait = max((share.reset for share in quota.shares if share.remaining <= 0), default=1)
        return error(429).with_headers(("Retry-After", str(max(1, wait))))

    def unauthorised(self, _request: Request) -> Reply:
        """701: the credential is refused."""
        return error(701)

    def maintenance(self, _request: Request) -> Reply:
        """533: most nights, for some hours."""
        return error(533)

    def error_in_success(
        self, _request: Request, _code: int | None, _level: str | None
    ) -> Reply | None:
        """AppFolio never hides an error inside a success."""
        return None

    def sign(self, reply: Reply, _quota: Quota) -> Reply:
        """Its own request id, on every answer."""
        return reply.with_headers(("x-request-id", str(uuid.uuid4())))


def _credentials(client_id: str) -> dict[str, str]:
    return {
        "clientId": client_id,
        "clientSecret": derived_secret(VENDOR, client_id),
        "developerId": DEVELOPER,
    }


def _basic(request: Request) -> tuple[str, str] | None:
    """Client id and secret of the Authorization header, None where it is none of the Basic kind."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (client_id, secret) if colon else None
