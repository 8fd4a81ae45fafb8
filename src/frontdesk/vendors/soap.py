"""SOAP as PMSs speak it: an envelope around a call, where an answer's body is, and what a fault says
(SOAP 1.1 and 1.2)."""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from frontdesk.vendors import xml

_DECLARATION = re.compile(rb"\A\s*<\?xml\s.*?\?>\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault in the PMS's words. `code` may bear a prefix (`soapenv:Server`)."""

    code: str
    text: str


def body_of(answer: bytes) -> Element:
    """The envelope's body. Raises `xml.NotXmlError`, also where the document is no envelope."""
    root = xml.parse(answer)
    body = xml.find(root, "Body")
    if xml.name_of(root) != "envelope" or body is None:
        raise xml.NotXmlError("the document is no SOAP envelope")
    return body


def fault_of(body: Element) -> Fault | None:
    """The fault in a SOAP body, or None. Both versions' forms are read, whatever the namespace:
    servers mix them."""
    fault = xml.find(body, "Fault")
    if fault is None:
        return None
    code = xml.text_of(fault, "faultcode") or xml.text_of(fault, "Code", "Value") or ""
    text = xml.text_of(fault, "faultstring") or xml.text_of(fault, "Reason", "Text") or ""
    return Fault(code, text)


def element(name: str, namespace: str, *children: bytes) -> bytes:
    """An element of this namespace around finished XML. A child's XML declaration, which an
    operator's template may have, is left out: it may stand only at the head of a document. `name`
    and `namespace` are ours, never a caller's."""
    inner = b"".join(_DECLARATION.sub(b"", child, count=1) for child in children)
    tag = name.encode()
    return b'<q:%b xmlns:q="%b">%b</q:%b>' % (tag, namespace.encode(), inner, tag)


def envelope(content: bytes, header: bytes = b"") -> bytes:
    """A SOAP 1.1 envelope around finished XML."""
    head = b"<s:Header>%b</s:Header>" % _DECLARATION.sub(b"", header, count=1) if header else b""
    return (
        b'<?xml version="1.0" encoding="utf-8"?>\n'
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        b"%b<s:Body>%b</s:Body></s:Envelope>" % (head, content)
    )
