"""Every operation of the OpenAPI document, as those who must not: without a token, with a revoked,
an expired and a wrongly-scoped one, and as another account.

Nothing is listed here by hand: an operation is walked because the document has it, and one that
cannot be filled fails (see `walk`).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from frontdesk.accounts.service import SCOPES
from frontdesk.application import Services
from frontdesk.database.pool import Database
from frontdesk.ids import new_id
from tests.api.walk import (
    FIRST,
    Filler,
    Operation,
    Unfilled,
    body_ids,
    operations,
    settled,
    with_value,
)
from tests.conftest import CallerAccount, LiveServer, MakeAccount, session

PUBLIC = {"GET /healthz", "GET /readyz"}
"""What needs no token. One more must be put here by somebody who has thought about it."""

ANY_TOKEN = {"GET /v1/capabilities"}
"""What needs a token and no scope: it tells of vendors, and of no account."""

SECONDS = 30


@pytest.fixture
async def walked(server: LiveServer) -> list[Operation]:
    """The protected operations."""
    async with session(server.url) as client, client.get("/openapi.json") as answer:
        document = await answer.json()
    assert {str(o) for o in operations(document, protected=False)} <= PUBLIC | {"GET /metrics"}
    found = operations(document, protected=True)
    assert len(found) > 50
    return found


@pytest.fixture
async def owner(
    client: aiohttp.ClientSession,
    database: Database,
    account: CallerAccount,
    walked: list[Operation],
) -> Filler:
    filler = await settled(client, database, account)
    filler.by_path = {f"{o.method} {o.path}": o for o in walked}
    return filler


@pytest.fixture
async def other(
    strange_client: aiohttp.ClientSession,
    database: Database,
    stranger: CallerAccount,
    walked: list[Operation],
) -> Filler:
    filler = await settled(strange_client, database, stranger)
    filler.by_path = {f"{o.method} {o.path}": o for o in walked}
    return filler


class Answer:
    """An answer as far as these tests look at it."""

    def __init__(self, status: int, text: str, body: Any) -> None:
        self.status, self.text, self.body = status, text, body

    @property
    def code(self) -> str:
        error = self.body.get("error", {}) if isinstance(self.body, dict) else {}
        return str(error.get("code", ""))

    def __str__(self) -> str:
        return f"{self.status} {self.text[:300]}"


async def ask(
    client: aiohttp.ClientSession, operation: Operation, path: str, body: Any = None, **query: str
) -> Answer:
    sent = {} if body is None else {"json": body}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with client.request(
        operation.method, path, params=query, timeout=timeout, **sent
    ) as answer:
        if answer.content_type == "text/event-stream":
            return Answer(answer.status, "", None)
        text = await answer.text()
        return Answer(answer.status, text, await answer.json() if text else None)


async def test_no_operation_answers_who_has_no_good_token(
    server: LiveServer,
    services: Services,
    account: CallerAccount,
    owner: Filler,
    walked: list[Operation],
) -> None:
    revoked = await services.accounts.create_token(account.id)
    await services.accounts.revoke_token(revoked.token.prefix)
    expired = await services.accounts.create_token(
        account.id, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    wrong: list[str] = []
    texts: set[str] = set()
    for token in (None, revoked.secret, expired.secret, f"fd_{'0' * 12}_{'A' * 43}"):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(server.url, headers=headers) as client:
            for operation in walked:
                answer = await ask(
                    client, operation, await owner.path(operation), owner.body(operation)
                )
                texts.add(answer.text)
                if (answer.status, answer.code) != (401, "unauthenticated"):
                    wrong.append(f"{operation}: {answer}")
    assert wrong == []
    assert len(texts) == 1, "it can be told what was wrong with a token"


async def test_every_operation_asks_for_one_scope_and_no_other_opens_it(
    server: LiveServer, make_account: MakeAccount, walked: list[Operation]
) -> None:
    """With ids that nobody has, so that nothing happens to anybody."""
    tokens = {scope: await make_account(scopes=(scope,)) for scope in SCOPES}
    nothing = await make_account(scopes=())
    wrong: list[str] = []
    for operation in walked:
        path = operation.path
        for name in operation.path_ids:
            path = path.replace(f"{{{name}}}", str(new_id()), 1)
        body: Any = None if operation.content is None else {}
        async with session(server.url, nothing) as client:
            answer = await ask(client, operation, path, body)
        if str(operation) in ANY_TOKEN and answer.status == 200:
            continue
        if (answer.status, answer.code) != (403, "forbidden"):
            wrong.append(f"{operation} without any scope: {answer}")
            continue
        needed = answer.body["error"]["details"]["scope"]
        for scope, caller in tokens.items():
            async with session(server.url, caller) as client:
                answer = await ask(client, operation, path, body)
            if (answer.status == 403) is (scope == needed) or answer.status in (401, 500):
                wrong.append(f"{operation} needs {needed}; with {scope}: {answer}")
    assert wrong == []


async def test_another_accounts_id_in_a_path_is_not_there(
    strange_client: aiohttp.ClientSession, owner: Filler, other: Filler, walked: list[Operation]
) -> None:
    wrong: list[str] = []
    for operation in walked:
        if not operation.path_ids:
            continue
        # The body is the stranger's own, so that nothing but the path can be wrong.
        answer = await ask(
            strange_client, operation, await owner.path(operation), other.body(operation)
        )
        lacking = answer.status == 405 and answer.code == "not_supported"
        if (answer.status, answer.code) != (404, "not_found") and not lacking:
            wrong.append(f"{operation}: {answer}")
        if lacking and other.world(operation) is not None and operation.vendor is None:
            wrong.append(f"{operation} tells whose integration it is: {answer}")
    assert wrong == []


async def test_another_accounts_id_in_a_body_is_an_unknown_reference(
    strange_client: aiohttp.ClientSession, owner: Filler, other: Filler, walked: list[Operation]
) -> None:
    wrong: list[str] = []
    tried = 0
    for operation in walked:
        for path, is_list in body_ids(operation):
            if operation.vendor is not None and other.world(operation) is None:
                continue
            foreign = owner.id_for(path[-1], operation)
            if foreign is None and path[-1] in owner.ids:
                foreign = owner.ids[path[-1]]
            if foreign is None:
                raise Unfilled(f"{operation}: no value is known for the id {'.'.join(path)}")
            value = [foreign] if is_list else foreign
            body = with_value(other.body(operation), path, value)
            answer = await ask(strange_client, operation, await other.path(operation), body)
            tried += 1
            if not _refuses(answer, path):
                wrong.append(f"{operation} {'.'.join(path)}: {answer}")
            if foreign in answer.text.replace(str(value), ""):
                wrong.append(f"{operation} {'.'.join(path)} repeats the id: {answer}")
    assert wrong == []
    assert tried > 10


async def test_another_accounts_id_in_a_filter_finds_nothing(
    client: aiohttp.ClientSession,
    strange_client: aiohttp.ClientSession,
    owner: Filler,
    other: Filler,
    walked: list[Operation],
) -> None:
    wrong: list[str] = []
    found = 0
    for operation in walked:
        for name in operation.id_filters:
            foreign = owner.id_for(name, operation)
            if foreign is None:
                raise Unfilled(f"{operation}: no value is known for the filter {name}")
            path = await other.path(operation)
            answer = await ask(strange_client, operation, path, **{name: foreign})
            if answer.status != 200 or _records(answer.body):
                wrong.append(f"{operation} ?{name}: {answer}")
            mine = await ask(client, operation, await owner.path(operation), **{name: foreign})
            found += mine.status == 200 and bool(_records(mine.body))
    assert wrong == []
    assert found > 10, "the owner finds something by the same filters"


async def test_nothing_of_another_account_shows_where_no_id_is_asked_for(
    server: LiveServer,
    make_account: MakeAccount,
    owner: Filler,
    walked: list[Operation],
) -> None:
    """As an account that has nothing, so that whatever shows is somebody else's."""
    secrets = {
        *owner.ids.values(),
        *(world.integration_id for world in owner.worlds.values()),
        *(value for world in owner.worlds.values() for value in world.ids.values()),
    }
    wrong: list[str] = []
    async with session(server.url, await make_account()) as client:
        for operation in walked:
            if operation.method != "get" or operation.path_ids:
                continue
            answer = await ask(client, operation, operation.path)
            if answer.status != 200 or any(secret in answer.text for secret in secrets):
                wrong.append(f"{operation}: {answer}")
    assert wrong == []


