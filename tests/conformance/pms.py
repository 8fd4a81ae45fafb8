"""One PMS as its declaration and its simulator show it, and events that it takes, found by trying.

What an event needs is learnt the way a caller learns it: from the problems that the rules and the
connector name. No vendor is named here, and no wire is known.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from frontdesk.catalog.known import KnownReference, KnownResident, Resolved
from frontdesk.events.fields import ENVELOPE_FIELDS, FIELDS, Kind
from frontdesk.events.rules import OperationName, Terms, check, intent_of
from frontdesk.events.schemas import read_new_event
from frontdesk.ids import new_id
from frontdesk.vendors.contract import (
    Access,
    Answer,
    Connector,
    Outcome,
    Plan,
    Record,
    Reference,
    Refused,
    Request,
    Resident,
)
from frontdesk.vendors.declaration import Declaration, EventClass, Model, Operation
from frontdesk.writes.plans import dump_plan, load_plan
from tests.vendors.live import LiveSession

TIMEZONE = "America/Denver"
"""Where the events' residents live, unless a test says otherwise."""

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
_SPECIAL: Mapping[str, Any] = {
    "event_datetime": "2026-03-02T16:31:17Z",
    "appointment_datetime": "2026-03-05T09:04:00-07:00",
    "time_from": "09:07",
    "time_to": "09:41",
    "call_duration": 4711,
    "event_type": "Note",
}
_OTHER: Mapping[str, Any] = {
    "event_datetime": "2026-03-03T17:31:17Z",
    "appointment_datetime": "2026-03-06T10:04:00-07:00",
    "time_from": "09:11",
    "time_to": "09:53",
    "email_send": True,
}
"""A second value of what no wire need spell as the caller does."""


@dataclass
class Draft:
    """An event in the making: the fields to give, and the records that its ids stand for."""

    resident: Record
    event_type: Record | None
    fields: dict[str, Any] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)


class Untakeable(Exception):  # noqa: N818 — says what became of an attempt, not that something failed
    """The PMS does not take this event; the message says why."""


@dataclass
class Pms:
    """A connector, a session to its simulator, and everything that a sync brings."""

    connector: Connector
    session: LiveSession
    # Not shown: the loop spells out what a task gives whenever a signal's handler is looked at.
    catalog: Mapping[Model, Mapping[str, Record]] = field(repr=False)

    @property
    def declaration(self) -> Declaration:
        return self.connector.declaration

    def operation(self, name: OperationName = "create") -> Operation:
        """A declared operation."""
        found = getattr(self.declaration, name)
        assert isinstance(found, Operation)
        return found

    # --- events ---------------------------------------------------------------------------------

    def plan_with(self, given: Mapping[str, Any] | Sequence[str]) -> tuple[Plan, Draft]:
        """A plan for an event that has these fields, and what else they need. The plan has been
        stored and loaded, as each is on its way to a worker."""
        reasons: dict[str, None] = {}
        for draft in self._drafts():
            try:
                return self._completed(draft, given), draft
            except Untakeable as error:
                reasons[str(error)] = None
        raise AssertionError(f"no event takes {list(given)}: {list(reasons)}")

    def planned(self, draft: Draft, timezone: str | None = TIMEZONE) -> Plan:
        """The plan of a finished draft, as stored, but with its notices. `timezone` is the
        property's. Raises `Untakeable`."""
        plan, missing, reasons = self._tried(draft, timezone)
        if plan is None:
            raise Untakeable(f"{missing} {reasons}")
        return plan

    def request(self, plan: Plan, access: Access | None = None) -> Request:
        """The request that a dry run shows."""
        return self.connector.request(plan, access or self.session.access, "conformance")

    async def send(self, plan: Plan) -> tuple[Answer, Outcome]:
        """Send a plan to the simulator, each time as another write."""
        request = self.connector.request(plan, self.session.access, str(new_id()))
        answer = await self.session.call(request)
        return answer, self.connector.judge(plan, answer)

    def resident_of(self, draft: Draft) -> Resident:
        """The draft's resident, as the catalog hands him to a connector."""
        record = draft.resident
        return Resident(
            str(new_id()),
            record.x_id,
            record.x_property_id,
            record.fields.get("email_1"),
            record.leases,
            record.extra,
        )

    # --- inside ---------------------------------------------------------------------------------

    def _drafts(self) -> Iterator[Draft]:
        residents = [
            record
            for record in self.catalog[Model.RESIDENTS].values()
            if [lease.status for lease in record.leases] == ["current"] and record.fields["email_1"]
        ][:3]
        kinds: list[Record | None] = [None]
        if "event_type_id" in self.operation().fields:
            kinds = list(self.catalog[Model.EVENT_TYPES].values())
        for kind in kinds:
            for resident in residents:
                yield Draft(resident, kind)

    def _completed(self, draft: Draft, given: Mapping[str, Any] | Sequence[str]) -> Plan:
        required = [name for name, taken in self.operation().fields.items() if taken.required]
        for name in [*required, *given]:
            self._give(draft, name)
        if isinstance(given, Mapping):
            draft.fields.update(given)
        for _ in range(8):
            plan, missing, reasons = self._tried(draft)
            if plan is not None:
                return plan
            if not missing or reasons or missing <= set(draft.fields):
                raise Untakeable(f"{missing} {reasons}")
            for name in missing:
                self._give(draft, name)
        raise Untakeable("it asks for ever more")

    def _tried(
        self, draft: Draft, timezone: str | None = TIMEZONE
    ) -> tuple[Plan | None, set[str], list[str]]:
        """The plan, or the fields that are missing and whatever else is wrong."""
        terms = Terms(self.declaration, "create")
        body = read_new_event({"integration_id": str(new_id()), **draft.fields})
        resolved = self._resolved(draft)
        checked = check(terms, body, resolved)
        problems = [(p.code, p.path, p.message) for p in checked.problems]
        if not problems:
            intent = intent_of(checked, terms, resolved, property_timezone=timezone)
            try:
                plan = self.connector.plan(intent)
            except Refused as refused:
                problems = [(i.code, i.path, i.message) for i in refused.issues]
            else:
                return _stored(plan), set(), []
        missing = {str(path[0]) for code, path, _ in problems if code == "required" and path}
        return None, missing, [f"{c} {p}: {m}" for c, p, m in problems if c != "required"]

    def _give(self, draft: Draft, name: str) -> None:
        if name in draft.fields:
            return
        if FIELDS[name].kind is Kind.ID:
            draft.records[name] = self._record(draft, name)
            draft.fields[name] = str(new_id())
        elif name == "email_to":
            draft.fields[name] = draft.resident.fields["email_1"]
        else:
            draft.fields[name] = value_of(name)

    def _record(self, draft: Draft, name: str) -> Record:
        lease = draft.resident.leases[0]
        x_type_id = draft.event_type.x_id if draft.event_type else None
        if name == "resident_id":
            return draft.resident
        if name == "event_type_id" and draft.event_type is not None:
            return draft.event_type
        if name == "unit_id" and lease.x_unit_id is not None:
            return self.catalog[Model.UNITS][lease.x_unit_id]
        model = {
            "employee_id": Model.EMPLOYEES,
            "event_sub_type_id": Model.EVENT_SUB_TYPES,
            "event_result_id": Model.EVENT_RESULTS,
        }[name]
        for record in self.catalog[model].values():
            if model is Model.EMPLOYEES:
                at = [record.x_property_id, *record.links.get("x_property_ids", ())]
                fits = lease.x_property_id in at and "LEASING_AGENT" in record.fields["roles"]
            else:
                fits = x_type_id in _types_of(record)
            if fits:
                return record
        raise Untakeable(f"there is no {name} for event type {x_type_id}")

    def _resolved(self, draft: Draft) -> Resolved:
        known = {name: self._known(record) for name, record in draft.records.items()}
        return Resolved(
            first_sync_done=True,
            resident=KnownResident(new_id(), self.resident_of(draft), NOW, None, (), None),
            unit=known.get("unit_id"),
            employee=known.get("employee_id"),
            event_type=known.get("event_type_id"),
            event_sub_type=known.get("event_sub_type_id"),
            event_result=known.get("event_result_id"),
        )

    def _known(self, record: Record) -> KnownReference:
        is_type = record.model is Model.EVENT_TYPES
        reference = Reference(
            id=str(new_id()),
            x_id=record.x_id,
            name=record.fields.get("name"),
            x_property_id=record.x_property_id,
            event_class=class_of(self.declaration, record) if is_type else None,
            extra=record.extra,
        )
        return KnownReference(
            new_id(),
            reference,
            NOW,
            None,
            models=tuple(record.fields.get("models") or ()),
            roles=tuple(record.fields.get("roles") or ()),
        )


