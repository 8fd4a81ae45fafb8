"""The sync: schedules what is due and does it, one bounded step at a time.

Delivery calls `run_step` for an integration that it holds, as long as it returns True; the order of
things (a caller who waits, then what was asked for by hand, then syncs, then the background) and
all state lie in `read_jobs`, so any worker goes on where another stopped. Nothing here opens a
connection to a PMS, deletes a record, or holds more than a page.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from frontdesk.catalog import job_repository as jobs
from frontdesk.catalog import repository, steps
from frontdesk.catalog import sync_repository as syncs
from frontdesk.catalog.known import FoundEventsHook, SyncedIntegration
from frontdesk.catalog.models import SYNCED, rfc3339
from frontdesk.catalog.reading import RememberingSession
from frontdesk.database.pool import Connection, Database, DatabaseUnavailable
from frontdesk.ids import new_id
from frontdesk.metrics import counts
from frontdesk.vault import CLEAR, Texts
from frontdesk.vendors.contract import (
    Connector,
    NoAnswer,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Session,
)
from frontdesk.vendors.declaration import Declaration, Model
from frontdesk.vendors.registry import vendors

URGENT, SCHEDULED, BACKGROUND = 1, 5, 9
"""The urgency of what somebody waits for, of syncs, and of reading ahead; see `run_step`."""

SINCE_MARGIN = timedelta(minutes=10)
"""An incremental read begins this much before the last one did: the PMS's clock is not ours, and a
record may show a while after its stamp."""

FULL_EVERY = timedelta(days=7)
"""A whole read repairs what change dates do not tell (a lease that moved, a record that went)."""

GIVE_UP_AFTER = timedelta(hours=24)

_ATTEMPTS, _URGENT_ATTEMPTS = 8, 3
_BACKOFF_S, _LONGEST_BACKOFF_S = 4.0, 300.0
_URGENT_BACKOFF_S = 0.5
_CLOSED_S = 5.0

_log = structlog.get_logger(__name__)

_CUT_OFF = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""A drain, or the end of the process: no fault of the step's."""


class Unauthorised(Exception):  # noqa: N818 — carries an outcome, as a value
    """The PMS refuses the integration's credentials; the job waits. Delivery opens the circuit."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message or outcome.code)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What follows from a failed step. `counts`: towards the job's end; `logged`: it was asked."""

    outcome: Outcome
    final: bool
    counts: bool
    logged: bool
    delay: float


