"""What Rent Manager's answers mean: to a write, to a login, and of the company's minute."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vendors.replay import path_of, sent, told

from frontdesk.vendors.contract import (
    Access,
    Answer,
    EventIntent,
    Outcome,
    OutcomeKind,
    ReadRefused,
    Resident,
)
from frontdesk.vendors.masking import masked
from frontdesk.vendors.rentmanager.connector import RentManagerConnector
from frontdesk.vendors.rentmanager.declaration import DECLARATION
from frontdesk.vendors.rentmanager.login import RentManagerLogin

CONNECTOR = RentManagerConnector()
LOGIN = RentManagerLogin()
TENANT = Resident("r", "305", None, None, ())
CREATE = CONNECTOR.plan(EventIntent("create", TENANT, {"notes": "n"}))
UPDATE = CONNECTOR.plan(EventIntent("update", TENANT, {"notes": "n"}, x_event_id="77"))
SAVED: dict[str, Any] = {"HistoryID": 77, "ParentID": 305, "Note": "n", "CreateUserID": 9}
USER = {"Username": "wendy", "Password": "secret word", "companyId": "acme"}
BASE = "https://acme.api.rentmanager.com"


def model(developer: str, user: str = "Unspecified Error", exception: str = "Exception") -> Any:
    return {
        "DeveloperMessage": developer,
        "UserMessage": user,
        "ErrorCode": -2146233088,
        "Exception": exception,
        "MoreInfoUri": f"{BASE}/Help",
    }


def judged(status: int, body: object = None, **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return CONNECTOR.judge(CREATE, told(status, body, named))


def test_a_saved_entry_is_delivered_with_its_id_and_author() -> None:
    outcome = judged(200, [SAVED])
    assert outcome == Outcome(OutcomeKind.DELIVERED, x_id="77", author="9", upstream_status=200)


def test_whoever_changes_an_entry_is_not_taken_for_its_author() -> None:
    outcome = CONNECTOR.judge(UPDATE, told(200, [SAVED]))
    assert (outcome.kind, outcome.x_id, outcome.author) == (OutcomeKind.DELIVERED, "77", None)
    other = CONNECTOR.judge(UPDATE, told(200, [{**SAVED, "HistoryID": 78}]))
    assert other.kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"null",
        [],
        {},
        SAVED,
        [SAVED, SAVED],
        [None],
        [{}],
        [{**SAVED, "HistoryID": 0}],
        [{**SAVED, "HistoryID": -1}],
        [{**SAVED, "HistoryID": None}],
        [{**SAVED, "ParentID": 306}],
        "77",
    ],
)
@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_that_does_not_name_the_entry_is_unknown(status: int, body: object) -> None:
    assert judged(status, body).kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, model("Missing ApiToken"), "unauthorised", "unauthorised"),
        (401, b"", "unauthorised", "unauthorised"),
        (
            500,
            model("A reset is due.", exception="AuthenticationForcePasswordResetException"),
            "unauthorised",
            "unauthorised",
        ),
        (403, model("Insufficient privileges to save."), "rejected", "forbidden"),
        (403, model("Not your location."), "rejected", "forbidden"),
        (500, model("Insufficient privileges to save."), "rejected", "forbidden"),
        (500, model("No.", "Required privilege: Edit."), "rejected", "forbidden"),
        (500, model("Object reference not set to an instance."), "unknown", "server_error"),
        (500, {"Message": "An error has occurred."}, "unknown", "server_error"),
        (500, b"<html>", "unknown", "server_error"),
        (502, model("Insufficient privileges to save."), "unknown", "server_error"),
        (503, model("Busy"), "unknown", "server_error"),
        (404, b"", "rejected", "not_found"),
        (404, {"Message": "No HTTP resource was found"}, "rejected", "not_found"),
        (404, b"<html>", "unknown", "unexpected_answer"),
        (400, {"Message": "Invalid.", "ModelState": {"f": ["x"]}}, "rejected", "invalid"),
        (400, model("A note needs a text."), "rejected", "invalid"),
        (400, b"<html>", "unknown", "unexpected_answer"),
        (403, b"<html>", "unknown", "unexpected_answer"),
        (409, model("It was changed."), "rejected", "conflict"),
        (409, b"", "unknown", "unexpected_answer"),
        (302, b"", "unknown", "unexpected_answer"),
        (429, b"", "not_now", "rate_limited"),
    ],
)
def test_each_error_leads_to_its_outcome(status: int, body: object, kind: str, code: str) -> None:
    outcome = judged(status, body)
    assert (outcome.kind.value, outcome.code) == (kind, code)
    assert outcome.upstream_status == status
    assert outcome.message


def test_upstreams_own_words_are_kept() -> None:
    outcome = judged(400, {"Message": "Invalid.", "ModelState": {"filters": ["Error parsing"]}})
    assert outcome.message == "Invalid.; Error parsing"
    assert judged(403, model("Dev", "User")).message == "Dev; User"


def test_a_throttle_waits_for_places_of_a_rolling_minute_and_not_for_the_whole_of_it() -> None:
    date = "Mon, 02 Mar 2026 16:30:00 GMT"
    reset = str(1772469000 + 21)
    outcome = judged(429, b"", date=date, x_ratelimit_reset=reset)
    assert outcome.throttled
    assert outcome.retry_after == 5
    soon = str(1772469000 + 2)
    assert judged(429, b"", date=date, x_ratelimit_reset=soon).retry_after == 2
    assert judged(429, b"", date=date, x_ratelimit_reset=reset, retry_after="3").retry_after == 3
    assert judged(429, b"").retry_after == 5
    assert judged(429, b"", date=date, x_ratelimit_reset="9" * 15).retry_after == 5
    assert judged(429, b"", date=date, x_ratelimit_reset="5").retry_after == 0


def test_the_minute_is_read_from_the_headers() -> None:
    headers = {
        "x-ratelimit-limit": "300",
        "x-ratelimit-remaining": "17",
        "x-ratelimit-reset": "1772469060",
        "date": "Mon, 02 Mar 2026 16:30:00 GMT",
    }
    report = CONNECTOR.refined_budget(Answer(200, headers, b""))
    assert report is not None
    assert report.windows == ((300, 60, 17, 60.0),)
    assert CONNECTOR.refined_budget(Answer(200, {}, b"")) is None
    assert CONNECTOR.refined_budget(Answer(200, {**headers, "x-ratelimit-limit": "x"}, b"")) is None


@given(status=st.integers(100, 599), body=st.binary(max_size=300), date=st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_never_pass_for_a_delivery_or_a_token(
    status: int, body: bytes, date: str
) -> None:
    answer = Answer(status, {"date": date, "x-ratelimit-reset": date}, body)
    for plan in (CREATE, UPDATE):
        assert CONNECTOR.judge(plan, answer).kind is not OutcomeKind.DELIVERED
    if status != 200 or not body.startswith(b'"'):
        with pytest.raises(ReadRefused):
            LOGIN.token_of(answer)


# --- the login ----------------------------------------------------------------------------------


def test_a_user_logs_in_at_the_first_location() -> None:
    request = LOGIN.request(Access(BASE, USER))
    assert (request.method, path_of(request)) == ("POST", "/Authentication/AuthorizeUser")
    assert sent(request) == {"Username": "wendy", "Password": "secret word", "LocationID": 1}


def test_a_partner_logs_in_with_his_token_in_a_secret_header() -> None:
    request = LOGIN.request(Access(BASE, {"PartnerToken": "partner's", "companyId": "acme"}))
    assert path_of(request) == "/Authentication/AuthorizePartner"
    assert request.headers["x-rm12api-partnertoken"] == "partner's"
    assert "x-rm12api-partnertoken" in request.secret_headers


def test_a_login_shows_neither_password_nor_partners_token() -> None:
    for credentials in (USER, {"PartnerToken": "partner's", "companyId": "acme"}):
        secrets = DECLARATION.secrets_of(credentials)
        shown = json.dumps(masked(LOGIN.request(Access(BASE, credentials)), secrets))
        assert secrets
        assert not [secret for secret in secrets if secret in shown]
        assert "acme" in shown


def test_the_token_is_the_bare_string_and_travels_in_a_secret_header() -> None:
    token = LOGIN.token_of(told(200, "abc+/="))
    request = LOGIN.with_token(CONNECTOR.request(CREATE, Access(BASE, USER), "1"), token)
    assert request.headers["x-rm12api-apitoken"] == "abc+/="
    assert "x-rm12api-apitoken" in request.secret_headers
    assert request.headers["x-rm12api-locationid"] == "1"


@pytest.mark.parametrize("body", [b"", b'"abc', "", "a\r\nb", "a b", {"token": "x"}, ["x"], None])
def test_an_answer_without_a_token_is_no_login_and_is_not_quoted(body: object) -> None:
    with pytest.raises(ReadRefused) as refused:
        LOGIN.token_of(told(200, body))
    assert refused.value.outcome.kind is OutcomeKind.UNKNOWN
    assert "abc" not in refused.value.outcome.message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, model("The user name or the password is not valid."), OutcomeKind.UNAUTHORISED),
        (401, b"The maximum number of tokens is in use.", OutcomeKind.NOT_NOW),
        (
            500,
            model("Reset", exception="AuthenticationForcePasswordResetException"),
            OutcomeKind.UNAUTHORISED,
        ),
        (500, b"", OutcomeKind.UNKNOWN),
        (429, b"", OutcomeKind.NOT_NOW),
    ],
)
def test_a_refused_login_says_why(status: int, body: object, kind: OutcomeKind) -> None:
    with pytest.raises(ReadRefused) as refused:
        LOGIN.token_of(told(status, body))
    assert refused.value.outcome.kind is kind


def test_only_a_401_refuses_a_token() -> None:
    assert LOGIN.refuses(told(401, model("The ApiToken could not be validated.")))
    assert not any(LOGIN.refuses(told(status, b"")) for status in (200, 403, 404, 429, 500))
