"""Notices a PMS that never comes to an end: pages that go round in a circle. Pure.

Brent's cycle detection over the cursors, in constant memory, plus a count of equal pages in a row
for a PMS that counts up and hands out the same records for ever. The state is JSON and lies with
the job, so that a crash does not restart the count.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

_KEY = "walk"


def stepped(
    parameters: Mapping[str, Any],
    next_cursor: str | None,
    x_ids: Sequence[str],
    *,
    equal_pages: int,
) -> dict[str, Any] | None:
    """The job's parameters after a page, or None where the pages repeat.

    `next_cursor` is where the next page begins (None: there is none, so nothing can repeat);
    `x_ids` are the records of this page. `equal_pages` in a row are allowed: where a PMS is asked
    property by property, each may have the same pick list, or nothing.
    """
    walk = dict(parameters.get(_KEY) or {})
    if next_cursor is None:
        return {name: value for name, value in parameters.items() if name != _KEY}
    digest = hashlib.sha256("\n".join(sorted(x_ids)).encode("utf-8", "replace")).hexdigest()[:32]
    equal = int(walk.get("equal", 0)) + 1 if walk.get("digest") == digest else 0
    if equal > equal_pages or walk.get("anchor") == next_cursor:
        return None
    lap, power = int(walk.get("lap", 0)) + 1, int(walk.get("power", 1))
    # The anchor moves on at growing distances: once it lies in the circle, the circle comes round.
    if "anchor" not in walk or lap == power:
        walk = {"anchor": next_cursor, "lap": 0, "power": power * 2}
    else:
        walk = {"anchor": walk["anchor"], "lap": lap, "power": power}
    return {**parameters, _KEY: {**walk, "digest": digest, "equal": equal}}
