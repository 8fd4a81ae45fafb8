"""Calls other than sends, each within what its budget grants."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

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
    *,
    turn: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    check: Callable[[], None] = lambda: None,
) -> tuple[Exchange, float]:
    """Wait for the budget and send; the answer, and when the call began (by `clock.now`). `turn` is
    held while the call is made; `check` may raise where none is to be made after waiting. A process
    that slept, a turn that took long, or a connection that stood too late asks for another grant: what
    is late counts in nobody's window.

    Raises `NoAnswer`, `ReadRefused`."""
    while True:
        leave_before = await budgets.take(
            holding.integration,
            holding.declaration,
            request.budget_key,
            purpose,
            holding.scope.connecting,
        )
        # The place is waited for with the budget in hand, and not the other way: a sync that waits a
        # minute for its budget would keep writes from their places.
        async with turn():
            began = clock.now()
            if began >= leave_before:
                continue
            check()
            try:
                exchange = await wire.send(
                    request, timeout_s=holding.declaration.timeout_s, send_before=leave_before
                )
            except NotSent:
                holding.scope.connecting.was_late()
            else:
                return exchange, began
