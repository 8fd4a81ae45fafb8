"""What MRI's answers to a write mean: errors inside normal answers, deadlocks, and all that is no
answer at all."""

from datetime import date
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.vendors.contract import (
    Answer,
    EventIntent,
    Outcome,
    OutcomeKind,
    Plan,
    Reference,
    Resident,
)
from frontdesk.vendors.mri.connector import MriConnector

CONNECTOR = MriConnector()
ROOT = "mri_s-pmrm_creatermaction"
UPDATE_ROOT = "mri_s-pmrm_updatermaction"
DEADLOCK = "Transaction 55 was deadlocked and chosen as the deadlock victim."


def plan_of(notes: str = "x", x_event_id: str | None = None) -> Plan:
    return CONNECTOR.plan(
        EventIntent(
            "create" if x_event_id is None else "update",
            Resident("r", "0000004105", "JUN01", None, ()),
            {"event_datetime": date(2026, 3, 2), "notes": notes},
            event_type=Reference("t", "PH"),
            x_event_id=x_event_id,
        )
    )


PLAN = plan_of()


def entry(inside: str, root: str = ROOT) -> bytes:
    return f"<{root}><entry>{inside}</entry></{root}>".encode()


def judged(status: int, body: bytes, plan: Plan = PLAN, **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return CONNECTOR.judge(plan, Answer(status, named, body))


# --- delivered --------------------------------------------------------------------------------


def test_an_entry_with_an_id_is_delivered_under_that_id() -> None:
    body = entry("<NameID>0000004105</NameID><LeasingAgentID>A</LeasingAgentID><Id>7</Id>")
    outcome = judged(200, body)
    assert (outcome.kind, outcome.x_id) == (OutcomeKind.DELIVERED, "7")


def test_the_case_and_the_namespace_of_names_may_drift() -> None:
    body = f'<{ROOT.upper()} xmlns="urn:x"><Entry><ID> 7 </ID></Entry></{ROOT.upper()}>'.encode()
    assert judged(200, body).x_id == "7"


def test_an_empty_error_element_is_no_error() -> None:
    assert judged(200, entry("<Id>7</Id><Error><Message/></Error>")).x_id == "7"


def test_an_update_is_delivered_where_the_very_action_is_named() -> None:
    plan = plan_of(x_event_id="7")
    assert judged(200, entry("<Id>7</Id>", UPDATE_ROOT), plan).kind is OutcomeKind.DELIVERED
    assert judged(200, entry("<Id>8</Id>", UPDATE_ROOT), plan).kind is OutcomeKind.UNKNOWN
    assert judged(200, entry("<Id>7</Id>"), plan).kind is OutcomeKind.UNKNOWN


# --- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside",
    [
        "<NameID>0000004105</NameID><Error><Message>No such code</Message></Error>",
        "<Error>No such code</Error>",
        "<ProspectiveTenant><entry><Error><Message>No such code</Message></Error></entry></ProspectiveTenant>",
    ],
)
def test_an_error_inside_a_normal_answer_is_a_refusal_in_its_words(inside: str) -> None:
    outcome = judged(200, entry(inside))
    assert outcome.kind is OutcomeKind.REJECTED
    assert "No such code" in outcome.message


def test_an_update_refused_beside_its_echoed_id_is_a_refusal() -> None:
    body = entry("<Id>7</Id><Error><Message>No such code</Message></Error>", UPDATE_ROOT)
    assert judged(200, body, plan_of(x_event_id="7")).kind is OutcomeKind.REJECTED


def test_a_new_id_beside_an_error_is_a_contradiction_and_is_looked_up() -> None:
    body = entry("<Id>7</Id><Error><Message>Partly</Message></Error>")
    assert judged(200, body).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_plain_words_with_a_400_and_its_kin_are_a_refusal(status: int) -> None:
    outcome = judged(status, "NAMEID: no such résident".encode(), content_type="text/plain")
    assert outcome.kind is OutcomeKind.REJECTED
    assert outcome.message == "NAMEID: no such résident"


@pytest.mark.parametrize("body", [b"", b"<html>Bad</html>", b"\xff\xfe", b"a\x00b", b'{"a": 1}'])
def test_a_400_that_is_not_in_mris_words_is_no_refusal(body: bytes) -> None:
    assert judged(400, body).kind is OutcomeKind.UNKNOWN


