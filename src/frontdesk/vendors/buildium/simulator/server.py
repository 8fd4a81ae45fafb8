"""Buildium's front door: keys, routes, what surrounds every answer, and the concurrency limit."""

from __future__ import annotations

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
    derived_secret,
    listing_of,
    proves,
)
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.buildium.simulator import notes, reads
from frontdesk.vendors.buildium.simulator.answers import Refusal, error
from frontdesk.vendors.buildium.simulator.seed import BUSY_TENANT, seed

VENDOR = "BUILDIUM"
MAX_QUERY = 4096

_CLIENT_ID = re.compile(r"(sandbox|readonly)-[0-9]{1,6}")

GUESSES = (
    "A body that is no JSON object gets 400, any other refused body 422.",
    "A wrong method on a known path answers 405.",
    "A key that may not write answers 403 on every write.",
    "Unknown query parameters are passed over.",
    "Notes written through the API bear one user of the account, whatever the key.",
    "UpdatedDateTime has whole seconds, as in the documentation's examples.",
    "A request may take effect 20 s after its connection, and show in lists 1 s after that.",
    "The limit of ten counts requests in flight per key; a refused one answers at once.",
    "Spelling of Participant in phone logs (Id, Type) and of the lease's Tenants list.",
)

Handler = Callable[..., Reply]


@dataclass(frozen=True, slots=True)
class _Route:
    """One path with its methods; numbers in the path are handed to the handler in order."""

    pattern: re.Pattern[str]
    handlers: Mapping[str, Handler]


def _route(path: str, **handlers: Handler) -> _Route:
    return _Route(re.compile(path.replace("{id}", r"(\d{1,18})")), handlers)


def _list(collection: str) -> Handler:
    return partial(reads.list_records, collection)


def _one(collection: str) -> Handler:
    def handler(request: Request, scene: Scene, number: int) -> Reply:
        return reads.one_record(collection, number, request, scene)

    return handler


_NOTES = "/v1/leases/tenants/{id}/notes"

_ROUTES = (
    _route(_NOTES, GET=notes.list_notes, POST=notes.create_note),
    _route(_NOTES + "/{id}", GET=notes.read_note, PUT=notes.update_note),
    _route("/v1/leases/tenants", GET=_list("tenants")),
    _route("/v1/leases/tenants/{id}", GET=_one("tenants")),
    _route("/v1/leases", GET=_list("leases")),
    _route("/v1/leases/{id}", GET=_one("leases")),
    _route("/v1/rentals", GET=_list("rentals")),
    _route("/v1/rentals/{id}", GET=_one("rentals")),
    _route("/v1/rentals/units", GET=_list("units")),
    _route("/v1/rentals/units/{id}", GET=_one("units")),
    _route("/v1/users", GET=_list("users")),
    _route("/v1/users/{id}", GET=_one("users")),
    _route("/v1/userroles", GET=_list("userroles")),
    _route("/v1/userroles/{id}", GET=_one("userroles")),
    _route("/v1/communications/phonelogs", GET=notes.list_phone_logs, POST=notes.create_phone_log),
    _route("/v1/communications/phonelogs/{id}", GET=notes.read_phone_log),
)

_PAGE = ("limit", "offset")
_TENANT = re.compile(r"/v1/leases/tenants/(\d+)")


class BuildiumSimulator:
    """The simulator of Buildium. Any client id `sandbox-<n>` works with its derived secret, and
    `readonly-<n>` may read alone."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits(concurrency=10, per="client id")
    figures = Figures(late_effect_seconds=20.0, read_lag_seconds=1.0)

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`."""
        client_id = f"sandbox-{number}"
        return {"clientId": client_id, "secret": derived_secret(VENDOR, client_id)}

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, _scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing."""
        return {
            "tenant": "4105",
            "tenant_without_email": "4107",
            "tenant_without_phone": "4108",
            "tenant_with_60_notes": str(4100 + BUSY_TENANT),
            "tenant_without_lease": "4205",
            "tenant_with_two_current_leases": "4214",
            "tenant_current_at_two_properties": "4215",
            "property": "1001",
            "inactive_property": "1004",
            "leasing_agent": "101",
            "staff_without_leasing_agent_role": "105",
            "inactive_staff": "108",
            "readonly_credentials": {
                "clientId": "readonly-1",
                "secret": derived_secret(VENDOR, "readonly-1"),
            },
        }

    def credential_of(self, request: Request) -> str | None:
        """The client id, if its secret is right."""
        client_id = request.headers.get("x-buildium-client-id", "")
        secret = request.headers.get("x-buildium-client-secret", "")
        known = _CLIENT_ID.fullmatch(client_id) and proves(VENDOR, client_id, secret)
        return client_id if known else None

    def describe(self, request: Request, _scene: Scene) -> Description:
        """GET reads, everything else writes; the tenant is in the path or the participant."""
        operation = Operation.READ if request.method == "GET" else Operation.WRITE
        listing = listing_of(request, *_PAGE)
        tenant = _TENANT.match(request.path)
        if tenant is not None:
            who = frozenset({tenant[1]})
            return Description(operation, x_resident_ids=who, listing=listing)
        participant = request.json_object.get("Participant")
        if isinstance(participant, dict):
            return Description(operation, x_resident_ids=frozenset({str(participant.get("Id"))}))
        return Description(operation, listing=listing)

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one request."""
        if len(request.query_string) > MAX_QUERY:
            return self.failure(request, 500)
        client_id = self.credential_of(request)
        if client_id is None:
            return self.unauthorised(request)
        for route in _ROUTES:
            match = route.pattern.fullmatch(request.path)
            if match is None:
                continue
            handler = route.handlers.get(request.method)
            if handler is None:
                allow = ("Allow", ", ".join(route.handlers))
                return error(405, "The method is not allowed.").with_headers(allow)
            if request.method != "GET" and client_id.startswith("readonly-"):
                return error(403, "The API key lacks the permission for this request.")
            try:
                return handler(request, scene, *(int(number) for number in match.groups()))
            except Refusal as refusal:
                return refusal.reply
        return error(404, "The requested resource was not found.")

    def failure(self, _request: Request, status: int) -> Reply:
        """An error in Buildium's words."""
        return error(status, f"The request could not be completed ({status}).")

    def throttled(self, _request: Request, _quota: Quota) -> Reply:
        """429, without Retry-After: none is documented."""
        return error(429, "Too many concurrent requests.")

    def unauthorised(self, _request: Request) -> Reply:
        """401."""
        return error(401, "The client id or the client secret is not valid.")

    def error_in_success(
        self, _request: Request, _code: int | None, _level: str | None
    ) -> Reply | None:
        """Buildium never hides an error inside a success."""
        return None

    def sign(self, reply: Reply, _quota: Quota) -> Reply:
        """The gateway's own request ids."""
        number = uuid.uuid4().hex
        return reply.with_headers(
            ("x-amzn-RequestId", str(uuid.uuid4())),
            ("X-Amzn-Trace-Id", f"Root=1-{number[:8]}-{number[8:]}"),
        )
