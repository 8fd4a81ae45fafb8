"""What every connector must show so that a lost write is not taken for somebody else's record:
two identical events that were both intended, and a member of the staff who wrote the same words.

What delivery knows when it looks (records that were there before, the time of the first attempt,
as whom we write) is put together here as delivery does; no write is lost for real, which
tests/hazards do.
"""

from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from frontdesk.delivery.matching import Known, earliest_stamp, find
from frontdesk.vendors.contract import FoundEvent, Plan
from tests.conformance.pms import Draft, Pms

TEXT = "Said in the same words"
AN_HOUR = 3_600

pytestmark = pytest.mark.second_half


@pytest.fixture
def asked(pms: Pms) -> Pms:
    """A PMS that can be asked for its records."""
    if not pms.declaration.read_back.possible:
        pytest.skip("this PMS cannot be asked")
    return pms


async def read(pms: Pms, draft: Draft, plan: Plan) -> tuple[FoundEvent, ...]:
    return await pms.connector.read_events(pms.session, pms.resident_of(draft), plan.trace.where)


async def written(pms: Pms, text: str, origin: str) -> list[str]:
    """The PMS ids of the records with this text that were really written, oldest first."""
    effects = await pms.session.sandbox.effects_with(text)
    return [effect["x_id"] for effect in effects if effect["origin"] == origin]


def known(
    pms: Pms, first_sent_at: datetime, tied: Collection[str], author: str | None = None
) -> Known:
    limit = earliest_stamp(first_sent_at, pms.declaration.read_back.skew_s)
    return Known(set(tied), limit, author)


async def test_two_identical_events_that_were_both_intended_are_two_records(asked: Pms) -> None:
    plan, draft = asked.plan_with({"notes": TEXT})
    before = {event.x_id for event in await read(asked, draft, plan)}
    first_sent_at = datetime.now(UTC)
    for _ in range(2):
        await asked.send(plan)
    found = await read(asked, draft, plan)
    first = find(plan.trace, found, known(asked, first_sent_at, before))
    assert first is not None
    second = find(plan.trace, found, known(asked, first_sent_at, {*before, first.x_id}))
    assert second is not None
    ours = await written(asked, plan.trace.text, "api")
    assert {first.x_id, second.x_id} == set(ours)
    assert len(set(ours)) == 2
    third = known(asked, first_sent_at, {*before, first.x_id, second.x_id})
    assert find(plan.trace, found, third) is None


async def test_what_the_staff_wrote_before_us_is_never_ours(asked: Pms) -> None:
    plan, draft = asked.plan_with({"notes": TEXT})
    vendor = asked.declaration.vendor
    await asked.session.sandbox.fault(vendor=vendor, fault="twin", n=1, seconds=AN_HOUR)
    first_sent_at = datetime.now(UTC)
    await asked.send(plan)
    (theirs,) = await written(asked, plan.trace.text, "staff")
    (ours,) = await written(asked, plan.trace.text, "api")
    found = await read(asked, draft, plan)
    assert {theirs, ours} <= {event.x_id for event in found}
    # Without a vendor's stamp, delivery reads before its first attempt and remembers what it saw.
    seen = () if asked.declaration.read_back.stamped else (theirs,)
    event = find(plan.trace, found, known(asked, first_sent_at, seen))
    assert event is not None
    assert event.x_id == ours
    # Had our own request never arrived, theirs would be all there is.
    without_ours = [event for event in found if event.x_id != ours]
    assert find(plan.trace, without_ours, known(asked, first_sent_at, seen)) is None


async def test_what_the_staff_wrote_beside_us_is_told_apart_by_its_author(asked: Pms) -> None:
    plan, draft = asked.plan_with({"notes": TEXT})
    vendor = asked.declaration.vendor
    await asked.session.sandbox.fault(vendor=vendor, fault="twin", n=1, seconds=0)
    first_sent_at = datetime.now(UTC)
    _, outcome = await asked.send(plan)
    if outcome.author is None:
        pytest.skip("the answer does not say as whom we wrote")
    (theirs,) = await written(asked, plan.trace.text, "staff")
    (ours,) = await written(asked, plan.trace.text, "api")
    found = await read(asked, draft, plan)
    assert theirs in {event.x_id for event in found}
    event = find(plan.trace, found, known(asked, first_sent_at, (), outcome.author))
    assert event is not None
    assert event.x_id == ours
    again = known(asked, first_sent_at, (ours,), outcome.author)
    assert find(plan.trace, found, again) is None


async def test_what_is_different_is_nobodys_twin(asked: Pms) -> None:
    plan, draft = asked.plan_with({"notes": TEXT})
    await asked.send(plan)
    for other in (f"{TEXT}.", TEXT.upper(), TEXT[:-1], f"No: {TEXT}"):
        draft.fields["notes"] = other
        lost = asked.planned(draft)
        found = await read(asked, draft, lost)
        assert find(lost.trace, found, Known((), None)) is None, other
