"""Notifications arrive, and a lost connection is made again and said so."""

import asyncio

from tests.database.commands import LONGEST_WAIT

from frontdesk.database.pool import Database

END_LISTENER = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'frontdesk listener' AND datname = current_database()"
)

COUNT_LISTENERS = END_LISTENER.replace("pg_terminate_backend(pid)", "count(*)")


async def heard(queue: "asyncio.Queue[str]") -> str:
    return await asyncio.wait_for(queue.get(), LONGEST_WAIT)


async def test_notification_reaches_the_callback_with_its_payload(database: Database) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    async with await database.listen("news", queue.put_nowait) as listener:
        assert listener.is_listening
        await database.execute("SELECT pg_notify('news', 'first')")
        assert await heard(queue) == "first"


async def test_listener_is_made_again_after_its_backend_was_ended_and_wakes_its_caller_once(
    database: Database,
) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    async with await database.listen("news", queue.put_nowait):
        for _ in range(2):
            assert await database.fetch_value(END_LISTENER)
            assert await heard(queue) == ""
            await database.execute("SELECT pg_notify('news', 'again')")
            assert await heard(queue) == "again"
    assert queue.empty()


async def test_callback_that_fails_does_not_end_the_listener(database: Database) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))

    def fail_once(payload: str) -> None:
        queue.put_nowait(payload)
        if len(errors) < 2:
            raise ValueError(payload)

    async with await database.listen("news", fail_once):
        await database.execute("SELECT pg_notify('news', 'first')")
        assert await heard(queue) == "first"
        assert await database.fetch_value(END_LISTENER)
        assert await heard(queue) == ""
        await database.execute("SELECT pg_notify('news', 'third')")
        assert await heard(queue) == "third"
    assert len(errors) == 2


async def test_closed_listener_hears_nothing_and_holds_no_connection(database: Database) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    listener = await database.listen("news", queue.put_nowait)
    await listener.close()
    await listener.close()
    async with asyncio.timeout(LONGEST_WAIT):
        while await database.fetch_value(COUNT_LISTENERS):
            await database.fetch_value("SELECT pg_sleep(0.01)")
    await database.execute("SELECT pg_notify('news', 'late')")
    assert queue.empty()


async def test_behind_a_pooler_it_says_that_it_hears_nothing(database_url: str) -> None:
    database = await Database.connect(database_url, pooler=True)
    assert not database.can_listen
    listener = await database.listen("news", lambda _: None)
    assert not listener.is_listening
    await database.close()
