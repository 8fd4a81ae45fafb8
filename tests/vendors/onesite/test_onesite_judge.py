"""What both routes make of an answer: its words and its form, never its status alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vendors.onesite.worlds import enveloped, fault, fault_12, intent, success

from frontdesk.vendors.contract import Answer, Connector, Outcome, OutcomeKind
from frontdesk.vendors.realpage.connector import RealPageConnector
from frontdesk.vendors.realpage_rpx.connector import RealPageRpxConnector

ROUTES: list[Connector] = [RealPageConnector(), RealPageRpxConnector()]
METHOD = {"REALPAGE": "AddResidentActivityLog", "REALPAGE_RPX": "addresidentactivitylog"}


def judged(connector: Connector, answer: Answer) -> Outcome:
    return connector.judge(connector.plan(intent()), answer)


@pytest.fixture(params=ROUTES, ids=lambda route: route.declaration.vendor)
def route(request: pytest.FixtureRequest) -> Connector:
    connector: Connector = request.param
    return connector


def method(route: Connector) -> str:
    return METHOD[route.declaration.vendor]


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("LicenseKey is not authorized to call the method", "rejected", "method_not_authorised"),
        ("You are not licensed for this operation.", "rejected", "method_not_authorised"),
        ("The license key is not valid.", "unauthorised", "unauthorised"),
        ("Invalid license key", "unauthorised", "unauthorised"),
        ("The user name or password is not valid.", "unauthorised", "unauthorised"),
        ("Authentication failed.", "unauthorised", "unauthorised"),
        ("Site 4711 is not licensed.", "unauthorised", "unauthorised"),
        ("Lease 999 was not found at site 77.", "rejected", "invalid"),
        ("Comments are required.", "rejected", "invalid"),
        ("Activity type X is not valid.", "rejected", "invalid"),
        ("The resident has moved out.", "rejected", "invalid"),
        ("String or binary data would be truncated.", "rejected", "invalid"),
        ("Transaction was deadlocked on lock resources", "unknown", "server_fault"),
        ("Execution Timeout Expired while adding the activity", "unknown", "server_fault"),
        ("The request timed out.", "unknown", "server_fault"),
        ("An internal error occurred.", "unknown", "server_fault"),
        ("Object reference not set to an instance of an object.", "unknown", "server_fault"),
        ("A network-related error: the lease database is away", "unknown", "server_fault"),
        ("Something odd", "unknown", "unclear_fault"),
        ("", "unknown", "server_fault"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_fault_of_either_version_is_judged_by_its_words(
    route: Connector, words: str, kind: str, code: str, status: int
) -> None:
    for answer in (fault(words, status=status), fault_12(words, status=status)):
        outcome = judged(route, answer)
        assert (outcome.kind, outcome.code) == (kind, code), words
        assert outcome.message == (words or "OneSite gave no reason.")
        assert outcome.upstream_status == status


@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        ("Lease 999 was not found.", OutcomeKind.REJECTED),
        ("Timeout expired.", OutcomeKind.UNKNOWN),
        ("", OutcomeKind.UNKNOWN),
    ],
)
def test_the_sentence_that_aspnet_puts_before_every_fault_says_nothing(
    route: Connector, inner: str, kind: OutcomeKind
) -> None:
    words = f"Server was unable to process request. --- {inner}".replace("---", "---&gt;")
    assert judged(route, fault(words)).kind is kind


@pytest.mark.parametrize("code", ["s:Client", "soap:Client", "Client.Validation"])
def test_a_client_fault_without_known_words_is_a_refusal(route: Connector, code: str) -> None:
    assert judged(route, fault("Nope", code)).kind is OutcomeKind.REJECTED
    assert judged(route, fault_12("Nope", "s:Sender")).kind is OutcomeKind.REJECTED


@pytest.mark.parametrize("code", ["a:ActionNotSupported", "a:DeserializationFailed"])
def test_what_the_dispatcher_refuses_never_ran(route: Connector, code: str) -> None:
    outcome = judged(route, fault("The formatter threw: connection", code))
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "not_understood")


def test_a_result_is_a_success_and_names_no_record(route: Connector) -> None:
    for result in ("", "<Status>Success</Status>", "<ActivityID>7</ActivityID>", "true"):
        outcome = judged(route, success(method(route), result))
        assert (outcome.kind, outcome.x_id) == (OutcomeKind.DELIVERED, None), result


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("<Status>Failed</Status><Message>Lease 9 not found</Message>", OutcomeKind.REJECTED),
        ("<x><ErrorMessage>Comments are required</ErrorMessage></x>", OutcomeKind.REJECTED),
        ("<Success>false</Success><Message>Deadlock</Message>", OutcomeKind.UNKNOWN),
        ("<Success>false</Success>", OutcomeKind.UNKNOWN),
        ("false", OutcomeKind.UNKNOWN),
    ],
)
def test_a_failure_inside_a_success_is_no_success(
    route: Connector, result: str, kind: OutcomeKind
) -> None:
    assert judged(route, success(method(route), result)).kind is kind


def test_a_result_of_another_method_or_without_result_is_unknown(route: Connector) -> None:
    name = method(route)
    for answer in (
        success("SomethingElse"),
        Answer(200, {}, enveloped(f"<{name}Response/>")),
        Answer(200, {}, enveloped("")),
        Answer(200, {}, b"<html><body>Signed out</body></html>"),
        Answer(200, {}, b""),
        success(name, status=500),
        success(name, status=302),
    ):
        assert judged(route, answer).kind is OutcomeKind.UNKNOWN, answer


def test_401_and_429_need_no_envelope(route: Connector) -> None:
    assert judged(route, Answer(401, {}, b"")).kind is OutcomeKind.UNAUTHORISED
    assert judged(route, fault("Nope", status=401)).kind is OutcomeKind.UNAUTHORISED
    for answer in (Answer(429, {"retry-after": "7"}, b""), success(method(route), status=429)):
        outcome = judged(route, answer)
        assert (outcome.kind, outcome.throttled) == (OutcomeKind.NOT_NOW, True)
    assert judged(route, Answer(429, {"retry-after": "7"}, b"")).retry_after == 7.0


def test_a_document_type_is_never_expanded(route: Connector) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY e "Success">]>' + success(method(route), "&e;").body
    assert judged(route, Answer(200, {}, bomb)).kind is OutcomeKind.UNKNOWN


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(status=st.integers(100, 599), body=st.binary(max_size=300))
def test_arbitrary_bytes_are_never_a_success_or_a_refusal(status: int, body: bytes) -> None:
    for connector in ROUTES:
        outcome = judged(connector, Answer(status, {}, body))
        wanted = {401: OutcomeKind.UNAUTHORISED, 429: OutcomeKind.NOT_NOW}
        assert outcome.kind is wanted.get(status, OutcomeKind.UNKNOWN)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    cut=st.integers(0, 400),
    noise=st.binary(max_size=8),
    status=st.sampled_from((200, 500)),
)
def test_a_success_with_bytes_changed_is_never_an_error_of_ours(
    cut: int, noise: bytes, status: int
) -> None:
    for connector in ROUTES:
        whole = success(METHOD[connector.declaration.vendor], "<Status>Success</Status>").body
        body = whole[:cut] + noise + whole[cut + len(noise) :]
        outcome = judged(connector, Answer(status, {}, body))
        if outcome.kind is OutcomeKind.DELIVERED:
            assert status == 200
            assert b"Response" in body
