"""SOAP as PMSs answer it: where the body is, and what a fault says (SOAP 1.1 and 1.2)."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from frontdesk.vendors import xml


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
