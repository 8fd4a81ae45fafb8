"""A worker, a real simulator and a real database: what hazards are played out on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from frontdesk.application import Services, open_services
from frontdesk.delivery.worker import Worker
from frontdesk.ids import new_id
from frontdesk.integrations.schemas import IntegrationCreate
from frontdesk.vendors.contract import EventIntent, Plan
from frontdesk.vendors.registry import connector_of, vendors
from frontdesk.writes.intake import Accepted, Intake, NewWrite
from frontdesk.writes.plans import dump_plan
from tests.conftest import make_settings
from tests.sandbox.running import SandboxClient, running_sandbox

VENDORS = [code for code, vendor in vendors().items() if vendor.connector is not None]
LONGEST_LATE_EFFECT_SECONDS = 3.0
LONGEST_LAG_SECONDS = 1.0
_numbers = count(1)


async def eventually(
    question: Callable[[], Awaitable[Any]], *, seconds: float = 20.0, every: float = 0.05
) -> Any:
    """The first true answer. Fails past the deadline, with the last answer."""
    give_up_at = time.monotonic() + seconds
    while not (answer := await question()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"still {answer!r} after {seconds} s")
        await asyncio.sleep(every)
    return answer


@dataclass
class World:
    """One integration of one vendor, synced, with workers that can be started and killed."""

    vendor: str
    services: Services
    sandbox: SandboxClient
    intake: Intake
    account_id: UUID = field(default_factory=new_id)
    integration_id: UUID = field(default_factory=new_id)
    _workers: list[tuple[Worker, asyncio.Event, asyncio.Task[None]]] = field(default_factory=list)

    @property
    def settled(self) -> str:
        """How a write whose answer was lost is settled: found among the records, or, where the
        vendor knows idempotency keys, told by the vendor itself."""
        return "exact" if connector_of(self.vendor).declaration.idempotency_key else "matched"

    # --- workers --------------------------------------------------------------------------------

    def start_worker(self) -> Worker:
        """A worker in this process."""
        stop = asyncio.Event()
        worker = Worker(self.services, stop)
        self._workers.append((worker, stop, asyncio.create_task(worker.run())))
        return worker

    async def stop_workers(self) -> None:
        """Drain them all."""
        for _, stop, _ in self._workers:
            stop.set()
        await asyncio.gather(*(task for _, _, task in self._workers))
        self._workers.clear()

    async def synced(self) -> None:
        """Wait for the first sync."""

        async def is_done() -> bool:
            return bool(
                await self.services.database.fetch_value(
                    "SELECT last_completed_sync IS NOT NULL FROM integrations WHERE id = $1",
                    self.integration_id,
                )
            )

        await eventually(is_done, seconds=60)

    # --- writes ---------------------------------------------------------------------------------

    async def residents(self) -> list[UUID]:
        """Residents who can be written to without naming a unit."""
        rows = await self.services.database.fetch(
            "SELECT id FROM residents WHERE integration_id = $1 ORDER BY x_id", self.integration_id
        )
        fit = []
        for row in rows:
            with suppress(ValueError):
                await self.plan(row["id"], "?")
                fit.append(row["id"])
            if len(fit) == 8:
                break
        return fit

    async def plan(self, resident_id: UUID, text: str) -> Plan:
        """The plan of a note; ValueError where this resident cannot have one as he is."""
        known = await self.services.catalog.resident(self.integration_id, resident_id)
        assert known is not None
        connector = connector_of(self.vendor)
        event_type = None
        fields: dict[str, Any] = {"notes": text}
        create = connector.declaration.create
        assert create is not None
        if "event_type_id" in create.fields:
            type_id = await self.services.database.fetch_value(
                "SELECT id FROM event_types WHERE integration_id = $1 AND class = 'note' "
                "ORDER BY length(x_id), x_id LIMIT 1",
                self.integration_id,
            )
            resolved = await self.services.catalog.resolve(
                self.account_id, self.integration_id, {"event_type_id": type_id}
            )
            assert resolved.event_type is not None
            event_type = resolved.event_type.reference
        if "event_datetime" in create.fields:
            fields["event_datetime"] = datetime(2026, 5, 4, 16, 30, tzinfo=UTC)
        intent = EventIntent(
            "create",
            known.resident,
            fields,
            event_type=event_type,
            property_timezone="America/Denver",
        )
        try:
            return connector.plan(intent)
        except Exception as error:
            raise ValueError(str(error)) from error

    async def write(self, resident_id: UUID, text: str, **changes: Any) -> NewWrite:
        """Accept a note."""
        plan = await self.plan(resident_id, text)
        values: dict[str, Any] = {
            "id": new_id(),
            "account_id": self.account_id,
            "integration_id": self.integration_id,
            "vendor": self.vendor,
            "operation": "create",
            "resident_id": resident_id,
            "budget_key": plan.budget_key,
            "input": {"notes": text},
            "plan": dump_plan(plan),
            "event": {"x_property_id": None, "property_id": None, "data": {"notes": text}},
            "warnings": [],
            "event_id": new_id(),
            "external_reference": None,
            "expiry_hours": 72,
        }
        write = NewWrite(**{**values, **changes})
        assert isinstance(await self.intake.submit(write), Accepted)
        return write

    async def row(self, write: NewWrite) -> dict[str, Any]:
        """The write as it stands."""
        row = await self.services.database.fetch_row("SELECT * FROM writes WHERE id = $1", write.id)
        assert row is not None
        return {**dict(row), "errors": orjson.loads(row["errors"])}

    async def end_of(self, write: NewWrite, *, seconds: float = 30.0) -> dict[str, Any]:
        """The write once it has ended."""

        async def ended() -> dict[str, Any] | None:
            row = await self.row(write)
            return row if row["finished_at"] is not None else None

        end: dict[str, Any] = await eventually(ended, seconds=seconds)
        return end

    async def arrived(self, text: str, *, origin: str = "api") -> list[dict[str, Any]]:
        """The records that the simulator really holds with this text."""
        effects = await self.sandbox.effects_with(text)
        return [effect for effect in effects if effect["origin"] == origin]

    async def fault(self, **fields: Any) -> None:
        """Make the simulator misbehave."""
        await self.sandbox.fault(vendor=self.vendor, **fields)


@asynccontextmanager
async def running_world(
    vendor: str,
    database_url: str,
    folder: Path,
    *,
    drain_seconds: float = 1,
    slots: int = 256,
    **changes: Any,
) -> AsyncIterator[World]:
    settings = make_settings(drain_seconds=drain_seconds, worker_slots=slots, **changes)
    services = await open_services(settings, database_url, role="worker")
    async with running_sandbox(folder, vendor) as sandbox:
        world = World(
            vendor,
            services,
            sandbox,
            Intake(services.database, queue=500, batch=64, texts=services.texts),
        )
        overview = (await sandbox.overview())["vendors"][vendor]
        await services.database.execute(
            "UPDATE integrations SET is_archived = true, active = false"
        )
        await services.database.execute(
            "INSERT INTO accounts (id, name) VALUES ($1, 'hazards')", world.account_id
        )
        record = await services.integrations.create(
            world.account_id,
            IntegrationCreate.model_validate(
                {
                    "integration_vendor": vendor,
                    "name": "hazards",
                    "credentials": overview["credential_sets"][next(_numbers) % 16],
                    "base_url": overview["base_url"],
                    "active": True,
                }
            ),
        )
        world.integration_id = UUID(str(record["id"]))
        try:
            yield world
        finally:
            await world.stop_workers()
            await world.intake.close()
            await services.close()


def hasten(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a PMS whose requests may take effect minutes later settle within a test's time: what
    waits for the figure is tried, whatever the figure is."""
    connector = connector_of(vendor)
    declaration = connector.declaration
    read_back = declaration.read_back
    soon = replace(
        read_back,
        late_effect_s=min(read_back.late_effect_s, LONGEST_LATE_EFFECT_SECONDS),
        visible_after_s=min(read_back.visible_after_s, LONGEST_LAG_SECONDS),
    )
    hastened = replace(declaration, read_back=soon)
    monkeypatch.setattr(type(connector), "declaration", property(lambda _: hastened))


@pytest.fixture(params=VENDORS)
async def world(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """An integration of each vendor in turn, with a worker, after its first sync."""
    hasten(request.param, monkeypatch)
    async with running_world(request.param, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        yield world
