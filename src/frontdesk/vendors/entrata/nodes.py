"""Reads Entrata's converted XML: attributes under `@attributes`, a list of one as an object, and
names whose capitals differ from method to method. No method of the API is known here.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import quote

from frontdesk.vendors import values

Node = Mapping[str, Any]

_ATTRIBUTES = "@attributes"


def value(node: Node, *names: str) -> Any:
    """The first of these members that is there, whatever its capitals, as an element or as an
    attribute."""
    for name in names:
        if name in node:
            return node[name]
        wanted = name.lower()
        for holder in (node, values.mapping(node.get(_ATTRIBUTES))):
            for key, found in holder.items():
                if key.lower() == wanted:
                    return found
    return None


def text(node: Node, *names: str) -> str | None:
    """As `value`, as text; an empty element may come as an empty list."""
    return values.text(value(node, *names))


def identifier(node: Node, *names: str) -> str | None:
    """As `value`, as an id. A name that is there but empty gives way to the next."""
    for name in names:
        if (found := values.identifier(value(node, name))) is not None:
            return found
    return None


def day(node: Node, *names: str) -> date | None:
    """As `value`, as a date; of a list its first."""
    found = value(node, *names)
    return values.calendar_date(found[0] if isinstance(found, list) and found else found)


def child(node: Node, *names: str) -> Node:
    """As `value`, as an object; empty where there is none."""
    return values.mapping(value(node, *names))


def listed(node: Node, *path: str) -> tuple[Node, ...] | None:
    """The objects at the end of a path; None where the path is not there at all, which is not the
    same as an empty list. A wrapper that is itself the list (`prospects` instead of
    `prospects.prospect`) is taken for it."""
    here: Any = node
    for depth, name in enumerate(path):
        if not isinstance(here, Mapping):
            break
        inner = value(here, name)
        if inner is None and depth > 0 and depth == len(path) - 1:
            return values.objects(here) if here else ()
        here = inner
        if here is None:
            return None
    return values.objects(here)


def wire_number(x_id: str) -> int | str:
    """An id as the wire writes it: a number where it is one."""
    if x_id.isascii() and x_id.isdigit() and len(x_id) <= 18 and str(int(x_id)) == x_id:
        return int(x_id)
    return x_id


def path_part(word: str) -> str:
    """One part of a URL's path."""
    return quote(word, safe="")
