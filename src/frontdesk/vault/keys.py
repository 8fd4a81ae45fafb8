"""The keys that encrypt: where they are found, and how a new one comes in while everything serves.

Keys stand in a setting (comma-separated) or in a file (one a line); the first one seals, all of them
open. A file is looked at again whenever something is sealed, and whenever something does not open, so
every process that shares it knows a new key by itself. A key is never logged, shown or stored in the
database; its fingerprint is.
"""

import base64
import binascii
import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from frontdesk.settings import Settings

KEY_BYTES = 32
KEY_ID_BYTES = 8
KEY_FILE = "encryption.key"

_log = structlog.get_logger(__name__)
_BETWEEN_KEYS = re.compile(r"[\s,]+")


class EncryptionKeyError(Exception):
    """There is no usable key; the message says what to do."""


class KeyMismatch(EncryptionKeyError):  # noqa: N818 — says what is wrong with the key
    """The database holds what another key has encrypted."""


class Key:
    """One key. Its `repr` shows the fingerprint only; `id` is the fingerprint's beginning, which
    stands in what the key has sealed."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise EncryptionKeyError(
                f"An encryption key has {KEY_BYTES} bytes; this one has {len(raw)}."
            )
        self.cipher = AESGCM(_derived(raw, b"credentials"))
        self.scope_key = _derived(raw, b"budget scope")
        self.fingerprint = _derived(raw, b"fingerprint").hex()[:32]
        self.id = bytes.fromhex(self.fingerprint)[:KEY_ID_BYTES]

    def __repr__(self) -> str:
        return f"Key({self.fingerprint})"


class Keyring:
    """The keys of this process: at least one, the first of which seals."""

    def __init__(self, keys: Sequence[bytes], file: Path | None = None) -> None:
        """`file`: where the keys came from, and where they are looked for again."""
        self.file = file
        self._seen: tuple[int, ...] | None = None if file is None else _state_of(file)
        self._keys = _distinct(keys)

    @classmethod
    def of_file(cls, file: Path) -> "Keyring":
        """Raises EncryptionKeyError."""
        # The state first: a change in between is then noticed at the next look.
        seen = _state_of(file)
        ring = cls(read_keys(file), file)
        ring._seen = seen
        return ring

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys as they were last read."""
        return self._keys

    def look(self) -> bool:
        """Read the file again if it is another one than before; whether that changed the keys.

        A file that cannot be used leaves the keys as they are, and is logged: what is at work must
        not stop because somebody is at the file."""
        if self.file is None:
            return False
        seen = _state_of(self.file)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            keys = _distinct(read_keys(self.file))
        except EncryptionKeyError as error:
            _log.error("encryption keys not read again", reason=str(error))
            return False
        changed = [key.id for key in keys] != [key.id for key in self._keys]
        if changed:
            _log.info("encryption keys read", fingerprints=[key.fingerprint for key in keys])
        self._keys = keys
        return changed


def new_key() -> str:
    """A fresh key as a setting or a key file holds it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_file_of(settings: Settings, *, embedded: bool) -> Path | None:
    """The file that the keys are in; None where the setting itself holds them, or nothing does."""
    if settings.encryption_key is not None:
        return None
    if settings.encryption_key_file is not None:
        return settings.encryption_key_file
    if not embedded or settings.data_dir is None:
        return None
    return settings.data_dir / KEY_FILE


def load_keys(settings: Settings, data_dir: Path | None, *, embedded: bool) -> Keyring:
    """The keys: from their setting, from the file that a setting names, or, with the embedded
    server, from the data directory's own file, which is made on the first start.

    Raises EncryptionKeyError, whose message says how to make one.
    """
    if settings.encryption_key is not None:
        text = settings.encryption_key.get_secret_value()
        return Keyring(_decoded(text, "FRONTDESK_ENCRYPTION_KEY"))
    if settings.encryption_key_file is not None:
        return Keyring.of_file(settings.encryption_key_file)
    if not embedded or data_dir is None:
        raise EncryptionKeyError(
            "Credentials are stored encrypted, and there is no key yet. Make one with "
            "`frontdesk keys new`, keep it safe, and give it to every process as "
            "FRONTDESK_ENCRYPTION_KEY, or as a file named by FRONTDESK_ENCRYPTION_KEY_FILE."
        )
    path = data_dir / KEY_FILE
    if not path.exists():
        _make(path)
    return Keyring.of_file(path)


def read_keys(path: Path) -> list[bytes]:
    """The keys in a file. Raises EncryptionKeyError."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise EncryptionKeyError(
            f"The key file {path} cannot be read ({error.strerror}). "
            "`frontdesk keys new` prints a key to put there."
        ) from error
    return _decoded(text, str(path))


