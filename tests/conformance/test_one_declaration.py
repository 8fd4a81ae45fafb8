"""One declaration feeds all: the validator, the capabilities, OpenAPI, the command line and the
page in the docs say the same of every field of every vendor.

Each of the five is asked by its own road, as whoever uses it does, and none is asked for the
declaration. What an operation takes is then one table, and there are five copies of it to compare.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest
from docs.vendor_pages import vendors_page

from frontdesk.api import create_app
from frontdesk.application import Services
from frontdesk.cli.app import run
from frontdesk.events.capabilities import capabilities_of
from frontdesk.events.fields import ENVELOPE_FIELDS, FIELDS, UPDATE_FIELDS, Kind
from frontdesk.events.rules import OperationName, Terms, check
from frontdesk.events.schemas import read_changed_event, read_new_event
from frontdesk.ids import new_id
from frontdesk.settings import Settings
from frontdesk.vendors.declaration import Declaration
from frontdesk.vendors.registry import vendors
from tests.conformance.pms import value_of

OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)
LONGER_THAN_ANY = 200_000


@dataclass(frozen=True)
class Take:
    """How a field is taken."""

    required: bool
    max_length: int | None


Table = dict[str, Take]
"""The fields that an operation takes. An operation that there is not has no table: None."""


@pytest.fixture(params=list(vendors()))
def declaration(request: pytest.FixtureRequest) -> Declaration:
    """Every vendor's declaration in turn, also of those that have no connector."""
    return vendors()[request.param].declaration


@pytest.mark.parametrize("operation", OPERATIONS)
def test_validator_capabilities_and_openapi_say_the_same_of_every_field(
    declaration: Declaration, operation: OperationName
) -> None:
    table = by_validator(declaration, operation)
    shown = capabilities_of(declaration)["operations"][operation]
    assert by_capabilities(shown) == table
    assert by_schema(shown.get("schema"), operation) == table
    assert by_openapi(declaration, operation) == table


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_page_in_the_docs_says_what_the_validator_does(
    declaration: Declaration, operation: OperationName
) -> None:
    # That this is what `docs/reference/vendors.md` holds is asked by tests/docs.
    table = by_page(vendors_page(), declaration.vendor, operation)
    assert table == by_validator(declaration, operation)


