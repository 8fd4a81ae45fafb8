"""What other features may ask of delivery: how a budget stands, and to try a PMS now."""

from typing import Any
from uuid import UUID

from frontdesk.database.pool import Database
from frontdesk.delivery.budget_repository import BudgetRepository
from frontdesk.delivery.budgets import Budgets
from frontdesk.delivery.repository import DeliveryRepository
from frontdesk.errors import ApiError, Code
from frontdesk.integrations.service import IntegrationService
from frontdesk.vendors.declaration import Declaration
from frontdesk.vendors.registry import vendors


class DeliveryService:
    """The API's view of delivery."""

    def __init__(self, database: Database, factor: float) -> None:
        self._repository = DeliveryRepository(database)
        self._stored_budgets = BudgetRepository(database)
        self._budgets = Budgets(self._stored_budgets, factor)
        self._integrations: IntegrationService | None = None

    def serve(self, integrations: IntegrationService) -> None:
        """Name the service that loads integrations (the two know each other)."""
        self._integrations = integrations

    async def probe_at_once(self, integration_id: UUID) -> None:
        """Let the next call go out, whatever held it back."""
        await self._repository.open(integration_id)

    async def budget_status(self, integration_id: UUID) -> dict[str, Any]:
        """`{updated_at, api_ratelimits, queue_depth, expected_start}`: per API method the minute,
        hour and day limits of the contract, and the windows as they are with what is left."""
        assert self._integrations is not None  # noqa: S101 — set by the composition root
        loaded = await self._integrations.load([integration_id])
        if not loaded:
            raise ApiError(
                Code.CONFLICT,
                "This integration's credentials do not open with the key that this process has; "
                "enter them anew, or start with the key that they were stored with.",
            )
        (integration,) = loaded
        declaration = vendors()[integration.vendor].declaration
        stored = {
            row["method"]: row
            for row in await self._stored_budgets.budget_status(integration.budget_scope)
        }
        queue = await self._repository.queue_status(integration_id)
        methods = sorted({*stored, *_methods(declaration)})
        limits = []
        for method in methods:
            row = stored.get(method)
            budgets = self._budgets.of(integration, declaration, method)
            windows = [window for budget in budgets for window in budget["windows"]]
            limits.append(
                {
                    "api": method or declaration.vendor,
                    "updated_at": row["updated_at"] if row else None,
                    **{
                        f"{name}_limit": _limit(windows, seconds)
                        for name, seconds in (("minute", 60), ("hour", 3600), ("day", 86400))
                    },
                    "windows": [
                        {
                            "requests": requests,
                            "seconds": seconds,
                            "left": max(
                                0, requests - (row["used"].get(str(seconds), 0) if row else 0)
                            ),
                        }
                        for requests, seconds in windows
                    ],
                    "blocked_until": row["blocked_until"] if row else None,
                }
            )
        moments = [
            moment for moment in (queue.get("next_ready"), queue.get("not_before")) if moment
        ]
        return {
            "updated_at": max((row["updated_at"] for row in stored.values()), default=None),
            "api_ratelimits": limits,
            "max_job_concurrency": integration.max_job_concurrency,
            "queue_depth": queue.get("depth", 0),
            "oldest_waiting_since": queue.get("oldest"),
            "expected_start": max(moments) if queue.get("next_ready") else None,
        }


def _methods(declaration: Declaration) -> tuple[str, ...]:
    return declaration.write_keys if declaration.budget.per_method else ("",)


def _limit(windows: list[list[int]], seconds: int) -> int | None:
    return min((requests for requests, length in windows if length == seconds), default=None)
