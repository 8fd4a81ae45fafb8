"""The names that a new vendor goes by, all made of the one that its author gave, and which names
cannot be given.

A vendor's name is a Python package, a part of URLs, a word in stored rows and the code of callers,
so it is refused here rather than found out later.
"""

import keyword
import re
from dataclasses import dataclass
from pathlib import Path

import frontdesk
from frontdesk.vendors.registry import vendors

SOURCE = Path(frontdesk.__file__).parent

_FOLDER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST_FOLDER = 20
"""Beyond it, lines of the template would have to be broken."""
_IN_PATHS = frozenset({"bulk"})
"""What stands in the API's paths where a vendor's name does."""
_TITLE = re.compile(r"[^\W_][\w .&'()-]*")
_LONGEST_TITLE = 32


class BadNameError(Exception):
    """The name cannot be a vendor's; the message says why."""


@dataclass(frozen=True, slots=True)
class Names:
    """One vendor's names: `new_pms` and `New Pms`, hence `NEW_PMS`, `NewPms`, `new-pms`."""

    folder: str
    title: str

    @property
    def code(self) -> str:
        """As callers write it."""
        return self.folder.upper()

    @property
    def of_classes(self) -> str:
        """As its classes begin."""
        return "".join(part.capitalize() for part in self.folder.split("_"))

    @property
    def host(self) -> str:
        """As a part of a host name, which has no underscore."""
        return self.folder.replace("_", "-")


def names_of(name: str, title: str | None = None) -> Names:
    """The names that follow from one, in any case. Raises BadNameError, also for a taken one."""
    folder = name.lower()
    if not _FOLDER.fullmatch(folder) or not 2 <= len(folder) <= _LONGEST_FOLDER:
        raise BadNameError(
            f"{name!r} cannot be a vendor's name: 2 to {_LONGEST_FOLDER} letters a to z, digits "
            "and single underscores between them, a letter first."
        )
    if keyword.iskeyword(folder):
        raise BadNameError(f"{folder!r} cannot be a vendor's name: it is a word of Python's.")
    if folder.upper() in vendors():
        raise BadNameError(f"There is a vendor {folder.upper()} already.")
    if any((SOURCE / "vendors" / found).exists() for found in (folder, f"{folder}.py")):
        raise BadNameError(f"{folder!r} is taken in frontdesk/vendors.")
    if folder in _IN_PATHS:
        raise BadNameError(f"{folder!r} is a word of the API's paths.")
    if place := _used_in(folder):
        # The wall that keeps vendors' names in their folders would fall over every such line.
        raise BadNameError(
            f"{folder!r} is a word that Frontdesk itself uses ({place}): no vendor can be told "
            "apart by it. Take a longer name."
        )
    shown = title or " ".join(part.capitalize() for part in folder.split("_"))
    if not _TITLE.fullmatch(shown) or len(shown) > _LONGEST_TITLE:
        raise BadNameError(
            f"{shown!r} cannot be shown as a name: up to {_LONGEST_TITLE} letters, digits, spaces "
            "and . & ' ( ) -, a letter or digit first."
        )
    return Names(folder, shown)


def _used_in(folder: str) -> str | None:
    """The first of our own files that has the word, apart from the vendors'."""
    word = re.compile(rf"(?i)(?<![a-z0-9]){folder}(?![a-z0-9])")
    for path in sorted(SOURCE.rglob("*")):
        place = path.relative_to(SOURCE)
        if path.suffix not in (".py", ".sql") or place.parts[0] == "vendors":
            continue
        if word.search(path.read_text(encoding="utf-8")):
            return str(place)
    return None
