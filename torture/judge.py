"""The checker: holds what the clients were told against what the PMSs hold and the database says.

Pure: lists in, findings out. Staff who write the same text are not us: only records that came in
over the API count, and each event's text bears a marker of its own.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torture.clients import Accepted
from torture.repository import Written
from torture.world import Figures

MARKER = re.compile(r"torture-\d+-\d+-\d+\.")
ENDED_OTHERWISE = frozenset({"failed", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class Effect:
    """One record that a simulator really made for us. `place`: the how manieth of all."""

    marker: str
    place: int
    x_id: str
    written_at: str


@dataclass
class Verdict:
    """What was found at one vendor: markers, so that each can be looked up.

    `uncertain`: told so, whether or not the PMS has it. `excused`: doubled or lost and told
    uncertain, where the PMS can neither be read nor takes a key. `refused`: told that it failed.
    """

    vendor: str
    accepted: int = 0
    delivered: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    uncertain: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)


def effects_of(listed: Iterable[Mapping[str, Any]]) -> dict[str, list[Effect]]:
    """The records made over the API, by marker, from the simulators' answer."""
    found: dict[str, list[Effect]] = defaultdict(list)
    for place, effect in enumerate(listed):
        if effect["origin"] != "api" or effect["operation"] != "create":
            continue
        for marker in MARKER.findall(effect["text"]):
            found[marker].append(
                Effect(marker, place, str(effect["x_id"]), str(effect["written_at"]))
            )
    return found


def judge(
    accepted: Sequence[Accepted],
    writes: Iterable[Written],
    effects: Mapping[str, Sequence[Effect]],
    vendors: Iterable[Figures],
) -> dict[str, Verdict]:
    """The verdict for each vendor."""
    figures = {one.vendor: one for one in vendors}
    verdicts = {vendor: Verdict(vendor) for vendor in figures}
    states = {write.id: write.state for write in writes}
    lanes: dict[tuple[str, str], list[Accepted]] = defaultdict(list)
    for event in accepted:
        verdict = verdicts[event.vendor]
        verdict.accepted += 1
        state = states.get(event.job_id)
        _judge_one(verdict, figures[event.vendor], event, state, effects.get(event.marker, ()))
        lanes[event.integration_id, event.resident_id].append(event)
    for lane in lanes.values():
        verdicts[lane[0].vendor].disordered += _out_of_order(lane, states, effects)
    return verdicts


def _judge_one(
    verdict: Verdict, figures: Figures, event: Accepted, state: str | None, made: Sequence[Effect]
) -> None:
    marker = event.marker
    if made:
        verdict.delivered += 1
    if state == "uncertain":
        verdict.uncertain.append(marker)
    elif state in ENDED_OTHERWISE:
        verdict.refused.append(marker)
    elif state is not None and state != "succeeded":
        verdict.left_over.append(marker)
    elif not made:
        # Told that it is there, or forgotten altogether.
        verdict.lost.append(marker)
    if len(made) > 1:
        told = state == "uncertain" and not figures.never_doubled
        (verdict.excused if told else verdict.duplicated).append(marker)


def _out_of_order(
    lane: Sequence[Accepted],
    states: Mapping[str, str],
    effects: Mapping[str, Sequence[Effect]],
) -> list[str]:
    """Events that reached the PMS before one that was accepted earlier. What ended uncertain may
    still arrive at any time, as its owner was told; what was doubled is counted there."""
    found = []
    latest = -1
    for event in sorted(lane, key=lambda each: each.place):
        made = effects.get(event.marker, ())
        if states.get(event.job_id) != "succeeded" or len(made) != 1:
            continue
        if made[0].place < latest:
            found.append(event.marker)
        latest = max(latest, made[0].place)
    return found


def unknown_to_clients(accepted: Iterable[Accepted], writes: Iterable[Written]) -> list[str]:
    """Writes in the database that no client has a 2xx for (markers): with every client waiting for
    its answer to the end, there are none, or a key did not hold."""
    known = {event.job_id for event in accepted}
    return sorted(write.marker for write in writes if write.id not in known)
