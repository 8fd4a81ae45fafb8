"""How much a worker has in its hands at once."""

from frontdesk.delivery import clock
from frontdesk.delivery.holding import Place

SLOW_SECONDS = 2.0
SLOW_TIMES = 4
"""So many times the slots may be taken by writes whose PMSs are slow to answer."""


class Slots:
    """Counts the writes that a worker has claimed and not finished. One that has been under way for
    longer than `SLOW_SECONDS` costs memory and a connection, hardly any work: it no longer counts
    against the slots, or the PMSs that hang would take them from all the others."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._fresh: dict[Place, float] = {}
        self._slow: set[Place] = set()

    @property
    def room(self) -> int:
        """How many more may be claimed now."""
        limit = clock.now() - SLOW_SECONDS
        while self._fresh:
            place, taken_at = next(iter(self._fresh.items()))
            if taken_at > limit:
                break
            del self._fresh[place]
            self._slow.add(place)
        return max(
            0,
            min(
                self._capacity - len(self._fresh),
                self._capacity * SLOW_TIMES - len(self._slow),
            ),
        )

    def take(self, place: Place) -> None:
        """A write is to be claimed for this place."""
        self._fresh[place] = clock.now()

    def give_back(self, place: Place) -> None:
        """Its write is finished, or none was claimed."""
        self._fresh.pop(place, None)
        self._slow.discard(place)
