"""Propertyware's SOAP service as Apache Axis speaks it: rpc/encoded calls, faults in a 500, and
answers whose values may stand apart (`multiRef`) and be pointed at.

It reads strictly: another namespace, another type or a document type is refused, as by Axis.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from frontdesk.sandbox.simulator import Json, Reply, Request

SERVICE = "http://service.web.propertyware.realpage.com"
TYPES = "urn:PWServices"
_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XSD = "http://www.w3.org/2001/XMLSchema"
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?")
_HEADERS = (("Content-Type", "text/xml;charset=utf-8"),)


class Faulted(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A call that the service refuses, with the fault that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the operation's name and its arguments."""

    operation: str
    arguments: Mapping[str, Element]


def fault(code: str, text: str, status: int = 500) -> Reply:
    """An Axis fault. `code` is what follows the prefix: `Server.userException`, `Client` …"""
    return Reply(
        status,
        _enveloped(
            f"<soapenv:Fault><faultcode>soapenv:{escape(code)}</faultcode>"
            f"<faultstring>{escape(text)}</faultstring>"
            '<detail><ns1:hostname xmlns:ns1="http://xml.apache.org/axis/">pw-app-1</ns1:hostname>'
            "</detail></soapenv:Fault>"
        ),
        _HEADERS,
    )


def refused(exception: str, text: str) -> Faulted:
    """The fault for an exception that the service's code raised."""
    return Faulted(fault("Server.userException", f"{exception}: {text}"))


def misread(text: str) -> Faulted:
    """The fault for arguments that Axis could not read."""
    return refused("org.xml.sax.SAXException", text)


def read_call(request: Request) -> Call:
    """The call in a request. Raises `Faulted`."""
    if "soapaction" not in request.headers:
        raise Faulted(fault("Client.NoSOAPAction", "no SOAPAction header!"))
    if request.content_type != "text/xml":
        raise Faulted(fault("Client", f"Unsupported content type: {request.content_type}", 415))
    try:
        root = fromstring(request.body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise refused(
            "org.xml.sax.SAXParseException", "The document could not be parsed."
        ) from None
    body = root.find(f"{{{_ENVELOPE}}}Body")
    if root.tag != f"{{{_ENVELOPE}}}Envelope" or body is None or len(body) != 1:
        raise Faulted(fault("Client", "The message is no SOAP envelope with one call."))
    namespace, _, operation = body[0].tag.lstrip("{").rpartition("}")
    if namespace != SERVICE:
        text = "The AXIS engine could not find a target service to invoke!"
        raise Faulted(fault("Client", f"{text} targetService is {namespace or 'null'}"))
    return Call(operation, {argument.tag: argument for argument in body[0]})


def peeked(request: Request) -> Call | None:
    """The call, for looking and never for judging; None where it cannot be read."""
    try:
        return read_call(request)
    except Faulted:
        return None


def text(element: Element | None, name: str) -> str | None:
    """A field of type string; None where it is absent or nil."""
    found = _field(element, name, "string")
    return None if found is None else found.text or ""


def number(element: Element | None, name: str) -> int | None:
    """A field of type long."""
    found = _field(element, name, "long")
    if found is None:
        return None
    value = (found.text or "").strip()
    if not (value.isascii() and value.lstrip("-").isdecimal() and len(value) <= 19):
        raise refused("java.lang.NumberFormatException", f'For input string: "{value}"')
    return int(value)


def truth(element: Element | None, name: str) -> bool:
    """A field of type boolean; absent is false, as in Java."""
    found = _field(element, name, "boolean")
    value = "false" if found is None else (found.text or "").strip()
    if value not in ("true", "false", "1", "0"):
        raise misread(f"Bad boolean: {value}")
    return value in ("true", "1")


def moment(element: Element | None, name: str) -> datetime | None:
    """A field of type dateTime; without an offset it is UTC."""
    found = _field(element, name, "dateTime")
    if found is None:
        return None
    value = (found.text or "").strip()
    try:
        # Python takes more forms than XML Schema does: those read as nothing, and are refused.
        read = datetime.fromisoformat(value if _DATE_TIME.fullmatch(value) else "")
    except ValueError:
        raise misread(f"Invalid dateTime: {value}") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def typed(element: Element | None, name: str) -> Element:
    """An argument that must be there and be of this type. Raises `Faulted`."""
    if element is None or _type_of(element) != name:
        raise misread(f"The argument is no {name}")
    return element


def answered(operation: str, value: Json, name: str) -> Reply:
    """An answer that holds its value in place. `name` is the value's type."""
    return _answer(operation, _element(f"{operation}Return", value, name))


def answered_apart(operation: str, value: Json, name: str) -> Reply:
    """An answer that points at its value, and that at its ID: how Axis shares objects."""
    inner = {key: item for key, item in value.items() if key != "ID"}
    whole = _element("multiRef", inner, name, ' id="id0" soapenc:root="0"')
    pointed = whole.replace("</multiRef>", '<ID href="#id1"/></multiRef>')
    identity = f'<multiRef id="id1" soapenc:root="0" xsi:type="xsd:long">{value["ID"]}</multiRef>'
    return _answer(operation, f'<{operation}Return href="#id0"/>', pointed + identity)


def answered_with_list(operation: str, values: list[Json], name: str) -> Reply:
    """An array whose members stand apart."""
    places = "".join(f'<item href="#id{place}"/>' for place in range(len(values)))
    apart = "".join(
        _element("multiRef", value, name, f' id="id{place}" soapenc:root="0"')
        for place, value in zip(itertools.count(), values, strict=False)
    )
    array = (
        f'<{operation}Return soapenc:arrayType="xsd:anyType[{len(values)}]" '
        f'xsi:type="soapenc:Array">{places}</{operation}Return>'
    )
    return _answer(operation, array, apart)


def description(operations: tuple[str, ...], address: str) -> Reply:
    """The WSDL, as far as the names of the operations go."""
    ports = "".join(f'<wsdl:operation name="{name}"/>' for name in operations)
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" '
        f'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" targetNamespace="{SERVICE}">'
        f'<wsdl:portType name="PWServices">{ports}</wsdl:portType>'
        '<wsdl:service name="PWServicesService"><wsdl:port name="PWServices">'
        f'<soap:address location="{escape(address)}"/></wsdl:port></wsdl:service>'
        "</wsdl:definitions>"
    )
    return Reply(200, body.encode(), _HEADERS)


