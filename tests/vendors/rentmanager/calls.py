"""The simulated Rent Manager as a caller with a password sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.sandbox.running import Answer, SandboxClient, running_sandbox

NOTES = "/Tenants/305/HistoryNotes"


class RentManager:
    """The simulator with a token in hand, once `sign_in` was called."""

    def __init__(self, sandbox: SandboxClient, vendor: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.examples: dict[str, Any] = vendor["examples"]
        self.token: str | None = None

    async def login(self, credentials: dict[str, str] | None = None) -> Answer:
        """One login, whatever comes of it."""
        given = credentials or self.vendor["credentials"]
        body = {"Username": given["Username"], "Password": given["Password"], "LocationID": 1}
        return await self.raw("POST", "/Authentication/AuthorizeUser", json_body=body)

    async def sign_in(self, credentials: dict[str, str] | None = None) -> str:
        """Log in, and bear the token from now on."""
        answer = await self.login(credentials)
        assert answer.status == 200, answer.body
        token: str = answer.json
        self.token = token
        return token

    async def raw(self, method: str, path: str, **rest: Any) -> Answer:
        """A call without a token."""
        return await self.sandbox.call(method, f"/rentmanager{path}", **rest)

    async def call(self, method: str, path: str, json_body: object = None, **rest: Any) -> Answer:
        headers = {"X-RM12Api-LocationID": "1", **rest.pop("headers", {})}
        if self.token is not None:
            headers["X-RM12Api-ApiToken"] = self.token
        return await self.raw(method, path, headers=headers, json_body=json_body, **rest)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def save(self, entry: object, path: str = NOTES) -> Answer:
        return await self.call("POST", path, [entry])


@asynccontextmanager
async def rent_manager(folder: Path, **options: float) -> AsyncIterator[RentManager]:
    """A sandbox of its own, signed in."""
    async with running_sandbox(folder, "RENTMANAGER", **options) as sandbox:
        world = RentManager(sandbox, (await sandbox.overview())["vendors"]["RENTMANAGER"])
        await world.sign_in()
        yield world


def is_error_model(answer: Answer) -> bool:
    """Whether the answer is Rent Manager's error model."""
    return set(answer.json) == {
        "DeveloperMessage",
        "UserMessage",
        "ErrorCode",
        "Exception",
        "MoreInfoUri",
    }
