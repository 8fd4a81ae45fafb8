"""What the run works on, set up over the command line and HTTP as an operator would: an account, a
token, several integrations of each vendor with credentials of their own, lanes, rates.

It names no vendor: which there are, what each takes, how fast it may be called and how soon it
settles is what the product and the sandbox say themselves.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from torture import clock
from torture.processes import ROOT, TortureError

EVENTS = "/v1/events/residents"
QUERY = "ignore_unknown_fields=true"
SYNC_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What a vendor's capabilities say that the run goes by."""

    vendor: str
    readable: bool
    keyed: bool
    late_effect: float
    visible_after: float

    @property
    def settles_after(self) -> float:
        """Seconds until a write whose answer was lost can be settled."""
        return self.late_effect + self.visible_after

    @property
    def never_doubled(self) -> bool:
        """Whether the promise is: not twice, whatever happens."""
        return self.readable or self.keyed


@dataclass(frozen=True, slots=True)
class Customer:
    """One integration: its lanes (resident ids), and how many events a second it gets."""

    vendor: str
    integration_id: str
    residents: tuple[str, ...]
    rate: float


def figures(vendors: Sequence[str] | None, settles_within: float | None) -> list[Figures]:
    """The vendors that hold resident events (or those named), by `frontdesk vendors`."""
    found = []
    for vendor in run_json("vendors", "--json"):
        read_back = vendor["read_back"]
        one = Figures(
            vendor=vendor["vendor"],
            readable=read_back["possible"],
            keyed=vendor["idempotency_key"],
            late_effect=read_back["late_effect_seconds"],
            visible_after=read_back["visible_after_seconds"],
        )
        if not vendor["operations"]["create"]["supported"]:
            continue
        if vendors is not None and one.vendor not in vendors:
            continue
        if settles_within is None or one.settles_after <= settles_within:
            found.append(one)
    if not found:
        raise TortureError("No vendor that is asked for holds resident events.")
    return found


def run_json(*arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run a `frontdesk` command to its end; what it printed, as JSON. Raises TortureError."""
    done = subprocess.run(
        [sys.executable, "-m", "frontdesk", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise TortureError(f"frontdesk {arguments[0]} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def body_for(customer_id: str, resident_id: str, marker: str) -> dict[str, Any]:
    """A note with this marker: the same body for every vendor."""
    return {
        "integration_id": customer_id,
        "resident_id": resident_id,
        "kind": "note",
        "notes": f"{marker} called about the dryer",
        "event_datetime": datetime.now(UTC).isoformat(timespec="seconds"),
        "external_reference": marker,
    }


class SetUp:
    """Makes the customers, through one API process that nobody kills yet."""

    def __init__(self, session: aiohttp.ClientSession, url: str, sandbox_url: str) -> None:
        self._session = session
        self._url = url
        self._sandbox_url = sandbox_url

    async def customers(
        self, vendors: Sequence[Figures], lanes: int, share: float, stated: float
    ) -> list[Customer]:
        """An integration for every customer that the sandbox has, synced, with up to `lanes`
        residents and a rate of `share` of its budget (`stated` events a second where the vendor
        states no windows)."""
        wanted = {one.vendor for one in vendors}
        made = []
        for offered in await self.call("GET", f"{self._sandbox_url}/_sandbox/customers"):
            if offered["vendor"] not in wanted:
                continue
            answer = await self.call(
                "POST",
                f"{self._url}/v1/admin/integrations/",
                {
                    "integration_vendor": offered["vendor"],
                    "name": f"{offered['vendor']} {offered['customer']}",
                    "credentials": offered["credentials"],
                    "base_url": offered["base_url"],
                    "timezone": "America/Denver",
                    "active": True,
                },
            )
            made.append((offered["vendor"], str(answer["result"]["id"])))
        return list(
            await asyncio.gather(
                *(self._customer(*record, lanes, share, stated) for record in made)
            )
        )

    async def _customer(
        self,
        vendor: str,
        integration_id: str,
        lanes: int,
        share: float,
        stated: float,
    ) -> Customer:
        admin = f"{self._url}/v1/admin/integrations/{integration_id}"
        await self._synced(admin)
        limits = (await self.call("GET", f"{admin}/rate-limits"))["results"]["api_ratelimits"]
        # Spread evenly over the tightest window, no other is ever used up.
        rates = [
            window["requests"] / window["seconds"]
            for limit in limits
            for window in limit["windows"]
        ]
        rate = share * min(rates) if rates else stated
        residents = await self._residents(integration_id, lanes)
        return Customer(vendor, integration_id, residents, rate)

    async def _synced(self, admin: str) -> None:
        """Wait for the first sync."""
        deadline = clock.now() + SYNC_SECONDS
        while (await self.call("GET", admin))["results"]["last_completed_sync"] is None:
            if clock.now() > deadline:
                raise TortureError(f"No catalog within {SYNC_SECONDS:.0f} s: {admin}")
            await asyncio.sleep(0.5)

    async def _residents(self, integration_id: str, lanes: int) -> tuple[str, ...]:
        """Residents about whom this PMS takes a note as it stands."""
        path = f"{self._url}/v1/residents?integration_id={integration_id}&limit=250"
        fit: list[str] = []
        refusal: Any = "it has no residents"
        for resident in (await self.call("GET", path))["results"]:
            body = body_for(integration_id, resident["id"], "dry")
            url = f"{self._url}{EVENTS}?{QUERY}&dry_run=true"
            async with self._session.post(url, json=body) as answer:
                if answer.status == 200:
                    fit.append(resident["id"])
                else:
                    refusal = await answer.text()
            if len(fit) == lanes:
                break
        if not fit:
            raise TortureError(f"Nobody at {integration_id} can have a note: {refusal}")
        return tuple(fit)

    async def call(self, method: str, url: str, body: object = None) -> Any:
        """One call that must succeed; its JSON."""
        async with self._session.request(method, url, json=body) as answer:
            if not 200 <= answer.status < 300:
                text = (await answer.text())[:1000]
                raise TortureError(f"{method} {url} answered {answer.status}: {text}")
            return await answer.json()
