"""Workers, a caller and a PMS on the real database: what the state machine of test_model.py does.

The workers use the product's own statements, transitions and reconciler; only the PMS is the model's. Time
passes by moving rows into the past, never by sleeping.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Database
from frontdesk.delivery.budgets import Budgets, ScopeGate
from frontdesk.delivery.finishing import Finisher, completion
from frontdesk.delivery.holding import Holding, Scope
from frontdesk.delivery.logins import Logins
from frontdesk.delivery.lookup_repository import LookupRepository
from frontdesk.delivery.outcomes import NOT_SENT, Transition, after_send
from frontdesk.delivery.reading import Reader
from frontdesk.delivery.reconcile import Reconciler
from frontdesk.delivery.relooking import Relooker
from frontdesk.delivery.repository import Claimed, DeliveryRepository
from frontdesk.delivery.sending import SEND_WITHIN_SECONDS, Sender
from frontdesk.delivery.stopping import Stopping
from frontdesk.delivery.wire import Wire
from frontdesk.errors import ApiError
from frontdesk.ids import new_id
from frontdesk.integrations.integration import Integration
from frontdesk.vault import Vault
from frontdesk.vendors.contract import Connector, Outcome, OutcomeKind, Plan, Trace
from frontdesk.vendors.declaration import RecordId
from frontdesk.writes.intake import Accepted as IntakeAccepted
from frontdesk.writes.intake import Intake
from frontdesk.writes.plans import dump_plan
from frontdesk.writes.service import WritesService
from tests.delivery.promise import Accepted, Clock, Pms, Promise, connector
from tests.delivery.stock import integration, new_write

LEASE_SECONDS = 10.0

_CLEAR = """
DELETE FROM attempts; DELETE FROM events; DELETE FROM idempotency_keys; DELETE FROM writes;
DELETE FROM leases; DELETE FROM workers;
UPDATE integrations SET is_archived = true WHERE NOT is_archived;
"""

# The rows of before, so many seconds older.
_PASS = """
UPDATE writes SET ready_at = ready_at - {0}, first_sent_at = first_sent_at - {0},
    send_before = send_before - {0}, submitted_at = submitted_at - {0},
    started_at = started_at - {0}, finished_at = finished_at - {0}, expires_at = expires_at - {0};
UPDATE attempts SET created_at = created_at - {0}, send_before = send_before - {0},
    sent_at = sent_at - {0}, finished_at = finished_at - {0};
UPDATE leases SET not_before = not_before - {0} WHERE not_before IS NOT NULL;
UPDATE events SET created_at = created_at - {0};
UPDATE workers SET expires_at = expires_at - {0} WHERE NOT (id = ANY (ARRAY[{1}]::uuid[]));
"""

_EVERYTHING = """
SELECT 'write' AS kind, id, to_jsonb(w)::text AS row FROM writes AS w
UNION ALL SELECT 'event', id, to_jsonb(e)::text FROM events AS e
UNION ALL SELECT 'lease', integration_id, to_jsonb(l)::text FROM leases AS l
UNION ALL SELECT 'worker', id, to_jsonb(k)::text FROM workers AS k
UNION ALL SELECT 'attempt', id, to_jsonb(a)::text FROM attempts AS a
"""


@dataclass
class Hand:
    """A write in a worker's hands, and what has come of it as far as the worker knows."""

    worker_id: UUID
    write: Claimed
    ahead: timedelta
    """How far the clock was when it was claimed: its own `send_before` does not move with the rows."""
    row: dict[str, Any] | None = None
    recorded: bool = False


class HeldBack(Finisher):
    """Takes completions and commits none."""

    def __init__(self, repository: DeliveryRepository) -> None:
        super().__init__(repository)
        self.rows: list[dict[str, Any]] = []

    async def finish(self, worker_id: UUID, row: Any) -> bool:
        """Keep it: the machine decides when it is committed, or that it never is."""
        self.rows.append(dict(row))
        return False


