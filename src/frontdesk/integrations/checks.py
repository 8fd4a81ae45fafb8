"""The checks of an integration's settings that no schema can express. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from frontdesk.errors import Problem
from frontdesk.integrations.schemas import IntegrationSettings
from frontdesk.vendors.registry import vendors
from frontdesk.vendors.times import zone_named


def sent(body: IntegrationSettings, names: Sequence[str]) -> dict[str, Any]:
    """The fields that the body gives a value to."""
    return {name: value for name in names if (value := getattr(body, name, None)) is not None}


def zone_problems(timezone: str | None) -> list[Problem]:
    if timezone is None or zone_named(timezone) is not None:
        return []
    return [
        Problem(
            "invalid_value",
            ("timezone",),
            "timezone must be an IANA zone, such as America/Chicago.",
            expected="IANA zone",
        )
    ]


def frequency_problems(settings: Mapping[str, Any]) -> list[Problem]:
    """A frequency means nothing without its cadence, nor the other way round."""
    names = ("max_request_frequency", "max_request_cadence")
    missing = [name for name in names if settings.get(name) is None]
    if len(missing) != 1:
        return []
    other = next(name for name in names if name not in missing)
    return [Problem("required", (missing[0],), f"{missing[0]} is required with {other}.")]


def unknown_vendor() -> Problem:
    return Problem(
        "invalid_value",
        ("integration_vendor",),
        f"integration_vendor must be one of: {', '.join(vendors())}.",
        expected=", ".join(vendors()),
    )


def unknown_source() -> Problem:
    return Problem(
        "unknown_reference",
        ("based_on_integration_id",),
        "based_on_integration_id is no integration of this account.",
    )
