"""Writes that stand in this worker's name and that nobody here carries.

A claim whose answer is lost with its connection may have been committed all the same, and a process of
the server that was stopped meanwhile may commit it much later. Nothing of it was sent, and nobody
else may take it for as long as this worker lives: so the worker gives it back.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from frontdesk.delivery import clock
from frontdesk.delivery.repository import Claimed, DeliveryRepository

SUSPECTED_SECONDS = 300.0
"""How long it is looked after a claim's answer was lost."""


class LostClaims:
    """Looks for them where an answer was lost. `patience`: seconds after which a statement that was
    not answered is given up, and so the longest that an answer can be on its way."""

    def __init__(self, repository: DeliveryRepository, patience: float) -> None:
        self._repository = repository
        self._patience = patience
        self._suspected: dict[UUID, float] = {}
        self._seen: dict[tuple[UUID, int], float] = {}

    def suspect(self, integration_ids: Iterable[UUID]) -> None:
        """The answer to a claim for these was lost."""
        until = clock.now() + SUSPECTED_SECONDS
        self._suspected |= dict.fromkeys(integration_ids, until)

    async def found(self, worker_id: UUID, carried: Collection[UUID]) -> list[Claimed]:
        """Claimed writes that nobody has carried for longer than an answer can be on its way.
        `carried` is looked at again when the database has answered."""
        moment = clock.now()
        self._suspected = {key: until for key, until in self._suspected.items() if until > moment}
        if not self._suspected:
            self._seen.clear()
            return []
        claimed = await self._repository.claimed(worker_id, list(self._suspected), list(carried))
        alone = {(write.id, write.attempts): write for write in claimed if write.id not in carried}
        self._seen = {key: self._seen.get(key, moment) for key in alone}
        return [write for key, write in alone.items() if moment - self._seen[key] > self._patience]
