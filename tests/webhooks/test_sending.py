"""Deliveries under bad conditions: refusals, silence, redirects, endless answers, dead receivers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.application import open_services
from frontdesk.database.pool import Database
from frontdesk.webhooks.dispatch import (
    FIRST_DELAY_SECONDS,
    LONGEST_DELAY_SECONDS,
    backoff,
)
from frontdesk.webhooks.outbox_repository import OutboxRepository
from frontdesk.webhooks.telling import Outbox
from tests.conftest import CallerAccount, LiveServer, make_settings, until
from tests.events.world import World
from tests.integrations.world import refused
from tests.webhooks.conftest import (
    PATH,
    Hook,
    accepted,
    deliveries,
    dispatching,
    ends,
    said,
)
from tests.webhooks.receiver import Receiver, receiving


async def told(client: aiohttp.ClientSession, database: Database, maple: World) -> str:
    """Something happens that is told; the job."""
    job_id = await accepted(client, maple)
    await ends(database, job_id, "succeeded")
    return str(job_id)


async def only(
    client: aiohttp.ClientSession, hook: dict[str, Any], *, attempts: int, state: str
) -> dict[str, Any]:
    """The webhook's one delivery, once it is so far."""

    async def is_so_far() -> dict[str, Any] | None:
        found = await deliveries(client, hook)
        return next(
            (one for one in found if one["attempts"] >= attempts and one["state"] == state), None
        )

    return await until(is_so_far)


async def hasten(database: Database, delivery: dict[str, Any], **columns: str) -> None:
    """Move the clock, as far as this delivery is concerned."""
    sets = {"ready_at": "clock_timestamp()", **columns}
    await database.execute(
        f"UPDATE webhook_deliveries SET {', '.join(f'{a} = {b}' for a, b in sets.items())} "
        "WHERE id::text = $1",
        delivery["id"],
    )


@given(st.integers(1, 1000), st.floats(0, 1))
def test_backoff_is_fully_jittered_under_an_exponential_bound(attempts: int, draw: float) -> None:
    delay = backoff(attempts, draw)
    assert 0 <= delay <= min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (attempts - 1))
    assert backoff(attempts, 0) == 0
    assert backoff(attempts, 1) <= backoff(attempts + 1, 1)


