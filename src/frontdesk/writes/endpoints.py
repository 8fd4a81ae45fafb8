"""The endpoints of a write's owner: status, stream, retry, cancel, and the logs."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from frontdesk.errors import Code
from frontdesk.http.answers import json_answer
from frontdesk.http.body import read_model, refuse_body
from frontdesk.http.caller import Caller, caller_with
from frontdesk.http.openapi import (
    BODY_REFUSALS,
    leads_to,
    list_of,
    list_parameters,
    one_of,
    operation,
    query_parameter,
)
from frontdesk.http.paging import LARGEST_OFFSET, list_query
from frontdesk.ids import parse_id
from frontdesk.writes.idempotency import Key, fingerprint, read_key
from frontdesk.writes.logs import (
    JOB_FILTERS,
    JOB_ORDERABLE,
    STATUSES,
    TIME_RANGES,
    WRITE_FILTERS,
)
from frontdesk.writes.parameters import (
    KEY_PARAMETER,
    REPLAYED_HEADER,
    WAIT_PARAMETER,
    WRITE_LINKS,
    Parameters,
)
from frontdesk.writes.schemas import (
    Cancelled,
    JobLog,
    JobLogData,
    Retried,
    RetriedWrites,
    RetryWrites,
    WriteLogsAnswer,
    WriteState,
)
from frontdesk.writes.service import Step, WritesService

router = APIRouter(prefix="/v1/admin", tags=["Writes"])

Reader = Annotated[Caller, Depends(caller_with("admin:read"))]
Writer = Annotated[Caller, Depends(caller_with("admin:write"))]

LARGEST_PAGE = 100
RECONNECT_MILLISECONDS = 2000

_CHOICES = {"time_range": TIME_RANGES, "status": STATUSES}


@router.get(
    "/write-status/{root_job_id}",
    summary="How far a write has come",
    **operation(
        "getWriteStatus",
        WriteState,
        Code.NOT_FOUND,
        parameters=[WAIT_PARAMETER],
        links=leads_to("getEvent", record_id="$response.body#/created_record_id"),
    ),
)
async def write_status(request: Request, root_job_id: str, caller: Reader) -> Response:
    parameters = Parameters(request.query_params, ("wait",))
    wait = parameters.wait()
    parameters.check()
    found = await _service(request).status(
        caller.account_id, parse_id(root_job_id), wait=wait or 0.0
    )
    return json_answer(found)


def _stream_document() -> dict[str, Any]:
    document = operation(
        "streamWriteStatus",
        WriteState,
        Code.NOT_FOUND,
        parameters=[
            {
                "name": "Last-Event-ID",
                "in": "header",
                "required": False,
                "description": "The id of the last event that arrived: what it told is not told "
                "again.",
                "schema": {"type": "string", "maxLength": 200},
            }
        ],
        description="Server-sent events named `write`, each with the write as it stands; the "
        "stream ends with the write. A comment comes every 15 s.",
    )
    answers = document["responses"]
    answers[200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    answers[204] = {"description": "The write has ended and the caller knows it: do not reconnect."}
    return document


@router.get(
    "/write-status/{root_job_id}/stream",
    summary="Follow a write as server-sent events",
    **_stream_document(),
)
async def stream(request: Request, root_job_id: str, caller: Reader) -> Response:
    Parameters(request.query_params, ()).check()
    steps = await _service(request).stream(
        caller.account_id, parse_id(root_job_id), request.headers.get("last-event-id")
    )
    if steps is None:
        return Response(status_code=204)
    return StreamingResponse(
        _sent(steps),
        media_type="text/event-stream",
        # Proxies that collect an answer before they pass it on would make a stream useless.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _retry_document() -> dict[str, Any]:
    document = operation(
        "retryWrite",
        Retried,
        Code.NOT_FOUND,
        Code.CONFLICT,
        Code.IDEMPOTENCY_MISMATCH,
        *BODY_REFUSALS,
        parameters=[KEY_PARAMETER],
        links=WRITE_LINKS,
    )
    document["responses"][200]["headers"] = dict(REPLAYED_HEADER)
    return document


@router.post(
    "/retry-write/{root_job_id}",
    summary="Try a failed write again, at the end of its lane",
    **_retry_document(),
)
async def retry(request: Request, root_job_id: str, caller: Writer) -> Response:
    Parameters(request.query_params, ()).check()
    key = read_key(request.headers.getlist("idempotency-key"))
    await refuse_body(request)
    answer, replayed = await _service(request).retry(
        caller.account_id,
        parse_id(root_job_id),
        None if key is None else Key(key, fingerprint("POST", request.url.path, None, ())),
    )
    return json_answer(answer, headers={"Idempotent-Replayed": "true"} if replayed else None)


def _retry_many_document() -> dict[str, Any]:
    document = operation(
        "retryWrites",
        RetriedWrites,
        Code.UNKNOWN_REFERENCE,
        Code.CONFLICT,
        Code.IDEMPOTENCY_MISMATCH,
        body=RetryWrites,
        body_example={"filter": {"error_code": "no_answer", "time_range": "day"}, "dry_run": True},
        parameters=[KEY_PARAMETER],
    )
    document["responses"][200]["headers"] = dict(REPLAYED_HEADER)
    return document


@router.post(
    "/retry-writes",
    summary="Try the failed writes that fit a filter again, each at the end of its lane",
    **_retry_many_document(),
)
async def retry_many(request: Request, caller: Writer) -> Response:
    Parameters(request.query_params, ()).check()
    key = read_key(request.headers.getlist("idempotency-key"))
    body = await read_model(request, RetryWrites)
    meaning = body.model_dump(mode="json", exclude_none=True)
    answer, replayed = await _service(request).retry_many(
        caller.account_id,
        body,
        None if key is None else Key(key, fingerprint("POST", request.url.path, meaning, ())),
    )
    return json_answer(answer, headers={"Idempotent-Replayed": "true"} if replayed else None)


@router.delete(
    "/writes/{job_id}",
    summary="Cancel a write that is not out",
    **operation("cancelWrite", Cancelled, Code.NOT_FOUND, Code.CONFLICT, Code.INVALID_REQUEST),
)
async def cancel(request: Request, job_id: str, caller: Writer) -> Response:
    Parameters(request.query_params, ()).check()
    parsed = parse_id(job_id)
    await _service(request).cancel(caller.account_id, parsed)
    return json_answer({"success": True, "job_id": parsed})


@router.get(
    "/logs/writes",
    summary="The account's writes, newest first",
    **operation(
        "listWriteLogs",
        WriteLogsAnswer,
        parameters=[
            query_parameter(
                "limit",
                "Most logs of a page.",
                {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": LARGEST_PAGE},
            ),
            query_parameter(
                "offset",
                "Logs to pass over.",
                {"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET, "default": 0},
            ),
            *(
                query_parameter(
                    name,
                    text,
                    {"type": "string", "enum": list(_CHOICES[name])} if name in _CHOICES else None,
                )
                for name, text in WRITE_FILTERS.items()
            ),
        ],
    ),
)
async def write_logs(request: Request, caller: Reader) -> Response:
    parameters = Parameters(request.query_params, ("limit", "offset", *WRITE_FILTERS))
    limit = parameters.number("limit", LARGEST_PAGE, 1, LARGEST_PAGE)
    offset = parameters.number("offset", 0, 0, LARGEST_OFFSET)
    parameters.check()
    filters = parameters.texts(tuple(WRITE_FILTERS))
    logs = _service(request).logs
    return json_answer(await logs.writes(caller.account_id, filters, limit=limit, offset=offset))


_JOB_PARAMETERS = list_parameters(orderable=JOB_ORDERABLE, filters=JOB_FILTERS, times=())


@router.get(
    "/logs/jobs",
    summary="Attempts of writes and steps of syncs",
    **operation("listJobLogs", list_of(JobLog), parameters=_JOB_PARAMETERS),
)
async def job_logs(request: Request, caller: Reader) -> Response:
    query = list_query(
        request.query_params, orderable=JOB_ORDERABLE, filters=tuple(JOB_FILTERS), times=()
    )
    return json_answer(await _service(request).logs.attempts(caller.account_id, query))


@router.get(
    "/logs/jobs/{job_id}",
    summary="All logs of one job",
    **operation("listLogsOfJob", list_of(JobLog), Code.NOT_FOUND, parameters=_JOB_PARAMETERS),
)
async def logs_of_job(request: Request, job_id: str, caller: Reader) -> Response:
    query = list_query(
        request.query_params, orderable=JOB_ORDERABLE, filters=tuple(JOB_FILTERS), times=()
    )
    logs = _service(request).logs
    return json_answer(await logs.attempts_of(caller.account_id, parse_id(job_id), query))


@router.get(
    "/job-logs/{job_log_id}",
    summary="One log",
    **operation("getJobLog", one_of(JobLog), Code.NOT_FOUND, Code.INVALID_REQUEST),
)
async def job_log(request: Request, job_log_id: str, caller: Reader) -> Response:
    Parameters(request.query_params, ()).check()
    found = await _service(request).logs.attempt(caller.account_id, parse_id(job_log_id))
    return json_answer({"meta": {}, "results": found})


@router.get(
    "/job-logs/{job_log_id}/data",
    summary="What went over the wire in one attempt, secrets masked",
    **operation(
        "getJobLogData",
        one_of(JobLogData),
        Code.NOT_FOUND,
        Code.CONFLICT,
        Code.INVALID_REQUEST,
    ),
)
async def job_log_data(request: Request, job_log_id: str, caller: Reader) -> Response:
    Parameters(request.query_params, ()).check()
    found = await _service(request).logs.attempt_data(caller.account_id, parse_id(job_log_id))
    return json_answer({"meta": {}, "results": found})


async def _sent(steps: AsyncIterator[Step]) -> AsyncIterator[bytes]:
    """The steps in the form of the HTML standard's event streams."""
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n".encode()
    async for step in steps:
        if step.status is None:
            yield b": beat\n\n"
        else:
            data = bytes(json_answer(step.status).body)
            yield b"id: %b\nevent: write\ndata: %b\n\n" % (step.marker.encode(), data)


def _service(request: Request) -> WritesService:
    service: WritesService = request.app.state.services.writes
    return service
