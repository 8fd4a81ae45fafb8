"""What a hostile sandbox does to a request: a pure function of seed, subject and count.

Every draw is a hash of (seed, vendor, customer, subject, nth request of the subject, what is drawn
for), so the same requests meet the same misfortunes, on any machine, in any process, and a lower
intensity only leaves some of them out. It knows no vendor: how late one may be, the simulator says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from frontdesk.sandbox.faults import Fault, Kind, Plan
from frontdesk.sandbox.simulator import Figures, Limits, Operation, Window

QUOTA_DROP = "quota_drop"
LONGEST_DELAY_SECONDS = 6.0
LONGEST_HANG_SECONDS = 12.0
# What a simulator promises is never used up: the sandbox's timers may be late themselves.
_OF_THE_FIGURE = 0.9
_DROPPED_WINDOW_SECONDS = 60.0

_WRITE_ENDINGS = (
    (Kind.HANG_AFTER_EFFECT, 0.03),
    (Kind.LATE_EFFECT, 0.04),
    (Kind.RESET_BEFORE_EFFECT, 0.04),
    (Kind.RESET_AFTER_EFFECT, 0.04),
    (Kind.TRUNCATE, 0.04),
    (Kind.STATUS, 0.08),
)
_READ_ENDINGS = (
    (Kind.HANG_AFTER_EFFECT, 0.02),
    (Kind.RESET_BEFORE_EFFECT, 0.03),
    (Kind.TRUNCATE, 0.03),
    (Kind.STATUS, 0.04),
)
# A lost answer to a login leaves a token that nobody knows, and some systems have few to give.
_LOGIN_ENDINGS = (
    (Kind.RESET_BEFORE_EFFECT, 0.04),
    (Kind.RESET_AFTER_EFFECT, 0.01),
    (Kind.TRUNCATE, 0.01),
    (Kind.STATUS, 0.04),
)
_ENDINGS = {
    Operation.WRITE: _WRITE_ENDINGS,
    Operation.READ: _READ_ENDINGS,
    Operation.LOGIN: _LOGIN_ENDINGS,
}
_DELAY, _READ_LAG, _TWIN, _DUPLICATE_ROWS, _REPEAT_PAGE = 0.5, 0.15, 0.06, 0.08, 0.08


class Episode(StrEnum):
    """What is done to several requests of one customer in a row, whomever they are about."""

    BURST = "burst"
    QUOTA_DROP = QUOTA_DROP
    AUTHORISATION_FLAP = "authorisation_flap"
    MAINTENANCE = "maintenance"


# How often a request begins one, and the least and the most requests that it lasts for. Seldom enough
# for a busy customer: at eight requests a second, one in a hundred would be refused half of the time.
_EPISODES = {
    Episode.BURST: (0.004, 2, 5),
    Episode.QUOTA_DROP: (0.002, 10, 25),
    Episode.AUTHORISATION_FLAP: (0.0005, 2, 4),
    Episode.MAINTENANCE: (0.001, 3, 10),
}

LONGEST_EPISODE_SECONDS = {
    Episode.BURST: 5.0,
    Episode.QUOTA_DROP: 60.0,
    Episode.AUTHORISATION_FLAP: 20.0,
    Episode.MAINTENANCE: 20.0,
}


@dataclass(frozen=True, slots=True)
class Dice:
    """The draws of one request. `subject` names the resident, or what else the request is about;
    `number` counts the subject's requests from 1."""

    seed: int
    vendor: str
    customer: int
    subject: str
    number: int
    intensity: float

    def drawn(self, what: str) -> float:
        """A number from 0 up to 1, the same whenever it is asked for."""
        text = f"{self.seed}|{self.vendor}|{self.customer}|{self.subject}|{self.number}|{what}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64

    def happens(self, what: str, rate: float) -> bool:
        """Whether something of this rate (at full intensity) happens."""
        return self.drawn(what) < rate * self.intensity

    def between(self, what: str, least: int, most: int) -> int:
        """A whole number, both ends included."""
        return least + int(self.drawn(what) * (most - least + 1))


def episodes_begun(dice: Dice) -> dict[Episode, int]:
    """The episodes that begin with this request, and for how many requests they last."""
    return {
        episode: dice.between(f"length of {episode}", least, most)
        for episode, (rate, least, most) in _EPISODES.items()
        if dice.happens(episode, rate)
    }


