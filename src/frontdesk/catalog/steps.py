"""One bounded step of a read job: a page, a resident's events, or one model's data access.

A step calls the PMS first and then stores everything that follows from it in one transaction: the
records, the cursor behind them, the end of the job. So a crash between two steps loses nothing and
a crash within one repeats it. Failures are raised; `sync` says what follows from them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from frontdesk.catalog import job_repository as jobs
from frontdesk.catalog import record_repository, repository
from frontdesk.catalog import sync_repository as syncs
from frontdesk.catalog.cycles import stepped
from frontdesk.catalog.found_events import store_found_events
from frontdesk.catalog.known import FoundEventsHook, KnownResident, SyncedIntegration
from frontdesk.catalog.models import SPECS
from frontdesk.catalog.reading import RememberingSession
from frontdesk.catalog.records import event_rows, rows_of
from frontdesk.catalog.rows import resident_of
from frontdesk.catalog.values import from_json
from frontdesk.database.pool import Connection, Database, Record
from frontdesk.ids import new_id
from frontdesk.vault import CLEAR, Texts
from frontdesk.vendors.contract import Connector, Outcome, OutcomeKind, ReadRefused
from frontdesk.vendors.declaration import Declaration, Model

EVENTS_AGE = timedelta(hours=24)
"""The background reads a resident's events again when they are older than this."""

LARGEST_SKIP = 100
"""Residents that a background job leaves out before it counts as failed."""

_URGENCY_BACKGROUND = 9


NameOf = Callable[[UUID, str], str]
"""What is kept of an erased resident, by his integration and PMS id."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed read job. `claims` fences what this run stores."""

    id: UUID
    root_id: UUID
    job_type: str
    model: Model | None
    parameters: dict[str, Any]
    cursor: str | None
    pages: int
    attempts: int
    claims: int
    created_at: datetime
    claimed_at: datetime

    @classmethod
    def of(cls, row: Record) -> "Job":
        """From a row of `job_repository.claim`."""
        return cls(
            row["id"],
            row["root_job_id"],
            row["job_type"],
            None if row["model"] is None else Model(row["model"]),
            from_json(row["parameters"]),
            row["cursor"],
            row["pages"],
            row["attempts"],
            row["claims"],
            row["created_at"],
            row["claimed_at"],
        )


@dataclass(slots=True)
class Run:
    """One step under way: the job, and everything that it needs. `resident` is whose events are
    being read, once that is known; `failure` why the step failed; `ended_sync` how the sync ended (and
    after how many seconds) whose last step this was."""

    database: Database
    integration: SyncedIntegration
    connector: Connector
    session: RememberingSession
    job: Job
    on_found_events: FoundEventsHook | None = None
    resident: KnownResident | None = field(default=None)
    name_of: NameOf | None = None
    texts: Texts = CLEAR
    failure: Outcome | None = None
    ended_sync: tuple[str, float] | None = None

    @property
    def declaration(self) -> Declaration:
        """The vendor's."""
        return self.connector.declaration


async def take(run: Run) -> None:
    """Do the step. Raises `NoAnswer`, `ReadRefused`, or whatever a faulty connector raises."""
    match run.job.job_type:
        case "data_access":
            await _check_data_access(run)
        case "resident_events":
            await _refresh_resident(run)
        case "sync_events":
            await _background_events(run)
        case _:
            await _page(run)


async def end(run: Run, connection: Connection, error: str | None, **counts: int) -> None:
    """End the job in this transaction, and its sync if this was the last step of it."""
    job = run.job
    await jobs.finish(connection, job.id, error=error, **counts)
    if job.root_id != job.id:
        await _end_sync(run, connection)


