"""Request bodies: every hostile form is a clear 4xx and changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import until

from frontdesk.errors import ApiError
from frontdesk.http import body as bodies
from frontdesk.http.body import BODY_LIMIT, DEEPEST, parse_json

INTEGRATIONS = "/v1/admin/integrations"
JSON = {"Content-Type": "application/json"}

HOSTILE: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, "malformed_json"),
    ("blank", b"  \n", 400, "malformed_json"),
    ("not json", b"{oops", 400, "malformed_json"),
    ("not a number", b'{"a": NaN}', 400, "malformed_json"),
    ("two values", b"{} {}", 400, "malformed_json"),
    ("broken utf-8", b'{"name": "\xff\xfe"}', 400, "malformed_json"),
    ("half a surrogate", b'{"name": "\\ud800"}', 400, "malformed_json"),
    ("a raw NUL", b'{"name": "a\x00b"}', 400, "malformed_json"),
    ("an escaped NUL", b'{"name": "a\\u0000b"}', 400, "invalid_value"),
    ("a key twice", b'{"name": "a", "name": "b"}', 400, "repeated_field"),
    ("deep array", b"[" * 10_000 + b"]" * 10_000, 400, "malformed_json"),
    ("deep object", b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "malformed_json"),
    (
        "deep where the value of a repeated key does not show it",
        b'{"a":' + b"[" * 1_000 + b"]" * 1_000 + b',"a":1}',
        400,
        "malformed_json",
    ),
    ("just too deep", b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), 400, "malformed_json"),
    ("an array", b"[]", 400, "wrong_type"),
    ("a string", b'"hello"', 400, "wrong_type"),
    ("null", b"null", 400, "wrong_type"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE]
)
async def test_a_hostile_body_is_a_clear_4xx(
    client: aiohttp.ClientSession, body: bytes, status: int, code: str
) -> None:
    async with client.post(INTEGRATIONS, data=body, headers=JSON) as answer:
        assert answer.status == status
        error = (await answer.json())["error"]
    assert error["code"] == "invalid_request"
    assert code in [issue["code"] for issue in error["details"]["issues"]]
    async with client.get(INTEGRATIONS) as answer:
        assert (await answer.json())["results"] == []


async def test_bodies_on_their_way_have_a_bound_together_and_free_it_when_they_are_read(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_UNDER_WAY", 5_000)
    come, go_on = asyncio.Event(), asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield b" " * 4_000
        come.set()
        await go_on.wait()
        yield b"{}"

    first = asyncio.create_task(client.post(INTEGRATIONS, data=half(), headers=JSON))
    await come.wait()

    async def refused() -> bool:
        async with client.post(INTEGRATIONS, data=b" " * 4_000, headers=JSON) as answer:
            error = (await answer.json())["error"]
            if answer.status == 400:
                return False  # the first one's half is not there yet
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
            assert error["details"] == {"outcome": "not_accepted"}
            return True

    await until(refused)
    go_on.set()
    async with await first as answer:
        assert answer.status == 400
    async with client.post(INTEGRATIONS, data=b" " * 4_000, headers=JSON) as answer:
        assert answer.status == 400


async def test_a_body_over_a_mebibyte_is_too_large_declared_or_not(
    client: aiohttp.ClientSession,
) -> None:
    body = b'{"name": "' + b"x" * (2 * BODY_LIMIT) + b'"}'

    async def in_chunks() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    for data in (body, in_chunks()):
        async with client.post(INTEGRATIONS, data=data, headers=JSON) as answer:
            assert answer.status == 413
            assert (await answer.json())["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused(
    client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with client.post(INTEGRATIONS, data=b"{}", headers=headers) as answer:
        assert answer.status == 415
        assert (await answer.json())["error"]["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"],
)
async def test_json_by_any_of_its_names_is_read(
    client: aiohttp.ClientSession, media_type: str
) -> None:
    async with client.post(
        INTEGRATIONS, data=b"{}", headers={"Content-Type": media_type}
    ) as answer:
        assert answer.status == 400
        paths = [issue["path"] for issue in (await answer.json())["error"]["details"]["issues"]]
        assert paths == [["integration_vendor"], ["name"], ["credentials"]]


async def test_all_problems_are_told_at_once_and_no_value_is_repeated(
    client: aiohttp.ClientSession,
) -> None:
    body = {
        "name": 7,
        "credentials": ["sesame"],
        "max_job_concurrency": 0,
        "sync_cadence": "FORTNIGHT",
        "active": "true",
        "surprise": "sesame",
        "timezone": None,
    }
    async with client.post(INTEGRATIONS, json=body) as answer:
        assert answer.status == 400
        text = await answer.text()
        issues = {tuple(i["path"]): i for i in json.loads(text)["error"]["details"]["issues"]}
    assert {path: issue["code"] for path, issue in issues.items()} == {
        ("integration_vendor",): "required",
        ("name",): "wrong_type",
        ("credentials",): "wrong_type",
        ("max_job_concurrency",): "out_of_range",
        ("sync_cadence",): "invalid_value",
        ("active",): "wrong_type",
        ("surprise",): "unknown_field",
    }
    assert issues["name",]["expected"] == "string"
    assert issues["name",]["received"] == "integer"
    assert "sesame" not in text


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in name or _holds_nul(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(_holds_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value


@given(_json)
def test_parsed_json_is_what_was_sent_or_refused_for_a_nul(value: Any) -> None:
    body = json.dumps(value).encode()
    if _holds_nul(value):
        with pytest.raises(ApiError) as caught:
            parse_json(body)
        assert {issue["code"] for issue in caught.value.details["issues"]} == {"invalid_value"}
    else:
        assert parse_json(body) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_clear_refusal(body: bytes) -> None:
    refusal = None
    try:
        parse_json(body)
    except ApiError as error:
        refusal = error
    if refusal is not None:
        assert refusal.code.status == 400
        assert refusal.details["issues"]


@st.composite
def _objects(draw: st.DrawFn, deeper: int = 2) -> tuple[str, bool]:
    """An object as text, and whether a key stands twice in it: colons in keys and in texts, some of
    them escaped, blanks before the colons that matter."""
    text = st.text(alphabet=':a"\\é ', max_size=3)

    def written(plain: str) -> str:
        quoted = json.dumps(plain, ensure_ascii=draw(st.booleans()))
        return quoted.replace(":", draw(st.sampled_from([":", "\\u003a", "\\u003A"])))

    members: list[str] = []
    names: list[str] = []
    repeats = False
    for name in draw(st.lists(text, max_size=3)):
        kind = draw(st.sampled_from(["text", "number", "list", "object"] if deeper else ["text"]))
        value = "1"
        if kind == "text":
            value = written(draw(text))
        elif kind != "number":
            value, inside = draw(_objects(deeper - 1))
            # The value of a key that stands again is lost, and what is repeated in it with it.
            repeats |= inside
            value = f"[{value}]" if kind == "list" else value
        members.append(f"{written(name)}{draw(st.sampled_from(['', ' ']))}:{value}")
        names.append(name)
    return "{" + ",".join(members) + "}", repeats or len(set(names)) < len(names)


@given(_objects())
def test_a_key_that_stands_twice_is_refused_wherever_colons_stand(
    written: tuple[str, bool],
) -> None:
    text, repeats = written
    refused: list[str] = []
    try:
        parse_json(text.encode())
    except ApiError as error:
        refused = [issue["code"] for issue in error.details["issues"]]
    assert set(refused) == ({"repeated_field"} if repeats else set()), text


def test_many_repeated_keys_are_refused_in_no_time() -> None:
    body = b"{" + b",".join(b'"k%d":1' % (n % 40_000) for n in range(80_000)) + b"}"
    with pytest.raises(ApiError) as caught:
        parse_json(body)
    assert len(caught.value.details["issues"]) == 40_000
