"""Finds planted texts in whatever is shown or kept, however they are spelled there."""

import base64
import json
import sys
from collections.abc import Iterator
from html import escape
from urllib.parse import quote

WORD = 8
"""Bytes of the words by which a text is looked through."""


def spellings(secret: str) -> set[str]:
    """How a secret can stand in a text, written here without a look at what masks it."""
    percent = {quote(secret, safe=safe) for safe in ("", "/", "/:@!$&'()*+,;=~")}
    in_json = {json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]}
    in_xml = {escape(secret), escape(secret, quote=False)}
    raw = secret.encode()
    # Inside a base64 text at each of three places; the ends depend on what stands beside it.
    in_base64 = {
        base64.b64encode(b"\0" * place + raw).decode()[-(-8 * place // 6) + 4 : -4]
        for place in range(3)
    }
    # As hex, in which a dump shows bytes.
    return {secret, raw.hex()} | percent | in_json | in_xml | in_base64


class Planted:
    """What has been planted, by what it is."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self._by_word: dict[int, set[bytes]] = {}
        self._short: set[bytes] = set()
        self.public: set[str] = set()

    def add(self, name: str, secret: str) -> None:
        # A short one stands in other places by chance; and what is no secret at one vendor (a user's
        # name) may show there, though another counts it as one.
        if len(secret) < 8 or secret in self.public:
            return
        for form in map(str.encode, spellings(secret)):
            self._names[form] = name
            words = list(_words_in(form))
            if not words:
                self._short.add(form)
            for word in words:
                self._by_word.setdefault(word, set()).add(form)

    def __len__(self) -> int:
        return len(set(self._names.values()))

    def found_in(self, shown: bytes) -> set[str]:
        """The names (never the values) of what shows."""
        # A thousand spellings in all files of a database: each would be looked for through all of them.
        words = set(memoryview(shown + bytes(-len(shown) % WORD)).cast("Q"))
        candidates = self._short.union(
            *(self._by_word[word] for word in words & self._by_word.keys())
        )
        return {self._names[form] for form in candidates if form in shown}


def _words_in(form: bytes) -> Iterator[int]:
    """Wherever it stands in a text, one of these is among the text's words: of its first `WORD` places,
    one falls on a word's beginning. (If it is long enough to hold all of them.)"""
    if len(form) >= 2 * WORD - 1:
        for place in range(WORD):
            yield int.from_bytes(form[place : place + WORD], sys.byteorder)
