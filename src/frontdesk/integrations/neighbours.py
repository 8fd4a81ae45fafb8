"""What integrations need of other features, as protocols: they in turn stand on it."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID


class Deliveries(Protocol):
    """What integrations need of delivery."""

    async def budget_status(self, integration_id: UUID) -> dict[str, Any]:
        """`{updated_at, api_ratelimits, queue_depth, expected_start}` of the contract's shape."""
        ...

    async def probe_at_once(self, integration_id: UUID) -> None:
        """Let the next call go out, whatever held it back: the credentials are new."""
        ...


class Writes(Protocol):
    """What integrations need of writes."""

    async def cancel_waiting(self, integration_id: UUID) -> int:
        """Cancel every write of the integration that is not out; how many."""
        ...


class Catalog(Protocol):
    """What integrations need of the catalog."""

    async def manual_sync(
        self,
        account_id: UUID,
        integration_id: UUID,
        models: Sequence[str],
        resident_ids: Sequence[UUID],
    ) -> None:
        """Read these models (none named: all) and these residents as soon as possible."""
        ...

    async def begin_data_access(self, account_id: UUID, integration_id: UUID) -> None:
        """Let the worker check what the credentials may read."""
        ...
