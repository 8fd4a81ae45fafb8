"""Seals what was said of residents wherever it lies: in JSON documents, string by string, and in
columns of text.

Only the values of `TEXT_FIELDS` are sealed, each by itself and with a nonce of its own: the database
merges documents by their keys and reads the rest of them as ever. Whoever compares must open first,
since one text is sealed differently each time. What was stored in the clear is read as it is, so the
setting may be switched at any time.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import orjson

from frontdesk.vault.sealing import MARK, UnreadableError, Vault, is_sealed_text

TEXT_FIELDS = frozenset(
    {
        "notes",
        "title",
        "event_name",
        "reasons_for_event",
        "email_body",
        "email_subject",
        "email_from",
        "email_to",
        "email_cc",
        "email_bcc",
        "call_phone_number_from",
        "call_phone_number_to",
        "call_audio_link",
        # Of errors and refusals: a PMS's words, and ours, may quote what they are about.
        "message",
        "received",
    }
)
"""The keys, at any depth, whose strings are sealed."""

_Change = Callable[[str], str]


class Texts:
    """Seals (if the setting says so) and opens; a text belongs to its account, and opens in no
    other's rows. Without a vault, and switched off, everything passes through as it is."""

    def __init__(self, vault: Vault | None = None, *, sealing: bool = False) -> None:
        self._vault = vault
        self.sealing = sealing and vault is not None

    # --- into the database ----------------------------------------------------------------------

    def seal(self, account_id: UUID, document: Any) -> Any:
        """The document with its texts sealed; what is given is not changed."""
        if self._vault is None or not self.sealing:
            return document
        vault = self._vault
        vault.ring.look()
        return _sealed(document, lambda text: vault.seal_string(account_id, text))

    def seal_text(self, account_id: UUID, text: str) -> str:
        """One text, sealed."""
        if self._vault is None or not self.sealing:
            return text
        self._vault.ring.look()
        return self._vault.seal_string(account_id, text)

    def seal_json(self, owner: UUID, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """A document that the database never looks into, sealed as a whole for what has this id."""
        if self._vault is None or not self.sealing:
            return value
        return self._vault.seal_json(owner, value)

    def seal_fingerprint(self, fingerprint: str | None) -> str | None:
        """A request's fingerprint (hex) as it is kept: a hash of its text alone would tell whoever
        guesses the text that he is right."""
        if self._vault is None or not self.sealing or fingerprint is None:
            return fingerprint
        return self._vault.request_name(fingerprint)

    def is_fingerprint(self, kept: str, fingerprint: str) -> bool:
        """Whether this is the fingerprint that was kept, in either form."""
        if kept == fingerprint:
            return True
        return self._vault is not None and kept == self._vault.request_name(fingerprint)

    # --- out of it ------------------------------------------------------------------------------

    def loads(self, account_id: UUID, raw: str) -> Any:
        """A stored JSON document, opened, to be shown. A text that no key opens stays as it lies
        there: one of them must not hide all others, and it may be a caller's own words."""
        document = orjson.loads(raw)
        return self.opened(account_id, document) if MARK in raw else document

    def clear_json(self, account_id: UUID, raw: str) -> str:
        """As `loads`, as JSON again: the very same where nothing in it is sealed."""
        if MARK not in raw:
            return raw
        return orjson.dumps(self.loads(account_id, raw)).decode()

    def loads_whole(self, account_id: UUID, raw: str) -> Any:
        """As `loads`, to be acted upon: raises UnreadableError for a text that does not open."""
        document = orjson.loads(raw)
        return self.opened(account_id, document, whole=True) if MARK in raw else document

    def opened(self, account_id: UUID, document: Any, *, whole: bool = False) -> Any:
        """The document with its texts opened; `whole`: all of them, or UnreadableError."""
        return each_string(document, lambda text: self._text(account_id, text, whole=whole))

    def open_text(self, account_id: UUID, text: str) -> str:
        """A stored text, to be shown."""
        return self._text(account_id, text, whole=False)

    def open_whole_text(self, account_id: UUID, text: str) -> str:
        """A stored text, to be acted upon. Raises UnreadableError."""
        return self._text(account_id, text, whole=True)

    def open_json(self, owner: UUID, raw: str) -> dict[str, Any]:
        """What `seal_json` sealed, or what was stored in the clear. Raises UnreadableError."""
        stored: dict[str, Any] = orjson.loads(raw)
        return stored if self._vault is None else self._vault.open_json(owner, stored)

    def _text(self, account_id: UUID, text: str, *, whole: bool) -> str:
        if self._vault is None or not is_sealed_text(text):
            return text
        try:
            return self._vault.open_string(account_id, text)
        except UnreadableError:
            if whole:
                raise
            return text

    # --- one form for one text ------------------------------------------------------------------

    def is_as_wished(self, document: Any) -> bool:
        """Whether nothing of the document has to be sealed yet."""
        if not self.sealing:
            return True
        clear: list[str] = []

        def note(text: str) -> str:
            if not is_sealed_text(text):
                clear.append(text)
            return text

        _sealed(document, note)
        return not clear

    def sealed_where_clear(self, account_id: UUID, document: Any) -> Any:
        """The document with what is still clear in it sealed; what is sealed keeps its form."""
        if self._vault is None or not self.sealing:
            return document
        vault = self._vault
        vault.ring.look()
        return _sealed(
            document,
            lambda text: text if is_sealed_text(text) else vault.seal_string(account_id, text),
        )

    def in_kept_form(
        self, account_id: UUID, fresh: Mapping[str, Any], kept: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The fields of `fresh`, each text in the very form that `kept` has it in where it says the
        same: the database, which compares what is stored, then finds it unchanged."""
        found: dict[str, Any] = {}
        for name, value in fresh.items():
            stored = kept.get(name)
            if isinstance(value, str) and isinstance(stored, str) and name in TEXT_FIELDS:
                same = self.open_text(account_id, stored) == value
                found[name] = stored if same else self.seal_text(account_id, value)
            else:
                found[name] = self.seal(account_id, {name: value})[name]
        return found


CLEAR = Texts()
"""Neither seals nor opens."""


def _sealed(value: Any, change: _Change) -> Any:
    if isinstance(value, Mapping):
        return {
            key: change(inner)
            if isinstance(inner, str) and key in TEXT_FIELDS
            else _sealed(inner, change)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_sealed(inner, change) for inner in value]
    return value


def each_string(value: Any, change: _Change) -> Any:
    """The document with every string changed, whatever its key."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: each_string(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [each_string(inner, change) for inner in value]
    return value
