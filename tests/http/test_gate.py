"""What every request meets first: request id, token, limit, errors, paths."""

import asyncio
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
import structlog
from tests.conftest import (
    CallerAccount,
    LiveServer,
    MakeAccount,
    make_settings,
    session,
    until,
    url_of,
)

from frontdesk.accounts.service import SCOPES
from frontdesk.application import Services, open_services

INTEGRATIONS = "/v1/admin/integrations"


async def test_health_and_readiness_need_no_token(server: LiveServer) -> None:
    async with session(server.url) as client:
        for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
            async with client.get(path) as answer:
                assert answer.status == 200
                assert await answer.json() == {"status": status}


async def test_every_answer_has_its_own_request_id(client: aiohttp.ClientSession) -> None:
    seen = set()
    for path in ("/healthz", INTEGRATIONS, "/v1/nothing", "/nothing", "/openapi.json"):
        async with client.get(path, headers={"x-request-id": "chosen-outside"}) as answer:
            seen.add(answer.headers["x-request-id"])
    assert len(seen) == 5
    assert "chosen-outside" not in seen


async def test_all_bad_tokens_get_the_very_same_answer(
    server: LiveServer, account: CallerAccount, services: Services
) -> None:
    revoked = await services.accounts.create_token(account.id)
    await services.accounts.revoke_token(revoked.token.prefix)
    good = account.token
    headers: list[Any] = [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {good}"},
        {"Authorization": good},
        {"Authorization": f"Bearer {good[:-1]}"},
        {"Authorization": f"Bearer {good[:-3]}AAA"},
        {"Authorization": f"Bearer {good.upper()}"},
        {"Authorization": "Bearer fd_000000000000_" + "A" * 43},
        {"Authorization": f"Bearer {revoked.secret}"},
        {"Authorization": "Bearer " + "x" * 4000},
        {"Authorization": "Bearer \u00e9\u00df"},
        [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
    ]
    bodies = set()
    async with session(server.url) as client:
        for sent in headers:
            async with client.get(INTEGRATIONS, headers=sent) as answer:
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert "x-ratelimit-limit" not in answer.headers
                bodies.add(await answer.text())
    assert len(bodies) == 1
    assert '"unauthenticated"' in bodies.pop()


async def test_the_scheme_is_taken_in_any_case(server: LiveServer, account: CallerAccount) -> None:
    async with (
        session(server.url) as client,
        client.get(INTEGRATIONS, headers={"Authorization": f"bearer {account.token}"}) as answer,
    ):
        assert answer.status == 200


async def test_a_token_without_the_scope_is_forbidden(
    server: LiveServer, make_account: MakeAccount
) -> None:
    caller = await make_account(scopes=tuple(set(SCOPES) - {"admin:write"}))
    async with session(server.url, caller) as client:
        async with client.get(INTEGRATIONS) as answer:
            assert answer.status == 200
        async with client.post(INTEGRATIONS, json={}) as answer:
            assert answer.status == 403
            error = (await answer.json())["error"]
            assert error["code"] == "forbidden"
            assert error["details"] == {"scope": "admin:write"}


async def test_a_revocation_holds_within_a_second_in_every_process(
    server: LiveServer,
    another_server: Callable[..., LiveServer],
    account: CallerAccount,
    services: Services,
) -> None:
    async with (
        session(server.url, account) as one,
        session(another_server().url, account) as other,
    ):
        for client in (one, other):
            async with client.get(INTEGRATIONS) as answer:
                assert answer.status == 200
        await services.accounts.revoke_token(account.token)
        revoked = asyncio.get_running_loop().time()
        for client in (one, other):
            while True:
                asked = asyncio.get_running_loop().time()
                async with client.get(INTEGRATIONS) as answer:
                    if answer.status == 401:
                        break
                assert asked - revoked < 1.0
                await asyncio.sleep(0.02)


async def test_who_guesses_is_not_looked_at_for_a_while_and_learns_nothing(
    another_server: Callable[..., LiveServer], account: CallerAccount, services: Services
) -> None:
    live = another_server(failed_authentications=5)
    fresh = await services.accounts.create_token(account.id)
    expired = await services.accounts.create_token(
        account.id, expires_at=datetime.now(UTC) - timedelta(days=1)
    )

    async def asked(client: aiohttp.ClientSession, token: str | None) -> tuple[int, str]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with client.get(INTEGRATIONS, headers=headers) as answer:
            if answer.status == 429:
                assert 1 <= int(answer.headers["Retry-After"]) <= 60
                assert "x-ratelimit-limit" not in answer.headers
            return answer.status, await answer.text()

    async with session(live.url) as client:
        assert (await asked(client, account.token))[0] == 200
        # Who sends no token guesses none.
        assert {(await asked(client, None))[0] for _ in range(9)} == {401}
        guesses = [f"fd_{fresh.token.prefix}_{n:0>43}" for n in range(8)]
        assert [(await asked(client, guess))[0] for guess in guesses] == [401] * 5 + [429] * 3
        # Nothing tells a token that is good from one that is not, malformed or expired.
        answers = {await asked(client, t) for t in (fresh.secret, expired.secret, "x", guesses[0])}
        assert {status for status, _ in answers} == {429}
        assert len({re.sub(r"\d+ s", "", text) for _, text in answers}) == 1
        # Who was let in before shares the address, perhaps, and goes on.
        assert (await asked(client, account.token))[0] == 200
        await services.accounts.revoke_token(account.token)

        async def shut_out() -> bool:
            return (await asked(client, account.token))[0] in (401, 429)

        assert await until(shut_out)


async def test_administration_and_events_are_limited_apart(
    server: LiveServer, make_account: MakeAccount
) -> None:
    caller = await make_account(limit=2)
    async with session(server.url, caller) as client:
        for path in (INTEGRATIONS, "/v1/events"):
            for expected in (200, 200, 429):
                async with client.get(path) as answer:
                    assert answer.status == expected, path
                    assert answer.headers["x-ratelimit-limit"] == "2"


async def test_a_database_before_the_limits_were_apart_has_one_for_all(
    postgres_url: str, template_database: str
) -> None:
    name = f"t{uuid.uuid4().hex}"
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    services = await open_services(make_settings(), url_of(postgres_url, name), role="command")
    try:
        await services.database.execute(
            "DROP FUNCTION take_requests_for(uuid, text, integer, integer)"
        )
        account = await services.accounts.create_account("", 2)
        made = await services.accounts.create_token(account.id)
        caller = await services.accounts.authenticate(made.secret)
        assert caller is not None
        took = [
            (await services.accounts.count_request(caller, administers=admin)).allowed
            for admin in (True, False, True, False)
        ]
        assert took == [True, True, False, False]
    finally:
        await services.close()
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def test_a_request_is_logged_with_its_tokens_prefix_and_never_with_the_token(
    another_server: Callable[..., LiveServer], account: CallerAccount
) -> None:
    live = another_server(failed_authentications=0)
    prefix = account.token.split("_")[1]
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        async with session(live.url) as client:
            wrong = f"{account.token[:-4]}wxyz"
            async with client.get(INTEGRATIONS, headers={"Authorization": f"Bearer {wrong}"}):
                pass
    (line,) = [line for line in lines if line["event"] == "authentication failed"]
    assert line["token_prefix"] == prefix
    assert line["client"] == "127.0.0.1"
    assert wrong not in str(lines)


async def test_unknown_paths_and_methods_are_told_apart(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/nothing") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"
    async with client.patch(INTEGRATIONS) as answer:
        assert answer.status == 405
        assert (await answer.json())["error"]["code"] == "method_not_allowed"
        assert answer.headers["Allow"] == "GET, POST"
    async with client.post(f"{INTEGRATIONS}/{uuid.uuid4()}") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "DELETE, GET, PUT"


async def test_paths_answer_with_and_without_the_slash_and_never_redirect(
    client: aiohttp.ClientSession,
) -> None:
    for path in (INTEGRATIONS, f"{INTEGRATIONS}/", f"{INTEGRATIONS}/?limit=5"):
        async with client.get(path, allow_redirects=False) as answer:
            assert answer.status == 200
    async with client.get(f"{INTEGRATIONS}//", allow_redirects=False) as answer:
        assert answer.status == 404


async def test_an_unexpected_error_tells_nothing_but_its_request_id(
    server: LiveServer, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the secret inner reason")

    monkeypatch.setattr("frontdesk.integrations.service.IntegrationService.page", broken)
    async with client.get(INTEGRATIONS) as answer:
        assert answer.status == 500
        text = await answer.text()
        error = (await answer.json())["error"]
    assert "secret inner" not in text
    assert error["code"] == "internal"
    assert error["details"] == {"request_id": answer.headers["x-request-id"]}


async def test_a_database_that_is_away_is_503_with_retry_after_and_comes_back(
    server: LiveServer, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from frontdesk.database.pool import CommitUnknown, DatabaseUnavailable

    for error, outcome in (
        (DatabaseUnavailable("away at host.internal"), "not_accepted"),
        (CommitUnknown("lost at host.internal"), "unknown"),
    ):

        async def away(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("frontdesk.integrations.service.IntegrationService.page", away)
            async with client.get(INTEGRATIONS) as answer:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) >= 1
                told = (await answer.json())["error"]
        assert told["code"] == "unavailable"
        assert told["details"] == {"outcome": outcome}
        assert "host.internal" not in told["message"]
    async with client.get(INTEGRATIONS) as answer:
        assert answer.status == 200


async def test_an_account_without_a_limit_gets_the_limit_headers_too(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get(INTEGRATIONS) as answer:
        assert int(answer.headers["x-ratelimit-remaining"]) <= int(
            answer.headers["x-ratelimit-limit"]
        )
        assert int(answer.headers["x-ratelimit-reset"]) >= 1


async def test_the_limit_is_never_exceeded_across_processes(
    server: LiveServer,
    another_server: Callable[..., LiveServer],
    make_account: MakeAccount,
) -> None:
    limit = 40
    caller = await make_account(limit=limit)
    allowed = 0
    refused: list[aiohttp.ClientResponse] = []

    async def call(client: aiohttp.ClientSession) -> None:
        nonlocal allowed
        async with client.get(INTEGRATIONS) as answer:
            assert answer.headers["x-ratelimit-limit"] == str(limit)
            if answer.status == 200:
                allowed += 1
                assert 0 <= int(answer.headers["x-ratelimit-remaining"]) < limit
            else:
                assert (await answer.json())["error"]["code"] == "rate_limited"
                refused.append(answer)

    async with (
        session(server.url, caller) as one,
        session(another_server().url, caller) as other,
    ):
        await asyncio.gather(*(call(client) for _ in range(limit) for client in (one, other)))
    assert allowed == limit
    for answer in refused:
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 61
        assert answer.headers["x-ratelimit-remaining"] == "0"


async def test_from_80_percent_on_answers_are_delayed_where_the_setting_says_so(
    another_server: Callable[..., LiveServer],
    make_account: MakeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("frontdesk.http.gate.SLOW_DOWN_SECONDS", 0.3)
    caller = await make_account(limit=5)
    waited = []
    async with session(another_server(request_limit_slow_down=True).url, caller) as client:
        for _ in range(5):
            before = asyncio.get_running_loop().time()
            async with client.get(INTEGRATIONS) as answer:
                assert answer.status == 200
            waited.append(asyncio.get_running_loop().time() - before)
    assert min(waited[3:]) >= 0.3
    assert min(waited[:3]) < 0.3
