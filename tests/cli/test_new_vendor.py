"""`frontdesk new-vendor`: the ninth PMS is one folder, and it runs as it was written.

The command writes into a copy of the source tree, and what is proved is proved there: the copy's
own conformance tests find the new vendor with no other file of it changed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import frontdesk
from frontdesk.cli.app import run
from frontdesk.vendors.registry import vendors
from tests.cli.shell import Shell

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
FOLDER, CODE = "green_tree", "GREEN_TREE"
LONGEST = "abcdefghij_lmnopqrst"
LONGEST_TITLE = "Very Long Name of a PMS & Co - 1"
VENDOR = f"src/frontdesk/vendors/{FOLDER}"
TESTS = f"tests/vendors/{FOLDER}"


@dataclass(frozen=True)
class Tree:
    """A copy of the source tree."""

    root: Path

    def files(self) -> dict[str, bytes]:
        """Every file by its path; what tools leave behind is none."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not {"__pycache__", ".mypy_cache"} & set(path.parts)
        }

    def run(self, *command: str) -> str:
        """What a tool prints in this tree; it must succeed."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            "MYPYPATH": "src:.",
            "PYTEST_ADDOPTS": "",
        }
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-6_000:] + ended.stderr[-2_000:]
        return ended.stdout


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Tree]:
    """Makes copies of the source tree."""

    def copy() -> Tree:
        root = tmp_path_factory.mktemp("tree")
        for name in ("src", "tests", "docs"):
            # Compiled files keep their sources' dates, and spare the copy seconds of compiling.
            shutil.copytree(ROOT / name, root / name, copy_function=shutil.copy2)
        shutil.copy2(ROOT / "pyproject.toml", root)
        return Tree(root)

    return copy


@pytest.fixture(scope="module")
def tree(copied: Callable[[], Tree]) -> Tree:
    """A copy with a ninth vendor in it. No test changes it."""
    tree = copied()
    assert run(["new-vendor", FOLDER, "--into", str(tree.root)]) == 0
    return tree


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_it_writes_new_files_in_two_folders_and_touches_no_other(
    shell: Shell, copied: Callable[[], Tree]
) -> None:
    tree = copied()
    before = tree.files()
    told = shell.json("new-vendor", FOLDER.upper(), "--into", str(tree.root))
    after = tree.files()
    assert {path: after[path] for path in before} == before
    new = sorted(set(after) - set(before))
    assert new == sorted(told["files"])
    assert all(path.startswith((f"{VENDOR}/", f"{TESTS}/")) for path in new)
    assert {"declaration.py", "client.py", "connector.py", "README.md"} <= {
        path.removeprefix(f"{VENDOR}/") for path in new
    }
    assert told["vendor"] == CODE
    everything = " ".join(text.decode() for path, text in after.items() if path in new)
    assert not re.search("new.?pms", everything, re.IGNORECASE), "a name of the template is left"


@pytest.mark.timeout(300)
def test_the_ninth_passes_the_conformance_tests_first_half_and_its_own_as_it_was_written(
    tree: Tree,
) -> None:
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "not second_half",
        "-k",
        CODE,
    ]
    told = tree.run("pytest", *options, "tests/conformance", TESTS)
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None, told
    # A suite that finds nothing passes as well.
    own = sum(text.count(b"def test_") for path, text in tree.files().items() if TESTS in path)
    assert int(passed[1]) > own + 20, told


@pytest.mark.timeout(300)
def test_the_ninth_is_typed_strictly(tree: Tree) -> None:
    cache = str(ROOT / ".mypy_cache")
    tree.run("mypy", "--strict", "--explicit-package-bases", "--cache-dir", cache, VENDOR, TESTS)


def test_what_is_written_is_linted_and_in_its_format_whatever_the_name(
    copied: Callable[[], Tree], shell: Shell
) -> None:
    tree = copied()
    names = [("zz9", "Z"), ("acme", "Acme"), (LONGEST, LONGEST_TITLE)]
    for name, title in names:
        shell("new-vendor", name, "--title", title, "--into", str(tree.root))
    folders = [
        f"{at}/{name}" for name, _ in names for at in ("src/frontdesk/vendors", "tests/vendors")
    ]
    tree.run("ruff", "check", "--no-cache", *folders)
    tree.run("ruff", "format", "--no-cache", "--check", *folders)


def test_it_says_what_comes_next(shell: Shell, tmp_path: Path) -> None:
    printed = shell("new-vendor", FOLDER, "--title", "Green Tree & Sons", "--into", str(tmp_path))
    for word in (VENDOR, TESTS, "not second_half", "guess", "make docs", "CONTRIBUTING"):
        assert word in printed
    readme = (tmp_path / VENDOR / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# Green Tree & Sons\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x", "2 to 20 letters"),
        ("a" * 21, "2 to 20 letters"),
        ("9lives", "a letter first"),
        ("green-tree", "single underscores"),
        ("green__tree", "single underscores"),
        ("../escape", "cannot be a vendor's name"),
        ("grün", "a to z"),
        ("", "cannot be a vendor's name"),
        ("lambda", "a word of Python's"),
        ("contract", "taken"),
        ("note", "a word that Frontdesk itself uses"),
        ("bulk", "a word of the API's paths"),
    ],
)
def test_a_name_that_cannot_be_a_vendors_is_refused_with_the_reason(
    shell: Shell, tmp_path: Path, name: str, why: str
) -> None:
    shell("new-vendor", name, "--into", str(tmp_path), code=2)
    assert why in shell.errors
    assert list(tmp_path.iterdir()) == []


def test_a_vendor_that_there_is_cannot_be_new(shell: Shell, tmp_path: Path) -> None:
    for code in vendors():
        shell("new-vendor", code, "--into", str(tmp_path), code=2)
        assert f"There is a vendor {code} already." in shell.errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("title", ['Quo"ted', "Two\nlines", "{braces}", "x" * 33, " ", "-dash"])
def test_a_title_that_would_break_the_code_is_refused(
    shell: Shell, tmp_path: Path, title: str
) -> None:
    shell("new-vendor", FOLDER, f"--title={title}", "--into", str(tmp_path), code=2)
    assert "cannot be shown as a name" in shell.errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [VENDOR, TESTS])
def test_nothing_is_written_over_a_folder_that_is_there(
    shell: Shell, tmp_path: Path, folder: str
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    shell("new-vendor", FOLDER, "--into", str(tmp_path), code=2)
    assert f"{tmp_path / folder} is there already" in shell.errors
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_installed_frontdesk_has_to_be_told_where_its_sources_are(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontdesk, "__file__", str(tmp_path / "a" / "b" / "__init__.py"))
    shell("new-vendor", FOLDER, code=2)
    assert "--into" in shell.errors
