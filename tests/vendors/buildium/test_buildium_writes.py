"""Buildium: what a note becomes on the wire, and what each answer to it means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.vendors.replay import path_of, sent, told

from frontdesk.vendors.buildium.connector import BuildiumConnector
from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    OutcomeKind,
    Plan,
    Refused,
    Resident,
)

CONNECTOR = BuildiumConnector()
ACCESS = Access(
    "https://sandbox.example/buildium", {"clientId": "demo-id", "secret": "demo-secret"}
)
RESIDENT = Resident("r1", "4107", "12", "a@example.com", ())
PLAN = CONNECTOR.plan(EventIntent("create", RESIDENT, {"notes": "Dryer broken"}))
NOTE = {
    "Id": 88,
    "Note": "Dryer broken",
    "LastUpdatedByUser": {"Id": 5, "UpdatedDateTime": "2026-01-02T03:04:05Z"},
}
ERROR: dict[str, object] = {"UserMessage": "The note is required.", "ErrorCode": None, "Errors": []}


def judged(answer: Answer, plan: Plan = PLAN) -> tuple[OutcomeKind, str]:
    outcome = CONNECTOR.judge(plan, answer)
    return outcome.kind, outcome.code


def test_a_note_is_posted_to_the_tenant_with_one_key_and_both_headers() -> None:
    request = CONNECTOR.request(PLAN, ACCESS, "attempt-1")
    assert request.method == "POST"
    assert request.url == "https://sandbox.example/buildium/v1/leases/tenants/4107/notes"
    assert sent(request) == {"Note": "Dryer broken"}
    assert request.headers["x-buildium-client-id"] == "demo-id"
    assert request.headers["x-buildium-client-secret"] == "demo-secret"
    assert request.secret_headers >= {"x-buildium-client-id", "x-buildium-client-secret"}


def test_a_plan_is_json_holds_no_credentials_and_builds_the_same_request_when_read_again() -> None:
    again = json.loads(json.dumps(dict(PLAN.payload)))
    assert "demo-secret" not in json.dumps(again)
    stored = Plan(PLAN.operation, PLAN.route, again, PLAN.trace)
    assert CONNECTOR.request(stored, ACCESS, "a") == CONNECTOR.request(PLAN, ACCESS, "b")


def test_the_trace_tells_what_the_note_will_look_like() -> None:
    assert PLAN.trace.x_resident_id == "4107"
    assert PLAN.trace.text == "Dryer broken"
    assert PLAN.trace.instants == ()


def test_an_update_puts_the_known_note() -> None:
    plan = CONNECTOR.plan(EventIntent("update", RESIDENT, {"notes": "Fixed"}, x_event_id="88"))
    request = CONNECTOR.request(plan, ACCESS, "a")
    assert (request.method, path_of(request)) == (
        "PUT",
        "/buildium/v1/leases/tenants/4107/notes/88",
    )
    assert judged(told(200, NOTE), plan)[0] is OutcomeKind.DELIVERED
    assert judged(told(200, {**NOTE, "Id": 89}), plan)[0] is OutcomeKind.UNKNOWN


def test_a_hostile_id_cannot_leave_its_part_of_the_path() -> None:
    resident = Resident("r", "1/../../rentals?x=", None, None, ())
    plan = CONNECTOR.plan(EventIntent("create", resident, {"notes": "n"}))
    url = CONNECTOR.request(plan, ACCESS, "a").url
    assert url.endswith("/v1/leases/tenants/1%2F..%2F..%2Frentals%3Fx%3D/notes")


@pytest.mark.parametrize(
    ("note", "code"), [("", "required"), ("x" * 65_536, "too_long"), ("é" * 65_536, "too_long")]
)
def test_a_note_that_buildium_would_refuse_is_refused_at_once(note: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        CONNECTOR.plan(EventIntent("create", RESIDENT, {"notes": note}))
    assert [issue.code for issue in refused.value.issues] == [code]


def test_the_longest_note_passes_and_counts_characters_not_bytes() -> None:
    assert CONNECTOR.plan(EventIntent("create", RESIDENT, {"notes": "é" * 65_535}))


def test_an_update_of_a_note_whose_id_is_unknown_is_refused() -> None:
    with pytest.raises(Refused):
        CONNECTOR.plan(EventIntent("update", RESIDENT, {"notes": "n"}))


def test_the_id_of_a_new_note_comes_from_the_answer() -> None:
    outcome = CONNECTOR.judge(PLAN, told(201, NOTE))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert (outcome.x_id, outcome.author) == ("88", "5")
    assert outcome.upstream_status == 201


@pytest.mark.parametrize("status", [400, 404, 409, 415, 422])
def test_a_well_formed_refusal_is_permanent_and_keeps_upstreams_words(status: int) -> None:
    body = {**ERROR, "Errors": [{"Key": "Note", "Value": "Too long"}]}
    outcome = CONNECTOR.judge(PLAN, told(status, body))
    assert outcome.kind is OutcomeKind.REJECTED
    assert "The note is required." in outcome.message
    assert "Note: Too long" in outcome.message
    assert outcome.upstream_status == status


def test_no_permission_is_rejected_but_wrong_keys_are_unauthorised() -> None:
    assert judged(told(403, ERROR)) == (OutcomeKind.REJECTED, "forbidden")
    assert judged(told(401, ERROR)) == (OutcomeKind.UNAUTHORISED, "unauthorised")
    assert judged(told(401, b""))[0] is OutcomeKind.UNAUTHORISED


def test_too_many_requests_is_not_now_throttled_and_carries_the_wait() -> None:
    outcome = CONNECTOR.judge(PLAN, told(429, ERROR, {"retry-after": "3"}))
    assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, True)
    assert outcome.retry_after == 3.0
    assert CONNECTOR.judge(PLAN, told(429, b"")).throttled


def test_only_a_503_in_buildiums_own_words_is_certain_to_have_written_nothing() -> None:
    outcome = CONNECTOR.judge(PLAN, told(503, ERROR, {"retry-after": "2"}))
    assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, False)
    assert outcome.retry_after == 2.0
    assert judged(told(503, b"<html>busy</html>"))[0] is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("status", [500, 502, 504])
def test_other_server_errors_are_unknown_whatever_they_say(status: int) -> None:
    assert judged(told(status, ERROR))[0] is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    "body", [b"", b'{"Id": 88, "Not', b"[]", b"null", b'{"Id": null}', b'{"Id": true}', b"<x/>"]
)
def test_a_success_that_does_not_name_the_note_is_unknown(body: bytes) -> None:
    assert judged(told(201, body))[0] is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("status", [400, 403, 404, 422, 302, 408])
def test_a_refusal_that_is_not_buildiums_is_unknown(status: int) -> None:
    assert judged(told(status, b"<html>not here</html>"))[0] is OutcomeKind.UNKNOWN


def test_deeply_nested_json_is_unknown_and_not_a_crash() -> None:
    assert judged(told(201, b"[" * 100_000))[0] is OutcomeKind.UNKNOWN


@given(st.integers(100, 599), st.binary(max_size=300))
def test_arbitrary_bytes_are_never_taken_for_a_delivery(status: int, body: bytes) -> None:
    assert judged(Answer(status, {}, body))[0] is not OutcomeKind.DELIVERED


@given(
    st.integers(100, 599),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["Id", "UserMessage", "Errors", "Key", "message"]), inner
            )
        ),
        max_leaves=8,
    ),
)
def test_any_json_is_judged_without_raising(status: int, body: object) -> None:
    kind, _ = judged(told(status, body))
    if kind is OutcomeKind.DELIVERED:
        assert 200 <= status < 300
        assert isinstance(body, dict)
        assert "Id" in body


def test_buildium_sends_no_quota_headers() -> None:
    assert CONNECTOR.refined_budget(told(201, NOTE)) is None
