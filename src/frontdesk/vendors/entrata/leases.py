"""Chooses the one lease (and its application) that a resident's event is written to.

The lease of the named unit if one is named, else the current one, the one on notice, the future
one, the latest past one. A tie is refused: an event on the wrong lease cannot be taken back.
Applications that never became a lease, and cancelled leases, are not written to.
"""

from collections.abc import Sequence
from datetime import date

from frontdesk.vendors.contract import EventIntent, Issue, Lease, LeaseStatus, Refused, Resident

_ORDER: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past")


def chosen_lease(intent: EventIntent) -> Lease:
    """The lease to write to. Raises `Refused`: no lease, none of that unit, or a tie."""
    leases = [lease for lease in intent.resident.leases if lease.status in _ORDER]
    if not leases:
        raise Refused(
            [Issue("vendor_rule", ("resident_id",), "The resident has no lease to write to.")]
        )
    if intent.unit is not None:
        leases = [lease for lease in leases if lease.x_unit_id == intent.unit.x_id]
        if not leases:
            raise Refused(
                [
                    Issue(
                        "vendor_rule",
                        ("unit_id",),
                        "The resident has no lease of this unit.",
                        expected=_named(intent.resident.leases),
                        received=intent.unit.x_id,
                    )
                ]
            )
    status = next(word for word in _ORDER if any(lease.status == word for lease in leases))
    best = [lease for lease in leases if lease.status == status]
    if status == "past":
        latest = max(_ended(lease) for lease in best)
        best = [lease for lease in best if _ended(lease) == latest]
    if len(best) > 1:
        advice = "no choice is left" if intent.unit else "name one of them by unit_id"
        raise Refused(
            [
                Issue(
                    "ambiguous",
                    ("unit_id",),
                    f"The resident has several {status} leases ({_named(best)}); {advice}.",
                    expected=_named(best),
                )
            ]
        )
    return best[0]


def property_of(lease: Lease, resident: Resident) -> str:
    """The PMS id of the property to write at. Raises `Refused` where none is known."""
    found = lease.x_property_id or resident.x_property_id
    if found is None:
        raise Refused(
            [Issue("vendor_rule", ("resident_id",), "The property of the lease is not known.")]
        )
    return found


def _ended(lease: Lease) -> date:
    return lease.move_out or lease.move_in or date.min


def _named(leases: Sequence[Lease]) -> str:
    return ", ".join(
        f"lease {lease.x_id}" + (f" of unit {lease.x_unit_id}" if lease.x_unit_id else "")
        for lease in leases
    )
