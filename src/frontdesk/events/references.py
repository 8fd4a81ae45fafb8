"""The catalog records that an event names: whether they are there, and whether they fit together.

Everything is judged from one look-up of the catalog (`Resolved`); nothing is read here. A problem
carries the `last_seen` of the record that it was checked against, because a cache may be behind.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from frontdesk.catalog.known import KnownReference, Resolved
from frontdesk.catalog.models import rfc3339
from frontdesk.errors import Problem
from frontdesk.events.fields import REFERENCE_FIELDS
from frontdesk.ids import parse_id
from frontdesk.vendors.declaration import Operation

LEASING_AGENT = "LEASING_AGENT"
RESIDENTS = "residents"

NOT_SYNCED_YET = (
    "The first sync of this integration has not ended yet, so records may be missing here."
)


def wanted_ids(
    fields: Mapping[str, Any], operation: Operation, also: Collection[str] = ()
) -> dict[str, UUID | None]:
    """The ids to look up: of each reference that was given and is taken here (or is among `also`).
    None where no record can have such an id."""
    return {
        name: parse_id(value)
        for name in REFERENCE_FIELDS
        if (name in operation.fields or name in also) and isinstance(value := fields.get(name), str)
    }


@dataclass(frozen=True, slots=True)
class References:
    """The references of one event, looked up, and how to judge them."""

    resolved: Resolved

    def problems(self, named: Collection[str]) -> list[Problem]:
        """Everything that is wrong with the references in these fields."""
        found = [
            Problem(
                "unknown_reference",
                (name,),
                f"This integration has no {REFERENCE_FIELDS[name]} with this id.",
            )
            for name in named
            if self.resolved.by_field(name) is None
        ]
        checks: tuple[tuple[str, Callable[[], Problem | None]], ...] = (
            ("employee_id", self._employee),
            ("event_type_id", self._event_type),
            ("event_sub_type_id", self._sub_type),
            ("event_result_id", self._result),
        )
        found += [
            problem for name, check in checks if name in named and (problem := check()) is not None
        ]
        return found

    def _employee(self) -> Problem | None:
        employee = self.resolved.employee
        if employee is None or LEASING_AGENT in employee.roles:
            return None
        return Problem(
            "not_allowed",
            ("employee_id",),
            f"This employee does not have the role {LEASING_AGENT}.",
            LEASING_AGENT,
            ", ".join(employee.roles) or "no role",
            rfc3339(employee.last_seen),
        )

    def _event_type(self) -> Problem | None:
        kind = self.resolved.event_type
        # A PMS that says nothing about what a type applies to lets it apply to everything.
        if kind is None or not kind.models or RESIDENTS in kind.models:
            return None
        return Problem(
            "not_allowed",
            ("event_type_id",),
            "This event type does not apply to residents.",
            RESIDENTS,
            ", ".join(kind.models),
            rfc3339(kind.last_seen),
        )

    def _sub_type(self) -> Problem | None:
        return self._of_type("event_sub_type_id", self.resolved.event_sub_type, "belong to")

    def _result(self) -> Problem | None:
        return self._of_type("event_result_id", self.resolved.event_result, "be allowed for")

    def _of_type(self, name: str, record: KnownReference | None, verb: str) -> Problem | None:
        kind = self.resolved.event_type
        if record is None or kind is None or not record.event_type_ids:
            return None
        if kind.id in record.event_type_ids:
            return None
        return Problem(
            "not_allowed",
            (name,),
            f"This {REFERENCE_FIELDS[name]} must {verb} the event type, and does not.",
            last_seen=rfc3339(record.last_seen),
        )
