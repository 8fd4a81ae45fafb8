"""Rent Manager's login: a user or a partner gets a token, and every other call bears it.

A token lives for 24 hours, or 15 minutes unused, and a user may have ten: nothing here keeps one.
Source: Rent Manager Web API help and observed answers; what is assumed is in `guesses`.
"""

import re
from dataclasses import replace

import orjson

from frontdesk.vendors import values
from frontdesk.vendors.contract import Access, Answer, Outcome, OutcomeKind, ReadRefused, Request
from frontdesk.vendors.rentmanager import client, guesses

_TOKEN_HEADER = "x-rm12api-apitoken"  # noqa: S105 — the name of a header
_PARTNER_HEADER = "x-rm12api-partnertoken"
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_PASSES_AFTER = 60.0


class RentManagerLogin:
    """See `frontdesk.vendors.contract.Login`. Holds no state."""

    def request(self, access: Access) -> Request:
        credentials = access.credentials
        if credentials.get("Username") and credentials.get("Password"):
            body = {
                "Username": str(credentials["Username"]),
                "Password": str(credentials["Password"]),
                "LocationID": client.LOCATION,
            }
            return client.request(access, "POST", "/Authentication/AuthorizeUser", body=body)
        request = client.request(
            access,
            "POST",
            "/Authentication/AuthorizePartner",
            body=dict(guesses.partner_login_body()),
        )
        return replace(
            request,
            headers={**request.headers, _PARTNER_HEADER: str(credentials["PartnerToken"])},
            secret_headers=request.secret_headers | {_PARTNER_HEADER},
        )

    def token_of(self, answer: Answer) -> str:
        if answer.status == 401 and guesses.is_one_login_too_many(answer):
            words = values.message(answer.body.decode("utf-8", errors="replace"))
            raise ReadRefused(
                Outcome(
                    OutcomeKind.NOT_NOW,
                    "too_many_logins",
                    words,
                    upstream_status=answer.status,
                    retry_after=_PASSES_AFTER,
                )
            )
        if answer.status != 200:
            raise ReadRefused(client.failure(answer))
        try:
            token = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            token = None
        # What stands in a header of every call must not be able to end that header.
        if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
            # The body is not shown: a token that is only half of one is a secret all the same.
            raise ReadRefused(
                Outcome(
                    OutcomeKind.UNKNOWN,
                    "unreadable_answer",
                    "Rent Manager's login answered without a token.",
                    upstream_status=answer.status,
                )
            )
        return token

    def with_token(self, request: Request, token: str) -> Request:
        return replace(
            request,
            headers={**request.headers, _TOKEN_HEADER: token},
            secret_headers=request.secret_headers | {_TOKEN_HEADER},
        )

    def refuses(self, answer: Answer) -> bool:
        # A 401 is given before a request is acted upon (RFC 9110, 15.5.2).
        return answer.status == 401
