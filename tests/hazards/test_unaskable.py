"""A PMS that refuses to be asked about an uncertain write must not hold its resident for ever."""

from dataclasses import replace
from pathlib import Path

import pytest

from frontdesk.delivery import reconcile
from frontdesk.vendors.registry import connector_of
from tests.hazards.conftest import VENDORS, running_world


async def test_a_write_that_its_pms_refuses_to_be_asked_about_ends_uncertain_and_frees_its_lane(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that can be asked, and has no key of its own to send again under.
    vendor = next(
        code
        for code in VENDORS
        if (declared := connector_of(code).declaration).read_back.possible
        and not declared.idempotency_key
    )
    connector = connector_of(vendor)
    soon = replace(connector.declaration.read_back, late_effect_s=0.5, visible_after_s=0.1)
    declared = replace(connector.declaration, read_back=soon)
    monkeypatch.setattr(type(connector), "declaration", property(lambda _: declared))
    monkeypatch.setattr(reconcile, "REFUSALS_TO_GIVE_UP", 2)
    async with running_world(vendor, database_url, tmp_path) as world:
        world.start_worker()
        await world.synced()
        (resident, *_) = await world.residents()
        await world.fault(fault="status", status=404, n=1000, match={"operation": "read"})
        await world.fault(fault="reset_after_effect", n=1)
        lost = await world.write(resident, "never answered")
        after = await world.write(resident, "the next one")
        end = await world.end_of(lost, seconds=60)
        assert (end["state"], end["error_code"]) == ("uncertain", "outcome_unknown")
        assert "refuses to be asked" in end["errors"][0]["message"]
        assert (await world.end_of(after))["state"] == "succeeded"
        assert len(await world.arrived("never answered")) == 1
