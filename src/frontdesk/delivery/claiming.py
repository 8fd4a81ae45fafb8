"""What a worker asks for in one claim, and the places that it reserves for what comes."""

import math
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from frontdesk.delivery import clock
from frontdesk.delivery.budgets import Budgets, counted_life, granted_life
from frontdesk.delivery.holding import Holding, Place
from frontdesk.delivery.repository import Claimed
from frontdesk.delivery.slots import Slots


@dataclass(slots=True)
class Asked:
    """One claim: its rows as the database takes them, the places reserved for each integration, those
    that are held at once first, and until when (by `clock.now`) what it grants may leave."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    places: dict[UUID, list[Place]] = field(default_factory=dict)
    grants_end_at: dict[UUID, float] = field(default_factory=dict)

    def place_for(self, write: Claimed) -> Place:
        """The next place of the write's integration."""
        return self.places[write.integration_id].pop(0)

    def leave_before(self, write: Claimed) -> float:
        """The moment from which on the write must not leave any more."""
        return self.grants_end_at[write.integration_id]


class Claims:
    """Asks for writes on behalf of one worker process."""

    def __init__(
        self,
        budgets: Budgets,
        holdings: Mapping[UUID, Holding],
        slots: Slots,
        freed: Callable[[UUID], None],
    ) -> None:
        """`freed` is told when a place of an integration comes free."""
        self._budgets = budgets
        self._holdings = holdings
        self._slots = slots
        self._freed = freed
        self._left_out: dict[UUID, None] = {}

    def ask(self, wanted: Set[UUID]) -> Asked:
        """What to claim for these integrations, its places reserved before anybody else takes them."""
        asked = Asked()
        moment = clock.now()
        room = self._slots.room
        # Room is reserved for what may come, so that a few with nothing to send can take all of it:
        # whoever found none comes first the next time, or would find none again.
        first = [integration_id for integration_id in self._left_out if integration_id in wanted]
        for integration_id in [*first, *(wanted - self._left_out.keys())]:
            self._left_out.pop(integration_id, None)
            holding = self._holdings.get(integration_id)
            if holding is None:
                continue
            if not room:
                self._left_out[integration_id] = None
                continue
            keys = [
                key
                for key in holding.declaration.write_keys
                if holding.blocked.get(key, 0.0) <= moment
            ]
            places = holding.places(room, self._freed) if keys else []
            if not places:
                continue
            for place in places:
                self._slots.take(place)
            room -= len(places)
            asked.places[integration_id] = places
            self._ask_for(asked, holding, keys, len(places), moment)
        return asked

    def left_out(self) -> Set[UUID]:
        """Whom to ask for next: those that found no room, now that there is some."""
        return self._left_out.keys() if self._left_out and self._slots.room else frozenset()

    def cancel(self, asked: Asked) -> None:
        """Give back the places for which nothing came."""
        for places in asked.places.values():
            for place in places:
                place.cancel()
                self._slots.give_back(place)

    def finished(self, place: Place) -> None:
        """The write of this place is out of the worker's hands."""
        self._slots.give_back(place)

    def _ask_for(
        self, asked: Asked, holding: Holding, keys: list[str], count: int, moment: float
    ) -> None:
        # Methods take turns, so that one with a long queue does not starve the other.
        holding.turn += 1
        keys = keys[holding.turn % len(keys) :] + keys[: holding.turn % len(keys)]
        left = count
        for number, key in enumerate(keys):
            part = -(-left // (len(keys) - number))
            if part == 0:
                break
            left -= part
            budgets = self._budgets.of(holding.integration, holding.declaration, key)
            life = granted_life(
                [window for budget in budgets for window in budget["windows"]],
                connects_slowly=holding.scope.connecting.is_slow,
            )
            # Where its methods differ, the shortest life holds for all.
            end = asked.grants_end_at.get(holding.integration.id, math.inf)
            asked.grants_end_at[holding.integration.id] = min(end, moment + life)
            asked.rows.append(
                {
                    "integration_id": holding.integration.id,
                    "budget_key": key,
                    "free": part,
                    "budgets": budgets,
                    "life": counted_life(life),
                }
            )
