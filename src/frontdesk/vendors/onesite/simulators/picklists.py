"""The pick lists of a simulated OneSite: the public ids of activity types, and invented results."""

from __future__ import annotations

from collections.abc import Mapping

ACTIVITY_TYPES: Mapping[str, tuple[str, str]] = {
    "S000000001": ("Call", "call_out"),
    "S000000010": ("E-mail", "email_out"),
    "S000000015": ("Note", "note"),
    "S000000100": ("Event", "other"),
    "S000000101": ("Chat", "chat"),
    "1040": ("Visit", "other"),
}
"""Id → its name, and what kind of happening an effect of it is. The last is this customer's own."""

RESULT_CODES: Mapping[str, str] = {"1": "Spoke to resident", "2": "Left a message", "3": "Resolved"}
