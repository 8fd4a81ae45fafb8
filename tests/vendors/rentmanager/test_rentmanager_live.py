"""Rent Manager's connector and login against the simulator, over a real socket."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.vendors.live import LiveSession, live_session, synced

from frontdesk.vendors.contract import (
    EventIntent,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Record,
    Reference,
    Resident,
)
from frontdesk.vendors.declaration import EventClass, Model
from frontdesk.vendors.rentmanager.connector import RentManagerConnector

CONNECTOR = RentManagerConnector()
WHEN = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)


def reference(record: Record) -> Reference:
    return Reference(
        "c", record.x_id, record.fields["name"], event_class=record.event_class, extra=record.extra
    )


async def outcome_of(session: LiveSession, intent: EventIntent) -> Outcome:
    plan = CONNECTOR.plan(intent)
    answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
    return CONNECTOR.judge(plan, answer)


def tenant(session: LiveSession, name: str = "tenant") -> Resident:
    return Resident("r", session.examples[name], None, None, (), timezone="America/Denver")


async def test_the_whole_catalog_is_read_and_hangs_together(tmp_path: Path) -> None:
    async with live_session(tmp_path, "RENTMANAGER") as session:
        found = await synced(CONNECTOR, session)
        examples = session.examples
    assert {model: len(rows) for model, rows in found.items()} == {
        Model.PROPERTIES: 4,
        Model.UNITS: 60,
        Model.EMPLOYEES: 11,
        Model.EVENT_TYPES: 9,
        Model.RESIDENTS: 120,
    }
    statuses: dict[str, int] = {}
    for resident in found[Model.RESIDENTS].values():
        for lease in resident.leases:
            statuses[lease.status] = statuses.get(lease.status, 0) + 1
            assert lease.x_unit_id in found[Model.UNITS]
            assert lease.x_property_id in found[Model.PROPERTIES]
    assert set(statuses) == {"current", "notice", "future", "past"}
    assert found[Model.RESIDENTS][examples["tenant_without_lease"]].leases == ()
    two = found[Model.RESIDENTS][examples["tenant_current_at_two_properties"]]
    assert len({lease.x_property_id for lease in two.leases if lease.status == "current"}) == 2
    staff = found[Model.EMPLOYEES]
    assert staff[examples["leasing_agent"]].fields["roles"] == ["LEASING_AGENT"]
    assert staff[examples["staff_without_leasing_agent_role"]].fields["roles"] == []
    assert staff[examples["inactive_staff"]].fields["is_active"] is False
    classes = {x_id: record.event_class for x_id, record in found[Model.EVENT_TYPES].items()}
    assert classes[examples["note_category"]] is EventClass.NOTE
    assert classes[examples["call_category"]] is EventClass.CALL_OUT
    assert classes[examples["incoming_call_category"]] is EventClass.CALL_IN
    assert classes[examples["email_category"]] is EventClass.EMAIL_OUT
    assert classes[examples["visit_category"]] is EventClass.VISIT
    assert classes[examples["letter_category"]] is EventClass.OTHER


async def test_each_kind_is_written_found_again_and_changed(tmp_path: Path) -> None:
    async with live_session(tmp_path, "RENTMANAGER") as session:
        found = await synced(CONNECTOR, session)
        who = tenant(session)
        for name in ("note", "call", "email", "visit"):
            kind = reference(found[Model.EVENT_TYPES][session.examples[f"{name}_category"]])
            text = f"Dryer broken — “{name}” <b>&amp;\n2nd line"
            plan = CONNECTOR.plan(
                EventIntent(
                    "create",
                    who,
                    {"notes": text, "event_datetime": WHEN},
                    event_type=kind,
                    property_timezone="America/Denver",
                )
            )
            answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
            outcome = CONNECTOR.judge(plan, answer)
            assert outcome.kind is OutcomeKind.DELIVERED, outcome
            (effect,) = await session.sandbox.effects_with(text)
            assert effect["x_id"] == outcome.x_id
            assert effect["occurred_at"].startswith("2026-03-02T16:30:00")
            for where in (plan.trace.where, None):
                events = await CONNECTOR.read_events(session, who, where)
                (event,) = [event for event in events if event.x_id == outcome.x_id]
                assert (event.text, event.instants) == (text, plan.trace.instants)
                assert (event.x_type_id, event.author) == (kind.x_id, outcome.author)
                assert event.stamped_at is not None
            existing: dict[str, Any] = dict(event.fields)
            changed = EventIntent(
                "update", who, {"notes": "Fixed"}, x_event_id=outcome.x_id, existing=existing
            )
            assert (await outcome_of(session, changed)).x_id == outcome.x_id
            events = await CONNECTOR.read_events(session, who)
            after = {event.x_id: event for event in events}[str(outcome.x_id)]
            assert (after.text, after.instants) == ("Fixed", plan.trace.instants)


async def test_all_of_a_tenants_history_is_read(tmp_path: Path) -> None:
    async with live_session(tmp_path, "RENTMANAGER") as session:
        events = await CONNECTOR.read_events(session, tenant(session, "tenant_with_60_entries"))
        assert len({event.x_id for event in events}) == len(events) == 60


async def test_a_refused_token_is_replaced_and_the_call_repeated(tmp_path: Path) -> None:
    async with live_session(tmp_path, "RENTMANAGER") as session:
        await CONNECTOR.read(session, Model.PROPERTIES, None, None)
        first = session.token
        await session.sandbox.fault(vendor="RENTMANAGER", fault="unauthorised")
        intent = EventIntent("create", tenant(session), {"notes": "once"})
        assert (await outcome_of(session, intent)).kind is OutcomeKind.DELIVERED
        assert session.token != first
        assert len(await session.sandbox.effects_with("once")) == 1


async def test_a_partner_reads_and_writes(tmp_path: Path) -> None:
    async with live_session(tmp_path, "RENTMANAGER") as session:
        session.use(session.examples["partner_credentials"])
        assert (await CONNECTOR.read(session, Model.UNITS, None, None)).records
        intent = EventIntent("create", tenant(session), {"notes": "by a partner"})
        assert (await outcome_of(session, intent)).kind is OutcomeKind.DELIVERED


async def test_what_the_simulator_refuses_is_judged_as_what_it_is(tmp_path: Path) -> None:
    async with live_session(tmp_path, "RENTMANAGER") as session:
        nobody = Resident("r", "99999", None, None, ())
        missing = await outcome_of(session, EventIntent("create", nobody, {"notes": "n"}))
        assert (missing.kind, missing.code) == (OutcomeKind.REJECTED, "not_found")
        odd = Reference("c", session.examples["call_category"], event_class=EventClass.NOTE)
        note = EventIntent("create", tenant(session), {"notes": "n"}, event_type=odd)
        assert (await outcome_of(session, note)).code == "invalid"
        plain = EventIntent("create", tenant(session), {"notes": "n"})
        for who in ("readonly_credentials", "limited_credentials"):
            session.use(session.examples[who])
            refused = await outcome_of(session, plain)
            assert (refused.kind, refused.code) == (OutcomeKind.REJECTED, "forbidden"), who
        for status, kind in (
            (429, OutcomeKind.NOT_NOW),
            (500, OutcomeKind.UNKNOWN),
            (503, OutcomeKind.UNKNOWN),
            (409, OutcomeKind.REJECTED),
        ):
            await session.sandbox.fault(vendor="RENTMANAGER", fault="status", status=status)
            assert (await outcome_of(session, plain)).kind is kind, status
        session.use(session.examples["password_reset_credentials"])
        with pytest.raises(ReadRefused) as refused_login:
            await CONNECTOR.read(session, Model.RESIDENTS, None, None)
        assert refused_login.value.outcome.kind is OutcomeKind.UNAUTHORISED
        assert await session.sandbox.effects() == []


async def test_the_eleventh_login_waits_instead_of_condemning_the_credentials(
    tmp_path: Path,
) -> None:
    async with live_session(tmp_path, "RENTMANAGER") as session:
        for _ in range(10):
            session.token = None
            await CONNECTOR.read(session, Model.PROPERTIES, None, None)
        session.token = None
        with pytest.raises(ReadRefused) as refused:
            await CONNECTOR.read(session, Model.PROPERTIES, None, None)
        assert refused.value.outcome.kind is OutcomeKind.NOT_NOW
        assert refused.value.outcome.retry_after == 60
