"""Encrypts what must not be read in the database, and finds the key for it.

AES-256-GCM with a fresh nonce per value, bound to what it belongs to: a value copied to another row
does not open there. The key itself is never logged, shown or stored in the database; a fingerprint
of it is, so that no process works with the wrong key. Without a key nothing starts: there is no
fallback to plain text.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from frontdesk.settings import Settings
from frontdesk.vendors.declaration import Declaration

KEY_BYTES = 32
KEY_FILE = "encryption.key"

_VERSION = b"\x01"
_NONCE_BYTES = 12


class EncryptionKeyError(Exception):
    """There is no usable key; the message says what to do."""


class KeyMismatch(EncryptionKeyError):  # noqa: N818 — says what is wrong with the key
    """The database holds what another key has encrypted."""


class UnreadableError(Exception):
    """A stored value does not open: it was altered, or belongs to another row or key."""


class Vault:
    """One key, and what it encrypts. Its `repr` shows the fingerprint only."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise EncryptionKeyError(
                f"An encryption key has {KEY_BYTES} bytes; this one has {len(key)}."
            )
        self._cipher = AESGCM(_derived(key, b"credentials"))
        self._scope_key = _derived(key, b"budget scope")
        self.fingerprint = _derived(key, b"fingerprint").hex()[:32]

    def __repr__(self) -> str:
        return f"Vault({self.fingerprint})"

    def encrypt(self, integration_id: UUID, credentials: Mapping[str, Any]) -> bytes:
        """The credentials, sealed for this integration."""
        return self._seal(orjson.dumps(dict(credentials)), integration_id.bytes)

    def decrypt(self, integration_id: UUID, sealed: bytes) -> dict[str, Any]:
        """What `encrypt` sealed. Raises UnreadableError."""
        credentials: dict[str, Any] = orjson.loads(self._open(sealed, integration_id.bytes))
        return credentials

    def seal_token(self, session: str, token: str) -> bytes:
        """A PMS's token, sealed for this session."""
        return self._seal(token.encode(), session.encode())

    def open_token(self, session: str, sealed: bytes) -> str:
        """What `seal_token` sealed. Raises UnreadableError."""
        return self._open(sealed, session.encode()).decode()

    def session_name(self, vendor: str, base_url: str, credentials: Mapping[str, Any]) -> str:
        """Names the session of these credentials at this address: a keyed hash."""
        text = orjson.dumps([vendor, base_url, dict(credentials)], option=orjson.OPT_SORT_KEYS)
        return hmac.new(self._scope_key, b"session" + text, hashlib.sha256).hexdigest()

    def _seal(self, content: bytes, bound_to: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, content, bound_to)

    def _open(self, sealed: bytes, bound_to: bytes) -> bytes:
        if sealed[:1] != _VERSION:
            raise UnreadableError(
                "The credentials were stored in a form that this version cannot read."
            )
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, bound_to)
        except (InvalidTag, ValueError):
            raise UnreadableError(
                "The credentials do not open with this key; enter them anew, or start with the key "
                "that they were stored with."
            ) from None

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


def new_key() -> str:
    """A fresh key as a setting or a key file holds it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def load_key(settings: Settings, data_dir: Path | None, *, embedded: bool) -> bytes:
    """The key: from its setting, from the file that a setting names, or, with the embedded server,
    from the data directory's own file, which is made on the first start.

    Raises EncryptionKeyError, whose message says how to make one.
    """
    if settings.encryption_key is not None:
        return _decoded(settings.encryption_key.get_secret_value(), "FRONTDESK_ENCRYPTION_KEY")
    if settings.encryption_key_file is not None:
        return _read(settings.encryption_key_file)
    if not embedded or data_dir is None:
        raise EncryptionKeyError(
            "Credentials are stored encrypted, and there is no key yet. Make one with "
            "`frontdesk keys new`, keep it safe, and give it to every process as "
            "FRONTDESK_ENCRYPTION_KEY, or as a file named by FRONTDESK_ENCRYPTION_KEY_FILE."
        )
    path = data_dir / KEY_FILE
    if not path.exists():
        _make(path)
    return _read(path)


def _make(path: Path) -> None:
    """Make the key file, whole or not at all: of two processes that start at once, one's key is
    linked into place, and both read that one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(new_key().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        # A key lost with the power, after credentials were stored with it, is a catastrophe.
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        draft.unlink()


def _read(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise EncryptionKeyError(
            f"The key file {path} cannot be read ({error.strerror}). "
            "`frontdesk keys new` prints a key to put there."
        ) from error
    return _decoded(text, str(path))


def _decoded(text: str, where: str) -> bytes:
    """The key's bytes; both base64 alphabets are taken. Never repeats the text."""
    cleaned = text.strip().replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(cleaned + "=" * (-len(cleaned) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise EncryptionKeyError(
            f"{where} holds no key: {KEY_BYTES} bytes in base64 are expected, as "
            "`frontdesk keys new` prints them."
        )
    return key


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose: what is shown of one (the fingerprint) tells nothing of another."""
    return hmac.new(key, b"frontdesk " + purpose, hashlib.sha256).digest()
