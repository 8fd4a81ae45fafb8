"""The intake: makes writes durable, many in one commit.

Whoever arrives while a commit is under way joins the next one; there is no timer, so a lone
request waits for nobody. A request is answered only after the commit that holds it. The queue is
bounded: past the bound a request is refused at once, and nothing of it is kept.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog

from frontdesk.database.pool import CommitUnknown, Database, DatabaseUnavailable
from frontdesk.errors import ApiError, Code
from frontdesk.metrics import counts
from frontdesk.vault import CLEAR, Texts
from frontdesk.writes import intake_repository

log = structlog.get_logger(__name__)

T = TypeVar("T")

LEARN_SECONDS = 10.0
"""How long the fate of a commit is asked for, from when it became unknown, before the caller is told
that it is. The last question may go a little beyond it."""

_LEARN_PAUSE_SECONDS = 0.25
_LEAST_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class NewWrite:
    """A finished write: every id resolved, the plan made. `id` is made before the insert, so that
    asking again after a lost commit cannot accept it twice. `fingerprint` is hexadecimal. `send_at`:
    when it enters its lane; None or past: at once. `expires_at` None: `expiry_hours` from then."""

    id: UUID
    account_id: UUID
    integration_id: UUID
    vendor: str
    operation: str
    resident_id: UUID
    budget_key: str
    input: dict[str, Any]
    plan: dict[str, Any]
    event: dict[str, Any]
    warnings: list[dict[str, Any]]
    event_id: UUID
    external_reference: str | None
    expiry_hours: int
    send_at: datetime | None = None
    expires_at: datetime | None = None
    retry_of: UUID | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NewCall:
    """Writes that one request brought: all are stored, in their order, or none is. `answer` is what
    the request is answered with, and `id` its own, for the same reason as a write's."""

    id: UUID
    account_id: UUID
    writes: tuple[NewWrite, ...]
    answer: dict[str, Any]
    idempotency_key: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The write is committed."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The key was used for this very request before: its job, and the answer it was given."""

    job_id: UUID
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mismatched:
    """The key was used for another request."""


class _FateUnknownError(Exception):
    """Whether a commit took place could not be learnt in time."""


@dataclass(slots=True, eq=False)
class _Waiting:
    write: NewWrite
    result: asyncio.Future[Accepted | Replayed | Mismatched] = field(repr=False)


