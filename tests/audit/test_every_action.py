"""Every operation of the OpenAPI document that changes something leaves its entry in the trail.

Nothing is listed here by hand but what is no administrator's action, with the reason: a new operation
is walked because the document has it.
"""

from typing import Any
from uuid import UUID

import aiohttp
import orjson

from frontdesk.application import Services
from frontdesk.database.pool import Database
from tests.api.walk import Operation, operations, settled
from tests.conftest import CallerAccount, LiveServer, MakeAccount, session
from tests.events.world import POST, typed

NO_ADMIN_ACTION = {
    "/v1/events/residents": "an event is accepted: the write itself is the record of it, for as long "
    "as writes are kept, and its answer bears the job's id",
}
"""Where a path begins with this, or is this: what its operations do is no administrator's action."""


def is_admin_action(operation: Operation) -> bool:
    """Whether an operation changes what an administrator answers for."""
    exempt = any(
        operation.path == head or operation.path.startswith(f"{head}/") for head in NO_ADMIN_ACTION
    )
    return operation.method != "get" and not exempt


async def test_every_operation_that_changes_something_is_in_the_trail(
    server: LiveServer, services: Services, database: Database, make_account: MakeAccount
) -> None:
    async with session(server.url) as client, client.get("/openapi.json") as answer:
        document = await answer.json()
    walked = [one for one in operations(document, protected=True) if is_admin_action(one)]
    assert len(walked) > 10
    wrong: list[str] = []
    for operation in walked:
        # Each on an account of its own: what one operation ends, the next may need.
        account = await make_account()
        (token,) = await services.accounts.tokens(account.id)
        async with session(server.url, account) as client:
            filler = await settled(client, database, account)
            filler.by_path = {f"{one.method} {one.path}": one for one in walked}
            await database.execute(
                "UPDATE webhooks SET active = true WHERE account_id = $1", account.id
            )
            if operation.method == "delete":
                # What ends a write needs one that has not ended.
                body = filler.worlds[typed().declaration.vendor].body()
                filler.ids["job_id"] = (await _said(client, POST, body))["job_id"]
            path, body = await filler.path(operation), filler.body(operation)
            if isinstance(body, dict) and body.get("dry_run"):
                # The example only asks; whatever there is, is meant.
                body |= {"dry_run": False, "filter": {"time_range": "day"}}
            sent: Any = {} if body is None else {"json": body}
            async with client.request(operation.method, path, **sent) as answer:
                text = await answer.text()
                request_id = answer.headers["X-Request-Id"]
                if answer.status != 200:
                    wrong.append(f"{operation} did nothing: {answer.status} {text[:300]}")
                    continue
        found = await database.fetch(
            "SELECT * FROM admin_actions WHERE account_id = $1 AND request_id = $2",
            account.id,
            request_id,
        )
        if not found:
            wrong.append(f"{operation} left no entry")
        for row in found:
            who = (row["actor"], row["client"])
            if who != (token.prefix, "127.0.0.1"):
                wrong.append(f"{operation} was put down as done by {who}")
            if row["subject_type"] != row["action"].partition(".")[0] or not row["subject_id"]:
                wrong.append(f"{operation} was put down as done to nothing: {row['action']}")
            wrong += [f"{operation} shows {secret!r}" for secret in _secrets(text, row)]
    assert wrong == []


async def test_asking_for_a_check_that_runs_already_changes_nothing(
    client: aiohttp.ClientSession, database: Database, account: CallerAccount
) -> None:
    filler = await settled(client, database, account)
    integration_id = filler.worlds[typed().declaration.vendor].integration_id
    path = f"/v1/admin/integrations/{integration_id}/data-access"
    for _ in range(2):
        async with client.post(path) as answer:
            assert answer.status == 200, await answer.text()
    assert (
        await database.fetch_value(
            "SELECT count(*) FROM admin_actions "
            "WHERE action = 'integration.check_data_access' AND subject_id = $1",
            str(UUID(integration_id)),
        )
        == 1
    )


def _secrets(answer: str, row: Any) -> list[str]:
    """What the answer calls a secret, where the entry holds it as well."""
    entry = f"{row['before']} {row['after']}"
    shown = orjson.loads(answer)
    result = shown.get("result") if isinstance(shown, dict) else None
    secret = result.get("secret") if isinstance(result, dict) else None
    return [secret] if secret and secret in entry else []


async def _said(client: aiohttp.ClientSession, path: str, body: Any) -> Any:
    async with client.post(path, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()
