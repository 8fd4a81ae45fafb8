"""What the rules of an event work on: the terms of a request, and a body while it is checked.

Holds no rule itself.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from frontdesk.errors import Problem
from frontdesk.events.schemas import ReadBody
from frontdesk.vendors.contract import Notice
from frontdesk.vendors.declaration import Declaration, EventClass, Operation

OperationName = Literal["create", "update"]


@dataclass(frozen=True)
class Terms:
    """What applies to one request, beside its body: the PMS's declaration, which operation, and
    what the integration and the caller allow. `mark_length`: characters of the notes that are kept
    for the integration's mark."""

    declaration: Declaration
    operation: OperationName
    ignore_unknown_fields: bool = False
    allow_email_send: bool = True
    kind_fallback: bool = False
    mark_length: int = 0

    @cached_property
    def taken(self) -> Operation:
        """The operation as declared. The caller has made sure that there is one."""
        declared = getattr(self.declaration, self.operation)
        if not isinstance(declared, Operation):
            raise TypeError(f"{self.declaration.vendor} declares no {self.operation}")
        return declared

    def moves(self, kind: object) -> bool:
        """Whether what the PMS has no place for goes into the notes. Of a note there is nothing to
        fall back from: it has no details but those that the PMS takes."""
        return self.kind_fallback and kind is not None and kind != EventClass.NOTE


@dataclass(slots=True)
class Checked:
    """A body after the rules: `accepted` are the fields that count, as sent. `moved` are those that
    are not among them because the notes say what they said."""

    accepted: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)
    moved: tuple[str, ...] = ()

    def refuse(self, problem: Problem) -> None:
        """Add a problem, unless the same was said of the same field already."""
        if all((p.path, p.code) != (problem.path, problem.code) for p in self.problems):
            self.problems.append(problem)


def given_fields(checked: Checked, body: ReadBody) -> frozenset[str]:
    """What was given, readable or not: of an unreadable field nobody says that it is missing.
    Blank text is no value where one is needed. A kind stands in for an event type."""
    given = frozenset(
        name
        for name, value in checked.accepted.items()
        if not isinstance(value, str) or value.strip()
    )
    given |= body.refused
    return given | {"event_type_id"} if "kind" in given else given
