"""Entrata: an answer is believed only when both of its levels say so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vendors.entrata.worlds import error, intent, success
from tests.vendors.replay import told

from frontdesk.vendors.contract import Answer, OutcomeKind, Plan, QuotaReport
from frontdesk.vendors.entrata.connector import EntrataConnector

CONNECTOR = EntrataConnector()
BY_LEASE = CONNECTOR.plan(intent("8"))
BY_LEAD = CONNECTOR.plan(intent("17"))

ITEM = {"node": "1", "leaseId": "88001", "status": "Success", "message": "Inserted."}
FAILED = {**ITEM, "status": "Error", "message": "Lease id is not valid."}
LIMITS = {
    "x-ratelimit-limit": "15000/DAY;1000/HOUR;150/MINUTE",
    "x-ratelimit-remaining": "14000;900;0",
    "x-ratelimit-reset": "40000;1800;17",
}


def by_lease(item: Any) -> dict[str, Any]:
    return success({"events": {"event": item}})


def by_lead(item: dict[str, Any]) -> dict[str, Any]:
    """The r1 form: capitals, a list, and everything in attributes."""
    return success({"Prospects": {"Prospect": [{"@attributes": item}]}})


def judged(answer: Answer, plan: Plan = BY_LEASE) -> tuple[OutcomeKind, str]:
    outcome = CONNECTOR.judge(plan, answer)
    return outcome.kind, outcome.code


@pytest.mark.parametrize(
    ("plan", "body"),
    [
        (BY_LEASE, by_lease(ITEM)),
        (BY_LEASE, by_lease([ITEM])),
        (BY_LEAD, by_lead(ITEM)),
        (BY_LEAD, success({"Prospects": {"Prospect": {"@attributes": ITEM}}})),
        (BY_LEAD, success({"prospects": [ITEM]})),
        (BY_LEAD, success({"prospects": {"prospect": ITEM}})),
    ],
)
def test_a_success_at_both_levels_is_delivered_without_an_id(
    plan: Plan, body: dict[str, Any]
) -> None:
    outcome = CONNECTOR.judge(plan, told(200, body))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert outcome.x_id is None


@pytest.mark.parametrize(
    ("plan", "body"),
    [
        (BY_LEASE, by_lease(FAILED)),
        (BY_LEASE, by_lease([FAILED])),
        (BY_LEASE, by_lease([ITEM, FAILED])),
        (BY_LEAD, by_lead(FAILED)),
        (BY_LEAD, success({"prospects": [FAILED]})),
    ],
)
def test_an_item_that_failed_inside_a_success_is_rejected_in_upstreams_words(
    plan: Plan, body: dict[str, Any]
) -> None:
    outcome = CONNECTOR.judge(plan, told(200, body))
    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.message == "Lease id is not valid."


@pytest.mark.parametrize("status", [200, 400])
def test_an_error_in_the_envelope_is_seen_under_either_status(status: int) -> None:
    outcome = CONNECTOR.judge(BY_LEASE, told(status, error(404)))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "not_found")
    assert outcome.message == "Upstream's own words"
    assert judged(told(status, error(400)))[0] is OutcomeKind.REJECTED
    assert judged(told(status, error("403"))) == (OutcomeKind.REJECTED, "forbidden")


def test_an_error_outranks_a_result_that_stands_beside_it() -> None:
    body = by_lease(ITEM)
    body["response"]["error"] = {"code": 400, "message": "No."}
    assert judged(told(200, body))[0] is OutcomeKind.REJECTED


@pytest.mark.parametrize("status", [200, 400, 500])
def test_code_310_is_transient_and_comes_again(status: int) -> None:
    outcome = CONNECTOR.judge(BY_LEASE, told(status, error(310)))
    assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, False)


@pytest.mark.parametrize(
    "answer",
    [told(401, b""), told(401, error(401)), told(200, error(401)), told(400, error("401"))],
)
def test_refused_credentials_are_unauthorised_wherever_they_are_said(answer: Answer) -> None:
    assert judged(answer)[0] is OutcomeKind.UNAUTHORISED


@pytest.mark.parametrize("body", [b"", b"<html>", error(429), error(400)])
def test_too_many_requests_waits_for_the_window_that_is_used_up(body: Any) -> None:
    outcome = CONNECTOR.judge(BY_LEASE, told(429, body, LIMITS))
    assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, True)
    assert outcome.retry_after == 17.0


def test_the_wait_is_the_longest_of_all_windows_that_are_used_up() -> None:
    headers = {**LIMITS, "x-ratelimit-remaining": "0;0;3"}
    assert CONNECTOR.judge(BY_LEASE, told(429, b"", headers)).retry_after == 40_000.0
    headers["retry-after"] = "5"
    assert CONNECTOR.judge(BY_LEASE, told(429, b"", headers)).retry_after == 5.0
    assert CONNECTOR.judge(BY_LEASE, told(429, b"")).retry_after is None


def test_an_envelope_429_is_a_throttle_under_http_200_as_well() -> None:
    assert CONNECTOR.judge(BY_LEASE, told(200, error(429), LIMITS)).throttled


@pytest.mark.parametrize(
    "answer",
    [
        told(200, b""),
        told(200, b'{"response": {"requestId": "1", "code": 200, "result": {"eve'),
        told(200, b"<html>maintenance</html>"),
        told(200, []),
        told(200, {}),
        told(200, {"response": None}),
        told(200, success({})),
        told(200, success({"events": {}})),
        told(200, success({"events": {"event": []}})),
        told(200, by_lease({"node": "1"})),
        told(200, by_lease({**ITEM, "status": "Queued"})),
        told(200, by_lease([ITEM, {**ITEM, "status": "Queued"}])),
        told(200, {"response": {"result": {"events": {"event": ITEM}}}}),
        told(201, by_lease(ITEM)),
        told(302, b""),
        told(403, b"Forbidden"),
        told(500, b""),
        told(500, by_lease(ITEM)),
        told(502, b"<html>bad gateway</html>"),
        told(503, b""),
        told(500, error(500)),
        told(200, error(500)),
        told(200, error(None)),
        told(200, error("what")),
        told(200, b"[" * 100_000),
    ],
)
def test_what_is_neither_a_success_nor_a_clear_refusal_is_unknown(answer: Answer) -> None:
    assert judged(answer)[0] is OutcomeKind.UNKNOWN


def test_a_refusal_of_the_vendor_inside_a_500_is_a_refusal() -> None:
    assert judged(told(500, error(404)))[0] is OutcomeKind.REJECTED


headers = st.dictionaries(
    st.sampled_from([*LIMITS, "retry-after", "date"]),
    st.text(max_size=20) | st.from_regex(r"[0-9;/A-Z]{0,20}"),
)


@given(st.integers(100, 599), st.binary(max_size=300), headers)
def test_arbitrary_bytes_are_never_taken_for_a_delivery(
    status: int, body: bytes, given_headers: dict[str, str]
) -> None:
    answer = Answer(status, given_headers, body)
    assert judged(answer)[0] is not OutcomeKind.DELIVERED
    assert judged(answer, BY_LEAD)[0] is not OutcomeKind.DELIVERED
    CONNECTOR.refined_budget(answer)


KEYS = ["response", "result", "error", "code", "message", "events", "event", "status", "prospects"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Success", "200", "Error", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*KEYS, "@attributes"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.sampled_from([200, 400, 401, 500]), st.dictionaries(st.just("response"), json_values))
def test_any_envelope_is_judged_without_raising(status: int, body: object) -> None:
    kind, _ = judged(told(status, body))
    assert kind is not OutcomeKind.DELIVERED or status == 200


def test_quota_headers_tell_three_windows() -> None:
    assert CONNECTOR.refined_budget(told(200, {}, LIMITS)) == QuotaReport(
        ((15000, 86_400, 14000, 40000.0), (1000, 3_600, 900, 1800.0), (150, 60, 0, 17.0))
    )


def test_blanks_of_any_kind_around_a_quota_do_not_count() -> None:
    # To a pattern and to `strip` more characters are blank than to `float`.
    blank = {**LIMITS, "x-ratelimit-reset": "40000; 1800;\x1c17\x1f"}
    assert CONNECTOR.refined_budget(told(200, {}, blank)) == CONNECTOR.refined_budget(
        told(200, {}, LIMITS)
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"x-ratelimit-limit": ""},
        {"x-ratelimit-limit": "15000/DAY;1000/HOUR"},
        {"x-ratelimit-limit": "15000/DAY;1000/HOUR;150/FORTNIGHT"},
        {"x-ratelimit-remaining": "1;2;x"},
        {"x-ratelimit-reset": "1;2;-3"},
    ],
)
def test_quota_headers_that_do_not_fit_together_tell_nothing(changed: dict[str, str]) -> None:
    assert CONNECTOR.refined_budget(told(200, {}, {**LIMITS, **changed})) is None