@dataclass
class Site:
    """An integration of the model, with the residents whose lanes are used."""

    integration: Integration
    connector: Connector
    residents: tuple[UUID, UUID]


@dataclass
class World:
    """One run of the machine."""

    database: Database
    account_id: UUID = field(default_factory=new_id)
    sites: dict[UUID, Site] = field(default_factory=dict)
    pms: Pms = field(default_factory=Pms)
    clock: Clock = field(default_factory=Clock)
    promise: Promise = field(default_factory=Promise)
    workers: list[UUID] = field(default_factory=list)
    stopped: list[UUID] = field(default_factory=list)
    """Workers that do nothing, as if by SIGSTOP: their hands are full, and their leases run out."""
    hands: list[Hand] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repository = DeliveryRepository(self.database)
        self.lookups = LookupRepository(self.database)
        self.intake = Intake(self.database, queue=100, batch=10)
        self.writes = WritesService(self.database, self.intake, Vault(bytes(32)), waiters=1)

    async def open(self) -> None:
        """An account with two integrations: one tells ids and holds, the other does neither."""
        await self.database.execute(_CLEAR)
        await self.database.execute(
            "INSERT INTO accounts (id, name) VALUES ($1, 'a')", self.account_id
        )
        for on_uncertain, record_id in (("hold", RecordId.ANSWER), ("resend", RecordId.READ_BACK)):
            one = integration(self.account_id, on_uncertain=on_uncertain)
            await self.database.execute(
                """INSERT INTO integrations (id, account_id, vendor, name, active, base_url,
                    credentials, budget_scope, max_job_concurrency, on_uncertain)
                VALUES ($1, $2, 'ANY', 'i', true, 'http://127.0.0.1:9', '', $3, 8, $4)""",
                *(one.id, self.account_id, one.budget_scope, on_uncertain),
            )
            reads = connector(self.pms, self.clock, one.id, record_id)
            self.sites[one.id] = Site(one, reads, (new_id(), new_id()))

    async def close(self) -> None:
        await self.intake.close()

    # --- time -------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The model's moment."""
        return self.clock.now(datetime.now(UTC))

    async def go_by(self, seconds: float) -> None:
        """So many seconds pass; the workers that run keep their heartbeat meanwhile."""
        beating = [worker for worker in self.workers if worker not in self.stopped]
        names = ", ".join(f"'{worker}'" for worker in beating)
        await self.database.execute(_PASS.format(f"interval '{seconds} seconds'", names))
        self.clock.ahead += timedelta(seconds=seconds)

    # --- the caller -------------------------------------------------------------------------------

    async def accept(self, site: Site, lane: int, text: str) -> None:
        """One event; its commit is doubted, so it is stored once more with the same id."""
        resident = site.residents[lane]
        plan = Plan("create", "note", {}, Trace(str(resident), {}, text))
        write = new_write(
            cast("Any", self),
            resident,
            integration_id=site.integration.id,
            plan=dump_plan(plan),
            account_id=self.account_id,
        )
        for _ in range(2):
            assert isinstance(await self.intake.submit(write), IntakeAccepted)
        self.promise.accept(Accepted(write.id, (site.integration.id, resident), text))

    @property
    def integration_ids(self) -> tuple[UUID, ...]:
        return tuple(self.sites)

    async def retry(self, old: Accepted) -> None:
        """The owner asks for it again; asked twice, it is one write."""
        answers = [await self.writes.retry(self.account_id, old.id) for _ in range(2)]
        ids = {UUID(answer["job_id"]) for answer, _ in answers}
        assert len(ids) == 1, "a retry that was asked for twice became two writes"
        (job_id,) = ids
        if job_id not in self.promise.accepted:
            self.promise.accept(Accepted(job_id, old.lane, old.text, await self._retry_of(job_id)))

    async def _retry_of(self, job_id: UUID) -> UUID:
        found: UUID = await self.database.fetch_value(
            "SELECT retry_of FROM writes WHERE id = $1", job_id
        )
        return found

    async def cancel(self, write_id: UUID) -> bool:
        """Whether the write was cancelled."""
        try:
            await self.writes.cancel(self.account_id, write_id)
        except ApiError:
            return False
        return True

    async def expire(self, write_id: UUID) -> None:
        """Its time runs out, and the chore that ends such writes runs."""
        await self.database.execute(
            "UPDATE writes SET expires_at = clock_timestamp() WHERE id = $1", write_id
        )
        await self.repository.expire()

    async def set_active(self, site: Site, *, active: bool) -> None:
        """Pause an integration, or let it go on."""
        await self.database.execute(
            "UPDATE integrations SET active = $2 WHERE id = $1", site.integration.id, active
        )

    # --- workers ----------------------------------------------------------------------------------

    async def start_worker(self) -> UUID:
        """A new worker, which takes over what nobody holds."""
        worker = new_id()
        await self.repository.register(worker, LEASE_SECONDS)
        await self.repository.acquire_leases(worker)
        self.workers.append(worker)
        return worker

    def kill(self, worker: UUID) -> None:
        """SIGKILL: what it had in hand is never heard of again. Its lease runs out by itself."""
        self.workers.remove(worker)
        if worker in self.stopped:
            self.stopped.remove(worker)
        self.hands = [hand for hand in self.hands if hand.worker_id != worker]

    async def leave(self, worker: UUID) -> None:
        """It drains: the rest of what it had is unknown."""
        self.kill(worker)
        await self.repository.leave(worker, "stopped")

    async def wake(self, worker: UUID) -> None:
        """It goes on. Its heartbeat tells whether it is still the worker that it was."""
        self.stopped.remove(worker)
        if not await self.repository.heartbeat(worker, LEASE_SECONDS):
            self.workers.remove(worker)

    async def claim(self, worker: UUID, free: int) -> list[Hand]:
        """Ask for as many writes of each integration."""
        asked = [
            {"integration_id": i, "budget_key": "", "free": free, "budgets": [], "life": 1.0}
            for i in self.sites
        ]
        claimed, _ = await self.repository.claim(worker, asked, SEND_WITHIN_SECONDS)
        taken = [Hand(worker, write, self.clock.ahead) for write in claimed]
        self.hands += taken
        return taken

    async def send(self, hand: Hand, fate: str, lag: float) -> None:
        """The request leaves, unless its moment has passed; `fate` is what becomes of it."""
        write = hand.write
        assert write.send_before is not None
        departs = datetime.now(UTC) + (self.clock.ahead - hand.ahead)
        if departs >= write.send_before:
            transition = Transition("retrying" if write.attempts > 1 else "queued")
            row = completion(write, transition, outcome=NOT_SENT)
            hand.row = row | {"code": NOT_SENT, "send_within": SEND_WITHIN_SECONDS}
            return
        accepted = self.promise.accepted[write.id]
        outcome = Outcome(OutcomeKind.UNKNOWN, code="no_answer")
        what = self.sites[write.integration_id].connector.declaration
        if fate in ("delivered", "lost_after", "late"):
            at = self.now() + timedelta(seconds=lag if fate == "late" else 0.0)
            effect = self.pms.take(write.id, accepted.lane, accepted.text, at, lag / 3)
            if fate == "delivered":
                x_id = effect.x_id if what.record_id is RecordId.ANSWER else None
                outcome = Outcome(OutcomeKind.DELIVERED, x_id=x_id)
        elif fate == "rejected":
            outcome = Outcome(OutcomeKind.REJECTED, code="refused")
        elif fate == "not_now":
            outcome = Outcome(OutcomeKind.NOT_NOW, retry_after=lag)
        hand.row = completion(
            write, after_send(outcome, what, write.failures), outcome=outcome.kind.value
        ) | {"x_id": outcome.x_id, "sent_at": datetime.now(UTC)}

    async def look(self, hand: Hand) -> None:
        """One look of the product's reconciler; what it decides is in hand, not yet recorded."""
        finisher = HeldBack(self.repository)
        reader, relooker = self._readers()
        reconciler = Reconciler(self.lookups, finisher, reader, cast("Sender", None), relooker)
        write = self._as_rows_are(hand)
        await reconciler.reconcile(self._holding(hand.worker_id, write), write)
        (hand.row,) = finisher.rows

    def _as_rows_are(self, hand: Hand) -> Claimed:
        """What it has in hand, with its moments where those of the rows are by now. In the world they stay
        where they are, both: here time passes by moving the rows into the past."""
        moved = self.clock.ahead - hand.ahead
        write = hand.write
        return replace(
            write,
            first_sent_at=None if write.first_sent_at is None else write.first_sent_at - moved,
            send_before=None if write.send_before is None else write.send_before - moved,
            expires_at=write.expires_at - moved,
            claimed_at=write.claimed_at - moved,
        )

    async def look_again(self, worker: UUID, site: Site) -> None:
        """A later look for what ended uncertain, by whoever holds the integration."""
        epoch = (await self.repository.held(worker)).get(site.integration.id)
        if epoch is not None:
            _, relooker = self._readers()
            scope = Scope(ScopeGate(8))
            await relooker.look(Holding(worker, epoch, site.integration, site.connector, scope))

    def _readers(self) -> tuple[Reader, Relooker]:
        """They read through the model's connector, which needs nothing of what they are given."""
        nothing = cast("Any", None)
        reader = Reader(
            self.lookups,
            cast("CatalogService", nothing),
            cast("Wire", nothing),
            cast("Budgets", nothing),
            cast("Stopping", nothing),
            cast("Logins", nothing),
        )
        return reader, Relooker(self.lookups, reader, cast("Stopping", nothing))

    def _holding(self, worker: UUID, write: Claimed) -> Holding:
        site = self.sites[write.integration_id]
        scope = Scope(ScopeGate(8))
        return Holding(worker, write.epoch, site.integration, site.connector, scope)

    async def record(self, hand: Hand) -> bool:
        """Commit what came of it: whether it moved its write."""
        assert hand.row is not None
        moved = await self.repository.finish(hand.worker_id, [hand.row])
        hand.recorded = True
        return hand.write.id in moved

    async def holds(self, hand: Hand) -> bool:
        """Whether the write is, at this moment, in these very hands: what the promise asks for."""
        return bool(
            await self.database.fetch_value(
                """SELECT true FROM writes AS w JOIN leases AS l USING (integration_id)
                WHERE w.id = $1 AND w.finished_at IS NULL AND w.ready_at IS NULL
                    AND w.started_at IS NOT NULL AND w.attempts = $2 AND w.state = $3
                    AND l.worker_id = $4 AND l.epoch = $5""",
                *(hand.write.id, hand.write.attempts, hand.write.state),
                *(hand.worker_id, hand.write.epoch),
            )
        )

    # --- looking ----------------------------------------------------------------------------------

    async def rows(self) -> dict[UUID, Any]:
        """Every write, by its id."""
        return {row["id"]: row for row in await self.database.fetch("SELECT * FROM writes")}

    async def everything(self) -> dict[tuple[str, UUID], str]:
        """Every row that delivery knows, as it stands."""
        rows = await self.database.fetch(_EVERYTHING)
        return {(row["kind"], row["id"]): row["row"] for row in rows}

    async def attempt_of(self, hand: Hand) -> UUID | None:
        """The attempt that these hands made."""
        found: UUID | None = await self.database.fetch_value(
            "SELECT id FROM attempts WHERE job_id = $1 AND kind = 'send' AND number = $2",
            *(hand.write.id, hand.write.attempts),
        )
        return found