async def log(run: Run, connection: Connection, outcome: Outcome | None = None) -> None:
    """Keep this attempt for the logs: the end of a step (without the records that it brought), or a
    failure with the exchange that it failed on."""
    job, integration = run.job, run.integration
    request = run.session.shown_request()
    answer = None if outcome is None else run.session.shown_answer()
    words = None if outcome is None else run.session.masked(outcome.message) or None
    if run.texts.sealing:
        request = None if request is None else dict(run.texts.seal_json(job.id, request))
        answer = None if answer is None else dict(run.texts.seal_json(job.id, answer))
        words = None if words is None else run.texts.seal_text(integration.account_id, words)
    await jobs.log(
        connection,
        job.id,
        integration.account_id,
        integration.id,
        job.job_type,
        began_at=job.claimed_at,
        outcome="delivered" if outcome is None else str(outcome.kind),
        code=None if outcome is None else outcome.code or None,
        message=words,
        upstream_status=None if outcome is None else outcome.upstream_status,
        request=request,
        answer=answer,
    )


async def _page(run: Run) -> None:
    job = run.job
    model = job.model or Model(job.job_type.removeprefix("sync_"))
    since = job.parameters.get("since")
    page = await run.connector.read(
        run.session, model, job.cursor, None if since is None else datetime.fromisoformat(since)
    )
    spec = SPECS[model]
    rows = rows_of(spec, page.records, run.declaration)
    parameters = stepped(
        job.parameters,
        page.next_cursor,
        [row["x_id"] for row in rows],
        equal_pages=len(run.session.x_property_ids) + 2,
    )
    integration = run.integration
    async with run.database.transaction() as connection:
        if not await jobs.still_mine(connection, job.id, job.claims):
            return
        kept = rows
        if model is Model.RESIDENTS and run.name_of is not None:
            names = {row["x_id"]: run.name_of(integration.id, row["x_id"]) for row in rows}
            erased = await record_repository.erased(connection, integration.id, [*names.values()])
            kept = [row for row in rows if names[row["x_id"]] not in erased]
        await record_repository.upsert(
            connection, spec, integration.account_id, integration.id, integration.vendor, kept
        )
        await jobs.authenticated(connection, integration.id, True)
        if parameters is None:
            message = "The PMS hands out the same pages again and again; stopped reading."
            await log(run, connection, Outcome(OutcomeKind.UNKNOWN, "repeated_page", message))
            await end(run, connection, message, pages=1, records=len(rows))
        elif page.next_cursor is None:
            await log(run, connection)
            await end(run, connection, None, pages=1, records=len(rows))
        else:
            await jobs.advance(
                connection,
                job.id,
                cursor=page.next_cursor,
                records=len(rows),
                total=page.total,
                parameters=parameters,
            )


async def _refresh_resident(run: Run) -> None:
    job = run.job
    row = await repository.resident(
        run.database, run.integration.id, UUID(job.parameters["resident_id"])
    )
    if row is None:
        raise ReadRefused(
            Outcome(
                OutcomeKind.REJECTED, "unknown_resident", "This resident is not in the catalog."
            )
        )
    rows = await _read_events(run, resident_of(row))
    async with run.database.transaction() as connection:
        if await _store_events(run, connection, rows):
            await log(run, connection)
            await end(run, connection, None, pages=1, records=len(rows))


async def _background_events(run: Run) -> None:
    job = run.job
    skipped = [UUID(text) for text in job.parameters.get("skipped", ())]
    row = await jobs.next_resident(
        run.database, run.integration.id, job.created_at - EVENTS_AGE, skipped
    )
    if row is None:
        async with run.database.transaction() as connection:
            if await jobs.still_mine(connection, job.id, job.claims):
                await log(run, connection)
                await end(run, connection, None)
        return
    rows = await _read_events(run, resident_of(row))
    async with run.database.transaction() as connection:
        if await _store_events(run, connection, rows):
            await jobs.advance(
                connection,
                job.id,
                cursor=None,
                records=len(rows),
                total=None,
                parameters=job.parameters,
            )


async def skip_resident(run: Run, connection: Connection) -> bool:
    """Leave out the resident whose events cannot be read; False where that is not what failed, or
    too many were left out already."""
    job, resident = run.job, run.resident
    skipped = list(job.parameters.get("skipped", ()))
    if job.job_type != "sync_events" or resident is None or len(skipped) >= LARGEST_SKIP:
        return False
    await jobs.advance(
        connection,
        job.id,
        cursor=None,
        records=0,
        total=None,
        parameters={**job.parameters, "skipped": [*skipped, str(resident.id)]},
    )
    return True


