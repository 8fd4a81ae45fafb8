"""A vendor's world in memory over the stored one, and the scene in which one request plays.

Reads come from memory; a request's writes are stored in one transaction before its answer leaves,
and forgotten together if it fails. Records are never deleted: none of the simulated systems can.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeVar

from frontdesk.sandbox.repository import EffectRow, Repository, Row, as_text

Origin = Literal["api", "staff"]
_NUMBERS_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_NUMBERS_A_SECOND = 20
T = TypeVar("T")


def stamp(moment: datetime) -> str:
    """ISO 8601 UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(slots=True)
class _Collection:
    rows: dict[int, Row] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=dict)
    older: dict[int, Row] = field(default_factory=dict)
    highest: int = 0

    def put(self, row: Row) -> None:
        """Take in a row; under a read lag, the one it replaces stays what readers see."""
        known = self.rows.get(row.number)
        if known is not None and row.hidden_until:
            self.older[row.number] = known
        if known is None or known.parent != row.parent:
            if known is not None:
                self.children[known.parent].remove(row.number)
            self.children.setdefault(row.parent, []).append(row.number)
        self.rows[row.number] = row
        self.highest = max(self.highest, row.number)

    def shown(self, number: int, clock: float) -> Row | None:
        """The row that a reader sees at Unix time `clock`."""
        row = self.rows.get(number)
        if row is None or row.hidden_until <= clock:
            return row
        older = self.older.get(number)
        return older if older is not None and older.hidden_until <= clock else None


class World:
    """Everything that one vendor's simulator knows of one of its customers (numbered from 1)."""

    def __init__(self, vendor: str, repository: Repository, customer: int = 1) -> None:
        self.vendor = vendor
        self.customer = customer
        # The first customer's world keeps the name that it had when there was no other.
        self.key = vendor if customer == 1 else f"{vendor}/c{customer}"
        self._repository = repository
        self._collections: dict[str, _Collection] = {}
        # A PMS gives no id twice. Counted from the time, what is written here gets none that an
        # earlier sandbox gave, whose records a database that outlived it still knows.
        age = datetime.now(UTC) - _NUMBERS_SINCE
        self.first_number = int(age.total_seconds() * _NUMBERS_A_SECOND)
        self.load()

    def load(self) -> None:
        """Read the stored world, in place of what is in memory; no number is given again."""
        given = (known.highest + 1 for known in self._collections.values())
        self.first_number = max(self.first_number, *given, 0)
        self._collections = {}
        for row in self._repository.records(self.key):
            self.collection(row.collection).put(row)

    def collection(self, name: str) -> _Collection:
        """The collection of that name, empty if nothing was ever put there."""
        known = self._collections.get(name)
        if known is None:
            known = self._collections[name] = _Collection()
        return known

    def play(
        self,
        act: Callable[[Scene], T],
        *,
        now: datetime | None = None,
        arrived_at: datetime | None = None,
        origin: Origin = "api",
        credential: str = "",
        hidden_seconds: float = 0.0,
        is_locked: bool = False,
        duplicate: int | None = None,
    ) -> T:
        """Run `act` in a scene, and store what it wrote before returning what it answered."""
        moment = now or datetime.now(UTC)
        scene = Scene(
            self,
            now=moment,
            arrived_at=arrived_at or moment,
            origin=origin,
            credential=credential,
            hidden_until=moment.timestamp() + hidden_seconds if hidden_seconds else 0.0,
            is_locked=is_locked,
            first_number=self.first_number,
            duplicate=duplicate,
        )
        try:
            answer = act(scene)
            if scene.written or scene.effects:
                self._repository.write(scene.written, scene.effects)
        except BaseException:
            # Memory already holds what the store refused: a simulator that answered from it would
            # show a record that a restart forgets.
            if scene.written:
                self.load()
            raise
        return answer

    def populate(self, act: Callable[[Scene], None], *, seed: int, anchor: date) -> None:
        """Run `act` on an empty world and store it whole, with the mark that it is seeded."""
        now = datetime(anchor.year, anchor.month, anchor.day, tzinfo=UTC)
        scene = Scene(
            self, now=now, arrived_at=now, origin="staff", credential="", hidden_until=0.0
        )
        act(scene)
        self._repository.write(scene.written, (), (self.key, seed, anchor.isoformat()))


