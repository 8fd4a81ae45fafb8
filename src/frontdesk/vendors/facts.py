"""A declaration in the words of a table: what the command line and the reference pages show of it.

Both read from here, so that they cannot tell two stories. Nothing is known here that a declaration
does not say, and nothing is decided by it: the validator and the schemas read the declaration.
"""

from collections.abc import Mapping

from frontdesk.vendors.declaration import Declaration, EventClass, Model, Operation, RecordId

OPERATIONS = ("create", "update")
"""The operations that a declaration may have, by their attribute."""

CUSTOMERS_OWN = "the customer's own"
"""Said of classes where an event type's id means something else at every customer."""


def operations(declaration: Declaration) -> Mapping[str, Operation | None]:
    """Each operation by its name; None where the PMS has no such operation."""
    return {name: getattr(declaration, name) for name in OPERATIONS}


def mark(operation: Operation | None, field: str) -> str:
    """How an operation takes a field: `R` required, `o` optional, with the limit of its length
    (`o ≤ 255`); empty where it does not take it."""
    taken = operation.fields.get(field) if operation else None
    if taken is None:
        return ""
    limit = f" ≤ {taken.max_length}" if taken.max_length is not None else ""
    return ("R" if taken.required else "o") + limit


def record_id(declaration: Declaration) -> str:
    """How the id of a written record becomes known; empty where nothing is written."""
    if declaration.create is None:
        return ""
    return "from the answer" if declaration.record_id is RecordId.ANSWER else "by read-back"


def missing_after_s(declaration: Declaration) -> float | None:
    """Seconds after the last moment of sending from which a record that is not found counts as
    missing; None where the PMS cannot be asked."""
    looked = declaration.read_back
    return looked.late_effect_s + looked.visible_after_s if looked.possible else None


def read_back(declaration: Declaration) -> str:
    """Whether an uncertain write can be looked for; empty where nothing is written."""
    if declaration.create is None:
        return ""
    seconds = missing_after_s(declaration)
    if seconds is None:
        return "no"
    return f"missing after {seconds:g} s" + (" (a guess)" if declaration.read_back.guess else "")


def classes(declaration: Declaration) -> tuple[str, ...]:
    """What kinds of event the PMS tells apart, in the contract's order: those of its event types,
    or a note alone where it has none."""
    if declaration.create is None:
        return ()
    if Model.EVENT_TYPES not in declaration.reads:
        return (EventClass.NOTE,)
    fixed = set(declaration.classes.values())
    return tuple(word for word in EventClass if word in fixed) or (CUSTOMERS_OWN,)


def refusals(declaration: Declaration) -> str:
    """Why an operation is not supported, in the declaration's words; empty where all are."""
    return declaration.unsupported_reason if None in operations(declaration).values() else ""
