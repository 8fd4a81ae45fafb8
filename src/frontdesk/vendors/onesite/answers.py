"""What an answer of OneSite means: the whole SOAP document, never its HTTP status alone.

A success is `{method}Response` with `{method}Result` in it and nothing that speaks against
it. Whatever is cut short, of another shape, or from a server in between is `unknown`.
"""

from xml.etree.ElementTree import Element

from frontdesk.vendors import soap, values, xml
from frontdesk.vendors.contract import Answer, Outcome, OutcomeKind, ReadRefused
from frontdesk.vendors.onesite.faults import meaning
from frontdesk.vendors.times import retry_after

_ERRORS = ("error", "errormessage", "errordescription", "errortext")
_SUCCESSES = ("success", "issuccess", "succeeded")
_STATES = ("status", "responsestatus", "resultstatus")
_FAILED = frozenset({"error", "failed", "failure", "fail", "false", "invalid", "rejected"})


def write_outcome(answer: Answer, method: str) -> Outcome:
    """What the answer to a write means. It names no record: the id is found by reading back."""
    result, failed = _result(answer, method)
    if failed is not None:
        return failed
    if result is None:
        return unknown(answer, "unreadable_answer", "OneSite's answer holds no result.")
    return Outcome(OutcomeKind.DELIVERED, upstream_status=answer.status)


def result_of(answer: Answer, method: str) -> Element:
    """The result of a read. Raises `ReadRefused`."""
    result, failed = _result(answer, method)
    if failed is not None:
        raise ReadRefused(failed)
    if result is None:
        raise refusal(answer, "OneSite's answer holds no result.")
    return result


def refusal(answer: Answer, words: str) -> ReadRefused:
    """A read whose answer cannot be what was asked for."""
    return ReadRefused(unknown(answer, "unreadable_answer", words))


def unknown(answer: Answer, code: str, words: str) -> Outcome:
    """The request went out, and nobody can tell what became of it."""
    return Outcome(OutcomeKind.UNKNOWN, code, words, upstream_status=answer.status)


def _result(answer: Answer, method: str) -> tuple[Element | None, Outcome | None]:
    # 401 and 429 are given before an operation is entered, by whatever stands in front of it as
    # well (RFC 9110, 15.5.2; RFC 6585, 4): no body is needed to be certain.
    try:
        body = soap.body_of(answer.body)
    except xml.NotXmlError:
        return None, _without_envelope(answer)
    fault = soap.fault_of(body)
    if fault is not None:
        return None, _of_fault(answer, fault)
    if answer.status in (401, 429):
        return None, _without_envelope(answer)
    result = xml.find(body, f"{method}Response", f"{method}Result")
    if not 200 <= answer.status < 300:
        return None, unknown(
            answer, "server_error", f"OneSite answered {answer.status} without a fault."
        )
    if result is None:
        return None, None
    said = _speaks_against(result)
    if said is not None:
        return None, _of_fault(answer, soap.Fault("Server", said))
    return result, None


def _of_fault(answer: Answer, fault: soap.Fault) -> Outcome:
    words = values.message(fault.text) or "OneSite gave no reason."
    if answer.status == 429:
        return _throttled(answer, words)
    kind, code = meaning(fault)
    if answer.status == 401:
        kind, code = OutcomeKind.UNAUTHORISED, "unauthorised"
    return Outcome(kind, code, words, upstream_status=answer.status)


def _without_envelope(answer: Answer) -> Outcome:
    if answer.status == 401:
        words = "OneSite refused the credentials."
        return Outcome(OutcomeKind.UNAUTHORISED, "unauthorised", words, upstream_status=401)
    if answer.status == 429:
        return _throttled(answer, "OneSite asked for fewer requests.")
    code = "server_error" if answer.status >= 500 else "unreadable_answer"
    return unknown(answer, code, f"OneSite answered {answer.status} without a SOAP envelope.")


def _throttled(answer: Answer, words: str) -> Outcome:
    return Outcome(
        OutcomeKind.NOT_NOW,
        "rate_limited",
        words,
        upstream_status=answer.status,
        retry_after=retry_after(answer.headers),
        throttled=True,
    )


def _speaks_against(result: Element) -> str | None:
    """GUESS: a failure inside a success would say so in an element of one of these names. The words
    of the failure, or None where nothing speaks against the success."""
    if not len(result) and values.truth(result.text) is False:
        return "OneSite's result is false."
    failed = False
    words: list[str] = []
    for element in result.iter():
        text = (element.text or "").strip()
        name = xml.name_of(element)
        if name in _ERRORS and text and text.lower() not in ("0", "false", "none"):
            failed = True
            words.append(text)
        elif (name in _SUCCESSES and values.truth(text) is False) or (
            name in _STATES and text.lower() in _FAILED
        ):
            failed = True
        elif name == "message" and text:
            words.append(text)
    if not failed:
        return None
    return values.message(*words) or "OneSite's result tells a failure without a reason."
