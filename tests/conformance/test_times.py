"""What every connector must do with a time: carry it over both edges of daylight saving, say what
its wire loses, and recognise it when it is read back.

A wire shows an instant in UTC, on a wall clock without an offset, or as a day. What two instants
may share on the wire is exactly what that clock shows alike: the hour that autumn repeats, or a day.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations, pairwise
from zoneinfo import ZoneInfo

import pytest

from frontdesk.delivery.matching import Known, find, matches
from frontdesk.vendors.contract import Plan
from frontdesk.vendors.declaration import TimeRule
from frontdesk.vendors.times import from_wall_clock
from tests.conformance.pms import TIMEZONE, Draft, Pms, Untakeable

ZONES = ("America/Denver", "America/New_York", "America/Los_Angeles", "America/Phoenix")
LOST_TIME = "time_of_day_dropped"
DOUBLED = "doubled_local_hour"

# Whole minutes: some wires keep no seconds of an appointment.
_AROUND = [timedelta(minutes=m) for m in (-120, -61, -60, -30, -1, 0, 1, 30, 59, 60, 61, 120)]


@cache
def edges(zone: str) -> Sequence[datetime]:
    """Instants around both changes of 2026 in the zone; around those of Denver where it has none."""
    place = ZoneInfo(zone)
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(8760)]
    changes = [
        later
        for earlier, later in pairwise(hours)
        if earlier.astimezone(place).utcoffset() != later.astimezone(place).utcoffset()
    ]
    if not changes:
        return edges("America/Denver")
    assert len(changes) == 2
    return [change + apart for change in changes for apart in _AROUND]


def clock_of(pms: Pms, zone: str) -> ZoneInfo:
    """The clock that the vendor's wire shows at a property in this zone."""
    return ZoneInfo(
        {
            TimeRule.UTC: "UTC",
            TimeRule.MOUNTAIN: "America/Denver",
            TimeRule.PROPERTY_LOCAL: zone,
            TimeRule.NONE: "UTC",
        }[pms.declaration.time]
    )


def drafted(pms: Pms, field: str = "event_datetime", notes: str = "At the edge") -> Draft:
    """An event with this time. Skips where the vendor takes none."""
    if field not in pms.operation().fields:
        pytest.skip(f"this PMS takes no {field}")
    _, draft = pms.plan_with([field, "notes"])
    draft.fields["notes"] = notes
    return draft


def at(pms: Pms, draft: Draft, instant: datetime, zone: str, field: str = "event_datetime") -> Plan:
    """The plan of the event at this instant, given in an offset that is nobody's own."""
    odd = instant.astimezone(ZoneInfo("Asia/Kathmandu"))
    draft.fields[field] = odd.isoformat()
    return pms.planned(draft, zone)


def codes(plan: Plan, field: str = "event_datetime") -> set[str]:
    return {notice.code for notice in plan.notices if notice.field == field}


async def test_the_instants_of_a_trace_are_all_that_the_wire_can_mean(pms: Pms) -> None:
    draft = drafted(pms)
    for zone in ZONES:
        clock = clock_of(pms, zone)
        for instant in edges(zone):
            plan = at(pms, draft, instant, zone)
            shown = instant.astimezone(clock)
            told = codes(plan)
            if LOST_TIME in told:
                days = {read.astimezone(clock).date() for read in plan.trace.instants}
                assert days <= {shown.date()}, (instant, zone)
                continue
            same = set(from_wall_clock(shown.replace(tzinfo=None, fold=0), clock))
            assert instant in same
            assert not plan.trace.instants or set(plan.trace.instants) == same, (instant, zone)
            # Nobody is warned for nothing, and nobody is left to find out.
            assert (DOUBLED in told) is (len(same) == 2), (instant, zone)


@pytest.mark.parametrize("field", ["event_datetime", "appointment_datetime"])
async def test_two_times_are_one_on_the_wire_only_where_its_clock_shows_them_alike(
    pms: Pms, field: str
) -> None:
    draft = drafted(pms, field)
    for zone in ZONES:
        clock = clock_of(pms, zone)
        plans = {instant: at(pms, draft, instant, zone, field) for instant in edges(zone)}
        sent = {instant: pms.request(plan) for instant, plan in plans.items()}
        for one, other in combinations(plans, 2):
            shown = [instant.astimezone(clock).replace(tzinfo=None) for instant in (one, other)]
            same = sent[one] == sent[other]
            if LOST_TIME in codes(plans[one], field) | codes(plans[other], field):
                # What is lost may be lost here, or over there.
                assert shown[0].date() == shown[1].date() or not same, (zone, one, other)
            else:
                assert same is (shown[0] == shown[1]), (zone, one, other)


async def test_a_record_at_an_edge_is_found_again_and_no_other_time_is_taken_for_it(
    pms: Pms,
) -> None:
    instants = edges(TIMEZONE)
    plans: dict[datetime, Plan] = {}
    for number, instant in enumerate(instants):
        draft = drafted(pms, notes=f"At the edge, number {number}")
        plans[instant] = at(pms, draft, instant, TIMEZONE)
    for plan in plans.values():
        await pms.send(plan)
    where = plans[instants[0]].trace.where
    events = await pms.connector.read_events(pms.session, pms.resident_of(draft), where)
    for instant, plan in plans.items():
        event = find(plan.trace, events, Known((), None))
        assert event is not None, instant
        for other in plans.values():
            # The words apart, only the time can tell them apart.
            apart = not set(other.trace.instants) & set(plan.trace.instants)
            reworded = replace(other.trace, text=plan.trace.text)
            if apart and event.instants and LOST_TIME not in codes(plan):
                assert not matches(reworded, event), (instant, other.trace.instants)


async def test_a_time_without_a_known_zone_is_refused_or_warned_about(pms: Pms) -> None:
    draft = drafted(pms)
    instant = datetime(2026, 5, 4, 16, 30, tzinfo=UTC)
    with_zone = at(pms, draft, instant, TIMEZONE)
    refusal, without = "", None
    try:
        without = pms.planned(draft, None)
    except Untakeable as error:
        refusal = str(error)
    if pms.declaration.time is not TimeRule.PROPERTY_LOCAL:
        assert without is not None
        assert pms.request(without) == pms.request(with_zone)
    elif without is None:
        assert "'event_datetime'" in refusal
    else:
        assert codes(without) - {LOST_TIME, DOUBLED}, "a zone was assumed, and nobody was told"


async def test_a_day_alone_is_that_day_in_every_zone(pms: Pms) -> None:
    draft = drafted(pms)
    if pms.declaration.time is not TimeRule.PROPERTY_LOCAL:
        pytest.skip("this PMS takes no day alone")
    for day in ("2026-03-08", "2026-11-01"):
        draft.fields["event_datetime"] = day
        plans = {zone: pms.planned(draft, zone) for zone in (*ZONES, None)}
        assert len({pms.request(plan).body for plan in plans.values()}) == 1
        for zone, plan in plans.items():
            if zone is None:
                continue
            for read in plan.trace.instants:
                assert read.astimezone(ZoneInfo(zone)).date().isoformat() == day
