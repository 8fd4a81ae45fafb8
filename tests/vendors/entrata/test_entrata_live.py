"""Entrata's connector against its simulator, over a real socket."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.vendors.entrata.worlds import CALL
from tests.vendors.live import LiveSession, live_session, synced

from frontdesk.vendors.contract import (
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
from frontdesk.vendors.entrata.connector import EntrataConnector
from frontdesk.vendors.entrata.declaration import DECLARATION

CONNECTOR = EntrataConnector()
DOUBLED = datetime(2025, 11, 2, 7, 30, tzinfo=UTC)
DUE = datetime(2026, 5, 4, 17, 0, tzinfo=UTC)
Catalog = dict[Model, dict[str, Record]]


def resident_of(record: Record) -> Resident:
    email = record.fields["email_1"]
    return Resident("r", record.x_id, record.x_property_id, email, record.leases)


def reference(record: Record) -> Reference:
    return Reference("x", record.x_id, None, record.x_property_id, extra=record.extra)


def event(record: Record, type_id: str, **fields: Any) -> EventIntent:
    return EventIntent(
        "create",
        resident_of(record),
        {"event_datetime": DUE, **fields},
        event_type=Reference("t", type_id, None, None, DECLARATION.class_of(type_id)),
    )


async def sent(session: LiveSession, plan: Plan) -> Outcome:
    return CONNECTOR.judge(plan, await session.call(CONNECTOR.request(plan, session.access, "7")))


async def test_the_whole_catalog_is_read_and_hangs_together(tmp_path: Path) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        found = await synced(CONNECTOR, session)
        examples = session.examples
    assert len(found[Model.PROPERTIES]) >= 3
    # four of the sixty belong to a property that is switched off at the PMS and not told
    assert len(found[Model.UNITS]) >= 56
    residents, agents = found[Model.RESIDENTS], found[Model.EMPLOYEES]
    assert len(residents) >= 100
    for unit in found[Model.UNITS].values():
        assert unit.x_property_id in found[Model.PROPERTIES]
        assert unit.fields["number"]
    for record in residents.values():
        assert record.leases
        for lease in record.leases:
            assert lease.x_unit_id in found[Model.UNITS]
            assert lease.x_property_id in found[Model.PROPERTIES]
    without = residents[examples["customer_without_application"]]
    assert all(lease.x_application_id is None for lease in without.leases)
    known = residents[examples["customer"]]
    assert examples["application"] in {lease.x_application_id for lease in known.leases}
    two = residents[examples["customer_current_at_two_properties"]]
    assert len({lease.x_property_id for lease in two.leases if lease.status == "current"}) == 2
    assert examples["leasing_agent"] in agents
    assert examples["staff_without_leasing_agent_role"] not in agents
    assert all(agent.links["x_property_ids"] for agent in agents.values())
    assert set(DECLARATION.classes) <= set(found[Model.EVENT_TYPES])
    for sub_type in found[Model.EVENT_SUB_TYPES].values():
        assert sub_type.links["x_event_type_id"] in found[Model.EVENT_TYPES]
    for result in found[Model.EVENT_RESULTS].values():
        assert set(result.links["x_event_type_ids"]) <= set(found[Model.EVENT_TYPES])


async def test_nobody_gets_the_application_of_his_room_mate(tmp_path: Path) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        residents = (await synced(CONNECTOR, session))[Model.RESIDENTS]
    owners: dict[str, set[str]] = {}
    for record in residents.values():
        for lease in record.leases:
            if lease.x_application_id is not None:
                owners.setdefault(lease.x_application_id, set()).add(record.x_id)
    assert owners
    assert all(len(ids) == 1 for ids in owners.values())


def every_kind(catalog: Catalog, session: LiveSession) -> list[EventIntent]:
    """An event of every kind for the known resident, each with a text of its own."""
    record = catalog[Model.RESIDENTS][session.examples["customer"]]
    agent = reference(catalog[Model.EMPLOYEES][session.examples["leasing_agent"]])
    plain = ("8", "15", "56", "335", "436", "5", "6", "7", "9", "59", "78", "320")
    events = [event(record, x, notes=f"Kind {x}") for x in plain]
    events += [event(record, x, notes=f"Kind {x}", **CALL) for x in ("3", "4")]
    mail = {"email_from": "desk@example.com", "email_subject": "Hi", "email_body": "Dear you"}
    events += [event(record, x, notes=f"Kind {x}", **mail) for x in ("1", "2")]
    slot = {"appointment_datetime": DUE, "time_from": "17:00", "time_to": "17:30"}
    full = event(record, "17", notes="Kind 17", title="T", reasons_for_event="Noise", **slot)
    sub_type = catalog[Model.EVENT_SUB_TYPES]["454"]
    events.append(replace(full, employee=agent, event_sub_type=reference(sub_type)))
    for x in ("5", "6"):
        results = catalog[Model.EVENT_RESULTS].values()
        result = next(r for r in results if x in r.links["x_event_type_ids"])
        text = event(record, x, notes=f"Kind {x} with a result")
        events.append(replace(text, event_result=reference(result)))
    due = event(record, "15", notes="Kind 15 due", appointment_datetime=DUE)
    events.append(replace(due, employee=agent))
    return events


async def test_an_event_of_every_kind_arrives_and_is_found_again_by_its_trace(
    tmp_path: Path,
) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        catalog = await synced(CONNECTOR, session)
        for intent in every_kind(catalog, session):
            plan = CONNECTOR.plan(intent)
            outcome = await sent(session, plan)
            assert outcome.kind is OutcomeKind.DELIVERED, (intent.fields, outcome)
            assert outcome.x_id is None
            (effect,) = await session.sandbox.effects_with(plan.trace.text)
            events = await CONNECTOR.read_events(session, intent.resident, plan.trace.where)
            ours = [e for e in events if e.text == plan.trace.text]
            assert [e.x_id for e in ours] == [effect["x_id"]], plan.route
            assert ours[0].x_type_id == plan.trace.x_type_id
            assert set(ours[0].instants) & set(plan.trace.instants)
        everything = await CONNECTOR.read_events(
            session, resident_of(catalog[Model.RESIDENTS][session.examples["customer"]])
        )
        assert len(everything) >= len(every_kind(catalog, session))


async def test_a_doubled_hour_is_found_again_as_either_instant(tmp_path: Path) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        catalog = await synced(CONNECTOR, session)
        record = catalog[Model.RESIDENTS][session.examples["customer"]]
        for moment in (DOUBLED, DOUBLED + timedelta(hours=1)):
            intent = event(record, "8", notes=f"At {moment:%H:%M}", event_datetime=moment)
            plan = CONNECTOR.plan(intent)
            assert [n.code for n in plan.notices] == ["doubled_local_hour"]
            assert (await sent(session, plan)).kind is OutcomeKind.DELIVERED
            events = await CONNECTOR.read_events(session, intent.resident, plan.trace.where)
            (ours,) = [e for e in events if e.text == plan.trace.text]
            assert ours.instants == plan.trace.instants


async def test_leases_and_applications_are_chosen_or_refused_from_what_was_read(
    tmp_path: Path,
) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        catalog = await synced(CONNECTOR, session)
        residents, examples = catalog[Model.RESIDENTS], session.examples
        without = residents[examples["customer_without_application"]]
        assert CONNECTOR.plan(event(without, "8", notes="n")).route == "lease"
        with pytest.raises(Refused):
            CONNECTOR.plan(event(without, "9", notes="n"))
        for name in ("customer_with_two_current_leases", "customer_current_at_two_properties"):
            with pytest.raises(Refused) as refused:
                CONNECTOR.plan(event(residents[examples[name]], "8", notes="n"))
            assert [issue.code for issue in refused.value.issues] == ["ambiguous"]
        two = residents[examples["customer_current_at_two_properties"]]
        for lease in (lease for lease in two.leases if lease.status == "current"):
            unit = catalog[Model.UNITS][str(lease.x_unit_id)]
            intent = event(two, "8", notes=f"Lease {lease.x_id}")
            plan = CONNECTOR.plan(replace(intent, unit=reference(unit)))
            assert (await sent(session, plan)).kind is OutcomeKind.DELIVERED
        elsewhere = catalog[Model.EMPLOYEES][examples["leasing_agent_of_another_property"]]
        intent = event(residents[examples["customer"]], "17", notes="n")
        with pytest.raises(Refused):
            CONNECTOR.plan(replace(intent, employee=reference(elsewhere)))


async def test_what_the_simulator_refuses_is_judged_as_what_it_is(tmp_path: Path) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        catalog = await synced(CONNECTOR, session)
        record = catalog[Model.RESIDENTS][session.examples["customer"]]
        plan = CONNECTOR.plan(event(record, "8", notes="n"))
        wrong = replace(plan, payload={**plan.payload, "leaseId": 1})
        outcome = await sent(session, wrong)
        assert outcome.kind is OutcomeKind.REJECTED
        assert outcome.message
        wrong = replace(plan, payload={**plan.payload, "propertyId": 1})
        assert (await sent(session, wrong)).kind is OutcomeKind.REJECTED
        session.use({**session.access.credentials, "apiKey": "wrong-key"})
        assert (await sent(session, plan)).kind is OutcomeKind.UNAUTHORISED
        with pytest.raises(ReadRefused) as refused:
            await CONNECTOR.read(session, Model.RESIDENTS, None, None)
        assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED
        assert await session.sandbox.effects() == []


@pytest.mark.parametrize(
    ("fault", "status", "kinds"),
    [
        ("error_in_200", None, {OutcomeKind.REJECTED, OutcomeKind.NOT_NOW}),
        ("unauthorised", None, {OutcomeKind.UNAUTHORISED}),
        ("status", 429, {OutcomeKind.NOT_NOW}),
        ("status", 500, {OutcomeKind.UNKNOWN}),
    ],
)
async def test_faults_on_demand_are_judged(
    tmp_path: Path, fault: str, status: int | None, kinds: set[OutcomeKind]
) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        catalog = await synced(CONNECTOR, session)
        record = catalog[Model.RESIDENTS][session.examples["customer"]]
        asked: dict[str, object] = {"vendor": "ENTRATA", "fault": fault, "n": 1}
        await session.sandbox.fault(**asked, **({"status": status} if status else {}))
        plan = CONNECTOR.plan(event(record, "8", notes="n"))
        outcome = await sent(session, plan)
        assert outcome.kind in kinds, outcome


async def test_the_quota_headers_of_an_answer_are_understood(tmp_path: Path) -> None:
    async with live_session(tmp_path, "ENTRATA") as session:
        catalog = await synced(CONNECTOR, session)
        record = catalog[Model.RESIDENTS][session.examples["customer"]]
        plan = CONNECTOR.plan(event(record, "8", notes="n"))
        answer = await session.call(CONNECTOR.request(plan, session.access, "1"))
        report = CONNECTOR.refined_budget(answer)
        assert report is not None
        declared = {(w.requests, w.seconds) for w in DECLARATION.budget.windows}
        assert {(limit, seconds) for limit, seconds, _, _ in report.windows} == declared
