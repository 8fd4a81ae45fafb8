"""The names of MRI's wire that no public source confirms, from one file that an operator can
replace (`templates/names.json`). Nothing else in this folder spells them.
"""

import re
from collections.abc import Mapping
from typing import Any

from frontdesk.vendors import templates
from frontdesk.vendors.mri.declaration import DECLARATION, NAMES

_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def of(key: str) -> str:
    """GUESS: the name that the wire has for this. Raises `templates.BadTemplateError` where an
    operator's name could not stand in a document."""
    name = templates.names(DECLARATION.vendor, NAMES)[key]
    if not _XML_NAME.fullmatch(name):
        raise templates.BadTemplateError(f"{NAMES}: {key} is no XML name: {name!r}.")
    return name


def status(word: str) -> str:
    """GUESS: how the wire spells a status of the contract."""
    return templates.names(DECLARATION.vendor, NAMES)[f"status.{word}"]


def told(item: Mapping[str, Any], name: str) -> Any:
    """The value under this name in any case: MRI answers `LeasingAgentID` to `LeasingAgentId`."""
    if name in item:
        return item[name]
    wanted = name.lower()
    return next((value for key, value in item.items() if key.lower() == wanted), None)
