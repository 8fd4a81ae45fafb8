"""No spelling of a secret survives masking, and nothing else is touched."""

import base64
import json
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from frontdesk.vendors.contract import Request
from frontdesk.vendors.masking import MASK, mask, masked

AWKWARD = "p&s<w\"o/r+d 'ü%é"
long_secrets = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=6, max_size=40
).filter(lambda secret: MASK not in secret)


@given(long_secrets)
def test_no_spelling_of_a_secret_survives(secret: str) -> None:
    spellings = [
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        quote(secret, safe="").lower() if secret.isascii() and secret.islower() else secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        escape(secret),
        quoteattr(secret)[1:-1],
    ]
    for spelling in spellings:
        shown = mask(f"before {spelling} after", [secret])
        assert spelling not in shown
        assert secret not in shown
        assert shown.startswith("before ")
        assert shown.endswith(" after")


@given(long_secrets, st.binary(max_size=7), st.binary(max_size=7), st.booleans())
def test_a_base64_token_that_holds_a_secret_goes_whole(
    secret: str, before: bytes, after: bytes, url_safe: bool
) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    token = encode(before + secret.encode() + after).decode()
    shown = mask(f"Basic {token}; rest", [secret])
    assert shown == f"Basic {MASK}; rest"


@given(st.text(max_size=200), long_secrets)
def test_a_text_without_the_secret_stays_as_it_is(text: str, secret: str) -> None:
    shown = mask(text, [secret])
    assume(MASK not in shown)
    assert shown == text


def test_of_two_secrets_that_overlap_no_remains_stay() -> None:
    assert mask("key=abcdefgh", ["abcd", "abcdefgh"]) == f"key={MASK}"


@pytest.mark.parametrize("secret", ["1", "ab", "x&y"])
def test_a_very_short_secret_is_masked_only_where_it_stands_alone(secret: str) -> None:
    in_json = json.dumps({"key": secret, "note": f"1ab{secret}tail"})
    assert json.loads(mask(in_json, [secret])) == {"key": MASK, "note": f"1ab{secret}tail"}
    in_xml = f"<k>{escape(secret)}</k><n>pre{escape(secret)}post</n><a v={quoteattr(secret)}/>"
    assert mask(in_xml, [secret]) == (f'<k>{MASK}</k><n>pre{escape(secret)}post</n><a v="{MASK}"/>')


def test_empty_secrets_are_no_secrets() -> None:
    assert mask("text", ["", ""]) == "text"


def test_a_request_is_shown_without_its_secrets() -> None:
    request = Request(
        method="POST",
        url=f"https://pms.example/v1?key={quote(AWKWARD, safe='')}&k=zz&size=1zz1",
        headers={
            "X-Api-Key": "whatever it is",
            "authorization": "Basic " + base64.b64encode(f"user:{AWKWARD}".encode()).decode(),
            "x-short": "zz",
            "accept": "application/json",
        },
        body=json.dumps({"password": AWKWARD, "note": "hello"}).encode(),
        secret_headers=frozenset({"x-api-key"}),
    )
    shown = masked(request, [AWKWARD, "zz"])
    assert shown == {
        "method": "POST",
        "url": f"https://pms.example/v1?key={MASK}&k={MASK}&size=1zz1",
        "headers": {
            "X-Api-Key": MASK,
            "authorization": f"Basic {MASK}",
            "x-short": MASK,
            "accept": "application/json",
        },
        "body": json.dumps({"password": MASK, "note": "hello"}),
    }


def test_a_request_without_a_body_and_one_that_is_not_text_can_be_shown() -> None:
    assert masked(Request("GET", "https://pms.example/", {}), ["secret"])["body"] is None
    body = masked(Request("POST", "https://pms.example/", {}, b"\xff\xfesecret"), ["secret"])[
        "body"
    ]
    assert isinstance(body, str)
    assert "secret" not in body


def test_masking_a_long_note_of_base64_letters_takes_linear_time() -> None:
    text = "QUJDREVG" * 125_000
    assert mask(text, ["another secret", "Basic-like"]) == text
