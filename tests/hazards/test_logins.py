"""A PMS counts live tokens: many workers must share one, and only one of them may ask for it."""

import asyncio
from pathlib import Path

from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.delivery.budgets import Budgets, ScopeGate
from frontdesk.delivery.holding import Holding, Scope
from frontdesk.delivery.logins import Logins
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.delivery.stopping import Stopping
from frontdesk.delivery.wire import Wire
from frontdesk.ids import new_id
from frontdesk.outgoing.addresses import AllowedAddresses
from frontdesk.vendors.contract import Answer
from frontdesk.vendors.registry import connector_of, vendors
from tests.hazards.conftest import VENDORS, World, running_world

WITH_LOGIN = next(code for code in VENDORS if vendors()[code].login is not None)
WORKERS = 4

LOOPBACK = AllowedAddresses.parse("127.0.0.0/8")


async def holding_of(world: World) -> Holding:
    """The integration as a worker has it in hand."""
    (integration,) = await world.services.integrations.load([world.integration_id])
    scope = Scope(ScopeGate(8))
    connector, login = connector_of(world.vendor), vendors()[world.vendor].login
    return Holding(new_id(), 1, integration, connector, scope, login)


def logins_of(world: World, wire: Wire) -> Logins:
    """The logins of one more worker."""
    database = world.services.database
    return Logins(
        world.services.integrations.sessions,
        wire,
        Budgets(BudgetRepository(database), 1.0),
        Stopping(DeliveryRepository(database)),
    )


async def test_many_workers_log_in_once_and_replace_a_refused_token_once(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(WITH_LOGIN, database_url, tmp_path) as world:
        holding = await holding_of(world)
        wire = Wire(connections=8, allowed=LOOPBACK)
        workers = [logins_of(world, wire) for _ in range(WORKERS)]

        async def numbers() -> set[int]:
            tokens = await asyncio.gather(
                *(worker.token(holding) for worker in workers for _ in range(3))
            )
            assert len({token.value for token in tokens if token is not None}) == 1
            return {token.number for token in tokens if token is not None}

        assert await numbers() == {1}
        refused = Answer(401, {}, b"")
        assert holding.login is not None
        assert holding.login.refuses(refused)
        old = [await worker.token(holding) for worker in workers]
        outdated = [
            await worker.is_outdated(holding, token, refused)
            for worker, token in zip(workers, old, strict=True)
        ]
        assert outdated == [True] * WORKERS
        assert await numbers() == {2}
        # The successor is refused as well: it is the credentials, and no third login is made.
        newest = await workers[0].token(holding)
        assert not await workers[0].is_outdated(holding, newest, refused)
        await wire.close()


async def test_a_worker_logs_in_after_one_that_died_with_a_refused_token(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(WITH_LOGIN, database_url, tmp_path) as world:
        holding = await holding_of(world)
        wire = Wire(connections=2, allowed=LOOPBACK)
        first = logins_of(world, wire)
        refused = await first.token(holding)
        assert refused is not None
        assert await first.is_outdated(holding, refused, Answer(401, {}, b""))

        async with asyncio.timeout(10):
            token = await logins_of(world, wire).token(holding)

        assert token is not None
        assert token.number == refused.number + 1
        await wire.close()


async def test_a_worker_logs_in_where_the_stored_token_does_not_open(
    database_url: str, tmp_path: Path
) -> None:
    async with running_world(WITH_LOGIN, database_url, tmp_path) as world:
        holding = await holding_of(world)
        wire = Wire(connections=2, allowed=LOOPBACK)
        old = await logins_of(world, wire).token(holding)
        assert old is not None
        await world.services.database.execute("UPDATE pms_sessions SET token = 'of another key'")

        async with asyncio.timeout(10):
            token = await logins_of(world, wire).token(holding)

        assert token is not None
        assert token.number == old.number + 1
        await wire.close()
