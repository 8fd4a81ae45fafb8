"""The simulated AppFolio as a caller with a credential sees it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.sandbox.running import Answer, SandboxClient, running_sandbox


class Appfolio:
    """Calls of one credential set; `tenant` is somebody with one current occupancy."""

    def __init__(self, sandbox: SandboxClient, vendor: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.examples = vendor["examples"]
        self.headers = headers_of(vendor["credentials"])
        self.tenant: str = self.examples["tenant"]
        self.notes = f"/tenants/{self.tenant}/notes"

    async def call(self, method: str, path: str, json_body: object = None, **rest: Any) -> Answer:
        """One call below `/api/v0`; a header given as None is left out."""
        headers = {**self.headers, **rest.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        path = f"/appfolio/api/v0{path}"
        return await self.sandbox.call(method, path, headers=headers, json_body=json_body, **rest)

    async def post(self, text: object, key: str | None = None, **rest: Any) -> Answer:
        """A note for the tenant, under a key of its own if none is given."""
        headers = {"Idempotency-Key": key or str(uuid4()), **rest.pop("headers", {})}
        return await self.call("POST", self.notes, {"Body": text}, headers=headers, **rest)

    async def is_refused(self, answer: Answer, status: int) -> str:
        """The status, AppFolio's error body, and no effect; answers its words."""
        assert answer.status == status, answer.body
        assert answer.header("x-request-id")
        code, words = ("status", "error") if status == 404 else ("code", "message")
        assert set(answer.json) == {code, words}
        assert answer.json[code] == status
        assert await self.sandbox.effects() == []
        return str(answer.json[words])


def headers_of(credentials: Mapping[str, str]) -> dict[str, str]:
    """Basic, and the developer."""
    user = f"{credentials['clientId']}:{credentials['clientSecret']}"
    return {
        "Authorization": "Basic " + base64.b64encode(user.encode()).decode(),
        "X-AppFolio-Developer-ID": credentials["developerId"],
    }


@asynccontextmanager
async def running_appfolio(data_dir: Path, **options: float) -> AsyncIterator[Appfolio]:
    """A sandbox of its own; `options` are those of `SandboxOptions`."""
    async with running_sandbox(data_dir, "APPFOLIO", **options) as sandbox:
        yield Appfolio(sandbox, (await sandbox.overview())["vendors"]["APPFOLIO"])
