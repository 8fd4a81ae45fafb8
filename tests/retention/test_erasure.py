"""Erasure: all that is kept of a resident goes, and the next sync does not bring him back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from frontdesk.vendors.declaration import Model
from tests.conftest import CallerAccount, LiveServer, MakeAccount, session
from tests.events.world import EMAIL, POST, SUPPORTING, World, build
from tests.hazards.conftest import VENDORS, eventually, hasten, running_world
from tests.integrations.world import refused

SECRET = "what Robin said at the desk"


@pytest.fixture
async def world(client: aiohttp.ClientSession, database: Database, account: CallerAccount) -> World:
    return await build(client, database, account.id, SUPPORTING[0])


async def erase(client: aiohttp.ClientSession, resident: str, query: str = "") -> dict[str, Any]:
    async with client.post(f"/v1/admin/residents/{resident}/erase{query}") as answer:
        assert answer.status == 200, await answer.text()
        result: dict[str, Any] = (await answer.json())["result"]
    return result


async def accepted(
    client: aiohttp.ClientSession, body: dict[str, Any], key: str | None = None
) -> str:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with client.post(POST, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        job_id: str = (await answer.json())["job_id"]
    return job_id


async def end(database: Database, job_id: str, state: str = "succeeded") -> None:
    """What the worker would leave of a write: its end, an attempt, and the event in the cache."""
    await database.execute(
        "UPDATE writes SET state = $2, finished_at = now(), ready_at = NULL, attempts = 1,"
        " first_sent_at = now() WHERE id = $1",
        UUID(job_id),
        state,
    )
    await database.execute(
        """INSERT INTO attempts (job_id, account_id, integration_id, job_type, kind, number,
            finished_at, outcome, message, request, answer)
        SELECT id, account_id, integration_id, 'create_resident_event', 'send', 1, now(), 'delivered',
            $2, jsonb_build_object('body', $2::text), jsonb_build_object('body', $2::text)
        FROM writes WHERE id = $1""",
        UUID(job_id),
        SECRET,
    )
    await database.execute(
        """INSERT INTO events (id, account_id, integration_id, vendor, data, resident_id,
            origin_job_id)
        SELECT event_id, account_id, integration_id, vendor, event->'data', resident_id, id
        FROM writes WHERE id = $1""",
        UUID(job_id),
    )


async def tables_that_hold(database: Database, text: str) -> set[str]:
    """Every table with a row that says this somewhere."""
    rows = await database.fetch(
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relkind = 'r'"
    )
    found = set()
    for row in rows:
        name = row["relname"]
        if await database.fetch_value(
            f"SELECT EXISTS (SELECT FROM {name} AS t WHERE strpos(t::text, $1) > 0)", text
        ):
            found.add(name)
    return found


async def test_nothing_that_was_said_of_or_to_a_resident_is_left_in_any_table(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    key = str(new_id())
    body = world.body(notes=SECRET, external_reference=SECRET)
    job_id = await accepted(client, body, key)
    failed = await accepted(client, body)
    other = world.body(resident_id=world.id(Model.RESIDENTS, "42"), notes="of somebody else")
    call = {"events": [body, other, {**body, "resident_id": str(new_id())}]}
    async with client.post(
        f"{POST}/bulk", json=call, headers={"Idempotency-Key": str(new_id())}
    ) as answer:
        in_call = (await answer.json())["results"]
    await end(database, job_id)
    await end(database, failed, "failed")
    await end(database, in_call[0]["job_id"])
    before = await tables_that_hold(database, SECRET)
    assert before == {"writes", "events", "attempts", "idempotency_keys"}
    assert EMAIL in str(await database.fetch("SELECT * FROM residents"))
    result = await erase(client, world.resident)
    assert result == {"erased": True, "events": 3, "writes": 3, "attempts": 3}
    assert await tables_that_hold(database, SECRET) == set()
    assert await tables_that_hold(database, EMAIL) == set()
    # Others are not touched, and what came of the writes is still told.
    assert await tables_that_hold(database, "of somebody else") == {"writes", "idempotency_keys"}
    async with client.get(f"/v1/admin/write-status/{job_id}") as answer:
        assert (await answer.json())["state"] == "succeeded"
    async with client.post(f"/v1/admin/retry-write/{failed}") as answer:
        await refused(answer, 409, "conflict")
    # Neither is he known any more, nor is his key answered for.
    async with client.get(f"/v1/residents/{world.resident}") as answer:
        await refused(answer, 404, "not_found")
    async with client.post(POST, json=body, headers={"Idempotency-Key": key}) as answer:
        await refused(answer, 400, "unknown_reference")
    async with client.post(f"/v1/admin/residents/{world.resident}/erase") as answer:
        await refused(answer, 404, "not_found")


async def test_what_is_sealed_is_erased_like_what_is_not(
    another_server: Callable[..., LiveServer], database: Database, account: CallerAccount
) -> None:
    async with session(another_server(encrypt_personal_data=True).url, account) as client:
        world = await build(client, database, account.id, SUPPORTING[0])
        body = world.body(notes=SECRET)
        other = world.body(resident_id=world.id(Model.RESIDENTS, "42"), notes="of nobody of his")
        job_id = await accepted(client, body, str(new_id()))
        call, key = {"events": [body, other]}, {"Idempotency-Key": str(new_id())}
        async with client.post(f"{POST}/bulk", json=call, headers=key) as answer:
            in_call = (await answer.json())["results"]
        for job in (job_id, in_call[0]["job_id"]):
            await end(database, job)
        assert await tables_that_hold(database, "of nobody of his") == set()
        of_call = "answer->'results'->0->'data'->>'notes'"
        sealed = [
            text
            for statement in (
                "SELECT input->>'notes' FROM writes WHERE account_id = $1",
                "SELECT plan->>'sealed' FROM writes WHERE account_id = $1",
                "SELECT data->>'notes' FROM events WHERE account_id = $1",
                f"SELECT {of_call} FROM idempotency_keys WHERE account_id = $1",
                "SELECT answer->'data'->>'notes' FROM idempotency_keys WHERE account_id = $1",
            )
            for row in await database.fetch(statement, account.id)
            if (text := row[0]) is not None
        ]
        assert len(sealed) == 10
        await erase(client, world.resident)
        left = [text for text in sealed if await tables_that_hold(database, text)]
        assert len(left) == 2, "the other resident's write: what was given, and its plan"
        async with client.post(f"{POST}/bulk", json=call, headers=key) as answer:
            first, second = (await answer.json())["results"]
        assert first["erased"]
        assert second["data"]["notes"] == "of nobody of his"


async def test_an_unfinished_write_refuses_it_and_can_be_cancelled_but_not_while_it_is_out(
    client: aiohttp.ClientSession, database: Database, world: World
) -> None:
    out, waiting = await accepted(client, world.body()), await accepted(client, world.body())
    scheduled = await accepted(client, world.body(send_at="2199-01-01T00:00:00Z"))
    path = f"/v1/admin/residents/{world.resident}/erase"
    async with client.post(path) as answer:
        await refused(answer, 409, "conflict")
    await database.execute("UPDATE writes SET state = 'sending' WHERE id = $1", UUID(out))
    async with client.post(f"{path}?cancel=true") as answer:
        await refused(answer, 409, "conflict")
        assert (await answer.json())["error"]["details"]["job_ids"] == [out]
    rows = await database.fetch(
        "SELECT id::text, state FROM writes WHERE integration_id = $1", UUID(world.integration_id)
    )
    states = {row["id"]: row["state"] for row in rows}
    assert states == {out: "sending", waiting: "cancelled", scheduled: "cancelled"}
    await end(database, out)
    assert (await erase(client, world.resident, "?cancel=true"))["writes"] == 3


async def test_it_is_the_owners_and_needs_the_scope(
    server: LiveServer,
    client: aiohttp.ClientSession,
    make_account: MakeAccount,
    stranger: CallerAccount,
    world: World,
) -> None:
    path = f"/v1/admin/residents/{world.resident}/erase"
    async with session(server.url, stranger) as other, other.post(path) as answer:
        await refused(answer, 404, "not_found")
    reader = await make_account(scopes=("admin:read", "events:write"))
    async with session(server.url, reader) as other, other.post(path) as answer:
        await refused(answer, 403, "forbidden")
    async with client.post(f"{path}?cancel=yes") as answer:
        await refused(answer, 400, "invalid_request")
    async with client.post("/v1/admin/residents/nobody/erase") as answer:
        await refused(answer, 404, "not_found")


async def test_the_next_sync_brings_everybody_back_but_him(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasten(VENDORS[0], monkeypatch)
    async with running_world(VENDORS[0], database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        database = world.services.database
        gone, stays = (await world.residents())[:2]
        x_id = await database.fetch_value("SELECT x_id FROM residents WHERE id = $1", gone)
        count = "SELECT count(*) FROM residents WHERE integration_id = $1"
        before = await database.fetch_value(count, world.integration_id)
        write = await world.write(gone, "before the erasure")
        assert (await world.end_of(write))["state"] == "succeeded"
        await world.services.erasure.erase(world.account_id, gone, cancel=False)
        # The other is gone as well, without having been erased: the sync has to bring him back.
        stays_x_id = await database.fetch_value(
            "DELETE FROM residents WHERE id = $1 RETURNING x_id", stays
        )
        await world.services.catalog.manual_sync(
            world.account_id, world.integration_id, ["residents"], []
        )

        async def is_back() -> bool:
            return bool(
                await database.fetch_value(
                    "SELECT EXISTS (SELECT FROM residents WHERE integration_id = $1 AND x_id = $2)",
                    world.integration_id,
                    stays_x_id,
                )
            )

        await eventually(is_back, seconds=60)

        async def is_read() -> bool:
            return bool(
                await database.fetch_value(
                    "SELECT NOT EXISTS (SELECT FROM read_jobs WHERE integration_id = $1"
                    " AND job_type IN ('sync', 'sync_residents') AND finished_at IS NULL)",
                    world.integration_id,
                )
            )

        await eventually(is_read, seconds=60)
        assert await database.fetch_value(count, world.integration_id) == before - 1
        assert not await database.fetch_value(
            "SELECT EXISTS (SELECT FROM residents WHERE integration_id = $1 AND x_id = $2)",
            world.integration_id,
            x_id,
        )
        kept = await database.fetch_value(
            "SELECT array_agg(name) FROM erased_residents WHERE integration_id = $1",
            world.integration_id,
        )
        assert len(kept) == 1
        assert x_id not in kept[0]