def test_the_command_line_says_what_the_validator_does(
    declaration: Declaration, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["vendors", declaration.vendor, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    for operation in OPERATIONS:
        table = by_validator(declaration, operation)
        assert by_capabilities(told["operations"][operation]) == table
    assert run(["vendors", declaration.vendor]) == 0
    printed = capsys.readouterr().out
    assert declaration.vendor in printed
    for name in by_validator(declaration, "create") or ():
        group = name.split("_")[0]
        assert name in printed or f"{group}_…" in printed, name


def test_what_a_pms_cannot_do_has_the_same_reason_everywhere(
    declaration: Declaration, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = [name for name in OPERATIONS if by_validator(declaration, name) is None]
    assert run(["vendors", declaration.vendor, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    for operation in lacking:
        reason = capabilities_of(declaration)["operations"][operation]["reason"]
        assert reason
        assert told["operations"][operation]["reason"] == reason
    if "create" in lacking:
        (path,) = [p for p in document()["paths"] if p.endswith(f"/{declaration.vendor.lower()}")]
        assert "405" in document()["paths"][path]["post"]["responses"]
        assert declaration.unsupported_reason in document()["paths"][path]["post"]["description"]


def test_every_guess_is_told_everywhere(
    declaration: Declaration, capsys: pytest.CaptureFixture[str]
) -> None:
    guesses = capabilities_of(declaration)["guesses"]
    assert run(["vendors", declaration.vendor, "--guesses", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == [{"vendor": declaration.vendor, **guess} for guess in guesses]


# --- each road ------------------------------------------------------------------------------------


def by_validator(declaration: Declaration, operation: OperationName) -> Table | None:
    """What the rules accept and miss, learnt by sending bodies."""
    if getattr(declaration, operation) is None:
        return None
    terms = Terms(declaration, operation)
    names = set(FIELDS if operation == "create" else UPDATE_FIELDS) - ENVELOPE_FIELDS
    missing = {path[0] for code, path in _problems(terms, {}) if code == "required" and path}
    table: Table = {}
    for name in sorted(names):
        kind = FIELDS[name].kind
        value = str(new_id()) if kind is Kind.ID else value_of(name)
        if ("not_taken", (name,)) in _problems(terms, {name: value}):
            continue
        # The one value of `event_type` says nothing: it may stand everywhere, so that it was not
        # refused does not tell whether it is taken.
        if name == "event_type" and name not in _accepted(terms, {name: value}):
            continue
        limit = _limit(terms, name) if kind is Kind.TEXT else None
        table[name] = Take(name in missing, limit)
    return table


def by_capabilities(operation: dict[str, Any]) -> Table | None:
    """The list of fields in the capabilities answer."""
    if not operation["supported"]:
        return None
    return {
        name: Take(told["required"], told["max_length"])
        for name, told in operation["fields"].items()
    }


def by_schema(schema: dict[str, Any] | None, operation: OperationName) -> Table | None:
    """A JSON Schema's properties."""
    if schema is None:
        return None
    own = set(ENVELOPE_FIELDS) | {"kind"}
    required = set(schema.get("required", ()))
    choices = [one for part in schema.get("allOf", ()) for one in part.get("anyOf", ())]
    if any(one.get("required") == ["kind"] for one in choices):
        # Required as well: of an event's type, a kind is another name.
        required |= {name for one in choices for name in one.get("required", ())}
    assert ("integration_id" in required) is (operation == "create")
    return {
        name: Take(name in required, told.get("maxLength"))
        for name, told in schema["properties"].items()
        if name not in own
    }


def by_openapi(declaration: Declaration, operation: OperationName) -> Table | None:
    """The request body that the document has on the vendor's own path."""
    path = f"/v1/events/residents/{declaration.vendor.lower()}"
    method = "post" if operation == "create" else "put"
    if operation == "update":
        path += "/{event_id}"
    told = document()["paths"].get(path, {}).get(method)
    if told is None or "requestBody" not in told:
        return None
    return by_schema(told["requestBody"]["content"]["application/json"]["schema"], operation)


def by_page(page: str, vendor: str, operation: OperationName) -> Table | None:
    """The vendor's column in the operation's table of the page, as a reader reads it."""
    section = page.partition(f"## {operation.capitalize()}\n")[2].partition("\n## ")[0]
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    if vendor not in head:
        return None
    column = head.index(vendor)
    table: Table = {}
    for row in rows:
        found = re.fullmatch(r"([Ro])(?: ≤ (\d+))?", row[column])
        if found is None:
            assert row[column] == ""
            continue
        table[row[0].strip("`")] = Take(found[1] == "R", int(found[2]) if found[2] else None)
    return table


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document. It is made of the routes alone; no request is made of this app."""
    nothing = SimpleNamespace(database=None, accounts=None, settings=Settings())
    return create_app(cast("Services", nothing)).openapi()


def _checked(terms: Terms, body: dict[str, Any]) -> Any:
    if terms.operation == "update":
        return check(terms, read_changed_event(body), None)
    return check(terms, read_new_event({"integration_id": str(new_id()), **body}), None)


def _problems(terms: Terms, body: dict[str, Any]) -> list[tuple[str, tuple[Any, ...]]]:
    return [(problem.code, problem.path) for problem in _checked(terms, body).problems]


def _accepted(terms: Terms, body: dict[str, Any]) -> set[str]:
    return set(_checked(terms, body).accepted)


def _limit(terms: Terms, name: str) -> int | None:
    """The longest text that passes, found by halving."""

    def passes(length: int) -> bool:
        return ("too_long", (name,)) not in _problems(terms, {name: "x" * length})

    if passes(LONGER_THAN_ANY):
        return None
    most, too_many = 0, LONGER_THAN_ANY
    while too_many - most > 1:
        middle = (most + too_many) // 2
        most, too_many = (middle, too_many) if passes(middle) else (most, middle)
    return most
