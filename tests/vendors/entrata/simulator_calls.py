"""The simulated Entrata as a caller with a key sees it, and the calls that its tests make."""

from __future__ import annotations

import base64
from typing import Any

from tests.sandbox.running import Answer, SandboxClient

SERVICES = {
    "sendLeaseActivities": "leases",
    "getLeaseActivities": "leases",
    "getLeases": "leases",
    "updateLeads": "leads",
    "getLeadEvents": "leads",
    "getLeadPickLists": "leads",
    "getProperties": "properties",
}


class Entrata:
    """The simulator as a caller with a key sees it."""

    def __init__(self, sandbox: SandboxClient, vendor: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.examples = vendor["examples"]
        self.key = {"X-Api-Key": vendor["credentials"]["apiKey"]}
        self.modern = f"/entrata/ext/orgs/{vendor['credentials']['companyId']}/v1"
        basic = vendor["examples"]["basic_credentials"]
        token = base64.b64encode(f"{basic['username']}:{basic['password']}".encode()).decode()
        self.basic = {"Authorization": f"Basic {token}"}

    async def post(self, body: object, service: str = "leases", **headers: str) -> Answer:
        """Any body to the modern host."""
        path = f"{self.modern}/{service}"
        return await self.sandbox.call(
            "POST", path, headers={**self.key, **headers}, json_body=body
        )

    async def call(
        self, method: str, params: dict[str, Any], version: str = "r1", older: bool = False
    ) -> Answer:
        """One call of one method."""
        body = {
            "auth": {"type": "basic" if older else "apikey"},
            "requestId": "41",
            "method": {"name": method, "version": version, "params": params},
        }
        path = "/entrata/api/v1" if older else self.modern
        return await self.sandbox.call(
            "POST",
            f"{path}/{SERVICES[method]}",
            headers=self.basic if older else self.key,
            json_body=body,
        )

    async def result(self, method: str, params: dict[str, Any], version: str = "r1") -> Any:
        """The `result` of a call that succeeds."""
        answer = await self.call(method, params, version)
        assert answer.status == 200, answer.body
        response = answer.json["response"]
        assert (response["requestId"], response["code"]) == ("41", 200)
        assert set(response) == {"requestId", "code", "result"}
        return response["result"]

    async def lead_events(self) -> Any:
        return await self.result("getLeadEvents", {"propertyId": 5001, "applicationId": 70005})


def by_lease(**changes: Any) -> dict[str, Any]:
    """Params of a write by lease; a change to None leaves a key out."""
    params = {
        "propertyId": 5001,
        "leaseId": 88003,
        "eventTypeId": 8,
        "eventDateTime": "11/21/2025T09:30:00",
        "comment": "Left a welcome letter",
        "customerIds": "61005",
        **changes,
    }
    return {name: value for name, value in params.items() if value is not None}


def event(**changes: Any) -> dict[str, Any]:
    """An event of a write by lead."""
    values = {"typeId": 8, "date": "11/21/2025T09:30:00", "comments": "About the rent", **changes}
    return {name: value for name, value in values.items() if value is not None}


def by_lead(*events: dict[str, Any], application: Any = 70001, **rest: Any) -> dict[str, Any]:
    """Params of a write by lead."""
    prospect = {"applicationId": application, "events": {"event": list(events)}}
    return {"propertyId": 5001, "prospects": {"prospect": prospect}, **rest}


async def application_of_61005(entrata: Entrata) -> int:
    return int(entrata.examples["application"])


def failed(answer: Answer) -> dict[str, Any]:
    """The error of a failed envelope."""
    response = answer.json["response"]
    assert set(response) == {"requestId", "error"}
    error: dict[str, Any] = response["error"]
    assert set(error) == {"code", "message"}
    assert error["message"]
    return error
