"""XML as PMSs speak it: reading answers that may be hostile, and telling what XML cannot hold.

Document types are refused, so no entity is expanded and nothing outside is read. A document's size,
depth and number of elements are bounded while it is read: its reader walks it in one go, and holds
up everything else meanwhile. Namespaces are not looked at: vendors drift in them, and in the case of
their names too.
"""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.sax.saxutils import escape as _escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from frontdesk.vendors.contract import Issue

LARGEST_DOCUMENT = 16 << 20
DEEPEST = 128
MOST_ELEMENTS = 500_000
MOST_ATTRIBUTES = 256
"""Of one element. All four are far more than any PMS's answer has."""

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can hold, escaped or not (W3C XML 1.0, 2.2)."""


class NotXmlError(ValueError):
    """The bytes are no complete XML document, or one that declares a document type or is beyond the
    bounds."""


class _Bounded:
    """Builds the tree, and stops at the bounds instead of at the end of the memory."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._elements = 0
        self.data = self._builder.data
        self.close = self._builder.close

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > DEEPEST:
            raise NotXmlError(f"the document is nested deeper than {DEEPEST} levels")
        if self._elements > MOST_ELEMENTS:
            raise NotXmlError(f"the document has more than {MOST_ELEMENTS} elements")
        if len(attributes) > MOST_ATTRIBUTES:
            raise NotXmlError(f"an element has more than {MOST_ATTRIBUTES} attributes")
        self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag)


def parse(body: bytes) -> Element:
    """The document's root. Raises NotXmlError."""
    if len(body) > LARGEST_DOCUMENT:
        raise NotXmlError(f"the document is larger than {LARGEST_DOCUMENT >> 20} MiB")
    try:
        parser = DefusedXMLParser(target=_Bounded(), forbid_dtd=True)
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise NotXmlError(str(error)) from error
    return root


def name_of(element: Element) -> str:
    """The element's name without its namespace, in lower case."""
    return element.tag.rpartition("}")[2].lower()


def children(element: Element | None, name: str) -> Iterator[Element]:
    """Direct children of this name (any case, any namespace)."""
    if element is None:
        return
    wanted = name.lower()
    for child in element:
        if name_of(child) == wanted:
            yield child


def find(element: Element | None, *path: str) -> Element | None:
    """The first element on this path of direct children, or None."""
    for name in path:
        element = next(children(element, name), None)
    return element


def descendants(element: Element | None, name: str) -> Iterator[Element]:
    """Every element of this name below, at any depth, in document order."""
    if element is None:
        return
    wanted = name.lower()
    for inner in element.iter():
        if inner is not element and name_of(inner) == wanted:
            yield inner


def text_of(element: Element | None, *path: str) -> str | None:
    """The text of the element on this path without blanks around it; None where there is none."""
    found = find(element, *path)
    if found is None or found.text is None:
        return None
    return found.text.strip() or None


def raw_text_of(element: Element | None, *path: str) -> str | None:
    """The text of the element on this path, to the letter."""
    found = find(element, *path)
    return None if found is None else found.text


def escape(text: str) -> str:
    """The text as content of an element, so that a reader gets it back to the letter: a reader
    turns a carriage return that is not written as a reference into a line feed."""
    return _escape(text, {"\r": "&#13;", '"': "&quot;"})


def unfit(field: str, text: str) -> Issue | None:
    """The problem of a text that no XML document can hold, or None."""
    found = _UNFIT.search(text)
    if found is None:
        return None
    return Issue(
        "invalid_value",
        (field,),
        f"{field} holds the character U+{ord(found[0]):04X}, which this PMS's XML cannot carry.",
        "text without control characters",
        f"U+{ord(found[0]):04X}",
    )
