"""Logs in at PMSs whose calls bear a token: one token for all workers, and one login at a time.

A token is used until it is refused, too old, or idle for too long. One that was refused is replaced
at once; if its successor is refused soon after, the credentials are, whatever else it served.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

import structlog

from frontdesk.delivery import clock
from frontdesk.delivery.budgets import Budgets
from frontdesk.delivery.granted import call_granted
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.stopping import Stopping
from frontdesk.delivery.wire import Wire
from frontdesk.integrations.service import PmsSessions, PmsToken
from frontdesk.vendors.contract import (
    Answer,
    Login,
    NoAnswer,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Request,
)
from frontdesk.vendors.declaration import TokenLife

log = structlog.get_logger(__name__)

MARGIN = 0.1
"""A token is given up when a tenth of its life, or of its time unused, is left: clocks differ, and
its use is stored to within a minute only."""

TOUCH_EVERY_SECONDS = 60.0
REPLACED_ONCE_IN_SECONDS = 60.0
"""A PMS counts live tokens: a call that is refused with every one must not use them up."""

LOGIN_PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class _Known:
    """A token in this process's hands. `obtained_at`, `used_at` and `touched_at` are by `clock.now`."""

    token: PmsToken
    obtained_at: float
    used_at: float
    touched_at: float

    def is_good(self, life: TokenLife) -> bool:
        moment = clock.now()
        return (
            moment - self.obtained_at < life.lives_s * (1 - MARGIN)
            and moment - self.used_at < life.idle_s * (1 - MARGIN) - TOUCH_EVERY_SECONDS
        )


class Logins:
    """The logins of one worker process."""

    def __init__(
        self, sessions: PmsSessions, wire: Wire, budgets: Budgets, stopping: Stopping
    ) -> None:
        self._sessions = sessions
        self._wire = wire
        self._budgets = budgets
        self._stopping = stopping
        self._known: dict[str, _Known] = {}
        self._replaced_at: dict[str, float] = {}
        self._newest: dict[str, int] = defaultdict(int)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def token(self, holding: Holding) -> PmsToken | None:
        """The token for a call of this integration; None where its vendor has no login.

        Raises `NoAnswer`, `ReadRefused` where the login that this takes fails."""
        login, life = holding.login, holding.declaration.token
        if login is None or life is None:
            return None
        name = self._sessions.name_of(holding.integration)
        known = self._known.get(name)
        if known is None or not known.is_good(life):
            async with self._locks[name]:
                known = self._known.get(name)
                if known is None or not known.is_good(life):
                    known = await self._obtain(holding, login, life, name)
        known.used_at = clock.now()
        if known.used_at - known.touched_at > TOUCH_EVERY_SECONDS:
            known.touched_at = known.used_at
            await self._sessions.touch(name, known.token.number)
        return known.token

    @staticmethod
    def bearing(holding: Holding, request: Request, token: PmsToken | None) -> Request:
        """The request as it may leave."""
        if holding.login is None or token is None:
            return request
        return holding.login.with_token(request, token.value)

    async def is_outdated(self, holding: Holding, token: PmsToken | None, answer: Answer) -> bool:
        """Whether the PMS refused this call's token, and a new login is worth its while. The call
        had no effect then. False as well where its successor is refused: the credentials are."""
        if holding.login is None or token is None or not holding.login.refuses(answer):
            return False
        name = self._sessions.name_of(holding.integration)
        known = self._known.get(name)
        if known is None or known.token.number != token.number:
            return True  # another call has noticed it already
        del self._known[name]
        await self._sessions.discard(name, token.number)
        log.info("pms_token_refused", integration_id=str(holding.integration.id))
        moment = clock.now()
        last = self._replaced_at.get(name)
        self._replaced_at[name] = moment
        return last is None or moment - last > REPLACED_ONCE_IN_SECONDS

    async def _obtain(self, holding: Holding, login: Login, life: TokenLife, name: str) -> _Known:
        wait_until = clock.now() + holding.declaration.timeout_s
        while True:
            stored = await self._sessions.current(name)
            if stored is not None and stored.number > self._newest[name]:
                known = self._keep(name, stored)
                if known.is_good(life):
                    return known
            seconds = holding.declaration.timeout_s + 5
            if await self._sessions.begin_login(name, self._newest[name], seconds):
                return await self._log_in(holding, login, name)
            if clock.now() > wait_until:
                message = "Another process is logging in at the PMS."
                raise ReadRefused(Outcome(OutcomeKind.NOT_NOW, "login", message, retry_after=1.0))
            await asyncio.sleep(LOGIN_PAUSE_SECONDS)

    async def _log_in(self, holding: Holding, login: Login, name: str) -> _Known:
        request = login.request(holding.access)
        try:
            exchange, _ = await call_granted(self._budgets, self._wire, holding, request, "write")
            value = login.token_of(exchange.answer)
        except BaseException as error:
            await self._sessions.give_up_login(name)
            if isinstance(error, NoAnswer):
                await self._stopping.no_answer(holding, str(error))
            raise
        log.info("pms_login", integration_id=str(holding.integration.id))
        return self._keep(name, await self._sessions.store(name, value))

    def _keep(self, name: str, token: PmsToken) -> _Known:
        moment = clock.now()
        known = _Known(token, moment - token.age, moment - token.idle, moment)
        self._newest[name] = max(self._newest[name], token.number)
        self._known[name] = known
        return known