def class_of(declaration: Declaration, record: Record) -> EventClass:
    """The class that the catalog gives an event type."""
    return record.event_class or declaration.class_of(record.x_id)


def _stored(plan: Plan) -> Plan:
    """The plan as a worker gets it, which must be the same plan but for its notices: those are
    the caller's."""
    stored = load_plan(json.loads(json.dumps(dump_plan(plan))))
    assert stored == replace(plan, notices=())
    return replace(stored, notices=plan.notices)


def _types_of(record: Record) -> list[str]:
    one = record.links.get("x_event_type_id")
    return [*([one] if one else []), *record.links.get("x_event_type_ids", ())]


def value_of(name: str) -> Any:
    """A valid value, told from that of every other field."""
    chosen = FIELDS[name]
    if name in _SPECIAL:
        return _SPECIAL[name]
    match chosen.kind:
        case Kind.TEXT if not name.startswith("call_"):
            return f"The {name} of this very event"
        case Kind.EMAIL:
            return f"{name.replace('_', '.')}@example.com"
        case _:
            return chosen.example


def other_value_of(name: str) -> Any:
    """Another valid value of a field that a wire may spell in its own way."""
    return _OTHER[name]


def taken_fields(declaration: Declaration) -> list[str]:
    """The fields of a create, but for what is Frontdesk's own."""
    assert declaration.create is not None
    return [name for name in declaration.create.fields if name not in ENVELOPE_FIELDS]


def leaves(value: object) -> list[str]:
    """Every single value of a JSON document, as text."""
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list | tuple):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value] if isinstance(value, str) else [json.dumps(value)]


def said(request: Request) -> list[str]:
    """Every single value of a request's body, JSON or XML, as a reader of that format gets it."""
    assert request.body is not None
    kind = {name.lower(): value for name, value in request.headers.items()}["content-type"]
    if "json" in kind:
        return leaves(json.loads(request.body))
    assert "xml" in kind
    root = ElementTree.fromstring(request.body)
    return [leaf for node in root.iter() for leaf in (node.text or "", *node.attrib.values())]
