"""AppFolio's connector against its simulator, over a real socket."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from tests.vendors.live import LiveSession, live_session, synced

from frontdesk.vendors.appfolio.connector import AppfolioConnector
from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    Outcome,
    OutcomeKind,
    Plan,
    ReadRefused,
    Resident,
)
from frontdesk.vendors.declaration import Model

CONNECTOR = AppfolioConnector()
FAST = {"throttle_factor": 1_000.0}


def tenant_of(session: LiveSession) -> Resident:
    return Resident("r", session.examples["tenant"], None, None, ())


def note(resident: Resident, text: str) -> Plan:
    return CONNECTOR.plan(EventIntent("create", resident, {"notes": text}))


async def sent(session: LiveSession, plan: Plan, key: str = "") -> tuple[Answer, Outcome]:
    request = CONNECTOR.request(plan, session.access, key or str(uuid4()))
    answer = await session.call(request)
    return answer, CONNECTOR.judge(plan, answer)


async def test_the_whole_catalog_is_read_and_hangs_together(tmp_path: Path) -> None:
    async with live_session(tmp_path, "APPFOLIO") as session:
        found = await synced(CONNECTOR, session)
        examples = session.examples
    assert len(found[Model.PROPERTIES]) >= 3
    assert len(found[Model.UNITS]) >= 60
    assert len(found[Model.RESIDENTS]) >= 120
    for unit in found[Model.UNITS].values():
        assert unit.x_property_id in found[Model.PROPERTIES]
    vacant = {x_id for x_id, unit in found[Model.UNITS].items() if unit.fields["is_vacant"]}
    for resident in found[Model.RESIDENTS].values():
        (lease,) = resident.leases
        assert lease.x_property_id in found[Model.PROPERTIES]
        assert lease.x_unit_id in found[Model.UNITS]
        assert lease.status != "current" or lease.x_unit_id not in vacant
    staff = found[Model.EMPLOYEES]
    assert staff[examples["leasing_agent"]].fields["roles"] == ["LEASING_AGENT"]
    other = staff[examples["staff_without_leasing_agent_role"]]
    assert "LEASING_AGENT" not in other.fields["roles"]
    assert staff[examples["inactive_staff"]].fields["is_active"] is False
    assert found[Model.PROPERTIES][examples["inactive_property"]].fields["is_active"] is False


async def test_a_note_is_written_found_again_and_changed(tmp_path: Path) -> None:
    async with live_session(tmp_path, "APPFOLIO", **FAST) as session:
        tenant = tenant_of(session)
        text = "Dryer broken — Übergabe “ok” <b>&amp;\n2nd line"
        plan = note(tenant, text)
        _, outcome = await sent(session, plan)
        assert outcome.kind is OutcomeKind.DELIVERED, outcome
        (effect,) = await session.sandbox.effects_with(text)
        assert effect["x_id"] == outcome.x_id
        events = await CONNECTOR.read_events(session, tenant, plan.trace.where)
        (event,) = [event for event in events if event.x_id == outcome.x_id]
        assert event.text == plan.trace.text
        assert event.stamped_at is not None

        changed = CONNECTOR.plan(
            EventIntent("update", tenant, {"notes": "Fixed"}, x_event_id=outcome.x_id)
        )
        _, after = await sent(session, changed)
        assert (after.kind, after.x_id) == (OutcomeKind.DELIVERED, outcome.x_id)
        (event,) = await CONNECTOR.read_events(session, tenant, changed.trace.where)
        assert (event.x_id, event.text) == (outcome.x_id, "Fixed")


async def test_a_note_sent_again_under_its_key_is_the_same_note(tmp_path: Path) -> None:
    async with live_session(tmp_path, "APPFOLIO", **FAST) as session:
        plan = note(tenant_of(session), "once")
        _, first = await sent(session, plan, "key")
        replay, again = await sent(session, plan, "key")
        assert replay.headers["idempotent-replayed"] == "true"
        assert again == first
        assert len(await session.sandbox.effects_with("once")) == 1
        _, other = await sent(session, note(tenant_of(session), "another"), "key")
        assert (other.kind, other.code) == (OutcomeKind.REJECTED, "idempotency_mismatch")


async def test_all_of_a_tenants_notes_are_read_and_nobody_elses(tmp_path: Path) -> None:
    async with live_session(tmp_path, "APPFOLIO") as session:
        tenant = Resident("r", session.examples["tenant_with_60_notes"], None, None, ())
        events = await CONNECTOR.read_events(session, tenant)
        assert len({event.x_id for event in events}) == len(events) == 60
        other = Resident("r", session.examples["tenant_without_email"], None, None, ())
        assert len(await CONNECTOR.read_events(session, other)) < 3


async def test_what_the_simulator_refuses_is_judged_as_what_it_is(tmp_path: Path) -> None:
    async with live_session(tmp_path, "APPFOLIO", **FAST) as session:
        nobody = Resident("r", session.examples["unit"], None, None, ())
        _, outcome = await sent(session, note(nobody, "n"))
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "not_found")
        assert outcome.message

        _, outcome = await sent(session, note(tenant_of(session), " "))
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid")

        _, outcome = await sent(session, note(tenant_of(session), "n"), "x" * 257)
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid")

        session.use(session.examples["readonly_credentials"])
        _, outcome = await sent(session, note(tenant_of(session), "n"))
        assert outcome.code == "forbidden"
        wrong = [
            {"clientId": "nobody", "clientSecret": "wrong", "developerId": "sandbox-developer"},
            {**session.access.credentials, "developerId": ""},
        ]
        for credentials in wrong:
            session.use(credentials)
            _, outcome = await sent(session, note(tenant_of(session), "n"))
            assert outcome.kind is OutcomeKind.UNAUTHORISED
            with pytest.raises(ReadRefused) as refused:
                await CONNECTOR.read(session, Model.RESIDENTS, None, None)
            assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED
        assert await session.sandbox.effects() == []


async def test_statuses_on_demand_are_judged(tmp_path: Path) -> None:
    expected = {
        409: OutcomeKind.NOT_NOW,
        429: OutcomeKind.NOT_NOW,
        533: OutcomeKind.NOT_NOW,
        500: OutcomeKind.UNKNOWN,
        502: OutcomeKind.UNKNOWN,
        503: OutcomeKind.UNKNOWN,
        701: OutcomeKind.UNAUTHORISED,
    }
    async with live_session(tmp_path, "APPFOLIO", **FAST) as session:
        for status, kind in expected.items():
            if status == 701:
                await session.sandbox.fault(vendor="APPFOLIO", fault="unauthorised", n=1)
            else:
                await session.sandbox.fault(
                    vendor="APPFOLIO", fault="status", n=1, status=status, retry_after=2
                )
            _, outcome = await sent(session, note(tenant_of(session), "n"))
            assert outcome.kind is kind, outcome
            assert outcome.throttled is (status == 429)
            if kind is OutcomeKind.NOT_NOW:
                assert outcome.retry_after == 2.0


async def test_the_limit_is_told_with_its_wait(tmp_path: Path) -> None:
    async with live_session(tmp_path, "APPFOLIO") as session:
        plans = [note(tenant_of(session), f"n{i}") for i in range(48)]
        outcomes = [o for _, o in await asyncio.gather(*(sent(session, plan) for plan in plans))]
        throttled = [outcome for outcome in outcomes if outcome.throttled]
        assert throttled
        assert {outcome.retry_after for outcome in throttled} == {1.0}
        delivered = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.DELIVERED]
        assert len(delivered) + len(throttled) == len(outcomes)


async def test_no_secret_shows_in_what_a_failed_read_says(tmp_path: Path) -> None:
    async with live_session(tmp_path, "APPFOLIO") as session:
        secrets = CONNECTOR.declaration.secrets_of(session.access.credentials)
        session.use({**session.access.credentials, "clientSecret": "wrong-but-secret"})
        with pytest.raises(ReadRefused) as refused:
            await CONNECTOR.read(session, Model.UNITS, None, None)
        shown = f"{refused.value!r} {refused.value} {Access('https://x', {'clientSecret': 'y'})!r}"
        assert "wrong-but-secret" not in shown
        assert not [secret for secret in secrets if secret in shown]
