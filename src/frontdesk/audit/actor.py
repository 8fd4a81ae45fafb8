"""Who acts in this task: known where a request or a command comes in, asked for where a change is made.

Like the ids of a log line it travels beside the calls, not through every signature. A task that nobody
was named for acts for nobody, and its changes are not an administrator's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

COMMAND_LINE = "command line"
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """`name`: a token's prefix, which may be shown, `command line`, or `system` for what nobody asked
    for. `client`: the address of a request, or who is logged in on which machine."""

    name: str
    client: str | None = None
    request_id: str | None = None


_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


def acting() -> Actor | None:
    """Who acts here; None: nobody was named."""
    return _acting.get()


def act_as(actor: Actor) -> None:
    """From here on this task, and those that it starts, act for him."""
    _acting.set(actor)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """The same for a block."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)
