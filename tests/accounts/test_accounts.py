"""Accounts and tokens, as operators make them and requests use them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.conftest import make_settings, until

from frontdesk.accounts.service import SCOPES
from frontdesk.application import Services, open_services
from frontdesk.database.pool import Database
from frontdesk.ids import new_id


async def test_a_token_is_shown_once_and_only_its_hash_is_kept(
    services: Services, database: Database
) -> None:
    account = await services.accounts.create_account("Maple", None)
    made = await services.accounts.create_token(account.id, "ours")
    head, prefix, secret = made.secret.split("_", 2)
    assert (head, prefix, len(secret)) == ("fd", made.token.prefix, 43)
    assert made.secret not in repr(made)
    stored = await database.fetch_row("SELECT * FROM tokens WHERE id = $1", made.token.id)
    assert stored is not None
    assert len(stored["digest"]) == 32
    assert secret not in str(dict(stored))


async def test_a_good_token_names_its_account_limit_and_scopes(services: Services) -> None:
    account = await services.accounts.create_account("Maple", 7)
    made = await services.accounts.create_token(account.id, scopes=("events:read",))
    caller = await services.accounts.authenticate(made.secret)
    assert caller is not None
    assert caller.account_id == account.id
    assert caller.token_id == made.token.id
    assert caller.scopes == {"events:read"}
    assert caller.requests_per_minute == 7


async def test_all_scopes_and_150_requests_a_minute_are_the_defaults(services: Services) -> None:
    account = await services.accounts.create_account()
    made = await services.accounts.create_token(account.id)
    assert account.requests_per_minute == 150
    assert made.token.scopes == SCOPES


async def test_an_expired_token_is_refused(services: Services) -> None:
    account = await services.accounts.create_account()
    past = datetime.now(UTC) - timedelta(seconds=1)
    made = await services.accounts.create_token(account.id, expires_at=past)
    assert await services.accounts.authenticate(made.secret) is None


async def test_a_revoked_token_is_refused_at_once_here_by_any_of_its_names(
    services: Services,
) -> None:
    account = await services.accounts.create_account()
    for spelled in ("{prefix}", "fd_{prefix}", "{secret}", "{id}"):
        made = await services.accounts.create_token(account.id)
        assert await services.accounts.authenticate(made.secret) is not None
        reference = spelled.format(prefix=made.token.prefix, secret=made.secret, id=made.token.id)
        revoked = await services.accounts.revoke_token(reference)
        assert revoked is not None
        assert revoked.revoked_at is not None
        assert await services.accounts.authenticate(made.secret) is None


async def test_a_second_revocation_keeps_the_first_time(services: Services) -> None:
    account = await services.accounts.create_account()
    made = await services.accounts.create_token(account.id)
    first = await services.accounts.revoke_token(made.token.prefix)
    assert await services.accounts.revoke_token(made.token.prefix) == first
    assert await services.accounts.revoke_token("000000000000") is None


async def test_the_right_prefix_with_another_secret_is_refused(services: Services) -> None:
    account = await services.accounts.create_account()
    made = await services.accounts.create_token(account.id)
    other = await services.accounts.create_token(account.id)
    mixed = f"fd_{made.token.prefix}_{other.secret.split('_', 2)[2]}"
    assert await services.accounts.authenticate(mixed) is None


async def test_last_use_is_recorded_for_the_whole_token_only(services: Services) -> None:
    account = await services.accounts.create_account()
    made = await services.accounts.create_token(account.id)

    async def last_used() -> datetime | None:
        [token] = await services.accounts.tokens(account.id)
        return token.last_used_at

    await services.accounts.authenticate(f"fd_{made.token.prefix}_{'A' * 43}")
    other = await services.accounts.create_token((await services.accounts.create_account()).id)
    await services.accounts.authenticate(other.secret)

    async def other_used() -> datetime | None:
        [token] = await services.accounts.tokens(other.token.account_id)
        return token.last_used_at

    assert await until(other_used)  # what was noted before it is written by then, too
    assert await last_used() is None
    await services.accounts.authenticate(made.secret)
    assert await until(last_used)


async def test_no_request_waits_for_its_last_use_and_a_stop_writes_it(
    database_url: str, services: Services
) -> None:
    account = await services.accounts.create_account()
    made = await services.accounts.create_token(account.id)
    process = await open_services(make_settings(), database_url, role="command")
    try:
        # The row is locked: whoever wrote it in the request would wait here.
        async with services.database.transaction() as transaction:
            await transaction.execute("SELECT FROM tokens WHERE id = $1 FOR UPDATE", made.token.id)
            async with asyncio.timeout(10):
                assert await process.accounts.authenticate(made.secret) is not None
    finally:
        await process.close()
    [token] = await services.accounts.tokens(account.id)
    assert token.last_used_at is not None


async def test_a_tokens_row_is_written_once_a_minute_over_all_processes(
    database_url: str, services: Services
) -> None:
    account = await services.accounts.create_account()
    made = await services.accounts.create_token(account.id)
    versions = []
    for _ in range(3):
        process = await open_services(make_settings(), database_url, role="command")
        await process.accounts.authenticate(made.secret)
        await process.close()
        versions.append(
            await services.database.fetch_value(
                "SELECT xmin::text FROM tokens WHERE id = $1", made.token.id
            )
        )
    assert len(set(versions)) == 1
    await services.database.execute(
        "UPDATE tokens SET last_used_at = last_used_at - interval '61 seconds' WHERE id = $1",
        made.token.id,
    )
    [before] = await services.accounts.tokens(account.id)
    process = await open_services(make_settings(), database_url, role="command")
    await process.accounts.authenticate(made.secret)
    await process.close()
    [after] = await services.accounts.tokens(account.id)
    assert before.last_used_at is not None
    assert after.last_used_at is not None
    assert after.last_used_at > before.last_used_at


async def test_tokens_are_listed_per_account(services: Services) -> None:
    one = await services.accounts.create_account()
    other = await services.accounts.create_account()
    made = [await services.accounts.create_token(one.id) for _ in range(2)]
    await services.accounts.create_token(other.id)
    assert [t.id for t in await services.accounts.tokens(one.id)] == [m.token.id for m in made]
    assert len(await services.accounts.tokens()) >= 3
    assert {one.id, other.id} <= {account.id for account in await services.accounts.accounts()}


async def test_impossible_orders_are_refused(services: Services) -> None:
    account = await services.accounts.create_account()
    with pytest.raises(ValueError, match="at least 1"):
        await services.accounts.create_account("", 0)
    with pytest.raises(ValueError, match="no scope"):
        await services.accounts.create_token(account.id, scopes=("everything",))
    with pytest.raises(LookupError):
        await services.accounts.create_token(new_id())
