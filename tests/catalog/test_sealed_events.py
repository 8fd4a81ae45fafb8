"""Events in the cache whose texts are sealed, were sealed, or are to be: read alike, and never changed
by how they lie there."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
import pytest

from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Database
from frontdesk.vault import Keyring, Texts, Vault
from frontdesk.vendors.contract import FoundEvent
from tests.catalog.test_events import an_own_event
from tests.catalog.world import (
    PaperIntegration,
    a_resident,
    an_event,
    an_integration,
    id_of,
    rows,
    store,
)
from tests.conftest import CallerAccount

KEY = b"0123456789abcdef0123456789abcdef"
OFF = Texts(Vault(KEY))
ON = Texts(Vault(KEY), sealing=True)
ROTATED = Texts(Vault(Keyring([KEY[::-1], KEY])), sealing=True)


@pytest.fixture
async def resident(database: Database, account: CallerAccount) -> tuple[PaperIntegration, UUID]:
    integration = await an_integration(database, account.id)
    await store(database, integration, a_resident("r1"))
    return integration, await id_of(database, integration, "residents", "r1")


async def found(
    database: Database, the: tuple[PaperIntegration, UUID], texts: Texts, *events: FoundEvent
) -> dict[str, Any]:
    """The cache after these events were read by a process with this setting."""
    integration, resident_id = the
    service = CatalogService(database, texts=texts)
    await service.store_found_events(integration.id, resident_id, events)
    return await rows(database, integration, "events")


def raw(row: Mapping[str, Any]) -> str:
    return f"{row['data']} {row['extra']}"


@pytest.mark.parametrize(
    "settings",
    [(ON, ON), (OFF, ON, ON), (ON, OFF, OFF, ON), (ON, ROTATED, ON), (OFF, OFF)],
    ids=["on", "switched on", "off and on", "another key", "off"],
)
async def test_what_is_read_again_is_not_changed_however_it_lies_there(
    database: Database, resident: tuple[PaperIntegration, UUID], settings: tuple[Texts, ...]
) -> None:
    integration, _ = resident
    event = an_event("n1", text="the dog", title="A \u0000 title")
    moved = set()
    for texts in settings:
        kept = await found(database, resident, texts, event)
        moved.add(kept["n1"]["updated_at"])
        if texts.sealing:
            assert "the dog" not in raw(kept["n1"])
        for reading in (ON, OFF, ROTATED):
            service = CatalogService(database, texts=reading)
            known = await service.event(integration.account_id, kept["n1"]["id"])
            if reading is not ROTATED and ROTATED in settings:
                continue  # a process without the new key would not have started
            assert known is not None
            assert (known.data["notes"], known.data["title"]) == ("the dog", "A  title")
    assert len(moved) == 1
    changed = await found(database, resident, settings[-1], an_event("n1", text="the cat"))
    assert changed["n1"]["updated_at"] not in moved


@pytest.mark.parametrize("first", [ON, OFF], ids=["sealed", "clear"])
@pytest.mark.parametrize("second", [ON, OFF], ids=["then sealed", "then clear"])
async def test_an_own_event_keeps_what_its_caller_said_until_the_pms_changes_it(
    database: Database, resident: tuple[PaperIntegration, UUID], first: Texts, second: Texts
) -> None:
    integration, _ = resident
    said = first.seal(integration.account_id, {"notes": "As said"})
    event_id = await an_own_event(database, integration, resident[1], **said)
    service = CatalogService(database, texts=second)
    for texts in (first, second, second):
        kept = await found(database, resident, texts, an_event("n1", text="Reason: As said"))
        event = await service.event(integration.account_id, event_id)
        assert event is not None
        assert event.data["notes"] == "As said"
        moved = kept["n1"]["updated_at"]
    kept = await found(database, resident, second, an_event("n1", text="Reason: As said"))
    assert kept["n1"]["updated_at"] == moved
    await found(database, resident, second, an_event("n1", text="Edited"))
    event = await service.event(integration.account_id, event_id)
    assert event is not None
    assert event.data["notes"] == "Edited"


async def test_many_events_of_one_resident_are_sealed_by_the_next_look(
    database: Database, resident: tuple[PaperIntegration, UUID]
) -> None:
    events = [an_event(f"n{n}", text=f"the dog {n}") for n in range(30)]
    before = await found(database, resident, OFF, *events)
    assert all("the dog" in raw(row) for row in before.values())
    after = await found(database, resident, ON, *reversed(events))
    assert not any("the dog" in raw(row) for row in after.values())
    assert {x: row["updated_at"] for x, row in before.items()} == {
        x: row["updated_at"] for x, row in after.items()
    }
    opened = {x: ON.loads(row["account_id"], row["data"])["notes"] for x, row in after.items()}
    assert opened == {f"n{n}": f"the dog {n}" for n in range(30)}
    assert orjson.loads(after["n1"]["extra"])["found"]["notes"].startswith("frontdesk:sealed:")
