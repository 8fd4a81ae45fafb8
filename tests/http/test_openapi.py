"""The OpenAPI document and its page."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate
from tests.conftest import LiveServer, session

from frontdesk.http.app import check_paths


@pytest.fixture
async def document(server: LiveServer) -> dict[str, Any]:
    async with session(server.url) as client, client.get("/openapi.json") as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "delete", "patch")
    ]


def test_the_document_is_valid_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_operation_documents_its_answers_and_errors(document: dict[str, Any]) -> None:
    ids = set()
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["tags"], where
        assert operation["operationId"] not in ids, where
        ids.add(operation["operationId"])
        answers = operation["responses"]
        # A path of a PMS that lacks the operation is there to refuse it.
        refuses = operation.get("description", "").startswith("Not supported.")
        assert any(status.startswith("2") for status in answers) != refuses, where
        assert {"500", "503"} <= set(answers), where
        for status, answer in answers.items():
            assert "x-request-id" in answer["headers"], where
            # The probe says why not in the words in which it says that it can.
            if status[0] in "45" and (path, status) != ("/readyz", "503"):
                assert answer["content"]["application/json"]["schema"] == {
                    "$ref": "#/components/schemas/Error"
                }, where
        if path.startswith("/v1"):
            assert operation["security"] == [{"bearer": []}], where
            assert {"401", "403", "429"} <= set(answers), where
            assert "x-ratelimit-remaining" in answers["429"]["headers"], where
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= set(answers), where
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
            assert "400" in answers, where


def test_every_optional_field_of_a_body_may_be_null(document: dict[str, Any]) -> None:
    fields = [
        (f"{method} {path}: {name}", takes_null)
        for path, method, operation in operations(document)
        if "requestBody" in operation
        for name, takes_null in optional_fields(
            document, operation["requestBody"]["content"]["application/json"]["schema"]
        )
    ]
    assert len(fields) > 100
    assert [name for name, takes_null in fields if not takes_null] == []


def optional_fields(
    document: dict[str, Any], schema: dict[str, Any], inside: str = ""
) -> Iterator[tuple[str, bool]]:
    """The fields that may be left out, at every depth, and whether null is one of their values."""
    for one in alternatives(document, schema):
        for name, inner in one.get("properties", {}).items():
            if name not in one.get("required", ()):
                found = alternatives(document, inner)
                # No type at all is any value.
                yield (
                    f"{inside}{name}",
                    any("null" in str(value.get("type", "null")) for value in found),
                )
            yield from optional_fields(document, inner, f"{inside}{name}.")
        if isinstance(one.get("items"), dict):
            yield from optional_fields(document, one["items"], f"{inside}[].")


def alternatives(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be, by reference or not."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        return alternatives(document, document["components"]["schemas"][name])
    chosen = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if not chosen:
        return [schema]
    return [value for one in chosen for value in alternatives(document, one)]


def test_no_path_ends_in_a_slash_that_is_taken_away(document: dict[str, Any]) -> None:
    assert [path for path in document["paths"] if path.endswith("/")] == []


def test_the_frameworks_own_error_shapes_are_gone(document: dict[str, Any]) -> None:
    assert "ValidationError" not in str(document)


async def test_the_page_works_without_a_network(server: LiveServer) -> None:
    async with session(server.url) as client:
        async with client.get("/docs") as answer:
            assert answer.status == 200
            page = await answer.text()
        assert "//" not in page.replace("// ", "")
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
            assert f"/docs/static/{name}" in page
            async with client.get(f"/docs/static/{name}") as answer:
                assert answer.status == 200
                assert len(await answer.read()) > 1000


async def test_the_document_is_served_without_a_token(server: LiveServer) -> None:
    async with aiohttp.ClientSession() as client, client.get(f"{server.url}/docs/") as answer:
        assert answer.status == 200


def test_a_path_that_could_never_be_reached_is_refused() -> None:
    app = FastAPI()
    app.add_api_route("/things", lambda: None)
    check_paths(app)
    app.add_api_route("/things/{number}/", lambda number: number)
    with pytest.raises(ValueError, match=r"/things/\{number\}/$"):
        check_paths(app)