async def test_a_refused_delivery_is_tried_again_and_dies_after_three_days(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    receiver.status = 500
    made = await hook()
    await told(client, database, maple)
    waiting = await only(client, made, attempts=1, state="waiting")
    assert (waiting["last_status"], waiting["last_error"]) == (500, "it answered 500")
    assert waiting["next_attempt_at"] is not None
    left = await database.fetch_value(
        "SELECT extract(epoch FROM give_up_at - created_at) FROM webhook_deliveries "
        "WHERE id::text = $1",
        waiting["id"],
    )
    assert abs(float(left) - 3 * 86400) < 60
    await hasten(database, waiting)
    await only(client, made, attempts=2, state="waiting")
    # Three days later.
    await hasten(database, waiting, give_up_at="clock_timestamp()")
    dead = await only(client, made, attempts=3, state="dead")
    assert dead["next_attempt_at"] is None
    assert dead["finished_at"] is not None
    bodies = {one.text for one in receiver.received}
    ids = {one.id for one in receiver.received}
    assert (len(bodies), ids) == (1, {dead["id"]})
    # A dead one is not sent again by itself, but when it is asked for.
    receiver.status = 204
    path = f"{PATH}/{made['id']}/deliveries/{dead['id']}/redeliver"
    again = (await said(client, "POST", path))["result"]
    assert again["id"] == dead["id"]
    done = await only(client, made, attempts=4, state="delivered")
    assert (done["last_status"], done["last_error"]) == (204, None)
    # So is one that was delivered.
    await said(client, "POST", path)
    await only(client, made, attempts=5, state="delivered")
    assert {one.id for one in receiver.received} == ids
    assert (
        len((await said(client, "GET", f"{PATH}/{made['id']}/deliveries?state=dead"))["results"])
        == 0
    )


async def test_a_failing_delivery_holds_back_none(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    refuses: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=500 if refuses[0] in await request.text() else 200)

    receiver.answer = answer
    made = await hook()
    first = await accepted(client, maple)
    refuses.append(str(first))
    await ends(database, first, "succeeded")
    await only(client, made, attempts=1, state="waiting")
    second = await told(client, database, maple)
    done = await only(client, made, attempts=1, state="delivered")
    assert second in done["body"]
    found = await deliveries(client, made)
    assert sorted(one["sequence"] for one in found) == [1, 2]


async def test_an_endpoint_without_success_for_three_days_is_switched_off_and_says_why(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    receiver.status = 503
    made = await hook()
    path = f"{PATH}/{made['id']}"
    await told(client, database, maple)
    waiting = await only(client, made, attempts=1, state="waiting")
    failing = (await said(client, "GET", path))["results"]
    assert failing["active"]
    assert failing["failing_since"] is not None
    # A success in between, and the three days begin anew.
    receiver.status = 200
    await hasten(database, waiting)
    await only(client, made, attempts=2, state="delivered")
    good = (await said(client, "GET", path))["results"]
    assert good["failing_since"] is None
    assert good["last_success_at"] is not None
    receiver.status = 503
    await told(client, database, maple)
    waiting = await only(client, made, attempts=1, state="waiting")
    await database.execute(
        "UPDATE webhooks SET failing_since = failing_since - interval '3 days' WHERE id::text = $1",
        made["id"],
    )
    await hasten(database, waiting)
    await only(client, made, attempts=2, state="waiting")
    off = (await said(client, "GET", path))["results"]
    assert off["active"] is False
    assert off["disabled_at"] is not None
    assert off["disabled_reason"].endswith("the last failed because: it answered 503")
    trail = (await said(client, "GET", "/v1/admin/audit-log/?action=webhook.disable"))["results"]
    assert [(one["actor"], one["subject_id"]) for one in trail] == [("system", made["id"])]
    assert trail[0]["client"].startswith("worker@")
    assert trail[0]["before"] == {"active": True, "disabled_reason": None}
    assert trail[0]["after"] == {"active": False, "disabled_reason": off["disabled_reason"]}
    # What waits is not sent meanwhile, a redelivery is refused, and what happens is not put down.
    await hasten(database, waiting)
    async with client.post(f"{path}/deliveries/{waiting['id']}/redeliver") as answer:
        await refused(answer, 409, "conflict")
    await told(client, database, maple)
    assert len(await deliveries(client, made)) == 2
    many = len(receiver.received)
    receiver.status = 200
    on = (await said(client, "PUT", path, json={"active": True}))["result"]
    assert (on["active"], on["disabled_at"], on["disabled_reason"]) == (True, None, None)
    assert on["failing_since"] is None
    await only(client, made, attempts=3, state="delivered")
    assert len(receiver.received) == many + 1


async def test_what_waits_behind_a_webhook_that_is_off_dies_in_its_time(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    database_url: str,
) -> None:
    receiver.status = 500
    made = await hook()
    async with dispatching(database_url):
        await told(client, database, maple)
        waiting = await only(client, made, attempts=1, state="waiting")
    await said(client, "PUT", f"{PATH}/{made['id']}", json={"active": False})
    await hasten(database, waiting, give_up_at="clock_timestamp()")
    async with dispatching(database_url):
        dead = await only(client, made, attempts=1, state="dead")
    assert dead["last_error"] == "it answered 500"
    assert len(receiver.received) == 1


async def test_a_redirect_is_not_followed(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    another_receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": another_receiver.url})

    receiver.answer = elsewhere
    made = await hook()
    await told(client, database, maple)
    waiting = await only(client, made, attempts=1, state="waiting")
    assert (waiting["last_status"], waiting["last_error"]) == (307, "redirects are not followed")
    assert another_receiver.received == []


async def test_an_endless_answer_and_a_silent_receiver_cost_their_time_and_no_more(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    another_receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    poured = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal poured
        stream = web.StreamResponse()
        await stream.prepare(request)
        while True:
            await stream.write(b"x" * 65536)
            poured += 65536

    receiver.answer = endless
    another_receiver.hangs = True
    pouring, silent = await hook(), await hook(url=another_receiver.url)
    await told(client, database, maple)
    # The status was 200: the receiver has it.
    await only(client, pouring, attempts=1, state="delivered")
    waiting = await only(client, silent, attempts=1, state="waiting")
    assert waiting["last_error"] == "it did not answer in time"

    async def has_ended() -> bool:
        before = poured
        await asyncio.sleep(0.1)
        return poured == before

    await until(has_ended)
    # What buffers along the way hold, and no more.
    assert poured < 32 * 1024 * 1024


async def test_retry_after_is_heeded(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    async def later(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "7200"})

    receiver.answer = later
    made = await hook()
    await told(client, database, maple)
    waiting = await only(client, made, attempts=1, state="waiting")
    seconds = await database.fetch_value(
        "SELECT extract(epoch FROM ready_at - last_attempt_at) FROM webhook_deliveries "
        "WHERE id::text = $1",
        waiting["id"],
    )
    assert float(seconds) >= 7200


async def test_dead_receivers_delay_nobody_else(
    client: aiohttp.ClientSession,
    account: CallerAccount,
    database: Database,
    database_url: str,
    maple: World,
    receiver: Receiver,
    hook: Hook,
) -> None:
    """More receivers that hang than there are slots, each with a backlog; the other one gets
    everything while all of them are still being waited for."""
    async with AsyncExitStack() as stack:
        dead: list[Receiver] = []
        for _ in range(6):
            one = await stack.enter_async_context(receiving())
            one.hangs = True
            dead.append(one)
            await hook(url=one.url)
        await hook()
        for _ in range(8):
            await told(client, database, maple)
        async with dispatching(database_url, webhook_slots=4, webhook_timeout_seconds=10):
            await until(lambda: receiver.has(8), seconds=30)
            # All the while none of those that hang had been given up on: nobody waited for that.
            failed = await database.fetch_value(
                "SELECT count(*) FROM webhook_deliveries WHERE last_error IS NOT NULL "
                "AND account_id = $1",
                account.id,
            )
            assert failed == 0
            assert sum(len(one.received) for one in dead) == 6


async def test_a_receiver_has_only_so_many_deliveries_at_once(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    database_url: str,
) -> None:
    now, most = 0, 0

    async def counts(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.05)
        now -= 1
        return web.Response()

    receiver.answer = counts
    await hook()
    for _ in range(20):
        await told(client, database, maple)
    async with dispatching(database_url):
        await until(lambda: receiver.has(20))
    assert 1 < most <= 4


async def test_a_sender_that_dies_between_send_and_record_sends_again(
    client: aiohttp.ClientSession,
    database: Database,
    database_url: str,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    made = await hook()
    with monkeypatch.context() as patch:
        patch.setattr(OutboxRepository, "delivered", never)
        async with dispatching(database_url):
            await told(client, database, maple)
            await asyncio.wait_for(reached.wait(), 15)
    (lost,) = await deliveries(client, made)
    assert (lost["state"], len(receiver.received)) == ("sending", 1)
    await hasten(database, lost)
    async with dispatching(database_url):
        done = await only(client, made, attempts=2, state="delivered")
    assert [one.id for one in receiver.received] == [done["id"]] * 2
    assert receiver.received[0].text == receiver.received[1].text


async def test_a_late_word_counts_for_a_success_only_and_never_for_what_was_asked_anew(
    client: aiohttp.ClientSession,
    database: Database,
    maple: World,
    hook: Hook,
    receiver: Receiver,
    database_url: str,
) -> None:
    repository = OutboxRepository(database)
    made = await hook()
    await told(client, database, maple)
    services = await open_services(make_settings(), database_url, role="worker")
    await Outbox(services.database, services.webhooks.callback_secrets).empty()
    await services.close()
    (delivery,) = await deliveries(client, made)

    async def claimed() -> int:
        await hasten(database, delivery)
        rows = await repository.claim({}, each=10, limit=100, seconds=30)
        claims: int = next(row["claims"] for row in rows if str(row["id"]) == delivery["id"])
        return claims

    async def fails(claims: int) -> None:
        async with database.transaction() as transaction:
            await repository.failed(
                transaction,
                UUID(delivery["id"]),
                claims,
                delay=1,
                status=500,
                error="no",
                patience=1e6,
                reason="",
            )

    first = await claimed()
    second = await claimed()
    # The first sender lost it; its failure does not end the second's attempt.
    await fails(first)
    assert (await deliveries(client, made))[0]["state"] == "sending"
    # Its success does: the receiver has it.
    await repository.delivered(UUID(delivery["id"]), first, 200)
    await fails(second)
    assert (await deliveries(client, made))[0]["state"] == "delivered"
    # Asked for anew, it must go out, whatever is said late.
    await said(client, "POST", f"{PATH}/{made['id']}/deliveries/{delivery['id']}/redeliver")
    await repository.delivered(UUID(delivery["id"]), second, 200)
    assert (await deliveries(client, made))[0]["state"] == "waiting"
    await claimed()


async def test_two_dispatchers_send_each_delivery_once(
    client: aiohttp.ClientSession,
    database: Database,
    database_url: str,
    maple: World,
    receiver: Receiver,
    hook: Hook,
) -> None:
    made = await hook()
    jobs = [await told(client, database, maple) for _ in range(40)]
    async with dispatching(database_url), dispatching(database_url):
        await until(lambda: receiver.has(40))

        async def all_recorded() -> bool:
            return all(one["state"] == "delivered" for one in await deliveries(client, made))

        await until(all_recorded)
    told_of = [one.body["data"]["root_job_id"] for one in receiver.received]
    assert sorted(told_of) == sorted(jobs)


async def test_a_test_reaches_a_webhook_that_is_off_and_is_tried_once(
    client: aiohttp.ClientSession,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    made = await hook(active=False, triggers=["DATA_NEW", "SYNC_COMPLETE"])
    path = f"{PATH}/{made['id']}"
    tried = (await said(client, "POST", f"{path}/test", json={}))["result"]
    assert (tried["test"], tried["trigger"], tried["sequence"]) == (True, "DATA_NEW", 1)
    await only(client, made, attempts=1, state="delivered")
    one = receiver.received[0]
    assert one.headers["frontdesk-test"] == "true"
    assert one.body["trigger"] == one.body["data"]["event"] == "DATA_NEW"
    receiver.status = 500
    await said(client, "POST", f"{path}/test", json={"trigger": "SYNC_COMPLETE"})
    await only(client, made, attempts=1, state="dead")
    after = (await said(client, "GET", path))["results"]
    assert (after["failing_since"], after["last_success_at"]) == (None, None)


async def test_a_deleted_webhooks_deliveries_go_with_it(
    client: aiohttp.ClientSession, database: Database, maple: World, hook: Hook, database_url: str
) -> None:
    made = await hook(url="http://127.0.0.1:9/")
    async with dispatching(database_url):
        await told(client, database, maple)
        await only(client, made, attempts=1, state="waiting")
    await said(client, "DELETE", f"{PATH}/{made['id']}")
    await database.execute(
        "UPDATE webhooks SET deleted_at = now() - interval '6 minutes' WHERE id::text = $1",
        made["id"],
    )

    async def is_gone() -> bool:
        left: int = await database.fetch_value(
            "SELECT (SELECT count(*) FROM webhooks WHERE id::text = $1) + "
            "(SELECT count(*) FROM webhook_deliveries WHERE webhook_id::text = $1)",
            made["id"],
        )
        return left == 0

    async with dispatching(database_url):
        await until(is_gone)


@pytest.fixture
async def strict(database_url: str) -> AsyncIterator[None]:
    """A dispatcher that may not reach loopback."""
    async with dispatching(database_url, allowed_addresses=""):
        yield


async def test_an_address_is_judged_when_it_is_called(
    client: aiohttp.ClientSession,
    server: LiveServer,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    strict: None,
) -> None:
    by_number, by_name = (
        await hook(),
        await hook(url=receiver.url.replace("127.0.0.1", "localhost")),
    )
    await told(client, database, maple)
    for made in (by_number, by_name):
        waiting = await only(client, made, attempts=1, state="waiting")
        assert "private or reserved" in waiting["last_error"]
    assert receiver.received == []


async def test_a_notice_that_cannot_be_told_holds_back_no_other(
    client: aiohttp.ClientSession,
    account: CallerAccount,
    database: Database,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    dispatcher: None,
) -> None:
    await hook()
    await database.execute(
        "INSERT INTO webhook_notices (account_id, integration_id, trigger, subject_id, told) "
        "VALUES ($1, $2, 'WRITE_OPERATION_SUCCESS', $2, '{}')",
        account.id,
        UUID(maple.integration_id),
    )
    job_id = await told(client, database, maple)
    await until(lambda: receiver.has(1))
    assert receiver.received[0].body["data"]["root_job_id"] == job_id


async def test_a_worker_goes_on_where_the_tables_are_not_there_yet(
    client: aiohttp.ClientSession,
    database: Database,
    database_url: str,
    maple: World,
    receiver: Receiver,
    hook: Hook,
) -> None:
    """New code beside the schema before it: events are delivered, and nothing is told until the
    migration has run."""
    await hook()
    job_id = await told(client, database, maple)
    await database.execute("ALTER TABLE webhook_deliveries RENAME TO not_there_yet")
    try:
        async with dispatching(database_url):
            await asyncio.sleep(1)
            await database.execute("ALTER TABLE not_there_yet RENAME TO webhook_deliveries")
            await until(lambda: receiver.has(1))
    finally:
        await database.execute("ALTER TABLE IF EXISTS not_there_yet RENAME TO webhook_deliveries")
    assert receiver.received[0].body["data"]["root_job_id"] == job_id
