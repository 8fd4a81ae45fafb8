"""The simulated routes to OneSite as callers see them: calls in XML written by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from tests.sandbox.running import Answer, SandboxClient, running_sandbox

from frontdesk.sandbox.discovery import find_simulators

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"


@asynccontextmanager
async def sandbox_of(
    vendor: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[SandboxClient, dict[str, Any]]]:
    """A sandbox that holds this vendor alone: the many worlds of these tests need no others."""
    alone = {vendor: find_simulators()[vendor]}
    monkeypatch.setattr("frontdesk.sandbox.app.find_simulators", lambda: alone)
    async with running_sandbox(data_dir) as sandbox:
        yield sandbox, (await sandbox.overview())["vendors"][vendor]


class Rpx:
    """The simulated RPX as a caller with a licence sees it."""

    namespace = "http://tempuri.org/"
    path = "/realpage_rpx/RPXGateway/partner/Sandbox/Sandbox.svc"
    add = "addresidentactivitylog"

    def __init__(self, sandbox: SandboxClient, vendor: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.examples = vendor["examples"]
        self.credentials = vendor["credentials"]
        self.guesses = vendor["guesses"]

    def auth(self, **changes: str | None) -> str:
        """`auth`; a change to None leaves an element out."""
        values = {
            "pmcid": self.credentials["pmcId"],
            "siteid": self.credentials["siteId"],
            "licensekey": self.credentials["licensekey"],
            "system": "OneSite",
            **changes,
        }
        return f"<auth>{elements(values)}</auth>"

    async def call(
        self, method: str, arguments: str = "", auth: str | None = None, **options: Any
    ) -> Answer:
        """One call; options are those of `post`."""
        who = self.auth() if auth is None else auth
        body = f'<{method} xmlns="{self.namespace}">{who}{arguments}</{method}>'
        return await self.post(enveloped(body), f"{self.namespace}IRPXService/{method}", **options)

    async def post(
        self,
        body: str,
        action: str,
        content_type: str = "text/xml; charset=utf-8",
        path: str | None = None,
    ) -> Answer:
        """Any body."""
        headers = {"Content-Type": content_type, "SOAPAction": f'"{action}"'}
        return await self.sandbox.call(
            "POST", path or self.path, headers=headers, body=body.encode()
        )

    async def write(self, auth: str | None = None, **changes: str | None) -> Answer:
        """Add an activity; a change to None leaves an element out."""
        inner = elements(activity(**changes))
        listed = f"<residentlist><residentactivity>{inner}</residentactivity></residentlist>"
        return await self.call(self.add, f"<{self.add}params>{listed}</{self.add}params>", auth)

    async def log(self, lease: str) -> list[dict[str, str]]:
        """The activities of a lease."""
        listed = f"<residentactivity><leaseid>{lease}</leaseid></residentactivity>"
        answer = await self.call(
            "getresidentactivitylog",
            f"<getresidentactivitylogparams><residentlist>{listed}</residentlist>"
            "</getresidentactivitylogparams>",
        )
        return rows_of(result(answer, "getresidentactivitylog"), "activity")


class Ode:
    """The simulated ODE as a registered vendor sees it."""

    namespace = "http://realpage.com/webservices"
    resident = "/realpage/WebServices/CrossFire/ResidentServices/Resident.asmx"
    prospect = "/realpage/WebServices/CrossFire/ProspectManagement/Service.asmx"
    add = "AddResidentActivityLog"

    def __init__(self, sandbox: SandboxClient, vendor: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.examples = vendor["examples"]
        self.credentials = vendor["credentials"]
        self.guesses = vendor["guesses"]

    def auth(self, **changes: str | None) -> str:
        """`UserAuthInfo`; a change to None leaves an element out."""
        values = {
            "UserName": self.credentials["ONESITE_USERNAME"],
            "Password": self.credentials["ONESITE_PASSWORD"],
            "SiteID": self.credentials["SITE_ID"],
            "PmcID": self.credentials["PMC_ID"],
            "InternalUser": "0",
            "LicenseKey": self.credentials["LICENSE_KEY"],
            **changes,
        }
        return f'<UserAuthInfo xmlns="{self.namespace}">{elements(values)}</UserAuthInfo>'

    async def call(
        self,
        method: str,
        arguments: str = "",
        auth: str | None = None,
        soap: str = SOAP_11,
        path: str | None = None,
    ) -> Answer:
        """One call, in either version of SOAP."""
        body = f'<{method} xmlns="{self.namespace}">{arguments}</{method}>'
        headers = {
            "Content-Type": "application/soap+xml" if soap == SOAP_12 else "text/xml",
            **({} if soap == SOAP_12 else {"SOAPAction": f'"{self.namespace}/{method}"'}),
        }
        who = self.auth() if auth is None else auth
        return await self.sandbox.call(
            "POST",
            path or self.resident,
            headers=headers,
            body=enveloped(body, soap, who).encode(),
        )

    async def write(
        self, auth: str | None = None, soap: str | None = None, **changes: str | None
    ) -> Answer:
        """Add an activity; a change to None leaves an element out."""
        names = {
            "leaseid": "LeaseID",
            "residentmemberid": "ResidentMemberID",
            "activitytypeid": "ActivityTypeID",
            "comments": "Comments",
        }
        inner = elements({names.get(k, k): v for k, v in activity(**changes).items()})
        listed = f"<ResidentList><ResidentActivity>{inner}</ResidentActivity></ResidentList>"
        return await self.call(
            self.add, f"<{self.add}Params>{listed}</{self.add}Params>", auth, soap or SOAP_11
        )

    async def log(self, lease: str) -> list[dict[str, str]]:
        """The activities of a lease, under names in lower case."""
        listed = f"<ResidentActivity><LeaseID>{lease}</LeaseID></ResidentActivity>"
        answer = await self.call(
            "GetResidentActivityLog",
            f"<GetResidentActivityLogParams><ResidentList>{listed}</ResidentList>"
            "</GetResidentActivityLogParams>",
        )
        found = rows_of(result(answer, "GetResidentActivityLog"), "Activity")
        return [{name.lower(): value for name, value in row.items()} for row in found]


def activity(**changes: str | None) -> dict[str, str | None]:
    """The fields of an activity."""
    return {
        "leaseid": "503",
        "residentmemberid": "2005",
        "activitytypeid": "S000000015",
        "comments": "Quiet hours",
        **changes,
    }


def elements(values: dict[str, str | None]) -> str:
    """Elements of these names, without those whose value is None."""
    return "".join(
        f"<{name}>{escape(value, {chr(13): '&#13;'})}</{name}>"
        for name, value in values.items()
        if value is not None
    )


def enveloped(body: str, soap: str = SOAP_11, header: str = "") -> str:
    """An envelope."""
    head = f"<e:Header>{header}</e:Header>" if header else ""
    return f'<e:Envelope xmlns:e="{soap}">{head}<e:Body>{body}</e:Body></e:Envelope>'


def local(element: ElementTree.Element) -> str:
    """The name without its namespace."""
    return element.tag.rpartition("}")[2]


def result(answer: Answer, method: str) -> ElementTree.Element:
    """`{method}Result` of a call that succeeds."""
    assert answer.status == 200, answer.body
    (body,) = ElementTree.fromstring(answer.body)
    (response,) = body
    assert local(response) == f"{method}Response"
    (found,) = response
    assert local(found) == f"{method}Result"
    return found


def rows_of(element: ElementTree.Element, name: str) -> list[dict[str, str]]:
    """The rows of this name below, each by the local names of its elements."""
    return [
        {local(leaf): leaf.text or "" for leaf in row}
        for row in element.iter()
        if local(row) == name
    ]


def fault(answer: Answer, status: int = 500) -> tuple[str, str]:
    """Code and words of a SOAP 1.1 fault."""
    assert answer.status == status, answer.body
    (body,) = ElementTree.fromstring(answer.body)
    (found,) = body
    assert found.tag == f"{{{SOAP_11}}}Fault"
    code, words = found
    assert (local(code), local(words)) == ("faultcode", "faultstring")
    assert words.text
    return code.text or "", words.text
