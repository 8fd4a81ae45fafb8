"""Who may be sent requests: `/healthz` and `/readyz`, while the process lives, drains, or has no database."""

from collections.abc import Callable

from tests.conftest import LiveServer, make_settings, session
from tests.database.proxy import Proxy

from frontdesk.database.pool import Database
from frontdesk.database.releases import previous_release


async def test_a_draining_process_lives_and_is_not_ready(
    another_server: Callable[..., LiveServer],
) -> None:
    live = another_server()
    async with session(live.url) as client:
        async with client.get("/readyz") as answer:
            assert answer.status == 200
        live.begin_drain()
        async with client.get("/readyz") as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
            assert await answer.json() == {"status": "draining"}
        async with client.get("/healthz") as answer:
            assert answer.status == 200


async def test_without_its_database_a_process_lives_and_is_not_ready(database_url: str) -> None:
    with Proxy(database_url) as proxy:
        live = LiveServer(proxy.url, make_settings(database_patience_seconds=1)).start()
        try:
            async with session(live.url) as client:
                proxy.swallow()
                async with client.get("/readyz") as answer:
                    assert answer.status == 503
                    assert await answer.json() == {"status": "database unavailable"}
                async with client.get("/healthz") as answer:
                    assert answer.status == 200
                proxy.flow()
        finally:
            live.stop()


async def test_a_database_that_was_not_migrated_is_told_apart(
    server: LiveServer, database: Database
) -> None:
    needed = previous_release().schema_version
    taken = await database.fetch(
        "DELETE FROM schema_migrations WHERE version >= $1 RETURNING *", needed
    )
    assert taken
    try:
        async with session(server.url) as client, client.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {"status": "migrations pending"}
    finally:
        for row in taken:
            await database.execute(
                "INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)", *row.values()
            )


async def test_probes_need_no_token_and_cost_no_account_a_request(server: LiveServer) -> None:
    async with session(server.url) as client:
        for path in ("/healthz", "/readyz"):
            async with client.get(path, headers={"Authorization": "Bearer nonsense"}) as answer:
                assert answer.status in (200, 503)
                assert "x-ratelimit-limit" not in answer.headers
        async with client.get("/openapi.json") as answer:
            paths = (await answer.json())["paths"]
    for path in ("/healthz", "/readyz"):
        assert paths[path]["get"]["security"] == []
    told = paths["/readyz"]["get"]["responses"]["503"]
    assert told["content"]["application/json"]["schema"]["required"] == ["status"]
