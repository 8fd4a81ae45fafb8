"""Encrypts credentials and other secrets.

AES-256-GCM with a fresh nonce per value, bound to what it belongs to: a value copied to another row
does not open there. While there is more than one key, a value names the key that it was sealed with.
Without a key nothing starts: there is no fallback to plain text.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag

from frontdesk.vault.keys import KEY_ID_BYTES, Key, Keyring
from frontdesk.vendors.declaration import Declaration

How = Literal["credentials", "token", "text", "secret", "json", "texts"]
"""What is sealed, which says how it is bound to its owner; stands in the comment of its column.
`texts`: strings that begin with `MARK`, in a JSON document or in a column of text, beside clear ones."""

Seal = Callable[[UUID, Mapping[str, Any]], Mapping[str, Any]]
"""Seals a JSON object for an owner, as `Vault.seal_json` does."""

SEALED = "sealed"
"""The one key of a JSON object that stands for a sealed one."""

MARK = "frontdesk:sealed:"
"""How a sealed string begins. The base64 of its key's name follows."""

UNNAMED = b"\x01"
"""How a value begins that names no key. Earlier versions read no other, so it is written as long as
there is one key."""

_NAMED_KEY = b"\x02"
_NONCE_BYTES = 12
_TAG_BYTES = 16


class UnreadableError(Exception):
    """A stored value does not open: it was altered, or belongs to another owner or key."""


