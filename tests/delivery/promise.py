"""A small model of the promise, and what the state machine of test_model.py acts on.

`Pms` holds what a property management system would hold, and knows what nobody else does: which write
made which record. `Promise` holds what was promised: what was accepted, in which order, how it ended, and
for which writes a second record has been announced beforehand. Neither knows how the product works.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from frontdesk.vendors.contract import Connector, FoundEvent, NoAnswer, Resident, Unaskable
from frontdesk.vendors.declaration import Declaration, ReadBack, RecordId
from frontdesk.vendors.registry import vendors

LATE_EFFECT_SECONDS = 30.0
VISIBLE_AFTER_SECONDS = 10.0
SKEW_SECONDS = 2.0

Lane = tuple[UUID, UUID]
"""An integration and a resident."""


def declaration(record_id: RecordId) -> Declaration:
    """A vendor as the model pretends it: read back within known times, no idempotency key."""
    some = next(v for v in vendors().values() if v.connector is not None)
    return replace(
        some.declaration,
        record_id=record_id,
        idempotency_key=False,
        read_back=ReadBack(
            possible=True,
            late_effect_s=LATE_EFFECT_SECONDS,
            visible_after_s=VISIBLE_AFTER_SECONDS,
            stamped=True,
            skew_s=SKEW_SECONDS,
        ),
    )


@dataclass
class Effect:
    """One record at the PMS. Times are the model's: they never move, while the rows' do."""

    write_id: UUID
    lane: Lane
    text: str
    x_id: str
    at: datetime
    visible_at: datetime


@dataclass
class Pms:
    """What is, or will be, at the PMS."""

    effects: list[Effect] = field(default_factory=list)
    silent: set[UUID] = field(default_factory=set)
    """Integrations whose PMS answers no read at the moment."""
    unaskable: set[UUID] = field(default_factory=set)
    """Integrations whose PMS cannot show records at all at the moment."""

    def take(self, write_id: UUID, lane: Lane, text: str, at: datetime, lag: float) -> Effect:
        """A request takes effect at this moment, and shows in reads `lag` seconds later."""
        x_id = f"x-{write_id}-{len(self.effects)}"
        effect = Effect(write_id, lane, text, x_id, at, at + timedelta(seconds=lag))
        self.effects.append(effect)
        return effect

    def of(self, write_id: UUID) -> list[Effect]:
        """The records that this write made, those yet to come included."""
        return [effect for effect in self.effects if effect.write_id == write_id]

    def shown(self, integration_id: UUID, x_resident_id: str, moment: datetime) -> list[Effect]:
        """What a read at this moment shows."""
        if integration_id in self.unaskable:
            raise Unaskable("it has no way to show them.")
        if integration_id in self.silent:
            raise NoAnswer("it does not answer", sent=True)
        return [
            effect
            for effect in self.effects
            if effect.lane[0] == integration_id
            and str(effect.lane[1]) == x_resident_id
            and effect.at <= moment
            and effect.visible_at <= moment
        ]


@dataclass
class Clock:
    """The model's time. `ahead`: by how much rows have been moved into the past."""

    ahead: timedelta = timedelta()

    def now(self, real: datetime) -> datetime:
        """The model's moment for a moment of the machine."""
        return real + self.ahead

    def row(self, moment: datetime) -> datetime:
        """How a moment of the model looks beside the rows."""
        return moment - self.ahead


class PmsConnector:
    """The connector's one method that the model needs: reading from the `Pms`."""

    def __init__(self, pms: Pms, clock: Clock, integration_id: UUID, what: Declaration) -> None:
        self.declaration = what
        self._pms = pms
        self._clock = clock
        self._integration_id = integration_id

    async def read_events(
        self, session: object, resident: Resident, where: object = None
    ) -> tuple[FoundEvent, ...]:
        """Every record that shows at this moment."""
        moment = self._clock.now(datetime.now().astimezone())
        return tuple(
            FoundEvent(
                x_id=effect.x_id,
                x_resident_id=resident.x_id,
                text=effect.text,
                stamped_at=self._clock.row(effect.at),
            )
            for effect in self._pms.shown(self._integration_id, resident.x_id, moment)
        )


def connector(pms: Pms, clock: Clock, integration_id: UUID, record_id: RecordId) -> Connector:
    """The PMS as the product's own code reads it."""
    what = declaration(record_id)
    return cast("Connector", PmsConnector(pms, clock, integration_id, what))


