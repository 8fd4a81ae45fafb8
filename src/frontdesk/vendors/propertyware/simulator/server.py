"""Propertyware's front door: two APIs with keys of their own, routes, and what each says in need."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
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
from frontdesk.vendors.propertyware.simulator import notes, reads, soap
from frontdesk.vendors.propertyware.simulator.answers import (
    Refusal,
    error,
    page_not_found,
    silent,
)
from frontdesk.vendors.propertyware.simulator.seed import BUSY_TENANCY, seed

VENDOR = "PROPERTYWARE"
SOAP_PATH = "/pw/services/PWServices"
REST_PREFIX = "/pw/api/rest/v1"

_USER = re.compile(r"(sandbox|readonly)-[0-9]{1,6}")
_CLIENT = re.compile(r"client-([0-9]{1,6})")
_KEYS = ("x-propertyware-client-id", "x-propertyware-client-secret", "x-propertyware-system-id")
_PAGED = frozenset({"limit", "offset", "orderby"})

GUESSES = (
    "The words of every refusal.",
    "The service's own exceptions come as Server.userException, their class before their text.",
    "A note needs a subject and a body; neither has a limit.",
    "attachNoteToLease answers with values that stand apart (multiRef), attachNoteToContact not.",
    "SOAP without or with wrong Basic credentials gets a 401 page; a user without rights a fault.",
    "A SOAP call that is too fast gets a 429 as a REST call does.",
    "getContactsByType takes a type as REST names it, and answers with everybody at once.",
    "A lease's notes are listed whole, in the order of writing; a note shows its day, and no stamp.",
    "The lease's words: Active, Active - Notice Given, Approved, Terminated.",
    "Unknown query parameters are passed over; every list takes orderby=id.",
    "A wrong method on a known REST path answers 405; DELETE answers 404.",
    "A request may take effect 20 s after its connection, and show in lists 4 s after that.",
    "No throttle: none is published.",
)

Handler = Callable[..., Reply]


def _route(path: str, handler: Handler) -> tuple[re.Pattern[str], Handler]:
    return re.compile(path.replace("{id}", r"([^/]+)")), handler


def _list(collection: str) -> Handler:
    return partial(reads.list_records, collection)


def _one(collection: str) -> Handler:
    return partial(reads.one_record, collection)


_ROUTES = (
    _route("/contacts", _list("contacts")),
    _route("/contacts/categories", reads.contact_categories),
    _route("/contacts/{id}", _one("contacts")),
    _route("/leases", _list("leases")),
    _route("/leases/{id}", _one("leases")),
    _route("/leases/{id}/contacts", partial(reads.part_of_record, "leases", "contacts")),
    _route("/leases/{id}/notes", notes.list_lease_notes),
    _route("/units", _list("units")),
    _route("/units/{id}", _one("units")),
    _route("/buildings", _list("buildings")),
    _route("/buildings/{id}", _one("buildings")),
    _route(
        "/buildings/{id}/managers",
        partial(reads.part_of_record, "buildings", "propertyManagerList"),
    ),
    _route("/portfolios", _list("portfolios")),
    _route("/portfolios/{id}", _one("portfolios")),
)
_OPERATIONS: Mapping[str, Callable[[soap.Call, Scene], Reply]] = {
    "attachNoteToContact": notes.attach_to_contact,
    "attachNoteToLease": notes.attach_to_lease,
    "getContactsByType": reads.contacts_by_type,
}
_LEASE = re.compile(re.escape(REST_PREFIX) + r"/leases/(\d{1,18})(/.*)?")
_CONTACT = re.compile(re.escape(REST_PREFIX) + r"/contacts/(\d{1,18})")


class PropertywareSimulator:
    """The simulator of Propertyware. Any user `sandbox-<n>` works with the derived password, and
    `readonly-<n>` may not write; the REST key `client-<n>` belongs to organisation 900000 + n."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits()
    figures = Figures(late_effect_seconds=20.0, read_lag_seconds=4.0)

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`, with the keys of both APIs."""
        client = f"client-{number}"
        return {
            **_soap_credentials(f"sandbox-{number}"),
            "clientId": client,
            "clientSecret": derived_secret(VENDOR, client),
            "systemId": str(900_000 + number),
        }

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, _scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing."""
        return {
            "contact": "73005",
            "contact_without_email": "73007",
            "contact_without_phone": "73008",
            "contact_without_lease": "73108",
            "contact_with_two_current_leases": "73114",
            "contact_current_at_two_buildings": "73115",
            "prospect": "73105",
            "owner": "73900",
            "lease": "64003",
            "lease_with_120_notes": str(64_000 + BUSY_TENANCY),
            "building": "61001",
            "inactive_building": "61004",
            "leasing_agent": "82001",
            "property_manager": "82005",
            "soap_only_credentials": _soap_credentials("sandbox-1"),
            "readonly_credentials": {**self.credentials(1), **_soap_credentials("readonly-1")},
        }

    def credential_of(self, request: Request) -> str | None:
        """The user or the REST key, if the request proves to be of it."""
        return _user_of(request) if request.path == SOAP_PATH else _client_of(request)

    def describe(self, request: Request, scene: Scene) -> Description:
        """SOAP calls whose name begins with `get` read, the others write; REST reads."""
        if request.path == SOAP_PATH:
            call = soap.peeked(request)
            if call is None:
                return Description(Operation.WRITE)
            kind = Operation.READ if call.operation.startswith("get") else Operation.WRITE
            residents = notes.residents_of(call, scene)
            return Description(kind, label=call.operation, x_resident_ids=residents)
        if contact := _CONTACT.fullmatch(request.path):
            return Description(Operation.READ, x_resident_ids=frozenset({contact[1]}))
        listing = listing_of(request, *_PAGED)
        match = _LEASE.fullmatch(request.path)
        lease = None if match is None else scene.get("leases", int(match[1]))
        tenants = frozenset[str]() if lease is None else notes.tenants_of(lease)
        return Description(Operation.READ, x_resident_ids=tenants, listing=listing)

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one request."""
        if request.path == SOAP_PATH:
            return self._called(request, scene)
        if not request.path.startswith(f"{REST_PREFIX}/"):
            return page_not_found()
        if any(not request.headers.get(name) for name in _KEYS):
            missing = [(name, "The header is missing.") for name in _KEYS]
            return error(400, "The credentials are missing.", *missing)
        if _client_of(request) is None:
            return self.unauthorised(request)
        if request.method == "DELETE":
            return error(404, "The requested resource was not found.")
        try:
            return self._read(request, scene)
        except Refusal as refusal:
            return refusal.reply

    def failure(self, request: Request, status: int) -> Reply:
        """An error in Propertyware's words: of SOAP, what a failed program says."""
        if request.path != SOAP_PATH:
            return error(status, f"The request could not be completed ({status}).")
        if status == 429:
            return error(429, "Too many requests.")
        return soap.fault("Server.userException", "java.lang.NullPointerException", status)

    def throttled(self, _request: Request, _quota: Quota) -> Reply:
        """429, without any header: none is documented."""
        return error(429, "Too many requests.")

    def unauthorised(self, request: Request) -> Reply:
        """401."""
        if request.path != SOAP_PATH:
            return error(401, "The credentials are not valid for this organization.")
        page = b"<html><head><title>401</title></head><body>Unauthorized</body></html>"
        challenge = ("WWW-Authenticate", 'Basic realm="Propertyware"')
        return Reply(401, page, (("Content-Type", "text/html"), challenge))

    def error_in_success(
        self, _request: Request, _code: int | None, _level: str | None
    ) -> Reply | None:
        """Propertyware never hides an error inside a success."""
        return None

    def sign(self, reply: Reply, _quota: Quota) -> Reply:
        """Nothing surrounds its answers."""
        return reply

    def _called(self, request: Request, scene: Scene) -> Reply:
        if request.method == "GET" and request.query_string.lower() == "wsdl":
            return soap.description(tuple(_OPERATIONS), request.base_url + SOAP_PATH)
        if request.method != "POST":
            page = b"<html><body><h1>PWServices</h1>This is an AXIS service.</body></html>"
            return Reply(200, page, (("Content-Type", "text/html"),))
        user = _user_of(request)
        if user is None:
            return self.unauthorised(request)
        try:
            call = soap.read_call(request)
            act = _OPERATIONS.get(call.operation)
            if act is None:
                return soap.fault("Client", f"No such operation '{call.operation}'")
            if user.startswith("readonly-") and not call.operation.startswith("get"):
                text = "The user does not have permission for this operation."
                raise soap.refused("com.realpage.propertyware.service.ServiceException", text)
            return act(call, scene)
        except soap.Faulted as faulted:
            return faulted.reply

    def _read(self, request: Request, scene: Scene) -> Reply:
        if any(name.lower() in _PAGED and name not in _PAGED for name in request.query):
            return page_not_found()
        path = request.path.removeprefix(REST_PREFIX)
        for pattern, handler in _ROUTES:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if request.method != "GET":
                return error(405, "The method is not allowed.").with_headers(("Allow", "GET"))
            if not _takes_json(request):
                return silent(406)
            if any(not (n.isascii() and n.isdecimal() and len(n) <= 18) for n in match.groups()):
                return silent(400)
            return handler(request, scene, *(int(number) for number in match.groups()))
        return page_not_found()


def _soap_credentials(user: str) -> dict[str, str]:
    return {"username": user, "password": derived_secret(VENDOR, user)}


def _user_of(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError):
        return None
    return user if _USER.fullmatch(user) and proves(VENDOR, user, password) else None


def _client_of(request: Request) -> str | None:
    client, secret, system = (request.headers.get(name, "") for name in _KEYS)
    found = _CLIENT.fullmatch(client)
    if found is None or not proves(VENDOR, client, secret):
        return None
    # A key works with the organisation that it belongs to, and with no other.
    return client if system == str(900_000 + int(found[1])) else None


def _takes_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "*/*")
    return any(kind in accepted for kind in ("*/*", "application/*", "application/json"))
