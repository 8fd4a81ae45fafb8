"""`frontdesk vendors`: what each PMS takes, the guesses, the parts of a wire to replace; and what
`doctor` says of an operator's own versions of these."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import frontdesk.vendors
from frontdesk.settings import Settings
from frontdesk.vendors import templates
from frontdesk.vendors.registry import vendors
from tests.cli.shell import Shell
from tests.conftest import ENCRYPTION_KEY

TEMPLATE = "<note><text>{{ text }}</text></note>\n"
NAMES = '{"api": "CreateNote", "id": "NoteId"}\n'
PACKAGE = """
from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.declaration import *

VENDOR = Vendor(
    Declaration(
        vendor="PAPERPMS",
        name="Paper PMS",
        credentials=(CredentialKey("key"),),
        base_url="https://paper.example",
        hosts=("paper.example",),
        reads=frozenset(),
        unsupported_reason="Paper [sic] has no API.",
        templates=(
            Template("note.xml.j2", "The body of a note [the envelope is fixed].", ("text",)),
            Template("names.json", "Names of the calls."),
        ),
        guesses=(Guess("note[0]", "A note is a note."),),
    ),
    None,
)
"""


@pytest.fixture
def shell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Shell:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FRONTDESK_{name.upper()}", raising=False)
    # Nobody listens there: what needs a database would say so.
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("FRONTDESK_DATA_DIR", str(tmp_path / "data"))
    return Shell(capsys)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A vendor with templates, found as every vendor is."""
    folder = tmp_path / "more" / "paperpms"
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "templates" / "note.xml.j2").write_text(TEMPLATE)
    (folder / "templates" / "names.json").write_text(NAMES)
    path = [*frontdesk.vendors.__path__, str(folder.parent)]
    monkeypatch.setattr(frontdesk.vendors, "__path__", path)
    vendors.cache_clear()
    yield "PAPERPMS"
    vendors.cache_clear()
    sys.modules.pop("frontdesk.vendors.paperpms", None)
    templates.use_folder(None)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The operator's folder of templates."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("FRONTDESK_TEMPLATES_DIR", str(folder))
    return folder


def test_every_vendor_is_shown_without_a_database(shell: Shell, tmp_path: Path) -> None:
    printed = shell("vendors")
    assert set(vendors()) <= set(printed.split())
    assert [told["vendor"] for told in shell.json("vendors")] == list(vendors())
    assert not (tmp_path / "data").exists()


def test_one_vendor_is_asked_for_in_any_case(shell: Shell) -> None:
    first, *others = vendors()
    printed = shell("vendors", first.lower())
    assert first in printed
    assert not set(others) & set(printed.split())


def test_an_unknown_vendor_is_told_which_there_are(shell: Shell) -> None:
    shell("vendors", "nobody", code=2)
    assert all(code in shell.errors for code in vendors())


def test_a_vendor_without_events_says_why(shell: Shell, paper: str) -> None:
    printed = shell("vendors", paper)
    assert "Paper [sic] has no API." in " ".join(printed.replace("│", " ").split())
    assert "missing after" not in printed


def test_guesses_are_listed_by_vendor_subject_and_assumption(shell: Shell, paper: str) -> None:
    told = shell.json("vendors", "--guesses")
    assert {"vendor": paper, "subject": "note[0]", "assumption": "A note is a note."} in told
    assert len(told) == sum(len(vendor.declaration.guesses) for vendor in vendors().values())
    # A bracket is a bracket, and no markup that vanishes.
    assert "note[0]" in shell("vendors", paper, "--guesses")


def test_templates_are_listed_with_what_they_can_use(shell: Shell, paper: str, own: Path) -> None:
    (own / "paperpms").mkdir()
    mine = own / "paperpms" / "names.json"
    mine.write_text("{}")
    body, names = shell.json("vendors", paper, "--templates")
    assert (body["file"], body["variables"]) == ("paperpms/note.xml.j2", ["text"])
    assert body["replaced_by"] is None
    assert names["replaced_by"] == str(mine)
    assert "[the envelope is fixed]" in shell("vendors", paper, "--templates")
    assert "FRONTDESK_TEMPLATES_DIR" in shell.errors


def test_packaged_templates_are_written_out_once_and_never_over_somebodys_work(
    shell: Shell, paper: str, own: Path
) -> None:
    shell("vendors", paper, "--templates", "--export", str(own))
    written = own / "paperpms" / "note.xml.j2"
    assert written.read_text() == TEMPLATE
    assert (own / "paperpms" / "names.json").read_text() == NAMES
    written.write_text("my own")
    shell("vendors", paper, "--templates", "--export", str(own), code=2)
    assert str(written) in shell.errors
    assert written.read_text() == "my own"


def test_a_folder_that_cannot_be_written_is_a_sentence(
    shell: Shell, paper: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    shell("vendors", paper, "--templates", "--export", str(tmp_path / "file"), code=1)
    assert "cannot be written" in shell.errors


@pytest.mark.parametrize(
    "arguments", [("--guesses", "--templates"), ("--export", "somewhere")], ids=" ".join
)
def test_options_that_do_not_go_together_are_a_wrong_usage(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    shell("vendors", *arguments, code=2)


def findings(shell: Shell, code: int) -> dict[str, dict[str, object]]:
    """What doctor found of the templates."""
    told = shell.json("doctor", code=code)["findings"]
    return {f["subject"]: f for f in told if f["subject"].startswith("template")}


def test_doctor_tries_the_operators_templates(
    shell: Shell, paper: str, own: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("FRONTDESK_ENCRYPTION_KEY", ENCRYPTION_KEY)
    shell("vendors", paper, "--templates", "--export", str(own))
    assert findings(shell, 0) == {
        "templates": {
            "subject": "templates",
            "ok": True,
            "found": f"2 in use from {own}",
            "advice": "",
        }
    }
    (own / "paperpms" / "note.xml.j2").write_text("<note>{{ txet }}</note>")
    (own / "paperpms" / "name.json").write_text("{}")
    told = findings(shell, 1)
    assert "txet" in str(told["template paperpms/note.xml.j2"]["found"])
    assert told["template paperpms/name.json"]["found"] == "replaces nothing"
    # Nothing starts with a template that cannot be used.
    shell("account", "list", code=2)
    assert "note.xml.j2" in shell.errors


def test_doctor_says_that_the_folder_of_templates_is_not_there(
    shell: Shell, own: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("FRONTDESK_ENCRYPTION_KEY", ENCRYPTION_KEY)
    own.rmdir()
    assert not findings(shell, 1)["templates"]["ok"]
