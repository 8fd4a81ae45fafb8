"""Faults on demand: what they are, which requests they meet, and how often.

A fault is asked for at `POST /_sandbox/faults`, meets its next `n` matching requests, and is gone.
One request takes every modifier that matches it (`delay`, `read_lag`, `twin`, `duplicate_rows`,
`repeat_page`) and the first ending
that does (all others); endings behind that one wait for the next request. A request that is
throttled takes none.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from frontdesk.sandbox.simulator import Description, Operation

ANY = "any"
DEFAULT_SECONDS = 1.0


class Kind(StrEnum):
    """Every fault that the sandbox can play."""

    DELAY = "delay"
    HANG_AFTER_EFFECT = "hang_after_effect"
    LATE_EFFECT = "late_effect"
    READ_LAG = "read_lag"
    TWIN = "twin"
    RESET_BEFORE_EFFECT = "reset_before_effect"
    RESET_AFTER_EFFECT = "reset_after_effect"
    STATUS = "status"
    TRUNCATE = "truncate"
    ERROR_IN_200 = "error_in_200"
    UNAUTHORISED = "unauthorised"
    SLOW_DRIP = "slow_drip"
    THROTTLED = "throttled"
    MAINTENANCE = "maintenance"
    DUPLICATE_ROWS = "duplicate_rows"
    REPEAT_PAGE = "repeat_page"


MODIFIERS = frozenset({Kind.DELAY, Kind.READ_LAG, Kind.TWIN, Kind.DUPLICATE_ROWS, Kind.REPEAT_PAGE})

_COMMON = frozenset({"vendor", "fault", "n", "match"})
_EXTRA: Mapping[Kind, frozenset[str]] = {
    Kind.DELAY: frozenset({"seconds"}),
    Kind.HANG_AFTER_EFFECT: frozenset({"seconds"}),
    Kind.LATE_EFFECT: frozenset({"seconds"}),
    Kind.READ_LAG: frozenset({"seconds"}),
    Kind.TWIN: frozenset({"seconds", "before"}),
    Kind.STATUS: frozenset({"status", "retry_after", "effect", "body"}),
    Kind.TRUNCATE: frozenset({"after_bytes"}),
    Kind.ERROR_IN_200: frozenset({"status", "level"}),
    Kind.SLOW_DRIP: frozenset({"seconds"}),
}


class FaultRefused(ValueError):  # noqa: N818 (expected: a value of the endpoint)
    """The body asks for no fault that the sandbox knows; the message says why."""


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a fault meets. `path_contains` looks in path and call name."""

    operation: str = Operation.WRITE.value
    x_resident_id: str | None = None
    path_contains: str | None = None

    def meets(self, description: Description, path: str) -> bool:
        """Whether the request is one of these."""
        if self.operation not in (ANY, description.operation):
            return False
        if self.x_resident_id is not None and self.x_resident_id not in description.x_resident_ids:
            return False
        needle = self.path_contains
        return needle is None or needle in path or needle in description.label


@dataclass(slots=True)
class Fault:
    """One fault as it stands. Unset fields are None; `remaining` counts down to its end.

    `seconds`: the delay; the lag; how long after the cut a late effect comes; over how long an
    answer drips; when a hanging connection is closed after all (None: never); how far a twin lies
    before or after. `status` is the code inside a 200 for `error_in_200`. `body` is `vendor` (an
    error in the vendor's own words) or `html` (a gateway's page, the default where the effect
    happens: a vendor does not refuse in its own words what it has done).
    """

    id: str
    vendor: str
    fault: Kind
    n: int
    remaining: int
    match: Match = field(default_factory=Match)
    seconds: float | None = None
    status: int | None = None
    retry_after: int | None = None
    after_bytes: int | None = None
    effect: bool = False
    before: bool = True
    body: str | None = None
    level: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fault as `GET /_sandbox/faults` shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one request. `duplicate` chooses the row of each list that comes twice;
    `repeats`: the page that was read before comes again, in place of another one."""

    delay: float = 0.0
    read_lag: float = 0.0
    twin: Fault | None = None
    ending: Fault | None = None
    duplicate: int | None = None
    repeats: bool = False

    def beside(self, other: Plan) -> Plan:
        """Both at once; where only one can be played, it is this one's."""
        return Plan(
            delay=self.delay + other.delay,
            read_lag=max(self.read_lag, other.read_lag),
            twin=self.twin or other.twin,
            ending=self.ending or other.ending,
            duplicate=other.duplicate if self.duplicate is None else self.duplicate,
            repeats=self.repeats or other.repeats,
        )

    @property
    def end(self) -> str | None:
        """The ending's name; a status that comes after the effect says so."""
        if self.ending is None:
            return None
        if self.ending.fault is Kind.STATUS and self.ending.effect:
            return "status_after_effect"
        return self.ending.fault.value