class SyncRunner:
    """One worker's reads. There must be one per process: it knows which jobs are in hand."""

    def __init__(
        self,
        database: Database,
        *,
        on_found_events: FoundEventsHook | None = None,
        name_of: steps.NameOf | None = None,
        texts: Texts = CLEAR,
    ) -> None:
        """`texts`: what seals what residents' records say, and what went over the wire."""
        self._database = database
        self._texts = texts
        self._on_found_events = on_found_events
        self._name_of = name_of
        self._in_hand: set[UUID] = set()

    async def schedule_due(self) -> int:
        """Begin the syncs whose time has come, of every integration that is active; how many.

        Safe in any number of processes at once. An integration of a vendor that reads nothing is
        never due."""
        declarations = {
            code: vendor.declaration
            for code, vendor in vendors().items()
            if vendor.connector is not None and models_of(vendor.declaration)
        }
        begun = 0
        async with self._database.transaction() as connection:
            for row in await syncs.due(connection, list(declarations)):
                begun += await begin_sync(
                    connection, row["account_id"], row["id"], declarations[row["vendor"]]
                )
                await syncs.plan_next_sync(connection, row["id"])
        return begun

    async def due(self, integration_ids: Sequence[UUID]) -> set[UUID]:
        """Which of these integrations have something for `run_step` to do."""
        return await jobs.with_work(self._database, integration_ids, tuple(self._in_hand))

    async def run_step(
        self,
        integration: SyncedIntegration,
        connector: Connector,
        session: Session,
        *,
        least: int = BACKGROUND,
    ) -> bool:
        """Do one step of the integration's most urgent job; False when none is due.

        Of jobs as urgent as `least` or more so. May run several times at once for one
        integration. Raises `Unauthorised` and `DatabaseUnavailable`; the PMS's other failures are
        the job's own."""
        job = await self._claim(integration.id, least)
        if job is None:
            return False
        self._in_hand.add(job.id)
        try:
            await self._run(integration, connector, session, job)
        except _CUT_OFF:
            await self._hand_back(job)
            raise
        finally:
            self._in_hand.discard(job.id)
        return True

    async def _claim(self, integration_id: UUID, least: int) -> steps.Job | None:
        """The most urgent job, now ours. Who is cancelled meanwhile may have got one all the same."""
        claiming = asyncio.create_task(
            jobs.claim(self._database, integration_id, least, tuple(self._in_hand))
        )
        try:
            row = await asyncio.shield(claiming)
        except _CUT_OFF:
            with suppress(DatabaseUnavailable):
                if (got := await claiming) is not None:
                    await self._hand_back(steps.Job.of(got))
            raise
        return None if row is None else steps.Job.of(row)

    async def _hand_back(self, job: steps.Job) -> None:
        """For whoever comes next (a drain). Where even that fails, or the job has ended already,
        nothing is lost: the next holder of the integration takes what runs in nobody's hands."""
        with suppress(DatabaseUnavailable):
            await jobs.postpone(
                self._database, job.id, job.claims, failed=False, error=None, delay=0
            )

    async def _run(
        self,
        integration: SyncedIntegration,
        connector: Connector,
        session: Session,
        job: steps.Job,
    ) -> None:
        properties = await repository.enabled_properties(self._database, integration.id)
        run = steps.Run(
            self._database,
            integration,
            connector,
            RememberingSession(session, connector.declaration, [row["x_id"] for row in properties]),
            job,
            self._on_found_events,
            name_of=self._name_of,
            texts=self._texts,
        )
        began = time.monotonic()
        # What was cut off, or could not be stored, is counted by whoever does it again.
        try:
            await self._take(run)
        except Unauthorised:
            _count(run, began)
            raise
        _count(run, began)

    async def _take(self, run: steps.Run) -> None:
        job = run.job
        try:
            await steps.take(run)
        except (NoAnswer, ReadRefused) as error:
            await self._failed(run, _verdict(run, error))
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 — logged and counted
            # A connector's fault: it costs its own job, not the worker that runs all the others.
            _log.exception("read_fault", job_id=str(job.id), integration_id=str(run.integration.id))
            message = f"The connector could not read the PMS's answer ({type(error).__name__})."
            outcome = Outcome(OutcomeKind.UNKNOWN, "connector_fault", message)
            await self._failed(run, _counted(run, outcome))

    async def _failed(self, run: steps.Run, verdict: _Verdict) -> None:
        run.failure = outcome = verdict.outcome
        message = run.session.masked(outcome.message or outcome.code)
        refused = outcome.kind is OutcomeKind.UNAUTHORISED
        if run.job.job_type == "data_access" and (verdict.final or verdict.counts or refused):
            await steps.note_data_access(
                run, {"status": "FAILED", "error_message": message}, outcome, ends=refused
            )
        else:
            await self._put_back(run, verdict, message)
        if refused:
            await jobs.authenticated(self._database, run.integration.id, False)
            raise Unauthorised(outcome)

    async def _put_back(self, run: steps.Run, verdict: _Verdict, message: str) -> None:
        job = run.job
        async with self._database.transaction() as connection:
            if not await jobs.still_mine(connection, job.id, job.claims):
                return
            if verdict.logged:
                await steps.log(run, connection, verdict.outcome)
            if not verdict.final:
                await jobs.postpone(
                    connection,
                    job.id,
                    job.claims,
                    failed=verdict.counts,
                    error=message,
                    delay=verdict.delay,
                )
            elif not await steps.skip_resident(run, connection):
                await steps.end(run, connection, message)


