"""Both routes' connectors against their simulators, over a real socket."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.vendors.live import LiveSession, live_session, synced

from frontdesk.vendors.contract import (
    Connector,
    EventIntent,
    Outcome,
    OutcomeKind,
    Plan,
    ReadRefused,
    Record,
    Reference,
    Refused,
    Resident,
)
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.realpage.connector import RealPageConnector
from frontdesk.vendors.realpage_rpx.connector import RealPageRpxConnector

ROUTES: list[Connector] = [RealPageConnector(), RealPageRpxConnector()]
KEYS = {"REALPAGE": ("SITE_ID", "LICENSE_KEY"), "REALPAGE_RPX": ("siteId", "licensekey")}


@dataclass
class Live:
    """A route, a session to its simulator, and its catalog."""

    connector: Connector
    session: LiveSession
    catalog: dict[Model, dict[str, Record]]

    def use(self, **changes: Any) -> None:
        """Other credentials from now on."""
        self.session.use({**self.session.access.credentials, **changes})

    def event(self, x_id: str, text: str, type_id: str = "S000000015") -> EventIntent:
        record = self.catalog[Model.RESIDENTS][x_id]
        resident = Resident("r", record.x_id, record.x_property_id, None, record.leases)
        return EventIntent(
            "create", resident, {"notes": text}, event_type=Reference("t", type_id, None)
        )

    async def send(self, plan: Plan) -> Outcome:
        request = self.connector.request(plan, self.session.access, "1")
        return self.connector.judge(plan, await self.session.call(request))


@pytest.fixture(params=ROUTES, ids=lambda route: route.declaration.vendor)
async def live(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Live]:
    connector: Connector = request.param
    async with live_session(tmp_path, connector.declaration.vendor) as session:
        yield Live(connector, session, await synced(connector, session))


async def test_the_whole_catalog_of_one_site_is_read(live: Live) -> None:
    assert set(live.catalog[Model.PROPERTIES]) == {"7654321"}
    assert len(live.catalog[Model.UNITS]) == 24
    unit = live.catalog[Model.UNITS]["903"].fields
    assert unit["number"]
    assert unit["city"] == "Golden"
    agents = live.catalog[Model.EMPLOYEES]
    assert agents["6001"].fields["roles"] == ["LEASING_AGENT"]
    residents = live.catalog[Model.RESIDENTS]
    assert len(residents) > 48
    assert {lease.x_property_id for r in residents.values() for lease in r.leases} == {"7654321"}
    assert residents["2007"].fields["email_1"] is None
    assert all(lease.move_in for r in residents.values() for lease in r.leases)


async def test_every_status_of_a_lease_is_met_at_some_site(live: Live) -> None:
    site_key, _ = KEYS[live.connector.declaration.vendor]
    met = set()
    for site in ("7654321", "7654322", "7654323"):
        live.use(**{site_key: site})
        catalog = await synced(live.connector, live.session)
        met |= {lease.status for r in catalog[Model.RESIDENTS].values() for lease in r.leases}
    assert met == {"current", "notice", "future", "past", "applicant", "cancelled"}


async def test_an_activity_of_every_type_arrives_and_is_found_again_by_its_trace(
    live: Live,
) -> None:
    for type_id in live.catalog[Model.EVENT_TYPES]:
        plan = live.connector.plan(live.event("2005", f"Kind {type_id}", type_id))
        outcome = await live.send(plan)
        assert (outcome.kind, outcome.x_id) == (OutcomeKind.DELIVERED, None)
        (effect,) = await live.session.sandbox.effects_with(f"Kind {type_id}")
        resident = Resident("", plan.trace.x_resident_id, None, None, ())
        found = await live.connector.read_events(live.session, resident, plan.trace.where)
        (ours,) = [event for event in found if event.text == plan.trace.text]
        assert (ours.x_id, ours.x_type_id) == (effect["x_id"], type_id)


async def test_a_twin_of_a_room_mate_is_not_the_residents(live: Live) -> None:
    plans = [live.connector.plan(live.event(x, "Both said so")) for x in ("2005", "2006")]
    assert plans[0].payload["leaseid"] == plans[1].payload["leaseid"]
    for plan in plans:
        assert (await live.send(plan)).kind is OutcomeKind.DELIVERED
    effects = await live.session.sandbox.effects_with("Both said so")
    for plan, effect in zip(plans, effects, strict=True):
        resident = Resident("", plan.trace.x_resident_id, None, None, ())
        found = await live.connector.read_events(live.session, resident, plan.trace.where)
        assert [e.x_id for e in found if e.text == "Both said so"] == [effect["x_id"]]


async def test_a_resident_with_two_current_leases_is_refused(live: Live) -> None:
    with pytest.raises(Refused) as refused:
        live.connector.plan(live.event("2114", "Which one?"))
    assert [issue.code for issue in refused.value.issues] == ["ambiguous"]


async def test_a_plan_of_another_site_writes_nothing_here(live: Live) -> None:
    event = live.event("2005", "Elsewhere")
    plan = live.connector.plan(event)
    moved = Plan("create", plan.route, {**plan.payload, "site_id": "7654322"}, plan.trace)
    outcome = await live.send(moved)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid")
    assert "not found at site 7654322" in outcome.message
    assert await live.session.sandbox.effects() == []


async def test_a_licence_that_lacks_the_write_is_refused_for_good(live: Live) -> None:
    vendor = live.connector.declaration.vendor
    _, licence = KEYS[vendor]
    plan = live.connector.plan(live.event("2005", "Not allowed"))
    live.use(**{licence: live.session.examples["readonly_license_key"]})
    outcome = await live.send(plan)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "method_not_authorised")


async def test_a_wrong_licence_stops_the_integration_and_not_the_event(live: Live) -> None:
    _, licence = KEYS[live.connector.declaration.vendor]
    plan = live.connector.plan(live.event("2005", "Who are you?"))
    live.use(**{licence: "wrong"})
    assert (await live.send(plan)).kind is OutcomeKind.UNAUTHORISED
    with pytest.raises(ReadRefused) as refused:
        await live.connector.read(live.session, Model.RESIDENTS, None, None)
    assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_fault_that_tells_of_trouble_inside_leaves_it_open(live: Live, status: int) -> None:
    vendor = live.connector.declaration.vendor
    await live.session.sandbox.fault(vendor=vendor, fault="status", status=status)
    plan = live.connector.plan(live.event("2005", "Perhaps"))
    assert (await live.send(plan)).kind is OutcomeKind.UNKNOWN


async def test_at_rpx_one_operation_may_have_a_licence_of_its_own(tmp_path: Path) -> None:
    rpx = RealPageRpxConnector()
    async with live_session(tmp_path, "REALPAGE_RPX") as session:
        live = Live(rpx, session, await synced(rpx, session))
        own = {
            "baseUrl": "https://gateway.rpx.realpage.com/RPXGateway/partner/Own/Own.svc",
            "licensekey": session.examples["writeonly_license_key"],
        }
        live.use(
            licensekey=session.examples["readonly_license_key"],
            method_specific={"addresidentactivitylog": own},
        )
        plan = rpx.plan(live.event("2005", "By its own licence"))
        assert (await live.send(plan)).kind is OutcomeKind.DELIVERED
        events = await rpx.read_events(session, live.event("2005", "?").resident)
        assert "By its own licence" in [event.text for event in events]