def planned(dice: Dice, operation: Operation, figures: Figures) -> Plan:
    """What happens to this request of itself."""
    plan = Plan(delay=_delay(dice), ending=_ending(dice, operation, figures))
    if operation is Operation.READ:
        row = int(dice.drawn("which row") * 2**31)
        return replace(
            plan,
            duplicate=row if dice.happens(Kind.DUPLICATE_ROWS, _DUPLICATE_ROWS) else None,
            repeats=dice.happens(Kind.REPEAT_PAGE, _REPEAT_PAGE),
        )
    if operation is Operation.WRITE:
        lag = figures.read_lag_seconds * _OF_THE_FIGURE * dice.drawn("lag")
        return replace(
            plan,
            read_lag=lag if dice.happens(Kind.READ_LAG, _READ_LAG) else 0.0,
            twin=_twin(dice) if dice.happens(Kind.TWIN, _TWIN) else None,
        )
    return plan


def refusing(dice: Dice, episode: Episode) -> Fault | None:
    """How an episode ends a request; a quota drop ends none by itself."""
    kind = {
        Episode.BURST: Kind.THROTTLED,
        Episode.AUTHORISATION_FLAP: Kind.UNAUTHORISED,
        Episode.MAINTENANCE: Kind.MAINTENANCE,
    }.get(episode)
    return None if kind is None else _fault(dice, kind)


def lowered(limits: Limits) -> Limits:
    """Half of what the vendor grants otherwise.

    Long windows stay as they are: one that is full would shut a customer out for hours, which is
    another misfortune than a lower pace.
    """
    shortest = min((window.seconds for window in limits.windows), default=0.0)
    longest = max(shortest, _DROPPED_WINDOW_SECONDS)
    return replace(
        limits,
        windows=tuple(_halved(window, longest) for window in limits.windows),
        concurrency=None if limits.concurrency is None else max(1, limits.concurrency // 2),
    )


def _halved(window: Window, longest: float) -> Window:
    if window.seconds > longest:
        return window
    return replace(window, amount=max(1, window.amount // 2))


def _delay(dice: Dice) -> float:
    """Mostly some hundredths of a second, seldom seconds: a Pareto tail, cut off."""
    if not dice.happens(Kind.DELAY, _DELAY):
        return 0.0
    tail: float = 0.01 * (1.0 - dice.drawn("how long")) ** -0.9
    return min(LONGEST_DELAY_SECONDS, tail)


def _ending(dice: Dice, operation: Operation, figures: Figures) -> Fault | None:
    endings = _ENDINGS[operation]
    total = sum(rate for _, rate in endings)
    if not dice.happens("ending", total):
        return None
    # Drawn apart, so that a lower intensity makes no other ending of this one.
    left = dice.drawn("which ending") * total
    for kind, rate in endings:
        left -= rate
        if left >= 0:
            continue
        ending = _fault(dice, kind)
        if kind is Kind.LATE_EFFECT:
            # Cubed: most come soon, some as late as they may.
            late = figures.late_effect_seconds * _OF_THE_FIGURE * dice.drawn("how late") ** 3
            return replace(ending, seconds=late)
        if kind is Kind.HANG_AFTER_EFFECT:
            # None: until the caller's patience ends. Others are hung up on, by a gateway say.
            hung = 0.5 + (LONGEST_HANG_SECONDS - 0.5) * dice.drawn("how long it hangs") ** 2
            return replace(ending, seconds=None if dice.drawn("hangs for good") < 0.1 else hung)
        if kind is Kind.STATUS:
            return _status(dice, ending, operation)
        return ending
    return None


def _status(dice: Dice, ending: Fault, operation: Operation) -> Fault:
    """A 5xx: from a gateway, whether the work was done or not, or the vendor's own 503 before it.

    Only a gateway fails after the effect: a vendor does not refuse in its own words what it did.
    """
    status = (500, 502, 503, 504)[dice.between("which status", 0, 3)]
    if operation is Operation.WRITE and dice.drawn("with its effect") < 0.5:
        return replace(ending, status=status, effect=True, body="html")
    if dice.drawn("whose words") < 0.5:
        return replace(ending, status=503, body="vendor")
    return replace(ending, status=status, body="html")


def _twin(dice: Dice) -> Fault:
    apart = 4.0 * dice.drawn("how far apart")
    return replace(
        _fault(dice, Kind.TWIN), seconds=apart, before=dice.drawn("which came first") < 0.5
    )


def _fault(dice: Dice, kind: Kind) -> Fault:
    return Fault(f"hostile-{dice.seed}", dice.vendor, kind, n=1, remaining=1)
