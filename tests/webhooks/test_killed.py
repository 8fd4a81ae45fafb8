"""A worker process that is killed while a receiver has its request in hand."""

from pathlib import Path

import aiohttp
import pytest

from frontdesk.database.pool import Database
from tests.conftest import ENCRYPTION_KEY, until
from tests.events.world import World
from tests.journeys.served import START_SECONDS, Command
from tests.webhooks.conftest import Hook, accepted, deliveries, ends
from tests.webhooks.receiver import Receiver

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


async def test_what_a_killed_worker_had_sent_and_not_recorded_is_sent_again_by_the_next(
    client: aiohttp.ClientSession,
    database: Database,
    database_url: str,
    maple: World,
    receiver: Receiver,
    hook: Hook,
    tmp_path: Path,
) -> None:
    # No PMS is to be called: all that this worker has to do is to tell.
    await database.execute("UPDATE integrations SET active = false")

    def worker(name: str) -> Command:
        return Command(
            *("worker", "--data-dir", str(tmp_path / "data")),
            log=tmp_path / f"{name}.log",
            DATABASE_URL=database_url,
            FRONTDESK_ENCRYPTION_KEY=ENCRYPTION_KEY,
            FRONTDESK_ALLOWED_ADDRESSES="127.0.0.0/8",
        )

    made = await hook()
    await database.execute("UPDATE integrations SET active = true")
    job_id = await accepted(client, maple)
    await database.execute("UPDATE integrations SET active = false")
    await ends(database, job_id, "succeeded")
    receiver.hangs = True
    first = worker("first")
    try:
        await until(lambda: receiver.has(1), seconds=START_SECONDS)
        first.kill()
    finally:
        first.end()
    (lost,) = await deliveries(client, made)
    assert (lost["state"], lost["attempts"]) == ("sending", 1)
    # The time for which it was claimed is over.
    await database.execute(
        "UPDATE webhook_deliveries SET ready_at = clock_timestamp() WHERE id::text = $1", lost["id"]
    )
    receiver.hangs = False
    second = worker("second")
    try:
        await until(lambda: receiver.has(2), seconds=START_SECONDS)

        async def is_recorded() -> bool:
            (one,) = await deliveries(client, made)
            return (one["state"], one["attempts"]) == ("delivered", 2)

        await until(is_recorded)
        assert second.stop() == 0
    finally:
        second.end()
    assert len({(one.id, one.text) for one in receiver.received}) == 1
    assert receiver.received[0].body["data"]["root_job_id"] == str(job_id)
