"""A session over a real socket, for what a connector does against its vendor's simulator."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from tests.sandbox.running import SandboxClient, running_sandbox

from frontdesk.vendors.contract import Access, Answer, Connector, Login, Record, Request
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.registry import vendors


class LiveSession:
    """See `frontdesk.vendors.contract.Session`. Where calls bear a token it logs in once, and once
    more for a call whose token is refused."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        sandbox: SandboxClient,
        vendor: Mapping[str, Any],
        login: Login | None = None,
    ) -> None:
        self._http = http
        self._login = login
        self.token: str | None = None
        self.sandbox = sandbox
        self.examples: Mapping[str, Any] = vendor["examples"]
        self._access = Access(vendor["base_url"], vendor["credentials"])
        self.x_property_ids: Sequence[str] = ()

    @property
    def access(self) -> Access:
        return self._access

    def use(self, credentials: Mapping[str, Any]) -> None:
        """Other credentials from now on."""
        self._access = Access(self._access.base_url, credentials)
        self.token = None

    async def call(self, request: Request) -> Answer:
        if self._login is None:
            return await self.send(request)
        answer = await self.send(
            self._login.with_token(request, await self._signed_in(self._login))
        )
        if self._login.refuses(answer):
            self.token = None
            token = await self._signed_in(self._login)
            answer = await self.send(self._login.with_token(request, token))
        return answer

    async def sign_in(self) -> None:
        """Log in, where calls bear a token: the next call has one."""
        if self._login is not None:
            await self._signed_in(self._login)

    async def _signed_in(self, login: Login) -> str:
        if self.token is None:
            self.token = login.token_of(await self.send(login.request(self._access)))
        return self.token

    async def send(self, request: Request) -> Answer:
        """This very request, as it stands."""
        async with self._http.request(
            request.method, request.url, headers=dict(request.headers), data=request.body
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.read())


@asynccontextmanager
async def live_session(data_dir: Path, vendor: str, **options: float) -> AsyncIterator[LiveSession]:
    """A sandbox of its own and a session to one of its vendors, which paces nothing: tests that call
    faster than the vendor allows give a `throttle_factor`. `options` are those of
    `SandboxOptions`."""
    async with (
        running_sandbox(data_dir, vendor, **options) as sandbox,
        aiohttp.ClientSession() as http,
    ):
        overview = await sandbox.overview()
        yield LiveSession(http, sandbox, overview["vendors"][vendor], vendors()[vendor].login)


async def synced(connector: Connector, session: LiveSession) -> dict[Model, dict[str, Record]]:
    """Every model that the connector reads, in the order of a sync, by PMS id."""
    found: dict[Model, dict[str, Record]] = {}
    for model in Model:
        if model not in connector.declaration.reads or model is Model.EVENTS:
            continue
        cursor: str | None = None
        found[model] = {}
        while True:
            page = await connector.read(session, model, cursor, None)
            found[model].update({record.x_id: record for record in page.records})
            cursor = page.next_cursor
            if cursor is None:
                break
        if model is Model.PROPERTIES:
            session.x_property_ids = tuple(found[model])
    return found
