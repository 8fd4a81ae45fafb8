"""The event routes: plain routes without the framework's dependency machinery, because the POST is
the product's hot path; documented in the same OpenAPI as everything else.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from frontdesk.errors import Code, not_found
from frontdesk.events.bulk import BODY_LIMIT, BulkEvents
from frontdesk.events.bulk_documents import bulk_operation
from frontdesk.events.documents import (
    CAPABILITIES_LIST,
    CAPABILITIES_SCHEMA,
    create_operation,
    update_operation,
)
from frontdesk.events.fields import FIELDS
from frontdesk.events.service import EventsService, Options, Reply
from frontdesk.events.type_map import EventTypeMapChange, EventTypeMapResult, EventTypeMapShape
from frontdesk.http.answers import json_answer
from frontdesk.http.body import read_json_body, read_model
from frontdesk.http.caller import Caller, caller, caller_of, caller_with
from frontdesk.http.methods import not_taken
from frontdesk.http.openapi import DocumentedRoute, one_of, operation
from frontdesk.ids import parse_id
from frontdesk.vendors.declaration import Declaration
from frontdesk.vendors.registry import vendors
from frontdesk.writes.idempotency import Key, fingerprint, read_key
from frontdesk.writes.parameters import Parameters

PATH = "/v1/events/residents"
BULK_PATH = f"{PATH}/bulk"
SCOPE = "events:write"

_UPDATE_QUERY = ("ignore_unknown_fields", "dry_run", "wait")
_CREATE_QUERY = (*_UPDATE_QUERY, "kind_fallback")
_BULK_QUERY = ("ignore_unknown_fields", "dry_run", "kind_fallback")
_AS_IS = Options()
_REPLAYED = {"Idempotent-Replayed": "true"}

Endpoint = Callable[[Request], Awaitable[Response]]

router = APIRouter(prefix="/v1", tags=["Capabilities"])


def routes() -> list[BaseRoute]:
    """The event routes, the vendors' own included: those of whatever vendors there are."""
    found: list[BaseRoute] = [
        DocumentedRoute(
            PATH,
            _create_anywhere,
            methods=["POST"],
            operations=lambda: {"post": create_operation()},
        )
    ]
    found.append(
        DocumentedRoute(
            BULK_PATH,
            _create_many,
            methods=["POST"],
            operations=lambda: {"post": bulk_operation()},
        )
    )
    for vendor in vendors().values():
        code, declaration = vendor.declaration.vendor, vendor.declaration
        path = f"{PATH}/{code.lower()}"
        found.append(
            DocumentedRoute(
                path,
                _create_at(code),
                methods=["POST"],
                operations=_documented("post", create_operation, declaration),
            )
        )
        # Also where the PMS has no such operation: the path is there to say so.
        found.append(
            DocumentedRoute(
                f"{path}/{{event_id}}",
                _update_at(code),
                methods=["PUT"],
                operations=_documented("put", update_operation, declaration),
            )
        )
    found.append(
        DocumentedRoute(
            f"{PATH}/{{event_id}}",
            _event,
            # Whichever: in other spellings it may be a vendor's name, which takes another than an id does.
            methods=None,
            operations=lambda: {"put": update_operation()},
        )
    )
    return found


def _documented(
    method: str, make: Callable[[Declaration], dict[str, Any]], declaration: Declaration
) -> Callable[[], dict[str, dict[str, Any]]]:
    return lambda: {method: make(declaration)}


async def _create_anywhere(request: Request) -> Response:
    return await _create(request, None)


async def _event(request: Request) -> Response:
    """A change of the event in the path; or, of a POST, the vendor in it."""
    name: str = request.path_params["event_id"]
    vendor = name.upper() if name.upper() in vendors() else None
    if vendor is not None:
        if request.method != "POST":
            raise not_taken(["POST"])
        return await _create(request, vendor)
    if request.method == "PUT":
        return await _update(request, None)
    if request.method == "POST" and parse_id(name) is None:
        raise not_found("PMS")
    raise not_taken(["PUT"])


def _create_at(vendor: str) -> Endpoint:
    async def create(request: Request) -> Response:
        return await _create(request, vendor)

    return create


def _update_at(vendor: str) -> Endpoint:
    async def update(request: Request) -> Response:
        return await _update(request, vendor)

    return update


async def _create(request: Request, vendor: str | None) -> Response:
    account_id = caller_of(request, SCOPE).account_id
    service = _service(request)
    if vendor is not None:
        service.refuse_unsupported(vendor, "create")
    _, body = await read_json_body(request)
    reply = await service.create(account_id, body, _options(request, body, _CREATE_QUERY), vendor)
    return _answer(reply)


