"""Many events in one call: each is judged as if it came alone, and all that pass are one commit.

The results stand in the order of the events, which is the order of their lanes too. Nothing is said
of any event before the commit that holds all of them. A fault of ours or of the database fails the
call, never a part of it.
"""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, ValidationError

from frontdesk.errors import ApiError, Code, Problem, invalid
from frontdesk.events.service import EventsService, Options, Ready, Reply, replayed
from frontdesk.http.body import Body
from frontdesk.http.problems import problems_of
from frontdesk.ids import new_id
from frontdesk.writes.intake import Accepted, Intake, NewCall

MOST_EVENTS = 500
BODY_LIMIT = 8 << 20
"""Bytes."""

_AT_ONCE = 100
"""Events that are looked at together: as many as one look-up of the catalog answers."""


class BulkBody(Body):
    """The body of a call. What each event is made of is judged event by event."""

    events: Annotated[list[Any], Field(min_length=1, max_length=MOST_EVENTS)]
    atomic: bool = False


class BulkEvents:
    """Accepts calls for every account; each names whose."""

    def __init__(self, events: EventsService, intake: Intake) -> None:
        self._events = events
        self._intake = intake

    async def create(self, account_id: UUID, body: Any, options: Options) -> Reply:
        """Accept the events of a parsed body; `options.key` covers them all. Raises ApiError 400
        (with `atomic` also for any event that cannot be accepted), 422, 503."""
        if (replay := await self._events.replay(account_id, options)) is not None:
            return replay
        call = _read(body)
        alone = Options(
            ignore_unknown_fields=options.ignore_unknown_fields,
            dry_run=options.dry_run,
            kind_fallback=options.kind_fallback,
        )
        found: list[Ready | ApiError] = []
        for start in range(0, len(call.events), _AT_ONCE):
            part = call.events[start : start + _AT_ONCE]
            found += await asyncio.gather(
                *(self._one(account_id, start + n, event, alone) for n, event in enumerate(part))
            )
        errors = [item for item in found if isinstance(item, ApiError)]
        if call.atomic and errors:
            raise _refusal(errors)
        answer = {
            "meta": {"accepted": len(found) - len(errors), "refused": len(errors)},
            "results": [
                _shown(item) if isinstance(item, ApiError) else item.answer for item in found
            ],
        }
        if options.dry_run:
            return Reply(answer)
        key = options.key
        outcome = await self._intake.submit_call(
            NewCall(
                id=new_id(),
                account_id=account_id,
                writes=tuple(
                    item.write for item in found if isinstance(item, Ready) and item.write
                ),
                answer=answer,
                idempotency_key=None if key is None else key.key,
                fingerprint=None if key is None else key.fingerprint,
            )
        )
        return Reply(answer) if isinstance(outcome, Accepted) else replayed(outcome)

    async def _one(
        self, account_id: UUID, place: int, event: Any, options: Options
    ) -> Ready | ApiError:
        try:
            return await self._events.ready(account_id, event, options)
        except ApiError as error:
            if error.code.status >= Code.INTERNAL.status:
                raise
            return _at(place, error)


def _read(body: Any) -> BulkBody:
    try:
        return BulkBody.model_validate(body)
    except ValidationError as error:
        raise invalid(problems_of(error.errors(include_url=False))) from None


def _at(place: int, error: ApiError) -> ApiError:
    """The error of one event, its paths as they are in the call's body."""
    issues = error.details.get("issues") or [
        # What is no problem of a field, such as a PMS without the operation, is the event's own.
        Problem(error.code.word, (), error.message).shown()
    ]
    placed = [{**issue, "path": ["events", place, *issue["path"]]} for issue in issues]
    return ApiError(error.code, error.message, details={**error.details, "issues": placed})


def _refusal(errors: list[ApiError]) -> ApiError:
    issues = [issue for error in errors for issue in error.details["issues"]]
    references = all(error.code is Code.UNKNOWN_REFERENCE for error in errors)
    events = "1 event" if len(errors) == 1 else f"{len(errors)} events"
    return ApiError(
        Code.UNKNOWN_REFERENCE if references else Code.INVALID_REQUEST,
        f"{events} cannot be accepted, so none was (`atomic`); the first: {errors[0].message}",
        details={"issues": issues},
    )


def _shown(error: ApiError) -> dict[str, Any]:
    return {"error": {"code": error.code.word, "message": error.message, "details": error.details}}
