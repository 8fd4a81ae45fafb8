"""`vendors`: what each PMS takes, what is guessed about it, and which parts of its wire an operator
may replace.

Everything shown is read from the declarations and the packaged templates; no database is opened, no
PMS is called, and no setting but the folder of templates matters.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from frontdesk.cli.environment import read_settings
from frontdesk.cli.failure import FAILED, SURROUNDINGS, CommandFailed
from frontdesk.cli.output import JsonOption, answers, asides, print_json, print_table
from frontdesk.vendors import facts, templates
from frontdesk.vendors.declaration import Declaration, Operation
from frontdesk.vendors.registry import vendors as registered

_GROUPED = ("call", "email")
"""Prefixes of fields that are shown as one (`call_…`) where all of them are taken alike."""


def vendors(
    vendor: Annotated[
        str | None, typer.Argument(help="Only this one.", show_default="every vendor")
    ] = None,
    guesses: Annotated[
        bool, typer.Option("--guesses", help="Show what no public source confirms.")
    ] = False,
    show_templates: Annotated[
        bool,
        typer.Option(
            "--templates",
            help="Show which parts of a wire can be replaced (FRONTDESK_TEMPLATES_DIR).",
        ),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", help="With --templates: write the packaged files here, to start from."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each PMS takes, how its records are told apart, and what is a guess."""
    if guesses and show_templates:
        raise typer.BadParameter("Ask for --guesses or --templates, one at a time.")
    if export is not None and not show_templates:
        raise typer.BadParameter("--export writes templates: it goes with --templates.")
    declarations = _chosen(vendor)
    if guesses:
        _show(("vendor", "subject", "assumption"), _guesses(declarations), as_json)
    elif show_templates:
        _show_templates(declarations, export, as_json)
    elif as_json:
        # Late: a second of imports, which nothing else here has a use for.
        from frontdesk.events.capabilities import capabilities_of

        print_json([capabilities_of(declaration) for declaration in declarations])
    else:
        _print_overview(declarations)


def _chosen(code: str | None) -> list[Declaration]:
    known = {name: vendor.declaration for name, vendor in registered().items()}
    if code is None:
        return list(known.values())
    if code.upper() not in known:
        raise CommandFailed(
            f"There is no vendor {code}; there are: {', '.join(known)}.", code=SURROUNDINGS
        )
    return [known[code.upper()]]


# --- what each takes ------------------------------------------------------------------------------


def _print_overview(declarations: Iterable[Declaration]) -> None:
    columns = (
        "vendor",
        "takes (create)",
        "takes (update)",
        "id of the record",
        "read-back",
        "time",
        "kinds",
        "not supported",
    )
    rows = (
        (
            declaration.vendor,
            _taken(declaration.create),
            _taken(declaration.update),
            facts.record_id(declaration) or None,
            facts.read_back(declaration) or None,
            declaration.time if declaration.create else None,
            ", ".join(facts.classes(declaration)) or None,
            facts.refusals(declaration) or None,
        )
        for declaration in declarations
    )
    print_table(columns, rows)
    answers().print("R: required, o: optional. Rules by event type: frontdesk vendors --json.")


def _taken(operation: Operation | None) -> str | None:
    """The fields of an operation in two lines: those that it requires, and the others."""
    if operation is None:
        return None
    marks = {name: facts.mark(operation, name) for name in operation.fields}
    lines = []
    for word in "Ro":
        names = [
            f"{name}{sign.removeprefix(word)}"
            for name, sign in _grouped(marks).items()
            if sign.startswith(word)
        ]
        if names:
            lines.append(f"{word}: {', '.join(names)}")
    return "\n".join(lines)


def _grouped(marks: Mapping[str, str]) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name, sign in marks.items():
        prefix = name.split("_")[0]
        alike = {other for key, other in marks.items() if key.startswith(f"{prefix}_")}
        shown[f"{prefix}_…" if prefix in _GROUPED and alike == {sign} else name] = sign
    return shown


# --- guesses and templates ------------------------------------------------------------------------


def _guesses(declarations: Iterable[Declaration]) -> list[dict[str, Any]]:
    return [
        {
            "vendor": declaration.vendor,
            "subject": guess.subject,
            "assumption": guess.assumption,
        }
        for declaration in declarations
        for guess in declaration.guesses
    ]


def _show_templates(declarations: list[Declaration], export: Path | None, as_json: bool) -> None:
    folder = read_settings().templates_dir
    rows: list[dict[str, Any]] = []
    for declaration in declarations:
        for template in declaration.templates:
            own = folder and templates.replacement(folder, declaration.vendor, template.file)
            row = {
                "vendor": declaration.vendor,
                "file": f"{declaration.vendor.lower()}/{template.file}",
                "purpose": template.purpose,
                "variables": list(template.variables),
                "replaced_by": None if own is None else str(own),
            }
            if export is not None:
                text = templates.packaged_text(declaration.vendor, template.file)
                row["written"] = str(_write(export / str(row["file"]), text))
            rows.append(row)
    _show(tuple(rows[0]) if rows else (), rows, as_json)
    if not rows and not as_json:
        asides().print("None of these vendors has a part that can be replaced.")
    if rows and not as_json:
        asides().print(
            "Set FRONTDESK_TEMPLATES_DIR to a folder with your own versions of these files, and "
            "try them with: frontdesk doctor"
        )


def _write(path: Path, text: str) -> Path:
    """Write a new file; what is there already may be somebody's own work."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandFailed(
            f"{path} is there already, and nothing is written over; choose another folder.",
            code=SURROUNDINGS,
        ) from None
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written ({error.strerror}).", code=FAILED) from error
    return path


def _show(columns: tuple[str, ...], rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            [column.replace("_", " ") for column in columns],
            ([_cell(row[column]) for column in columns] for row in rows),
        )


def _cell(value: object) -> object:
    return ", ".join(value) or None if isinstance(value, list) else value
