"""Records how attempts ended, many in one commit, and tells each whether its write moved.

A completion is never dropped while the process lives: if the database is away it waits and is tried
again, and the database refuses it, and keeps it as evidence, if the lease has gone meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from frontdesk.database.pool import DatabaseUnavailable
from frontdesk.delivery.outcomes import Transition
from frontdesk.delivery.repository import Claimed, DeliveryRepository
from frontdesk.delivery.tracing import ended
from frontdesk.vault import CLEAR, Texts

log = structlog.get_logger(__name__)

LARGEST_BATCH = 128
COMMITS_AT_ONCE = 1
"""While one commit is under way, the next batch need not wait for its end."""

_PAUSE_SECONDS = 0.25


class _Completion(NamedTuple):
    worker_id: UUID
    row: Mapping[str, Any]
    moved: asyncio.Future[bool]


class Finisher:
    """The group commit of completions in one worker process."""

    def __init__(self, repository: DeliveryRepository, texts: Texts = CLEAR) -> None:
        """`texts`: what seals what went over the wire, and what was said to it, before it is stored."""
        self._repository = repository
        self._texts = texts
        self._waiting: deque[_Completion] = deque()
        self._arrived = asyncio.Event()

    async def finish(self, worker_id: UUID, row: Mapping[str, Any]) -> bool:
        """Record one completion; whether it moved its write. Returns after the commit."""
        ended(row)
        if self._texts.sealing:
            row = self._sealed(row)
        moved: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Completion(worker_id, row, moved))
        self._arrived.set()
        return await moved

    def _sealed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        wire = {
            name: self._texts.seal_json(row["write_id"], row[name])
            for name in ("request", "answer")
            if row.get(name) is not None
        }
        words = {name: row[name] for name in ("message", "error") if row.get(name) is not None}
        return {**row, **wire, **self._texts.seal(row["account_id"], words)}

    async def run(self) -> None:
        """Commit completions for ever; cancelled by the worker when all are through."""
        async with asyncio.TaskGroup() as group:
            for _ in range(COMMITS_AT_ONCE):
                group.create_task(self._commit_for_ever())

    async def _commit_for_ever(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            batch = [self._waiting.popleft()]
            while (
                self._waiting
                and len(batch) < LARGEST_BATCH
                and self._waiting[0].worker_id == batch[0].worker_id
            ):
                batch.append(self._waiting.popleft())
            await self._commit(batch)

    async def _commit(self, batch: list[_Completion]) -> None:
        while True:
            try:
                moved = await self._repository.finish(
                    batch[0].worker_id, [completion.row for completion in batch]
                )
            except DatabaseUnavailable as error:
                log.warning("completions_wait", count=len(batch), reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            except Exception as error:  # noqa: BLE001 — one bad row must not strand its batch
                if len(batch) > 1:
                    for completion in batch:
                        await self._commit([completion])
                elif not batch[0].moved.done():
                    batch[0].moved.set_exception(error)
                return
            for completion in batch:
                if not completion.moved.done():
                    completion.moved.set_result(completion.row["write_id"] in moved)
            return


def completion(write: Claimed, transition: Transition, *, outcome: str) -> dict[str, Any]:
    """A row for `finish_attempts`: which write, and what becomes of it."""
    return {
        "write_id": write.id,
        "account_id": write.account_id,
        "integration_id": write.integration_id,
        "resident_id": write.resident_id,
        "attempt_id": write.attempt_id if write.state == "sending" else None,
        "number": write.attempts,
        "epoch": write.epoch,
        "from_state": write.state,
        "state": transition.state,
        "ends": transition.ends,
        "delay": transition.delay,
        "failed": transition.failed,
        "settled": transition.settled,
        "x_id": transition.x_id,
        "resolution": transition.resolution,
        "error": transition.error,
        "outcome": outcome,
    }