def _answer(operation: str, value: str, apart: str = "") -> Reply:
    return Reply(
        200,
        _enveloped(
            f'<ns1:{operation}Response xmlns:ns1="{SERVICE}" '
            f'soapenv:encodingStyle="{_ENCODING}">{value}</ns1:{operation}Response>{apart}'
        ),
        _HEADERS,
    )


def _enveloped(inner: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="{_ENVELOPE}" xmlns:soapenc="{_ENCODING}" '
        f'xmlns:xsd="{_XSD}" xmlns:xsi="{_XSI}" xmlns:t="{TYPES}">'
        f"<soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    ).encode()


def _element(tag: str, value: Json, name: str, attributes: str = "") -> str:
    inner = "".join(_member(key, item) for key, item in value.items())
    return f'<{tag}{attributes} xsi:type="t:{name}">{inner}</{tag}>'


def _member(key: str, value: object) -> str:
    if value is None:
        return f'<{key} xsi:nil="true"/>'
    write = _WRITERS[type(value)]
    return f"<{key} {write(value)}</{key}>"


_WRITERS: Mapping[type, Callable[[object], str]] = {
    str: lambda value: f'xsi:type="xsd:string">{escape(str(value), {chr(13): "&#13;"})}',
    bool: lambda value: f'xsi:type="xsd:boolean">{"true" if value else "false"}',
    int: lambda value: f'xsi:type="xsd:long">{value}',
}


def _field(element: Element | None, name: str, kind: str) -> Element | None:
    found = None if element is None else element.find(name)
    if found is None or found.get(f"{{{_XSI}}}nil") in ("true", "1"):
        return None
    given = _type_of(found)
    if given not in (None, kind):
        raise misread(f"Bad types ({given} -> {kind}) in {name}")
    return found


def _type_of(element: Element) -> str | None:
    """The local name of its declared type. Prefixes are not looked up."""
    declared = element.get(f"{{{_XSI}}}type")
    return None if declared is None else declared.rpartition(":")[2]
