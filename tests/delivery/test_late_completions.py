"""A worker that comes back from the dead changes nothing but evidence.

It was stopped with a write in its hands; its lease ran out, and whatever its heir has done since, what the
late one has to say is kept on its own attempt and moves nothing: no write, no event, no lease, no lane.
"""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.database.pool import Database
from tests.delivery.world import Hand, World

FATES = st.sampled_from(["delivered", "lost_after", "lost_before", "rejected", "not_now"])
HEIRS = st.sampled_from(
    ["nobody", "taken over", "looked at", "found or sent again", "the same worker, anew"]
)


@pytest.fixture(scope="module")
def runner_and_database(database_url: str) -> Iterator[tuple[asyncio.Runner, Database]]:
    with asyncio.Runner() as runner:
        database = runner.run(Database.connect(database_url, minimum=0, maximum=2))
        yield runner, database
        runner.run(database.close())


@given(
    fates=st.lists(FATES, min_size=1, max_size=3), heir=HEIRS, later=FATES, times=st.integers(1, 2)
)
@settings(max_examples=40)
def test_a_worker_that_lost_its_lease_changes_nothing_but_evidence(
    runner_and_database: tuple[asyncio.Runner, Database],
    fates: list[str],
    heir: str,
    later: str,
    times: int,
) -> None:
    runner, database = runner_and_database
    runner.run(_late(World(database), fates, heir, later, times))


async def _late(world: World, fates: list[str], heir: str, later: str, times: int) -> None:
    await world.open()
    site = next(iter(world.sites.values()))
    late = await world.start_worker()
    for text in ("one", "two"):
        await world.accept(site, 0, text)
    await world.accept(site, 1, "three")
    hands = await world.claim(late, 8)
    assert len(hands) == 2
    for hand, fate in zip(hands, fates, strict=False):
        await world.send(hand, fate, 0.0)
    world.stopped.append(late)
    await world.go_by(11.0)
    if heir == "the same worker, anew":
        # Its heartbeat begins again under the old name: the lease is a new one all the same.
        await world.repository.leave(late, "stopped")
        await world.repository.register(late, 10.0)
        await world.repository.acquire_leases(late)
    elif heir != "nobody":
        await _inherit(world, heir, later)

    holders = [await world.holds(hand) for hand in hands]
    # Where nobody has taken over, nothing has happened yet: what it says counts.
    assert all(holders) == any(holders) == (heir == "nobody")
    for hand in [hand for hand in hands if hand.row is not None] * times:
        await _record(world, hand, moves=heir == "nobody")
    await world.close()


async def _inherit(world: World, heir: str, later: str) -> None:
    worker = await world.start_worker()
    if heir == "taken over":
        return
    await world.go_by(60.0)
    for _ in range(1 if heir == "looked at" else 6):
        for hand in await world.claim(worker, 8):
            if hand.write.state == "reconciling":
                await world.look(hand)
            else:
                await world.send(hand, later, 0.0)
            if heir != "looked at":
                assert await world.record(hand)


async def _record(world: World, hand: Hand, *, moves: bool) -> None:
    before = await world.everything()
    again = hand.recorded
    moved = await world.record(hand)
    assert moved == (moves and not again)
    if moved:
        return
    after = await world.everything()
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    attempt = await world.attempt_of(hand)
    assert changed <= {("attempt", attempt)}
    assert hand.row is not None
    told = await world.database.fetch_row(
        "SELECT outcome, late, x_id FROM attempts WHERE id = $1", attempt
    )
    assert told is not None
    if hand.row["outcome"] in ("delivered", "rejected"):
        # Definite words are kept, to be used before the PMS is asked.
        assert told["outcome"] == hand.row["outcome"]
        assert told["late"] or again
        assert told["x_id"] == hand.row["x_id"]
