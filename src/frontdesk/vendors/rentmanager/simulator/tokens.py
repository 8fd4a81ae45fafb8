"""Who may call: logins of users and partners, and the tokens that they get.

A token lives for 24 hours, or 15 minutes unused, on the simulator's own clock; a user has ten at
most. It is signed, so that the company that a call counts for can be told from the call alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from frontdesk.sandbox.simulator import Json, Malformed, Reply, Request, derived_secret, proves
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.rentmanager.simulator.answers import (
    FORCED_RESET,
    Refusal,
    error_model,
    unauthenticated,
)

VENDOR = "RENTMANAGER"
LIVES = timedelta(hours=24)
IDLE = timedelta(minutes=15)
MOST_TOKENS = 10

_USER = re.compile(r"(sandbox|readonly|limited|reset|partner)-([0-9]{1,6})")
_TOKEN = re.compile(r"([a-z]+-[0-9]{1,6}):([0-9]{1,12}):([0-9a-f]{40})")
_PARTNER = re.compile(r"(partner-[0-9]{1,6})\.([0-9a-f]{40})")
_LOGINS = frozenset(
    {"/authentication/authorizeuser", "/authentication/authorizepartner",
     "/authentication/authorizetoken"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who has proved himself; `token` is the number of his token."""

    user: str
    token: int


def is_login(request: Request) -> bool:
    """Whether the call asks for a token."""
    return request.path.lower() in _LOGINS


def company_of(user: str) -> str:
    """The company of a user: `sandbox-3`, `readonly-3` and `partner-3` are of one."""
    return f"sandbox{user.rpartition('-')[2]}"


def partner_token(number: int) -> str:
    """The token of partner `number`."""
    user = f"partner-{number}"
    return f"{user}.{derived_secret(VENDOR, user)}"


def proven_user(request: Request) -> str | None:
    """The user whose password, partner's token or (signed) token the call bears."""
    path = request.path.lower()
    if path == "/authentication/authorizeuser":
        user, password = (request.json_object.get(key) for key in ("Username", "Password"))
        if not isinstance(user, str) or not isinstance(password, str):
            return None
        return user if _USER.fullmatch(user) and proves(VENDOR, user, password) else None
    if path == "/authentication/authorizepartner":
        found = _PARTNER.fullmatch(request.headers.get("x-rm12api-partnertoken", ""))
        return found[1] if found is not None and proves(VENDOR, found[1], found[2]) else None
    signed = _read(request.headers.get("x-rm12api-apitoken", ""))
    return signed.user if signed is not None else None


def log_in(request: Request, scene: Scene) -> Reply:
    """`POST /Authentication/AuthorizeUser` and its kin: a bare JSON string, the token."""
    if request.path.lower() == "/authentication/authorizetoken":
        return Reply.json(200, _token_text(caller(request, scene)))
    if request.path.lower() == "/authentication/authorizeuser":
        _check_body(request)
    user = proven_user(request)
    if user is None:
        raise Refusal(unauthenticated(request, "The user name or the password is not valid."))
    if user.startswith("reset-"):
        raise Refusal(
            error_model(
                request,
                500,
                "A password reset is required.",
                exception=FORCED_RESET,
            )
        )
    live = [row for row in scene.every("tokens") if row["user"] == user and _is_live(row, scene)]
    if len(live) >= MOST_TOKENS:
        words = f"The maximum number of API tokens ({MOST_TOKENS}) of this user is in use."
        raise Refusal(Reply(401, words.encode(), (("Content-Type", "text/plain; charset=utf-8"),)))
    number = scene.next_number("tokens")
    scene.put(
        "tokens",
        number,
        {"number": number, "user": user, "created": scene.now.isoformat(), "released": False},
    )
    return Reply.json(200, _token_text(Caller(user, number)))


def log_out(request: Request, scene: Scene) -> Reply:
    """`POST /Authentication/DeAuthorize?token=`: the token ends, and leaves its place."""
    given = request.query.get("token", [request.headers.get("x-rm12api-apitoken", "")])[-1]
    signed = _read(given)
    row = scene.get("tokens", signed.token) if signed is not None else None
    if row is None:
        raise Refusal(unauthenticated(request, "The ApiToken could not be validated."))
    scene.put("tokens", row["number"], {**row, "released": True})
    return Reply(200)


def caller(request: Request, scene: Scene) -> Caller:
    """The user behind the call's token. Raises the 401."""
    given = request.headers.get("x-rm12api-apitoken", "")
    if not given:
        raise Refusal(unauthenticated(request, "Missing ApiToken"))
    signed = _read(given)
    row = scene.get("tokens", signed.token) if signed is not None else None
    if signed is None or row is None or row["user"] != signed.user or not _is_live(row, scene):
        raise Refusal(unauthenticated(request, "The ApiToken could not be validated."))
    if scene.now - _last_use(row, scene) >= timedelta(seconds=1):
        # To the second is near enough, and spares the store a write for every read.
        scene.put("uses", signed.token, {"used": scene.now.isoformat()})
    return signed


def _is_live(row: Json, scene: Scene) -> bool:
    created = datetime.fromisoformat(row["created"])
    idle = scene.now - _last_use(row, scene)
    return not row["released"] and scene.now - created < LIVES and idle < IDLE


def _last_use(row: Json, scene: Scene) -> datetime:
    """Its uses are told apart from the token, because a read lag may hide what was written last:
    the token itself is never written twice, so it can never be hidden again."""
    use = scene.get("uses", row["number"])
    return datetime.fromisoformat(row["created"] if use is None else use["used"])


def _check_body(request: Request) -> None:
    try:
        body = request.json
    except Malformed:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("LocationID", 1), int):
        raise Refusal(error_model(request, 400, "The request body is not a login."))


def _signature(user: str, number: int) -> str:
    return derived_secret(VENDOR, f"token {user} {number}")


def _token_text(token: Caller) -> str:
    text = f"{token.user}:{token.token}:{_signature(token.user, token.token)}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(text: str) -> Caller | None:
    try:
        plain = base64.urlsafe_b64decode(text.encode("ascii")).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        return None
    found = _TOKEN.fullmatch(plain)
    if found is None or not proves(VENDOR, f"token {found[1]} {int(found[2])}", found[3]):
        return None
    return Caller(found[1], int(found[2]))