@dataclass
class Accepted:
    """A write that got its 2xx."""

    id: UUID
    lane: Lane
    text: str
    retry_of: UUID | None = None


@dataclass
class Promise:
    """What was promised, and every way in which it can be broken."""

    accepted: dict[UUID, Accepted] = field(default_factory=dict)
    lanes: dict[Lane, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    ended: dict[UUID, str] = field(default_factory=dict)
    doubtful: set[UUID] = field(default_factory=set)
    """Writes that were told to be uncertain, or sent again because their owner chose so."""
    resent: set[UUID] = field(default_factory=set)
    """Writes that their owner chose to have sent at least once, and that nobody could look for."""

    def accept(self, write: Accepted) -> None:
        """The write has its 2xx, and its place in its lane."""
        self.accepted[write.id] = write
        self.lanes[write.lane].append(write.id)

    def lineage(self, write_id: UUID) -> list[UUID]:
        """The write and those that it is a retry of, itself first."""
        found = []
        following: UUID | None = write_id
        while following is not None:
            found.append(following)
            following = self.accepted[following].retry_of
        return found

    def is_doubtful(self, write_id: UUID) -> bool:
        """Whether its owner was told that it, or what it retries, may be at the PMS."""
        return not self.doubtful.isdisjoint(self.lineage(write_id))

    def check_rows(self, rows: dict[UUID, Any]) -> None:
        """Nothing is lost, what has ended stays so, and a lane's next waits for the one before."""
        missing = self.accepted.keys() - rows.keys()
        assert not missing, f"accepted, and lost: {missing}"
        for write_id, row in rows.items():
            before = self.ended.get(write_id)
            if before is not None and (before, row["state"]) != ("uncertain", "succeeded"):
                assert row["state"] == before, f"it had ended as {before}, and is {row['state']}"
            if row["finished_at"] is not None:
                self.ended[write_id] = row["state"]
                if row["state"] == "uncertain":
                    self.doubtful.add(write_id)
        for lane, ids in self.lanes.items():
            waiting = [rows[write_id] for write_id in ids if rows[write_id]["finished_at"] is None]
            for behind in waiting[1:]:
                assert behind["ready_at"] is None, f"{lane}: ready before the one before has ended"
                assert behind["state"] in ("queued", "reconciling"), f"{lane}: {behind['state']}"
                # A retry of an uncertain write is behind others before it is looked for.
                assert behind["attempts"] == 0, f"{lane}: sent before the one before has ended"

    def check_effects(self, pms: Pms) -> None:
        """Once, in order, and never behind the back of whoever was told that it is not there."""
        for write_id in self.accepted:
            if self.ended.get(write_id) in ("cancelled", "expired", "failed"):
                told = self.is_doubtful(write_id) or not pms.of(write_id)
                assert told, "told that it was not delivered, and it was"
        for ids in self.lanes.values():
            sure = [write_id for write_id in ids if not self.is_doubtful(write_id)]
            moments = [effect.at for write_id in sure for effect in pms.of(write_id)]
            assert moments == sorted(moments), "out of order within a lane"
        for group in self._twins().values():
            records = sum(len(pms.of(write_id)) for write_id in group)
            if self.resent.isdisjoint(group):
                asked_for = sum(self.accepted[write_id].retry_of is None for write_id in group)
                assert records <= asked_for, f"{records} records of {asked_for} writes"
            if not any(self.is_doubtful(write_id) for write_id in group):
                succeeded = sum(self.ended.get(write_id) == "succeeded" for write_id in group)
                assert succeeded <= records, "told that it was delivered, and it was not"

    def check_end(self, pms: Pms, rows: dict[UUID, Any]) -> None:
        """Everything has ended, and what succeeded is there exactly once."""
        self.check_rows(rows)
        self.check_effects(pms)
        left = [row["state"] for row in rows.values() if row["finished_at"] is None]
        assert not left, f"never ended, though everything works: {left}"
        for group in self._twins().values():
            if any(self.is_doubtful(write_id) for write_id in group):
                continue
            succeeded = sum(self.ended[write_id] == "succeeded" for write_id in group)
            assert succeeded == sum(len(pms.of(write_id)) for write_id in group)

    def _twins(self) -> dict[tuple[Lane, str], list[UUID]]:
        """Writes of the same words to the same resident: nobody can tell their records apart."""
        groups: dict[tuple[Lane, str], list[UUID]] = defaultdict(list)
        for write in self.accepted.values():
            groups[write.lane, write.text].append(write.id)
        return groups
