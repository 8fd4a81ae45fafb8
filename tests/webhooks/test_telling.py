"""What is told, when, to whom, and in which words: from the change of a row to the receiver."""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from frontdesk.catalog import job_repository as jobs
from frontdesk.catalog import sync_repository as syncs
from frontdesk.catalog.models import SPECS
from frontdesk.catalog.record_repository import upsert
from frontdesk.catalog.records import rows_of
from frontdesk.database.pool import Connection, Database
from frontdesk.ids import new_id
from frontdesk.vendors.contract import Record
from frontdesk.vendors.declaration import Model
from tests.conftest import CallerAccount, until
from tests.events.world import World
from tests.webhooks.conftest import WRITES, Hook, accepted, ends, said
from tests.webhooks.receiver import Receiver

DATA = ["DATA_NEW", "DATA_UPDATE"]
SYNCS = ["SYNC_COMPLETE", "FIRST_SYNC_COMPLETE", "JOB_FAILURE"]


def head(world: World, trigger: str) -> dict[str, Any]:
    """What every body says."""
    return {
        "event": trigger,
        "integration_id": world.integration_id,
        "vendor": world.declaration.vendor,
    }


async def notices(database: Database) -> int:
    count: int = await database.fetch_value("SELECT count(*) FROM webhook_notices")
    return count


