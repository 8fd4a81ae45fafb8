"""Checks an integration's credentials against what its vendor declares. Pure.

Every missing, unknown or mistyped key is an issue of its own; no value is ever repeated.
"""

from collections.abc import Mapping
from typing import Any

from frontdesk.errors import Problem
from frontdesk.http.problems import json_type
from frontdesk.vendors.declaration import Declaration

LONGEST_VALUE = 10_000
_MOST_KEYS = 50


def check_credentials(declaration: Declaration, credentials: Mapping[str, Any]) -> list[Problem]:
    """Every problem of these credentials. A vendor that declares no key takes any object of
    strings (nothing is ever sent there)."""
    problems: list[Problem] = []
    declared = {key.name: key for key in declaration.credentials}
    if len(credentials) > _MOST_KEYS:
        return [
            Problem("too_long", ("credentials",), f"credentials has more than {_MOST_KEYS} keys.")
        ]
    for name, key in declared.items():
        if key.required and credentials.get(name) in (None, ""):
            problems.append(
                Problem(
                    "required",
                    ("credentials", name),
                    f"credentials.{name} is required for {declaration.name}.",
                )
            )
    for name, value in credentials.items():
        path = ("credentials", name[:80])
        shown = ".".join(path)
        if declared and name not in declared:
            problems.append(
                Problem(
                    "unknown_field",
                    path,
                    f"{shown} is not a credential of {declaration.name}; "
                    f"it takes: {', '.join(declared)}.",
                )
            )
        elif value is None:
            continue  # absent; if it is required, that has been said above
        elif not isinstance(value, str):
            problems.append(
                Problem(
                    "wrong_type", path, f"{shown} must be a string.", "string", json_type(value)
                )
            )
        elif len(value) > LONGEST_VALUE:
            problems.append(
                Problem("too_long", path, f"{shown} must be at most {LONGEST_VALUE} characters.")
            )
        elif any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            # They travel in headers: a line break would be a header of its own.
            problems.append(
                Problem("invalid_value", path, f"{shown} must not hold control characters.")
            )
    return problems


def given(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials without what is null."""
    return {name: value for name, value in credentials.items() if value is not None}