def test_a_400_that_calls_itself_a_page_is_no_refusal() -> None:
    outcome = CONNECTOR.judge(PLAN, Answer(400, {"content-type": "text/html"}, b"Bad request"))
    assert outcome.kind is OutcomeKind.UNKNOWN


# --- not now ----------------------------------------------------------------------------------


def test_a_deadlock_is_tried_again_wherever_it_is_named() -> None:
    inside = entry(f"<Error><Message>{escape(DEADLOCK)}</Message></Error>")
    for status, body in ((200, inside), (500, DEADLOCK.encode()), (400, DEADLOCK.encode())):
        outcome = judged(status, body)
        assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_NOW, "deadlock"), status
        assert not outcome.throttled


def test_a_server_error_that_quotes_an_event_about_a_deadlock_is_none() -> None:
    plan = plan_of("The lift's controllers deadlocked again")
    page = b"<html>Error while writing 'The lift's controllers deadlocked again'</html>"
    assert judged(500, page, plan).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("body", [b"", b"Internal server error", entry("<Id>7</Id>"), b"{}"])
def test_any_other_500_is_looked_up(body: bytes) -> None:
    assert judged(500, body).kind is OutcomeKind.UNKNOWN


def test_a_throttle_is_waited_for_although_mri_does_not_say_how_long() -> None:
    outcome = judged(429, b"Too many")
    assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, True)
    assert outcome.retry_after is not None
    assert outcome.retry_after > 1
    assert judged(429, b"", retry_after="3").retry_after == 3


def test_refused_credentials_need_no_words() -> None:
    assert judged(401, b"").kind is OutcomeKind.UNAUTHORISED


# --- unknown ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b'{"value": [{"Id": 7}]}',
        b"<html><body>OK</body></html>",
        f"<{ROOT}/>".encode(),
        entry(""),
        entry("<NameID>0000004105</NameID>"),
        entry("<Id/>"),
        entry("<Id>0</Id>"),
        entry("<Id>none</Id>"),
        entry("<Id>-7</Id>"),
        entry("<Id>7</Id>", "another"),
        entry("<Error><Message>No</Message></Error>", "another"),
        entry("<Id>7</Id><NameID>0000004106</NameID>"),
        f"<{ROOT}><entry><Id>7</Id></entry><entry><Id>8</Id></entry></{ROOT}>".encode(),
        b"<!DOCTYPE x [<!ENTITY e 'x'>]>" + entry("<Id>7</Id>"),
        entry("<Result>Failed: the call timed out</Result>"),
        entry("<Id>7</Id>")[:-1],
    ],
)
def test_a_normal_answer_that_names_no_action_of_ours_is_looked_up(body: bytes) -> None:
    assert judged(200, body).kind is OutcomeKind.UNKNOWN


def test_a_result_that_tells_of_a_failure_keeps_its_words() -> None:
    outcome = judged(200, entry("<Result>Failed: the call timed out</Result>"))
    assert outcome.message == "Failed: the call timed out"


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    status=st.sampled_from((200, 201, 204, 302, 400, 401, 403, 408, 429, 500, 502, 503)),
    body=st.binary(max_size=300) | st.text(max_size=80).map(lambda text: text.encode()),
)
def test_no_arbitrary_bytes_are_a_success_or_an_error_of_ours(status: int, body: bytes) -> None:
    outcome = judged(status, body)
    assert outcome.kind is not OutcomeKind.DELIVERED
    assert outcome.code


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(data=st.data())
def test_a_bent_success_never_names_an_id_that_was_not_there(data: st.DataObject) -> None:
    whole = entry("<NameID>0000004105</NameID><Id>12</Id>")
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 6)))
    put = data.draw(st.binary(max_size=6))
    bent = whole[:start] + put + whole[end:]
    outcome = judged(200, bent)
    if outcome.kind is OutcomeKind.DELIVERED:
        (told,) = ElementTree.fromstring(bent)
        ids = [(node.text or "").strip() for node in told if node.tag.lower() == "id"]
        assert outcome.x_id == ids[0]
