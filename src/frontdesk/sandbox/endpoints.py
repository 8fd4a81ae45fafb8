"""The sandbox's own endpoints under `/_sandbox`: what it holds, who may call it and how fast, what
came and what was written, faults, reset.

They are for tests and demos alone, and ask for no credentials: the sandbox listens on loopback and
holds nothing but invented people.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Protocol

from aiohttp import web

from frontdesk.sandbox.arrivals import ArrivalLog
from frontdesk.sandbox.faults import Fault, FaultBook, FaultRefused, Kind
from frontdesk.sandbox.hostility import Hostility, HostilityRefused
from frontdesk.sandbox.repository import Repository
from frontdesk.sandbox.simulator import Request, Simulator
from frontdesk.sandbox.throttle import Throttle
from frontdesk.sandbox.world import stamp

CREDENTIAL_SETS = 16
ARRIVALS_PER_ANSWER = 10_000


class Sandbox(Protocol):
    """What these endpoints need of the running sandbox."""

    @property
    def simulators(self) -> dict[str, Simulator]:
        """The simulators by vendor."""
        ...

    @property
    def repository(self) -> Repository:
        """The stored world."""
        ...

    @property
    def arrivals(self) -> ArrivalLog:
        """The requests that came."""
        ...

    @property
    def throttle(self) -> Throttle:
        """The throttle of every caller."""
        ...

    @property
    def hostility(self) -> Hostility:
        """Whether, and by which seed, every simulator misbehaves."""
        ...

    @property
    def faults(self) -> FaultBook:
        """The waiting faults."""
        ...

    def examples(self, vendor: str) -> dict[str, object]:
        """Ids worth knowing in the vendor's world."""
        ...

    def customers(self) -> list[tuple[str, int, str]]:
        """Every customer of every vendor: the vendor, his number, and the path he calls."""
        ...

    def reset(self) -> None:
        """Back to the seeded world: no effects, no faults, no counted requests."""
        ...


