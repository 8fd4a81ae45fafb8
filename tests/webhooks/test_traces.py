"""A webhook goes on with the trace of the request that brought the write, if there is one."""

import secrets
from uuid import UUID

import aiohttp
import orjson
import pytest

from frontdesk.application import Services
from frontdesk.database.pool import Database
from frontdesk.tracing.exporting import tracing
from tests.conftest import make_settings, until
from tests.events.world import World
from tests.tracing.collector import taking
from tests.webhooks.conftest import Hook, ends
from tests.webhooks.receiver import Receiver


@pytest.mark.usefixtures("dispatcher")
@pytest.mark.parametrize("sealed", [False, True])
async def test_a_delivery_bears_the_trace_of_its_write_also_where_the_plan_is_sealed(
    sealed: bool,
    client: aiohttp.ClientSession,
    maple: World,
    hook: Hook,
    database: Database,
    services: Services,
    receiver: Receiver,
) -> None:
    await hook()
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
    with taking() as collector, tracing(make_settings(traces=collector.url), "test"):
        body = maple.body()
        async with client.post("/v1/events/residents", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            job_id = UUID((await answer.json())["job_id"])
        if sealed:
            plan = orjson.loads(
                await database.fetch_value("SELECT plan FROM writes WHERE id = $1", job_id)
            )
            await database.execute(
                "UPDATE writes SET plan = $2::jsonb WHERE id = $1",
                job_id,
                orjson.dumps(services.vault.seal_json(job_id, plan)).decode(),
            )
        await ends(database, job_id, "succeeded")
        await until(lambda: receiver.has(1))
    assert receiver.received[0].headers["traceparent"].startswith(f"00-{trace}-")


@pytest.mark.usefixtures("dispatcher")
async def test_without_traces_no_receiver_gets_one_and_keeps_a_header_of_that_name(
    client: aiohttp.ClientSession,
    maple: World,
    hook: Hook,
    database: Database,
    receiver: Receiver,
) -> None:
    await hook(headers=[{"header": "Traceparent", "value": "my-own"}])
    body = maple.body()
    headers = {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
    async with client.post("/v1/events/residents", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        job_id = UUID((await answer.json())["job_id"])
    assert not await database.fetch_value(
        "SELECT plan ? 'traceparent' FROM writes WHERE id = $1", job_id
    )
    await ends(database, job_id, "succeeded")
    await until(lambda: receiver.has(1))
    assert receiver.received[0].headers["traceparent"] == "my-own"
