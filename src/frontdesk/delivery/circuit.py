"""A circuit breaker for one integration: consecutive connection failures or refused credentials
stop it, one request at a time probes it, and it closes by itself.

It only counts and decides; the worker stores its moments on the lease, so that they outlive it and
an operator sees them.
"""

import random
from dataclasses import dataclass

FAILURES_TO_OPEN = 5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
FIRST_AUTHENTICATION_PAUSE_SECONDS = 15.0
LONGEST_AUTHENTICATION_PAUSE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Opening:
    """The circuit opens for `seconds`, for this reason (`circuit` or `authentication`)."""

    seconds: float
    reason: str
    message: str


@dataclass(slots=True)
class Circuit:
    """`openings` counts how often it opened in a row; `probing` means that one request may go."""

    failures: int = 0
    openings: int = 0

    @property
    def probing(self) -> bool:
        """Whether no answer has come since it last opened: then requests go one at a time."""
        return self.openings > 0

    def answered(self) -> bool:
        """The PMS answered. True where this closed an open circuit."""
        closed = self.openings > 0
        self.failures = self.openings = 0
        return closed

    def no_answer(self, message: str) -> Opening | None:
        """No connection, or no answer in time."""
        self.failures += 1
        if self.failures < FAILURES_TO_OPEN and not self.openings:
            return None
        self.openings += 1
        return Opening(
            _pause(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, self.openings), "circuit", message
        )

    def unauthorised(self, message: str) -> Opening:
        """The PMS refused the credentials: nothing else of this integration need be tried."""
        self.openings += 1
        return Opening(
            _pause(
                FIRST_AUTHENTICATION_PAUSE_SECONDS,
                LONGEST_AUTHENTICATION_PAUSE_SECONDS,
                self.openings,
            ),
            "authentication",
            message,
        )


def _pause(first: float, longest: float, openings: int) -> float:
    pause = min(longest, first * 2.0 ** min(openings - 1, 16))
    # Half fixed, half random: integrations that opened together do not probe together.
    return pause / 2 + random.uniform(0.0, pause / 2)  # noqa: S311 — spreads load, keeps no secret
