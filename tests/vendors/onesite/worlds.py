"""Residents, credentials and hand-written answers of an invented OneSite, for both routes' tests."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.vendors.replay import ReplaySession

from frontdesk.vendors.contract import (
    Access,
    Answer,
    Connector,
    EventIntent,
    Issue,
    Lease,
    Reference,
    Refused,
    Request,
    Resident,
)
from frontdesk.vendors.declaration import EventClass

RPX_URL = "https://gateway.rpx.realpage.com/RPXGateway/partner/Acme/Acme.svc"
RPX = Access(
    RPX_URL,
    {"baseUrl": RPX_URL, "licensekey": "demo-key-rpx", "pmcId": "1234567", "siteId": "77"},
)
ODE = Access(
    "https://onesite.realpage.com/WebServices/CrossFire",
    {
        "PMC_ID": "1234567",
        "SITE_ID": "77",
        "LICENSE_KEY": "demo-key-ode",
        "ONESITE_USERNAME": "acme",
        "ONESITE_PASSWORD": "demo-password",
    },
)

CURRENT = Lease("501", "current", "77", "901", None, date(2025, 1, 1), None)
PAST = Lease("400", "past", "77", "900", None, date(2023, 1, 1), date(2024, 1, 1))
NOTE = Reference("t", "S000000015", "Note", None, EventClass.NOTE)


def resident(*leases: Lease) -> Resident:
    return Resident("r1", "88", "77", "a@example.com", leases)


def intent(
    of: Resident | None = None, event_type: Reference | None = NOTE, **fields: Any
) -> EventIntent:
    given = {"notes": "Quiet hours", **fields}
    return EventIntent("create", of or resident(PAST, CURRENT), given, event_type=event_type)


def the_issue(connector: Connector, event: EventIntent) -> Issue:
    with pytest.raises(Refused) as refused:
        connector.plan(event)
    (issue,) = refused.value.issues
    return issue


def enveloped(inner: str, soap: str = "http://schemas.xmlsoap.org/soap/envelope/") -> bytes:
    return f'<s:Envelope xmlns:s="{soap}"><s:Body>{inner}</s:Body></s:Envelope>'.encode()


def success(method: str, result: str = "", status: int = 200) -> Answer:
    """`{method}Response` around `{method}Result`."""
    inner = f"<{method}Response><{method}Result>{result}</{method}Result></{method}Response>"
    return Answer(status, {}, enveloped(inner))


def fault(words: str, code: str = "s:Server", status: int = 500) -> Answer:
    """A SOAP 1.1 fault."""
    inner = f"<s:Fault><faultcode>{code}</faultcode><faultstring>{words}</faultstring></s:Fault>"
    return Answer(status, {}, enveloped(inner))


def fault_12(words: str, code: str = "s:Receiver", status: int = 500) -> Answer:
    """A SOAP 1.2 fault."""
    inner = (
        f"<s:Fault><s:Code><s:Value>{code}</s:Value></s:Code>"
        f"<s:Reason><s:Text>{words}</s:Text></s:Reason></s:Fault>"
    )
    return Answer(status, {}, enveloped(inner, "http://www.w3.org/2003/05/soap-envelope"))


def rows(holder: str, name: str, *found: Mapping[str, str]) -> str:
    inner = "".join(
        f"<{name}>{''.join(f'<{key}>{value}</{key}>' for key, value in row.items())}</{name}>"
        for row in found
    )
    return f"<{holder}>{inner}</{holder}>"


def parsed(request: Request) -> ElementTree.Element:
    assert request.body is not None
    return ElementTree.fromstring(request.body)


def called(request: Request) -> ElementTree.Element:
    """The operation's element."""
    body = parsed(request).find("{http://schemas.xmlsoap.org/soap/envelope/}Body")
    assert body is not None
    (operation,) = body
    return operation


def local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def texts(element: ElementTree.Element) -> dict[str, str]:
    """Local name → text of every leaf below."""
    return {local(leaf): leaf.text or "" for leaf in element.iter() if not len(leaf)}


def answering(**answers: str | Answer) -> Callable[[Request], Answer]:
    """A route that answers each method (lower case) with its result, or with a whole answer."""

    def answer(request: Request) -> Answer:
        method = local(called(request))
        known = answers[method.lower()]
        return known if isinstance(known, Answer) else success(method, known)

    return answer


def session_of(
    access: Access, x_property_ids: Sequence[str] = ("77",), **answers: str | Answer
) -> ReplaySession:
    return ReplaySession(access, answering(**answers), x_property_ids)
