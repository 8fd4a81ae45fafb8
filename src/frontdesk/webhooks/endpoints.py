"""The webhooks' endpoints under `/v1/webhooks`: thin, each calls one service."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
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
from frontdesk.webhooks.schemas import (
    CallbackSecretResult,
    CallbackSecretShape,
    DeletedResult,
    DeliveryResult,
    DeliveryShape,
    RotateSecret,
    TestCall,
    WebhookCreate,
    WebhookResult,
    WebhookShape,
    WebhookUpdate,
)
from frontdesk.webhooks.service import STATES, WebhookService
from frontdesk.webhooks.triggers import TRIGGERS

router = APIRouter(prefix="/v1/webhooks", tags=["Webhooks"])

Owner = Annotated[Caller, Depends(caller_with("webhooks"))]

_ORDERABLE = ("created_at", "updated_at", "id")
_FILTERS: dict[str, Filter] = {
    "active": (
        "Only active ones, or only others.",
        {"type": "string", "enum": ["true", "false"]},
    )
}
_DELIVERY_ORDERABLE = ("created_at", "id")
_DELIVERY_FILTERS: dict[str, Filter] = {
    "state": ("Only deliveries in this state.", {"type": "string", "enum": list(STATES)}),
    "trigger": ("Only this trigger.", {"type": "string", "enum": list(TRIGGERS)}),
}
_KINDS: dict[str, Kind] = dict(KINDS)
_EXAMPLE = {
    "url": "https://receiver.example.com/frontdesk",
    "triggers": ["WRITE_OPERATION_SUCCESS", "WRITE_OPERATION_FAILURE"],
    "active": True,
}


@router.post(
    "",
    summary="Create a webhook; its secret is shown this once",
    **operation(
        "createWebhook",
        WebhookResult,
        Code.CONFLICT,
        body=WebhookCreate,
        body_example=_EXAMPLE,
        links=leads_to(
            "getWebhook",
            "updateWebhook",
            "deleteWebhook",
            "rotateWebhookSecret",
            "testWebhook",
            "listWebhookDeliveries",
            webhook_id="$response.body#/result/id",
        ),
    ),
)
async def create(request: Request, caller: Owner) -> Response:
    body = await read_model(request, WebhookCreate)
    return json_answer({"result": await _service(request).create(caller.account_id, body)})


@router.get(
    "",
    summary="List the account's webhooks",
    **operation(
        "listWebhooks",
        list_of(WebhookShape),
        parameters=list_parameters(orderable=_ORDERABLE, filters=_FILTERS, times=("updated_at",)),
    ),
)
async def listed(request: Request, caller: Owner) -> Response:
    query = list_query(
        request.query_params,
        orderable=_ORDERABLE,
        filters=tuple(_FILTERS),
        times=("updated_at",),
        kinds=_KINDS,
    )
    service = _service(request)
    rows, total = await service.page(caller.account_id, query)
    return json_answer(page_answer(query, rows, total, values_of=_value_of, shown=service.shown))


# Before what has an id in its place.
@router.get(
    "/callback-secret",
    summary="The secret that signs calls of `callback_url`, without itself",
    **operation("getCallbackSecret", one_of(CallbackSecretShape)),
)
async def callback_secret(request: Request, caller: Owner) -> Response:
    found = await _service(request).callback_secrets.shown(caller.account_id)
    return json_answer({"meta": {}, "results": found})


@router.post(
    "/callback-secret",
    summary="Make a new callback secret, shown this once; the old one signs as well for a while",
    **operation(
        "rotateCallbackSecret",
        CallbackSecretResult,
        body=RotateSecret,
        body_example={"overlap_hours": 24},
    ),
)
async def rotate_callback_secret(request: Request, caller: Owner) -> Response:
    body = await read_model(request, RotateSecret)
    made = await _service(request).callback_secrets.rotate(caller.account_id, body)
    return json_answer({"result": made})


@router.get(
    "/{webhook_id}",
    summary="One webhook",
    **operation("getWebhook", one_of(WebhookShape), Code.NOT_FOUND),
)
async def one(request: Request, webhook_id: str, caller: Owner) -> Response:
    service = _service(request)
    row = await service.one(caller.account_id, parse_id(webhook_id))
    return json_answer({"meta": {}, "results": service.shown(row)})


@router.put(
    "/{webhook_id}",
    summary="Change a webhook; what is absent stays",
    **operation(
        "updateWebhook",
        WebhookResult,
        Code.NOT_FOUND,
        body=WebhookUpdate,
        body_example={"active": False},
    ),
)
async def change(request: Request, webhook_id: str, caller: Owner) -> Response:
    body = await read_model(request, WebhookUpdate)
    changed = await _service(request).change(caller.account_id, parse_id(webhook_id), body)
    return json_answer({"result": changed})


@router.delete(
    "/{webhook_id}",
    summary="Delete a webhook and what waits for it",
    **operation("deleteWebhook", DeletedResult, Code.NOT_FOUND),
)
async def delete(request: Request, webhook_id: str, caller: Owner) -> Response:
    await _service(request).delete(caller.account_id, parse_id(webhook_id))
    return json_answer({"result": {"success": True}})


@router.post(
    "/{webhook_id}/rotate-secret",
    summary="Make a new secret, shown this once; the old one signs as well for a while",
    **operation(
        "rotateWebhookSecret",
        WebhookResult,
        Code.NOT_FOUND,
        body=RotateSecret,
        body_example={"overlap_hours": 24},
    ),
)
async def rotate(request: Request, webhook_id: str, caller: Owner) -> Response:
    body = await read_model(request, RotateSecret)
    rotated = await _service(request).rotate(caller.account_id, parse_id(webhook_id), body)
    return json_answer({"result": rotated})


@router.post(
    "/{webhook_id}/test",
    summary="Send a delivery with an invented body, once, also while the webhook is off",
    **operation(
        "testWebhook",
        DeliveryResult,
        Code.NOT_FOUND,
        body=TestCall,
        body_example={"trigger": "WRITE_OPERATION_SUCCESS"},
        links=leads_to("listWebhookDeliveries", webhook_id="$request.path.webhook_id")
        | leads_to(
            "redeliverWebhook",
            webhook_id="$request.path.webhook_id",
            delivery_id="$response.body#/result/id",
        ),
    ),
)
async def test(request: Request, webhook_id: str, caller: Owner) -> Response:
    body = await read_model(request, TestCall)
    row = await _service(request).test(caller.account_id, parse_id(webhook_id), body)
    return json_answer({"result": _delivery_shape(request, row)})


@router.get(
    "/{webhook_id}/deliveries",
    summary="What was sent to a webhook, or will be",
    **operation(
        "listWebhookDeliveries",
        list_of(DeliveryShape),
        Code.NOT_FOUND,
        parameters=list_parameters(
            orderable=_DELIVERY_ORDERABLE, filters=_DELIVERY_FILTERS, times=("created_at",)
        ),
    ),
)
async def deliveries(request: Request, webhook_id: str, caller: Owner) -> Response:
    query = list_query(
        request.query_params,
        orderable=_DELIVERY_ORDERABLE,
        filters=tuple(_DELIVERY_FILTERS),
        times=("created_at",),
        kinds=_KINDS,
    )
    rows, total = await _service(request).deliveries(caller.account_id, parse_id(webhook_id), query)
    return json_answer(
        page_answer(
            query,
            rows,
            total,
            values_of=_value_of,
            shown=lambda row: _delivery_shape(request, row),
        )
    )


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    summary="Send a delivery again, whatever became of it",
    **operation("redeliverWebhook", DeliveryResult, Code.NOT_FOUND, Code.CONFLICT, *BODY_REFUSALS),
)
async def redeliver(request: Request, webhook_id: str, delivery_id: str, caller: Owner) -> Response:
    await refuse_body(request)
    row = await _service(request).redeliver(
        caller.account_id, parse_id(webhook_id), parse_id(delivery_id)
    )
    return json_answer({"result": _delivery_shape(request, row)})


def _service(request: Request) -> WebhookService:
    service: WebhookService = request.app.state.services.webhooks
    return service


def _delivery_shape(request: Request, row: Record) -> dict[str, Any]:
    names = set(DeliveryShape.model_fields) - {"next_attempt_at"}
    waits = row["state"] == "waiting"
    return {
        **{name: row[name] for name in names},
        "body": _service(request).body_of(row),
        "next_attempt_at": row["ready_at"] if waits else None,
    }


def _value_of(row: Record, field: str) -> Scalar:
    value = row[field]
    return value.isoformat() if isinstance(value, datetime) else str(value)
