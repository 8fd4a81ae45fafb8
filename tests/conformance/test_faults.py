"""What every connector must make of a PMS that fails on demand, in its own words or in nobody's."""

import pytest

from frontdesk.catalog.models import SYNCED
from frontdesk.vendors.contract import OutcomeKind, ReadRefused
from tests.conformance.pms import Pms


async def fault(pms: Pms, kind: str, **fields: object) -> None:
    """Let the next matching request fail so."""
    sandbox, vendor = pms.session.sandbox, pms.declaration.vendor
    await sandbox.fault(**{"vendor": vendor, "fault": kind, "n": 1, **fields})


def refusals(pms: Pms) -> int:
    """How many refusals one call meets: where calls bear a token, it goes once more with another."""
    return 1 if pms.declaration.token is None else 2


async def test_refused_credentials_are_no_events_fault(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "While refused"})
    await fault(pms, "unauthorised", n=refusals(pms))
    _, outcome = await pms.send(plan)
    assert outcome.kind is OutcomeKind.UNAUTHORISED, outcome
    assert outcome.message
    assert await pms.session.sandbox.effects_with("While refused") == []


async def test_refused_credentials_end_a_read_and_are_no_empty_list(pms: Pms) -> None:
    for model in (model for model in SYNCED if model in pms.declaration.reads):
        await fault(pms, "unauthorised", n=refusals(pms), match={"operation": "read"})
        with pytest.raises(ReadRefused) as refused:
            await pms.connector.read(pms.session, model, None, None)
        assert refused.value.outcome.kind is OutcomeKind.UNAUTHORISED, model


async def test_too_many_requests_in_the_vendors_words_is_not_now(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Too fast"})
    await fault(pms, "status", status=429, retry_after=3)
    _, outcome = await pms.send(plan)
    assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, True)
    assert outcome.retry_after in (None, 3.0)
    assert await pms.session.sandbox.effects_with("Too fast") == []


async def test_a_gateways_page_is_unknown_whether_or_not_it_was_written(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Behind a gateway"})
    for status in (500, 502, 503, 504):
        for effect in (False, True):
            await fault(pms, "status", status=status, effect=effect, body="html")
            _, outcome = await pms.send(plan)
            assert outcome.kind is OutcomeKind.UNKNOWN, outcome
    # Half of them were written, and nothing in their answers told.
    assert len(await pms.session.sandbox.effects_with(plan.trace.text)) == 4


async def test_a_gateways_page_ends_a_read_and_is_no_empty_list(pms: Pms) -> None:
    for model in (model for model in SYNCED if model in pms.declaration.reads):
        for status in (200, 404, 502):
            match = {"operation": "read"}
            await fault(pms, "status", status=status, body="html", match=match)
            with pytest.raises(ReadRefused) as refused:
                await pms.connector.read(pms.session, model, None, None)
            assert refused.value.outcome.kind is OutcomeKind.UNKNOWN, (model, status)


async def test_an_error_inside_a_success_is_a_refusal_in_the_vendors_words(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Refused inside"})
    asked = {"vendor": pms.declaration.vendor, "fault": "error_in_200"}
    answer = await pms.session.sandbox.call("POST", "/_sandbox/faults", json_body=asked)
    if answer.status == 400:
        pytest.skip("this PMS hides no error in a success")
    _, outcome = await pms.send(plan)
    assert outcome.kind in (OutcomeKind.REJECTED, OutcomeKind.NOT_NOW), outcome
    assert outcome.message
    assert await pms.session.sandbox.effects_with(plan.trace.text) == []
