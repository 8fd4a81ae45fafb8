"""Walks MRI's lists: pages of 300 that are linked by `nextLink`.

Of a link only its `$top` and `$skip` are taken: where the next call goes, and with which
credentials, is ours to say. A link that leads back is refused, and so is an answer without its
list: taken for an empty one, it would let an event be written twice.
Source: observed JSON answers (`odata.metadata`, `value`, `nextLink`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from frontdesk.vendors import values
from frontdesk.vendors.contract import Answer, Outcome, OutcomeKind, ReadRefused, Session
from frontdesk.vendors.mri import client, names

MOST_PAGES = 2_000
"""Where walking one list gives up: a list that never ends is no list."""

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One page of a list, and the `$skip` of the next one (None at the end)."""

    items: tuple[Item, ...]
    after: int | None


async def leaf(session: Session, api: str, query: Mapping[str, str], skip: int) -> Leaf:
    """One page. `skip` 0 is the first; any other is what a link said. Raises `NoAnswer`,
    `ReadRefused`."""
    paged = {**query, "$skip": str(skip)} if skip else dict(query)
    answer = await session.call(client.request(session.access, "GET", api, paged))
    return leaf_of(answer, api, skip)


async def whole(session: Session, api: str, query: Mapping[str, str]) -> tuple[Item, ...]:
    """Every page of a list. Raises `NoAnswer`, `ReadRefused`."""
    found: list[Item] = []
    skip: int | None = 0
    for _ in range(MOST_PAGES):
        page = await leaf(session, api, query, skip or 0)
        found.extend(page.items)
        skip = page.after
        if skip is None:
            return tuple(found)
    raise ReadRefused(
        Outcome(OutcomeKind.UNKNOWN, "unexpected_answer", f"MRI's list of {api} does not end.")
    )


def leaf_of(answer: Answer, api: str, skip: int) -> Leaf:
    """What an answer brings. Raises `ReadRefused`."""
    if answer.status != 200:
        raise ReadRefused(client.failure(answer))
    try:
        found = values.mapping(values.parsed(answer.body))
    except values.Unreadable as error:
        raise _refused(answer, f"MRI's list of {api} is cut short.") from error
    items = names.told(found, "value")
    if not isinstance(items, list) or any(not isinstance(item, Mapping) for item in items):
        said = _error_words(found)
        if said is not None:
            raise ReadRefused(client.refused(answer, said))
        raise _refused(answer, f"MRI's answer to {api} has no list.")
    for item in items:
        if (said := _error_words(item)) is not None:
            raise ReadRefused(client.refused(answer, said))
    link = names.told(found, "nextLink") or names.told(found, "odata.nextLink")
    after = None if link is None else _skip_of(link)
    if link is not None and (after is None or after <= skip):
        raise _refused(answer, f"MRI's list of {api} leads back to where it came from.")
    return Leaf(tuple(items), after)


def _skip_of(link: object) -> int | None:
    try:
        query = parse_qs(urlsplit(link).query) if isinstance(link, str) else {}
    except ValueError:
        return None
    found = next((given[0] for name, given in query.items() if name.lower() == "$skip"), "")
    return int(found) if found.isascii() and found.isdigit() and len(found) <= 9 else None


def _error_words(item: Item) -> str | None:
    """The words of an error that stands where a record should."""
    error = names.told(item, "Error")
    if isinstance(error, list):
        error = next(iter(error), None)
    words = names.told(error, "Message") if isinstance(error, Mapping) else error
    return values.message(words) or None


def _refused(answer: Answer, words: str) -> ReadRefused:
    return ReadRefused(client.unknown(answer, "unreadable_answer", words))
