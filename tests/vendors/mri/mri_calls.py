"""The simulated MRI as a caller with a user sees it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.sandbox.running import Answer, SandboxClient

CREATE = "MRI_S-PMRM_CreateRmAction"
UPDATE = "MRI_S-PMRM_UpdateRmAction"
ACTIONS = "MRI_S-PMRM_ResidentialInteractionsByNameID"
PAGE = "/mriapiservices/api.asp"
RESIDENT = "0000004105"
GIVEN = {
    "NameID": RESIDENT,
    "ActionDate": "2026-03-02T00:00:00.0000000",
    "ActionCodeID": "PH",
    "ActionDescription": "Asked about parking",
}


def basic(user: str, password: str) -> dict[str, str]:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


def user_of(credentials: Mapping[str, str]) -> dict[str, str]:
    parts = [credentials[key] for key in ("clientId", "databaseName", "username", "partnerKey")]
    return basic("/".join(parts), credentials["password"])


def document(api: str, entry: Mapping[str, str]) -> bytes:
    inside = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in entry.items())
    return f"<{api.lower()}><entry>{inside}</entry></{api.lower()}>".encode()


def entry_in(answer: Answer) -> dict[str, str]:
    """The fields of the one entry of an answer, an error's words under `Error/Message`."""
    (entry,) = ElementTree.fromstring(answer.body)
    found = {element.tag: element.text or "" for element in entry}
    if (message := entry.find("Error/Message")) is not None:
        found["Error/Message"] = message.text or ""
    return found


class Mri:
    """Calls as one user, whom `user` may replace."""

    def __init__(self, sandbox: SandboxClient, vendor: Mapping[str, Any]) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.examples: Mapping[str, Any] = vendor["examples"]
        self.user = user_of(vendor["credentials"])

    async def call(
        self,
        method: str,
        api: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        kind: str = "xml",
        headers: Mapping[str, str] | None = None,
        page: str = PAGE,
    ) -> Answer:
        sent = urlencode({"$api": api, "$format": kind, **(query or {})}, safe="$")
        named = {**self.user, **({"Content-Type": "application/xml"} if body else {})}
        return await self.sandbox.call(
            method, f"/mri{page}?{sent}", headers={**named, **(headers or {})}, body=body
        )

    async def create(self, **changes: str | None) -> Answer:
        """A create with these fields changed; None leaves one out."""
        entry = {k: v for k, v in {**GIVEN, **changes}.items() if v is not None}
        return await self.call("POST", CREATE, body=document(CREATE, entry))

    async def update(self, **entry: str) -> Answer:
        return await self.call("PUT", UPDATE, body=document(UPDATE, entry))

    async def listed(self, api: str, **query: str) -> Any:
        """The rows of a JSON list."""
        answer = await self.call("GET", api, query, kind="json")
        assert answer.status == 200, answer.body
        return answer.json["value"]