async def _read_events(run: Run, resident: KnownResident) -> list[dict[str, Any]]:
    run.resident = resident
    found = await run.connector.read_events(run.session, resident.resident)
    if run.on_found_events is not None and found:
        await run.on_found_events(run.integration, resident.resident, found)
    return event_rows(found)


async def _store_events(run: Run, connection: Connection, rows: list[dict[str, Any]]) -> bool:
    job, integration, resident = run.job, run.integration, run.resident
    if resident is None or not await jobs.still_mine(connection, job.id, job.claims):
        return False
    await store_found_events(connection, run.texts, integration.id, resident.id, rows)
    # When the read began: what came to the PMS meanwhile may not be in it.
    await record_repository.events_were_read(connection, resident.id, job.claimed_at)
    await jobs.authenticated(connection, integration.id, True)
    return True


async def _check_data_access(run: Run) -> None:
    """Try one page of the next model; never by writing, because a note cannot be taken back."""
    job = run.job
    models = checked_models(run.declaration)
    place = int(job.cursor or 0)
    if place < len(models):
        model = models[place]
        if model is Model.EVENTS:
            row = await jobs.next_resident(run.database, run.integration.id, job.claimed_at, ())
            if row is not None:
                await run.connector.read_events(run.session, resident_of(row).resident)
        else:
            await run.connector.read(run.session, model, None, None)
    await note_data_access(run, {"status": "SUCCESS"})


async def note_data_access(
    run: Run, read: dict[str, Any], outcome: Outcome | None = None, *, ends: bool = False
) -> None:
    """Store what one model's read said (with `ends`, of every model that is left), and go on.
    `outcome`: why it failed."""
    job = run.job
    models = checked_models(run.declaration)
    place = int(job.cursor or 0)
    told = models[place:] if ends else models[place : place + 1]
    ends = ends or place + 1 >= len(models)
    async with run.database.transaction() as connection:
        if not await jobs.still_mine(connection, job.id, job.claims):
            return
        found = {str(model): access_of(run.declaration, model, read) for model in told}
        await jobs.data_access(connection, run.integration.id, found, ended=ends)
        if outcome is None:
            await jobs.authenticated(connection, run.integration.id, True)
        if outcome is not None or ends:
            await log(run, connection, outcome)
        if ends:
            await end(run, connection, None, pages=1)
        else:
            await jobs.advance(
                connection,
                job.id,
                cursor=str(place + 1),
                records=0,
                total=len(models),
                parameters=job.parameters,
            )


def checked_models(declaration: Declaration) -> tuple[Model, ...]:
    """The models whose reading can be tried, in order."""
    return tuple(model for model in Model if model in declaration.reads)


def access_of(
    declaration: Declaration, model: Model, read: dict[str, Any] | None
) -> dict[str, Any]:
    """A model's entry in the data-access answer. Writing is never tried."""
    untested, unsupported = {"untested": True}, {"unsupported": True}
    writes = declaration if model is Model.EVENTS else None
    return {
        "read": unsupported if model not in declaration.reads else read or untested,
        "create": untested if writes and writes.create is not None else unsupported,
        "update": untested if writes and writes.update is not None else unsupported,
    }


async def _end_sync(run: Run, connection: Connection) -> None:
    ended = await syncs.finish_root(connection, run.job.root_id)
    if ended is None:
        return
    integration = run.integration
    succeeded = ended["steps"] > ended["failed"]
    outcome = "failed" if not succeeded else "partly" if ended["failed"] else "succeeded"
    run.ended_sync = (outcome, ended["seconds"])
    partial = bool(from_json(ended["parameters"]).get("partial"))
    await syncs.sync_ended(
        connection,
        integration.id,
        some=succeeded and not partial,
        whole=partial or ended["failed"] == 0,
    )
    # Existing events follow in the background: the sync has not waited for them.
    if succeeded and Model.EVENTS in run.declaration.reads:
        await jobs.add_job(
            connection,
            new_id(),
            integration.account_id,
            integration.id,
            "sync_events",
            model=str(Model.EVENTS),
            urgency=_URGENCY_BACKGROUND,
        )
