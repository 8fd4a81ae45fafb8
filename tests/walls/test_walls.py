"""The walls that an import linter cannot see: who names a vendor, who holds SQL, whose repository
is whose, and that a simulator and a connector share nothing.

Everything is found by looking: a new feature or a new vendor is inside the walls from its first
file on.
"""

import ast
import importlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

import frontdesk
from frontdesk.vendors.registry import vendors

SOURCE = Path(frontdesk.__file__).parent
VENDOR_FOLDERS = sorted(
    folder.name for folder in (SOURCE / "vendors").iterdir() if (folder / "__init__.py").exists()
)
# One PMS may be sold under several vendor codes, each with a wire of its own. What these have in
# common lies in a folder that registers no vendor.
COMMON_FOLDERS = frozenset(
    folder
    for folder in VENDOR_FOLDERS
    if not hasattr(importlib.import_module(f"frontdesk.vendors.{folder}"), "VENDOR")
)
# A statement, not a sentence: "Select one" and "update the page" begin alike.
SQL = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+(AS\s+\w+\s+)?SET\s|DELETE\s+FROM\s"
    r"|WITH\s+(RECURSIVE\s+)?\w+\s*(\([\w, ]+\)\s*)?AS\s|(CREATE|ALTER|DROP|TRUNCATE)\s+TABLE\s"
    r"|(LISTEN|NOTIFY)\s+\w+)"
)


@cache
def modules() -> Sequence[tuple[Path, ast.Module]]:
    """Every source file, by its path under `src/frontdesk`, and its syntax tree: each test looks at all."""
    return [
        (path.relative_to(SOURCE), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(SOURCE.rglob("*.py"))
    ]


def imported(path: Path, tree: ast.Module) -> Iterator[str]:
    """Full names of what a module imports; `from a import b` gives `a` and `a.b`."""
    package = ("frontdesk", *path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join((*base, *filter(None, [node.module])))
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string that is no docstring, with its line; of an f-string its fixed parts."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(node, ast.Constant) and isinstance(text, str) and id(node) not in docstrings:
            yield node.lineno, text


def test_no_vendor_is_named_outside_its_folder() -> None:
    names = {code.lower() for code in vendors()} | set(VENDOR_FOLDERS)
    assert names, "no vendor was found"
    # "_" belongs to a word here: `buildium_id` names the vendor as well as `Buildium` does.
    named = re.compile(rf"(?i)(?<![a-z0-9])({'|'.join(map(re.escape, sorted(names)))})(?![a-z0-9])")
    found = []
    for path in sorted(SOURCE.rglob("*")):
        place = path.relative_to(SOURCE)
        if path.suffix not in (".py", ".sql") or place.parts[0] == "vendors":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if named.search(line):
                found.append(f"{place}:{number}: {line.strip()}")
    assert not found, "a vendor is named outside vendors/:\n" + "\n".join(found)


def test_sql_stands_in_repositories_and_in_the_database_package_alone() -> None:
    found = []
    for place, tree in modules():
        if place.parts[0] == "database" or place.name.endswith("repository.py"):
            continue
        for number, text in strings(tree):
            if SQL.match(text):
                found.append(f"{place}:{number}: {text.strip().splitlines()[0][:80]}")
    assert not found, "SQL outside repository.py and database/:\n" + "\n".join(found)


def test_a_repository_is_imported_by_its_own_feature_alone() -> None:
    found = []
    for place, tree in modules():
        for name in imported(place, tree):
            parts = name.split(".")
            if parts[0] != "frontdesk" or len(parts) < 3 or parts[1] == place.parts[0]:
                continue
            if parts[2].endswith("repository"):
                found.append(f"{place} imports {name}")
    # The sandbox is no feature: its repository's errors are how it says that it cannot start.
    known = "cli/processes.py imports frontdesk.sandbox.repository"
    found = [one for one in found if not one.startswith(known)]
    assert not found, "a feature reaches into another's repository:\n" + "\n".join(found)


def of_simulator(part: str) -> bool:
    """Whether a module of a vendor's folder belongs to its simulator."""
    return part.startswith("simulator")


@pytest.mark.parametrize("vendor", VENDOR_FOLDERS)
def test_a_simulator_shares_nothing_with_its_connector(vendor: str) -> None:
    found = []
    for place, tree in modules():
        if place.parts[:2] != ("vendors", vendor):
            continue
        simulates = of_simulator(place.parts[2])
        for name in imported(place, tree):
            parts = name.split(".")
            if parts[:2] != ["frontdesk", "vendors"] or len(parts) < 3:
                continue
            its_own = parts[2] == vendor or parts[2] in COMMON_FOLDERS
            if simulates and not (its_own and len(parts) > 3 and of_simulator(parts[3])):
                found.append(f"{place} imports {name}")
            if not simulates and len(parts) > 3 and of_simulator(parts[3]):
                found.append(f"{place} imports {name}")
    assert not found, "connector and simulator could share an error:\n" + "\n".join(found)


def test_a_vendor_imports_no_other_vendor() -> None:
    found = []
    for place, tree in modules():
        if place.parts[0] != "vendors" or place.parts[1] not in VENDOR_FOLDERS:
            continue
        for name in imported(place, tree):
            match = re.match(r"frontdesk\.vendors\.(\w+)", name)
            other = match[1] if match else place.parts[1]
            if other in VENDOR_FOLDERS and other not in (place.parts[1], *COMMON_FOLDERS):
                found.append(f"{place} imports {name}")
    assert not found, "\n".join(found)


def test_the_wall_against_sql_sees_sql() -> None:
    # A wall that sees nothing stands as firmly as one that holds.
    assert SQL.match("SELECT 1")
    assert SQL.match("\n    INSERT INTO writes (id)")
    assert SQL.match("UPDATE writes AS old SET state = 1")
    assert SQL.match("WITH due AS (SELECT 1)")
    assert not SQL.match("Select a vendor")
    assert not SQL.match("With a token")


def test_every_client_of_the_product_goes_out_through_the_guard() -> None:
    """A session without the guarded connector would call whatever a customer names. The command
    line's own client calls this product only."""
    loose = []
    for path, tree in modules():
        if path.parts[0] in ("cli", "sandbox", "outgoing"):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            if called == "TCPConnector" or (
                called == "ClientSession"
                and not any(
                    word.arg == "connector"
                    and isinstance(word.value, ast.Call)
                    and ast.unparse(word.value.func) == "guarded_connector"
                    for word in node.keywords
                )
            ):
                loose.append(f"{path}:{node.lineno}")
    assert not loose
