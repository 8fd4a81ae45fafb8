"""AppFolio: what each answer to a note means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vendors.replay import told

from frontdesk.vendors.appfolio.connector import AppfolioConnector
from frontdesk.vendors.contract import Answer, EventIntent, OutcomeKind, Plan, Resident

CONNECTOR = AppfolioConnector()
TENANT = "4b3c0a52-9a5e-4c0e-8d5e-0d6f6c6a0001"
NOTE = "6a1b0a52-9a5e-4c0e-8d5e-0d6f6c6a0002"
RESIDENT = Resident("r1", TENANT, None, None, ())
PLAN = CONNECTOR.plan(EventIntent("create", RESIDENT, {"notes": "Dryer broken"}))
CHANGE = CONNECTOR.plan(EventIntent("update", RESIDENT, {"notes": "Fixed"}, x_event_id=NOTE))
WRITTEN = {"Id": NOTE, "Link": "https://api.example/api/v0/tenants/notes"}


def refusal(status: int, words: str = "It cannot be done") -> dict[str, object]:
    return {"code": status, "message": words}


def judged(answer: Answer, plan: Plan = PLAN) -> tuple[OutcomeKind, str]:
    outcome = CONNECTOR.judge(plan, answer)
    return outcome.kind, outcome.code


def test_the_id_of_a_new_note_comes_from_the_answer() -> None:
    outcome = CONNECTOR.judge(PLAN, told(201, WRITTEN))
    assert (outcome.kind, outcome.x_id) == (OutcomeKind.DELIVERED, NOTE)
    assert outcome.upstream_status == 201


def test_a_replay_under_the_same_key_is_the_delivery_whose_answer_was_lost() -> None:
    outcome = CONNECTOR.judge(PLAN, told(201, WRITTEN, {"idempotent-replayed": "true"}))
    assert (outcome.kind, outcome.x_id) == (OutcomeKind.DELIVERED, NOTE)


def test_a_change_must_name_the_very_note() -> None:
    assert judged(told(200, WRITTEN), CHANGE)[0] is OutcomeKind.DELIVERED
    assert judged(told(200, {"Id": NOTE.upper()}), CHANGE)[0] is OutcomeKind.DELIVERED
    assert judged(told(200, {"Id": TENANT}), CHANGE)[0] is OutcomeKind.UNKNOWN
    assert judged(told(204, b""), CHANGE)[0] is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [b"", b'{"Id": "6a1b', b"[]", b"null", b'{"Id": null}', b'{"Id": true}', b"<x/>", b"{}"],
)
def test_a_success_that_does_not_name_the_note_is_unknown(body: bytes) -> None:
    assert judged(told(201, body))[0] is OutcomeKind.UNKNOWN


def test_an_answer_that_only_promises_is_unknown() -> None:
    assert judged(told(202, WRITTEN))[0] is OutcomeKind.UNKNOWN


def test_another_request_of_the_key_at_work_is_not_now_and_carries_the_wait() -> None:
    outcome = CONNECTOR.judge(PLAN, told(409, refusal(409), {"retry-after": "3"}))
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_NOW, "in_flight")
    assert outcome.retry_after == 3.0
    assert not outcome.throttled


def test_a_conflict_of_a_change_which_bears_no_key_is_a_refusal() -> None:
    assert judged(told(409, refusal(409)), CHANGE) == (OutcomeKind.REJECTED, "conflict")


def test_a_422_about_the_key_is_told_apart_from_one_about_the_note_and_both_are_permanent() -> None:
    key = told(422, refusal(422, "Idempotency-Key was used with another body"))
    assert judged(key) == (OutcomeKind.REJECTED, "idempotency_mismatch")
    note = told(422, refusal(422, "Body can't be blank"))
    assert judged(note) == (OutcomeKind.REJECTED, "invalid")
    assert judged(key, CHANGE) == (OutcomeKind.REJECTED, "invalid")


@pytest.mark.parametrize("headers", [{}, {"retry-after": "120"}])
def test_533_is_maintenance_and_waited_for(headers: dict[str, str]) -> None:
    outcome = CONNECTOR.judge(PLAN, told(533, refusal(533, "Down for maintenance"), headers))
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_NOW, "maintenance")
    assert outcome.message == "Down for maintenance"
    assert outcome.retry_after == (120.0 if headers else None)
    assert not outcome.throttled


def test_a_maintenance_page_without_appfolios_words_is_unknown() -> None:
    assert judged(told(533, b"<html>back soon</html>"))[0] is OutcomeKind.UNKNOWN


def test_701_is_a_refused_credential_wherever_it_stands() -> None:
    expected = (OutcomeKind.UNAUTHORISED, "unauthorised")
    assert judged(told(701, refusal(701))) == expected
    assert judged(told(701, b"")) == expected
    assert judged(told(403, refusal(701))) == expected
    assert judged(told(401, b"")) == expected


def test_a_missing_developer_header_stops_the_integration_instead_of_burning_its_events() -> None:
    answer = told(400, refusal(400, "Required header missing"))
    assert judged(answer)[0] is OutcomeKind.UNAUTHORISED
    assert judged(told(400, refusal(400, "Bad request"))) == (OutcomeKind.REJECTED, "invalid")


@pytest.mark.parametrize("body", [b"", b"Retry later\n", None])
def test_too_many_requests_is_not_now_throttled_and_carries_the_wait(body: bytes | None) -> None:
    answer = told(429, refusal(429) if body is None else body, {"retry-after": "7"})
    outcome = CONNECTOR.judge(PLAN, answer)
    assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, True)
    assert outcome.retry_after == 7.0


def test_both_forms_of_a_404_are_a_tenant_who_is_not_there() -> None:
    outcome = CONNECTOR.judge(PLAN, told(404, {"status": 404, "error": "Not Found"}))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "not_found")
    assert outcome.message == "Not Found"
    assert judged(told(404, refusal(404))) == (OutcomeKind.REJECTED, "not_found")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 415, 422])
def test_a_well_formed_refusal_is_permanent_and_keeps_upstreams_words(status: int) -> None:
    outcome = CONNECTOR.judge(PLAN, told(status, refusal(status)))
    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.message == "It cannot be done"
    assert outcome.upstream_status == status


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 302, 408])
@pytest.mark.parametrize(
    "body", [b"<html>not here</html>", b"", b'{"message": "x"}', b'{"code": 1, "message": "x"}']
)
def test_a_refusal_that_is_not_appfolios_own_is_unknown(status: int, body: bytes) -> None:
    assert judged(told(status, body))[0] is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_unknown_whatever_they_say(status: int) -> None:
    assert judged(told(status, refusal(status)))[0] is OutcomeKind.UNKNOWN
    assert judged(told(status, {"status": status, "error": "Oops"}))[0] is OutcomeKind.UNKNOWN


def test_deeply_nested_json_is_unknown_and_not_a_crash() -> None:
    assert judged(told(201, b"[" * 100_000))[0] is OutcomeKind.UNKNOWN


@given(st.integers(100, 999), st.binary(max_size=300))
def test_arbitrary_bytes_are_never_a_delivery_or_a_refusal(status: int, body: bytes) -> None:
    kind, code = judged(Answer(status, {}, body))
    assert kind not in (OutcomeKind.DELIVERED, OutcomeKind.REJECTED)
    assert code


@given(
    st.integers(100, 799),
    st.dictionaries(
        st.sampled_from(["Id", "code", "message", "status", "error"]),
        st.none() | st.booleans() | st.integers(0, 800) | st.floats() | st.text(max_size=5),
    ),
)
def test_any_json_is_judged_without_raising(status: int, body: dict[str, object]) -> None:
    kind, _ = judged(told(status, body))
    if kind is OutcomeKind.DELIVERED:
        assert status in (200, 201)
        assert body["Id"]
    if kind is OutcomeKind.REJECTED:
        assert 400 <= status < 500
        assert status in (body.get("code"), body.get("status"))


def test_appfolio_sends_no_quota_headers() -> None:
    assert CONNECTOR.refined_budget(told(201, WRITTEN)) is None
