"""Rent Manager's front door: routes, tokens, privileges, and what surrounds every answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from frontdesk.sandbox.community import Community
from frontdesk.sandbox.simulator import (
    Description,
    Figures,
    Json,
    Limits,
    Operation,
    Quota,
    Reply,
    Request,
    Window,
    derived_secret,
    listing_of,
)
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.rentmanager.simulator import answers, history, tokens
from frontdesk.vendors.rentmanager.simulator.answers import Refusal
from frontdesk.vendors.rentmanager.simulator.lists import listed, shown
from frontdesk.vendors.rentmanager.simulator.seed import BUSY_TENANT, seed

VENDOR = tokens.VENDOR
WINDOW_SECONDS = 60

GUESSES = (
    "The company is told by the number in the user's name, not by the host.",
    "A request may take effect 30 s after its connection, and show in lists 1 s after that.",
    "Logins count in the company's minute; a call without a good token counts in none.",
    "Tokens are made of a signature; real ones tell nothing.",
    "AuthorizePartner answers as AuthorizeUser does, whatever its body.",
    "The words of the eleventh login's refusal, and of the answer to a caller who is too fast.",
    "The words of HistoryType and of HistoryCategoryType; Letter stands for all others.",
    "HistoryIDs are one series; an entry of another kind or tenant is missing.",
    "HistoryDate takes a time of day, bears no offset when read, and defaults to now.",
    "A saved entry keeps what is left out; unknown fields are passed over.",
    "Without UpdateDate and ConcurrencyID a change is not checked for being stale.",
    "What a refused entry is answered: 400 with an error model, or the framework's 400.",
    "A category of another kind, or one no longer in use, is refused.",
    "A list with `embeds` but without `fields` shows no embed, as was observed on one build.",
    "Filter operators beyond the twelve, and the other routes of the API, are not here.",
    "An attachment without a file name fails.",
)

_TENANT_HISTORY = re.compile(
    r"/tenants/(\d{1,10})/(history|historynotes|historycalls|historyemails|historyvisits)", re.I
)
_HISTORY = re.compile(r"/(history|historynotes|historycalls|historyemails|historyvisits)", re.I)
_ENTRY = re.compile(r"/(historynotes|historycalls|historyemails|historyvisits)/(\d{1,10})", re.I)
_UPLOAD = re.compile(r"/historynotes/(\d{1,10})/uploadattachments?", re.I)
_RECORDS = re.compile(r"/([a-z]+)(?:/(\d{1,10}))?", re.I)
_TENANT = re.compile(r"/tenants/(\d{1,10})", re.I)

# Resource (in lower case) → collection, and the fields by which it can be filtered.
_COLLECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tenants": (
        "tenants",
        ("TenantID", "Name", "FirstName", "LastName", "PropertyID", "Status", "UpdateDate"),
    ),
    "leases": (
        "leases",
        ("LeaseID", "TenantID", "UnitID", "PropertyID", "MoveInDate", "MoveOutDate"),
    ),
    "properties": ("properties", ("PropertyID", "Name", "ShortName", "IsActive", "UpdateDate")),
    "units": ("units", ("UnitID", "Name", "PropertyID", "SquareFootage")),
    "users": ("users", ("UserID", "Username", "Lastname", "IsActive", "IsLeasingAgent")),
    "historycategories": ("categories", ("HistoryCategoryID", "Name", "IsActive")),
}


class RentManagerSimulator:
    """The simulator of Rent Manager. Any user `sandbox-<n>` works with its derived password for the
    company `sandbox<n>`; `readonly-<n>` and `limited-<n>` may not write, `reset-<n>` must change his
    password first, and `partner-<n>` has a partner's token."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits(windows=(Window("minute", 500, WINDOW_SECONDS),), per="company")
    figures = Figures(late_effect_seconds=30.0, read_lag_seconds=1.0)

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`."""
        return self._user(f"sandbox-{number}")

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, _scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing."""
        return {
            "tenant": "305",
            "tenant_without_email": "307",
            "tenant_without_phone": "308",
            "tenant_with_60_entries": str(300 + BUSY_TENANT),
            "tenant_without_lease": "405",
            "tenant_with_two_current_leases": "414",
            "tenant_current_at_two_properties": "415",
            "property": "11",
            "inactive_property": "14",
            "unit": "903",
            "category_for_everything": "1",
            "note_category": "4",
            "call_category": "5",
            "incoming_call_category": "6",
            "email_category": "7",
            "visit_category": "9",
            "letter_category": "10",
            "inactive_category": "11",
            "leasing_agent": "41",
            "staff_without_leasing_agent_role": "45",
            "inactive_staff": "48",
            "readonly_credentials": self._user("readonly-1"),
            "limited_credentials": self._user("limited-1"),
            "password_reset_credentials": self._user("reset-1"),
            "partner_credentials": {
                "PartnerToken": tokens.partner_token(1),
                "companyId": tokens.company_of("partner-1"),
            },
        }

    def credential_of(self, request: Request) -> str | None:
        """The company of the user who proves himself: its calls are counted together."""
        user = tokens.proven_user(request)
        return tokens.company_of(user) if user is not None else None

    def describe(self, request: Request, _scene: Scene) -> Description:
        """Logins, reads by GET, writes by POST; the tenant is in the path."""
        label = request.path.strip("/").split("/")[-1]
        if request.path.lower().startswith("/authentication/"):
            return Description(Operation.LOGIN, label=label)
        operation = Operation.READ if request.method == "GET" else Operation.WRITE
        tenant = _TENANT.match(request.path)
        who = frozenset({tenant[1]}) if tenant is not None else frozenset[str]()
        return Description(
            operation,
            label=label,
            x_resident_ids=who,
            listing=listing_of(request, "pagesize", "pagenumber"),
        )

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one request."""
        try:
            if request.path.lower().startswith("/authentication/"):
                return self._authentication(request, scene)
            user = "staff"
            if scene.origin == "api":
                user = tokens.caller(request, scene).user
            answer = self._routed(request, scene, user)
        except Refusal as refusal:
            return refusal.reply
        return answer.with_headers(("x-api-user", user))

    def failure(self, request: Request, status: int) -> Reply:
        """An error in Rent Manager's words."""
        if status == 401:
            return self.unauthorised(request)
        if status == 403:
            return answers.unprivileged(request, 403)
        if status == 404:
            return answers.missing()
        if status == 429:
            return self.throttled(request, Quota(allowed=False))
        return answers.error_model(request, status, f"An error has occurred ({status}).")

    def throttled(self, request: Request, _quota: Quota) -> Reply:
        """429, without Retry-After: only the quota headers tell when."""
        return answers.error_model(request, 429, "The rate limit of the company is exceeded.")

    def unauthorised(self, request: Request) -> Reply:
        """401."""
        return answers.unauthenticated(request, "The ApiToken could not be validated.")

    def error_in_success(
        self, _request: Request, _code: int | None, _level: str | None
    ) -> Reply | None:
        """Rent Manager never hides an error inside a success."""
        return None

    def sign(self, reply: Reply, quota: Quota) -> Reply:
        """The version, and the company's minute; `reset` is always a minute from now."""
        headers = [("x-api-version", "12.0.0.0")]
        now = time.time()
        for share in quota.shares:
            reset = int(now) + WINDOW_SECONDS
            headers += [
                ("x-ratelimit-limit", str(share.limit)),
                ("x-ratelimit-observed", str(share.limit - share.remaining)),
                ("x-ratelimit-remaining", str(share.remaining)),
                ("x-ratelimit-reset", str(reset)),
                (
                    "x-ratelimit-resettime",
                    format_datetime(datetime.fromtimestamp(reset, UTC), usegmt=True),
                ),
            ]
        return reply.with_headers(*headers)

    @staticmethod
    def _user(user: str) -> Mapping[str, str]:
        return {
            "Username": user,
            "Password": derived_secret(VENDOR, user),
            "companyId": tokens.company_of(user),
        }

    @staticmethod
    def _authentication(request: Request, scene: Scene) -> Reply:
        if request.method == "POST" and tokens.is_login(request):
            return tokens.log_in(request, scene)
        if request.method == "POST" and request.path.lower() == "/authentication/deauthorize":
            return tokens.log_out(request, scene)
        raise Refusal(answers.unknown_route(request))

    @staticmethod
    def _routed(request: Request, scene: Scene, user: str) -> Reply:
        handler = _writing(request) if request.method == "POST" else _reading(request)
        if handler is None or request.method not in ("GET", "POST"):
            raise Refusal(answers.unknown_route(request))
        if request.method == "POST":
            if user.startswith("readonly-"):
                raise Refusal(answers.unprivileged(request, 403))
            if user.startswith("limited-"):
                raise Refusal(answers.unprivileged(request, 500))
        return handler(request, scene)


Handler = Callable[[Request, Scene], Reply]


def _writing(request: Request) -> Handler | None:
    if found := _TENANT_HISTORY.fullmatch(request.path):
        tenant, resource = int(found[1]), found[2]
        if resource.lower() in history.KINDS:
            return lambda call, scene: history.save(call, scene, tenant, resource)
    if found := _UPLOAD.fullmatch(request.path):
        number = int(found[1])
        return lambda call, scene: history.upload(call, scene, number)
    return None


def _reading(request: Request) -> Handler | None:
    if found := _TENANT_HISTORY.fullmatch(request.path):
        tenant, resource = int(found[1]), found[2]
        return lambda call, scene: history.list_of_tenant(call, scene, tenant, resource)
    if found := _HISTORY.fullmatch(request.path):
        resource = found[1]
        return lambda call, scene: history.list_all(call, scene, resource)
    if found := _ENTRY.fullmatch(request.path):
        resource, number = found[1], int(found[2])
        return lambda call, scene: history.read_one(call, scene, number, resource)
    if (found := _RECORDS.fullmatch(request.path)) and found[1].lower() in _COLLECTIONS:
        collection, fields = _COLLECTIONS[found[1].lower()]
        if found[2] is None:
            return lambda call, scene: listed(call, scene.every(collection), fields)
        number = int(found[2])
        return lambda call, scene: _one(call, scene.get(collection, number))
    return None


def _one(request: Request, row: Json | None) -> Reply:
    if row is None:
        raise Refusal(answers.missing())
    return Reply.json(200, shown(request, row))
