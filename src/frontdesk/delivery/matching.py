"""Whether a record at the PMS is the one that a write may have made.

Pure: given what the PMS shows and what is known, which records can be ours. A record counts only if
it matches (resident, type, time, text, author), is tied to no other write, was not there before the
first attempt, and bears no vendor stamp older than that attempt minus skew; and n intended twins
need n records.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from frontdesk.vendors.contract import FoundEvent, Trace

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Claim:
    """What another write of the same event may have made. `not_stamped_before`: its first attempt
    minus skew. `tied`: ids that belong to others, or were in the cache before its first attempt."""

    not_stamped_before: datetime | None = None
    tied: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What limits the candidates. `tied`: PMS ids that belong to other writes or were in the cache
    before the first attempt. `author`: who our credentials write as, where that is known.
    `not_stamped_before`: the first attempt minus skew. `twins`: what other writes of the same event
    may claim, whose records are not tied yet; the earliest first."""

    tied: Collection[str]
    not_stamped_before: datetime | None
    author: str | None = None
    twins: Sequence[Claim] = ()


def normalised(text: str) -> str:
    """The text as two systems would agree on it: composed characters, single spaces, no edges."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def bears_mark(trace: Trace, event: FoundEvent) -> bool:
    """Whether the record bears the write's mark. Then it is the write's, whatever else it says: a
    person may have changed its words, and nobody else writes the mark."""
    return bool(trace.mark) and trace.mark in event.text


def matches(trace: Trace, event: FoundEvent) -> bool:
    """Whether the record says what the write says. What the PMS does not show cannot differ."""
    if event.x_resident_id != trace.x_resident_id:
        return False
    if bears_mark(trace, event):
        return True
    if trace.x_type_id is not None and event.x_type_id not in (None, trace.x_type_id):
        return False
    if normalised(event.text) != normalised(trace.text):
        return False
    if not trace.instants or not event.instants:
        return True
    # A doubled local hour reads back as two instants: either may be meant.
    return bool(_seconds(trace.instants) & _seconds(event.instants))


SHOWN = frozenset({"notes", "event_type_id", "event_datetime"})
"""The fields of an update that a record shows again."""


def shows_changes(trace: Trace, changes: Collection[str], record: FoundEvent) -> bool:
    """Whether the record is as an update of these fields leaves it. False where it cannot be told:
    an update does no harm twice."""
    if not set(changes) <= SHOWN:
        return False
    if "notes" in changes and normalised(record.text) != normalised(trace.text):
        return False
    if "event_type_id" in changes and record.x_type_id != trace.x_type_id:
        return False
    timed = _seconds(trace.instants) & _seconds(record.instants)
    return "event_datetime" not in changes or bool(timed)


def find(trace: Trace, found: Iterable[FoundEvent], known: Known) -> FoundEvent | None:
    """The record that this write made, or None where the PMS shows none that must be it."""
    candidates = sorted(
        (
            event
            for event in found
            if matches(trace, event)
            and (bears_mark(trace, event) or not _by_another(event, known.author))
        ),
        # What bears the mark comes before what only says the same.
        key=lambda event: (
            not bears_mark(trace, event),
            event.stamped_at.timestamp() if event.stamped_at else 0.0,
            event.x_id,
        ),
    )
    left = list({event.x_id: event for event in candidates}.values())
    # The earlier twins have a claim to the earlier records, each to one that it can have made: one
    # that is too old for this write is as good as taken, and must not cost it its own.
    ours: FoundEvent | None = None
    for claim in (*known.twins, Claim(known.not_stamped_before, known.tied)):
        ours = next((event for event in left if _may_have_made(claim, trace, event)), None)
        if ours is not None:
            left.remove(ours)
    return ours


def _may_have_made(claim: Claim, trace: Trace, event: FoundEvent) -> bool:
    if event.x_id in claim.tied:
        return False
    return bears_mark(trace, event) or not _too_old(event, claim.not_stamped_before)


def _seconds(instants: Iterable[datetime]) -> set[int]:
    return {int(instant.timestamp()) for instant in instants}


def _too_old(event: FoundEvent, limit: datetime | None) -> bool:
    return limit is not None and event.stamped_at is not None and event.stamped_at < limit


def _by_another(event: FoundEvent, author: str | None) -> bool:
    return author is not None and event.author is not None and event.author != author


def earliest_stamp(first_sent_at: datetime, skew_s: float) -> datetime:
    """The oldest vendor stamp that a record of this write may bear. Vendors stamp whole seconds, so
    the limit is rounded down to one."""
    return (first_sent_at - timedelta(seconds=skew_s)).replace(microsecond=0)