class Intake:
    """The group commit of one process."""

    def __init__(self, database: Database, *, queue: int, batch: int, texts: Texts = CLEAR) -> None:
        self._database = database
        self._texts = texts
        self._queue_limit = queue
        self._batch_limit = batch
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._closing = False
        self._calls: set[asyncio.Task[Accepted | Replayed | Mismatched]] = set()
        self._writes_of_calls = 0
        self._one_call = asyncio.Lock()

    async def submit(self, write: NewWrite) -> Accepted | Replayed | Mismatched:
        """Make the write durable. Raises `ApiError` 503: `not_accepted` where nothing is stored,
        `unknown` with the job id where the fate of the commit could not be learnt."""
        if self._closing or len(self._waiting) >= self._queue_limit:
            counts.intake_failed(1, "not_accepted")
            raise _not_accepted("More events arrive than can be stored at the moment.")
        if self._committer is None:
            # In a context of its own: its log lines are not the first request's, nor are its spans.
            self._committer = asyncio.create_task(
                self._commit_for_ever(), name="intake", context=Context()
            )
        waiting = _Waiting(write, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        # Whoever hangs up has cancelled his own future: what he sent is stored, and nobody told.
        return await waiting.result

    async def submit_call(self, call: NewCall) -> Accepted | Replayed | Mismatched:
        """Make a call's writes durable, in a transaction of their own. Raises as `submit` does."""
        count = len(call.writes)
        if self._closing or self._writes_of_calls + count > max(self._queue_limit, count):
            counts.intake_failed(count, "not_accepted")
            raise _not_accepted("More events arrive than can be stored at the moment.")
        self._writes_of_calls += count
        task = asyncio.create_task(self._store_call(call), name="intake of a call")
        self._calls.add(task)
        task.add_done_callback(self._call_done)
        # Shielded: whoever hangs up leaves no call half asked.
        return await asyncio.shield(task)

    async def look_up(
        self, account_id: UUID, key: str, fingerprint: str
    ) -> Replayed | Mismatched | None:
        """What a request with this key gets without being looked at, if the key is taken."""
        taken = await intake_repository.look_up(self._database, account_id, key)
        return None if taken is None else self._replay(account_id, taken, fingerprint)

    async def close(self) -> None:
        """Commit what waits, then end. Later requests are refused."""
        self._closing = True
        self._arrived.set()
        if self._committer is not None:
            await self._committer
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _commit_for_ever(self) -> None:
        while True:
            while not self._waiting:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            await self._commit(self._next_batch())

    def _next_batch(self) -> list[_Waiting]:
        """The oldest of those that wait. Of two requests with one key the later waits for the next
        batch: a statement cannot meet its own fresh row."""
        batch: list[_Waiting] = []
        keys: set[tuple[UUID, str]] = set()
        postponed: list[_Waiting] = []
        while self._waiting and len(batch) < self._batch_limit:
            waiting = self._waiting.popleft()
            if (key := waiting.write.idempotency_key) is not None:
                if (waiting.write.account_id, key) in keys:
                    postponed.append(waiting)
                    continue
                keys.add((waiting.write.account_id, key))
            batch.append(waiting)
        self._waiting.extendleft(reversed(postponed))
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            await self._store(batch)
        except DatabaseUnavailable as error:
            log.warning("intake_unavailable", writes=len(batch), reason=str(error))
            counts.intake_failed(len(batch), "not_accepted")
            for waiting in batch:
                _fail(waiting, _not_accepted("The database cannot be reached at the moment."))
        except Exception as error:  # noqa: BLE001 — a fault of one row must not strand its batch
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            log.warning("intake_batch_failed", writes=len(batch), reason=type(error).__name__)
            for waiting in batch:
                await self._commit([waiting])

    async def _store(self, batch: list[_Waiting]) -> None:
        rows = [self._row(place, waiting.write) for place, waiting in enumerate(batch)]
        try:
            taken = await _learnt(
                lambda again: intake_repository.accept(self._database, rows, again), len(rows)
            )
        except _FateUnknownError:
            for waiting in batch:
                _fail(waiting, _unknown({"job_id": str(waiting.write.id)}))
            return
        for waiting in batch:
            if waiting.result.done():
                continue
            write = waiting.write
            other = taken.get(write.id)
            waiting.result.set_result(
                Accepted()
                if other is None
                else self._replay(write.account_id, other, write.fingerprint or "")
            )

    async def _store_call(self, call: NewCall) -> Accepted | Replayed | Mismatched:
        rows = [self._row(place, write) for place, write in enumerate(call.writes)]
        answer = None
        if call.idempotency_key is not None:
            answer = self._texts.seal(call.account_id, call.answer)
        row = {
            "id": call.id,
            "account_id": call.account_id,
            "idempotency_key": call.idempotency_key,
            "fingerprint": self._texts.seal_fingerprint(call.fingerprint),
            "answer": answer,
        }
        try:
            # One at a time: single events must not wait behind a row of large transactions.
            async with self._one_call:
                taken = await _learnt(
                    lambda again: intake_repository.accept_call(self._database, row, rows, again),
                    len(rows),
                )
        except _FateUnknownError:
            raise _unknown({"job_ids": [str(write.id) for write in call.writes]}) from None
        except DatabaseUnavailable as error:
            log.warning("intake_unavailable", writes=len(rows), reason=str(error))
            counts.intake_failed(len(rows), "not_accepted")
            raise _not_accepted("The database cannot be reached at the moment.") from error
        finally:
            self._writes_of_calls -= len(rows)
        if taken is None:
            return Accepted()
        return self._replay(call.account_id, taken, call.fingerprint or "")

    def _row(self, place: int, write: NewWrite) -> dict[str, Any]:
        row = _row(place, write)
        if self._texts.sealing:
            for name in ("input", "event", "warnings", "answer"):
                row[name] = self._texts.seal(write.account_id, row[name])
            # The database does not look into it, and what it holds has each vendor's own form.
            row["plan"] = self._texts.seal_json(write.id, write.plan)
            row["fingerprint"] = self._texts.seal_fingerprint(write.fingerprint)
        return row

    def _replay(
        self, account_id: UUID, taken: intake_repository.Taken, fingerprint: str
    ) -> Replayed | Mismatched:
        if not self._texts.is_fingerprint(taken.fingerprint.hex(), fingerprint):
            return Mismatched()
        return Replayed(taken.job_id, self._texts.loads(account_id, taken.answer))

    def _call_done(self, task: "asyncio.Task[Accepted | Replayed | Mismatched]") -> None:
        self._calls.discard(task)
        if not task.cancelled():
            # Read once: the caller may be gone, and his error is none of the event loop's.
            task.exception()


async def _learnt(accept: Callable[[float | None], Awaitable[T]], writes: int) -> T:
    """What `accept` says, asked again while the fate of its commit is unknown: with the same ids
    what was committed is found, and what was not is inserted. It is given None at first, then the
    seconds that it may take. Raises `_FateUnknownError`."""
    began = time.monotonic()
    try:
        found = await accept(None)
    except CommitUnknown as error:
        log.warning("intake_fate_asked_for", writes=writes, reason=str(error))
    else:
        counts.intake_committed(writes, time.monotonic() - began)
        return found
    give_up_at = time.monotonic() + LEARN_SECONDS
    while True:
        await asyncio.sleep(_LEARN_PAUSE_SECONDS)
        left = give_up_at - time.monotonic()
        if left <= 0:
            log.error("intake_fate_unknown", writes=writes)
            counts.intake_failed(writes, "unknown")
            raise _FateUnknownError
        with contextlib.suppress(DatabaseUnavailable):
            found = await accept(max(left, _LEAST_PATIENCE_SECONDS))
            counts.intake_committed(writes, time.monotonic() - began)
            return found


def _row(place: int, write: NewWrite) -> dict[str, Any]:
    return {
        "place": place,
        "id": write.id,
        "account_id": write.account_id,
        "integration_id": write.integration_id,
        "vendor": write.vendor,
        "operation": write.operation,
        "resident_id": write.resident_id,
        "budget_key": write.budget_key,
        "input": write.input,
        "plan": write.plan,
        "event": write.event,
        "warnings": write.warnings,
        "event_id": write.event_id,
        "external_reference": write.external_reference,
        "expiry_hours": write.expiry_hours,
        "send_at": write.send_at,
        "expires_at": write.expires_at,
        "retry_of": write.retry_of,
        "idempotency_key": write.idempotency_key,
        "fingerprint": write.fingerprint,
        "answer": write.answer,
    }


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.result.done():
        waiting.result.set_exception(error)
        # Read once: the caller may be gone, and his error is none of the event loop's.
        waiting.result.exception()


def _not_accepted(message: str) -> ApiError:
    return ApiError(
        Code.UNAVAILABLE,
        f"{message} Nothing was accepted; try again.",
        details={"outcome": "not_accepted"},
        headers={"retry-after": "1"},
    )


def _unknown(jobs: dict[str, Any]) -> ApiError:
    return ApiError(
        Code.UNAVAILABLE,
        "The database was lost while the event was being stored, and whether it is stored could not "
        "be learnt. Ask for the job, or send the request again with the same Idempotency-Key.",
        details={"outcome": "unknown", **jobs},
        headers={"retry-after": "5"},
    )
