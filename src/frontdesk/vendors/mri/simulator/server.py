"""MRI's front door: one page, the Basic user of four parts, the API's name in the query, and the
rolling limit of each partner key.
"""

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
    Json,
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
from frontdesk.vendors.mri.simulator import actions, reads
from frontdesk.vendors.mri.simulator.answers import Refusal, api_of, one, plain, written
from frontdesk.vendors.mri.simulator.seed import BUSY_RESIDENT, seed

VENDOR = "MRI"
PAGE = "/mriapiservices/api.asp"
DATABASE = "SANDBOX"
USER = "WEBSVC"
DEADLOCK_CODE = 500
"""Asks for the database's deadlock (MRI's 500) inside a normal answer."""

_CLIENT = re.compile(r"(sandbox|readonly)-[0-9]{1,6}")
_PARTNER = re.compile(r"partner-([0-9]{1,6})-([0-9a-f]{40})")
_DEADLOCK = (
    "Database error: the transaction was deadlocked with another process "
    "and was chosen as the deadlock victim."
)

GUESSES = (
    "The RmAction APIs take the fields of interactions by name id, plus ActionStatus.",
    "UpdateRmAction is a PUT that names the action by Id and keeps what is not sent.",
    "Interactions by name id are read by GET, with NameID, and StartDate and EndDate if given.",
    "The names and fields of the lists of properties, leasing agents and action codes.",
    "A property tells the IANA name of its time zone.",
    "The rent roll has a row for each unit, vacant or let, in the fields of lease details.",
    "Status letters C and N, and the words Current and New (O, R, Old, Other Resident were seen).",
    "$skip names the record to begin with, as in an observed link; 0 and 1 are the same.",
    "ActionTime is the property's time of writing, as HH:MM:SS.",
    "A refusal for the content of an entry is an error inside a 200; of its form, a 400.",
    "The words of every refusal; fields that are not known are refused; an entry alone is taken.",
    "A user who may only read gets a 400 on writes; a wrong method a 405.",
    "A missing description is an empty one; ActionDescription has no limit.",
    "What was written shows in lists within 4 s.",
    "Action codes and their descriptions are this customer's own.",
)

Handler = Callable[[Request, Scene], Reply]

_APIS: Mapping[str, Mapping[str, Handler]] = {
    "mri_s-pmrm_creatermaction": {"POST": partial(actions.create, with_status=True)},
    "mri_s-pmrm_updatermaction": {"PUT": actions.update},
    "mri_s-pmrm_residentialinteractionsbynameid": {
        "GET": actions.list_actions,
        "POST": partial(actions.create, with_status=False),
    },
    "mri_s-pmrm_residents": {"GET": reads.residents},
    "mri_s-pmrm_residentsbypropertyid": {"GET": reads.residents_by_property},
    "mri_s-pmrm_residentleasedetailsbypropertyid": {"GET": reads.lease_details},
    "mri_s-pmrm_residentialrentroll": {"GET": reads.rent_roll},
    "mri_s-pmrm_actioncodes": {"GET": reads.action_codes},
    "mri_s-pmrm_leasingagents": {"GET": reads.leasing_agents},
    "mri_s-pmrm_properties": {"GET": reads.properties},
}