async def test_the_end_of_a_write_is_told_in_the_contracts_words(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook()
    good = await accepted(client, maple, external_reference="ticket 1")
    bad = await accepted(client, maple)
    await ends(database, good, "succeeded")
    await until(lambda: receiver.has(1))
    await ends(database, bad, "failed", {"code": "rejected", "message": "No such resident."})
    await until(lambda: receiver.has(2))
    record_id = await database.fetch_value("SELECT event_id FROM writes WHERE id = $1", good)
    assert [one.body for one in receiver.received] == [
        {
            "trigger": "WRITE_OPERATION_SUCCESS",
            "data": {
                **head(maple, "WRITE_OPERATION_SUCCESS"),
                "root_job_id": str(good),
                "write_status": "SUCCESS",
                "errors": [],
                "created_record_id": str(record_id),
                "external_reference": "ticket 1",
            },
        },
        {
            "trigger": "WRITE_OPERATION_FAILURE",
            "data": {
                **head(maple, "WRITE_OPERATION_FAILURE"),
                "root_job_id": str(bad),
                "write_status": "FAILURE",
                "errors": ["No such resident."],
                "created_record_id": None,
                "external_reference": None,
            },
        },
    ]
    assert [one.sequence for one in receiver.received] == [1, 2]


async def test_a_cancelled_write_is_told_as_a_failure(
    client: aiohttp.ClientSession, maple: World, receiver: Receiver, hook: Hook, dispatcher: None
) -> None:
    await hook()
    job_id = await accepted(client, maple)
    await said(client, "DELETE", f"/v1/admin/writes/{job_id}")
    await until(lambda: receiver.has(1))
    data = receiver.received[0].body["data"]
    assert (data["event"], data["root_job_id"]) == ("WRITE_OPERATION_FAILURE", str(job_id))
    assert data["errors"] == ["The write was cancelled before it was sent."]


async def test_an_uncertain_write_that_is_found_later_is_told_again_after_it(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook()
    job_id = await accepted(client, maple)
    await ends(database, job_id, "uncertain", {"code": "outcome_unknown", "message": "Unknown."})
    await ends(database, job_id, "succeeded")
    # What does not change how it ended is not told.
    await database.execute("UPDATE writes SET resolution = 'matched' WHERE id = $1", job_id)
    await until(lambda: receiver.has(2))
    told = sorted(receiver.received, key=lambda one: one.sequence)
    assert [one.body["data"]["write_status"] for one in told] == ["FAILURE", "SUCCESS"]
    assert await notices(database) == 0
    assert len(receiver.received) == 2


async def test_a_change_that_is_rolled_back_tells_nothing_and_one_that_is_committed_does(
    client: aiohttp.ClientSession, database: Database, maple: World, hook: Hook
) -> None:
    await hook()
    job_id = await accepted(client, maple)
    end = "UPDATE writes SET state = 'failed', finished_at = now(), ready_at = NULL WHERE id = $1"
    before = await notices(database)

    async def fail() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(end, job_id)
            await transaction.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail()
    assert await notices(database) == before
    await database.execute(end, job_id)
    assert await notices(database) == before + 1
    await database.execute("DELETE FROM webhook_notices")


async def test_a_callback_url_gets_the_end_of_its_write_and_of_the_retry(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    another_receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook(triggers=["WRITE_OPERATION_SUCCESS"])
    url = f"{another_receiver.url}?call=4711"
    job_id = await accepted(client, maple, callback_url=url)
    other = await accepted(client, maple)
    for one in (job_id, other):
        await ends(database, one, "failed", {"code": "rejected", "message": "No."})
    await until(lambda: another_receiver.has(1))
    called = another_receiver.received[0]
    assert called.path == "/hook?call=4711"
    assert called.body["data"]["root_job_id"] == str(job_id)
    retried = (await said(client, "POST", f"/v1/admin/retry-write/{job_id}"))["job_id"]
    await ends(database, UUID(retried), "succeeded")
    await until(lambda: another_receiver.has(2))
    await until(lambda: receiver.has(1))
    assert another_receiver.received[1].body == receiver.received[0].body
    assert [one.sequence for one in another_receiver.received] == [1, 2]
    assert len(another_receiver.received) == 2


async def test_a_callback_url_is_answered_and_refused_like_any_field(
    client: aiohttp.ClientSession, maple: World, receiver: Receiver
) -> None:
    body = maple.body(callback_url=receiver.url)
    answer = await said(client, "POST", "/v1/events/residents", json=body)
    assert answer["data"]["callback_url"] == receiver.url
    for url in ("http://receiver.example.com", "https://10.1.2.3/", "nonsense"):
        body = maple.body(callback_url=url)
        async with client.post("/v1/events/residents", json=body) as refusal:
            assert refusal.status == 400
            issues = (await refusal.json())["error"]["details"]["issues"]
        assert [issue["path"] for issue in issues] == [["callback_url"]]


async def test_records_are_told_as_lists_show_them_and_changes_by_their_difference(
    client: aiohttp.ClientSession,
    database: Database,
    account: CallerAccount,
    maple: World,
    receiver: Receiver,
    another_receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook(triggers=DATA, model="units")
    await hook(triggers=["DATA_NEW"], model="residents", url=another_receiver.url)
    job_id = await _read(database, account.id, maple, [_unit("13", "2A"), _unit("11", "1A")])
    await until(lambda: receiver.has(1))
    new = receiver.received[0].body
    record_id = new["data"]["record_id"]
    shown = (await said(client, "GET", f"/v1/units/{record_id}"))["results"]
    moving = {"updated_at", "last_seen"}
    assert {
        name: value for name, value in new["data"]["payload"].items() if name not in moving
    } == {name: value for name, value in shown.items() if name not in moving}
    assert new["data"] == {
        **head(maple, "DATA_NEW"),
        "object": "units",
        "record_id": shown["id"],
        "payload": new["data"]["payload"],
        "job_id": str(job_id),
        "root_job_id": str(job_id),
        "job_type": "sync_units",
    }
    await _read(database, account.id, maple, [_unit("13", "2A"), _unit("11", "1B")])
    await until(lambda: receiver.has(2))
    changed = receiver.received[1].body["data"]
    assert (changed["event"], changed["record_id"]) == ("DATA_UPDATE", maple.id(Model.UNITS, "11"))
    assert changed["diff"] == {"new": {"number": "1B"}, "previous": {"number": "1A"}}
    assert "payload" not in changed
    # What is read once more and is as it was tells nothing.
    await _read(database, account.id, maple, [_unit("13", "2A"), _unit("11", "1B")])
    await _settled(database)
    assert len(receiver.received) == 2
    assert another_receiver.received == []


async def test_an_event_that_was_written_is_told_with_its_write(
    database: Database,
    client: aiohttp.ClientSession,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook(triggers=["DATA_NEW"])
    job_id = await accepted(client, maple)
    event_id = new_id()
    await database.execute(
        "INSERT INTO events (id, account_id, integration_id, vendor, x_id, data, resident_id, "
        "origin_job_id) SELECT $2, account_id, integration_id, vendor, '77', event->'data', "
        "resident_id, id FROM writes WHERE id = $1",
        job_id,
        event_id,
    )
    await until(lambda: receiver.has(1))
    data = receiver.received[0].body["data"]
    assert (data["object"], data["record_id"]) == ("events", str(event_id))
    assert (data["job_id"], data["root_job_id"]) == (str(job_id), str(job_id))
    assert data["job_type"] == "create_resident_event"
    assert data["payload"]["origin_job_id"] == str(job_id)


async def test_data_is_silent_until_the_first_sync_has_ended(
    database: Database, account: CallerAccount, maple: World, hook: Hook
) -> None:
    await hook(triggers=DATA)
    before = await notices(database)
    integration_id = UUID(maple.integration_id)
    await database.execute(
        "UPDATE integrations SET last_completed_sync = NULL WHERE id = $1", integration_id
    )
    await _read(database, account.id, maple, [_unit("14", "2B"), _unit("11", "9Z")])
    assert await notices(database) == before
    await database.execute(
        "UPDATE integrations SET last_completed_sync = now() WHERE id = $1", integration_id
    )
    await _read(database, account.id, maple, [_unit("15", "2C")])
    assert await notices(database) == before + 1
    await database.execute("DELETE FROM webhook_notices")


async def test_an_erasure_tells_nobody_what_it_erases(
    database: Database, account: CallerAccount, maple: World, hook: Hook
) -> None:
    await hook(triggers=DATA)
    resident = UUID(maple.resident)
    change = "UPDATE residents SET data = $2::jsonb, updated_at = clock_timestamp() WHERE id = $1"
    await database.execute(change, resident, '{"first_name": "Ada"}')
    async with database.transaction() as transaction:
        await transaction.execute("SELECT erase_deliveries(ARRAY[$1::uuid])", resident)
        await transaction.execute("SELECT set_config('frontdesk.silent', 'on', true)")
        await transaction.execute(change, resident, "{}")
    found = "SELECT count(*) FROM webhook_notices WHERE resident_id = $1"
    assert await database.fetch_value(found, resident) == 0
    # The transaction's silence ends with it.
    await database.execute(change, resident, '{"first_name": "Grace"}')
    assert await database.fetch_value(found, resident) == 1
    await database.execute("DELETE FROM webhook_notices")


async def test_syncs_and_failed_reads_are_told(
    database: Database,
    account: CallerAccount,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook(triggers=SYNCS)
    integration_id = UUID(maple.integration_id)
    await database.execute(
        "UPDATE integrations SET last_completed_sync = NULL WHERE id = $1", integration_id
    )
    first = await _sync(database, account.id, integration_id, failed=1)
    await until(lambda: receiver.has(3))
    counts = {"successful_job_count": 1, "failed_job_count": 1, "is_sync_finished": True}
    (failure,) = receiver.of("JOB_FAILURE")
    assert failure.body["data"] == {
        **head(maple, "JOB_FAILURE"),
        "job_id": str(first[1]),
        "job_type": "sync_units",
        "root_job_id": str(first[0]),
    }
    for trigger in ("SYNC_COMPLETE", "FIRST_SYNC_COMPLETE"):
        (told,) = receiver.of(trigger)
        assert told.body == {"trigger": trigger, "data": {**head(maple, trigger), **counts}}
    await _sync(database, account.id, integration_id, failed=0)
    await until(lambda: receiver.has(4))
    await _settled(database)
    assert len(receiver.of("FIRST_SYNC_COMPLETE")) == 1
    assert receiver.of("SYNC_COMPLETE")[1].body["data"]["failed_job_count"] == 0


async def test_nothing_is_put_down_for_another_account_or_for_a_webhook_that_is_off(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
) -> None:
    await hook(active=False, triggers=[*WRITES, *DATA])
    theirs = {"url": receiver.url, "triggers": [*WRITES, *DATA], "active": True}
    await said(strange_client, "POST", "/v1/webhooks", json=theirs)
    before = await notices(database)
    job_id = await accepted(client, maple)
    await ends(database, job_id, "succeeded")
    await database.execute(
        "UPDATE residents SET data = '{}', updated_at = clock_timestamp() WHERE id = $1",
        UUID(maple.resident),
    )
    assert await notices(database) == before


async def test_many_ends_at_once_are_told_each_once_with_sequences_of_their_own(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook()
    ids = await asyncio.gather(*(accepted(client, maple) for _ in range(250)))
    await database.execute(
        "UPDATE writes SET state = 'succeeded', finished_at = now(), ready_at = NULL "
        "WHERE id = ANY ($1)",
        list(ids),
    )
    await until(lambda: receiver.has(250))
    told = sorted(receiver.received, key=lambda one: one.sequence)
    assert [one.sequence for one in told] == list(range(1, 251))
    # In the order in which the writes were accepted.
    by_lane = await database.fetch(
        "SELECT id FROM writes WHERE id = ANY ($1) ORDER BY lane_number", ids
    )
    assert [one.body["data"]["root_job_id"] for one in told] == [str(row["id"]) for row in by_lane]


# --- how reads look to the database ----------------------------------------------------------------


def _unit(x_id: str, number: str) -> Record:
    return Record(Model.UNITS, x_id, {"number": number}, "1")


async def _read(database: Database, account_id: UUID, world: World, records: list[Record]) -> UUID:
    """Store a page as a step of a read does; the job."""
    integration_id, job_id = UUID(world.integration_id), new_id()
    spec, declaration = SPECS[Model.UNITS], world.declaration
    async with database.transaction() as connection:
        await jobs.add_job(connection, job_id, account_id, integration_id, "sync_units", urgency=5)
        await connection.execute(
            "UPDATE read_jobs SET state = 'running', claims = 1 WHERE id = $1", job_id
        )
        assert await jobs.still_mine(connection, job_id, 1)
        rows = rows_of(spec, records, declaration)
        await upsert(connection, spec, account_id, integration_id, declaration.vendor, rows)
        await jobs.finish(connection, job_id, error=None)
    return job_id


async def _sync(
    database: Database, account_id: UUID, integration_id: UUID, *, failed: int
) -> tuple[UUID, UUID]:
    """A sync of two steps, of which so many fail: its root, and the step that may fail."""
    root, good, other = new_id(), new_id(), new_id()
    async with database.transaction() as connection:
        assert await syncs.open_root(connection, root, account_id, integration_id, {})
        steps = [
            {"id": str(step), "model": model, "place": 0, "urgency": 5, "parameters": {}}
            for step, model in ((good, "residents"), (other, "units"))
        ]
        await syncs.add_steps(connection, account_id, integration_id, root, steps)
        await jobs.finish(connection, good, error=None)
    async with database.transaction() as connection:
        await jobs.finish(connection, other, error="It broke off." if failed else None)
        await _end(connection, integration_id, root, failed)
    return root, other


async def _end(connection: Connection, integration_id: UUID, root: UUID, failed: int) -> None:
    assert await syncs.finish_root(connection, root) is not None
    await syncs.sync_ended(connection, integration_id, some=True, whole=not failed)


async def _settled(database: Database) -> None:
    """Until everything that is to be told has been."""

    async def is_empty() -> bool:
        waiting = await database.fetch_value(
            "SELECT count(*) FROM webhook_deliveries WHERE ready_at IS NOT NULL"
        )
        return not waiting and not await notices(database)

    await until(is_empty)
