"""The catalog as other features and the endpoints use it: look-ups, lists, and reads on demand.

Answers come from the cache; the PMS is only ever read by the worker, for which jobs are left here.
Every look-up names the account (or an integration that its caller has checked); a record of another
account does not exist here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.audit.service import AuditTrail
from frontdesk.catalog import job_repository as jobs
from frontdesk.catalog import record_repository, repository
from frontdesk.catalog import sync_repository as syncs
from frontdesk.catalog.found_events import store_found_events
from frontdesk.catalog.known import FoundEventsHook, KnownEvent, KnownResident, Resolved
from frontdesk.catalog.listing import Listing
from frontdesk.catalog.models import ModelSpec
from frontdesk.catalog.records import event_rows
from frontdesk.catalog.rows import event_of, resident_of, resolved_of, shown, shown_stored
from frontdesk.catalog.steps import NameOf, access_of, checked_models
from frontdesk.catalog.sync import SyncRunner, Unauthorised, begin_sync, models_of, step_of
from frontdesk.database.pool import Database, Record
from frontdesk.errors import ApiError, Code, Problem, invalid, not_found
from frontdesk.gathered import Gathered
from frontdesk.ids import new_id
from frontdesk.vault import CLEAR, Texts, UnreadableError
from frontdesk.vendors.contract import FoundEvent
from frontdesk.vendors.declaration import Declaration, Model
from frontdesk.vendors.registry import vendors

__all__ = ["CatalogService", "SyncRunner", "Unauthorised", "shown_stored"]

FRESH_SECONDS = 60.0
"""Events of a resident that were read less than this ago are listed without asking the PMS."""

WAIT_SECONDS = 3.0
"""How long a list of a resident's events waits for the PMS before it answers from the cache."""

_NO_ID = UUID(int=0)
"""The id of no record."""

_LOOK_SECONDS = 0.05
_WAITERS = 50
_REFERENCES = (
    "resident_id",
    "unit_id",
    "employee_id",
    "event_type_id",
    "event_sub_type_id",
    "event_result_id",
)


