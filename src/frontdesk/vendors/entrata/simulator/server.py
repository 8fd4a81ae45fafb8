"""Entrata's front door: the two hosts, their keys, the envelope of a call, methods, throttles."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from frontdesk.sandbox.community import Community
from frontdesk.sandbox.simulator import (
    Description,
    Figures,
    Limits,
    Malformed,
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
from frontdesk.vendors.entrata.simulator import event_reads, reads, writes
from frontdesk.vendors.entrata.simulator.envelope import (
    Call,
    ItemRefusal,
    Refusal,
    failure,
    identity,
    is_modern,
    members,
    request_id,
)
from frontdesk.vendors.entrata.simulator.seed import seed

VENDOR = "ENTRATA"
ORGANISATION = "sandbox"

_MODERN = re.compile(r"/ext/orgs/([^/]+)/v1/([^/]+)")
_OLDER = re.compile(r"/api/v1/([^/]+)")
_KEY = re.compile(r"(sandbox-[0-9]{1,6})\.([0-9a-f]{40})")
_USER = re.compile(r"sandbox-[0-9]{1,6}")

GUESSES = (
    "Error codes inside the envelope mirror HTTP (400, 401, 403, 404, 429); refused keys are 401.",
    "What is wrong with the call fails the envelope, what is wrong with the event fails its item.",
    "The word of a failed item's status is Failure.",
    "Unknown parameters, and unknown keys of an event, are refused.",
    "updateLeads takes the nested form only, in r1 and in r2.",
    "subtypeId and eventResultId lie in the nested event; agentId, unitId, title are so spelled.",
    "callData and emailData may be written as objects of any shape.",
    "hazardNote and hazardEndDate are refused on other types than 436.",
    "An event written through one route shows in that route's list alone, and at once.",
    "getLeadEvents shows comments, subtypeId, callData and what else was written.",
    "An hour that daylight saving leaves out is refused; a doubled one means the earlier instant.",
    "An application belongs to one customer; getLeases names him as customerId beside its id.",
    "Spelling of the fields of getProperties, getPropertyUnits, getCustomers and getCallLogs.",
    "getLeases without leaseStatusTypeIds leaves out cancelled leases.",
    "Without page_no and per_page everything comes at once; per_page has no maximum.",
    "Quotas slide; Reset is the time until the oldest counted request leaves its window.",
    "A disabled property refuses writes.",
    "A request may take effect 20 s after its connection, and show in lists 4 s after that.",
)

Handler = Callable[[Call, Scene], Reply]

_METHODS: Mapping[tuple[str, str], tuple[tuple[str, ...], Handler]] = {
    ("properties", "getProperties"): (("r1",), reads.get_properties),
    ("propertyunits", "getPropertyUnits"): (("r1",), reads.get_property_units),
    ("customers", "getCustomers"): (("r1",), reads.get_customers),
    ("customers", "searchCustomers"): (("r1",), reads.search_customers),
    ("leases", "getLeases"): (("r2",), reads.get_leases),
    ("leases", "getLeaseActivities"): (("r1",), event_reads.get_lease_activities),
    ("leases", "sendLeaseActivities"): (("r1",), writes.send_lease_activities),
    ("leads", "getLeadPickLists"): (("r1", "r2"), reads.get_lead_pick_lists),
    ("leads", "getLeadEvents"): (("r1",), event_reads.get_lead_events),
    ("leads", "updateLeads"): (("r1", "r2"), writes.update_leads),
    ("leasingcenter", "getCallLogs"): (("r1",), event_reads.get_call_logs),
}
_SERVICES = frozenset(service for service, _ in _METHODS)


def _method(request: Request) -> tuple[str, str, dict[str, Any]]:
    """Method name, version and params as they stand in the body, unjudged."""
    method = request.json_object.get("method")
    if not isinstance(method, dict):
        return "", "", {}
    name, version, params = method.get("name"), method.get("version"), method.get("params")
    return (
        name if isinstance(name, str) else "",
        version if isinstance(version, str) else "",
        params if isinstance(params, dict) else {},
    )


class EntrataSimulator:
    """The simulator of Entrata. Any API key `sandbox-<n>.<derived secret>` works for the company
    `sandbox`; on the older host, user `sandbox-<n>` with the derived secret as password."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits(
        windows=(
            Window("DAY", 15_000, 86_400),
            Window("HOUR", 1_000, 3_600),
            Window("MINUTE", 150, 60),
        ),
        per="API key and method",
    )
    figures = Figures(late_effect_seconds=20.0, read_lag_seconds=4.0)

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`."""
        public_id = f"sandbox-{number}"
        key = f"{public_id}.{derived_secret(VENDOR, public_id)}"
        return {"apiKey": key, "companyId": ORGANISATION}

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing; `application` is the one of `customer` on `lease`."""
        applications = {row["customerId"]: row["id"] for row in scene.every("applications")}
        return {
            "property": "5001",
            "inactive_property": "5004",
            "customer": "61005",
            "lease": "88003",
            "application": str(applications[61005]),
            "unit": "903",
            "customer_without_application": "61003",
            "lease_without_application": "88002",
            "customer_without_email": "61007",
            "customer_with_two_current_leases": "61114",
            "customer_current_at_two_properties": "61115",
            "lease_with_one_activity": "88001",
            "lease_of_another_property": "88025",
            "leasing_agent": "31",
            "leasing_agent_of_another_property": "34",
            "staff_without_leasing_agent_role": "35",
            "inactive_staff": "38",
            "basic_credentials": {
                "username": "sandbox-1",
                "password": derived_secret(VENDOR, "sandbox-1"),
            },
        }

    def credential_of(self, request: Request) -> str | None:
        """The public id behind the API key, or on the older host behind the password."""
        if is_modern(request):
            key = _KEY.fullmatch(request.headers.get("x-api-key", ""))
            return key[1] if key is not None and proves(VENDOR, key[1], key[2]) else None
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            text = base64.b64decode(encoded, validate=True).decode() if scheme == "Basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            return None
        user, _, password = text.partition(":")
        return user if _USER.fullmatch(user) and proves(VENDOR, user, password) else None

    def describe(self, request: Request, scene: Scene) -> Description:
        """The method's name says what it is for; residents come from its params."""
        name, _, params = _method(request)
        service = request.path.rpartition("/")[2]
        reading = name.startswith(("get", "search"))
        return Description(
            Operation.READ if reading else Operation.WRITE,
            label=f"{service}/{name}",
            # A name that no method has must not open a quota of its own.
            scope=f"{service}/{name}" if (service, name) in _METHODS else "",
            x_resident_ids=frozenset(str(number) for number in _customers(params, scene)),
            listing=listing_of(request, "page_no", "per_page", params=params),
        )

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one call."""
        modern, older = _MODERN.fullmatch(request.path), _OLDER.fullmatch(request.path)
        if modern is None and older is None:
            return failure(request, 404, "The requested path was not found.", status=404)
        if request.method != "POST":
            return failure(request, 405, "Every method is a POST.", status=405)
        try:
            if self.credential_of(request) is None:
                return self.unauthorised(request)
            if modern is not None and modern[1] != ORGANISATION:
                return failure(request, 403, f"The API key has no access to {modern[1]}.")
            service = modern[2] if modern is not None else request.path.rpartition("/")[2]
            call = _call(request, service)
            return _METHODS[call.service, call.method][1](call, scene)
        except Refusal as refusal:
            return failure(request, refusal.code, refusal.message)

    def failure(self, request: Request, status: int) -> Reply:
        """An error in Entrata's envelope, with that HTTP status and code."""
        return failure(request, status, "The request could not be processed.", status=status)

    def throttled(self, request: Request, _quota: Quota) -> Reply:
        """429 on both hosts."""
        return failure(request, 429, "The rate limit has been exceeded.", status=429)

    def unauthorised(self, request: Request) -> Reply:
        """The envelope's 401; its HTTP status is the host's habit."""
        return failure(request, 401, "The credentials are not valid.")

    def error_in_success(
        self, request: Request, code: int | None, level: str | None, /
    ) -> Reply | None:
        """HTTP 200 with a failed item (a write's default) or a failed envelope."""
        message = "The event could not be saved."
        name, version, params = _method(request)
        service = request.path.rpartition("/")[2]
        call = Call(request, service, name, version, params, request_id(request))
        if level != "envelope" and code is None:
            if name == "sendLeaseActivities":
                return writes.lease_answer(call, params.get("leaseId"), "Failure", message)
            if name == "updateLeads":
                return writes.lead_answer(call, [writes.lead_item(1, "", "", "Failure", message)])
        return failure(request, code or 400, message, status=200)

    def sign(self, reply: Reply, quota: Quota) -> Reply:
        """The quota headers, for callers whom Entrata knows: three values, day;hour;minute."""
        shares = quota.shares
        if not shares:
            return reply
        return reply.with_headers(
            ("X-RateLimit-Limit", ";".join(f"{share.limit}/{share.name}" for share in shares)),
            ("X-RateLimit-Remaining", ";".join(str(share.remaining) for share in shares)),
            ("X-RateLimit-Reset", ";".join(str(share.reset) for share in shares)),
        )


def _call(request: Request, service: str) -> Call:
    """Take the envelope apart. Raises `Refusal` for every fault of it."""
    if service not in _SERVICES:
        raise Refusal(404, f"Service {service} was not found.")
    if request.content_type != "application/json":
        raise Refusal(400, "The content type must be application/json.")
    try:
        body = request.json
    except Malformed:
        raise Refusal(400, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The request body must be an object.")
    wanted = "apikey" if is_modern(request) else "basic"
    auth = body.get("auth")
    if not isinstance(auth, dict) or auth.get("type") != wanted:
        raise Refusal(401, f"auth.type must be {wanted}.")
    if not isinstance(body.get("requestId"), str | int | None):
        raise Refusal(400, "requestId must be a text.")
    method = body.get("method")
    if not isinstance(method, dict) or not isinstance(method.get("params", {}), dict):
        raise Refusal(400, "method must hold name, version and params.")
    name, version, params = _method(request)
    versions, _ = _METHODS.get((service, name), ((), None))
    if not versions:
        raise Refusal(404, f"Service {service} has no method {name}.")
    if version not in versions and "version" in method:
        raise Refusal(404, f"{name} has no version {version}.")
    return Call(request, service, name, version or versions[0], params, request_id(request))


def _customers(params: Mapping[str, Any], scene: Scene) -> set[int]:
    """The customers whom a call is about, as far as its params tell; malformed ones name nobody."""
    found: set[int] = set()
    named = params.get("customerIds", params.get("customerId"))
    for part in str(named).split(",") if isinstance(named, str | int) else []:
        found |= {number} if (number := _loose(part.strip())) is not None else set()
    lease = scene.get("leases", _loose(params.get("leaseId")) or 0)
    if lease is not None and not found:
        found |= set(lease["customerIds"])
    prospects = params.get("prospects")
    rows = members(prospects.get("prospect")) if isinstance(prospects, dict) else []
    applications = [row.get("applicationId") for row in rows if isinstance(row, dict)]
    for value in [params.get("applicationId"), *applications]:
        application = scene.get("applications", _loose(value) or 0)
        if application is not None:
            found.add(application["customerId"])
    return found


def _loose(value: object) -> int | None:
    try:
        return identity(value, "")
    except ItemRefusal:
        return None
