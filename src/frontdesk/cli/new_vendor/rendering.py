"""The template of a vendor's folder, and how it becomes one.

The files under `template/` lie as they will in the source tree, and are whole Python under the
names of an invented "New PMS"; to make a vendor of them is to put its names in their place. They
end in `.template`, so that no tool takes them for modules of ours.
"""

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import takewhile
from pathlib import PurePosixPath

from frontdesk.cli.new_vendor.names import Names

_SUFFIX = ".template"
_OURS = "from frontdesk."


def files_of(names: Names) -> Mapping[PurePosixPath, str]:
    """Every file of the vendor, by its path in the source tree."""
    root = resources.files("frontdesk.cli.new_vendor") / "template"
    return {
        PurePosixPath(_named(str(path), names)).with_suffix(""): _sorted_imports(
            _named(text, names)
        )
        for path, text in sorted(_templates(root, PurePosixPath()))
    }


def _templates(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, at / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield at / entry.name, entry.read_text(encoding="utf-8")


def _named(text: str, names: Names) -> str:
    words = {
        "newpms.example": f"{names.host}.example",
        "newpms": names.folder,
        "NEWPMS": names.code,
        "NewPms": names.of_classes,
        "New PMS": names.title,
    }
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


def _sorted_imports(text: str) -> str:
    """The text with its imports of our own modules in order, which depends on the vendor's name."""
    lines = text.splitlines(keepends=True)
    first = next((n for n, line in enumerate(lines) if line.startswith(_OURS)), None)
    if first is None:
        return text
    block = list(takewhile(lambda line: line.strip(), lines[first:]))
    statements: list[list[str]] = []
    for line in block:
        if line.startswith(_OURS):
            statements.append([])
        statements[-1].append(line)
    statements.sort(key=lambda statement: statement[0].split()[1])
    sorted_block = [line for statement in statements for line in statement]
    return "".join([*lines[:first], *sorted_block, *lines[first + len(block) :]])
