"""The request limit: slices of a minute that all processes share."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.accounts.limits import NO_LIMIT, RequestLimits
from frontdesk.accounts.repository import AccountRepository
from frontdesk.application import Services
from frontdesk.database.pool import Database
from frontdesk.ids import new_id


class Row:
    """The account's row, shared by several processes' limits; its minute turns on demand."""

    def __init__(self) -> None:
        self.taken = 0
        self.asked = 0
        self.reset = 60.0

    async def take(self, _: UUID, __: str, per_minute: int, want: int) -> tuple[int, int, float]:
        await asyncio.sleep(0)
        self.asked += 1
        granted = max(0, min(want, per_minute - self.taken))
        self.taken += granted
        return granted, per_minute - self.taken, self.reset


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 4), st.integers(0, 800))
def test_no_mix_of_processes_exceeds_the_limit_and_none_is_lost(
    limit: int, processes: int, requests: int
) -> None:
    async def run() -> None:
        row = Row()
        account = new_id()
        all_limits = [RequestLimits(row.take) for _ in range(processes)]
        results = await asyncio.gather(
            *(all_limits[n % processes].take(account, limit) for n in range(requests))
        )
        allowed = sum(result.allowed for result in results)
        assert allowed <= limit
        if processes == 1:
            assert allowed == min(limit, requests)
        assert all(0 <= result.remaining < limit for result in results if result.allowed)

    asyncio.run(run())


async def test_an_exhausted_account_costs_the_database_nothing_until_its_minute_ends() -> None:
    row = Row()
    limits = RequestLimits(row.take)
    account = new_id()
    for _ in range(3):
        await limits.take(account, 2)
    asked = row.asked
    refused = [await limits.take(account, 2) for _ in range(100)]
    assert row.asked == asked
    assert not any(result.allowed for result in refused)
    assert refused[0].reset in (60, 61)


async def test_what_was_taken_in_one_minute_is_void_in_the_next() -> None:
    row = Row()
    limits = RequestLimits(row.take)
    account = new_id()
    row.reset = 0.0  # over as soon as it was taken
    await limits.take(account, 100)
    asked = row.asked
    await limits.take(account, 100)
    assert row.asked == asked + 1


async def test_a_changed_limit_counts_at_once() -> None:
    row = Row()
    limits = RequestLimits(row.take)
    account = new_id()
    assert (await limits.take(account, 100)).limit == 100
    assert not (await limits.take(account, 1)).allowed


async def test_no_limit_never_asks() -> None:
    row = Row()
    result = await RequestLimits(row.take).take(new_id(), None)
    assert result.allowed
    assert result.limit == result.remaining == NO_LIMIT
    assert row.asked == 0


@pytest.mark.parametrize("purpose", ["events", "admin"])
async def test_the_row_turns_its_minute_and_counts_from_new(
    services: Services, database: Database, purpose: str
) -> None:
    account = await services.accounts.create_account("", 10)
    repository = AccountRepository(database)
    granted, left, reset = await repository.take_requests(account.id, purpose, 10, 7)
    assert (granted, left) == (7, 3)
    assert 59 < reset <= 60
    assert (await repository.take_requests(account.id, purpose, 10, 7))[:2] == (3, 0)
    assert (await repository.take_requests(account.id, purpose, 10, 7))[:2] == (0, 0)
    for table in ("request_windows", "purpose_windows"):
        await database.execute(
            f"UPDATE {table} SET started_at = started_at - interval '61 s' WHERE account_id = $1",
            account.id,
        )
    assert (await repository.take_requests(account.id, purpose, 10, 7))[:2] == (7, 3)


@pytest.mark.parametrize("purpose", ["events", "admin"])
async def test_the_row_grants_concurrent_takers_no_more_than_the_limit(
    services: Services, database: Database, purpose: str
) -> None:
    account = await services.accounts.create_account("", 25)
    repository = AccountRepository(database)
    taken = await asyncio.gather(
        *(repository.take_requests(account.id, purpose, 25, 4) for _ in range(20))
    )
    assert sum(granted for granted, _, _ in taken) == 25
