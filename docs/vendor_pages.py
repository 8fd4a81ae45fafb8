"""The reference pages about vendors, made from their declarations: what each takes, what is guessed.

Called by `docs.generate`. What a simulator guesses is read from the simulator, because the two
share nothing.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from frontdesk.events.fields import EVENT_FIELDS
from frontdesk.sandbox.discovery import find_simulators
from frontdesk.vendors import facts
from frontdesk.vendors.declaration import CredentialKey, Declaration, Operation
from frontdesk.vendors.registry import vendors

SOURCE = Path(__file__).resolve().parents[1] / "src" / "frontdesk" / "vendors"

LEGEND = (
    "`R` required, `o` optional, empty: not taken (400, or dropped with "
    "`ignore_unknown_fields=true`); `≤ n`: at most n characters. Further rules go by the event's "
    "type: they stand below."
)

ABOUT_GUESSES = (
    "What Frontdesk assumes about a PMS although no public source confirms it "
    "(`frontdesk vendors --guesses`, and `guesses` in `GET /v1/capabilities`), and what its "
    "simulator assumes on its own. No result against a simulator proves any of it."
)


def vendors_page() -> str:
    """What each PMS takes, field by field, and how its records behave."""
    known = [vendor.declaration for vendor in vendors().values()]
    able = [declaration for declaration in known if declaration.create or declaration.update]
    unable = [declaration for declaration in known if declaration not in able]
    parts = [
        f"# What each PMS takes\n\n{LEGEND}\n",
        f"## Create\n\n{field_table('create', able)}\n",
        f"## Update\n\n{field_table('update', able)}\n",
        f"## Records\n\n{_records(able)}\n",
        *(_vendor(declaration) for declaration in able),
    ]
    if unable:
        rows = [f"| {d.vendor} | {d.name} | {cell(d.unsupported_reason)} |" for d in unable]
        parts.append(
            "## Without resident events\n\nIntegrations can be created and read nothing; an event "
            "is a 405.\n\n| vendor | name | why |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts).rstrip() + "\n"


def guesses_page() -> str:
    """Every fact about a wire that no public source confirms."""
    parts = [f"# Guesses\n\n{ABOUT_GUESSES}\n"]
    simulators = find_simulators()
    for code, vendor in vendors().items():
        told = [
            f"| {cell(guess.subject)} | {cell(guess.assumption)} |"
            for guess in vendor.declaration.guesses
        ]
        simulator = simulators.get(code)
        simulated = [f"- {' '.join(g.split())}" for g in (simulator.guesses if simulator else ())]
        if not told and not simulated:
            continue
        parts.append(f"## {vendor.declaration.name}\n")
        if told:
            parts.append("| about | assumed |\n|---|---|\n" + "\n".join(told) + "\n")
        if simulated:
            parts.append("The simulator:\n\n" + "\n".join(simulated) + "\n")
    return "\n".join(parts).rstrip() + "\n"


def field_table(name: str, declarations: Sequence[Declaration]) -> str:
    """One operation's fields, a column for each vendor that has it; what nobody takes is left out."""
    able = {d.vendor: found for d in declarations if (found := facts.operations(d)[name])}
    rows = [f"| field | {' | '.join(able)} |", "|---|" + "---|" * len(able)]
    for field in EVENT_FIELDS:
        marks = [facts.mark(operation, field.name) for operation in able.values()]
        if any(marks):
            rows.append(f"| `{field.name}` | {' | '.join(marks)} |")
    return "\n".join(rows)


def cell(text: object) -> str:
    """A text as one cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _records(declarations: Iterable[Declaration]) -> str:
    rows = ["| vendor | id of the record | uncertain write | times on the wire | kinds |"]
    rows.append("|---|---|---|---|---|")
    for declaration in declarations:
        seconds = facts.missing_after_s(declaration)
        looked = "cannot be looked for"
        if seconds is not None:
            looked = f"missing if not found {seconds:g} s after the last moment of sending"
            looked += " (a guess)" if declaration.read_back.guess else ""
        rows.append(
            f"| {declaration.vendor} | {facts.record_id(declaration)} | {looked} | "
            f"`{declaration.time}` | {', '.join(facts.classes(declaration))} |"
        )
    return "\n".join(rows)


def _vendor(declaration: Declaration) -> str:
    found = [f"- Credentials: {', '.join(map(_credential, declaration.credentials))}"]
    if declaration.credential_choices:
        choices = (" and ".join(f"`{key}`" for key in sorted(c)) for c in _choices(declaration))
        found.append(f"- At least one of these, whole: {'; '.join(choices)}")
    found.append(f"- Read: {', '.join(sorted(declaration.reads))}")
    if declaration.templates:
        files = ", ".join(f"`{template.file}`" for template in declaration.templates)
        found.append(f"- Can be replaced (`FRONTDESK_TEMPLATES_DIR`): {files}")
    if declaration.guesses:
        found.append("- What is a guess: [Guesses](guesses.md)")
    readme = SOURCE / declaration.vendor.lower() / "README.md"
    if readme.is_file():
        link = f"../../src/frontdesk/vendors/{declaration.vendor.lower()}/README.md"
        found.append(f"- What it hides, and how answers are judged: [README]({link})")
    if reason := facts.refusals(declaration):
        found.append(f"- Not supported: {' '.join(reason.split())}")
    text = f"## {declaration.name}\n\n" + "\n".join(found) + "\n"
    rules = [rule.message for operation in _taken(declaration) for rule in operation.rules]
    if rules:
        text += "\nRules:\n\n" + "\n".join(f"- {rule}" for rule in dict.fromkeys(rules)) + "\n"
    return text


def _taken(declaration: Declaration) -> list[Operation]:
    return [found for found in facts.operations(declaration).values() if found is not None]


def _choices(declaration: Declaration) -> list[frozenset[str]]:
    return sorted(declaration.credential_choices, key=sorted)


def _credential(key: CredentialKey) -> str:
    return f"`{key.name}`" + ("" if key.required else " (optional)")
