"""A SOAP service of a simulated OneSite, from a request to its answer, for either route.

It checks what a .NET service checks before an operation runs (media type, envelope, SOAPAction,
namespace), then who calls, what the licence is for, and which site is meant. A route says how it is
spelt and where the caller stands in the envelope.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from frontdesk.sandbox.simulator import (
    Description,
    Figures,
    Operation,
    Reply,
    Request,
    derived_secret,
    proves,
)
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.onesite.simulators import activity_log, soap
from frontdesk.vendors.onesite.simulators.operations import OPERATIONS, WRITE, Call
from frontdesk.vendors.onesite.simulators.seed import PMC_ID
from frontdesk.vendors.onesite.simulators.soap import Envelope, Fault, NotSoap
from frontdesk.vendors.onesite.simulators.spelling import Spelling

_LICENCE = re.compile(r"((sandbox|readonly|writeonly)-[0-9]{1,6})\.([0-9a-f]{40})")
_MEDIA_TYPES = {"text/xml": soap.SOAP_11, "application/soap+xml": soap.SOAP_12}

# Clients were seen to wait for 60 s: so long an answer may take, and its effect with it.
FIGURES = Figures(late_effect_seconds=60.0, read_lag_seconds=4.0)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the envelope says. `name`: as whom activities are logged."""

    licence_key: str
    pmc_id: str
    site_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `methods`: name on the wire → the operation; `caller_of` finds the caller or
    raises `Fault`; `versions` are the envelopes that are taken; `prefix` stands before the words of
    a fault that an operation raises; `answers` spells the answer of an operation."""

    vendor: str
    namespace: str
    action: str
    methods: Mapping[str, str]
    versions: frozenset[str]
    prefix: str
    caller_of: Callable[[Envelope], Caller]
    arguments: Spelling
    answers: Callable[[str], Spelling]
    siteless: frozenset[str]


def licence_key(vendor: str, public_id: str) -> str:
    """The licence key of a sandbox credential."""
    return f"{public_id}.{derived_secret(vendor, public_id)}"


def licensed_id(vendor: str, key: str) -> str | None:
    """The public id behind a licence key, if it is a right one."""
    found = _LICENCE.fullmatch(key)
    return found[1] if found is not None and proves(vendor, found[1], found[3]) else None


def credential_of(route: Route, request: Request) -> str | None:
    """The public id of the licence that the request proves."""
    try:
        caller = route.caller_of(soap.opened(request.body))
    except (NotSoap, Fault):
        return None
    return licensed_id(route.vendor, caller.licence_key)


def describe(route: Route, request: Request, scene: Scene) -> Description:
    """What a request is about, unjudged."""
    try:
        operation = soap.opened(request.body).operation
    except NotSoap:
        return Description(Operation.READ)
    name = route.methods.get(soap.parts(operation)[1], "")
    arguments = route.arguments.child(operation, f"{name}Params")
    return Description(
        Operation.WRITE if name == WRITE else Operation.READ,
        label=name,
        x_resident_ids=activity_log.members_of(arguments, route.arguments, scene),
    )


def answer(route: Route, request: Request, scene: Scene) -> Reply:
    """Answer a POST to the service."""
    version = _MEDIA_TYPES.get(request.content_type)
    if version is None or version not in route.versions:
        return Reply(415)
    try:
        envelope = soap.opened(request.body)
    except NotSoap:
        return Reply(400)
    if envelope.soap != version:
        return soap.fault(version, Fault("The envelope is of another version.", "VersionMismatch"))
    try:
        return _called(route, request, envelope, scene)
    except Fault as problem:
        return soap.fault(version, problem)


def failure(route: Route, request: Request, status: int) -> Reply:
    """A fault with this status."""
    words = {
        429: "Too many requests.",
        503: "The service is temporarily unavailable.",
    }.get(status, "An internal error occurred." if status >= 500 else "The request is not valid.")
    code = "Server" if status >= 500 else "Client"
    return soap.fault(_version_of(route, request), Fault(words, code, status))


def unauthorised(route: Route, request: Request) -> Reply:
    """The fault for a licence key that is not known."""
    return soap.fault(_version_of(route, request), _not_licensed())


def _version_of(route: Route, request: Request) -> str:
    version = _MEDIA_TYPES.get(request.content_type, soap.SOAP_11)
    return version if version in route.versions else soap.SOAP_11


def _not_licensed() -> Fault:
    return Fault("The license key is not valid.")


def _called(route: Route, request: Request, envelope: Envelope, scene: Scene) -> Reply:
    namespace, method = soap.parts(envelope.operation)
    action = request.headers.get("soapaction", "").strip().strip('"')
    if envelope.soap == soap.SOAP_11 and action != f"{route.action}{method}":
        raise Fault(
            f"The message with Action '{action}' cannot be processed at the receiver, due to a "
            "ContractFilter mismatch.",
            "ActionNotSupported",
        )
    name = route.methods.get(method)
    if name is None or namespace != route.namespace:
        raise Fault(f"The method {method} does not exist here.", "ActionNotSupported")
    caller = route.caller_of(envelope)
    public_id = licensed_id(route.vendor, caller.licence_key)
    if public_id is None:
        raise _not_licensed()
    if caller.pmc_id != PMC_ID:
        raise Fault("The pmcid is not valid for this license key.")
    kind = public_id.partition("-")[0]
    if kind != "sandbox" and (name == WRITE) != (kind == "writeonly"):
        raise Fault("LicenseKey is not authorized to call the method")
    site = _site(route, name, caller, scene)
    call = Call(envelope.operation, route.arguments, site, caller.name)
    try:
        trees = OPERATIONS[name](call, scene)
    except Fault as problem:
        code = "Server" if route.prefix else problem.code
        raise Fault(f"{route.prefix}{problem.message}", code) from None
    spelling = route.answers(name)
    return soap.success(envelope.soap, route.namespace, method, [spelling.tree(t) for t in trees])


def _site(route: Route, name: str, caller: Caller, scene: Scene) -> int:
    if caller.site_id is None:
        if name in route.siteless:
            return 0
        raise Fault("The siteid is required.")
    text = caller.site_id.strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    site = scene.get("sites", number)
    if site is None or not site["active"]:
        raise Fault(f"Site {text} is not licensed.")
    return number


EXAMPLES: Mapping[str, str] = {
    "site": "7654321",
    "inactive_site": "7654324",
    "resident": "2005",
    "lease": "503",
    "unit": "903",
    "activity_type": "S000000015",
    "resident_without_email": "2007",
    "resident_with_two_current_leases": "2114",
    "lease_without_activities": "502",
    "lease_with_one_activity": "501",
    "lease_with_activities_of_two_residents": "506",
    "lease_of_another_site": "526",
    "application": "553",
    "site_of_application": "7654323",
    "leasing_agent": "6001",
}
"""Ids worth knowing, of site 7654321 where nothing else is said."""
