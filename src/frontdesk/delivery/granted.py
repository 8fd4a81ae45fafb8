"""Calls other than sends, each within what its budget grants."""

from collections.abc import Callable

from frontdesk.delivery import clock
from frontdesk.delivery.budgets import Budgets, Purpose
from frontdesk.delivery.holding import Holding
from frontdesk.delivery.wire import Exchange, NotSent, Wire
from frontdesk.vendors.contract import Request


async def call_granted(
    budgets: Budgets,
    wire: Wire,
    holding: Holding,
    request: Request,
    purpose: Purpose,
    check: Callable[[], None] = lambda: None,
) -> tuple[Exchange, float]:
    """Wait for the budget and send; the answer, and when the call began (by `clock.now`). `check`
    may raise where no call is to be made after that wait. A process that slept, or a connection that
    stood too late, asks for another grant: what is late counts in nobody's window.

    Raises `NoAnswer`, `ReadRefused`."""
    while True:
        leave_before = await budgets.take(
            holding.integration,
            holding.declaration,
            request.budget_key,
            purpose,
            holding.scope.connecting,
        )
        check()
        began = clock.now()
        try:
            exchange = await wire.send(
                request, timeout_s=holding.declaration.timeout_s, send_before=leave_before
            )
        except NotSent:
            holding.scope.connecting.was_late()
        else:
            return exchange, began