async def _create_many(request: Request) -> Response:
    account_id = caller_of(request, SCOPE).account_id
    _, body = await read_json_body(request, BODY_LIMIT)
    options = _options(request, body, _BULK_QUERY)
    bulk: BulkEvents = request.app.state.services.bulk_events
    return _answer(await bulk.create(account_id, body, options))


async def _update(request: Request, vendor: str | None) -> Response:
    account_id = caller_of(request, SCOPE).account_id
    service = _service(request)
    if vendor is not None:
        service.refuse_unsupported(vendor, "update")
    _, body = await read_json_body(request)
    event_id = parse_id(request.path_params["event_id"])
    options = _options(request, body, _UPDATE_QUERY)
    reply = await service.update(account_id, event_id, body, options, vendor)
    return _answer(reply)


def _options(request: Request, body: Any, known: Sequence[str]) -> Options:
    headers = request.headers.getlist("idempotency-key")
    if not headers and not request.scope["query_string"]:
        return _AS_IS
    query = request.query_params
    parameters = Parameters(query, known)
    dry_run = parameters.flag("dry_run")
    ignore = parameters.flag("ignore_unknown_fields")
    wait = parameters.wait()
    fallback = parameters.is_given("kind_fallback", "note")
    parameters.check()
    key = None
    # Of a dry run there is nothing to repeat.
    if headers and not dry_run and (text := read_key(headers)) is not None:
        path: str = request.scope["path"]
        key = Key(text, fingerprint(request.method, path, body, query.multi_items()))
    return Options(
        ignore_unknown_fields=ignore,
        dry_run=dry_run,
        kind_fallback=fallback,
        wait=None if dry_run else wait,
        key=key,
    )


def _answer(reply: Reply) -> Response:
    return json_answer(reply.body, headers=_REPLAYED if reply.replayed else None)


def _service(request: Request) -> EventsService:
    service: EventsService = request.app.state.services.events
    return service


@router.get(
    "/capabilities",
    summary="What each PMS can do",
    **operation("listCapabilities", CAPABILITIES_LIST, Code.INVALID_REQUEST),
)
async def capabilities(request: Request, caller: Annotated[Caller, Depends(caller)]) -> Response:
    del caller
    Parameters(request.query_params, ()).check()
    found = _service(request).capabilities.of_vendors()
    return json_answer({"meta": {"total": len(found)}, "results": found})


@router.get(
    "/admin/integrations/{integration_id}/capabilities",
    summary="What an integration can do, with its own event types",
    **operation(
        "getIntegrationCapabilities",
        one_of(CAPABILITIES_SCHEMA),
        Code.NOT_FOUND,
        Code.INVALID_REQUEST,
    ),
)
async def integration_capabilities(
    request: Request,
    integration_id: str,
    caller: Annotated[Caller, Depends(caller_with("admin:read"))],
) -> Response:
    Parameters(request.query_params, ()).check()
    found = await _service(request).capabilities.of_integration(
        caller.account_id, parse_id(integration_id)
    )
    return json_answer({"meta": {}, "results": found})


@router.get(
    "/admin/integrations/{integration_id}/event-type-map",
    summary="Which event type each kind stands for",
    **operation("getEventTypeMap", one_of(EventTypeMapShape), Code.NOT_FOUND, Code.INVALID_REQUEST),
)
async def event_type_map(
    request: Request,
    integration_id: str,
    caller: Annotated[Caller, Depends(caller_with("admin:read"))],
) -> Response:
    Parameters(request.query_params, ()).check()
    found = await _service(request).type_map.read(caller.account_id, parse_id(integration_id))
    return json_answer({"meta": {}, "results": found})


@router.put(
    "/admin/integrations/{integration_id}/event-type-map",
    summary="Choose which event type a kind stands for; what is absent stays",
    **operation(
        "updateEventTypeMap",
        EventTypeMapResult,
        Code.NOT_FOUND,
        Code.CONFLICT,
        Code.UNKNOWN_REFERENCE,
        body=EventTypeMapChange,
        body_example={"visit": FIELDS["event_type_id"].example, "text": None},
    ),
)
async def change_event_type_map(
    request: Request,
    integration_id: str,
    caller: Annotated[Caller, Depends(caller_with("admin:write"))],
) -> Response:
    Parameters(request.query_params, ()).check()
    body = await read_model(request, EventTypeMapChange)
    found = await _service(request).type_map.change(
        caller.account_id, parse_id(integration_id), body
    )
    return json_answer({"result": found})
