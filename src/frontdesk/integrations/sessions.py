"""Keeps the tokens that logins at a PMS gave: sealed, one for all workers.

It logs in nowhere itself, and never tells a token to anybody but delivery.
"""

from dataclasses import dataclass, field

import structlog

from frontdesk.database.pool import Database
from frontdesk.integrations.integration import Integration
from frontdesk.integrations.session_repository import SessionRepository
from frontdesk.vault import UnreadableError, Vault

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PmsToken:
    """A token and how old it is. `number` tells it from its successors; `age` is the time since its
    login, `idle` that since its last use, both in seconds and as of when it was read."""

    number: int
    value: str = field(repr=False)
    age: float = 0.0
    idle: float = 0.0


class PmsSessions:
    """The stored tokens. Integrations with the same address and credentials share one."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._repository = SessionRepository(database)
        self._vault = vault

    def name_of(self, integration: Integration) -> str:
        """Names the session of these credentials, without telling what they are."""
        return self._vault.session_name(
            integration.vendor, integration.base_url, integration.credentials
        )

    async def current(self, name: str) -> PmsToken | None:
        """The newest token that has not been refused."""
        row = await self._repository.current(name)
        if row is None:
            return None
        try:
            value = self._vault.open_token(name, row["token"])
        except UnreadableError:
            # Stored with another key: a login makes a new one.
            _log.warning("pms_token_unreadable")
            return None
        return PmsToken(row["number"], value, row["age"], row["idle"])

    async def begin_login(self, name: str, newest_known: int, seconds: float) -> bool:
        """Whether this process is the one to log in, for so many seconds; not where another one is
        at it, or has a newer token already."""
        return await self._repository.begin_login(name, newest_known, seconds)

    async def store(self, name: str, value: str) -> PmsToken:
        """Keep the token of a login that has just succeeded."""
        number = await self._repository.store(name, self._vault.seal_token(name, value))
        return PmsToken(number, value)

    async def give_up_login(self, name: str) -> None:
        """The login failed: another process may try."""
        await self._repository.give_up_login(name)

    async def discard(self, name: str, number: int) -> None:
        """The PMS refused this token."""
        await self._repository.discard(name, number)

    async def touch(self, name: str, number: int) -> None:
        """This token is in use."""
        await self._repository.touch(name, number)
