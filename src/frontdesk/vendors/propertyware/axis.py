"""Propertyware's SOAP service: rpc/encoded calls, and what its answers hold wherever it stands.

Apache Axis may answer with values in place, or with pointers (`href="#id0"`) to `multiRef` elements
behind the answer: both read the same here. It opens no connection and judges nothing.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from frontdesk.vendors import xml
from frontdesk.vendors.contract import Access, Request

PATH = "/pw/services/PWServices"

_NAMESPACES = (
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:s="http://service.web.propertyware.realpage.com" xmlns:t="urn:PWServices" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
)
_MOST_STEPS = 8
"""How many pointers may follow each other: a ring of them has no value."""


def request(access: Access, operation: str, arguments: str) -> Request:
    """A call. `arguments` are the argument elements, written by `field` and `holder`."""
    user, password = access.credentials["username"], access.credentials["password"]
    token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    body = (
        f"<soapenv:Envelope {_NAMESPACES}><soapenv:Body>"
        f"<s:{operation}>{arguments}</s:{operation}>"
        "</soapenv:Body></soapenv:Envelope>"
    )
    return Request(
        method="POST",
        url=f"{access.base_url}{PATH}",
        headers={
            "authorization": f"Basic {token}",
            "content-type": "text/xml; charset=utf-8",
            # Axis refuses a call without this header, and wants nothing in it.
            "soapaction": '""',
        },
        body=body.encode(),
        secret_headers=frozenset({"authorization"}),
    )


def field(name: str, kind: str, text: str) -> str:
    """A simple value; `kind` is its XML Schema type."""
    return f'<{name} xsi:type="xsd:{kind}">{xml.escape(text)}</{name}>'


def holder(name: str, kind: str, *fields: str) -> str:
    """A value of one of the service's own types."""
    return f'<{name} xsi:type="t:{kind}">{"".join(fields)}</{name}>'


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an answer. `places` are the elements that pointers name."""

    element: Element
    places: Mapping[str, Element]

    def child(self, name: str) -> "Value | None":
        """The value under this name, or None."""
        found = xml.find(self.element, name)
        return None if found is None else self._followed(found)

    def text(self, name: str) -> str | None:
        """The text under this name without blanks around it, or None."""
        found = self.child(name)
        return None if found is None else xml.text_of(found.element)

    def members(self) -> Iterator["Value"]:
        """The members of an array; a pointer to nothing is left out."""
        for element in self.element:
            found = self._followed(element)
            if found is not None:
                yield found

    def _followed(self, element: Element) -> "Value | None":
        for _ in range(_MOST_STEPS):
            pointer = element.get("href")
            if pointer is None:
                return Value(element, self.places)
            target = self.places.get(pointer.removeprefix("#"))
            if target is None:
                return None
            element = target
        return None


def returned(body: Element, operation: str) -> Value | None:
    """What the operation answered (`{operation}Return`), or None where the body is no answer to
    it."""
    response = xml.find(body, f"{operation}Response")
    places = {key: element for element in body.iter() if (key := element.get("id")) is not None}
    return None if response is None else Value(response, places).child(f"{operation}Return")
