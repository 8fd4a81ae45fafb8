"""SOAP as a .NET service speaks it: what a call must be, and how answers and faults look.

Names are compared to the letter, namespace included: a .NET service does not see an element that
is spelt otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from frontdesk.sandbox.simulator import Reply

if TYPE_CHECKING:
    from typing import TypeAlias

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"

Tree: TypeAlias = "tuple[str, str | Sequence[Tree] | None]"
"""An element: its name, and its text or its children."""


class NotSoap(ValueError):  # noqa: N818 (a value of the wire, not an error of ours)
    """The body is no SOAP envelope."""


class Fault(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A call that is refused. `code` is SOAP 1.1's (`Client`, `Server`, or a dispatcher's own)."""

    def __init__(self, message: str, code: str = "Client", status: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Envelope:
    """A call taken apart. `soap` is the envelope's namespace."""

    soap: str
    header: Element | None
    operation: Element


def opened(body: bytes) -> Envelope:
    """The envelope in a body. Raises `NotSoap`, also for one that declares a document type."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise NotSoap(str(error)) from error
    for soap in (SOAP_11, SOAP_12):
        content = root.find(f"{{{soap}}}Body")
        if root.tag == f"{{{soap}}}Envelope" and content is not None and len(content):
            return Envelope(soap, root.find(f"{{{soap}}}Header"), content[0])
    raise NotSoap("the body is no SOAP envelope with a call")


def parts(element: Element) -> tuple[str, str]:
    """Namespace and local name."""
    namespace, _, name = element.tag.rpartition("}")
    return namespace.removeprefix("{"), name


def child(element: Element | None, namespace: str, *path: str) -> Element | None:
    """The first element on this path of direct children, or None."""
    for name in path:
        element = None if element is None else element.find(f"{{{namespace}}}{name}")
    return element


def text(element: Element | None, namespace: str, *path: str) -> str | None:
    """The text of the element on this path, to the letter; None where there is no such element."""
    found = child(element, namespace, *path)
    return None if found is None else found.text or ""


def written(tree: Tree) -> str:
    """The element as XML."""
    name, content = tree
    if content is None:
        return f"<{name}/>"
    if isinstance(content, str):
        # a carriage return that is no reference would reach its reader as a line feed
        return f"<{name}>{escape(content, {chr(13): '&#13;'})}</{name}>"
    inner = "".join(map(written, content))
    return f"<{name}>{inner}</{name}>"


def success(soap: str, namespace: str, method: str, result: Sequence[Tree]) -> Reply:
    """The answer of a call that succeeds: `{method}Response` around `{method}Result`."""
    inner = "".join(map(written, result))
    return _enveloped(
        200,
        soap,
        f'<{method}Response xmlns="{namespace}"><{method}Result>{inner}</{method}Result>'
        f"</{method}Response>",
    )


def fault(soap: str, problem: Fault) -> Reply:
    """A fault in the form of the envelope's version."""
    words = escape(problem.message)
    if soap == SOAP_12:
        code = {"Client": "Sender", "Server": "Receiver"}.get(problem.code, "Sender")
        inner = (
            f"<s:Fault><s:Code><s:Value>s:{code}</s:Value></s:Code>"
            f'<s:Reason><s:Text xml:lang="en">{words}</s:Text></s:Reason></s:Fault>'
        )
    else:
        prefix = "s" if problem.code in ("Client", "Server") else "a"
        inner = (
            f'<s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/net/2005/12/windows'
            f'communicationfoundation/dispatcher">{prefix}:{problem.code}</faultcode>'
            f'<faultstring xml:lang="en-US">{words}</faultstring></s:Fault>'
        )
    return _enveloped(problem.status, soap, inner)


def each_name(element: Element) -> Iterator[str]:
    """Local names of the direct children."""
    for inner in element:
        yield parts(inner)[1]


def _enveloped(status: int, soap: str, inner: str) -> Reply:
    kind = "application/soap+xml" if soap == SOAP_12 else "text/xml"
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{soap}">'
        f"<s:Body>{inner}</s:Body></s:Envelope>"
    )
    return Reply(status, body.encode(), (("Content-Type", f"{kind}; charset=utf-8"),))
