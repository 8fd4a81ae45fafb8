"""One request to one simulator, from arrival to answer: throttle, faults, effect, answer."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from aiohttp import web

from frontdesk.sandbox import wire
from frontdesk.sandbox.arrivals import Arrival, ArrivalLog, seconds_waited
from frontdesk.sandbox.faults import DEFAULT_SECONDS, Fault, FaultBook, Kind, Plan
from frontdesk.sandbox.hostility import NONE, Hostility
from frontdesk.sandbox.schedule import QUOTA_DROP, lowered
from frontdesk.sandbox.simulator import (
    Description,
    Operation,
    Quota,
    Reply,
    Request,
    Simulator,
    figures_of,
    maintenance_of,
)
from frontdesk.sandbox.throttle import Throttle
from frontdesk.sandbox.world import World

log = logging.getLogger(__name__)

PAGES_KEPT = 1_000

GATEWAY_PAGE = b"<html><head><title>Error</title></head><body><h1>Error</h1></body></html>"


@dataclass(slots=True)
class Exchange:
    """Everything that the requests to one simulator, as one customer of it, share."""

    simulator: Simulator
    world: World
    throttle: Throttle
    faults: FaultBook
    arrivals: ArrivalLog
    hostility: Hostility
    latency_seconds: float
    stopping: asyncio.Event
    later: set[asyncio.Task[None]] = field(default_factory=set)
    locks: dict[tuple[str | None, str], _Play] = field(default_factory=dict)
    pages: dict[tuple[str | None, str], tuple[str, Reply]] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """The path that the vendor's own paths follow."""
        first = f"/{self.world.vendor.lower()}"
        return first if self.world.customer == 1 else f"{first}/c{self.world.customer}"

    async def serve(self, http: web.Request) -> web.StreamResponse:
        """Answer one HTTP request; the tail of its path is the simulator's."""
        arrived_at = datetime.now(UTC)
        clock = time.monotonic() - seconds_waited(http.transport)
        prefix = self.prefix
        request = Request(
            method=http.method,
            path=http.path.removeprefix(prefix) or "/",
            query_string=http.rel_url.raw_query_string,
            headers={name.lower(): value for name, value in http.headers.items()},
            body=await http.read(),
            base_url=f"{http.scheme}://{http.host}{prefix}",
        )
        simulator = self.simulator
        credential = simulator.credential_of(request)
        about = self.world.play(lambda scene: simulator.describe(request, scene))
        arrival = self._noted(request, about, arrived_at, clock, credential)
        try:
            return await self._met(http, request, about, arrival, arrived_at)
        finally:
            arrival.is_over = True

    async def _met(
        self,
        http: web.Request,
        request: Request,
        about: Description,
        arrival: Arrival,
        arrived_at: datetime,
    ) -> web.StreamResponse:
        simulator, credential = self.simulator, arrival.credential
        if credential is None:
            # A stranger is no customer, and what befalls him would teach nobody anything.
            play = _Play(request, about, NONE.plan, arrived_at, arrival, Quota(allowed=True))
            return await self._answer(http, play)
        mischief = self.hostility.meet(
            simulator.vendor,
            self.world.customer,
            about,
            request.method,
            request.path,
            figures_of(simulator),
        )
        limits = simulator.limits
        if mischief.is_quota_low and (limits.windows or limits.concurrency is not None):
            limits = lowered(limits)
            arrival.faults.append(QUOTA_DROP)
        key = (simulator.vendor, credential, about.scope)
        quota = self.throttle.enter(key, limits)
        arrival.is_counted = quota.allowed
        arrival.in_flight = self.throttle.in_flight(key)
        if not quota.allowed:
            reply = simulator.sign(simulator.throttled(request, quota), quota)
            arrival.status = reply.status
            self.hostility.tell(simulator.vendor, arrival.faults)
            return wire.whole(reply)
        try:
            play = _Play(request, about, mischief.plan, arrived_at, arrival, quota)
            return await self._answer(http, play)
        finally:
            self.hostility.tell(simulator.vendor, arrival.faults)
            self.throttle.leave(key)

    def _noted(
        self,
        request: Request,
        about: Description,
        arrived_at: datetime,
        clock: float,
        credential: str | None,
    ) -> Arrival:
        return self.arrivals.note(
            vendor=self.world.vendor,
            customer=self.world.customer,
            credential=credential,
            scope=about.scope,
            operation=about.operation,
            label=about.label,
            x_resident_ids=about.x_resident_ids,
            method=request.method,
            path=request.path,
            arrived_at=arrived_at,
            clock=clock,
        )

    async def _answer(self, http: web.Request, play: _Play) -> web.StreamResponse:
        asked = self.faults.take(self.simulator.vendor, play.about, play.request.path)
        play.plan = asked.beside(play.plan)
        self._lock(play)
        try:
            if play.plan.delay:
                play.arrival.faults.append(Kind.DELAY)
            pause = play.plan.delay + self.latency_seconds
            if pause:
                await asyncio.sleep(pause)
            return await self._end(http, play)
        finally:
            if not play.is_late:
                self._unlock(play)

    async def _end(self, http: web.Request, play: _Play) -> web.StreamResponse:
        ending = play.plan.ending
        kind = ending.fault if ending is not None else None
        if play.plan.end is not None:
            play.arrival.faults.append(play.plan.end)
        if ending is not None and kind is Kind.LATE_EFFECT:
            seconds = DEFAULT_SECONDS if ending.seconds is None else ending.seconds
            play.is_late = True
            self._keep(asyncio.create_task(self._perform_later(play, seconds)))
            wire.reset(http)
            return web.Response()
        if kind is Kind.RESET_BEFORE_EFFECT:
            wire.reset(http)
            return web.Response()
        reply = self.simulator.sign(self._reply(play), play.quota)
        # What follows is the answer's way: the work is done, and whoever asks again may know it.
        self._unlock(play)
        match kind:
            case Kind.RESET_AFTER_EFFECT:
                wire.reset(http)
                return web.Response()
            case Kind.HANG_AFTER_EFFECT if ending is not None:
                await wire.hang(http, ending.seconds, self.stopping)
                return web.Response()
        play.arrival.status = reply.status
        match kind:
            case Kind.TRUNCATE if ending is not None:
                wire.truncate(http, reply, ending.after_bytes)
            case Kind.SLOW_DRIP if ending is not None:
                seconds = DEFAULT_SECONDS if ending.seconds is None else ending.seconds
                await wire.drip(http, reply, seconds, self.stopping)
            case _:
                return wire.whole(reply)
        # The connection is gone: aiohttp drops this answer when it finds that out.
        return web.Response()

    def _reply(self, play: _Play) -> Reply:
        """The answer before it meets the socket, with its effect done where there is one."""
        ending = play.plan.ending
        if ending is not None:
            refusal = self._refusal(play.request, ending, play.quota)
            if refusal is not None:
                if ending.effect:
                    self._perform(play)
                return refusal
        if play.about.operation is Operation.READ and play.about.listing:
            return self._page(play)
        return self._perform(play)

    def _page(self, play: _Play) -> Reply:
        """A page of a list; where the plan repeats, the page of this list that was read before."""
        key = (play.arrival.credential, play.about.listing)
        asked_for = play.request.query_string
        before = self.pages.pop(key, None)
        if play.plan.repeats and before is not None and before[0] != asked_for:
            play.arrival.faults.append(Kind.REPEAT_PAGE)
            self.pages[key] = before
            return before[1]
        reply = self._perform(play)
        if reply.status == HTTPStatus.OK:
            self.pages[key] = (asked_for, reply)
            if len(self.pages) > PAGES_KEPT:
                del self.pages[next(iter(self.pages))]
        return reply

    def _refusal(self, request: Request, ending: Fault, quota: Quota) -> Reply | None:
        if ending.fault is Kind.THROTTLED:
            return self.simulator.throttled(request, quota)
        if ending.fault is Kind.MAINTENANCE:
            return maintenance_of(self.simulator, request)
        if ending.fault is Kind.UNAUTHORISED:
            return self.simulator.unauthorised(request)
        if ending.fault is Kind.ERROR_IN_200:
            return self.simulator.error_in_success(request, ending.status, ending.level)
        if ending.fault is Kind.STATUS and ending.status is not None:
            reply = (
                Reply(ending.status, GATEWAY_PAGE, (("Content-Type", "text/html"),))
                if ending.body == "html"
                else self.simulator.failure(request, ending.status)
            )
            if ending.retry_after is not None:
                reply = reply.with_headers(("Retry-After", str(ending.retry_after)))
            return reply
        return None

    def _perform(self, play: _Play) -> Reply:
        """Do the work of the request, and of the staff member who writes the same beside it."""
        is_write = play.about.operation is Operation.WRITE
        twin = play.plan.twin if is_write else None
        duplicate = play.plan.duplicate if play.about.operation is Operation.READ else None
        play.arrival.faults += [
            name
            for name, happens in (
                (Kind.TWIN, twin is not None),
                (Kind.READ_LAG, is_write and play.plan.read_lag > 0),
                (Kind.DUPLICATE_ROWS, duplicate is not None),
            )
            if happens
        ]
        apart = timedelta(seconds=(twin.seconds or 0.0) if twin is not None else 0.0)
        if twin is not None and twin.before:
            self._write_as_staff(play, datetime.now(UTC) - apart)
        reply = self.world.play(
            lambda scene: self.simulator.handle(play.request, scene),
            arrived_at=play.arrived_at,
            credential=play.arrival.credential or "",
            hidden_seconds=play.plan.read_lag,
            is_locked=self._is_locked(play),
            duplicate=duplicate,
        )
        if twin is not None and not twin.before:
            if apart:
                self._keep(asyncio.create_task(self._twin_later(play, apart.total_seconds())))
            else:
                self._write_as_staff(play, datetime.now(UTC))
        return reply

    def _write_as_staff(self, play: _Play, now: datetime) -> None:
        self.world.play(
            lambda scene: self.simulator.handle(play.request, scene),
            now=now,
            arrived_at=play.arrived_at,
            origin="staff",
        )

    async def _perform_later(self, play: _Play, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            self._perform(play)
        finally:
            self._unlock(play)

    async def _twin_later(self, play: _Play, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._write_as_staff(play, datetime.now(UTC))

    def _lock(self, play: _Play) -> None:
        if play.about.lock:
            self.locks.setdefault((play.arrival.credential, play.about.lock), play)

    def _is_locked(self, play: _Play) -> bool:
        return self.locks.get((play.arrival.credential, play.about.lock), play) is not play

    def _unlock(self, play: _Play) -> None:
        if self.locks.get((play.arrival.credential, play.about.lock)) is play:
            del self.locks[(play.arrival.credential, play.about.lock)]

    def _keep(self, task: asyncio.Task[None]) -> None:
        # The loop holds tasks weakly: without this set a late effect could vanish before its time.
        self.later.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.later.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a late effect failed: %s", error, exc_info=error)


@dataclass(slots=True, eq=False)
class _Play:
    """One request with what was decided about it. `is_late`: its effect comes after its end."""

    request: Request
    about: Description
    plan: Plan
    arrived_at: datetime
    arrival: Arrival
    quota: Quota
    is_late: bool = False
