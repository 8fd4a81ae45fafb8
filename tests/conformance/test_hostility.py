"""Every simulator in a hostile sandbox: it misbehaves by its seed, in every way, within the figures
that the vendor's declaration promises, and stops when it is told to."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import pytest

from frontdesk.ids import new_id
from frontdesk.sandbox.discovery import find_simulators
from frontdesk.sandbox.faults import Kind, Plan
from frontdesk.sandbox.schedule import Dice, Episode, episodes_begun, planned
from frontdesk.sandbox.simulator import Figures, Operation, figures_of
from frontdesk.vendors.contract import Answer, OutcomeKind, Request, Session
from frontdesk.vendors.contract import Plan as WritePlan
from frontdesk.vendors.registry import vendors
from tests.conformance.pms import Pms
from tests.conftest import until

PATIENCE = 0.6
"""Seconds after which a caller here hangs up, so that nothing waits for what hangs."""

SIMULATED = list(find_simulators())


@dataclass
class Recording:
    """A session that keeps every request that passes, as it went out."""

    pms: Pms
    requests: list[Request] = field(default_factory=list)

    async def call(self, request: Request) -> Answer:
        self.requests.append(request)
        return await self.pms.session.call(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pms.session, name)


def bearing_token(pms: Pms, request: Request) -> Request:
    login = vendors()[pms.declaration.vendor].login
    if login is None:
        return request
    assert pms.session.token is not None
    return login.with_token(request, pms.session.token)


def fresh(pms: Pms, plan: WritePlan) -> Request:
    """The plan as another write: under the key of one that was sent nothing is written again."""
    return pms.connector.request(plan, pms.session.access, str(new_id()))


async def ask(pms: Pms, request: Request) -> Answer | None:
    """The answer to exactly one request on a connection of its own, or None."""
    sandbox = pms.session.sandbox
    sent = bearing_token(pms, request)
    try:
        answer = await sandbox.call(
            sent.method,
            sent.url.removeprefix(sandbox.url),
            headers=dict(sent.headers),
            body=sent.body,
            seconds=PATIENCE,
        )
    except (aiohttp.ClientError, TimeoutError):
        return None
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, headers, answer.body)


async def set_hostility(pms: Pms, seed: int | None, intensity: float = 1.0) -> None:
    answer = await pms.session.sandbox.call(
        "POST", "/_sandbox/hostility", json_body={"seed": seed, "intensity": intensity}
    )
    assert answer.status == 200, answer.body


async def last_sequence(pms: Pms) -> int:
    arrivals = await arrivals_since(pms, 0)
    return int(arrivals[-1]["sequence"]) if arrivals else 0


async def arrivals_since(pms: Pms, sequence: int) -> list[dict[str, Any]]:
    answer = await pms.session.sandbox.call("GET", f"/_sandbox/arrivals?since={sequence}")
    found: list[dict[str, Any]] = answer.json["arrivals"]
    return found


async def ended_since(pms: Pms, sequence: int) -> list[dict[str, Any]]:
    async def all_over() -> bool:
        return all(arrival["is_over"] for arrival in await arrivals_since(pms, sequence))

    await until(all_over)
    return await arrivals_since(pms, sequence)


async def subject_of(pms: Pms, request: Request) -> tuple[str, Operation]:
    """Under what the schedule counts a request; found by sending it, in peace."""
    before = await last_sequence(pms)
    await ask(pms, request)
    (arrival,) = await arrivals_since(pms, before)
    assert arrival["x_resident_ids"], arrival
    return "+".join(arrival["x_resident_ids"]), Operation(arrival["operation"])


def seed_for(
    pms: Pms,
    subject: tuple[str, Operation],
    wanted: Callable[[Plan], bool],
    episode: Episode | None = None,
) -> int:
    """A seed by which the first request of the subject meets this, and meets it at once."""
    vendor = pms.declaration.vendor
    figures = figures_of(find_simulators()[vendor])
    for seed in range(200_000):
        dice = Dice(seed, vendor, 1, subject[0], 1, 1.0)
        # Asked first: it is the rarer by far, and costs a fraction of the plan.
        if set(episodes_begun(dice)) != ({episode} if episode else set()):
            continue
        plan = planned(dice, subject[1], figures)
        if plan.delay < 0.05 and wanted(plan):
            return seed
    raise AssertionError("no seed does this")


def ends_with(kind: Kind, **more: object) -> Callable[[Plan], bool]:
    def wanted(plan: Plan) -> bool:
        ending = plan.ending
        alone = plan.twin is None and plan.read_lag == 0
        if not alone or ending is None or ending.fault is not kind:
            return False
        return all(getattr(ending, name) == value for name, value in more.items())

    return wanted


async def effects(pms: Pms, text: str) -> list[dict[str, Any]]:
    return await pms.session.sandbox.effects_with(text)


@pytest.mark.parametrize("vendor", SIMULATED)
def test_no_simulator_is_slower_than_its_vendors_declaration_promises(vendor: str) -> None:
    promised = vendors()[vendor].declaration.read_back
    figures = figures_of(find_simulators()[vendor])
    assert 0 < figures.late_effect_seconds < promised.late_effect_s
    assert 0 < figures.read_lag_seconds < promised.visible_after_s


async def test_the_same_requests_meet_the_same_misfortunes_and_another_seed_others(
    pms: Pms,
) -> None:
    plan, draft = pms.plan_with({"notes": "Again and again"})
    recording = Recording(pms)
    if pms.declaration.read_back.possible:
        where = plan.trace.where
        resident = pms.resident_of(draft)
        await pms.connector.read_events(cast("Session", recording), resident, where)
    sequence = [pms.request(plan), *recording.requests[:2]]

    async def misfortunes(seed: int) -> list[list[str]]:
        await set_hostility(pms, seed)
        before = await last_sequence(pms)
        for number in range(24):
            await ask(pms, sequence[number % len(sequence)])
        return [arrival["faults"] for arrival in await ended_since(pms, before)]

    first, again, other = [await misfortunes(seed) for seed in (11, 11, 12)]
    assert len(first) == 24
    assert first == again
    assert any(first)
    assert first != other


ENDINGS: Sequence[tuple[Kind, dict[str, object], int]] = (
    (Kind.RESET_BEFORE_EFFECT, {}, 0),
    (Kind.RESET_AFTER_EFFECT, {}, 1),
    (Kind.HANG_AFTER_EFFECT, {}, 1),
    (Kind.TRUNCATE, {}, 1),
    (Kind.STATUS, {"effect": True}, 1),
    (Kind.STATUS, {"body": "vendor"}, 0),
    (Kind.STATUS, {"effect": False, "body": "html"}, 0),
)
"""How a request may end, and how many records it leaves."""


async def test_each_ending_comes_and_the_effect_is_as_it_says(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Ends in every way"})
    subject = await subject_of(pms, fresh(pms, plan))
    for kind, more, count in ENDINGS:
        await ends(pms, plan, subject, kind, more, count)


async def ends(
    pms: Pms,
    plan: WritePlan,
    subject: tuple[str, Operation],
    kind: Kind,
    more: dict[str, object],
    count: int,
) -> None:
    already = len(await effects(pms, plan.trace.text))
    request = fresh(pms, plan)
    await set_hostility(pms, seed_for(pms, subject, ends_with(kind, **more)))
    before = await last_sequence(pms)
    answer = await ask(pms, request)
    (arrival,) = await ended_since(pms, before)
    expected = "status_after_effect" if more.get("effect") else kind.value
    assert expected in arrival["faults"]
    assert len(await effects(pms, plan.trace.text)) - already == count
    if answer is not None and kind is not Kind.TRUNCATE:
        outcome = pms.connector.judge(plan, answer)
        # Told as neither done nor refused: what a 5xx means for the event, nobody knows.
        assert outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.NOT_NOW), outcome
        assert count == 0 or outcome.kind is OutcomeKind.UNKNOWN


async def test_a_late_effect_comes_after_the_connection_is_cut(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Better late"})
    subject = await subject_of(pms, fresh(pms, plan))

    def late(plan: Plan) -> bool:
        found = ends_with(Kind.LATE_EFFECT)(plan)
        return found and plan.ending is not None and 0.3 < (plan.ending.seconds or 0) < 1.5

    await set_hostility(pms, seed_for(pms, subject, late))
    assert await ask(pms, fresh(pms, plan)) is None
    assert len(await effects(pms, plan.trace.text)) == 1

    async def came() -> bool:
        return len(await effects(pms, plan.trace.text)) == 2

    await until(came)


async def test_a_twin_is_written_by_the_staff_and_a_lag_hides_what_was_written(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Twice told"})
    subject = await subject_of(pms, fresh(pms, plan))

    def both(plan: Plan) -> bool:
        return plan.ending is None and plan.twin is not None and plan.twin.before

    await set_hostility(pms, seed_for(pms, subject, both))
    assert await ask(pms, fresh(pms, plan)) is not None
    origins = [effect["origin"] for effect in await effects(pms, plan.trace.text)]
    assert sorted(origins) == ["api", "api", "staff"]

    def lagging(plan: Plan) -> bool:
        return plan.ending is None and plan.twin is None and plan.read_lag > 0

    await set_hostility(pms, seed_for(pms, subject, lagging))
    before = await last_sequence(pms)
    assert await ask(pms, fresh(pms, plan)) is not None
    (arrival,) = await ended_since(pms, before)
    assert Kind.READ_LAG in arrival["faults"]


EPISODES = (
    (Episode.BURST, Kind.THROTTLED, {OutcomeKind.NOT_NOW}),
    (Episode.AUTHORISATION_FLAP, Kind.UNAUTHORISED, {OutcomeKind.UNAUTHORISED}),
    (Episode.MAINTENANCE, Kind.MAINTENANCE, {OutcomeKind.NOT_NOW, OutcomeKind.UNKNOWN}),
)
"""What befalls a customer for a while, and what his connector makes of it."""


async def test_an_episode_refuses_several_requests_in_a_row_and_then_no_more(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "For a while"})
    subject = await subject_of(pms, fresh(pms, plan))
    for episode, kind, expected in EPISODES:
        await lasts(pms, plan, subject, episode, kind, expected)


async def lasts(
    pms: Pms,
    plan: WritePlan,
    subject: tuple[str, Operation],
    episode: Episode,
    kind: Kind,
    expected: Collection[OutcomeKind],
) -> None:
    def quiet(plan: Plan) -> bool:
        return plan.ending is None

    already = len(await effects(pms, plan.trace.text))
    requests = [fresh(pms, plan) for _ in range(12)]
    await set_hostility(pms, seed_for(pms, subject, quiet, episode))
    before = await last_sequence(pms)
    answers: Sequence[Answer | None] = [await ask(pms, request) for request in requests]
    refused = [kind in arrival["faults"] for arrival in await ended_since(pms, before)]
    assert refused[:2] == [True, True]
    assert not all(refused)
    written = len(await effects(pms, plan.trace.text)) - already
    assert written <= 2 * refused.count(False)
    for answer in [answer for answer, was in zip(answers, refused, strict=True) if was]:
        if answer is None:
            continue
        judged = pms.connector.judge(plan, answer)
        assert judged.kind in expected, judged


async def test_what_the_vendor_refuses_is_never_done_however_hostile(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Cut in half"})
    request = pms.request(plan)
    assert request.body is not None
    broken = Request(
        request.method, request.url, request.headers, request.body[: len(request.body) // 2]
    )
    for seed in range(12):
        await set_hostility(pms, seed)
        before = await last_sequence(pms)
        answer = await ask(pms, broken)
        await ended_since(pms, before)
        if answer is not None:
            assert pms.connector.judge(plan, answer).kind is not OutcomeKind.DELIVERED
    assert await effects(pms, plan.trace.text) == []


async def test_a_sandbox_that_is_told_to_stop_is_friendly_at_once(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "In peace"})
    subject = await subject_of(pms, fresh(pms, plan))
    await set_hostility(pms, seed_for(pms, subject, lambda _: True, Episode.MAINTENANCE))
    await ask(pms, fresh(pms, plan))
    await set_hostility(pms, None)
    before = await last_sequence(pms)
    for _ in range(5):
        answer = await ask(pms, fresh(pms, plan))
        assert answer is not None
        assert pms.connector.judge(plan, answer).kind is OutcomeKind.DELIVERED
    assert all(not arrival["faults"] for arrival in await ended_since(pms, before))


def test_the_defaults_of_a_simulator_that_states_nothing_are_small() -> None:
    assert Figures() == Figures(late_effect_seconds=5.0, read_lag_seconds=1.0)
