"""Chooses the one lease that a resident's activity is written to.

The current lease, else the one on notice, the future one, the latest past one. OneSite takes no
unit, so nothing can decide a tie: it is refused, because an activity on the wrong lease cannot be
taken back. Applications that never became a lease are not written to.
"""

from collections.abc import Sequence
from datetime import date

from frontdesk.vendors.contract import Issue, Lease, LeaseStatus, Refused, Resident

_ORDER: tuple[LeaseStatus, ...] = ("current", "notice", "future", "past")


def chosen_lease(resident: Resident) -> Lease:
    """The lease to write to. Raises `Refused`: no lease, or a tie."""
    leases = [lease for lease in resident.leases if lease.status in _ORDER]
    if not leases:
        words = "The resident has no lease to write to."
        raise Refused([Issue("vendor_rule", ("resident_id",), words)])
    status = next(word for word in _ORDER if any(lease.status == word for lease in leases))
    best = [lease for lease in leases if lease.status == status]
    if status == "past":
        latest = max(_ended(lease) for lease in best)
        best = [lease for lease in best if _ended(lease) == latest]
    if len(best) > 1:
        words = (
            f"The resident has several {status} leases ({_named(best)}), and RealPage takes no "
            "unit_id that would tell which is meant."
        )
        raise Refused([Issue("ambiguous", ("resident_id",), words, expected=_named(best))])
    return best[0]


def _ended(lease: Lease) -> date:
    return lease.move_out or lease.move_in or date.min


def _named(leases: Sequence[Lease]) -> str:
    return ", ".join(
        f"lease {lease.x_id}" + (f" of unit {lease.x_unit_id}" if lease.x_unit_id else "")
        for lease in leases
    )
