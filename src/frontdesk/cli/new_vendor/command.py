"""`new-vendor`: writes another PMS's folder and its tests, ready to run, and says what comes next.

It writes new files alone: nothing that is there is changed, and no list of vendors is kept that
would have to learn of it.
"""

from pathlib import Path
from typing import Annotated

import typer

import frontdesk
from frontdesk.cli.failure import FAILED, SURROUNDINGS, CommandFailed
from frontdesk.cli.new_vendor.names import BadNameError, Names, names_of
from frontdesk.cli.new_vendor.rendering import files_of
from frontdesk.cli.output import JsonOption, answers, print_json


def new_vendor(
    name: Annotated[str, typer.Argument(help="Its folder's name, such as `new_pms`.")],
    title: Annotated[
        str | None,
        typer.Option("--title", help="Its name for people.", show_default="made of the other"),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            help="Root of a source tree of Frontdesk.",
            show_default="the tree that this runs from",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the folder of another PMS: declaration, client, connector, simulator, README, tests."""
    try:
        names = names_of(name, title)
    except BadNameError as error:
        raise CommandFailed(str(error), code=SURROUNDINGS) from None
    root = into.expanduser().absolute() if into is not None else _own_root()
    written = [str(path) for path in _write(names, root)]
    steps = _steps(names)
    if as_json:
        print_json({"vendor": names.code, "root": str(root), "files": written, "next": steps})
        return
    answers().print(f"{names.code}: {len(written)} files in {root}", markup=False)
    for path in written:
        answers().print(f"  {path}", markup=False)
    answers().print("\nNext (CONTRIBUTING.md, Add a PMS):")
    for number, step in enumerate(steps, 1):
        answers().print(f"{number}. {step}", markup=False)


def _own_root() -> Path:
    root = Path(frontdesk.__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file() or not (root / "tests" / "vendors").is_dir():
        raise CommandFailed(
            "This Frontdesk does not run from its source tree; name one with --into.",
            code=SURROUNDINGS,
        )
    return root


def _write(names: Names, root: Path) -> list[Path]:
    """Write every file; gives their paths under `root`. Nothing is written if a folder is there."""
    files = {Path(path): text for path, text in files_of(names).items()}
    for folder in sorted(
        {Path(*path.parts[: path.parts.index(names.folder) + 1]) for path in files}
    ):
        if (root / folder).exists():
            raise CommandFailed(f"{root / folder} is there already.", code=SURROUNDINGS)
    for path, text in files.items():
        try:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandFailed(
                f"{root / path} cannot be written ({error.strerror}).", code=FAILED
            ) from error
    return list(files)


def _steps(names: Names) -> list[str]:
    own = f"src/frontdesk/vendors/{names.folder}"
    tests = f"tests/vendors/{names.folder}"
    first_half = f'pytest tests/conformance {tests} -k {names.code} -m "not second_half"'
    rest = f"pytest tests/conformance tests/hazards -k {names.code}"
    return [
        f"See it run as it is: .venv/bin/{first_half}",
        "Collect facts about the PMS, each with its source; what has none is a guess.",
        f"Write them into {own}/declaration.py, and {own}/simulator/ from the vendor's documents.",
        "Then client.py, records.py and connector.py; last README.md.",
        f"Give each refusal, limit, page and time of the vendor a test in {tests}/.",
        "Write the reference pages anew: make docs",
        f"Pass the rest: .venv/bin/{rest} and make check",
    ]