async def begin_sync(
    connection: Connection,
    account_id: UUID,
    integration_id: UUID,
    declaration: Declaration,
    *,
    full: bool = False,
) -> bool:
    """Open a sync of all models; False where one is open already (with `full` that becomes one of
    all models, each read whole)."""
    root_id = new_id()
    if not await syncs.open_root(connection, root_id, account_id, integration_id, {}):
        running = await syncs.running_root(connection, integration_id) if full else None
        if running is None:
            return False
        await syncs.make_whole(connection, running)
        root_id = running
    models = models_of(declaration)
    last = {} if full else await syncs.last_reads(connection, integration_id, models)
    await syncs.add_steps(
        connection,
        account_id,
        integration_id,
        root_id,
        [step_of(model, _since(last.get(str(model))), urgency=SCHEDULED) for model in models],
    )
    return True


def models_of(declaration: Declaration) -> tuple[Model, ...]:
    """The models that a sync of this vendor reads, in order."""
    return tuple(model for model in SYNCED if model in declaration.reads)


def step_of(model: Model, since: str | None, *, urgency: int) -> dict[str, Any]:
    """One model's step of a sync, as `sync_repository.add_steps` takes it."""
    return {
        "id": str(new_id()),
        "model": str(model),
        "place": SYNCED.index(model),
        "urgency": urgency,
        "parameters": {} if since is None else {"since": since},
    }


def _count(run: steps.Run, began: float) -> None:
    """The step has ended, and what came of it is stored."""
    outcome = OutcomeKind.DELIVERED if run.failure is None else run.failure.kind
    counts.read_ended(run.integration.vendor, outcome.value, time.monotonic() - began)
    if run.ended_sync is not None:
        counts.sync_ended(run.integration.vendor, *run.ended_sync)


def _since(last: Any) -> str | None:
    """From when on changes are asked for; None: everything."""
    if last is None or last["last_full"] is None:
        return None
    if last["last_full"] < datetime.now(UTC) - FULL_EVERY:
        return None
    return rfc3339(last["last"] - SINCE_MARGIN)


def _verdict(run: steps.Run, error: NoAnswer | ReadRefused) -> _Verdict:
    if isinstance(error, NoAnswer):
        return _counted(run, Outcome(OutcomeKind.UNKNOWN, "no_answer", str(error)))
    outcome = error.outcome
    if outcome.kind is OutcomeKind.UNAUTHORISED:
        return _Verdict(outcome, _is_old(run), counts=False, logged=True, delay=_CLOSED_S)
    if outcome.kind is OutcomeKind.REJECTED:
        # In the PMS's own well-formed words: asking again would be answered the same.
        return _Verdict(outcome, final=True, counts=True, logged=True, delay=0)
    # Nothing was asked of the PMS, or it said "slow down": no fault of the job's.
    if outcome.throttled or outcome.code == "circuit":
        delay = outcome.retry_after or _CLOSED_S
        return _Verdict(outcome, _is_old(run), counts=False, logged=False, delay=delay)
    return _counted(run, outcome)


def _counted(run: steps.Run, outcome: Outcome) -> _Verdict:
    attempts = run.job.attempts + 1
    urgent = run.job.job_type == "resident_events"
    most, base = (_URGENT_ATTEMPTS, _URGENT_BACKOFF_S) if urgent else (_ATTEMPTS, _BACKOFF_S)
    ceiling = min(_LONGEST_BACKOFF_S, base * 2 ** (attempts - 1))
    # Full jitter: integrations that failed together must not come back together.
    delay = max(outcome.retry_after or 0.0, random.uniform(0, ceiling))  # noqa: S311 — no secret
    return _Verdict(outcome, attempts >= most, counts=True, logged=True, delay=delay)


def _is_old(run: steps.Run) -> bool:
    """Whether the job has waited for the PMS for so long that it should say so and end. The one
    background job lasts as long as it lasts."""
    age = run.job.claimed_at - run.job.created_at
    limit = timedelta(minutes=1) if run.job.job_type == "data_access" else GIVE_UP_AFTER
    return age > limit and run.job.job_type != "sync_events"
