"""The OpenAPI 3.1 document: what the framework derives, completed to what is really answered.

Features declare their operations with `operation(...)` (or, for plain routes, a `DocumentedRoute`);
this module adds what is the same everywhere: the error shape, the answers that any operation may
give, the security scheme and the headers of every answer. It knows no feature's path.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from frontdesk.errors import Code
from frontdesk.http.components import lifted
from frontdesk.http.paging import DEFAULT_LIMIT, GREATEST_LIMIT, LARGEST_OFFSET
from frontdesk.http.shared_schemas import (
    HEADERS,
    LIMIT_HEADERS,
    RETRY_HEADER,
    SHARED_HEADERS,
    SHARED_SCHEMAS,
)

Filter = str | tuple[str, Mapping[str, Any]]
"""How a list's filter is documented: its description, or that and its JSON Schema."""

_METHODS = ("get", "put", "post", "delete", "patch", "head")

_WHEN = {
    Code.INVALID_REQUEST: "The request breaks its schema or a rule; `details.issues` lists all.",
    Code.UNKNOWN_REFERENCE: "Every problem is an id that is not this integration's.",
    Code.UNAUTHENTICATED: "No valid token.",
    Code.FORBIDDEN: "The token lacks the scope.",
    Code.NOT_FOUND: "There is no such record in this account.",
    Code.NOT_SUPPORTED: "The PMS has no such operation.",
    Code.METHOD_NOT_ALLOWED: "The path does not take the method; see `Allow`.",
    Code.CONFLICT: "The state of the record does not allow it.",
    Code.TOO_LARGE: "The body is larger than allowed.",
    Code.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON.",
    Code.IDEMPOTENCY_MISMATCH: "The idempotency key was used for another request.",
    Code.RATE_LIMITED: "The account's request limit is reached; see `Retry-After`.",
    Code.INTERNAL: "Something went wrong here; nothing but the request id is told.",
    Code.UNAVAILABLE: "The database is away or the queue is full; see `details.outcome`.",
}
_ALWAYS = (
    Code.UNAUTHENTICATED,
    Code.FORBIDDEN,
    Code.RATE_LIMITED,
    Code.INTERNAL,
    Code.UNAVAILABLE,
)
BODY_REFUSALS = (Code.INVALID_REQUEST, Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
"""What a body may be refused for; also where there should be none (`body.refuse_body`)."""


def responses(
    *codes: Code, body: bool = False, protected: bool = True
) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for FastAPI's `responses=` or a plain operation.

    `codes` are its own; what any operation may answer comes by itself, and with `body` what a
    request body may be refused for.
    """
    by_status: dict[int, list[Code]] = {}
    wanted = [*codes, *(BODY_REFUSALS if body else ())]
    wanted += _ALWAYS if protected else (Code.INTERNAL, Code.UNAVAILABLE)
    for code in sorted(dict.fromkeys(wanted), key=lambda code: code.status):
        by_status.setdefault(code.status, []).append(code)
    return {status: _error_response(found) for status, found in by_status.items()}


def operation(
    operation_id: str,
    answer: type[BaseModel] | Mapping[str, Any],
    *codes: Code,
    body: type[BaseModel] | None = None,
    body_example: Any = None,
    parameters: Sequence[Mapping[str, Any]] = (),
    description: str = "The answer.",
    links: Mapping[str, Any] | None = None,
    protected: bool = True,
) -> dict[str, Any]:
    """Keyword arguments for FastAPI's route decorators that document an operation whole.

    `answer`: the 200's schema. `body`: the request's model, which the endpoint reads with
    `frontdesk.http.body.read_model`. The path's parameters come from the endpoint's signature;
    `parameters` are others (see `list_parameters`). `links`: where the answer leads (see `leads_to`).
    """
    extra: dict[str, Any] = {}
    if parameters:
        extra["parameters"] = list(parameters)
        codes = (*codes, Code.INVALID_REQUEST)
    if body is not None:
        extra["requestBody"] = request_body(body, body_example)
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": description,
            "content": {"application/json": {"schema": schema_of(answer)}},
            **({} if links is None else {"links": dict(links)}),
        }
    }
    found |= responses(*codes, body=body is not None, protected=protected)
    return {
        "operation_id": operation_id,
        # The endpoints answer with responses of their own, which are not validated again.
        "response_model": None,
        "responses": found,
        "openapi_extra": extra,
    }


def leads_to(*operation_ids: str, **parameters: str) -> dict[str, Any]:
    """OpenAPI links from an answer to operations that go on with it. `parameters`: each one's runtime
    expression, such as `$response.body#/result/id`."""
    return {
        operation_id: {"operationId": operation_id, "parameters": dict(parameters)}
        for operation_id in operation_ids
    }


def request_body(model: type[BaseModel] | Mapping[str, Any], example: Any = None) -> dict[str, Any]:
    """An OpenAPI request body."""
    content: dict[str, Any] = {"schema": schema_of(model)}
    if example is not None:
        content["example"] = example
    return {"required": True, "content": {"application/json": content}}


def schema_of(model: type[BaseModel] | Mapping[str, Any]) -> dict[str, Any]:
    """A model's JSON Schema, whole in itself: what it refers to stands in its place."""
    if not isinstance(model, type):
        return dict(model)
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def list_of(record: type[BaseModel] | Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a list's answer."""
    return {
        "type": "object",
        "required": ["meta", "results"],
        "properties": {
            "meta": {"$ref": "#/components/schemas/ListMeta"},
            "results": {"type": "array", "items": schema_of(record)},
        },
    }


def one_of(record: type[BaseModel] | Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a single record's answer."""
    return {
        "type": "object",
        "required": ["meta", "results"],
        "properties": {"meta": {"type": "object"}, "results": schema_of(record)},
    }


def query_parameter(
    name: str, description: str, schema: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One optional query parameter."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": dict(schema or {"type": "string"}),
    }


def list_parameters(
    *,
    orderable: Sequence[str],
    filters: Mapping[str, Filter] | None = None,
    times: Sequence[str] = ("updated_at", "last_seen"),
    default_order: str = "created_at:desc",
) -> list[dict[str, Any]]:
    """The query parameters of a list, as `paging.list_query` reads them. `filters`: name →
    description, or description and schema."""
    part = f"({'|'.join(orderable)}):(asc|desc)"
    found = [
        query_parameter(
            "offset",
            "Records to pass over.",
            {"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET, "default": 0},
        ),
        query_parameter(
            "limit",
            "Most records of a page.",
            {"type": "integer", "minimum": 1, "maximum": GREATEST_LIMIT, "default": DEFAULT_LIMIT},
        ),
        query_parameter(
            "order-by",
            f"`field:asc` or `field:desc`, separated by commas; fields: {', '.join(orderable)}.",
            {"type": "string", "pattern": f"^{part}(,{part})*$", "default": default_order},
        ),
        query_parameter(
            "cursor",
            "`meta.nextCursor` of the page before: stays in place while records arrive. Not "
            "together with offset.",
        ),
    ]
    found += [
        query_parameter(
            f"{name}_{end}",
            f"Only records whose {name} is {'at or after' if end == 'gte' else 'at or before'}.",
            {"type": "string", "format": "date-time"},
        )
        for name in times
        for end in ("gte", "lte")
    ]
    for name, stated in (filters or {}).items():
        text, schema = (stated, None) if isinstance(stated, str) else stated
        found.append(query_parameter(name, text, schema))
    return found


class DocumentedRoute(Route):
    """A plain route that documents itself: `operations` (method in lower case → OpenAPI operation)
    is called when the document is made. `methods`: None for all, and the endpoint refuses."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Any],
        *,
        methods: Sequence[str] | None,
        operations: Callable[[], Mapping[str, Mapping[str, Any]]],
        name: str | None = None,
    ) -> None:
        super().__init__(path, endpoint, name=name, include_in_schema=False)
        # Set here: the framework would give a GET a HEAD as well, and none a GET.
        self.methods = None if methods is None else {method.upper() for method in methods}
        self.operations = operations

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        # In the place of the framework's, which looks for handlers of errors twice over: the envelope
        # tells them.
        self.app = app


def documents(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """A function for `app.openapi` that makes the document once."""
    made: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not made:
            made.update(_document(app))
        return made

    return document


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        openapi_version="3.1.0",
        routes=app.routes,
        tags=app.openapi_tags,
        servers=[{"url": "/"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    paths: dict[str, Any] = found.setdefault("paths", {})
    for route in _plain(app):
        paths.setdefault(route.path_format, {}).update(
            {method: dict(value) for method, value in route.operations().items()}
        )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.update(SHARED_SCHEMAS)
    components["headers"] = SHARED_HEADERS
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "`frontdesk token create` makes one.",
        }
    }
    for path, item in paths.items():
        for method in _METHODS:
            if method in item:
                _complete(item[method], protected=path.startswith("/v1"))
    found["paths"], repeated = lifted(dict(sorted(paths.items())), schemas)
    schemas.update(repeated)
    return found


def _plain(app: FastAPI) -> Iterable[DocumentedRoute]:
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, DocumentedRoute):
            yield context.original_route


def _complete(found: dict[str, Any], *, protected: bool) -> None:
    """What every operation has."""
    found["security"] = [{"bearer": []}] if protected else []
    answers: dict[str, Any] = found.setdefault("responses", {})
    # The framework documents a 422 of its own wherever a path has a parameter.
    if "HTTPValidationError" in str(answers.get("422", "")):
        del answers["422"]
    for status, response in answers.items():
        headers = response.setdefault("headers", {})
        headers.update(_referred(HEADERS))
        if protected and status != "401":
            headers.update(_referred(LIMIT_HEADERS))
        if status in ("429", "503"):
            headers.update(_referred(RETRY_HEADER))
    found["responses"] = dict(sorted(answers.items()))


def _referred(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


def _error_response(codes: Sequence[Code]) -> dict[str, Any]:
    examples = {
        code.word: {"value": {"error": {"code": code.word, "message": _WHEN[code], "details": {}}}}
        for code in codes
    }
    return {
        "description": " ".join(f"`{code.word}`: {_WHEN[code]}" for code in codes),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": examples,
            }
        },
    }


def _inlined(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(inner, definitions) for inner in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        rest = {name: inner for name, inner in value.items() if name != "$ref"}
        target = definitions[reference.removeprefix("#/$defs/")]
        return {**_inlined(target, definitions), **_inlined(rest, definitions)}
    return {name: _inlined(inner, definitions) for name, inner in value.items()}
