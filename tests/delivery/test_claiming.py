"""Claims, completions, leases and budgets: what the database itself guarantees, whoever asks."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from frontdesk.database.pool import Database
from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.delivery.finishing import completion
from frontdesk.delivery.lookup_repository import LookupRepository
from frontdesk.delivery.outcomes import Transition
from frontdesk.delivery.repository import Claimed, DeliveryRepository
from frontdesk.ids import new_id
from frontdesk.vendors.contract import OutcomeKind
from frontdesk.writes.intake import Intake, NewWrite
from tests.delivery.stock import Stock, new_write, stock

SUCCEEDED = Transition("succeeded", ends=True, x_id=None, resolution="exact")
UNLIMITED: list[dict[str, Any]] = []


@pytest.fixture
def repository(database: Database) -> DeliveryRepository:
    return DeliveryRepository(database)


@pytest.fixture(autouse=True)
async def _nobody_else(database: Database) -> None:
    await database.execute("UPDATE integrations SET is_archived = true")
    await database.execute("UPDATE leases SET worker_id = NULL")
    await database.execute("DELETE FROM workers")


async def accept(database: Database, *writes: NewWrite) -> None:
    intake = Intake(database, queue=1000, batch=100)
    for write in writes:
        await intake.submit(write)
    await intake.close()


async def worker(repository: DeliveryRepository) -> UUID:
    worker_id = new_id()
    await repository.register(worker_id, 30)
    await repository.acquire_leases(worker_id)
    return worker_id


async def claim(
    repository: DeliveryRepository,
    worker_id: UUID,
    the: Stock,
    free: int = 8,
    budgets: list[dict[str, Any]] = UNLIMITED,
) -> list[Claimed]:
    asked = [
        {"integration_id": i, "budget_key": "", "free": free, "budgets": budgets, "life": 1.0}
        for i in the.integration_ids
    ]
    claimed, _ = await repository.claim(worker_id, asked, 2.0)
    return claimed


async def finish(
    repository: DeliveryRepository,
    worker_id: UUID,
    write: Claimed,
    transition: Transition,
    **more: Any,
) -> bool:
    row = completion(write, transition, outcome=more.pop("outcome", "delivered")) | more
    return write.id in await repository.finish(worker_id, [row])


async def state(database: Database, write_id: UUID) -> str:
    found: str = await database.fetch_value("SELECT state FROM writes WHERE id = $1", write_id)
    return found


async def kill(database: Database, worker_id: UUID) -> None:
    await database.execute(
        "UPDATE workers SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $1",
        worker_id,
    )


async def test_a_lane_is_sent_one_after_the_other_in_order(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    lane = new_id()
    writes = [new_write(the, lane) for _ in range(3)]
    await accept(database, *writes)
    me = await worker(repository)
    order = []
    for _ in writes:
        (claimed,) = await claim(repository, me, the)
        assert await claim(repository, me, the) == []
        order.append(claimed.id)
        assert await finish(repository, me, claimed, SUCCEEDED)
    assert order == [write.id for write in writes]


async def test_an_attempt_is_on_disk_with_its_deadline_before_it_is_handed_out(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    me = await worker(repository)
    (claimed,) = await claim(repository, me, the)
    row = await database.fetch_row("SELECT * FROM attempts WHERE job_id = $1", claimed.id)
    assert row is not None
    assert (row["number"], row["outcome"], row["worker_id"]) == (1, None, me)
    assert row["send_before"] == claimed.send_before
    assert (row["send_before"] - row["created_at"]).total_seconds() == 2.0


async def test_no_more_is_claimed_than_there_are_free_slots(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, *(new_write(the, new_id()) for _ in range(5)))
    me = await worker(repository)
    assert len(await claim(repository, me, the, free=3)) == 3


async def test_two_claims_at_once_never_get_one_write(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, *(new_write(the, new_id()) for _ in range(40)))
    me = await worker(repository)
    claims = await asyncio.gather(*(claim(repository, me, the, free=20) for _ in range(4)))
    ids = [write.id for claimed in claims for write in claimed]
    assert len(ids) == len(set(ids)) == 40


async def test_a_dead_workers_attempt_goes_to_reconcile_and_not_to_the_wire(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    dead = await worker(repository)
    (sent,) = await claim(repository, dead, the)
    await kill(database, dead)
    heir = await worker(repository)
    (found,) = await claim(repository, heir, the)
    assert (found.id, found.state, found.attempts) == (sent.id, "reconciling", 1)
    outcome = await database.fetch_value("SELECT outcome FROM attempts WHERE job_id = $1", sent.id)
    assert outcome == "unknown"


async def test_a_completion_that_comes_after_the_lease_is_evidence_and_moves_nothing(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    slow = await worker(repository)
    (sent,) = await claim(repository, slow, the)
    await kill(database, slow)
    heir = await worker(repository)
    late = Transition("succeeded", ends=True, x_id="77", resolution="exact")
    assert not await finish(repository, slow, sent, late)
    assert await state(database, sent.id) == "reconciling"
    evidence = await LookupRepository(database).evidence(sent.id)
    assert evidence is not None
    assert evidence.own
    assert (evidence.outcome.kind, evidence.outcome.x_id) == (OutcomeKind.DELIVERED, "77")
    (found,) = await claim(repository, heir, the)
    assert found.state == "reconciling"


async def test_a_worker_whose_heartbeat_stopped_claims_nothing_and_cannot_come_back(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    me = await worker(repository)
    await kill(database, me)
    assert await claim(repository, me, the) == []
    assert not await repository.heartbeat(me, 30)


async def test_nothing_is_claimed_that_could_not_leave_within_the_lease(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    me = await worker(repository)
    await database.execute(
        "UPDATE workers SET expires_at = clock_timestamp() + interval '1 second' WHERE id = $1", me
    )
    assert await claim(repository, me, the) == []


async def test_integrations_that_share_a_budget_go_to_one_worker(
    database: Database, repository: DeliveryRepository
) -> None:
    shared = await stock(database, integrations=4, scope=f"shared {new_id()}")
    await stock(database, integrations=3)
    first, second = new_id(), new_id()
    for worker_id in (first, second):
        await repository.register(worker_id, 30)
    await asyncio.gather(*(repository.acquire_leases(worker_id) for worker_id in (first, second)))
    held = [set(await repository.held(worker_id)) for worker_id in (first, second)]
    assert len(held[0] | held[1]) == 7
    assert any(set(shared.integration_ids) <= mine for mine in held)
    assert all(held)


async def test_a_worker_that_only_seems_to_live_does_not_hold_up_what_another_left(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database, integrations=4)
    dead = await worker(repository)
    assert len(await repository.held(dead)) == 4
    # It has been killed as well, and its lease has not run out: its share would be two.
    await repository.register(new_id(), 30)
    await database.execute(
        "UPDATE workers SET expires_at = clock_timestamp() - interval '3 seconds' WHERE id = $1",
        dead,
    )

    heir = await worker(repository)

    assert set(await repository.held(heir)) == set(the.integration_ids)


async def test_a_finished_write_is_an_event_at_once(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accept(database, write)
    me = await worker(repository)
    (claimed,) = await claim(repository, me, the)
    await finish(
        repository, me, claimed, Transition("succeeded", ends=True, x_id="88", resolution="exact")
    )
    event = await database.fetch_row("SELECT * FROM events WHERE id = $1", write.event_id)
    assert event is not None
    assert (event["x_id"], event["origin_job_id"]) == ("88", write.id)


async def test_a_record_that_a_background_read_brought_first_becomes_the_writes_own(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accept(database, write)
    me = await worker(repository)
    (claimed,) = await claim(repository, me, the)
    read_first = new_id()
    await database.execute(
        """INSERT INTO events (id, account_id, integration_id, vendor, x_id, data)
        VALUES ($1, $2, $3, 'ANY', '99', '{}')""",
        read_first,
        the.account_id,
        the.integration_ids[0],
    )
    done = Transition("succeeded", ends=True, x_id="99", resolution="exact")
    assert await finish(repository, me, claimed, done)
    row = await database.fetch_row("SELECT event_id FROM writes WHERE id = $1", write.id)
    assert row is not None
    assert row["event_id"] == read_first


async def test_a_request_that_never_left_was_no_first_attempt(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    me = await worker(repository)
    (claimed,) = await claim(repository, me, the)
    await finish(repository, me, claimed, Transition("queued"), outcome="not_sent", send_within=2.0)
    row = await database.fetch_row("SELECT * FROM writes WHERE id = $1", claimed.id)
    assert row is not None
    assert row["first_sent_at"] is None
    (again,) = await claim(repository, me, the)
    assert again.attempts == 2


async def test_what_is_cancelled_opens_its_lane_and_what_is_out_is_left_alone(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    lane = new_id()
    first, second = new_write(the, lane), new_write(the, lane)
    await accept(database, first, second)
    ended = await database.fetch(
        "SELECT end_writes($1, 'cancelled', 'cancelled', 'm') AS id", [first.id]
    )
    assert [row["id"] for row in ended] == [first.id]
    me = await worker(repository)
    (claimed,) = await claim(repository, me, the)
    assert claimed.id == second.id
    assert not await database.fetch(
        "SELECT end_writes($1, 'cancelled', 'cancelled', 'm') AS id", [second.id]
    )
    assert await state(database, second.id) == "sending"


async def test_an_expired_write_is_not_claimed_and_ends_as_expired(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accept(database, write)
    await database.execute(
        "UPDATE writes SET expires_at = clock_timestamp() WHERE id = $1", write.id
    )
    me = await worker(repository)
    assert await claim(repository, me, the) == []
    assert await repository.expire() == 1
    assert await state(database, write.id) == "expired"


async def test_a_paused_integration_claims_nothing(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    me = await worker(repository)
    await database.execute(
        "UPDATE integrations SET active = false WHERE id = $1", the.integration_ids[0]
    )
    assert await claim(repository, me, the) == []


async def test_claims_never_overrun_a_window_however_many_ask_at_once(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, *(new_write(the, new_id()) for _ in range(60)))
    me = await worker(repository)
    budgets = [
        {"scope": "wide", "method": "m", "windows": [[40, 60], [100, 3600]]},
        {"scope": str(new_id()), "method": "", "windows": [[25, 60]]},
    ]
    claims = await asyncio.gather(
        *(claim(repository, me, the, free=10, budgets=budgets) for _ in range(6))
    )
    assert sum(map(len, claims)) == 25
    used = await database.fetch_value(
        "SELECT sum(used) FROM budget_buckets WHERE scope = 'wide' AND seconds = 60"
    )
    assert used == 25  # what the narrower budget refused was put back into the wider one


async def test_a_vendors_slow_down_holds_every_process(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    await accept(database, new_write(the, new_id()))
    me = await worker(repository)
    await BudgetRepository(database).slow_down("slow", "m", 30.0)
    budgets = [{"scope": "slow", "method": "m", "windows": [[40, 60]]}]
    asked = [
        {
            "integration_id": the.integration_ids[0],
            "budget_key": "",
            "free": 5,
            "budgets": budgets,
            "life": 1.0,
        }
    ]
    claimed, exhausted = await repository.claim(me, asked, 2.0)
    assert claimed == []
    assert 28 < exhausted[0].wait <= 30


async def test_what_is_accepted_while_its_integration_is_archived_is_cancelled(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accept(database, write)
    await repository.cancel_stranded()
    assert await repository.cancel_stranded() == 0
    await database.execute(
        "UPDATE integrations SET is_archived = true, updated_at = clock_timestamp() WHERE id = $1",
        the.integration_ids[0],
    )
    assert await repository.cancel_stranded() == 1
    state = await database.fetch_value("SELECT state FROM writes WHERE id = $1", write.id)
    assert state == "cancelled"
    assert await repository.cancel_stranded() == 0


async def test_the_retry_of_an_uncertain_write_begins_by_looking_for_it(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    lane = new_id()
    old = new_write(the, lane)
    await accept(database, old)
    me = await worker(repository)
    (claimed,) = await claim(repository, me, the)
    await finish(repository, me, claimed, Transition("reconciling"), outcome="unknown")
    (looked,) = await claim(repository, me, the)
    await finish(repository, me, looked, Transition("uncertain", ends=True), outcome="unaskable")
    retry = new_write(the, lane, retry_of=old.id)
    await accept(database, retry)
    (again,) = await claim(repository, me, the)
    assert (again.id, again.state, again.first_sent_at) == (
        retry.id,
        "reconciling",
        claimed.first_sent_at,
    )


async def test_what_may_have_had_an_effect_is_neither_cancelled_nor_expired(
    database: Database, repository: DeliveryRepository
) -> None:
    the = await stock(database)
    write = new_write(the, new_id())
    await accept(database, write)
    await database.execute(
        "UPDATE writes SET state = 'retrying', unsettled = true, expires_at = clock_timestamp() "
        "WHERE id = $1",
        write.id,
    )
    await repository.expire()
    await database.fetch("SELECT end_writes(ARRAY[$1::uuid], 'cancelled', 'c', 'm')", write.id)
    state = await database.fetch_value("SELECT state FROM writes WHERE id = $1", write.id)
    assert state == "retrying"
    me = await worker(repository)
    (claimed,) = await claim(repository, me, the)
    assert claimed.id == write.id
    assert claimed.unsettled
