"""A hostile sandbox: whether it is one now, what it has counted, and what is going on.

It counts the requests of each subject, which is what the schedule draws by, and keeps the episodes
(bursts, flaps, windows) of each customer, which last for a number of requests: the same sequence of
requests then meets the same. None outlasts its time, though: a client that is patient after a
refusal would else meet the same burst again after every pause. What was asked for at run
time is stored, so that a sandbox that is killed comes back as hostile as it was; its counts are
not, so the schedule begins anew.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from frontdesk.sandbox.faults import Plan
from frontdesk.sandbox.repository import Repository
from frontdesk.sandbox.schedule import (
    LONGEST_EPISODE_SECONDS,
    Dice,
    Episode,
    episodes_begun,
    planned,
    refusing,
)
from frontdesk.sandbox.simulator import Description, Figures

_KEPT_AS = "hostility"
_BIGGEST_SEED = 2**53
# Ids in a path would make every call a subject of its own, and the counts endless.
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9]+")
# The first of these that is going on refuses a request.
_REFUSING = (Episode.MAINTENANCE, Episode.AUTHORISATION_FLAP, Episode.BURST)


class HostilityRefused(ValueError):  # noqa: N818 (expected: a value of the endpoint)
    """The body sets no hostility; the message says why."""


@dataclass(slots=True)
class _GoingOn:
    """An episode of one customer: the requests that are left of it, and its end by `monotonic`."""

    requests: int
    until: float


@dataclass(frozen=True, slots=True)
class Mischief:
    """What a hostile sandbox makes of one request."""

    plan: Plan
    is_quota_low: bool = False


NONE = Mischief(Plan())


class Hostility:
    """The hostility of all simulators. `asked` is the seed of the command line, None for none: it
    holds until another is set at run time, and again once it is itself another."""

    def __init__(self, repository: Repository, asked: int | None) -> None:
        self._repository = repository
        self._asked = asked
        self.seed = asked
        self.intensity = 1.0
        kept = repository.setting(_KEPT_AS)
        if kept is not None and kept["asked"] == asked:
            self.seed, self.intensity = kept["seed"], kept["intensity"]
        self._numbers: Counter[tuple[str, int, str]] = Counter()
        self._episodes: dict[tuple[str, int], dict[Episode, _GoingOn]] = {}
        self._played: dict[str, Counter[str]] = {}

    def as_json(self) -> dict[str, Any]:
        """What `GET /_sandbox/hostility` shows; `played` counts per vendor since the last change."""
        return {
            "seed": self.seed,
            "intensity": self.intensity,
            "played": {vendor: dict(sorted(n.items())) for vendor, n in self._played.items()},
        }

    def set(self, body: object) -> None:
        """Take another seed (None: be friendly) and intensity from now on, and keep them; every
        schedule begins anew. Raises `HostilityRefused`."""
        seed, intensity = _parsed(body)
        self._repository.keep(
            _KEPT_AS, {"asked": self._asked, "seed": seed, "intensity": intensity}
        )
        self.seed, self.intensity = seed, intensity
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was counted and what is going on."""
        self._numbers.clear()
        self._episodes.clear()
        self._played.clear()

    def meet(
        self,
        vendor: str,
        customer: int,
        about: Description,
        method: str,
        path: str,
        figures: Figures,
    ) -> Mischief:
        """Count a request in, and say what happens to it."""
        if self.seed is None:
            return NONE
        subject = _subject(about, method, path)
        self._numbers[vendor, customer, subject] += 1
        number = self._numbers[vendor, customer, subject]
        dice = Dice(self.seed, vendor, customer, subject, number, self.intensity)
        going_on = self._going_on(dice)
        plan = planned(dice, about.operation, figures)
        for episode in _REFUSING:
            if episode in going_on:
                plan = replace(plan, ending=refusing(dice, episode))
                break
        return Mischief(plan, Episode.QUOTA_DROP in going_on)

    def tell(self, vendor: str, played: Iterable[str]) -> None:
        """Note what was really done to a request."""
        self._played.setdefault(vendor, Counter()).update(played)

    def _going_on(self, dice: Dice) -> frozenset[Episode]:
        """The episodes that this request falls into, each of which it brings nearer to its end."""
        now = time.monotonic()
        episodes = self._episodes.setdefault((dice.vendor, dice.customer), {})
        for episode in [e for e, state in episodes.items() if state.until <= now]:
            del episodes[episode]
        for episode, requests in episodes_begun(dice).items():
            until = now + LONGEST_EPISODE_SECONDS[episode]
            episodes.setdefault(episode, _GoingOn(requests, until))
        going_on = frozenset(episodes)
        for episode in going_on:
            episodes[episode].requests -= 1
            if not episodes[episode].requests:
                del episodes[episode]
        return going_on


def _subject(about: Description, method: str, path: str) -> str:
    if about.x_resident_ids:
        return "+".join(sorted(about.x_resident_ids))
    call = about.label or f"{method} {_ID.sub('#', path)}"
    return f"{about.operation}: {call}"


def _parsed(body: object) -> tuple[int | None, float]:
    if not isinstance(body, dict) or set(body) - {"seed", "intensity"} or "seed" not in body:
        raise HostilityRefused("the body holds seed, and intensity if you like")
    seed, intensity = body["seed"], body.get("intensity", 1.0)
    if seed is not None and (
        not isinstance(seed, int) or isinstance(seed, bool) or abs(seed) > _BIGGEST_SEED
    ):
        raise HostilityRefused("seed is a whole number, or null for none")
    if not isinstance(intensity, int | float) or isinstance(intensity, bool):
        raise HostilityRefused("intensity is a number from 0 to 1")
    if not 0 <= intensity <= 1:
        raise HostilityRefused("intensity is a number from 0 to 1")
    return seed, float(intensity)
