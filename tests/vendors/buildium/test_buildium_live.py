"""Buildium's connector against its simulator, over a real socket."""

from pathlib import Path

import pytest
from tests.vendors.live import live_session, synced

from frontdesk.vendors.buildium.connector import BuildiumConnector
from frontdesk.vendors.contract import EventIntent, OutcomeKind, ReadRefused, Record, Resident
from frontdesk.vendors.declaration import Model

CONNECTOR = BuildiumConnector()


def resident_of(record: Record) -> Resident:
    email = record.fields["email_1"]
    return Resident("r", record.x_id, record.x_property_id, email, record.leases)


async def test_the_whole_catalog_is_read_and_hangs_together(tmp_path: Path) -> None:
    async with live_session(tmp_path, "BUILDIUM") as session:
        found = await synced(CONNECTOR, session)
        examples = session.examples
    assert len(found[Model.PROPERTIES]) >= 3
    assert len(found[Model.UNITS]) >= 60
    assert len(found[Model.RESIDENTS]) >= 120
    for unit in found[Model.UNITS].values():
        assert unit.x_property_id in found[Model.PROPERTIES]
    for resident in found[Model.RESIDENTS].values():
        for lease in resident.leases:
            assert lease.x_unit_id in found[Model.UNITS]
            assert lease.x_property_id in found[Model.PROPERTIES]
    assert found[Model.RESIDENTS][examples["tenant_without_lease"]].leases == ()
    two = found[Model.RESIDENTS][examples["tenant_current_at_two_properties"]]
    assert len({lease.x_property_id for lease in two.leases if lease.status == "current"}) == 2
    staff = found[Model.EMPLOYEES]
    assert staff[examples["leasing_agent"]].fields["roles"] == ["LEASING_AGENT"]
    other = staff[examples["staff_without_leasing_agent_role"]]
    assert "LEASING_AGENT" not in other.fields["roles"]
    assert staff[examples["inactive_staff"]].fields["is_active"] is False


async def test_a_note_is_written_found_again_and_changed(tmp_path: Path) -> None:
    async with live_session(tmp_path, "BUILDIUM") as session:
        tenant = Resident("r", session.examples["tenant"], None, None, ())
        text = "Dryer broken — Übergabe “ok” <b>&amp;\n2nd line"
        plan = CONNECTOR.plan(EventIntent("create", tenant, {"notes": text}))
        answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
        outcome = CONNECTOR.judge(plan, answer)
        assert outcome.kind is OutcomeKind.DELIVERED, outcome
        (effect,) = await session.sandbox.effects_with(text)
        assert effect["x_id"] == outcome.x_id
        events = await CONNECTOR.read_events(session, tenant, plan.trace.where)
        (event,) = [event for event in events if event.x_id == outcome.x_id]
        assert event.text == plan.trace.text
        assert event.stamped_at is not None
        assert event.author is not None

        changed = CONNECTOR.plan(
            EventIntent("update", tenant, {"notes": "Fixed"}, x_event_id=outcome.x_id)
        )
        answer = await session.call(CONNECTOR.request(changed, session.access, "2"))
        assert CONNECTOR.judge(changed, answer).x_id == outcome.x_id
        events = await CONNECTOR.read_events(session, tenant)
        assert {event.x_id: event.text for event in events}[str(outcome.x_id)] == "Fixed"


async def test_all_of_a_tenants_notes_are_read(tmp_path: Path) -> None:
    async with live_session(tmp_path, "BUILDIUM") as session:
        tenant = Resident("r", session.examples["tenant_with_60_notes"], None, None, ())
        events = await CONNECTOR.read_events(session, tenant)
        assert len({event.x_id for event in events}) == len(events) == 60


async def test_what_the_simulator_refuses_is_judged_as_what_it_is(tmp_path: Path) -> None:
    async with live_session(tmp_path, "BUILDIUM") as session:
        unknown = Resident("r", "99999999", None, None, ())
        known = Resident("r", session.examples["tenant"], None, None, ())
        plan = CONNECTOR.plan(EventIntent("create", unknown, {"notes": "n"}))
        answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
        outcome = CONNECTOR.judge(plan, answer)
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "not_found")
        assert outcome.message

        plan = CONNECTOR.plan(EventIntent("create", known, {"notes": "n"}))
        session.use(session.examples["readonly_credentials"])
        answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
        assert CONNECTOR.judge(plan, answer).code == "forbidden"
        session.use({"clientId": "nobody", "secret": "wrong"})
        answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
        assert CONNECTOR.judge(plan, answer).kind is OutcomeKind.UNAUTHORISED
        with pytest.raises(ReadRefused) as refused:
            await CONNECTOR.read(session, Model.RESIDENTS, None, None)
        assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED
        assert await session.sandbox.effects() == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, OutcomeKind.NOT_NOW),
        (503, OutcomeKind.NOT_NOW),
        (500, OutcomeKind.UNKNOWN),
        (502, OutcomeKind.UNKNOWN),
    ],
)
async def test_statuses_on_demand_are_judged(
    tmp_path: Path, status: int, kind: OutcomeKind
) -> None:
    async with live_session(tmp_path, "BUILDIUM") as session:
        await session.sandbox.fault(
            vendor="BUILDIUM", fault="status", n=1, status=status, retry_after=2
        )
        tenant = Resident("r", session.examples["tenant"], None, None, ())
        plan = CONNECTOR.plan(EventIntent("create", tenant, {"notes": "n"}))
        answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
        outcome = CONNECTOR.judge(plan, answer)
        assert outcome.kind is kind, outcome
        assert outcome.throttled is (status == 429)
        if kind is OutcomeKind.NOT_NOW:
            assert outcome.retry_after == 2.0
