"""AppFolio's idempotency keys: kept for 24 hours with what they were used for and its answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from frontdesk.sandbox.simulator import Json, Reply, Request
from frontdesk.sandbox.world import Scene
from frontdesk.vendors.appfolio.simulator.answers import error, refuse

HEADER = "idempotency-key"
KEPT = timedelta(hours=24)

_KEY = re.compile(r"[\x20-\x7e]{1,256}")


def key_of(request: Request) -> str | None:
    """The request's key; only a POST has one."""
    return request.headers.get(HEADER) if request.method == "POST" else None


def once(request: Request, scene: Scene, act: Callable[[], Reply]) -> Reply:
    """Do what the request asks, or answer as it was answered under the same key."""
    key = key_of(request)
    # A member of staff, whom a fault lets write the same, sits at a screen and sends no key.
    if key is None or scene.origin == "staff":
        return act()
    if not _KEY.fullmatch(key):
        raise refuse(400, "Idempotency-Key must hold 1 to 256 printable ASCII characters")
    if scene.is_locked:
        return error(409).with_headers(("Retry-After", "1"))
    name = _digest(scene.credential.encode(), key.encode())
    # Found by its name, which lies in the place of a parent: a number must stay a number in order.
    place = int.from_bytes(name[:7], "big")
    known = next((k for k in scene.children("keys", place) if k["name"] == name.hex()), None)
    fingerprint = _fingerprint(request)
    if known is not None and scene.now - datetime.fromisoformat(known["since"]) < KEPT:
        return _replay(known, fingerprint)
    reply = act()
    number: int = scene.next_number("keys") if known is None else known["number"]
    kept: Json = {
        "number": number,
        "name": name.hex(),
        "since": scene.now.isoformat(),
        "fingerprint": fingerprint,
        "status": reply.status,
        "headers": [list(header) for header in reply.headers],
        "body": reply.body.decode(),
    }
    scene.put("keys", number, kept, parent=place, at_once=True)
    return reply


def _replay(known: Json, fingerprint: str) -> Reply:
    if known["fingerprint"] != fingerprint:
        raise refuse(422, "This Idempotency-Key was used for a request with another body")
    headers = tuple((name, value) for name, value in known["headers"])
    reply = Reply(known["status"], known["body"].encode(), headers)
    return reply.with_headers(("Idempotent-Replayed", "true"))


def _fingerprint(request: Request) -> str:
    return _digest(request.path.encode(), request.body).hex()


def _digest(*parts: bytes) -> bytes:
    # The lengths keep two different pairs of parts apart.
    lengths = b"".join(len(part).to_bytes(8, "big") for part in parts)
    return hashlib.sha256(lengths + b"".join(parts)).digest()
