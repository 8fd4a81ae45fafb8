"""The services of ODE: their paths, their callers, and which of them has which operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from frontdesk.sandbox.community import Community
from frontdesk.sandbox.simulator import (
    Description,
    Limits,
    Quota,
    Reply,
    Request,
    derived_secret,
    proves,
)
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.onesite.simulators import service, soap
from frontdesk.vendors.onesite.simulators.guesses import GUESSES as ONESITE_GUESSES
from frontdesk.vendors.onesite.simulators.seed import PMC_ID, seed
from frontdesk.vendors.onesite.simulators.service import Caller, Route, licence_key
from frontdesk.vendors.onesite.simulators.soap import Envelope, Fault
from frontdesk.vendors.onesite.simulators.spelling import Spelling

VENDOR = "REALPAGE"
NAMESPACE = "http://realpage.com/webservices"

_PATH = re.compile(r"(?i)(?:/WebServices/CrossFire)?/([a-z]+/[a-z]+)\.asmx")
_USER = re.compile(r"(sandbox|readonly|writeonly)-[0-9]{1,6}")
_SPELLING = Spelling(NAMESPACE, lower=False)
_SERVICES: Mapping[str, tuple[str, ...]] = {
    "residentservices/resident": (
        "GetSiteList",
        "GetBuildings",
        "UnitList",
        "GetResidentListInfo",
        "GetResidentList",
        "GetLeaseInfo",
        "GetLease",
        "GetResidentActivityLog",
        "AddResidentActivityLog",
    ),
    "prospectmanagement/service": (
        "GetLeasingAgentsByProperty",
        "GetActivityTypes",
        "GetActivityResultCodes",
    ),
}

GUESSES = (
    *ONESITE_GUESSES,
    "Which service has which operation, and that reads are those of RPX in PascalCase.",
    "The licence key stands in UserAuthInfo as LicenseKey.",
    "A password may be left out; one that is given must be right.",
    "CallBackAuthInfo is refused: the sandbox knows no sessions.",
    "Activity results are the same for every activity type.",
)


def _caller(envelope: Envelope) -> Caller:
    """The caller in the header's `UserAuthInfo`. Raises `Fault`."""
    if _SPELLING.child(envelope.header, "CallBackAuthInfo") is not None:
        raise Fault("Authentication by CallBackAuthInfo failed: the session is not known.")
    auth = _SPELLING.child(envelope.header, "UserAuthInfo")
    if auth is None:
        raise Fault("Authentication failed: UserAuthInfo is missing.")
    user = _SPELLING.text(auth, "UserName") or ""
    password = _SPELLING.text(auth, "Password")
    if _USER.fullmatch(user) is None or (password and not proves(VENDOR, user, password)):
        raise Fault("The user name or password is not valid.")
    return Caller(
        licence_key=_SPELLING.text(auth, "LicenseKey") or "",
        pmc_id=(_SPELLING.text(auth, "PmcID") or "").strip(),
        site_id=_SPELLING.text(auth, "SiteID"),
        name=user,
    )


def _answers(_name: str) -> Spelling:
    return _SPELLING


ROUTE = Route(
    vendor=VENDOR,
    namespace=NAMESPACE,
    action=f"{NAMESPACE}/",
    methods={name: name for names in _SERVICES.values() for name in names},
    versions=frozenset({soap.SOAP_11, soap.SOAP_12}),
    prefix="Server was unable to process request. ---> ",
    caller_of=_caller,
    arguments=_SPELLING,
    answers=_answers,
    siteless=frozenset(),
)
_ROUTES: Mapping[str, Route] = {
    path: replace(ROUTE, methods={name: name for name in names})
    for path, names in _SERVICES.items()
}


class OdeSimulator:
    """The simulator of ODE. Any licence key `sandbox-<n>.<derived secret>` works at every active
    site, for the user `sandbox-<n>` with the derived secret as password; `readonly-<n>` may do
    anything but write."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits()
    figures = service.FIGURES

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`; the first is for the largest site."""
        public_id = f"sandbox-{number}"
        return {
            "PMC_ID": PMC_ID,
            "SITE_ID": str(7_654_321 + (number - 1) % 3),
            "LICENSE_KEY": licence_key(VENDOR, public_id),
            "ONESITE_USERNAME": public_id,
            "ONESITE_PASSWORD": derived_secret(VENDOR, public_id),
        }

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, _scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing, all of site 7654321 where nothing else is said."""
        return {
            **service.EXAMPLES,
            "readonly_license_key": licence_key(VENDOR, "readonly-1"),
        }

    def credential_of(self, request: Request) -> str | None:
        """The public id behind the licence key."""
        return service.credential_of(ROUTE, request)

    def describe(self, request: Request, scene: Scene) -> Description:
        """The operation says what it is for; residents come from its arguments."""
        return service.describe(ROUTE, request, scene)

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one request."""
        path = _PATH.fullmatch(request.path)
        route = _ROUTES.get(path[1].lower()) if path is not None else None
        if route is None:
            return Reply(404)
        if request.method != "POST":
            return Reply(405, headers=(("Allow", "POST"),))
        return service.answer(route, request, scene)

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
        """No failure inside a success is known of ODE."""
        return None

    def sign(self, reply: Reply, _quota: Quota) -> Reply:
        """IIS says who it is."""
        return reply.with_headers(("X-Powered-By", "ASP.NET"), ("X-AspNet-Version", "4.0.30319"))
