"""Checks an integration's credentials against what its vendor declares. Pure.

Every missing, unknown or mistyped key is an issue of its own; no value is ever repeated.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frontdesk.errors import Problem
from frontdesk.http.problems import json_type
from frontdesk.vendors.declaration import CredentialKey, Declaration

Path = tuple[str, ...]

LONGEST_VALUE = 10_000
_MOST_KEYS = 50


def check_credentials(declaration: Declaration, credentials: Mapping[str, Any]) -> list[Problem]:
    """Every problem of these credentials. A vendor that declares no key takes any object of
    strings (nothing is ever sent there)."""
    problems = _problems(declaration.name, declaration.credentials, credentials, ("credentials",))
    choices = declaration.credential_choices
    if choices and not any(all(credentials.get(name) for name in names) for names in choices):
        ways = ", or ".join(" and ".join(sorted(names)) for names in choices)
        problems.append(
            Problem(
                "required", ("credentials",), f"{declaration.name} needs {ways} in credentials."
            )
        )
    return problems


def urls_of(
    keys: Sequence[CredentialKey], credentials: Mapping[str, Any], path: Path = ("credentials",)
) -> Iterator[tuple[Path, str]]:
    """Every address in the credentials that will be called, and where it stands."""
    for key in keys:
        value = credentials.get(key.name)
        if key.is_url and isinstance(value, str) and value:
            yield (*path, key.name), value
        if key.inner and isinstance(value, Mapping):
            for name, inner in value.items():
                if isinstance(inner, Mapping):
                    yield from urls_of(key.inner, inner, (*path, key.name, name))


def _problems(
    vendor: str, keys: Sequence[CredentialKey], values: Mapping[str, Any], path: Path
) -> list[Problem]:
    if len(values) > _MOST_KEYS:
        return [Problem("too_long", path, f"{_shown(path)} has more than {_MOST_KEYS} keys.")]
    declared = {key.name: key for key in keys}
    problems = [
        Problem("required", (*path, name), f"{_shown((*path, name))} is required for {vendor}.")
        for name, key in declared.items()
        if key.required and values.get(name) in (None, "")
    ]
    for name, value in values.items():
        place = (*path, name[:80])
        if declared and name not in declared:
            problems.append(
                Problem(
                    "unknown_field",
                    place,
                    f"{_shown(place)} is not a credential of {vendor}; "
                    f"it takes: {', '.join(declared)}.",
                )
            )
        elif value is None:
            continue  # absent; if it is required, that has been said above
        elif declared and declared[name].inner:
            problems += _inner_problems(vendor, declared[name].inner, value, place)
        elif (problem := _problem(value, place)) is not None:
            problems.append(problem)
    return problems


def _inner_problems(
    vendor: str, keys: Sequence[CredentialKey], value: object, path: Path
) -> list[Problem]:
    if not isinstance(value, Mapping):
        return [_wrong_type(path, "object", value)]
    if len(value) > _MOST_KEYS:
        return [Problem("too_long", path, f"{_shown(path)} has more than {_MOST_KEYS} keys.")]
    problems: list[Problem] = []
    for name, inner in value.items():
        place = (*path, name[:80])
        if isinstance(inner, Mapping):
            problems += _problems(vendor, keys, inner, place)
        else:
            problems.append(_wrong_type(place, "object", inner))
    return problems


def _problem(value: object, path: Path) -> Problem | None:
    shown = _shown(path)
    if not isinstance(value, str):
        return _wrong_type(path, "string", value)
    if len(value) > LONGEST_VALUE:
        return Problem("too_long", path, f"{shown} must be at most {LONGEST_VALUE} characters.")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        # They travel in headers: a line break would be a header of its own.
        return Problem("invalid_value", path, f"{shown} must not hold control characters.")
    return None


def _wrong_type(path: Path, expected: str, value: object) -> Problem:
    article = "an" if expected == "object" else "a"
    message = f"{_shown(path)} must be {article} {expected}."
    return Problem("wrong_type", path, message, expected, json_type(value))


def _shown(path: Path) -> str:
    return ".".join(path)


def given(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials without what is null."""
    return {name: value for name, value in credentials.items() if value is not None}