class MriSimulator:
    """The simulator of MRI. Any client `sandbox-<n>` works with its derived password and any
    partner key of ours; `readonly-<n>` may read alone."""

    vendor = VENDOR
    guesses = GUESSES
    limits = Limits(windows=(Window("5 minutes", 1_000, 300.0),), per="partner key")
    # Answers that take 90 to 180 s are normal, and so are callers who did not wait for them.
    figures = Figures(late_effect_seconds=180.0, read_lag_seconds=4.0)

    def credentials(self, number: int) -> Mapping[str, str]:
        """Credential set `number`, but for the address."""
        return _credentials(f"sandbox-{number}", number)

    def seed(self, scene: Scene, community: Community) -> None:
        """Write the vendor's view of the community."""
        seed(scene, community)

    def examples(self, _scene: Scene) -> Mapping[str, object]:
        """Ids worth knowing."""
        return {
            "resident": "0000004105",
            "resident_without_email": "0000004107",
            "resident_without_phone": "0000004108",
            "resident_with_640_actions": f"{4100 + BUSY_RESIDENT:010}",
            "resident_who_only_applied": "0000004205",
            "resident_with_two_current_leases": "0000004214",
            "resident_current_at_two_properties": "0000004215",
            "property": "JUN01",
            "inactive_property_without_time_zone": "OLD01",
            "action_code_of_a_note": "NT",
            "action_code_of_one_character": "L",
            "leasing_agent": "AGENT01",
            "leasing_agent_of_two_properties": "AGENT02",
            "inactive_leasing_agent": "AGENT08",
            "readonly_credentials": _credentials("readonly-1", 1),
            "another_user_of_the_same_partner_key": _credentials("sandbox-99", 1),
        }

    def credential_of(self, request: Request) -> str | None:
        """The partner, if all five parts are right: it is his key that calls are counted by."""
        user = _user_of(request)
        return None if user is None else user[1]

    def describe(self, request: Request, _scene: Scene) -> Description:
        """GET reads, everything else writes; the resident is in the entry or the query."""
        operation = Operation.READ if request.method == "GET" else Operation.WRITE
        resident = one(request, "NameID") or actions.peeked(request).get("NameID")
        named = frozenset({str(resident)}) if resident else frozenset[str]()
        return Description(
            operation,
            label=api_of(request),
            x_resident_ids=named,
            listing=listing_of(request, "$top", "$skip"),
        )

    def handle(self, request: Request, scene: Scene) -> Reply:
        """Answer one request."""
        user = _user_of(request)
        if user is None:
            return self.unauthorised(request)
        if request.path.lower() != PAGE:
            return _page(404, "Not found")
        handlers = _APIS.get(api_of(request).lower())
        if handlers is None:
            return plain(400, f"The API {api_of(request)[:80]} does not exist.")
        handler = handlers.get(request.method)
        if handler is None:
            return actions.wrong_method(request, ", ".join(handlers))
        if request.method != "GET" and user[0].startswith("readonly-"):
            return plain(400, f"The user has no access to write with {api_of(request)}.")
        try:
            return handler(request, scene)
        except Refusal as refusal:
            return refusal.reply

    def failure(self, _request: Request, status: int) -> Reply:
        """An error in MRI's words; its 500 is the database's deadlock."""
        if status == 500:
            return plain(500, _DEADLOCK)
        return plain(status, f"The request could not be completed ({status}).")

    def throttled(self, _request: Request, _quota: Quota) -> Reply:
        """429, without Retry-After: none is documented."""
        return plain(429, "The partner key has used up its calls.")

    def unauthorised(self, _request: Request) -> Reply:
        """A 401 that explains nothing."""
        return Reply(401, b"", (("WWW-Authenticate", 'Basic realm="MRI"'),))

    def error_in_success(self, request: Request, code: int | None, level: str | None) -> Reply:
        """The entry echoed with an error in it; `level` envelope: with a `Result` that tells of a
        failure, as payment and lease calls answer; code 500: a deadlock."""
        entry: Json = actions.peeked(request)
        if level == "envelope":
            return written(request, {**entry, "Result": "Failed: the call timed out."})
        words = _DEADLOCK if code == DEADLOCK_CODE else "The action could not be written."
        return written(request, entry, words if code is None else f"{words} ({code})")

    def sign(self, reply: Reply, _quota: Quota) -> Reply:
        """No header of its own was seen on every answer."""
        return reply


def _credentials(client: str, partner: int) -> dict[str, str]:
    key = f"partner-{partner}"
    return {
        "clientId": client,
        "databaseName": DATABASE,
        "partnerKey": f"{key}-{derived_secret(VENDOR, key)}",
        "username": USER,
        "password": derived_secret(VENDOR, client),
        "baseUrl": "https://sandbox.saas.mrisoftware.com",
    }


def _user_of(request: Request) -> tuple[str, str] | None:
    """Client and partner of a Basic user that is right in every part, else None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        text = base64.b64decode(token, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    user, _, password = text.partition(":")
    parts = user.split("/")
    if scheme.lower() != "basic" or len(parts) != 4:
        return None
    client, database, name, key = parts
    partner = _PARTNER.fullmatch(key)
    if (database, name) != (DATABASE, USER) or partner is None or not _CLIENT.fullmatch(client):
        return None
    public = f"partner-{partner[1]}"
    right = proves(VENDOR, public, partner[2]) and proves(VENDOR, client, password)
    return (client, public) if right else None


def _page(status: int, words: str) -> Reply:
    body = f"<html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>"
    return Reply(status, body.encode(), (("Content-Type", "text/html"),))
