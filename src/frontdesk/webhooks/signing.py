"""Secrets and signatures. Pure but for the random source.

Each request is signed twice: in one header the hex HMAC-SHA256 of the body, and by the Standard
Webhooks specification (id, time and body). While a secret is being replaced, both secrets sign.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standardwebhooks import Webhook

SHORTEST_SECRET = 10
LONGEST_SECRET = 200

_PREFIX = "whsec_"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that sign now: the current one, and the one before while it overlaps."""

    current: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)

    @property
    def all(self) -> Sequence[str]:
        return [self.current] if self.previous is None else [self.current, self.previous]


def new_secret() -> str:
    """A fresh secret in the form of the Standard Webhooks: `whsec_` and 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def signed_headers(
    secrets_now: Secrets, message_id: str, moment: datetime, body: str, *, header: str
) -> dict[str, str]:
    """The headers that prove where a body comes from. `header` is the name of the plain one; the
    signature by the secret before stands beside it, because whoever reads one header compares it
    with one value."""
    standard = [
        Webhook(key_of(secret)).sign(message_id, moment.astimezone(UTC), body)
        for secret in secrets_now.all
    ]
    headers = {
        header: plain_signature(secrets_now.current, body),
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(standard),
    }
    if secrets_now.previous is not None:
        headers[f"{header}-previous"] = plain_signature(secrets_now.previous, body)
    return headers


def plain_signature(secret: str, body: str) -> str:
    """Hex HMAC-SHA256 of the body; the key is the secret as it was shown, in UTF-8."""
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


def key_of(secret: str) -> bytes:
    """The key that the Standard Webhooks take: what follows `whsec_` in base64, or, of a secret that
    a caller chose in another form, its characters in UTF-8."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    text = secret.removeprefix(_PREFIX)
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def is_sound(secret: str) -> bool:
    """Whether a caller's secret can sign: after `whsec_` must stand base64."""
    try:
        return bool(key_of(secret))
    except (binascii.Error, ValueError):
        return False
