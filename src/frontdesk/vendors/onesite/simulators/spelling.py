"""How a route spells what is PascalCase at heart: its namespace, and lower case or not."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from frontdesk.vendors.onesite.simulators import soap
from frontdesk.vendors.onesite.simulators.soap import Tree


@dataclass(frozen=True, slots=True)
class Spelling:
    """`lower`: names of elements are written in lower case."""

    namespace: str
    lower: bool

    def name(self, name: str) -> str:
        """The name on the wire."""
        if name == "ExtensionData":  # what .NET adds keeps its own spelling
            return name
        return name.lower() if self.lower else name

    def child(self, element: Element | None, *path: str) -> Element | None:
        """The first element on this path of direct children, or None."""
        return soap.child(element, self.namespace, *map(self.name, path))

    def children(self, element: Element, name: str) -> list[Element]:
        """Direct children of this name."""
        return element.findall(f"{{{self.namespace}}}{self.name(name)}")

    def text(self, element: Element | None, *path: str) -> str | None:
        """Its text, to the letter; None where there is no such element."""
        return soap.text(element, self.namespace, *map(self.name, path))

    def tree(self, tree: Tree) -> Tree:
        """The tree as it is written."""
        name, content = tree
        if content is None or isinstance(content, str):
            return self.name(name), content
        return self.name(name), [self.tree(inner) for inner in content]