class CatalogService:
    """See the module."""

    def __init__(
        self, database: Database, name_of: NameOf | None = None, texts: Texts = CLEAR
    ) -> None:
        """`name_of` names erased residents, whom a sync passes over; `texts` seals and opens what
        events say."""
        self._database = database
        self._texts = texts
        self._name_of = name_of
        self._audit = AuditTrail()
        self._waiters = 0
        self._resolving: Gathered[repository.Question, Record | None] = Gathered(
            lambda questions: repository.resolve(database, questions)
        )

    # --- for events and writes ------------------------------------------------------------------

    async def resolve(
        self,
        account_id: UUID,
        integration_id: UUID,
        wanted: Mapping[str, UUID | None],
        *,
        kind: str | None = None,
        or_note: bool = False,
    ) -> Resolved:
        """The records that an event's fields (`resident_id` …) name, in one round trip. What is
        not this integration's, or the integration not the account's, is simply not there.

        `kind`: also the event type that it stands for, which is the answer's `event_type` unless
        the fields name one. `or_note`: where it stands for none, the type of a note will do."""
        if kind is not None and wanted.get("event_type_id", _NO_ID) is None:
            # An id that no record can have names no type: the kind's must not take its place.
            wanted = {**wanted, "event_type_id": _NO_ID}
        ids = (wanted.get(name) for name in _REFERENCES)
        row = await self._resolving.get((account_id, integration_id, *ids, kind, or_note))
        return Resolved(first_sync_done=False) if row is None else resolved_of(row)

    async def event(self, account_id: UUID, event_id: UUID) -> KnownEvent | None:
        """An event of the cache. Raises ApiError 409 where it was stored with a key that this process
        does not have: what is not known of it cannot be sent again."""
        row = await repository.event(self._database, account_id, event_id)
        if row is None:
            return None
        try:
            return event_of(row, self._texts.loads_whole(account_id, row["data"]))
        except UnreadableError as error:
            raise ApiError(
                Code.CONFLICT,
                "What this event says is stored encrypted, with a key that is not here.",
            ) from error

    # --- for delivery ---------------------------------------------------------------------------

    def sync_runner(self, on_found_events: FoundEventsHook | None = None) -> SyncRunner:
        """The reads of this worker process; make one. `on_found_events` ties a resident's events to
        own writes before they are stored."""
        return SyncRunner(
            self._database,
            on_found_events=on_found_events,
            name_of=self._name_of,
            texts=self._texts,
        )

    async def resident(self, integration_id: UUID, resident_id: UUID) -> KnownResident | None:
        """A resident with his leases."""
        row = await repository.resident(self._database, integration_id, resident_id)
        return None if row is None else resident_of(row)

    async def store_found_events(
        self,
        integration_id: UUID,
        resident_id: UUID,
        found: Sequence[FoundEvent],
        *,
        all_read_at: datetime | None = None,
    ) -> None:
        """Put a resident's events, as the PMS shows them, into the cache. `all_read_at`: these are
        all of them, by a read begun then. Own writes among them must have been tied before."""
        rows = event_rows(found)
        async with self._database.transaction() as connection:
            await store_found_events(connection, self._texts, integration_id, resident_id, rows)
            if all_read_at is not None:
                await record_repository.events_were_read(connection, resident_id, all_read_at)

    async def events_known_before(
        self, integration_id: UUID, resident_id: UUID, moment: datetime
    ) -> frozenset[str]:
        """PMS ids of the resident's events that were in the cache before a moment."""
        rows = await repository.events_before(self._database, integration_id, resident_id, moment)
        return frozenset(row["x_id"] for row in rows)

    async def enabled_property_x_ids(self, integration_id: UUID) -> tuple[str, ...]:
        """PMS ids of the properties that take part."""
        rows = await repository.enabled_properties(self._database, integration_id)
        return tuple(row["x_id"] for row in rows)

    # --- for integrations -----------------------------------------------------------------------

    async def manual_sync(
        self,
        account_id: UUID,
        integration_id: UUID,
        models: Sequence[str],
        resident_ids: Sequence[UUID],
    ) -> None:
        """Read these models in full (none and no residents named: all), and the events of these
        residents at once. What waits already is not added twice.

        Raises ApiError 400 (a model that is not read here, a resident of another integration), 404.
        """
        declaration = await self._declaration(account_id, integration_id)
        chosen = _chosen_models(declaration, models)
        async with self._database.transaction() as connection:
            own = await jobs.own_residents(connection, account_id, integration_id, resident_ids)
            foreign = [
                Problem(
                    "unknown_reference",
                    ("resident_ids", place),
                    "This integration has no resident with this id.",
                )
                for place, resident_id in enumerate(resident_ids)
                if resident_id not in own
            ]
            if foreign:
                raise invalid(foreign)
            steps = [
                step_of(model, None, urgency=1) for model in chosen if model is not Model.EVENTS
            ]
            whole = not models and not resident_ids
            if whole:
                await begin_sync(connection, account_id, integration_id, declaration, full=True)
            elif steps:
                root_id = new_id()
                partial = {"manual": True, "partial": True}
                await syncs.open_root(connection, root_id, account_id, integration_id, partial)
                root = await syncs.running_root(connection, integration_id)
                if root is not None:
                    await syncs.add_steps(connection, account_id, integration_id, root, steps)
            if Model.EVENTS in declaration.reads:
                for resident_id in sorted(own):
                    if not await jobs.open_resident_job(connection, integration_id, resident_id):
                        await jobs.add_job(
                            connection,
                            new_id(),
                            account_id,
                            integration_id,
                            "resident_events",
                            model=str(Model.EVENTS),
                            urgency=1,
                            parameters={"resident_id": str(resident_id)},
                        )
                if Model.EVENTS in chosen:
                    await jobs.add_job(
                        connection,
                        new_id(),
                        account_id,
                        integration_id,
                        "sync_events",
                        model=str(Model.EVENTS),
                        urgency=9,
                    )
            await jobs.wake(connection, integration_id)
            await self._audit.record(
                connection,
                account_id,
                "integration.sync",
                integration_id,
                after={
                    "models": sorted(chosen if models or resident_ids else declaration.reads),
                    "residents": len(own),
                },
            )

    async def begin_data_access(self, account_id: UUID, integration_id: UUID) -> None:
        """Let the worker try what the credentials may read; the answer grows in
        `integrations.data_access`. One check at a time. Raises ApiError 404."""
        declaration = await self._declaration(account_id, integration_id)
        async with self._database.transaction() as connection:
            if await jobs.with_open_job(connection, [integration_id], "data_access"):
                return
            processing = {"status": "PROCESSING"}
            found = {str(model): access_of(declaration, model, processing) for model in Model}
            readable = bool(checked_models(declaration))
            await jobs.data_access(connection, integration_id, found, ended=not readable)
            if readable:
                await jobs.add_job(
                    connection, new_id(), account_id, integration_id, "data_access", urgency=1
                )
                await jobs.wake(connection, integration_id)
            await self._audit.record(
                connection, account_id, "integration.check_data_access", integration_id
            )

    async def syncing(self, integration_ids: Sequence[UUID]) -> set[UUID]:
        """Which of these integrations have a sync under way."""
        return await jobs.with_open_job(self._database, integration_ids, "sync")

    async def progress(self, integration_id: UUID) -> list[Record]:
        """The steps of the latest sync: `model state records total pages error done`."""
        return await syncs.progress(self._database, integration_id)

    async def counts(self, account_id: UUID, integration_id: UUID) -> dict[str, int]:
        """How many records of each model the cache has."""
        return await repository.counts(self._database, account_id, integration_id)

    # --- for the endpoints ----------------------------------------------------------------------

    async def page(self, listing: Listing) -> list[Record]:
        """The rows of a page, and one more if there is one; `key_0` … are the order's values."""
        return await repository.page(self._database, listing)

    async def total(self, listing: Listing) -> int | None:
        """How many records the whole list has; None where they are too many to count."""
        return await repository.count(self._database, listing)

    async def one(
        self, spec: ModelSpec, account_id: UUID, record_id: UUID | None
    ) -> dict[str, Any]:
        """One record in the contract's shape. Raises ApiError 404."""
        row = None
        if record_id is not None:
            row = await repository.one(self._database, spec, account_id, record_id)
        if row is None:
            raise not_found(spec.title.lower())
        return self.shown(spec, account_id, row)

    def shown(self, spec: ModelSpec, account_id: UUID, row: Record) -> dict[str, Any]:
        """A row of the account's in the contract's shape."""
        return shown(spec, row, self._texts.loads(account_id, row["data"]))

    async def refresh_events(
        self, account_id: UUID, resident_id: UUID, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        """Have a resident's events read if that was not done within the last minute, and wait a
        moment for it. A PMS that cannot be read now costs the wait, once, and nothing else."""
        row = await repository.events_are_fresh(
            self._database, account_id, resident_id, FRESH_SECONDS
        )
        if row is None or row["fresh"] or not row["reachable"]:
            return
        vendor = vendors().get(row["vendor"])
        if vendor is None or Model.EVENTS not in vendor.declaration.reads:
            return
        integration_id = row["integration_id"]
        open_job = await jobs.open_resident_job(self._database, integration_id, resident_id)
        if open_job is None:
            job_id = new_id()
            async with self._database.transaction() as connection:
                await jobs.add_job(
                    connection,
                    job_id,
                    account_id,
                    integration_id,
                    "resident_events",
                    model=str(Model.EVENTS),
                    urgency=0,
                    parameters={"resident_id": str(resident_id)},
                )
                await jobs.wake(connection, integration_id)
        elif open_job["attempts"] or open_job["old"]:
            return
        else:
            job_id = open_job["id"]
        await self._wait_for(job_id, wait_seconds)

    async def _wait_for(self, job_id: UUID, seconds: float) -> None:
        if self._waiters >= _WAITERS:
            return
        self._waiters += 1
        try:
            async with asyncio.timeout(seconds):
                # Asked again and again: the worker that ends the job is another process.
                while not await jobs.is_finished(self._database, job_id):  # noqa: ASYNC110 — so
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            return
        finally:
            self._waiters -= 1

    async def _declaration(self, account_id: UUID, integration_id: UUID) -> Declaration:
        code = await jobs.vendor_of(self._database, account_id, integration_id)
        vendor = None if code is None else vendors().get(code)
        if vendor is None:
            raise not_found("integration")
        return vendor.declaration


def _chosen_models(declaration: Declaration, names: Sequence[str]) -> list[Model]:
    """The models that these names mean, in either spelling. Raises ApiError 400."""
    chosen: list[Model] = []
    problems: list[Problem] = []
    readable = [*models_of(declaration), *({Model.EVENTS} & declaration.reads)]
    for place, name in enumerate(names):
        found = next((m for m in readable if name.lower().replace("-", "_") == m.value), None)
        if found is not None:
            chosen.append(found)
        else:
            expected = ", ".join(readable)
            message = f"models_to_sync.{place} is not a model that is read from {declaration.name}."
            problems.append(
                Problem("invalid_value", ("models_to_sync", place), message, expected or "none")
            )
    if problems:
        raise invalid(problems)
    return list(dict.fromkeys(chosen))
