"""With `FRONTDESK_ENCRYPT_PERSONAL_DATA` the text of a note stands in no attempt in the clear, and its owner
still reads what went over the wire."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from frontdesk.application import open_services
from tests.conftest import make_settings
from tests.hazards.conftest import VENDORS, World, hasten, running_world

TEXT = "the dog of the tenant in 4b"


@pytest.fixture
async def sealing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """One vendor's world, in which attempts are sealed."""
    hasten(VENDORS[0], monkeypatch)
    async with running_world(
        VENDORS[0], database_url, tmp_path, encrypt_personal_data=True
    ) as world:
        world.start_worker()
        await world.synced()
        yield world


async def test_an_attempts_text_is_stored_sealed_and_read_by_its_owner(
    sealing: World, database_url: str
) -> None:
    (resident, *_) = await sealing.residents()
    write = await sealing.write(resident, TEXT)
    assert (await sealing.end_of(write))["state"] == "succeeded"
    database = sealing.services.database
    rows = await database.fetch("SELECT a.id, a.request, a::text AS shown FROM attempts AS a")
    assert len(rows) > 3, "reads are kept too"
    requests = [row["request"] for row in rows if row["request"] is not None]
    assert all(request.startswith('{"sealed": "') for request in requests)
    assert not any("tenant in 4b" in row["shown"] for row in rows)
    assert not any("http://" in row["shown"] for row in rows), "no URL of a read shows, either"
    logs = sealing.services.writes.logs
    opened = [await logs.attempt_data(sealing.account_id, row["id"]) for row in rows]
    assert any(TEXT in str(data["request"]) for data in opened)
    assert all("sealed" not in (data["request"] or {}) for data in opened)

    # Switched off again: what is stored stays readable.
    plain = await open_services(make_settings(), database_url, role="command")
    try:
        (one, *_) = [row["id"] for row in rows if TEXT in str(opened[rows.index(row)])]
        data = await plain.writes.logs.attempt_data(sealing.account_id, one)
        assert TEXT in str(data["request"])
    finally:
        await plain.close()
