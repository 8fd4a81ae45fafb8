"""The endpoint of erasure."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from frontdesk.errors import Code
from frontdesk.http.answers import json_answer
from frontdesk.http.body import refuse_body
from frontdesk.http.caller import Caller, caller_with
from frontdesk.http.openapi import BODY_REFUSALS, operation, query_parameter
from frontdesk.ids import parse_id
from frontdesk.retention.erasure import ErasureService
from frontdesk.writes.parameters import Parameters

router = APIRouter(prefix="/v1/admin", tags=["Residents"])

Writer = Annotated[Caller, Depends(caller_with("admin:write"))]


class Erasure(BaseModel):
    """How much was erased."""

    erased: Literal[True]
    events: int
    writes: int
    attempts: int


class ErasureResult(BaseModel):
    """The answer of an erasure."""

    result: Erasure


@router.post(
    "/residents/{resident_id}/erase",
    summary="Erase all that is kept of a resident",
    **operation(
        "eraseResident",
        ErasureResult,
        Code.NOT_FOUND,
        Code.CONFLICT,
        *BODY_REFUSALS,
        parameters=[
            query_parameter(
                "cancel",
                "Cancel the resident's writes that are not out. While one is out it is a 409 still.",
                {"type": "boolean", "default": False},
            )
        ],
        description="The resident, his events, and what was said in writes, attempts, stored answers "
        "and deliveries are gone; a keyed hash keeps the next sync from bringing him back.",
    ),
)
async def erase(request: Request, resident_id: str, caller: Writer) -> Response:
    parameters = Parameters(request.query_params, ("cancel",))
    cancel = parameters.flag("cancel")
    parameters.check()
    await refuse_body(request)
    service: ErasureService = request.app.state.services.erasure
    erased = await service.erase(caller.account_id, parse_id(resident_id), cancel=cancel)
    return json_answer({"result": {"erased": True, **erased._asdict()}})
