"""Every path of the document, asked for by every method that it does not document."""

import re
from typing import Any

import aiohttp
import pytest
from tests.conftest import LiveServer, session

from frontdesk.ids import new_id
from frontdesk.vendors.registry import vendors

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
EVENTS = "/v1/events/residents"


@pytest.fixture
async def document(server: LiveServer) -> dict[str, Any]:
    async with session(server.url) as client, client.get("/openapi.json") as answer:
        found: dict[str, Any] = await answer.json()
    return found


async def test_an_undocumented_method_is_answered_405_with_the_documented_ones(
    client: aiohttp.ClientSession, document: dict[str, Any]
) -> None:
    wrong: list[str] = []
    tried = 0
    for number, (path, item) in enumerate(document["paths"].items()):
        documented = sorted(method.upper() for method in item)
        # An id of nobody: whether there is such a record is no question of the method.
        asked = re.sub(r"\{\w+\}", str(new_id()), path) + "/" * (number % 2)
        for method in METHODS:
            if method in documented:
                continue
            tried += 1
            async with client.request(method, asked) as answer:
                allowed = answer.headers.get("Allow")
                if (answer.status, allowed) != (405, ", ".join(documented)):
                    wrong.append(f"{method} {asked}: {answer.status}, Allow: {allowed}")
    assert tried > len(document["paths"])
    assert not wrong, "\n".join(wrong)


async def test_a_name_in_an_ids_place_is_refused_by_what_the_name_takes(
    client: aiohttp.ClientSession,
) -> None:
    """A vendor's path in other letters than the document's is still that vendor's."""
    vendor = next(iter(vendors()))
    for name, allowed in ((vendor.lower(), "POST"), (vendor.upper(), "POST"), ("0", "PUT")):
        for method in ("GET", "PATCH", "DELETE", "OPTIONS"):
            async with client.request(method, f"{EVENTS}/{name}") as answer:
                assert answer.status == 405, (method, name)
                assert answer.headers["Allow"] == allowed, (method, name)


async def test_an_undocumented_method_of_a_path_inside_needs_a_token_all_the_same(
    server: LiveServer,
) -> None:
    async with aiohttp.ClientSession(server.url) as client:
        async with client.patch("/v1/webhooks/callback-secret") as answer:
            assert answer.status == 401
        async with client.patch("/healthz") as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET"