class Scene:
    """One request's view of a world, and its pen.

    `now` is the simulated system's clock, UTC. Records under a read lag are absent from every read
    until their time has come. `is_locked`: another request is at work on what this one locks.
    `duplicate`: in every list one record comes twice, which one this number chooses.
    """

    def __init__(
        self,
        world: World,
        *,
        now: datetime,
        arrived_at: datetime,
        origin: Origin,
        credential: str,
        hidden_until: float,
        is_locked: bool = False,
        first_number: int = 1,
        duplicate: int | None = None,
    ) -> None:
        self._world = world
        self.now = now
        self.arrived_at = arrived_at
        self.origin: Origin = origin
        self.credential = credential
        self.is_locked = is_locked
        self._hidden_until = hidden_until
        self._first_number = first_number
        self._duplicate = duplicate
        self._clock = datetime.now(UTC).timestamp()
        self.written: list[tuple[Row, str]] = []
        self.effects: list[EffectRow] = []

    def get(self, collection: str, number: int) -> dict[str, Any] | None:
        """The record of that number, or None."""
        row = self._world.collection(collection).shown(number, self._clock)
        return row.body if row is not None else None

    def every(self, collection: str) -> Iterator[dict[str, Any]]:
        """Every visible record, in the order of writing."""
        known = self._world.collection(collection)
        return self._shown(known, known.rows)

    def children(self, collection: str, parent: int) -> Iterator[dict[str, Any]]:
        """The visible records under one parent, in the order of writing."""
        known = self._world.collection(collection)
        return self._shown(known, known.children.get(parent, ()))

    def _shown(self, known: _Collection, numbers: Iterable[int]) -> Iterator[dict[str, Any]]:
        if self._duplicate is not None:
            rows = list(numbers)
            if rows:
                place = self._duplicate % len(rows)
                rows.insert(place, rows[place])
            numbers = rows
        for number in numbers:
            row = known.shown(number, self._clock)
            if row is not None:
                yield row.body

    def next_number(self, collection: str, first: int = 1) -> int:
        """A number that no record of the collection ever had, in this sandbox or an earlier one."""
        highest = self._world.collection(collection).highest
        return max(first, self._first_number, highest + 1)

    def put(
        self,
        collection: str,
        number: int,
        body: dict[str, Any],
        *,
        parent: int = 0,
        at_once: bool = False,
    ) -> dict[str, Any]:
        """Write a record, in place of the one of the same number if there is one. `at_once`: no read
        lag hides it, because the system itself goes by it (an idempotency key)."""
        hidden_until = 0.0 if at_once else self._hidden_until
        # A copy by way of what is stored costs a fraction of a deep one, and nobody reads what a restart
        # would not.
        text = as_text(body)
        row = Row(self._world.key, collection, number, parent, hidden_until, json.loads(text))
        self._world.collection(collection).put(row)
        self.written.append((row, text))
        return row.body

    def effect(
        self,
        *,
        x_id: str,
        x_resident_id: str | None,
        kind: str,
        text: str,
        occurred_at: datetime,
        fields: object,
        operation: Literal["create", "update"] = "create",
    ) -> None:
        """Note that a record was really written; `fields` is the raw wire body."""
        written_at = stamp(self.now)
        body = {
            "vendor": self._world.vendor,
            "customer": self._world.customer,
            "x_id": x_id,
            "x_resident_id": x_resident_id,
            "kind": kind,
            "text": text,
            "occurred_at": stamp(occurred_at),
            "written_at": written_at,
            "arrived_at": stamp(self.arrived_at),
            "operation": operation,
            "origin": self.origin,
            "credential": self.credential or None,
            "fields": fields,
        }
        self.effects.append(EffectRow(self._world.vendor, written_at, body))
