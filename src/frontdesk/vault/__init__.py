"""The vault: keys, what they encrypt, and how one key takes another's place."""

from frontdesk.vault.keys import (
    KEY_FILE,
    EncryptionKeyError,
    Key,
    KeyMismatch,
    Keyring,
    key_file_of,
    load_keys,
    new_key,
)
from frontdesk.vault.sealing import Seal, UnreadableError, Vault
from frontdesk.vault.service import KeyInUseError, KeyState, Rotation, VaultService
from frontdesk.vault.texts import CLEAR, TEXT_FIELDS, Texts

__all__ = [
    "CLEAR",
    "KEY_FILE",
    "TEXT_FIELDS",
    "EncryptionKeyError",
    "Key",
    "KeyInUseError",
    "KeyMismatch",
    "KeyState",
    "Keyring",
    "Rotation",
    "Seal",
    "Texts",
    "UnreadableError",
    "Vault",
    "VaultService",
    "key_file_of",
    "load_keys",
    "new_key",
]
