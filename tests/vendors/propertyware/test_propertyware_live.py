"""Propertyware's connector against its simulator, over a real socket."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.vendors.live import LiveSession, live_session, synced

from frontdesk.vendors.contract import (
    EventIntent,
    Outcome,
    OutcomeKind,
    Plan,
    ReadRefused,
    Record,
    Resident,
    Unaskable,
)
from frontdesk.vendors.declaration import Model
from frontdesk.vendors.propertyware.connector import PropertywareConnector

CONNECTOR = PropertywareConnector()
VENDOR = "PROPERTYWARE"


def resident_of(record: Record) -> Resident:
    email = record.fields["email_1"]
    return Resident("r", record.x_id, record.x_property_id, email, record.leases, record.extra)


def planned(whose: Resident, **fields: Any) -> Plan:
    return CONNECTOR.plan(EventIntent("create", whose, fields))


async def sent(session: LiveSession, plan: Plan) -> Outcome:
    answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
    return CONNECTOR.judge(plan, answer)


async def test_the_whole_catalog_is_read_and_hangs_together(tmp_path: Path) -> None:
    async with live_session(tmp_path, VENDOR) as session:
        found = await synced(CONNECTOR, session)
        known = session.examples
    buildings, units, people = (
        found[model] for model in (Model.PROPERTIES, Model.UNITS, Model.RESIDENTS)
    )
    assert (len(buildings), len(units), len(people)) == (4, 60, 117)
    assert buildings[known["inactive_building"]].fields["is_active"] is False
    assert all(unit.x_property_id in buildings for unit in units.values())
    for person in people.values():
        for lease in person.leases:
            assert lease.x_unit_id in units
            assert lease.x_property_id in buildings
    assert known["prospect"] not in people
    assert known["owner"] not in people
    assert people[known["contact_without_lease"]].leases == ()
    assert people[known["contact_without_email"]].fields["email_1"] is None
    two = people[known["contact_current_at_two_buildings"]]
    assert [lease.status for lease in two.leases] == ["current", "current"]
    counted = [lease.status for person in people.values() for lease in person.leases]
    assert {status: counted.count(status) for status in set(counted)} == {
        "current": 89, "notice": 10, "future": 10, "past": 16,
    }  # fmt: skip
    staff = found[Model.EMPLOYEES]
    assert staff[known["leasing_agent"]].fields["roles"] == ["LEASING_AGENT"]
    assert staff[known["property_manager"]].fields["roles"] == ["PROPERTY_MANAGER"]


async def test_a_note_on_a_lease_is_written_and_found_in_its_residents_name(tmp_path: Path) -> None:
    text = "Dryer broken — Übergabe “ok” <b>&amp;\r\n2nd line"
    async with live_session(tmp_path, VENDOR) as session:
        people = (await synced(CONNECTOR, session))[Model.RESIDENTS]
        whose = resident_of(people[session.examples["contact"]])
        (lease,) = whose.leases
        assert lease.x_id == session.examples["lease"]
        neighbour = resident_of(people["73006"])
        assert neighbour.leases == whose.leases
        moment = datetime(2026, 3, 3, 1, 30, tzinfo=UTC)
        plan = planned(whose, notes=text, event_name="Dryer", event_datetime=moment)
        outcome = await sent(session, plan)
        assert outcome.kind is OutcomeKind.DELIVERED, outcome
        (effect,) = await session.sandbox.effects_with(text)
        assert effect["x_id"] == outcome.x_id
        assert effect["x_resident_id"] == whose.x_id
        assert effect["occurred_at"].startswith("2026-03-03T01:30:00")
        (event,) = await CONNECTOR.read_events(session, whose, plan.trace.where)
        assert (event.x_id, event.text) == (outcome.x_id, text)
        assert event.fields["event_name"] == "Dryer"
        assert event.fields["event_datetime"] == "2026-03-03T00:00:00Z"
        assert await CONNECTOR.read_events(session, neighbour, plan.trace.where) == ()


async def test_a_note_on_a_contact_is_written_and_cannot_be_asked_for(tmp_path: Path) -> None:
    async with live_session(tmp_path, VENDOR) as session:
        people = (await synced(CONNECTOR, session))[Model.RESIDENTS]
        for name in ("contact_without_lease", "contact_with_two_current_leases"):
            plan = planned(resident_of(people[session.examples[name]]), notes=name)
            assert plan.route == "attachNoteToContact"
            outcome = await sent(session, plan)
            (effect,) = await session.sandbox.effects_with(name)
            assert (outcome.kind, outcome.x_id) == (OutcomeKind.DELIVERED, effect["x_id"])
            assert effect["x_resident_id"] == session.examples[name]
            with pytest.raises(Unaskable):
                await CONNECTOR.read_events(
                    session, resident_of(people[session.examples[name]]), plan.trace.where
                )


async def test_all_notes_of_a_busy_lease_are_read(tmp_path: Path) -> None:
    async with live_session(tmp_path, VENDOR) as session:
        people = (await synced(CONNECTOR, session))[Model.RESIDENTS]
        busy = session.examples["lease_with_120_notes"]
        whose = next(
            resident_of(person)
            for person in people.values()
            if [lease.x_id for lease in person.leases] == [busy]
        )
        events = await CONNECTOR.read_events(session, whose)
        assert len({event.x_id for event in events}) == len(events) == 120


async def test_without_rest_keys_tenants_are_known_and_written_to_all_the_same(
    tmp_path: Path,
) -> None:
    async with live_session(tmp_path, VENDOR) as session:
        with_rest = (await synced(CONNECTOR, session))[Model.RESIDENTS]
        session.use(session.examples["soap_only_credentials"])
        found = await synced(CONNECTOR, session)
        assert found[Model.UNITS] == {}
        assert set(found[Model.RESIDENTS]) == set(with_rest)
        for x_id, person in found[Model.RESIDENTS].items():
            known = with_rest[x_id].fields
            differing = {name for name in known if known[name] != person.fields[name]}
            assert differing <= {"leases_meta_data"}, x_id
        whose = resident_of(found[Model.RESIDENTS][session.examples["contact"]])
        outcome = await sent(session, planned(whose, notes="By SOAP alone"))
        assert outcome.kind is OutcomeKind.DELIVERED
        assert await CONNECTOR.read_events(session, whose) == ()


async def test_what_the_simulator_refuses_is_judged_as_what_it_is(tmp_path: Path) -> None:
    async with live_session(tmp_path, VENDOR) as session:
        people = (await synced(CONNECTOR, session))[Model.RESIDENTS]
        whose = resident_of(people[session.examples["contact"]])
        nobody = Resident("r", "99999999", None, None, ())
        nowhere = replace(whose, leases=(replace(whose.leases[0], x_id="99999999"),))
        for unknown in (nobody, nowhere):
            outcome = await sent(session, planned(unknown, notes="n"))
            assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "not_found")
            assert "99999999" in outcome.message
        with pytest.raises(Unaskable, match="99999999"):
            await CONNECTOR.read_events(session, nowhere, {"lease_id": "99999999"})
        session.use(session.examples["readonly_credentials"])
        outcome = await sent(session, planned(whose, notes="n"))
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "forbidden")
        wrong = {**session.access.credentials, "password": "wrong", "clientSecret": "wrong"}
        session.use(wrong)
        outcome = await sent(session, planned(whose, notes="n"))
        assert outcome.kind is OutcomeKind.UNAUTHORISED
        for model in (Model.PROPERTIES, Model.RESIDENTS):
            with pytest.raises(ReadRefused) as refused:
                await CONNECTOR.read(session, model, None, None)
            assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED
        assert await session.sandbox.effects() == []


async def test_statuses_on_demand_are_judged(tmp_path: Path) -> None:
    kinds = {
        401: OutcomeKind.UNAUTHORISED,
        429: OutcomeKind.NOT_NOW,
        500: OutcomeKind.UNKNOWN,
        502: OutcomeKind.UNKNOWN,
        503: OutcomeKind.UNKNOWN,
    }
    async with live_session(tmp_path, VENDOR) as session:
        whose = Resident("r", session.examples["contact"], None, None, ())
        for status, kind in kinds.items():
            for body in ("vendor", "html"):
                await session.sandbox.fault(
                    vendor=VENDOR, fault="status", n=1, status=status, retry_after=2, body=body
                )
                outcome = await sent(session, planned(whose, notes="n"))
                assert outcome.kind is kind, outcome
                assert outcome.throttled is (status == 429)
                assert outcome.retry_after == (2.0 if status == 429 else None)
