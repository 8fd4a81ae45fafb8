"""Walks Entrata's lists: pages of one list, and one list per property.

Not every method pages, and some that do tell no total; a page that repeats the one before it is the
whole list again. A list that is missing from its answer is a refusal, never an empty list: taking
it for empty would let an event be written twice. Source: public client code and observed headers.
"""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from frontdesk.vendors import values
from frontdesk.vendors.contract import Outcome, OutcomeKind, ReadRefused, Session
from frontdesk.vendors.entrata import client
from frontdesk.vendors.entrata.nodes import Node

PAGE_SIZE = 500
MOST_PAGES = 1_000
"""Where walking one list gives up: a list that never ends is no list."""

_NEXT = re.compile(r"\brel\s*=\s*[\"']?next\b", re.IGNORECASE)

_REQUEST_ID = "1"
"""Reads are not told apart by their id: each answer belongs to its own HTTP exchange."""

ItemsOf = Callable[[Node], Sequence[Node] | None]
"""Finds the list in a `result`; None where it is not there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk stands: the property, the page to read next, how many items of the list came
    before it, and the mark of the page before it."""

    x_property_id: str | None = None
    number: int = 1
    seen: int = 0
    mark: int | None = None

    def cursor(self) -> str:
        return orjson.dumps([self.x_property_id, self.number, self.seen, self.mark]).decode()

    @staticmethod
    def read(cursor: str) -> "Place":
        """Raises ValueError for what is no cursor of ours."""
        x_property_id, number, seen, mark = orjson.loads(cursor)
        return Place(x_property_id, int(number), int(seen), mark)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page of one list, and where its next page is (None at the end)."""

    items: tuple[Node, ...]
    after: Place | None
    total: int | None


async def leaf(
    session: Session, method: str, params: Mapping[str, Any], items_of: ItemsOf, place: Place
) -> Leaf:
    """One page of a list. Raises `NoAnswer`, `ReadRefused`."""
    request = client.request(
        session.access, method, params, _REQUEST_ID, page=(place.number, PAGE_SIZE)
    )
    answer = await session.call(request)
    items = items_of(client.read_result(answer))
    if items is None:
        client.refuse(answer, f"Entrata's answer to {method} has no list.")
    total = values.count(answer.headers.get("x-total-count"))
    if not items:
        return Leaf((), None, total)
    mark = zlib.crc32(orjson.dumps(items[0], default=str))
    repeated = place.mark is not None and mark == place.mark
    if repeated and total is not None:
        client.refuse(answer, f"Entrata's pages of {method} repeat before their total is reached.")
    if repeated:
        return Leaf((), None, None)
    seen = place.seen + len(items)
    if total is not None and total < seen:
        # It is contradicted by what came with it, and must not end the list.
        total = None
    if total is not None:
        more = seen < total
    elif "link" in answer.headers:
        more = _NEXT.search(answer.headers["link"]) is not None
    else:
        more = len(items) == PAGE_SIZE
    after = Place(place.x_property_id, place.number + 1, seen, mark) if more else None
    return Leaf(tuple(items), after, total)


async def whole(
    session: Session, method: str, params: Mapping[str, Any], items_of: ItemsOf
) -> tuple[Node, ...]:
    """Every page of a list. Raises `NoAnswer`, `ReadRefused`."""
    found: list[Node] = []
    place: Place | None = Place()
    for _ in range(MOST_PAGES):
        page = await leaf(session, method, params, items_of, place or Place())
        found.extend(page.items)
        place = page.after
        if place is None:
            return tuple(found)
    words = f"Entrata's list of {method} does not end."
    raise ReadRefused(Outcome(OutcomeKind.UNKNOWN, "unexpected_answer", words))


def walk_order(x_property_ids: Sequence[str]) -> list[str]:
    """Properties in the order in which they are walked: fixed by the ids alone, so that a cursor
    means the same after properties were switched on or off."""
    return sorted(set(x_property_ids), key=_walk_key)


def property_after(x_property_ids: Sequence[str], x_property_id: str) -> str | None:
    """The next property of the walk, None at its end."""
    reached = _walk_key(x_property_id)
    return next((x for x in walk_order(x_property_ids) if _walk_key(x) > reached), None)


def _walk_key(x_property_id: str) -> tuple[int, str]:
    return len(x_property_id), x_property_id
