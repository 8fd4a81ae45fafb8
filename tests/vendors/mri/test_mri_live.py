"""MRI's connector against its simulator, over a real socket."""

from datetime import date
from pathlib import Path

import pytest
from tests.vendors.live import LiveSession, live_session, synced

from frontdesk.vendors.contract import (
    EventIntent,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Reference,
    Resident,
)
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.mri.connector import MriConnector

CONNECTOR = MriConnector()


def resident(session: LiveSession, name: str = "resident") -> Resident:
    return Resident("r", session.examples[name], None, None, ())


def a_note(session: LiveSession, text: str) -> EventIntent:
    return EventIntent(
        "create",
        resident(session),
        {"event_datetime": date(2026, 3, 2), "notes": text, "status": "OPEN"},
        event_type=Reference("t", session.examples["action_code_of_a_note"]),
        employee=Reference("e", session.examples["leasing_agent"]),
        property_timezone="America/Denver",
    )


async def sent(session: LiveSession, intent: EventIntent) -> Outcome:
    plan = CONNECTOR.plan(intent)
    return CONNECTOR.judge(plan, await session.call(CONNECTOR.request(plan, session.access, "1")))


async def test_the_whole_catalog_is_read_and_hangs_together(tmp_path: Path) -> None:
    async with live_session(tmp_path, "MRI") as session:
        found = await synced(CONNECTOR, session)
        examples = session.examples
    assert len(found[Model.PROPERTIES]) >= 3
    assert len(found[Model.UNITS]) == 60
    assert len(found[Model.RESIDENTS]) == 115
    assert examples["resident_who_only_applied"] not in found[Model.RESIDENTS]
    two = found[Model.RESIDENTS][examples["resident_current_at_two_properties"]]
    assert len({lease.x_property_id for lease in two.leases if lease.status == "current"}) == 2
    statuses = {lease.status for r in found[Model.RESIDENTS].values() for lease in r.leases}
    assert statuses == {"current", "notice", "future", "past"}
    staff = found[Model.EMPLOYEES]
    assert staff[examples["leasing_agent_of_two_properties"]].links["x_property_ids"] == [
        "JUN01",
        "LAN01",
    ]
    assert staff[examples["inactive_leasing_agent"]].fields["is_active"] is False
    zones = {place.x_id: place.fields["timezone"] for place in found[Model.PROPERTIES].values()}
    assert zones["JUN01"] == "America/Denver"
    assert zones[examples["inactive_property_without_time_zone"]] is None


async def test_an_action_is_written_found_again_and_changed(tmp_path: Path) -> None:
    async with live_session(tmp_path, "MRI") as session:
        text = "Dryer broken — Übergabe “ok” <b>&amp;\r\n2nd line"
        intent = a_note(session, text)
        plan = CONNECTOR.plan(intent)
        outcome = await sent(session, intent)
        assert outcome.kind is OutcomeKind.DELIVERED, outcome
        (effect,) = await session.sandbox.effects_with(text)
        assert effect["x_id"] == outcome.x_id
        events = await CONNECTOR.read_events(session, resident(session), plan.trace.where)
        (event,) = [event for event in events if event.x_id == outcome.x_id]
        assert event.text == text
        assert event.instants == plan.trace.instants
        assert event.fields["status"] == "OPEN"
        assert event.fields["x_leasing_agent_id"] == session.examples["leasing_agent"]
        fields = {"event_datetime": date(2026, 4, 5), "status": "COMPLETED", "notes": "Fixed"}
        code = Reference("t", session.examples["action_code_of_one_character"])
        changed = await sent(
            session,
            EventIntent(
                "update", resident(session), fields, event_type=code, x_event_id=outcome.x_id
            ),
        )
        assert (changed.kind, changed.x_id) == (OutcomeKind.DELIVERED, outcome.x_id)
        events = await CONNECTOR.read_events(session, resident(session))
        (event,) = [event for event in events if event.x_id == outcome.x_id]
        assert (event.text, event.x_type_id) == ("Fixed", "L")
        assert event.fields["event_datetime"] == "2026-04-05"
        assert event.fields["status"] == "COMPLETED"


async def test_all_actions_of_a_resident_are_read_over_every_page(tmp_path: Path) -> None:
    async with live_session(tmp_path, "MRI") as session:
        busy = resident(session, "resident_with_640_actions")
        events = await CONNECTOR.read_events(session, busy)
    assert len({event.x_id for event in events}) == 640


async def test_every_error_form_leads_to_its_outcome(tmp_path: Path) -> None:
    async with live_session(tmp_path, "MRI") as session:
        intent = a_note(session, "Judged")
        for fault, kind in (
            ({"fault": "error_in_200"}, OutcomeKind.REJECTED),
            ({"fault": "error_in_200", "status": 500}, OutcomeKind.NOT_NOW),
            ({"fault": "error_in_200", "level": "envelope"}, OutcomeKind.UNKNOWN),
            ({"fault": "status", "status": 400}, OutcomeKind.REJECTED),
            ({"fault": "status", "status": 400, "body": "html"}, OutcomeKind.UNKNOWN),
            ({"fault": "unauthorised"}, OutcomeKind.UNAUTHORISED),
            ({"fault": "status", "status": 429}, OutcomeKind.NOT_NOW),
            ({"fault": "status", "status": 500}, OutcomeKind.NOT_NOW),
            ({"fault": "status", "status": 500, "body": "html"}, OutcomeKind.UNKNOWN),
            ({"fault": "status", "status": 503}, OutcomeKind.UNKNOWN),
        ):
            await session.sandbox.fault(vendor="MRI", n=1, **fault)
            assert (await sent(session, intent)).kind is kind, fault
        assert await session.sandbox.effects() == []


async def test_bad_credentials_are_told_from_bad_events(tmp_path: Path) -> None:
    async with live_session(tmp_path, "MRI") as session:
        session.use({**session.access.credentials, "password": "wrong"})
        assert (await sent(session, a_note(session, "x"))).kind is OutcomeKind.UNAUTHORISED
        with pytest.raises(ReadRefused) as refused:
            await CONNECTOR.read(session, Model.PROPERTIES, None, None)
        assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED
