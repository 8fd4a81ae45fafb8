"""Opens and closes integrations' circuits, in this process and on the lease, where it outlives the
process and an operator sees it."""

from uuid import UUID

import structlog

from frontdesk.delivery import clock
from frontdesk.delivery.circuit import Opening
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.metrics import counts
from frontdesk.vendors.masking import mask

log = structlog.get_logger(__name__)


class Stopping:
    """The circuits of the integrations that this worker holds."""

    def __init__(self, repository: DeliveryRepository) -> None:
        self._repository = repository

    async def answered(self, holding: Holding, began: float) -> None:
        """The PMS answered a request that began then (`clock.now`): an open circuit closes. What
        was under way when it opened proves nothing: only a probe does."""
        if began >= holding.opened_at and holding.circuit.answered():
            holding.closed_until = 0.0
            log.info("circuit_closed", integration_id=str(holding.integration.id))
            await self._repository.open(holding.integration.id)

    async def no_answer(self, holding: Holding, message: str) -> None:
        """No answer came; enough of them in a row open the circuit."""
        opening = holding.circuit.no_answer(message)
        if opening is not None:
            await self._open(holding, opening)

    async def unauthorised(self, holding: Holding, message: str) -> None:
        """The credentials were refused: the integration stops instead of burning its events."""
        await self._open(holding, holding.circuit.unauthorised(message))

    async def probe_now(self, integration_id: UUID, holding: Holding | None) -> None:
        """There is a reason to try at once (new credentials, an operator)."""
        if holding is not None:
            holding.closed_until = 0.0
        await self._repository.open(integration_id)

    async def _open(self, holding: Holding, opening: Opening) -> None:
        # In memory first: nothing may be claimed between here and the commit.
        holding.opened_at = clock.now()
        holding.closed_until = holding.opened_at + opening.seconds
        message = mask(opening.message, holding.secrets)
        log.warning(
            "circuit_opened",
            integration_id=str(holding.integration.id),
            reason=opening.reason,
            seconds=round(opening.seconds, 1),
            message=message,
        )
        counts.circuit_opened(holding.integration.vendor, opening.reason)
        await self._repository.close_until(
            holding.integration.id, holding.epoch, opening.seconds, opening.reason, message
        )
