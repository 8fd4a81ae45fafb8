"""The gateway of RPX: its path, its callers, and how it spells what OneSite tells."""

from __future__ import annotations

import re
from collections.abc import Mapping

from frontdesk.sandbox.community import Community
from frontdesk.sandbox.simulator import Description, Limits, Quota, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.onesite.simulators import service, soap
from frontdesk.vendors.onesite.simulators.guesses import GUESSES as ONESITE_GUESSES
from frontdesk.vendors.onesite.simulators.seed import PMC_ID, seed
from frontdesk.vendors.onesite.simulators.service import Caller, Route, licence_key
from frontdesk.vendors.onesite.simulators.soap import Envelope, Fault
from frontdesk.vendors.onesite.simulators.spelling import Spelling

VENDOR = "REALPAGE_RPX"
NAMESPACE = "http://tempuri.org/"

_PATH = re.compile(r"(?i)/?|/RPXGateway/partner/[a-z0-9]+/[a-z0-9]+\.svc")
_LOWER = Spelling(NAMESPACE, lower=True)
_AS_IT_IS = Spelling(NAMESPACE, lower=False)
_ANSWERED_IN_LOWER_CASE = frozenset(
    {"GetResidentListInfo", "GetResidentList", "GetResidentActivityLog", "AddResidentActivityLog"}
)
_METHODS = (
    "GetSiteList",
    "GetBuildings",
    "UnitList",
    "GetResidentListInfo",
    "GetResidentList",
    "GetLeaseInfo",
    "GetLease",
    "GetLeasingAgents",
    "GetActivityTypes",
    "GetResidentActivityLog",
    "AddResidentActivityLog",
)
_METADATA_OFF = b"<html><body>Metadata publishing for this service is disabled.</body></html>"

GUESSES = (
    *ONESITE_GUESSES,
    "getsitelist takes a call without siteid, all others need one.",
    "username and password are taken only together, and only where both are right.",
    "A call of the wrong media type is a 415, a body that is no envelope a 400, both empty.",
)


def _caller(envelope: Envelope) -> Caller:
    """The caller in `auth`, the operation's first child. Raises `Fault`."""
    operation = envelope.operation
    if not len(operation) or operation[0].tag != f"{{{NAMESPACE}}}auth":
        raise Fault("The first element of the call must be auth.")
    auth = operation[0]
    system = _LOWER.text(auth, "system")
    if (system or "").lower() != "onesite":
        raise Fault("The system is not valid.")
    username, password = _LOWER.text(auth, "username"), _LOWER.text(auth, "password")
    key = _LOWER.text(auth, "licensekey") or ""
    if username or password:
        public_id = service.licensed_id(VENDOR, key)
        if public_id is None or (username, password) != (public_id, key.rpartition(".")[2]):
            raise Fault("The user name or password is not valid.")
    return Caller(
        licence_key=key,
        pmc_id=(_LOWER.text(auth, "pmcid") or "").strip(),
        site_id=_LOWER.text(auth, "siteid"),
        name="RPX",
    )


def _answers(name: str) -> Spelling:
    return _LOWER if name in _ANSWERED_IN_LOWER_CASE else _AS_IT_IS


ROUTE = Route(
    vendor=VENDOR,
    namespace=NAMESPACE,
    action="http://tempuri.org/IRPXService/",
    methods={name.lower(): name for name in _METHODS},
    versions=frozenset({soap.SOAP_11}),
    prefix="",
    caller_of=_caller,
    arguments=_LOWER,
    answers=_answers,
    siteless=frozenset({"GetSiteList"}),
)


class RpxSimulator:
    """The simulator of RPX. Any licence key `sandbox-<n>.<derived secret>` works at every active
    site; `readonly-<n>` may do anything but write, `writeonly-<n>` nothing else."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits()
    figures = service.FIGURES

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`; the first is for the largest site."""
        return {
            "baseUrl": "https://gateway.rpx.realpage.com/RPXGateway/partner/Sandbox/Sandbox.svc",
            "licensekey": licence_key(VENDOR, f"sandbox-{number}"),
            "pmcId": PMC_ID,
            "siteId": str(7_654_321 + (number - 1) % 3),
        }

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, _scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing, all of site 7654321 where nothing else is said."""
        return {
            **service.EXAMPLES,
            "readonly_license_key": licence_key(VENDOR, "readonly-1"),
            "writeonly_license_key": licence_key(VENDOR, "writeonly-1"),
        }

    def credential_of(self, request: Request) -> str | None:
        """The public id behind the licence key."""
        return service.credential_of(ROUTE, request)

    def describe(self, request: Request, scene: Scene) -> Description:
        """The operation says what it is for; residents come from its arguments."""
        return service.describe(ROUTE, request, scene)

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one request."""
        if _PATH.fullmatch(request.path) is None:
            return Reply(404)
        if request.method == "GET":
            # the WSDL is switched off
            return Reply(200, _METADATA_OFF, (("Content-Type", "text/html; charset=utf-8"),))
        if request.method != "POST":
            return Reply(405, headers=(("Allow", "GET, POST"),))
        return service.answer(ROUTE, request, scene)

    def failure(self, request: Request, status: int) -> Reply:
        """A fault with this status."""
        return service.failure(ROUTE, request, status)

    def throttled(self, request: Request, _quota: Quota) -> Reply:
        """No limit is published; this is what one would look like."""
        return service.failure(ROUTE, request, 429)

    def unauthorised(self, request: Request) -> Reply:
        """The fault for an unknown licence key."""
        return service.unauthorised(ROUTE, request)

    def error_in_success(
        self, _request: Request, _code: int | None, _level: str | None
    ) -> Reply | None:
        """No failure inside a success is known of RPX."""
        return None

    def sign(self, reply: Reply, _quota: Quota) -> Reply:
        """IIS says who it is."""
        return reply.with_headers(("X-Powered-By", "ASP.NET"))