class SandboxEndpoints:
    """What answers under `/_sandbox`; the routes are the list."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """The routes, for the application."""
        return [
            web.get("/_sandbox", self.overview),
            web.get("/_sandbox/effects", self.effects),
            web.get("/_sandbox/customers", self.customers),
            web.get("/_sandbox/limits", self.limits),
            web.get("/_sandbox/arrivals", self.arrivals),
            web.get("/_sandbox/hostility", self.tell_hostility),
            web.post("/_sandbox/hostility", self.set_hostility),
            web.get("/_sandbox/faults", self.list_faults),
            web.post("/_sandbox/faults", self.add_fault),
            web.delete("/_sandbox/faults", self.remove_faults),
            web.post("/_sandbox/reset", self.reset),
        ]

    async def overview(self, request: web.Request) -> web.Response:
        """Every vendor with its base URL, credentials to use, ids worth knowing, and guesses.

        `credentials` is the first of `credential_sets`; each set is throttled on its own.
        """
        vendors: dict[str, object] = {}
        for vendor, simulator in self._sandbox.simulators.items():
            vendors[vendor] = {
                "base_path": f"/{vendor.lower()}",
                "base_url": f"{request.scheme}://{request.host}/{vendor.lower()}",
                "credentials": dict(simulator.credentials(1)),
                "credential_sets": [
                    dict(simulator.credentials(number)) for number in range(1, CREDENTIAL_SETS + 1)
                ],
                "examples": self._sandbox.examples(vendor),
                "guesses": list(simulator.guesses),
            }
        return _json({"vendors": vendors})

    async def customers(self, request: web.Request) -> web.Response:
        """Every customer of every vendor, as a JSON list: the vendor, his number, the base URL of
        his world, and his credentials."""
        return _json(
            [
                {
                    "vendor": vendor,
                    "customer": customer,
                    "base_url": f"{request.scheme}://{request.host}{path}",
                    "credentials": dict(self._sandbox.simulators[vendor].credentials(customer)),
                }
                for vendor, customer, path in self._sandbox.customers()
            ]
        )

    async def limits(self, _request: web.Request) -> web.Response:
        """What each vendor's simulator enforces, by vendor.

        `windows` are `[requests, seconds, per what]`, `concurrency` counts requests at work or is
        null. The numbers are those enforced, with the sandbox's factor in them.
        """
        scaled = self._sandbox.throttle.scaled
        limits: dict[str, object] = {}
        for vendor, simulator in self._sandbox.simulators.items():
            enforced = simulator.limits
            limits[vendor] = {
                "windows": [
                    [scaled(window.amount), window.seconds, enforced.per]
                    for window in enforced.windows
                ],
                "concurrency": None
                if enforced.concurrency is None
                else scaled(enforced.concurrency),
                "per": enforced.per,
            }
        return _json(limits)

    async def arrivals(self, request: web.Request) -> web.Response:
        """The requests that reached a simulator, oldest first; see `Arrival` for one.

        `since` is a sequence (0: from the first that is kept), `vendor` filters, `limit` is 10,000
        at most. `forgotten` is the sequence of the youngest that is no longer kept: whoever has
        read as far as that has missed none. What stands on an arrival may still change while its
        request is at work.
        """
        query = dict(request.query)
        vendor = query.pop("vendor", None)
        since = query.pop("since", "0")
        limit = query.pop("limit", str(ARRIVALS_PER_ANSWER))
        if query:
            return _refused(f"unknown parameter: {', '.join(sorted(query))}")
        if vendor is not None and vendor not in self._sandbox.simulators:
            return _refused(f"vendor is one of {', '.join(self._sandbox.simulators)}")
        if not (since.isdecimal() and limit.isdecimal()):
            return _refused("since and limit are whole numbers")
        log = self._sandbox.arrivals
        found = log.after(
            int(since), vendor=vendor, limit=max(1, min(int(limit), ARRIVALS_PER_ANSWER))
        )
        return _json(
            {"arrivals": [arrival.as_json() for arrival in found], "forgotten": log.forgotten}
        )

    async def effects(self, request: web.Request) -> web.Response:
        """Everything that was really written, in order, as a JSON list.

        `since` is an ISO 8601 date-time with offset (written then or later) or a `sequence`
        (written after it); `vendor` filters. An unknown parameter or value is a 400.
        """
        query = dict(request.query)
        vendor = query.pop("vendor", None)
        since = query.pop("since", None)
        if query:
            return _refused(f"unknown parameter: {', '.join(sorted(query))}")
        if vendor is not None and vendor not in self._sandbox.simulators:
            return _refused(f"vendor is one of {', '.join(self._sandbox.simulators)}")
        if since is None:
            return _json(self._sandbox.repository.effects(vendor=vendor))
        if since.isdecimal():
            return _json(self._sandbox.repository.effects(vendor=vendor, after=int(since)))
        try:
            # A "+" that was not percent-encoded arrives as a space.
            moment = datetime.fromisoformat(since.replace(" ", "+"))
        except ValueError:
            return _refused("since is an ISO 8601 date-time or a sequence number")
        if moment.tzinfo is None:
            return _refused("since needs an offset")
        return _json(
            self._sandbox.repository.effects(vendor=vendor, since=stamp(moment.astimezone(UTC)))
        )

    async def tell_hostility(self, _request: web.Request) -> web.Response:
        """`seed` (null: none), `intensity`, and how often what was `played`, by vendor."""
        return _json(self._sandbox.hostility.as_json())

    async def set_hostility(self, request: web.Request) -> web.Response:
        """Take `{"seed": N or null, "intensity": 0 to 1}` from the next request on; it is kept over
        a restart. Answers as the GET does, or with a 400 that says what is wrong."""
        try:
            self._sandbox.hostility.set(await _body(request))
        except (HostilityRefused, _NotJson) as refusal:
            return _refused(str(refusal))
        return await self.tell_hostility(request)

    async def list_faults(self, _request: web.Request) -> web.Response:
        """The faults that wait, as a JSON list."""
        return _json([fault.as_json() for fault in self._sandbox.faults.waiting()])

    async def add_fault(self, request: web.Request) -> web.Response:
        """Ask for a fault: 201 with it, or a 400 that says what is wrong."""
        simulators = self._sandbox.simulators
        try:
            fault = self._sandbox.faults.add(await _body(request), frozenset(simulators))
        except (FaultRefused, _NotJson) as refusal:
            return _refused(str(refusal))
        if not _playable(fault, simulators[fault.vendor]):
            self._sandbox.faults.remove(id=fault.id)
            return _refused(f"{fault.vendor} never reports an error inside a success")
        return _json(fault.as_json(), status=201)

    async def remove_faults(self, request: web.Request) -> web.Response:
        """Drop every waiting fault, or those of `?id=` or `?vendor=`."""
        dropped = self._sandbox.faults.remove(
            id=request.query.get("id"), vendor=request.query.get("vendor")
        )
        return _json({"deleted": dropped})

    async def reset(self, _request: web.Request) -> web.Response:
        """Back to the seeded world."""
        self._sandbox.reset()
        return _json({"reset": True})


def _playable(fault: Fault, simulator: Simulator) -> bool:
    if fault.fault is not Kind.ERROR_IN_200:
        return True
    probe = Request(method="POST", path="/")
    return simulator.error_in_success(probe, fault.status, fault.level) is not None


class _NotJson(ValueError):  # noqa: N818 (expected: told to the caller)
    """A body that is no JSON."""


async def _body(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise _NotJson("the body is not JSON") from None


def _json(value: Any, *, status: int = 200) -> web.Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")


def _refused(message: str) -> web.Response:
    return _json({"error": {"code": "invalid_request", "message": message}}, status=400)
