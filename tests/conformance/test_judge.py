"""What every connector must make of an answer: never an error of its own, never a false success."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.catalog.models import SYNCED
from frontdesk.vendors.contract import (
    Answer,
    Connector,
    Outcome,
    OutcomeKind,
    Plan,
    ReadRefused,
    Request,
)
from tests.conformance.pms import Pms
from tests.vendors.replay import ReplaySession

EXAMPLES = settings(max_examples=150, deadline=None, database=None, derandomize=True)
STATUSES = st.sampled_from(
    (200, 201, 202, 204, 206, 301, 304, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504)
) | st.integers(100, 599)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=200)
    | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    | st.sampled_from((b"", b"null", b"{}", b"[]", b"<html>Bad Gateway</html>", b"[" * 5_000))
)
DEEP = 10_000
BOTTOMLESS = (
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b"<a>" * DEEP + b"</a>" * DEEP,
)
HEADERS = st.dictionaries(
    st.sampled_from(("retry-after", "content-type", "x-ratelimit-limit", "date")),
    st.text(max_size=20),
)

pytestmark = pytest.mark.second_half


def judged(connector: Connector, plan: Plan, answer: Answer) -> Outcome:
    """The outcome, which is one in itself."""
    outcome = connector.judge(plan, answer)
    assert isinstance(outcome, Outcome)
    assert outcome.upstream_status in (None, answer.status)
    assert outcome.retry_after is None or outcome.retry_after >= 0
    connector.refined_budget(answer)
    return outcome


async def test_no_made_up_answer_is_an_error_or_a_success(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Judged"})

    @EXAMPLES
    @given(status=STATUSES, headers=HEADERS, body=BODIES)
    def attempt(status: int, headers: dict[str, str], body: bytes) -> None:
        outcome = judged(pms.connector, plan, Answer(status, headers, body))
        assert outcome.kind is not OutcomeKind.DELIVERED
        assert outcome.code

    attempt()


async def test_a_real_success_that_was_bent_is_no_error(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Judged"})
    answer, outcome = await pms.send(plan)
    assert outcome.kind is OutcomeKind.DELIVERED
    if "json" not in answer.headers["content-type"]:
        pytest.skip("only JSON is bent here")
    whole = json.loads(answer.body)

    @EXAMPLES
    @given(path=st.sampled_from(paths_of(whole)), value=DOCUMENTS)
    def attempt(path: tuple[str | int, ...], value: object) -> None:
        body = json.dumps(bent(whole, path, value)).encode()
        judged(pms.connector, plan, Answer(answer.status, answer.headers, body))

    attempt()


async def test_a_success_that_was_cut_short_is_no_success(pms: Pms) -> None:
    plan, _ = pms.plan_with({"notes": "Judged"})
    answer, outcome = await pms.send(plan)
    assert outcome.kind is OutcomeKind.DELIVERED
    body = answer.body.rstrip()
    for end in range(len(body)):
        cut = Answer(answer.status, answer.headers, body[:end])
        assert judged(pms.connector, plan, cut).kind is OutcomeKind.UNKNOWN, end


@pytest.mark.parametrize("body", BOTTOMLESS, ids=["list", "object", "element"])
async def test_an_answer_without_a_bottom_is_unknown_and_no_list(pms: Pms, body: bytes) -> None:
    plan, _ = pms.plan_with({"notes": "Judged"})
    answer, _ = await pms.send(plan)
    bottomless = Answer(answer.status, answer.headers, body)
    assert judged(pms.connector, plan, bottomless).kind is OutcomeKind.UNKNOWN

    def told(request: Request) -> Answer:
        return bottomless

    session = ReplaySession(pms.session.access, told, pms.session.x_property_ids)
    for model in (model for model in SYNCED if model in pms.declaration.reads):
        try:
            page = await pms.connector.read(session, model, None, None)
        except ReadRefused as refused:
            assert refused.outcome.kind is OutcomeKind.UNKNOWN  # noqa: PT017 (one of two good ends)
        else:
            # It asked for nothing: this model is known without a call.
            assert session.calls == [], (model, page)
        session.calls.clear()


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
async def test_a_failing_server_never_counts_as_delivered_or_rejected(
    pms: Pms, status: int
) -> None:
    plan, _ = pms.plan_with({"notes": "Judged"})
    answer, _ = await pms.send(plan)
    for body in (answer.body, b"", b"<html>Bad Gateway</html>", b"{}"):
        outcome = judged(pms.connector, plan, Answer(status, answer.headers, body))
        assert outcome.kind is OutcomeKind.UNKNOWN, body


def paths_of(value: Any) -> list[tuple[str | int, ...]]:
    """The place of every value in a document."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [(), *((key, *rest) for key, inner in items for rest in paths_of(inner))]


def bent(value: Any, path: tuple[str | int, ...], replacement: object) -> Any:
    """The document with another value at this place."""
    if not path:
        return replacement
    first, *rest = path
    if isinstance(value, dict):
        return {**value, first: bent(value[first], tuple(rest), replacement)}
    changed = list(value)
    changed[int(first)] = bent(changed[int(first)], tuple(rest), replacement)
    return changed
