"""Leases that are lost while something of theirs is asked of the database: the worker goes on."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from frontdesk.delivery.worker import Worker
from tests.hazards.conftest import VENDORS, World, running_world


@pytest.fixture
async def held(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[World, Worker]]:
    """A worker that holds an integration, after its first sync."""
    async with running_world(VENDORS[0], database_url, tmp_path) as world:
        worker = world.start_worker()
        await world.synced()
        yield world, worker


async def test_read_that_was_due_is_not_begun_without_its_lease(
    held: tuple[World, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, worker = held
    syncer = worker._syncer
    holdings = dict(worker._holdings)
    assert world.integration_id in holdings

    async def due_and_lost(ids: Sequence[UUID]) -> list[UUID]:
        holdings.clear()
        return list(ids)

    # Whatever the worker itself reads just now.
    monkeypatch.setattr(syncer, "_busy", set())
    monkeypatch.setattr(syncer._runner, "due", due_and_lost)
    begun: list[Any] = []
    await syncer.start_due(holdings, begun.append)
    assert begun == []


async def test_settings_that_changed_are_not_followed_without_the_lease(
    held: tuple[World, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, worker = held
    leases = worker._leases
    load = leases._integrations.load
    kept = dict(leases.holdings)

    async def loaded_and_lost(ids: Sequence[UUID]) -> list[Any]:
        found = await load(ids)
        leases.holdings.clear()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(leases._integrations, "load", loaded_and_lost)
        await world.services.database.execute(
            "UPDATE integrations SET updated_at = clock_timestamp() WHERE id = $1",
            world.integration_id,
        )
        await leases._follow_changes()
    assert leases.holdings == {}
    leases.holdings.update(kept)


async def test_leases_taken_for_a_worker_that_has_begun_anew_are_not_taken_up(
    held: tuple[World, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, worker = held
    leases = worker._leases
    before = leases.holdings[world.integration_id]
    dead = UUID(int=0)
    await leases._take_up(dead, {world.integration_id: before.epoch + 1})
    assert leases.holdings[world.integration_id] is before