# --- changing the file ----------------------------------------------------------------------------


def add_key(path: Path) -> Key:
    """Put a fresh key at the end of the file: it opens from now on, and seals nothing yet."""
    with _changing(path):
        made = base64.b64decode(new_key())
        _replace(path, [*read_keys(path), made])
        return Key(made)


def promote_key(path: Path, fingerprint: str) -> None:
    """Make this key of the file the first: it seals from now on."""
    with _changing(path):
        keys = read_keys(path)
        first = [key for key in keys if Key(key).fingerprint == fingerprint]
        _replace(path, [*first, *(key for key in keys if key not in first)])


def remove_key(path: Path, fingerprint: str) -> None:
    """Take this key out of the file."""
    with _changing(path):
        _replace(path, [key for key in read_keys(path) if Key(key).fingerprint != fingerprint])


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """One change of a key file at a time: of two at once, one's key would be lost."""
    try:
        directory = os.open(path.resolve().parent, os.O_RDONLY)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _replace(path: Path, keys: Sequence[bytes]) -> None:
    """Write the file anew, so that a reader sees all of it or the one before."""
    whole = path.resolve()
    try:
        before = whole.stat()
        draft = _draft(whole, "".join(f"{base64.b64encode(key).decode()}\n" for key in keys))
        try:
            # The processes that read it need not be those of whoever changes it.
            after = draft.stat()
            if (after.st_uid, after.st_gid) != (before.st_uid, before.st_gid):
                os.chown(draft, before.st_uid, before.st_gid)
            draft.chmod(before.st_mode & 0o777)
            draft.replace(whole)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _sync(whole.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EncryptionKeyError:
    return EncryptionKeyError(f"The key file {path} cannot be changed ({error.strerror}).")


def _make(path: Path) -> None:
    """Make the key file, whole or not at all: of two processes that start at once, one's key is
    linked into place, and both read that one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path, f"{new_key()}\n")
    try:
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        # A key lost with the power, after credentials were stored with it, is a catastrophe.
        _sync(path.parent)
    finally:
        draft.unlink()


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _state_of(path: Path) -> tuple[int, ...]:
    """Differs whenever the file has been replaced or written."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _distinct(keys: Sequence[bytes]) -> tuple[Key, ...]:
    return tuple(Key(raw) for raw in dict.fromkeys(keys))


def _decoded(text: str, where: str) -> list[bytes]:
    """The keys' bytes; both base64 alphabets are taken. Never repeats the text."""
    found = [_one(word) for word in _BETWEEN_KEYS.split(text.strip()) if word]
    if not found or any(len(key) != KEY_BYTES for key in found):
        raise EncryptionKeyError(
            f"{where} holds no key, or something that is none: {KEY_BYTES} bytes in base64 are "
            "expected, as `frontdesk keys new` prints them; several are separated by commas or "
            "line ends."
        )
    return found


def _one(word: str) -> bytes:
    cleaned = word.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(cleaned + "=" * (-len(cleaned) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _derived(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose: what is shown of one (the fingerprint) tells nothing of another."""
    return hmac.new(key, b"frontdesk " + purpose, hashlib.sha256).digest()