async def test_the_owner_himself_is_answered(
    client: aiohttp.ClientSession, owner: Filler, walked: list[Operation]
) -> None:
    """The same requests by their owner: else the refusals above could be of malformed requests."""
    wrong: list[str] = []
    for operation in walked:
        if operation.vendor is not None and owner.world(operation) is None:
            continue
        answer = await ask(client, operation, await owner.path(operation), owner.body(operation))
        if answer.status not in (200, 204, 409) and answer.code != "not_supported":
            wrong.append(f"{operation}: {answer}")
    assert wrong == []


def _refuses(answer: Answer, path: tuple[str, ...]) -> bool:
    """Whether the id there was refused for what it is; a field that this PMS does not take is refused
    unseen. What answers each of a list by itself is looked at as a whole."""
    refusals = {"unknown_reference", "not_taken"}
    if FIRST in path and answer.status == 200:
        return 'job_id":"' not in answer.text and any(word in answer.text for word in refusals)
    issues = answer.body.get("error", {}).get("details", {}).get("issues", ())
    fields = [part for part in path if part != FIRST]
    named = {
        issue["code"]
        for issue in issues
        if [part for part in issue["path"] if not isinstance(part, int)][: len(fields)] == fields
    }
    return answer.status == 400 and bool(named & refusals)


def _records(body: Any) -> Any:
    results = body["results"]
    return results["logs"] if isinstance(results, dict) and "logs" in results else results
