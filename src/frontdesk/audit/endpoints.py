"""The endpoint of the audit trail."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from orjson import loads
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from frontdesk.audit import service
from frontdesk.database.pool import Record
from frontdesk.http.answers import json_answer
from frontdesk.http.caller import Caller, caller_with
from frontdesk.http.openapi import Filter, list_of, list_parameters, operation
from frontdesk.http.paging import Scalar, list_query, page_answer

router = APIRouter(prefix="/v1/admin", tags=["Audit"])

Reader = Annotated[Caller, Depends(caller_with("admin:read"))]

_ORDERABLE = ("created_at",)
_FILTERS: dict[str, Filter] = {
    "action": "Only this action, such as `integration.update`.",
    "subject_type": "Only what was done to this kind of thing, such as `webhook`.",
    "subject_id": "Only what was done to this one.",
    "actor": "Only what was done with the token of this prefix, on the `command line`, or by the "
    "`system`.",
}


class AdminAction(BaseModel):
    """One thing that was done."""

    id: str
    created_at: datetime
    actor: str = Field(
        description="Prefix of the token, `command line`, or `system` where nobody asked for it."
    )
    client: str | None = Field(
        description="Address of the request, or who was logged in (or what ran) where."
    )
    request_id: str | None
    action: str
    subject_type: str
    subject_id: str
    before: dict[str, Any] | None = Field(
        description="What differs, as it was. No secret is in it."
    )
    after: dict[str, Any] | None = Field(
        description="The same, as it is since. No secret is in it."
    )


@router.get(
    "/audit-log",
    summary="Who changed what, from where",
    **operation(
        "listAdminActions",
        list_of(AdminAction),
        parameters=list_parameters(orderable=_ORDERABLE, filters=_FILTERS, times=("created_at",)),
    ),
)
async def audit_log(request: Request, caller: Reader) -> Response:
    query = list_query(
        request.query_params,
        orderable=_ORDERABLE,
        filters=tuple(_FILTERS),
        times=("created_at",),
    )
    database = request.app.state.services.database
    rows, total = await service.page(database, caller.account_id, query)
    return json_answer(page_answer(query, rows, total, values_of=_value_of, shown=_shown))


def _shown(row: Record) -> dict[str, Any]:
    return {
        **dict(row),
        "before": None if row["before"] is None else loads(row["before"]),
        "after": None if row["after"] is None else loads(row["after"]),
    }


def _value_of(row: Record, field: str) -> Scalar:
    value = row[field]
    return value.isoformat() if isinstance(value, datetime) else str(value)