class FaultBook:
    """The faults that wait for their requests, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, body: object, vendors: frozenset[str]) -> Fault:
        """Take up a fault. Raises `FaultRefused`."""
        fault = _parse(body, f"fault-{next(self._ids)}", vendors)
        self._faults.append(fault)
        return fault

    def waiting(self) -> list[Fault]:
        """Every fault that has requests left to meet."""
        return list(self._faults)

    def remove(self, *, id: str | None = None, vendor: str | None = None) -> int:  # noqa: A002 (the wire's word)
        """Drop faults (all of them without a filter); answers how many."""
        kept = [
            fault
            for fault in self._faults
            if (id is not None and fault.id != id)
            or (vendor is not None and fault.vendor != vendor)
        ]
        dropped = len(self._faults) - len(kept)
        self._faults = kept
        return dropped

    def take(self, vendor: str, description: Description, path: str) -> Plan:
        """What the waiting faults make of this request; each one used counts down."""
        delay = read_lag = 0.0
        twin: Fault | None = None
        ending: Fault | None = None
        duplicate: int | None = None
        repeats = False
        for fault in self._faults:
            if fault.vendor != vendor or not fault.match.meets(description, path):
                continue
            seconds = DEFAULT_SECONDS if fault.seconds is None else fault.seconds
            if fault.fault is Kind.DELAY:
                delay += seconds
            elif fault.fault is Kind.READ_LAG:
                read_lag = max(read_lag, seconds)
            elif fault.fault is Kind.TWIN and twin is None:
                twin = fault
            elif fault.fault is Kind.DUPLICATE_ROWS:
                duplicate = 0
            elif fault.fault is Kind.REPEAT_PAGE:
                repeats = True
            elif fault.fault not in MODIFIERS and ending is None:
                ending = fault
            else:
                continue
            fault.remaining -= 1
        self._faults = [fault for fault in self._faults if fault.remaining > 0]
        return Plan(delay, read_lag, twin, ending, duplicate, repeats)


def _parse(body: object, id_: str, vendors: frozenset[str]) -> Fault:
    if not isinstance(body, dict):
        raise FaultRefused("the body is a JSON object")
    try:
        kind = Kind(body.get("fault", ""))
    except ValueError:
        raise FaultRefused(f"fault is one of {', '.join(Kind)}") from None
    unknown = sorted(set(body) - _COMMON - _EXTRA.get(kind, frozenset()))
    if unknown:
        raise FaultRefused(f"{kind} takes no {', '.join(unknown)}")
    vendor = body.get("vendor")
    if vendor not in vendors:
        raise FaultRefused(f"vendor is one of {', '.join(sorted(vendors))}")
    status = _number(body, "status", 100 if kind is Kind.STATUS else 1, 599)
    if kind is Kind.STATUS and status is None:
        raise FaultRefused("status needs the field status")
    n = _number(body, "n", 1, 1_000_000) or 1
    effect = _flag(body, "effect", default=False)
    return Fault(
        id=id_,
        vendor=str(vendor),
        fault=kind,
        n=n,
        remaining=n,
        match=_match(body.get("match")),
        seconds=_seconds(body),
        status=status,
        retry_after=_number(body, "retry_after", 0, 86_400),
        after_bytes=_number(body, "after_bytes", 0, 1 << 30),
        effect=effect,
        before=_flag(body, "before", default=True),
        body=_word(body, "body", ("vendor", "html")) or ("html" if effect else "vendor"),
        level=_word(body, "level", ("envelope", "item")),
    )


def _match(value: object) -> Match:
    if value is None:
        return Match()
    if not isinstance(value, dict) or set(value) - {"operation", "x_resident_id", "path_contains"}:
        raise FaultRefused("match holds operation, x_resident_id and path_contains alone")
    operation = value.get("operation", Operation.WRITE.value)
    if operation not in (*Operation, ANY):
        raise FaultRefused(f"match.operation is one of {', '.join((*Operation, ANY))}")
    for name in ("x_resident_id", "path_contains"):
        if not isinstance(value.get(name), str | None):
            raise FaultRefused(f"match.{name} is a string")
    return Match(operation, value.get("x_resident_id"), value.get("path_contains"))


def _number(body: Mapping[str, object], name: str, least: int, most: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise FaultRefused(f"{name} is a whole number from {least} to {most}")
    return value


def _seconds(body: Mapping[str, object]) -> float | None:
    value = body.get("seconds")
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 86_400:
        raise FaultRefused("seconds is a number from 0 to 86400")
    return float(value)


def _flag(body: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise FaultRefused(f"{name} is true or false")
    return value


def _word(body: Mapping[str, object], name: str, words: tuple[str, ...]) -> str | None:
    value = body.get(name)
    if value is not None and value not in words:
        raise FaultRefused(f"{name} is one of {', '.join(words)}")
    return str(value) if value is not None else None
