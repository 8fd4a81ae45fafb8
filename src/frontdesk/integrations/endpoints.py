"""The integrations' endpoints under `/v1/admin/integrations`: thin, each calls one service."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from orjson import loads
from starlette.requests import Request
from starlette.responses import Response

from frontdesk.database.pool import Record
from frontdesk.errors import Code
from frontdesk.http.answers import json_answer
from frontdesk.http.body import read_model, refuse_body
from frontdesk.http.caller import Caller, caller_with
from frontdesk.http.openapi import (
    BODY_REFUSALS,
    Filter,
    leads_to,
    list_of,
    list_parameters,
    one_of,
    operation,
)
from frontdesk.http.paging import KINDS, Kind, Scalar, list_query, page_answer
from frontdesk.ids import parse_id
from frontdesk.integrations.schemas import (
    BeganDataAccessResult,
    DataAccessResult,
    IntegrationCreate,
    IntegrationResult,
    IntegrationShape,
    IntegrationUpdate,
    ListedIntegration,
    ManualSync,
    PropertyChange,
    PropertyResult,
    PropertyShape,
    RateLimitsResult,
    Success,
    SuccessResult,
)
from frontdesk.integrations.service import IntegrationService, data_access_of
from frontdesk.vendors.registry import vendors

router = APIRouter(prefix="/v1/admin/integrations", tags=["Integrations"])

Reader = Annotated[Caller, Depends(caller_with("admin:read"))]
Writer = Annotated[Caller, Depends(caller_with("admin:write"))]

_ORDERABLE = ("created_at", "updated_at", "name", "id")
_TRUE_OR_FALSE = {"type": "string", "enum": ["true", "false"]}
_KINDS: dict[str, Kind] = {**KINDS, "name": "text"}
_FILTERS: dict[str, Filter] = {
    "integration_vendor": "Only this PMS.",
    "name": "Only this name.",
    "active": ("Only active ones, or only paused ones.", _TRUE_OR_FALSE),
    "is_archived": ("Only archived ones, or only others.", _TRUE_OR_FALSE),
}
_PROPERTY_ORDERABLE = ("created_at", "id")
_PROPERTY_FILTERS: dict[str, Filter] = {
    "property_id": "Only this property.",
    "enabled": ("Only those that take part, or only others.", _TRUE_OR_FALSE),
}
_SHOWN = tuple(
    name
    for name in IntegrationShape.model_fields
    if name not in ("system", "customer_id", "ping_results")
)
_CONNECTED = next(vendor.declaration for vendor in vendors().values() if vendor.connector)
_EXAMPLE = {
    "integration_vendor": _CONNECTED.vendor,
    "name": "Maple Court",
    "credentials": {key.name: "..." for key in _CONNECTED.credentials},
    "active": True,
}


@router.post(
    "",
    summary="Create an integration",
    **operation(
        "createIntegration",
        IntegrationResult,
        Code.UNKNOWN_REFERENCE,
        body=IntegrationCreate,
        body_example=_EXAMPLE,
        links=leads_to(
            "getIntegration",
            "updateIntegration",
            "archiveIntegration",
            "getIntegrationCapabilities",
            "getEventTypeMap",
            "updateEventTypeMap",
            "checkDataAccess",
            "getDataAccess",
            "getRateLimits",
            "manualSync",
            "listIntegrationProperties",
            integration_id="$response.body#/result/id",
        ),
    ),
)
async def create(request: Request, caller: Writer) -> Response:
    body = await read_model(request, IntegrationCreate)
    row = await _service(request).create(caller.account_id, body)
    return json_answer({"result": _shape(row)})


@router.get(
    "",
    summary="List the account's integrations",
    **operation(
        "listIntegrations",
        list_of(ListedIntegration),
        parameters=list_parameters(orderable=_ORDERABLE, filters=_FILTERS, times=("updated_at",)),
    ),
)
async def listed(request: Request, caller: Reader) -> Response:
    query = list_query(
        request.query_params,
        orderable=_ORDERABLE,
        filters=tuple(_FILTERS),
        times=("updated_at",),
        kinds=_KINDS,
    )
    rows, total = await _service(request).page(caller.account_id, query)
    return json_answer(page_answer(query, rows, total, values_of=_value_of, shown=_listed_shape))


@router.get(
    "/{integration_id}",
    summary="One integration",
    **operation("getIntegration", one_of(ListedIntegration), Code.NOT_FOUND),
)
async def one(request: Request, integration_id: str, caller: Reader) -> Response:
    row = await _service(request).one(caller.account_id, parse_id(integration_id))
    return json_answer({"meta": {}, "results": _listed_shape(row)})


@router.put(
    "/{integration_id}",
    summary="Change an integration; what is absent stays",
    **operation(
        "updateIntegration",
        IntegrationResult,
        Code.NOT_FOUND,
        Code.CONFLICT,
        body=IntegrationUpdate,
        body_example={"active": False},
    ),
)
async def change(request: Request, integration_id: str, caller: Writer) -> Response:
    body = await read_model(request, IntegrationUpdate)
    row = await _service(request).change(caller.account_id, parse_id(integration_id), body)
    return json_answer({"result": _shape(row)})


@router.delete(
    "/{integration_id}",
    summary="Archive an integration and cancel what waits",
    **operation("archiveIntegration", Success, Code.NOT_FOUND),
)
async def archive(request: Request, integration_id: str, caller: Writer) -> Response:
    await _service(request).archive(caller.account_id, parse_id(integration_id))
    return json_answer({"success": True})


@router.post(
    "/{integration_id}/data-access",
    summary="Check what the credentials may read; nothing is written",
    **operation(
        "checkDataAccess",
        BeganDataAccessResult,
        Code.NOT_FOUND,
        Code.CONFLICT,
        Code.NOT_SUPPORTED,
        *BODY_REFUSALS,
    ),
)
async def begin_data_access(request: Request, integration_id: str, caller: Writer) -> Response:
    await refuse_body(request)
    await _service(request).begin_data_access(caller.account_id, parse_id(integration_id))
    return json_answer({"result": {"began_data_access": True}})


@router.get(
    "/{integration_id}/data-access",
    summary="What the last data-access check found",
    **operation("getDataAccess", DataAccessResult, Code.NOT_FOUND),
)
async def data_access(request: Request, integration_id: str, caller: Reader) -> Response:
    row = await _service(request).one(caller.account_id, parse_id(integration_id))
    return json_answer(
        {
            "result": {
                "models": data_access_of(row),
                "last_data_access_check": row["last_data_access_check"],
                "data_access_check_in_process": row["is_checking_access"],
            }
        }
    )


@router.get(
    "/{integration_id}/rate-limits",
    summary="The integration's budget and queue as they stand",
    **operation("getRateLimits", RateLimitsResult, Code.NOT_FOUND),
)
async def rate_limits(request: Request, integration_id: str, caller: Reader) -> Response:
    found = await _service(request).rate_limits(caller.account_id, parse_id(integration_id))
    return json_answer({"results": found})


@router.post(
    "/{integration_id}/manual-sync",
    summary="Read models, or some residents, now",
    **operation(
        "manualSync",
        SuccessResult,
        Code.NOT_FOUND,
        Code.CONFLICT,
        Code.NOT_SUPPORTED,
        Code.UNKNOWN_REFERENCE,
        body=ManualSync,
        body_example={"models_to_sync": ["residents"]},
    ),
)
async def manual_sync(request: Request, integration_id: str, caller: Writer) -> Response:
    body = await read_model(request, ManualSync)
    await _service(request).manual_sync(caller.account_id, parse_id(integration_id), body)
    return json_answer({"result": {"success": True}})


@router.get(
    "/{integration_id}/properties",
    summary="The integration's properties and whether they take part",
    **operation(
        "listIntegrationProperties",
        list_of(PropertyShape),
        Code.NOT_FOUND,
        parameters=list_parameters(
            orderable=_PROPERTY_ORDERABLE, filters=_PROPERTY_FILTERS, times=()
        ),
    ),
)
async def properties(request: Request, integration_id: str, caller: Reader) -> Response:
    query = list_query(
        request.query_params,
        orderable=_PROPERTY_ORDERABLE,
        filters=tuple(_PROPERTY_FILTERS),
        times=(),
    )
    rows, total = await _service(request).properties(
        caller.account_id, parse_id(integration_id), query
    )
    return json_answer(page_answer(query, rows, total, values_of=_value_of, shown=_property_shape))


@router.put(
    "/{integration_id}/properties/{configuration_id}",
    summary="Switch a property on or off, or set its time zone",
    **operation(
        "updateIntegrationProperty",
        PropertyResult,
        Code.NOT_FOUND,
        body=PropertyChange,
        body_example={"enabled": False},
    ),
)
async def change_property(
    request: Request, integration_id: str, configuration_id: str, caller: Writer
) -> Response:
    body = await read_model(request, PropertyChange)
    row = await _service(request).change_property(
        caller.account_id, parse_id(integration_id), parse_id(configuration_id), body
    )
    return json_answer({"result": _property_shape(row)})


def _service(request: Request) -> IntegrationService:
    service: IntegrationService = request.app.state.services.integrations
    return service


def _shape(row: Record) -> dict[str, Any]:
    """What an integration shows of itself; credentials are in no shape."""
    shown = {name: row[name] for name in _SHOWN}
    shown["ping_results"] = None if row["ping_results"] is None else loads(row["ping_results"])
    return shown | {"system": False, "customer_id": None}


def _listed_shape(row: Record) -> dict[str, Any]:
    return _shape(row) | {
        "integration_vendor": row["vendor"],
        "last_completed_sync": row["last_completed_sync"],
        "can_authenticate": row["can_authenticate"],
        "last_data_access_check": row["last_data_access_check"],
        "is_running_sync": row["is_running_sync"],
    }


def _property_shape(row: Record) -> dict[str, Any]:
    return {name: row[name] for name in PropertyShape.model_fields}


def _value_of(row: Record, field: str) -> Scalar:
    value = row[field]
    return value.isoformat() if isinstance(value, datetime) else str(value)