class Vault:
    """The keys, and what they encrypt. Its `repr` shows fingerprints only."""

    def __init__(self, keys: Keyring | bytes) -> None:
        self.ring = keys if isinstance(keys, Keyring) else Keyring([keys])
        self._scope_key = self.ring.keys[0].scope_key

    def __repr__(self) -> str:
        return f"Vault({', '.join(self.fingerprints)})"

    @property
    def fingerprint(self) -> str:
        """Of the key that seals."""
        return self.ring.keys[0].fingerprint

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of all keys, that which seals first."""
        return tuple(key.fingerprint for key in self.ring.keys)

    def use_scope_key(self, key: bytes) -> None:
        """Name budget scopes and sessions with this key: it outlives those that encrypt."""
        self._scope_key = key

    # --- what is kept ---------------------------------------------------------------------------

    def encrypt(self, integration_id: UUID, credentials: Mapping[str, Any]) -> bytes:
        """The credentials, sealed for this integration."""
        return self.seal(orjson.dumps(dict(credentials)), "credentials", integration_id)

    def decrypt(self, integration_id: UUID, sealed: bytes) -> dict[str, Any]:
        """What `encrypt` sealed. Raises UnreadableError."""
        credentials: dict[str, Any] = orjson.loads(self.open(sealed, "credentials", integration_id))
        return credentials

    def seal_token(self, session: str, token: str) -> bytes:
        """A PMS's token, sealed for this session."""
        return self.seal(token.encode(), "token", session)

    def open_token(self, session: str, sealed: bytes) -> str:
        """What `seal_token` sealed. Raises UnreadableError."""
        return self.open(sealed, "token", session).decode()

    def seal_text(self, owner: UUID, text: str) -> bytes:
        """A text, sealed for what has this id."""
        return self.seal(text.encode(), "text", owner)

    def open_text(self, owner: UUID, sealed: bytes) -> str:
        """What `seal_text` sealed. Raises UnreadableError."""
        return self.open(sealed, "text", owner).decode()

    def seal_json(self, owner: UUID, value: Mapping[str, Any]) -> dict[str, str]:
        """A JSON object, sealed for what has this id, in the shape of another JSON object."""
        sealed = self.seal(orjson.dumps(dict(value), default=str), "json", owner)
        return {SEALED: base64.b64encode(sealed).decode()}

    def open_json(self, owner: UUID, stored: dict[str, Any]) -> dict[str, Any]:
        """What `seal_json` sealed; what was stored in the clear comes back as it is. Raises
        UnreadableError."""
        if stored.keys() != {SEALED}:
            return stored
        opened: dict[str, Any] = orjson.loads(
            self.open(base64.b64decode(str(stored[SEALED])), "json", owner)
        )
        return opened

    def seal_string(self, account_id: UUID, text: str) -> str:
        """A text, sealed for this account, as a string that can stand where the text stood. With the
        keys as they were last read; it always names its key, so that SQL finds it by that."""
        sealed = self._sealed(text.encode(), "texts", account_id, named=True)
        return MARK + base64.b64encode(sealed).decode()

    def open_string(self, account_id: UUID, text: str) -> str:
        """What `seal_string` sealed. Raises UnreadableError."""
        try:
            sealed = base64.b64decode(text.removeprefix(MARK), validate=True)
        except ValueError as error:
            raise UnreadableError("A text that is marked as sealed is none.") from error
        return self.open(sealed, "texts", account_id).decode()

    # --- sealing --------------------------------------------------------------------------------

    def seal(self, content: bytes, how: How, owner: UUID | str) -> bytes:
        """The content, sealed for its owner, with the first key of all that there are now."""
        self.ring.look()
        return self._sealed(content, how, owner, named=len(self.ring.keys) > 1)

    def seal_anew(self, content: bytes, how: How, owner: UUID | str) -> bytes:
        """As `seal`, with the keys as they were last read, and naming the key in any case: so it can
        be told what has been sealed anew."""
        return self._sealed(content, how, owner, named=True)

    def open(self, sealed: bytes, how: How, owner: UUID | str) -> bytes:
        """What `seal` sealed. Raises UnreadableError."""
        bound_to = _bound_to(how, owner)
        opened = self._opened(sealed, bound_to)
        if opened is None and self.ring.look():
            # Another process has sealed it with a key that has come since we last looked.
            opened = self._opened(sealed, bound_to)
        if opened is None:
            raise UnreadableError(
                "The stored value does not open with any key of this process; enter the "
                "credentials anew, or start with the key that they were stored with."
            )
        return opened

    def _sealed(self, content: bytes, how: How, owner: UUID | str, *, named: bool) -> bytes:
        key = self.ring.keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        head = head_of(key.fingerprint) if named else UNNAMED
        return head + nonce + key.cipher.encrypt(nonce, content, _bound_to(how, owner))

    def _opened(self, sealed: bytes, bound_to: bytes) -> bytes | None:
        version, rest = sealed[:1], sealed[1:]
        keys: tuple[Key, ...] = ()
        if version == UNNAMED:
            keys = self.ring.keys
        elif version == _NAMED_KEY:
            keys = tuple(key for key in self.ring.keys if key.id == rest[:KEY_ID_BYTES])
            rest = rest[KEY_ID_BYTES:]
        for key in keys:
            try:
                return key.cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], bound_to)
            except (InvalidTag, ValueError):
                continue
        return None

    # --- names ----------------------------------------------------------------------------------

    def session_name(self, vendor: str, base_url: str, credentials: Mapping[str, Any]) -> str:
        """Names the session of these credentials at this address: a keyed hash."""
        text = orjson.dumps([vendor, base_url, dict(credentials)], option=orjson.OPT_SORT_KEYS)
        return hmac.new(self._scope_key, b"session" + text, hashlib.sha256).hexdigest()

    def erased_name(self, integration_id: UUID, x_id: str) -> str:
        """What is kept of an erased resident: a keyed hash of his PMS id, which is often a small
        number that a hash without a key would not hide."""
        text = b"erased" + integration_id.bytes + x_id.encode()
        return hmac.new(self._scope_key, text, hashlib.sha256).hexdigest()

    def request_name(self, fingerprint: str) -> str:
        """What is kept of a request's fingerprint where its text is sealed: a keyed hash (hex), by which
        a guess of the text cannot be confirmed."""
        text = b"request" + fingerprint.encode()
        return hmac.new(self._scope_key, text, hashlib.sha256).hexdigest()

    def budget_scope(
        self, declaration: Declaration, credentials: Mapping[str, Any], integration_id: UUID
    ) -> str:
        """Names the party whose calls the vendor counts together, without telling who it is.

        A keyed hash: of the vendor and the credentials that it counts by, or, for a vendor that
        counts by none, of the integration alone.
        """
        keys = declaration.budget.scope_keys
        counted: list[Any] = [credentials.get(name) for name in keys]
        if not keys:
            counted = [str(integration_id)]
        text = orjson.dumps([declaration.vendor, *counted], option=orjson.OPT_SORT_KEYS)
        return hmac.new(self._scope_key, text, hashlib.sha256).hexdigest()


def head_of(fingerprint: str) -> bytes:
    """How a value begins that names the key which sealed it."""
    return _NAMED_KEY + bytes.fromhex(fingerprint)[:KEY_ID_BYTES]


def is_sealed_text(text: str) -> bool:
    """Whether a string has the form of a sealed one; a caller's own words may begin with the mark."""
    if not text.startswith(MARK):
        return False
    least = 1 + KEY_ID_BYTES + _NONCE_BYTES + _TAG_BYTES
    try:
        sealed = base64.b64decode(text.removeprefix(MARK), validate=True)
    except ValueError:
        return False
    return len(sealed) >= least and sealed[:1] == _NAMED_KEY


def mark_of_head(head: bytes) -> str:
    """How a string begins that the key of this head (`head_of`) has sealed."""
    # A whole number of base64's groups of three bytes: what follows does not change it.
    return MARK + base64.b64encode(head).decode()


def _bound_to(how: How, owner: UUID | str) -> bytes:
    raw = owner.bytes if isinstance(owner, UUID) else owner.encode()
    # The first two had their form before there were others, which must not be mistaken for them.
    return raw if how in ("credentials", "token") else how.encode() + raw
