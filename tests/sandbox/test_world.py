"""The seeded community: what tests and demos rely on."""

from __future__ import annotations

from collections import Counter
from datetime import date
from zoneinfo import ZoneInfo

from frontdesk.sandbox.community import Community, Status, build_community

ANCHOR = date(2026, 3, 4)


def community(seed: int = 1) -> Community:
    return build_community(seed, ANCHOR)


def test_the_same_seed_and_day_give_the_same_community_and_another_seed_another() -> None:
    assert community() == community()
    assert community(2) != community()


def test_the_community_has_the_promised_size() -> None:
    seeded = community()
    assert len(seeded.properties) == 4
    assert len({place.timezone for place in seeded.properties}) == 4
    assert len(seeded.units) == 60
    assert len(seeded.residents) == 120
    assert all(ZoneInfo(place.timezone) for place in seeded.properties)


def test_leases_stand_in_every_status() -> None:
    assert {tenancy.status for tenancy in community().tenancies} == set(Status)


def test_everybody_has_a_lease_and_some_have_several_with_ties() -> None:
    seeded = community()
    leases = Counter(r.number for t in seeded.tenancies for r in t.residents)
    assert set(leases) == {resident.number for resident in seeded.residents}
    assert {number for number, count in leases.items() if count > 1} == {
        *range(110, 119),
        120,
    }
    tied = [t for t in seeded.tenancies if seeded.residents[113] in t.residents]
    assert [t.status for t in tied] == [Status.CURRENT, Status.CURRENT]
    assert tied[0].unit.place == tied[1].unit.place
    apart = [t for t in seeded.tenancies if seeded.residents[114] in t.residents]
    assert apart[0].unit.place != apart[1].unit.place


def test_some_residents_have_no_application() -> None:
    seeded = community()
    applied = {r.number for t in seeded.tenancies for r in t.applicants}
    assert set(range(1, 121)) - applied == {3, 4, 9, 20, 40, 60, 80, 111}


def test_staff_are_with_and_without_the_leasing_agent_role_and_one_property_has_one_agent() -> None:
    seeded = community()
    roles = {(e.is_leasing_agent, e.is_active) for e in seeded.employees}
    assert roles == {(True, True), (True, False), (False, True), (False, False)}
    agents = Counter(
        place.number
        for e in seeded.employees
        if e.is_leasing_agent and e.is_active
        for place in e.properties
    )
    assert agents == {1: 3, 2: 2, 3: 1}


def test_people_have_awkward_names_and_one_has_no_email_and_one_no_phone() -> None:
    residents = community().residents
    assert any(not f"{r.first_name}{r.last_name}".isascii() for r in residents)
    assert any("'" in r.last_name for r in residents)
    assert [r.number for r in residents if r.email is None] == [7]
    assert [r.number for r in residents if r.mobile_phone is None] == [8]
    assert len({r.email for r in residents}) == 120
