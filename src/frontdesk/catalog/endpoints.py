"""`/v1/events`, `/v1/residents` … : the catalog's lists and records, one pair of paths a model.

All pairs are made from `models.SPECS`. Thin: reads the query, asks the service, answers.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from frontdesk.catalog.listing import Listing, Ordering, Span
from frontdesk.catalog.models import SPECS, Filter, ModelSpec
from frontdesk.catalog.schemas import schema_of
from frontdesk.catalog.service import CatalogService
from frontdesk.database.pool import Record
from frontdesk.errors import Code, Problem, invalid
from frontdesk.http.answers import json_answer
from frontdesk.http.caller import Caller, caller_with
from frontdesk.http.openapi import list_of, list_parameters, one_of, operation
from frontdesk.http.paging import ListQuery, Scalar, list_query, page_answer
from frontdesk.ids import parse_id
from frontdesk.vendors.declaration import Model

router = APIRouter(tags=["Catalog"])

Reader = Annotated[Caller, Depends(caller_with("events:read"))]

_TIMES: tuple[Literal["updated_at", "last_seen"], ...] = ("updated_at", "last_seen")


def _add(spec: ModelSpec) -> None:
    plural = "Properties" if spec.model is Model.PROPERTIES else f"{spec.title}s"
    words = spec.path.replace("-", " ")
    filters = {
        name: item.description
        or (f"Only {words} with this `{name}`.")
        + (" Needs `integration_id`." if item.needs_integration else "")
        for name, item in spec.all_filters.items()
    }
    router.add_api_route(
        f"/v1/{spec.path}",
        _list_endpoint(spec),
        methods=["GET"],
        summary=f"List {words}",
        **operation(
            f"list{plural}",
            list_of(schema_of(spec)),
            Code.INVALID_REQUEST,
            Code.FORBIDDEN,
            parameters=list_parameters(
                orderable=list(spec.all_orders), filters=filters, times=_TIMES
            ),
            description="A page of records.",
        ),
    )
    router.add_api_route(
        f"/v1/{spec.path}/{{record_id}}",
        _one_endpoint(spec),
        methods=["GET"],
        summary=f"One of the {words}",
        **operation(
            f"get{spec.title}",
            one_of(schema_of(spec)),
            Code.FORBIDDEN,
            Code.NOT_FOUND,
            description="The record.",
        ),
    )


def _list_endpoint(spec: ModelSpec) -> Callable[..., Awaitable[Response]]:
    async def list_records(request: Request, caller: Reader) -> Response:
        query = list_query(
            request.query_params,
            orderable=list(spec.all_orders),
            filters=list(spec.all_filters),
            times=_TIMES,
            # Our cursors count microseconds; `Listing.has_valid_place` knows what is in them.
            kinds={},
        )
        listing = _listing(spec, caller.account_id, query)
        if listing is None:
            return json_answer(_answer(query, [], 0, dict))
        service = _service(request)
        resident_id = dict(query.filters).get("resident_id")
        if spec.model is Model.EVENTS and resident_id is not None:
            named = parse_id(resident_id)
            if named is not None:
                await service.refresh_events(caller.account_id, named)
        rows = await service.page(listing)
        # The first page of a short list has told how long it is.
        complete = query.after is None and query.offset == 0 and len(rows) <= query.limit
        total = len(rows) if complete else await service.total(listing)
        return json_answer(
            _answer(query, rows, total, lambda row: service.shown(spec, caller.account_id, row))
        )

    return list_records


def _one_endpoint(spec: ModelSpec) -> Callable[..., Awaitable[Response]]:
    async def one_record(request: Request, record_id: str, caller: Reader) -> Response:
        record = await _service(request).one(spec, caller.account_id, parse_id(record_id))
        return json_answer({"meta": {}, "results": record})

    return one_record


def _service(request: Request) -> CatalogService:
    service: CatalogService = request.app.state.services.catalog
    return service


def _listing(spec: ModelSpec, account_id: UUID, query: ListQuery) -> Listing | None:
    """The list as the repository takes it; None where a filter names an id that no record has.
    Raises ApiError 400."""
    chosen: list[tuple[Filter, UUID | str]] = []
    problems: list[Problem] = []
    impossible = False
    for name, text in query.filters.items():
        item = spec.all_filters[name]
        if item.needs_integration and "integration_id" not in query.filters:
            message = f"{name} means something only together with integration_id."
            problems.append(Problem("required", ("integration_id",), message))
        if item.kind in ("id", "id_among"):
            named = parse_id(text)
            impossible = impossible or named is None
            chosen.append((item, named or text))
        else:
            chosen.append((item, text))
    spans = [
        Span(column, side, moment)
        for column in _TIMES
        for side in ("gte", "lte")
        if (moment := query.times.get(f"{column}_{side}")) is not None
    ]
    listing = Listing(
        spec,
        account_id,
        filters=chosen,
        spans=spans,
        ordering=[Ordering(spec.all_orders[part.field], part.direction) for part in query.order],
        limit=query.limit,
        offset=query.offset,
        after=None if query.after is None else [str(value) for value in query.after],
    )
    if not listing.has_valid_place():
        message = "cursor is not one that this list gave; start without it."
        problems.append(Problem("invalid_value", ("cursor",), message))
    if problems:
        raise invalid(problems)
    return None if impossible else listing


def _answer(
    query: ListQuery,
    rows: list[Record],
    total: int | None,
    shown: Callable[[Record], dict[str, Any]],
) -> dict[str, Any]:
    places = {part.field: n for n, part in enumerate(query.order)}

    def value_of(row: Record, field: str) -> Scalar:
        value: str = row[f"key_{places[field]}"]
        return value

    return page_answer(query, rows, total, values_of=value_of, shown=shown)


for _spec in SPECS.values():
    _add(_spec)
