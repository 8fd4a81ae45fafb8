"""What every worker does for the writes and rows of all integrations, whoever holds their leases: that
matters only to who sends. What there is much of is done in portions; a stop comes between two.
"""

import asyncio

from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.retention.service import RetentionService

ENTER_PORTION = 500
"""Scheduled writes whose time has come that are moved into their lanes in one transaction."""


class Chores:
    """Each is asked for again and again."""

    def __init__(
        self, repository: DeliveryRepository, retention: RetentionService, stop: asyncio.Event
    ) -> None:
        self._repository = repository
        self._retention = retention
        self._stop = stop

    async def expire(self) -> None:
        """End the writes whose time is over."""
        while await self._repository.expire() and not self._stop.is_set():
            pass

    async def enter_lanes(self) -> None:
        """Let the writes whose time has come wait for their turn."""
        while await self._repository.enter_lanes(ENTER_PORTION) and not self._stop.is_set():
            pass

    async def cancel_stranded(self) -> None:
        """End what was accepted in the moment in which its integration was archived."""
        while await self._repository.cancel_stranded() and not self._stop.is_set():
            pass

    async def purge(self) -> None:
        """Delete what is older than the settings keep."""
        await self._retention.purge_if_due(self._stop)
