"""What Propertyware's answers to a write mean: by their content, never by status alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.vendors.contract import Answer, EventIntent, Lease, Outcome, OutcomeKind, Resident
from frontdesk.vendors.propertyware.connector import PropertywareConnector
from frontdesk.vendors.propertyware.guesses import meaning_of
from frontdesk.vendors.soap import Fault

CONNECTOR = PropertywareConnector()
CONTACT = Resident("r", "73001", None, None, ())
ON_CONTACT = CONNECTOR.plan(EventIntent("create", CONTACT, {"notes": "n"}))
ON_LEASE = CONNECTOR.plan(
    EventIntent(
        "create",
        Resident("r", "73001", None, None, (Lease("64001", "current"),)),
        {"notes": "n"},
    )
)
DELIVERED, REJECTED, UNKNOWN = OutcomeKind.DELIVERED, OutcomeKind.REJECTED, OutcomeKind.UNKNOWN
EXAMPLES = settings(max_examples=200, deadline=None, database=None, derandomize=True)


def enveloped(inner: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        f"{inner}</soapenv:Body></soapenv:Envelope>"
    ).encode()


def answer(inner: str, operation: str = "attachNoteToContact", apart: str = "") -> bytes:
    return enveloped(
        f"<n:{operation}Response xmlns:n='urn:x'>{inner}</n:{operation}Response>{apart}"
    )


def fault(code: str, text: str) -> bytes:
    return enveloped(
        f"<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring>"
        "</soapenv:Fault>"
    )


def judged(body: bytes, status: int = 200, **headers: str) -> Outcome:
    return CONNECTOR.judge(ON_CONTACT, Answer(status, headers, body))


def test_an_answer_in_place_names_its_note() -> None:
    found = judged(
        answer("<attachNoteToContactReturn><ID>9000001</ID></attachNoteToContactReturn>")
    )
    assert (found.kind, found.x_id) == (DELIVERED, "9000001")


def test_an_answer_that_points_at_its_note_and_that_at_its_id_reads_the_same() -> None:
    body = answer(
        '<attachNoteToLeaseReturn href="#id0"/>',
        "attachNoteToLease",
        '<multiRef id="id0"><subject>Note</subject><ID href="#id1"/></multiRef>'
        '<multiRef id="id1"> 9000002 </multiRef>',
    )
    found = CONNECTOR.judge(ON_LEASE, Answer(200, {}, body))
    assert (found.kind, found.x_id) == (DELIVERED, "9000002")


@pytest.mark.parametrize(
    "body",
    [
        answer("<attachNoteToContactReturn/>"),
        answer("<attachNoteToContactReturn><ID>0</ID></attachNoteToContactReturn>"),
        answer("<attachNoteToContactReturn><ID>-4</ID></attachNoteToContactReturn>"),
        answer("<attachNoteToContactReturn><ID>new</ID></attachNoteToContactReturn>"),
        answer('<attachNoteToContactReturn href="#nowhere"/>'),
        answer(
            '<attachNoteToContactReturn href="#a"/>',
            apart='<multiRef id="a" href="#b"/><multiRef id="b" href="#a"/>',
        ),
        answer(""),
        answer(
            "<attachNoteToLeaseReturn><ID>9</ID></attachNoteToLeaseReturn>", "attachNoteToLease"
        ),
        enveloped(""),
        b"<html><body>Welcome</body></html>",
        b"",
    ],
)
def test_a_success_that_names_no_note_is_looked_up(body: bytes) -> None:
    assert judged(body).kind is UNKNOWN


@pytest.mark.parametrize("status", [302, 400, 403, 404, 500, 502, 503, 504])
def test_a_success_under_a_failing_status_is_looked_up(status: int) -> None:
    good = answer("<attachNoteToContactReturn><ID>9</ID></attachNoteToContactReturn>")
    assert judged(good, status).kind is UNKNOWN


@pytest.mark.parametrize("status", [200, 500, 503])
@pytest.mark.parametrize(
    ("code", "text", "kind", "word"),
    [
        ("soapenv:Client", "No such operation", REJECTED, "invalid"),
        ("soapenv:Client.NoSOAPAction", "no SOAPAction header!", REJECTED, "invalid"),
        ("Server.userException", "org.xml.sax.SAXException: Bad types", REJECTED, "invalid"),
        (
            "soapenv:Server.userException",
            "com.realpage.propertyware.service.ServiceException: Contact 5 was not found",
            REJECTED,
            "not_found",
        ),
        (
            "soapenv:Server.userException",
            "com.realpage.pw.AccessException: The user lacks permission",
            REJECTED,
            "forbidden",
        ),
        ("soapenv:Server.userException", "Subject is required", REJECTED, "invalid"),
        (
            "soapenv:Server.userException",
            "com.realpage.pw.LoginException: User is not authenticated",
            OutcomeKind.UNAUTHORISED,
            "unauthorised",
        ),
        ("soapenv:Server.userException", "java.lang.NullPointerException", UNKNOWN, "server_fault"),
        ("soapenv:Server.generalException", "", UNKNOWN, "server_fault"),
        ("soapenv:Server.userException", "Something happened", UNKNOWN, "server_fault"),
        (
            "soapenv:Server.userException",
            "com.realpage.pw.ServiceException: Could not commit the transaction; not found",
            UNKNOWN,
            "server_fault",
        ),
        (
            "soapenv:Server.userException",
            "java.sql.SQLException: Connection timed out",
            UNKNOWN,
            "server_fault",
        ),
        (
            "soapenv:Server.userException",
            "com.realpage.pw.ServiceException",
            UNKNOWN,
            "server_fault",
        ),
    ],
)
def test_a_fault_is_judged_by_its_words_whatever_its_status(
    status: int, code: str, text: str, kind: OutcomeKind, word: str
) -> None:
    found = judged(fault(code, text), status)
    assert (found.kind, found.code) == (kind, word)
    assert found.upstream_status == status
    assert text in found.message


def test_a_refused_login_and_a_throttle_need_no_envelope() -> None:
    assert judged(b"<html/>", 401).kind is OutcomeKind.UNAUTHORISED
    found = judged(b"slow down", 429, **{"retry-after": "7"})
    assert (found.kind, found.throttled, found.retry_after) == (OutcomeKind.NOT_NOW, True, 7.0)


@EXAMPLES
@given(st.binary(max_size=400), st.integers(100, 599))
def test_no_bytes_are_a_success_or_a_refusal(body: bytes, status: int) -> None:
    for plan in (ON_CONTACT, ON_LEASE):
        assert CONNECTOR.judge(plan, Answer(status, {}, body)).kind not in (DELIVERED, REJECTED)


@EXAMPLES
@given(st.text(max_size=60), st.text(max_size=120))
def test_no_fault_is_a_success_or_an_error_of_ours(code: str, text: str) -> None:
    kind, word = meaning_of(Fault(code, text))
    assert kind is not DELIVERED
    assert word


def test_an_answer_that_expands_entities_is_not_read() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "1"><!ENTITY b "&a;&a;">]>' + answer("<x>&b;</x>")
    assert judged(bomb).kind is UNKNOWN
